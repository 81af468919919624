"""One row of ``config/runs.csv``: a short training loop on Lightning Fabric.

``python -m avsep_lib.train --config JSON --features DIR --out DIR`` writes ``model.safetensors`` (the checkpoint with
the best validation SI-SDR; its configuration is in the file's metadata), ``history.csv`` and ``cost.json``. Streamed
features, and methods that read sound or films, need ``--clips DIR``, the decoded clips, as well. A method that learns
nothing (`avsep_lib.methods.settings.UNTRAINED`) leaves its configuration and no weights.
With ``--devices N``, N processes share each batch (`avsep_lib.parallel`); the first of them writes the files.
A killed job resumes from ``state.ckpt`` (weights, optimiser, random states, position in the data) and ends with the
same weights as an undisturbed one. The family needs torch, numpy, scipy, safetensors and Fabric, nothing else; methods with a
ResNet need torchvision, SGN scikit-learn (for its measures).

The test split is never read here.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import math
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from safetensors.torch import save_file
from torch.nn.parallel import DistributedDataParallel

from avsep_lib.adam import Adam
from avsep_lib.audio import LOG_FLOOR, apply_mask, stft, warp
from avsep_lib.cli import json_argument, run_main
from avsep_lib.errors import DataError, WeightsError
from avsep_lib.files import atomic_path, canonical_json, sha256_text, write_json
from avsep_lib.losses import SEPARATION, alignment
from avsep_lib.methods.assignment import assigned
from avsep_lib.methods.network import Network
from avsep_lib.methods.registry import network_class
from avsep_lib.methods.settings import FAMILY, UNTRAINED
from avsep_lib.metrics import SILENCE_SUM, si_sdr
from avsep_lib.models.separator import Separator, SeparatorOutput, prepare_visual
from avsep_lib.parallel import (
    average_running_statistics,
    check_same_step,
    gathered,
    launch,
    make_fabric,
    mean_over_processes,
    with_synchronised_norm,
)
from avsep_lib.settings import RunConfig, TrainingSettings, from_dict, to_dict
from avsep_lib.training_data import Batch, Inputs, open_inputs, visual_input

LOSSES = ("separation", "alignment")  # terms that histories list; methods outside the family have other second ones
HISTORY = ["step", "epoch", "learning_rate", *(f"loss_{name}" for name in LOSSES), "val_si_sdr_db"]
MOMENTUM = 0.9  # of SGD, in Sound-of-Pixels' and SGN's recipes


def learning_rate(step: int, training: TrainingSettings) -> float:
    """Learning rate before update `step` (0-based).

    ``code``: linear warm-up, linear decay to a tenth at `decay_end_fraction`, constant after (released code).
    ``paper``: 1e-4, a tenth of it from epoch 60 of about 133, i.e. from 45 % of the steps (section 4.1).
    ``tenths``: a tenth after 40 % and again after 80 % (Sound-of-Pixels: epochs 40 and 80 of 100). ``constant``: SGN.
    """
    if training.schedule == "constant":
        return training.learning_rate
    if training.schedule == "tenths":
        return training.learning_rate * 0.1 ** sum(step >= round(training.steps * share) for share in (0.4, 0.8))
    if training.schedule == "paper":
        return 1e-4 if step < round(training.steps * 60 / 133) else 1e-5
    warmup = max(round(training.steps * training.warmup_fraction), 1)
    end = max(round(training.steps * training.decay_end_fraction), warmup + 1)
    if step < warmup:
        return training.learning_rate * (step + 1) / warmup
    return training.learning_rate * (1 - 0.9 * min((step - warmup) / (end - warmup), 1))


def to_device(batch: Batch, device: torch.device) -> Batch:
    """A batch where the model is, its pictures and labels as numbers."""
    moved = {name: tensor.to(device) for name, tensor in batch.items()}
    return {name: as_numbers(name, tensor) for name, tensor in moved.items()}


def as_numbers(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Pictures (uint8) in [0, 1], labels (uint8) as 0 and 1, everything else as it is."""
    return tensor.float() if name == "labels" else prepare_visual(tensor)


