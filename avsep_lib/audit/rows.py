"""Rows of the separation tables: where they come from, and which differences they can carry."""

from __future__ import annotations

import math

from avsep_lib.audit.data import AuditData
from avsep_lib.audit.finding import Finding
from avsep_lib.published import published_table

COLUMNS = ["SDR", "SIR", "SAR"]
ROUNDING = 0.005  # dB: half of the last printed digit


def _identical(data: AuditData) -> tuple[list[str], int]:
    """Rows of HFRA's Table 1 that equal SGN's in every cell, and how many rows the two tables share."""
    table = published_table(1)
    shared = [row for row in data.sgn_table_1 if row.hfra_row]
    same = [row.hfra_row for row in shared if tuple(table.loc[row.hfra_row, COLUMNS]) == row.values]
    return same, len(shared)


def quoted_rows(data: AuditData) -> Finding:
    """Rows that equal another paper's."""
    same, shared = _identical(data)
    return Finding(
        "rows equal to SGN's Table 1",
        "Table 1",
        "all methods are compared on MUSIC",
        f"the {shared} rows that both tables have, cell by cell",
        f"{len(same)} rows are equal in all {len(COLUMNS)} numbers: {', '.join(same)}",
        f"no second training gives the same fifteen digits, so they were taken over: SGN has {data.count('sgn_videos')} videos and {data.count('sgn_test')} test solos, HFRA "
        f"{data.count('music_videos')} and {data.count('music_test')}. Differences between the two groups of rows are no "
        "comparison of methods",
    )


def sound_of_pixels(data: AuditData) -> Finding:
    """One method, two sets of numbers."""
    theirs = next(row.values for row in data.sgn_table_1 if row.hfra_row == "Sound-of-Pixels")
    here = published_table(1).loc["Sound-of-Pixels", COLUMNS]
    same = (here == published_table(6).loc["ResNet-18 late", COLUMNS]).all()
    apart = [a - b for a, b in zip(theirs, here)]
    return Finding(
        "Sound of Pixels, twice",
        "Tables 1 and 6",
        f"SDR, SIR, SAR {_numbers(here)}; in SGN's table {_numbers(theirs)}",
        "SGN's minus HFRA's, and HFRA's row against the ResNet-18 row of Table 6",
        f"{', '.join(f'{x:+.2f}' for x in apart)} dB; the two rows of HFRA are {'equal' if same else 'different'}",
        "a retraining or another test set is worth up to a decibel, more than most steps of Table 6; and the ablation's "
        "first row is the baseline itself, which differs from the second in more than the backbone",
    )


def late_twice(data: AuditData) -> Finding:
    """The same row in two tables."""
    first, sixth = published_table(1).loc["CLIPSep late", COLUMNS], published_table(6).loc["CLIP late", COLUMNS]
    apart = {name: round(first[name] - sixth[name], 2) for name in COLUMNS if first[name] != sixth[name]}
    return Finding(
        "late fusion, twice",
        "Tables 1 and 6",
        f"{_numbers(first)} and {_numbers(sixth)}",
        "difference by column",
        ", ".join(f"{name} {value:+.2f} dB" for name, value in apart.items()) or "none",
        "a slip in the last digit, and harmless",
    )


def increments(data: AuditData, sd_db: float | None = None) -> Finding:
    """Steps of Table 6 against rounding and against the noise of a test set.

    Parameters
    ----------
    data : AuditData
    sd_db : float, optional
        Standard deviation, over test mixtures, of the difference between two trained rows, as measured here; context.
    """
    sdr = published_table(6)["SDR"]
    steps = {
        "hierarchical over late": sdr["CLIP hierarchical"] - sdr["CLIP late"],
        "alignment on late": sdr["CLIP late + align"] - sdr["CLIP late"],
        "alignment on hierarchical": sdr["CLIP hierarchical + align"] - sdr["CLIP hierarchical"],
    }
    told = ", ".join(f"{name} {value:+.2f}" for name, value in steps.items())
    n = data.count("music_test")
    if sd_db is None or math.isnan(sd_db):
        context = "the noise was not measured in this profile"
    else:
        half = half_width(sd_db, n)
        within = [name for name, value in steps.items() if abs(value) < half]
        context = (
            f"with the standard deviation between two rows measured here ({sd_db:.2f} dB), {n} mixtures give an interval "
            f"of ± {half:.2f} dB; smaller than that: {', '.join(within) or 'none'}"
        )
    return Finding(
        "steps of the ablation",
        "4.4, Table 6",
        f"SDR, {told} dB; one training each, no intervals",
        f"rounding of a difference, ± {2 * ROUNDING:g} dB; half of a 95 % interval of a paired difference, "
        "t × standard deviation / √n",
        f"all steps exceed the rounding; {context}",
        "without intervals or seeds the smallest step cannot be told from chance; the paper's own noise is not known, ours "
        "is from other data and smaller models",
    )


def half_width(sd_db: float, n: int) -> float:
    """Half of the 95 % t interval of a mean of n values with this standard deviation."""
    from scipy import stats

    return float(stats.t.ppf(0.975, n - 1) * sd_db / math.sqrt(n))


def order_of_stages(data: AuditData) -> Finding:
    """Middle against late, table by table."""
    sdr = {number: published_table(number)["SDR"] for number in (1, 2, 3)}
    apart = {number: column["CLIPSep middle"] - column["CLIPSep late"] for number, column in sdr.items()}
    sets = {1: "MUSIC", 2: "MUSIC-21", 3: "VGGSound"}
    signs = {value > 0 for value in apart.values()}
    return Finding(
        "order of middle and late fusion",
        "Tables 1 to 3",
        "late fusion generally outperforms middle fusion without labels (2.1)",
        "SDR of middle minus SDR of late",
        ", ".join(f"{sets[number]} {value:+.2f}" for number, value in apart.items()) + " dB",
        "the order changes with the data set; a ranking of stages from one of them is not general"
        if len(signs) > 1
        else "the same order everywhere",
    )


def trade(data: AuditData) -> Finding:
    """SIR for SAR."""
    rows = {1: "MUSIC", 2: "MUSIC-21", 3: "VGGSound"}
    told = []
    for number, name in rows.items():
        table = published_table(number)
        difference = table.loc["HFRA hierarchical + align"] - table.loc["CLIPSep middle"]
        told.append(f"{name}: SIR {difference['SIR']:+.2f}, SAR {difference['SAR']:+.2f}")
    return Finding(
        "interference traded for artefacts",
        "4.2, Tables 1 to 3",
        "a little less SIR than middle fusion, more SAR, and SDR shows that it is worth it",
        "HFRA minus CLIPSep middle",
        "; ".join(told) + " dB",
        "the signs hold in all three tables. SDR counts both errors together: where it rises while SIR falls, artefacts "
        "must have fallen. It is a description, not an explanation",
    )


def citations(data: AuditData) -> Finding:
    """Where the quoted rows can be looked up."""
    wrong = [c for c in data.citations if not c.same]
    told = "; ".join(f"{c.named} [{c.number}]: {c.entry}" for c in wrong)
    return Finding(
        "references",
        "2.1, 4.1, Tables 1 and 2",
        "rows and data sets are cited by number",
        f"{len(data.citations)} citations looked up in the reference list",
        f"{len(wrong)} lead elsewhere: {told}",
        "the origin of some rows and data sets cannot be followed from the paper alone",
    )


def _numbers(values: object) -> str:
    return " / ".join(f"{value:.2f}" for value in values)


FINDINGS = (quoted_rows, sound_of_pixels, late_twice, order_of_stages, trade, citations)
