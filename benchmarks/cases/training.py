"""One training step at paper size: ours against the textbook's pass per source, and the peak memory of both."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import torch

from avsep_lib.adam import Adam
from avsep_lib.losses import alignment, bce_binary
from avsep_lib.models.separator import Separator
from avsep_lib.settings import ModelSettings
from avsep_lib.training_data import Batch
from benchmarks import machine
from benchmarks.case import CORES, Case, Pair
from benchmarks.cases.store import DEMO, PAPER, Scene
from benchmarks.references.plain import PlainSeparator
from benchmarks.timing import peak_memory

MODEL = ModelSettings(fusion="hierarchical")  # config/paper.yaml: 32.9 M parameters, 256 x 256
SMALL = ModelSettings(fusion="hierarchical", channels=(16, 32, 64, 128, 512))  # config/demo.yaml: 64 x 64
BATCH, SOURCES, SIZE = 4, 2, 256
ALIGNMENT_WEIGHT, CLIP_NORM = 0.1, 1.0
TOLERANCE = 1e-9  # gradients in float64, of the largest of each tensor
TOLERANCE_FLOAT32 = 1e-4  # all gradients in float32 at the size that is timed, of their norm


def losses(logits: torch.Tensor, bottleneck: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Separation and alignment."""
    separation = bce_binary(logits.float(), batch["sources"], batch["mixture"])
    return separation + ALIGNMENT_WEIGHT * alignment(bottleneck.float(), batch["teacher"])


def plain_loss(model: PlainSeparator, batch: Batch) -> torch.Tensor:
    """Loss of the textbook's forward pass."""
    return losses(*model(torch.log(batch["mixture"]), batch["visual"]), batch)


def our_loss(model: Separator, batch: Batch, bfloat16: bool = False) -> torch.Tensor:
    """Loss of ours, as `avsep_lib.train` computes it; `bfloat16` is its precision ``bf16-mixed``."""
    with torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext():
        output = model(torch.log(batch["mixture"]), batch["visual"])
    return losses(output.logits, output.bottleneck, batch)


def models(settings: ModelSettings) -> tuple[PlainSeparator, Separator]:
    """Both with the same weights, in the formats that each would use."""
    torch.manual_seed(0)
    ours, plain = Separator(settings), PlainSeparator(settings)
    plain.load_state_dict(ours.state_dict())
    return plain, ours.to(memory_format=torch.channels_last)


def random_batch(batch: int, size: int, dim: int) -> Batch:
    """Tensors of the shapes and ranges of a batch."""
    generator = torch.Generator().manual_seed(0)
    sources = torch.rand(batch, SOURCES, size, size, generator=generator)
    return {
        "mixture": sources.sum(dim=1, keepdim=True) + 1e-10,
        "sources": sources,
        "teacher": torch.randn(batch, dim, generator=generator),
        "visual": torch.randn(batch, SOURCES, dim, generator=generator),
    }


