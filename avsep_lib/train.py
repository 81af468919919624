"""One row of ``config/runs.csv``: a short training loop on Lightning Fabric.

``python -m avsep_lib.train --config JSON --features DIR --out DIR`` writes ``model.safetensors`` (the checkpoint with
the best validation SI-SDR; its configuration is in the file's metadata), ``history.csv`` and ``cost.json``. Streamed
features need ``--clips DIR``, the decoded clips, as well.
With ``--devices N``, N processes share each batch (`avsep_lib.parallel`); the first of them writes the files.
A killed job resumes from ``state.ckpt`` (weights, optimiser, random states, position in the data) and ends with the
same weights as an undisturbed one. Needs torch, numpy, scipy, safetensors and Fabric, nothing else.

The test split is never read here.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file

from avsep_lib.adam import Adam
from avsep_lib.audio import LOG_FLOOR, apply_mask, stft, warp
from avsep_lib.cli import json_argument, run_main
from avsep_lib.errors import DataError, WeightsError
from avsep_lib.files import atomic_path, canonical_json, sha256_text, write_json
from avsep_lib.losses import SEPARATION, alignment
from avsep_lib.metrics import si_sdr
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

HISTORY = ["step", "epoch", "learning_rate", "loss_separation", "loss_alignment", "val_si_sdr_db"]


def learning_rate(step: int, training: TrainingSettings) -> float:
    """Learning rate before update `step` (0-based).

    ``code``: linear warm-up, linear decay to a tenth at `decay_end_fraction`, constant after (released code).
    ``paper``: 1e-4, a tenth of it from epoch 60 of about 133, i.e. from 45 % of the steps (section 4.1).
    """
    if training.schedule == "paper":
        return 1e-4 if step < round(training.steps * 60 / 133) else 1e-5
    warmup = max(round(training.steps * training.warmup_fraction), 1)
    end = max(round(training.steps * training.decay_end_fraction), warmup + 1)
    if step < warmup:
        return training.learning_rate * (step + 1) / warmup
    return training.learning_rate * (1 - 0.9 * min((step - warmup) / (end - warmup), 1))


def to_device(batch: Batch, device: torch.device) -> Batch:
    """A batch where the model is, its frames as numbers."""
    moved = {name: tensor.to(device) for name, tensor in batch.items()}
    return moved | {"visual": prepare_visual(moved["visual"])}


def set_numerics(device: torch.device) -> None:
    """Repeatable to the bit on CPUs, fast on GPUs: there, repeatable upsampling alone would outlast the whole step."""
    on_cpu = device.type == "cpu"
    torch.use_deterministic_algorithms(on_cpu)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a safeguard for reads of such memory; there are none
    torch.backends.cudnn.benchmark = not on_cpu


def compiled_forward(separator: Separator, fabric: Fabric) -> Callable[..., SeparatorOutput]:
    """The forward pass, compiled, in the precision of `fabric`; validation keeps the uncompiled one."""
    torch.compiler.reset()  # graphs of earlier runs in this process would count against the limit of recompilations
    fast = torch.compile(separator)

    def forward(*values: torch.Tensor) -> SeparatorOutput:
        with fabric.autocast():
            return fast(*values)

    return forward


def batch_losses(model: Callable[..., SeparatorOutput], batch: Batch, config: RunConfig) -> dict[str, torch.Tensor]:
    """Separation and alignment loss of a batch; the latter is reported even where it is not trained."""
    output = model(torch.log(batch["mixture"]), batch["visual"], batch["teacher"])
    logits, bottleneck = output.logits.to(batch["sources"].dtype), output.bottleneck.to(batch["teacher"].dtype)
    separation = SEPARATION[config.training.loss](logits, batch["sources"], batch["mixture"])
    return {"separation": separation, "alignment": alignment(bottleneck, batch["teacher"])}


def total_loss(losses: dict[str, torch.Tensor], config: RunConfig) -> torch.Tensor:
    """L_sep + lambda L_align (Eq. 8), or L_sep alone."""
    if not config.alignment:
        return losses["separation"]
    return losses["separation"] + config.training.alignment_weight * losses["alignment"]


@torch.no_grad()
def validation_si_sdr(model: torch.nn.Module, val: dict[str, torch.Tensor], config: RunConfig, fabric: Fabric) -> float:
    """Mean SI-SDR in dB over the sources of all validation pairs, soft masks; processes share the batches out.

    A silent estimate has no SI-SDR; it counts as -30 dB here, so that silence is never selected.
    """
    model.eval()
    audio, visual, batch_size = config.audio, visual_input(config), config.training.batch_size
    device = next(model.parameters()).device
    scores = np.zeros(val["references"].shape[:2])
    for i in range(0, len(scores), batch_size)[fabric.global_rank :: fabric.world_size]:
        part = slice(i, i + batch_size)
        spectrum = stft(val["waveform"][part].to(device), audio)
        log_magnitude = torch.log(warp(spectrum.abs() + LOG_FLOOR, audio))[:, None]
        teacher = val["teacher"][part].to(device)
        masks = model(log_magnitude, prepare_visual(val[visual][part].to(device)), teacher).masks.float()
        estimates = apply_mask(spectrum[:, None], masks, audio)
        scores[part] = [si_sdr(r, e) for r, e in zip(val["references"][part].numpy(), estimates.cpu().numpy())]
    model.train()
    return float(gathered(np.nan_to_num(scores, nan=-30.0), fabric).mean())


@dataclass
class Progress:
    """Position, log and best checkpoint of a job: everything beside model, optimiser and random state."""

    step: int = 0
    seconds: float = 0.0
    waited: float = 0.0  # of them, for batches
    history: list[list[float]] = field(default_factory=list)
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


def _write_results(out: Path, config: RunConfig, progress: Progress, device: str) -> None:
    """History and cost first, the model last: its presence means the run is complete."""
    with atomic_path(out / "history.csv") as path, path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HISTORY)
        writer.writerows(progress.history)
    write_json(
        out / "cost.json",
        {
            "seconds": round(progress.seconds, 1),
            "waiting_share": round(progress.waited / progress.seconds, 4),  # of the time, for batches
            "steps": config.training.steps,
            "device": device,
            "threads": torch.get_num_threads(),
            "best_step": progress.best_step,
            "best_val_si_sdr_db": progress.best_si_sdr,
        },
    )
    with atomic_path(out / "model.safetensors") as path:
        save_file(progress.best, path, metadata={"config": canonical_json(to_dict(config))})


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

    separator = Separator(config.model).to(memory_format=torch.channels_last)
    if config.model.backbone == "resnet18" and config.model.backbone_weights:
        from avsep_lib.models.visual import load_trunk

        load_trunk(separator.visual, config.model.backbone_weights)
    separator = with_synchronised_norm(separator, fabric, training)
    optimizer = Adam(separator.parameters(), lr=training.learning_rate, fused=True)
    model, optimizer = fabric.setup(separator, optimizer)
    forward = compiled_forward(separator, fabric) if compiled and fabric.world_size == 1 else model
    fingerprint = sha256_text(canonical_json([to_dict(config), *inputs.hashes]))
    progress = _restore_state(out / "state.ckpt", model, optimizer, fingerprint)
    check_same_step(progress.step, fabric)
    every = max(training.steps // training.validations, 1)
    sums, started = {"separation": 0.0, "alignment": 0.0}, time.perf_counter() - progress.seconds
    out.mkdir(parents=True, exist_ok=True)
    batches = pool.batches(progress.step)

    while progress.step < training.steps:
        rate = learning_rate(progress.step, training)
        for group in optimizer.param_groups:
            group["lr"] = rate
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
            sums[name] += losses[name].item()

        if progress.step % every == 0 or progress.step == training.steps:
            average_running_statistics(model, fabric)
            score = validation_si_sdr(model, val, config, fabric)
            steps = progress.step - (int(progress.history[-1][0]) if progress.history else 0)
            epoch = progress.step * training.batch_size / len(pool)
            means = [sums[name] / steps for name in ("separation", "alignment")]
            progress.history.append([progress.step, round(epoch, 4), rate, *means, score])
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
        _write_results(out, config, progress, str(fabric.device))
        (out / "state.ckpt").unlink(missing_ok=True)
    return out / "model.safetensors"


def _report(config: RunConfig, progress: Progress) -> None:
    """One line of progress with an estimate of the time left."""
    left = progress.seconds / progress.step * (config.training.steps - progress.step)
    step, _, _, separation, aligned, score = progress.history[-1]
    print(
        f"{config.run_id}: step {step}/{config.training.steps}  loss {separation:.4f}  align {aligned:.3f}  "
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
    train(config, arguments.features, arguments.out, clips=arguments.clips, workers=arguments.workers)


if __name__ == "__main__":
    run_main(main)
