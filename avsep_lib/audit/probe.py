"""What the percentages of the paper's Table 4 and the gaps of its Table 5 say."""

from __future__ import annotations

import math
from collections.abc import Sequence

from avsep_lib.audit.data import AuditData
from avsep_lib.audit.finding import Finding
from avsep_lib.published import published_table

SEARCHED = range(20, 601)  # numbers of test items that a MUSIC test set may have


def numbers_of_items(percentages: Sequence[float], searched: Sequence[int] = SEARCHED, digits: int = 2) -> list[int]:
    """All n for which each percentage is a whole number out of n, after rounding to the printed digits.

    >>> numbers_of_items([33.33, 66.67], range(2, 8))
    [3, 6]
    """

    def fits(n: int) -> bool:
        return all(round(100 * round(p * n / 100) / n, digits) == p for p in percentages)

    return [n for n in searched if fits(n)]


def mcnemar_extremes(hits: int, more_hits: int, n: int) -> tuple[tuple[int, int, float], tuple[int, int, float]]:
    """The most and the least telling paired table that two accuracies on the same n items allow.

    Returns
    -------
    ((int, int, float), (int, int, float))
        Items that only the better classifier has right, items that only the other has right, and the exact two-sided
        p value: first with as few, then with as many disagreements as possible.
    """
    least = more_hits - hits
    most = min(hits, n - more_hits)  # items that only the worse one can have right
    return (least, 0, mcnemar_p(least, 0)), (least + most, most, mcnemar_p(least + most, most))


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Exact two-sided p value of McNemar's test, 1 without any disagreement."""
    from scipy.stats import binomtest

    disagreements = only_first + only_second
    return float(binomtest(only_first, disagreements, 0.5).pvalue) if disagreements else 1.0


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % Wilson interval of a proportion, in percent."""
    from scipy.stats import binomtest

    interval = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    return 100 * float(interval.low), 100 * float(interval.high)


def _hits() -> tuple[list[int], int]:
    """Items that each row of Table 4 has right, and the smallest number of items that fits all rows."""
    percentages = published_table(4)["accuracy"].tolist()
    n = numbers_of_items(percentages)[0]
    return [round(p * n / 100) for p in percentages], n


def test_items(data: AuditData) -> Finding:
    """How many clips the probe was tested on."""
    percentages = published_table(4)["accuracy"].tolist()
    fitting = numbers_of_items(percentages)
    hits, n = _hits()
    multiples = fitting == [n * k for k in range(1, len(fitting) + 1)]
    return Finding(
        "items of the probe's test set",
        "Table 4",
        f"accuracies {', '.join(f'{p:.2f} %' for p in percentages)} on the MUSIC test set of {data.count('music_test')}",
        f"every n from {SEARCHED[0]} to {SEARCHED[-1]} for which all three are whole items out of n",
        f"n = {', '.join(map(str, fitting))}{f': the multiples of {n}' if multiples else ''}; "
        f"{', '.join(map(str, hits))} of {n}",
        f"the probe saw {n} items (or a multiple), neither the {data.count('music_test')} of the text nor the "
        f"{data.count('list_test')} of the released list: which, is not said",
    )


def one_item(data: AuditData) -> Finding:
    """The aligned features against the teacher's."""
    (_, aligned, teacher), n = _hits()
    ends = " and ".join("{:.1f} to {:.1f} %".format(*wilson(k, n)) for k in (aligned, teacher))
    return Finding(
        "aligned features against CLAP",
        "4.3, Table 4",
        "accuracy with alignment stays slightly below that of frozen CLAP",
        f"({teacher} − {aligned}) of {n}, and Wilson's 95 % intervals",
        f"{teacher - aligned} item; {ends}",
        "no difference was shown in either direction; an explanation of it explains one clip",
    )


def alignment_gain(data: AuditData) -> Finding:
    """The aligned features against those without alignment."""
    (plain, aligned, _), n = _hits()
    (a, b, best), (c, d, worst) = mcnemar_extremes(plain, aligned, n)
    ends = " and ".join("{:.1f} to {:.1f} %".format(*wilson(k, n)) for k in (plain, aligned))
    return Finding(
        "gain of accuracy by alignment",
        "4.3, Table 4",
        "accuracy improves significantly with alignment",
        f"{plain} against {aligned} of {n}: Wilson's 95 % intervals, and McNemar's exact test with the fewest and the "
        "most disagreements that these counts allow",
        f"{ends}; p from {best:.4f} ({a} against {b}) to {worst:.2f} ({c} against {d})",
        "whether it is significant depends on which clips the two have right, which is not published: one training, one "
        "probe, no seeds",
    )


def gap_is_a_vector(data: AuditData) -> Finding:
    """Equation 9 and the scalars of Table 5."""
    plain, aligned = published_table(5)["modality gap"]
    norm = plain / math.sqrt(2)
    return Finding(
        "modality gap as printed",
        "Eq. 9, Table 5",
        f"the gap is a difference of two means, hence a vector; the table has {plain:g} and {aligned:g}",
        "the norm of a difference of two centroids of unit vectors lies between 0 and 2; for orthogonal centroids of "
        "equal norm r it is r √2",
        f"{plain:g} is what r = {norm:.3f} gives",
        "the norm of Liang et al. (2022) with normalised embeddings is compatible with the table; which embeddings, how "
        "many, and whether they were normalised is not said",
    )


def gap_without_approach(data: AuditData) -> Finding:
    """A gap that shrinks although nothing comes nearer."""
    plain, aligned = published_table(5)["modality gap"]
    visual = plain / math.sqrt(2)
    audio = math.sqrt(aligned**2 - visual**2)
    cosine = 1 - aligned**2 / (2 * visual**2)
    return Finding(
        "what narrows a gap",
        "4.3, Table 5",
        f"the gap falls from {plain:g} to {aligned:g} and audio and vision interact better",
        f"two ways to the second number from orthogonal centroids of norm {visual:.3f}: the audio centroid shrinks "
        "(audio vectors spread) and stays orthogonal, or both keep their norms and turn towards each other",
        f"audio norm {audio:.3f} and cosine 0, or norms {visual:.3f} and cosine {cosine:.2f}",
        "a smaller gap alone does not show that sound comes nearer to vision; norms and cosine must be printed with it",
    )


FINDINGS = (test_items, one_item, alignment_gain, gap_is_a_vector, gap_without_approach)