def set_numerics(device: torch.device) -> None:
    """Repeatable to the bit on CPUs, fast on GPUs: there, repeatable upsampling alone would outlast the whole step."""
    on_cpu = device.type == "cpu"
    torch.use_deterministic_algorithms(on_cpu)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a safeguard for reads of such memory; there are none
    torch.backends.cudnn.benchmark = not on_cpu


def build(config: RunConfig, classes: tuple[str, ...]) -> torch.nn.Module:
    """The network of a run, with its first weights; `classes` are those of the training clips."""
    if config.method != FAMILY:
        return network_class(config.method)(config, classes)
    separator = Separator(config.model).to(memory_format=torch.channels_last)
    if config.model.backbone == "resnet18" and config.model.backbone_weights:
        from avsep_lib.models.visual import load_trunk

        load_trunk(separator.visual, config.model.backbone_weights)
    return separator


def make_optimizer(network: torch.nn.Module, training: TrainingSettings) -> torch.optim.Optimizer:
    """Adam, or SGD with momentum; each group of parameters has its `share` of the learning rate."""
    groups = network.parameter_groups() if isinstance(network, Network) else [{"params": list(network.parameters())}]
    groups = [{"share": 1.0, **group} for group in groups]
    if training.optimizer == "sgd":
        decay = training.weight_decay
        return torch.optim.SGD(groups, lr=training.learning_rate, momentum=MOMENTUM, weight_decay=decay)
    if isinstance(network, Network):  # the fused one needs gradients in the order of the weights, see avsep_lib.adam
        return torch.optim.Adam(groups, lr=training.learning_rate)
    return Adam(groups, lr=training.learning_rate, fused=True)


def unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """The network inside Fabric's and DDP's wrappers."""
    while isinstance(model, _FabricModule | DistributedDataParallel):
        model = model.module
    return model


def compiled_forward(separator: Separator, fabric: Fabric) -> Callable[..., SeparatorOutput]:
    """The forward pass, compiled, in the precision of `fabric`; validation keeps the uncompiled one."""
    torch.compiler.reset()  # graphs of earlier runs in this process would count against the limit of recompilations
    fast = torch.compile(separator)

    def forward(*values: torch.Tensor) -> SeparatorOutput:
        with fabric.autocast():
            return fast(*values)

    return forward


def batch_losses(model: Callable[..., SeparatorOutput], batch: Batch, config: RunConfig) -> dict[str, torch.Tensor]:
    """The terms of a batch's loss: separation and others.

    In the family the other is alignment, which is reported even where it is not trained.
    """
    if config.method != FAMILY:
        return model(batch)
    output = model(torch.log(batch["mixture"]), batch["visual"], batch["teacher"])
    logits, bottleneck = output.logits.to(batch["sources"].dtype), output.bottleneck.to(batch["teacher"].dtype)
    separation = SEPARATION[config.training.loss](logits, batch["sources"], batch["mixture"])
    return {"separation": separation, "alignment": alignment(bottleneck, batch["teacher"])}


def total_loss(losses: dict[str, torch.Tensor], config: RunConfig) -> torch.Tensor:
    """L_sep + lambda L_align (Eq. 8), or L_sep alone; the sum of all terms of a method outside the family."""
    if config.method != FAMILY:
        return sum(losses.values())
    if not config.alignment:
        return losses["separation"]
    return losses["separation"] + config.training.alignment_weight * losses["alignment"]


