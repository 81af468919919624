"""BSS-eval of 64 two-source mixtures: ours shares what depends on the references only, mir_eval scores one at a time."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from avsep_lib.bss_eval import FILTER_LENGTH, References
from avsep_lib.delays import Delays
from avsep_lib.jobs import in_order
from benchmarks import machine
from benchmarks.case import CORES, Case, Pair
from benchmarks.references.bss_eval import score_methods

REPEATS = 8  # each takes its own eighth of the mixtures
PAPER, DEMO = 65_280, 32_256  # samples that a mask gives back (audio.n_output)
RATE = 11_625
TOLERANCE_DB = 1e-6


def notes(rng: np.random.Generator, samples: int) -> np.ndarray:
    """A melody of decaying harmonic notes over recording noise, float64 (samples,)."""
    time = np.arange(samples) / RATE
    pitches = rng.choice(220 * 2 ** (np.arange(24) / 12), -(-samples // 2906))
    pitch = np.repeat(pitches, 2906)[:samples]
    since = time % 0.25
    tone = sum(np.sin(2 * np.pi * pitch * k * since) * np.exp(-2 * k * since) / k for k in range(1, 9))
    return 0.1 * tone + 1e-3 * rng.standard_normal(samples)


def mixture(seed: int, methods: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """References (2, samples) and estimates (methods, 2, samples) with leakage and artefacts, from good to poor."""
    rng = np.random.default_rng(seed)
    references = np.stack([notes(rng, samples) for _ in range(2)])
    leak = np.geomspace(0.05, 0.5, methods)[:, None, None]
    artefacts = 0.01 * rng.standard_normal((methods, 2, samples))
    return references, references + leak * references[::-1] + artefacts


def ours(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Scores of several methods, shape (3, methods, n_sources)."""
    scores = References(references).bss_eval(estimates)
    return np.stack([scores.sdr_db, scores.sir_db, scores.sar_db])


def operations(methods: int, samples: int) -> float:
    """Of one mixture: factors of the joint and of one own matrix, and per estimate its solves, filters and FFTs."""
    delays, joint, own = Delays(samples, FILTER_LENGTH), 2 * FILTER_LENGTH, FILTER_LENGTH
    transforms = 2.5 * delays.blocks * delays.size * np.log2(delays.size)
    products = delays.blocks * delays.size / 2 * 5 * 8  # of spectra: two correlations, three filters
    energies = 8 * samples
    each = 2 * (joint**2 + own**2) + 3 * transforms + products + energies
    return (joint**3 + own**3) / 3 + 2 * methods * each


def pair(methods: int, samples: int, mixtures: int, threads: int = CORES) -> Pair:
    """The two ways, an eighth of the mixtures per call; mir_eval may use all threads within a mixture, ours scores as
    many mixtures at once.
    """
    items = [mixture(seed, methods, samples) for seed in range(mixtures)]
    per_call = max(1, mixtures // REPEATS)
    turns = {name: itertools.cycle(range(0, mixtures, per_call)) for name in ("reference", "ours")}

    def part(name: str) -> list[tuple[np.ndarray, np.ndarray]]:
        start = next(turns[name])
        return items[start : start + per_call]

    def theirs() -> None:
        for item in part("reference"):
            score_methods(*item)

    def together() -> None:
        with threadpool_limits(1, user_api="blas"):
            list(in_order(lambda item: ours(*item), part("ours"), threads))

    def check() -> str:
        worst = max(np.abs(ours(*item) - score_methods(*item)).max() for item in items[: max(1, 4 // methods)])
        assert worst <= TOLERANCE_DB, f"scores differ by {worst:.1e} dB from mir_eval's, {TOLERANCE_DB:g} is promised"
        return f"largest difference {worst:.1e} dB"

    least = operations(methods, samples)
    return Pair(
        theirs,
        together,
        check,
        work=per_call,
        floor=1 / machine.rates(threads).compute_s(least, "float64"),
        floor_note=f"{least / 1e9:.2f} G operations per mixture at the rate of large float64 products",
    )


def _case(name: str, goal: float | None, methods: int, samples: int, mixtures: int = 64, threads: int = CORES) -> Case:
    prepare = partial(pair, methods, samples, mixtures, threads)
    return Case(
        name, "mir_eval", goal, "at least", "mixtures/s", prepare, threads=threads, repeats=REPEATS, warm_up=False
    )


CASES = [
    _case("BSS-eval of 64 mixtures, one method", 6.0, 1, PAPER),
    _case("BSS-eval of 64 mixtures, 8 methods", 20.0, 8, PAPER),
    _case("BSS-eval, one method, one thread", None, 1, PAPER, 16, threads=1),
    _case("BSS-eval, 8 methods, one thread", None, 8, PAPER, 16, threads=1),
    _case("BSS-eval, one method, demo length", None, 1, DEMO, 16),
    _case("BSS-eval, 8 methods, demo length", None, 8, DEMO, 16),
]
