"""How far a value may lie from the committed one: the whole table, in one place.

Two classes. **Same machine kind** (processor model, GPU, Python and package versions of the two sidecars are the same
text): every value is equal to one part in 10^9, because training is deterministic there; only durations differ.
**Another machine**: floating-point sums come out in another order, and hundreds of steps of training turn the last bit into
another network, as good as the first but not the same. Then an estimate printed with an interval has to lie in the
committed interval, the end of an interval within one committed width of the committed end, and any other number within
the last column below. Words are equal in both classes, verdicts and ``found`` among them: a claim whose verdict depends
on the processor is worth a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

STRICT = 1e-9  # relative
PIXELS = 0.5  # mean difference of a picture on the same machine kind, in grey levels of 255


@dataclass(frozen=True)
class Tolerance:
    """What holds for some cells; the three patterns are searched for in file name, first cell of the row and column."""

    files: str
    rows: str
    columns: str
    kind: str  # exact: equal in both classes; duration: never compared; number: see the docstring of this module
    loose: float = 0.0  # number without an interval, another machine
    relative: bool = False  # `loose` is a share of the committed value
    why: str = ""

    def fits(self, file: str, row: str, column: str) -> bool:
        """Whether this line is about a cell."""
        pairs = ((self.files, file), (self.rows, row), (self.columns, column))
        return all(re.search(pattern, text) for pattern, text in pairs)


OUTCOMES = r"^n_(silent|missing|mixtures_lost|infinite_.*)$|_n$|^silent$"
COUNTS = r"^(n|n_.*|seeds?|mixtures|trainings|items|truths|clips|steps|epoch|step|runs|instruments|train|val|test|pretrain|duets|parameters.*|perplexity|id|claim|paper.*|published|promised)$"
CHAOTIC = "not compared on another machine: "

# The first line that fits is used.
TOLERANCES = (
    Tolerance("tab_table6_cost", "", "seconds|threads|device", "duration"),
    Tolerance("tab_baselines_cost|fig_quality_against_cost", "", "^(low|high)$|seconds|minutes", "duration"),
    Tolerance("tab_training_run", "^(time|speed)$", "", "duration"),
    Tolerance("tab_training_speed", "", "^(steps|score)", "number", 0.5, True, "steps to reach a score"),
    Tolerance("tab_parameters|tab_data_card|fig_data_card", "", "", "number", 1e-3, True, "made without training"),
    Tolerance("fig_figure1_descriptors", "", "", "number", 1e-2, True, "made without training"),
    Tolerance("tab_interval_coverage", "", "", "number", 1e-3, True, "simulated from a fixed seed"),
    Tolerance("fig_tsne", "", "^(x|y)$", "number", float("inf"), why=CHAOTIC + "a t-SNE map"),
    Tolerance("", "", OUTCOMES, "number", float("inf"), why=CHAOTIC + "how many estimates are silent or without SAR"),
    Tolerance("", "", COUNTS, "exact"),
    Tolerance("fig_linear_probe_confusion", "", "", "number", 0.3, why="share of a class's clips"),
    Tolerance(
        "", "", r"^p\b|^p_|McNemar", "number", float("inf"), why=CHAOTIC + "a p-value; what it decides is a word"
    ),
    Tolerance("", "", r"dB|_db|^(difference|estimate|gain|low|high)\b|detectable", "number", 1.0, why="decibels"),
    Tolerance("", "", r"%|points|percent", "number", 10.0, why="percent"),
    Tolerance("tab_audit|tab_claims|fig_claims", "", "", "number", 1.0, why="mixed units, mostly decibels"),
    Tolerance("", "", "", "number", 0.3, why="correlations, accuracies, cosines, norms: all about one"),
)


def tolerance(file: str, row: str, column: str) -> Tolerance:
    """The line of `TOLERANCES` for a cell of a CSV file."""
    return next(line for line in TOLERANCES if line.fits(file, row, column))


@dataclass(frozen=True)
class Agreement:
    """How far a command's results may lie apart, on one machine and from the same inputs, when only this differs.

    Attributes
    ----------
    what : str
    unit : str
    threads : float
        One thread of PyTorch and BLAS, and two or four.
    python : float
        Python 3.11 and 3.12, with the packages of the lock.
    """

    what: str
    unit: str
    threads: float
    python: float = 0.0


# Measured by tests/long/test_long_same_twice.py on its toy project (tests/long_report.md), with head room. With the same
# number of threads everything is equal to the byte, hence `STRICT` above: the workflow gives every job that computes
# one thread, whatever `--cores`. Only training turns a last bit into more than rounding, and what is trained from other
# weights, or on other embeddings, drifts on from there: results made from nothing with another number of threads are
# those of another machine, and the table at the head of this file holds.
OF_THE_LARGEST, OF_THE_NORM = "of the largest value", "of the norm"
AGREEMENT = (
    Agreement("rendered sound, pictures and lists", "files", 0),
    Agreement("decoded waveforms", "files", 0),
    Agreement("encoder weights", OF_THE_NORM, 2e-2),  # 40 steps at a high learning rate
    Agreement("embeddings", OF_THE_LARGEST, 1e-5),
    Agreement("features", OF_THE_LARGEST, 1e-5),
    Agreement("separator weights", OF_THE_NORM, 1e-3),  # 6 steps
    Agreement("losses", OF_THE_LARGEST, 1e-4),
    Agreement("validation SI-SDR", "dB", 1e-3),
    Agreement("scores", "dB", 1e-3),
    Agreement("latents", OF_THE_LARGEST, 1e-5),
    Agreement("answers of probes", "percent", 0.5),
    Agreement("t-SNE maps", "extents", 1e-3),
    Agreement("descriptors", OF_THE_LARGEST, 1e-9),
    Agreement("means and intervals", "dB", 1e-9),
)