@torch.no_grad()
def validation_si_sdr(model: torch.nn.Module, val: dict[str, torch.Tensor], config: RunConfig, fabric: Fabric) -> float:
    """Mean SI-SDR in dB over the sources of all validation pairs, soft masks; processes share the batches out.

    A silent estimate has no SI-SDR; it counts as -30 dB here, so that silence is never selected. The outputs of a method
    without queries are given to the sources in the best way (`avsep_lib.methods.assignment`).
    """
    model.eval()
    batch_size = config.training.batch_size
    scores = np.zeros(val["references"].shape[:2])
    present = val["references"].abs().sum(dim=-1).numpy() > SILENCE_SUM  # mixtures with fewer sources have empty slots
    present &= present.sum(axis=1, keepdims=True) > 1  # one source alone is separated by doing nothing
    for i in range(0, len(scores), batch_size)[fabric.global_rank :: fabric.world_size]:
        part = {name: tensor[i : i + batch_size] for name, tensor in val.items()}
        if config.method == FAMILY:
            estimates, named = _family_estimates(model, part, config), True
        else:
            estimates, named = _network_estimates(unwrapped(model), part)
        for k, found in enumerate(estimates.cpu(), start=i):
            if not present[k].any():
                continue
            references = val["references"][k].numpy()[present[k]]
            found = found[present[k]] if named else assigned(found, found.numpy(), references)
            scores[k, present[k]] = np.nan_to_num(si_sdr(references, found.numpy()), nan=-30.0)
    model.train()
    return float(gathered(scores, fabric)[present].mean())


def _family_estimates(model: torch.nn.Module, part: Batch, config: RunConfig) -> torch.Tensor:
    """Estimates (B, n, n_output) of validation mixtures by a separator of the family."""
    device, audio = next(model.parameters()).device, config.audio
    spectrum = stft(part["waveform"].to(device), audio)
    log_magnitude = torch.log(warp(spectrum.abs() + LOG_FLOOR, audio))[:, None]
    visual = prepare_visual(part[visual_input(config)].to(device))
    masks = model(log_magnitude, visual, part["teacher"].to(device)).masks.float()
    return apply_mask(spectrum[:, None], masks, audio)


def _network_estimates(network: Network, part: Batch) -> tuple[torch.Tensor, bool]:
    """Estimates (B, m, n_output) of validation mixtures by another method's network, and whether they are in order."""
    waveform = part["waveform"].to(next(network.parameters()).device)
    if network.conditions == "none":
        return network.separate(waveform, None), False
    told = as_numbers(network.conditions, part[network.conditions].to(waveform.device))
    return network.separate(waveform, told), True


@torch.no_grad()
def further_measures(model: torch.nn.Module, val: Batch, config: RunConfig) -> dict[str, float]:
    """What a method measures on the validation mixtures besides SI-SDR; nothing in the family."""
    if config.method == FAMILY:
        return {}
    network = unwrapped(model).eval()
    device = next(network.parameters()).device
    found = network.measures({name: as_numbers(name, tensor.to(device)) for name, tensor in val.items()})
    model.train()
    return found


@dataclass
class Progress:
    """Position, log and best checkpoint of a job: everything beside model, optimiser and random state."""

    step: int = 0
    seconds: float = 0.0
    waited: float = 0.0  # of them, for batches
    history: list[list[float]] = field(default_factory=list)
    measures: list[str] = field(default_factory=list)  # columns of the history that the method adds
    best_si_sdr: float = -float("inf")
    best_step: int = 0
    best: dict[str, torch.Tensor] = field(default_factory=dict)


def _save_state(path: Path, model: torch.nn.Module, optimizer: Any, progress: Progress, fingerprint: str) -> None:
    """Write the resumable state atomically; tensors and plain types only, so that it loads with weights_only."""
    state = {
        "fingerprint": fingerprint,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state(),
        "progress": dict(vars(progress)),
    }
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def _restore_state(path: Path, model: torch.nn.Module, optimizer: Any, fingerprint: str) -> Progress:
    """State of an interrupted job, or a fresh start when there is none or it belongs to other inputs."""
    if not path.exists():
        return Progress()
    try:
        with zipfile.ZipFile(path) as archive:  # PyTorch's own reader does not look at the checksums
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"{damaged} is damaged")
        state = torch.load(path, weights_only=True, map_location="cpu")
        belongs = state["fingerprint"] == fingerprint
    except Exception as error:
        raise WeightsError(
            f"{path} cannot be read ({type(error).__name__}); delete it to start this run anew"
        ) from None
    if not belongs:
        print(f"{path} belongs to another configuration or other features: starting anew", flush=True)
        return Progress()
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["rng"])
    print(f"resuming at step {state['progress']['step']}", flush=True)
    return Progress(**state["progress"])


