"""Several processes that train one model together (data parallelism): who starts them and what they agree on.

Every process takes its part of each batch; gradients, losses and running statistics are means over the processes.
Batch normalisation uses the statistics of a process's own part, unless `sync_batch_norm` shares them. With one device
nothing here does anything.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException

from avsep_lib.errors import ConfigError, WeightsError
from avsep_lib.settings import ModelSettings, TrainingSettings

COMMAND = "avsep_lib.train"  # what starts the other processes by starting itself again


def started_processes() -> tuple[int, int]:
    """Processes and nodes that torchrun or srun started this one among; (1, 1) when neither did."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ["WORLD_SIZE"]), int(os.environ.get("GROUP_WORLD_SIZE", 1))
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))  # of the step; a batch script has none
    return tasks, int(os.environ.get("SLURM_STEP_NUM_NODES", 1)) if tasks > 1 else 1


def make_fabric(training: TrainingSettings, model: ModelSettings) -> Fabric:
    """Fabric on the devices that a run asks for; nothing is started yet.

    Raises
    ------
    ConfigError
        Fewer devices than asked for; another number of processes than torchrun or srun started; synchronised batch
        norm on CPUs; several processes from anything but the command or a launcher.
    """
    # Who starts processes is decided here, and the hint to use srun would write a folder of this machine into every log.
    warnings.filterwarnings("ignore", message="The `srun` command is available")
    devices, (started, nodes) = training.devices, started_processes()
    if started not in (1, devices):
        raise ConfigError(
            f"training.devices = {devices}, but {started} processes were started; set --devices {started}, "
            "or start one process, which starts the others itself"
        )
    if devices == 1:
        return Fabric(accelerator="auto", devices=1, precision=training.precision)
    # Running statistics are averaged before they are read, not copied from the first process in every step.
    # Only the teacher's embedding leaves a weight without a gradient: the convolution that it stands in for.
    strategy = DDPStrategy(broadcast_buffers=False, find_unused_parameters=model.bottleneck == "teacher")
    # One task of a SLURM job starts its processes itself; Fabric would wait for srun to do it.
    alone = [LightningEnvironment()] if started == 1 else None
    try:
        fabric = Fabric(
            strategy=strategy,
            devices=devices // nodes,
            num_nodes=nodes,
            precision=training.precision,
            plugins=alone,
        )
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise ConfigError(f"training.devices = {devices} cannot be had: {error}") from None
    if training.sync_batch_norm and fabric.device.type == "cpu":
        raise ConfigError("sync_batch_norm needs GPUs: torch has none for CPUs; leave it out, or set devices to 1")
    return fabric


def launch(fabric: Fabric) -> None:
    """Start the other processes, or meet those that a launcher started; from here on only the first one prints.

    Raises
    ------
    ConfigError
        Processes cannot be started from here, or the launcher's numbers do not fit.
    """
    if isinstance(fabric.strategy, DDPStrategy):
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        if (
            not fabric.strategy.cluster_environment.creates_processes_externally
            and getattr(spec, "name", "") != COMMAND
        ):
            raise ConfigError(
                f"training.devices > 1 starts processes, which only `python -m {COMMAND}` can; use it, or torchrun"
            )
        try:
            fabric.launch()
        except ValueError as error:
            raise ConfigError(f"the processes that were started do not fit: {error}") from None
        if fabric.global_rank > 0:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the life of the process
            _end_with_parent()


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, even while it waits for the others' gradients."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def with_synchronised_norm(model: torch.nn.Module, fabric: Fabric, training: TrainingSettings) -> torch.nn.Module:
    """`model`, its batch norms replaced where they are to use the statistics of the whole batch."""
    if training.sync_batch_norm and fabric.world_size > 1:
        return torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return model


def mean_over_processes(values: dict[str, torch.Tensor], fabric: Fabric) -> dict[str, torch.Tensor]:
    """Means over the processes of scalars without gradients: over equal parts, hence those of the whole batch.

    All processes know them, so all stop where one of them is no number.
    """
    if fabric.world_size == 1:
        return values
    means = fabric.all_reduce(torch.stack([value.detach() for value in values.values()]), reduce_op="mean")
    return dict(zip(values, means))


def average_running_statistics(model: torch.nn.Module, fabric: Fabric) -> None:
    """Give all processes the mean of their running statistics.

    These are exponential means of batch statistics, and linear: it does not matter how often they are averaged.
    """
    if fabric.world_size > 1:
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.copy_(fabric.all_reduce(buffer.clone(), reduce_op="mean"))


def gathered(scores: np.ndarray, fabric: Fabric) -> np.ndarray:
    """Sum over the processes of an array where each filled its own places and left zeros elsewhere."""
    if fabric.world_size == 1:
        return scores
    return fabric.all_reduce(torch.from_numpy(scores), reduce_op="sum").cpu().numpy()


def check_same_step(step: int, fabric: Fabric) -> None:
    """WeightsError unless all processes start from the same step."""
    if fabric.world_size == 1:
        return
    steps = fabric.all_gather(torch.tensor(step)).flatten().tolist()
    if len(set(steps)) > 1:
        raise WeightsError(f"the processes found states of steps {steps}; --out must be a folder that all of them see")