def training_step(
    model: torch.nn.Module, loss: Callable[..., torch.Tensor], optimizer: torch.optim.Optimizer
) -> Callable[[Batch], None]:
    """Forward and backward pass, clipping, update."""

    def step(batch: Batch) -> None:
        optimizer.zero_grad()
        loss(model, batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()

    return step


def gradients(model: torch.nn.Module, loss: Callable[..., torch.Tensor], batch: Batch) -> dict[str, torch.Tensor]:
    """Gradients of all parameters."""
    model.zero_grad()
    loss(model, batch).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def equal_in_float64() -> float:
    """Largest difference of a gradient in float64, of the largest value of its tensor, at a tenth of the width."""
    settings = ModelSettings(fusion="hierarchical", channels=(64, 72, 64, 80), n_maps=5, embedding_dim=80)
    plain, ours = (model.double() for model in models(settings))
    batch = {name: value.double() for name, value in random_batch(2, 32, 80).items()}
    one, other = gradients(plain, plain_loss, batch), gradients(ours, our_loss, batch)
    return max(float((one[name] - other[name]).abs().max() / one[name].abs().max()) for name in one)


def check(settings: ModelSettings, batch: Batch) -> str:
    """Gradients agree: in float64, and in float32 at the size that is timed.

    Raises
    ------
    AssertionError
        If not.
    """
    worst = equal_in_float64()
    assert worst <= TOLERANCE, f"float64 gradients differ by {worst:.1e}, {TOLERANCE:g} is promised"
    plain, ours = models(settings)
    one, other = gradients(plain, plain_loss, batch), gradients(ours, our_loss, batch)
    difference = float(torch.stack([(one[name] - other[name]).square().sum() for name in one]).sum().sqrt())
    relative = difference / float(torch.stack([value.square().sum() for value in one.values()]).sum().sqrt())
    assert relative <= TOLERANCE_FLOAT32, f"float32 gradients differ by {relative:.1e} of their norm"
    return f"gradients differ by {worst:.0e} (float64), {relative:.0e} of their norm (float32, full size)"


def forward_operations(settings: ModelSettings, size: int, n: int) -> float:
    """Of one mixture, a multiply-add being two: encoder, tap products of the decoder, head. No interpolation, no norms."""
    widths, products = settings.channels, 0.0
    for i, (n_in, n_out) in enumerate(zip((1, *widths[:-1]), widths)):
        here = (size >> (i + 1)) ** 2
        products += 16 * n_in * n_out * here
        if i:
            products += 9 * n_in * n_out * here * (1 + n)  # the skip's half once, the other once per source
    return 2 * (products + 9 * 2 * widths[0] * n * (size // 2) ** 2)


def floor(
    settings: ModelSettings, batch: int, size: int, dtype: str, threads: int, parameters: int
) -> tuple[float, str]:
    """Least seconds of a step and what they count."""
    operations, n_bytes = 3 * batch * forward_operations(settings, size, SOURCES), 4 * 7 * parameters
    rates = machine.rates(threads)
    note = (
        f"{operations / 1e9:.0f} GFLOP of products at the rate of a matrix product ({dtype}; convolutions can beat it), "
        f"and {n_bytes / 1e6:.0f} MB of the update at the rate of a copy"
    )
    return rates.compute_s(operations, dtype) + rates.copy_s(n_bytes), note


def pair(settings: ModelSettings, paper: bool, bfloat16: bool, threads: int) -> Pair:
    """A whole step of both: assembling the batch, losses and gradients, clipping, update."""
    batch, audio = (BATCH, PAPER) if paper else (16, DEMO)
    scene = Scene(audio, batch, 4 * batch)
    per_item, stored, steps = scene.per_item(), scene.stored(), itertools.count()
    plain, ours = models(settings)
    plain_step = training_step(plain, plain_loss, torch.optim.Adam(plain.parameters(), 1e-4))
    fused = Adam(ours.parameters(), 1e-4, fused=True)
    our_step = training_step(ours, partial(our_loss, bfloat16=bfloat16), fused)
    dtype, parameters = "bfloat16" if bfloat16 else "float32", sum(p.numel() for p in ours.parameters())
    least, note = floor(settings, batch, audio.n_rows, dtype, threads, parameters)
    return Pair(
        lambda: plain_step(per_item(next(steps))),
        lambda: our_step(stored(next(steps))),
        partial(check, settings, random_batch(2, audio.n_rows, settings.embedding_dim)),
        floor=least,
        floor_note=note,
    )


def network_pair() -> Pair:
    """Losses and gradients alone, on the same batch."""
    plain, ours = models(MODEL)
    batch = random_batch(BATCH, SIZE, MODEL.embedding_dim)

    def act(model: torch.nn.Module, loss: Callable[..., torch.Tensor]) -> None:
        model.zero_grad()
        loss(model, batch).backward()

    least, note = floor(MODEL, BATCH, SIZE, "float32", CORES, 0)
    return Pair(partial(act, plain, plain_loss), partial(act, ours, our_loss), floor=least, floor_note=note)


def steps_alone(which: str, precision: str) -> None:
    """Three steps of `plain` or `ours` in ``float32`` or ``bfloat16``: what the memory rows run in their processes."""
    model = PlainSeparator(MODEL) if which == "plain" else Separator(MODEL).to(memory_format=torch.channels_last)
    loss = plain_loss if which == "plain" else partial(our_loss, bfloat16=precision == "bfloat16")
    optimizer = (
        Adam(model.parameters(), 1e-4, fused=True) if which == "ours" else torch.optim.Adam(model.parameters(), 1e-4)
    )
    step = training_step(model, loss, optimizer)
    batch = random_batch(BATCH, SIZE, MODEL.embedding_dim)
    for _ in range(3):
        step(batch)


def memory_pair(precision: str) -> Pair:
    """Peaks of fresh processes; weights, gradients and the optimiser's state are part of both."""
    parameters = sum(p.numel() for p in Separator(MODEL).parameters())
    return Pair(
        partial(peak_memory, f"{__name__}:steps_alone", "plain", "float32"),
        partial(peak_memory, f"{__name__}:steps_alone", "ours", precision),
        floor=4 * 4 * parameters / 2**20,
        floor_note="weights, gradients and two moments of Adam, float32",
    )


def _memory(precision: str) -> Case:
    name = f"Peak memory of a training step, paper size, {precision}"
    prepare = partial(memory_pair, precision)
    return Case(name, "plain, float32", 0.6, "at most", "MiB", prepare, repeats=3, warm_up=False)


def _step(name: str, goal: float | None, prepare: Callable[[], Pair], threads: int = CORES) -> Case:
    return Case(name, "plain, float32", goal, "at least", "s", prepare, threads=threads)


CASES = [
    _step("Training step, paper size, float32", 2.5, partial(pair, MODEL, True, False, CORES)),
    _step("Training step, paper size, bfloat16", 4.0, partial(pair, MODEL, True, True, CORES)),
    _step("Loss and gradients alone, paper size, float32", None, network_pair),
    _step("Training step, demo size, float32, one thread", None, partial(pair, SMALL, False, False, 1), threads=1),
    _memory("float32"),
    _memory("bfloat16"),
]