def _snapshot(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()}


def _write_results(out: Path, config: RunConfig, progress: Progress, device: str, classes: Sequence[str]) -> None:
    """History and cost first, the model last: its presence means the run is complete."""
    with atomic_path(out / "history.csv") as path, path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*HISTORY, *progress.measures])
        writer.writerows(progress.history)
    write_json(
        out / "cost.json",
        {
            "seconds": round(progress.seconds, 1),
            "waiting_share": round(progress.waited / max(progress.seconds, 1e-9), 4),  # of the time, for batches
            "steps": progress.step,
            "device": device,
            "threads": torch.get_num_threads(),
            "best_step": progress.best_step,
            "best_val_si_sdr_db": progress.best_si_sdr if progress.step else None,
        },
    )
    with atomic_path(out / "model.safetensors") as path:
        # One entry only: the format's writer puts several in an order that changes from run to run.
        written = to_dict(config) | ({"classes": list(classes)} if config.method != FAMILY else {})
        save_file(progress.best, path, metadata={"config": canonical_json(written)})


def train(
    config: RunConfig,
    features: Path,
    out: Path,
    *,
    clips: Path | None = None,
    workers: int = 2,
    stop_after: int | None = None,
    inputs: Inputs | None = None,
    compiled: bool = False,
) -> Path | None:
    """Train one run, or continue it.

    Parameters
    ----------
    config : RunConfig
    features : Path
        Folder with ``train.safetensors`` and ``val.safetensors``.
    out : Path
        Run folder.
    clips : Path, optional
        Folder of the decoded clips; streamed features need it.
    workers : int
        Processes that compute the batches of streamed features, for each device.
    stop_after : int, optional
        Leave after this many steps with a resumable state, as an interruption would (tests, time limits).
    inputs : Inputs, optional
        What `features` holds, opened already: runs that follow each other in one process share it.
    compiled : bool
        Compile the forward and backward pass of a training step (`torch.compile`); worth it on GPUs, and one device.

    Returns
    -------
    Path or None
        ``model.safetensors``, or None when stopped early.

    Raises
    ------
    DataError, WeightsError, ConfigError
        Missing or truncated input, unusable state, features that do not fit the configuration.
    """
    training = config.training
    fabric = make_fabric(training, config.model)
    set_numerics(fabric.device)
    torch.manual_seed(config.seed)
    inputs = inputs or open_inputs(config, features, clips, workers)
    pool, val = inputs.pool, inputs.val
    launch(fabric)
    pool.share_out(fabric.global_rank, fabric.world_size)

    separator = with_synchronised_norm(build(config, inputs.classes), fabric, training)
    model, optimizer = fabric.setup(separator, make_optimizer(separator, training))
    forward = compiled_forward(separator, fabric) if compiled and fabric.world_size == 1 else model
    fingerprint = sha256_text(canonical_json([to_dict(config), *inputs.hashes]))
    progress = _restore_state(out / "state.ckpt", model, optimizer, fingerprint)
    check_same_step(progress.step, fabric)
    every = max(training.steps // training.validations, 1)
    sums, started = dict.fromkeys(LOSSES, 0.0), time.perf_counter() - progress.seconds
    out.mkdir(parents=True, exist_ok=True)
    batches = pool.batches(progress.step)

    while progress.step < training.steps:
        rate = learning_rate(progress.step, training)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
        asked = time.perf_counter()
        batch = next(batches)
        progress.waited += time.perf_counter() - asked
        optimizer.zero_grad()  # before the forward pass: its activations take the place of the old gradients
        losses = batch_losses(forward, to_device(batch, fabric.device), config)
        loss = total_loss(losses, config)
        losses = mean_over_processes(losses, fabric)
        if not torch.isfinite(total := total_loss(losses, config)):
            raise DataError(
                f"run {config.run_id}: the loss is {total.item()} at step {progress.step}; lower learning_rate"
            )
        fabric.backward(loss)
        fabric.clip_gradients(model, optimizer, max_norm=training.clip_norm, error_if_nonfinite=False)
        optimizer.step()
        progress.step += 1
        for name in sums:
            sums[name] += losses[name].item() if name in losses else math.nan

        if progress.step % every == 0 or progress.step == training.steps:
            average_running_statistics(model, fabric)
            score = validation_si_sdr(model, val, config, fabric)
            steps = progress.step - (int(progress.history[-1][0]) if progress.history else 0)
            epoch = progress.step * training.batch_size / len(pool)
            means = [sums[name] / steps for name in LOSSES]
            measured = further_measures(model, val, config)
            progress.measures = list(measured)
            progress.history.append([progress.step, round(epoch, 4), rate, *means, score, *measured.values()])
            sums = dict.fromkeys(sums, 0.0)
            if score > progress.best_si_sdr:
                progress.best_si_sdr, progress.best_step, progress.best = score, progress.step, _snapshot(model)
            progress.seconds = time.perf_counter() - started
            _report(config, progress)
            if fabric.is_global_zero:
                _save_state(out / "state.ckpt", model, optimizer, progress, fingerprint)
        if stop_after is not None and progress.step >= stop_after:
            return None

    if fabric.is_global_zero:
        _write_results(out, config, progress, str(fabric.device), inputs.classes)
        (out / "state.ckpt").unlink(missing_ok=True)
    return out / "model.safetensors"


def leave_untrained(config: RunConfig, out: Path) -> Path:
    """The files of a run of a method that learns nothing: its configuration, no step, no second, no weights."""
    out.mkdir(parents=True, exist_ok=True)
    _write_results(out, config, Progress(), "none", ())
    return out / "model.safetensors"


def _report(config: RunConfig, progress: Progress) -> None:
    """One line of progress with an estimate of the time left."""
    left = progress.seconds / progress.step * (config.training.steps - progress.step)
    step, _, _, separation, aligned, score, *_ = progress.history[-1]
    also = "" if math.isnan(aligned) else f"  align {aligned:.3f}"
    print(
        f"{config.run_id}: step {step}/{config.training.steps}  loss {separation:.4f}{also}  "
        f"val SI-SDR {score:.2f} dB  {progress.seconds:.0f} s ({progress.waited / progress.seconds:.1%} waiting for data), "
        f"{left:.0f} s left",
        flush=True,
    )


def main() -> None:
    """Command line: train one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=json_argument, required=True, help="resolved RunConfig as JSON")
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=Path, help="decoded clips, for streamed features")
    parser.add_argument("--workers", type=int, default=2, help="processes that compute streamed features, per device")
    parser.add_argument("--devices", type=int, help="processes that share each batch, in place of training.devices")
    parser.add_argument(
        "--sync-batch-norm", action="store_true", help="as training.sync_batch_norm: statistics of the whole batch"
    )
    arguments = parser.parse_args()
    config = from_dict(RunConfig, arguments.config, "--config")
    changes = {} if arguments.devices is None else {"devices": arguments.devices}
    if arguments.sync_batch_norm:
        changes["sync_batch_norm"] = True
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, **changes))
    if config.method in UNTRAINED:
        leave_untrained(config, arguments.out)
        return
    train(config, arguments.features, arguments.out, clips=arguments.clips, workers=arguments.workers)


if __name__ == "__main__":
    run_main(main)
