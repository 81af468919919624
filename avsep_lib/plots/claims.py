"""Every claim in one picture: what was found, how sure it is, and the verdict in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from avsep_lib.comparisons import CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE, SUPPORTED
from avsep_lib.plots.style import OKABE_ITO, TEXT, quiet_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Verdict: colour, marker, filled. Shape and words say the same as the colour.
LOOKS = {
    SUPPORTED: (OKABE_ITO["blue"], "o", True),
    CONTRADICTED: (OKABE_ITO["vermillion"], "X", True),
    INCONCLUSIVE: ("#6E6E6E", "o", False),
    NOT_TESTABLE: ("#9A9A9A", "", False),
}
HEADINGS = {
    "06_ablation": "Which part does it (Table 6, section 1)",
    "04_separation_tables": "Against the baselines (Tables 1 to 3)",
    "05_fusion_stages": "Which sounds gain from which stage (Figure 1)",
    "07_linear_probe": "What the features know (Table 4)",
    "08_modality_gap": "Modality gap (Table 5)",
    "11_audit": "Is training easier?",
}
LIMIT = 3.5  # smallest detectable effects; what lies beyond is drawn at the edge
ROW = 0.185  # inches
TOP, BOTTOM, LEFT, RIGHT = 0.3, 0.75, 2.95, 3.55  # inches around the axis
COLUMNS = {"verdict": (10, "these models"), "trained_again": (96, "trained again"), "soft_verdict": (182, "soft masks")}
HALF_TO_DETECTABLE = 1.43  # smallest detectable effect over half of a 95 % interval, both normal


def figure_height(table: pd.DataFrame) -> float:
    """Inches for `claims_figure`."""
    return ROW * (_places(_lines(table))[-1] + 1.2) + TOP + BOTTOM


def claims_figure(figure: Figure, table: pd.DataFrame) -> Figure:
    """One line per claim that could be measured, in groups, the first on top.

    Parameters
    ----------
    figure : Figure
        About 8.8 inches wide and `figure_height` high.
    table : DataFrame
        From `avsep_lib.claims.verdicts.evaluate`.

    Notes
    -----
    Claims have different units. The axis therefore counts in smallest detectable effects, and to the right is what the
    claim says: a mark at +1 is an effect as claimed and as large as the test items could just have shown.
    """
    figure.set_layout_engine("none")  # words stand outside of the axis: places in inches, whatever the renderer
    width, height = figure.get_size_inches()
    ax = figure.add_axes((LEFT / width, BOTTOM / height, 1 - (LEFT + RIGHT) / width, 1 - (TOP + BOTTOM) / height))
    lines = _lines(table)
    places = _places(lines)
    ax.axvspan(-1, 1, color="#F3F3F3", zorder=0, lw=0)
    ax.axvline(0, color=TEXT, lw=0.9, zorder=1)
    for y, line in zip(places, lines):
        if isinstance(line, str):
            ax.annotate(
                line, (0, y), xycoords=("axes fraction", "data"), xytext=(-4, 0), textcoords="offset points",
                ha="right", va="center", fontsize=8.5, weight="bold", color=TEXT,
            )  # fmt: skip
        else:
            _claim(ax, y, line)
    ax.set_yticks(
        [y for y, line in zip(places, lines) if not isinstance(line, str)],
        [line["label"] for line in lines if not isinstance(line, str)],
        fontsize=7.8,
    )
    ax.set_ylim(places[-1] + 0.6, -0.6)
    ax.set_xlim(-LIMIT, LIMIT)
    ax.set_xticks(range(-3, 4))
    ax.set_xlabel("opposite  ←  effect in smallest detectable effects  →  as claimed", fontsize=8)
    for offset, title in COLUMNS.values():  # points from the axis, and what stands there
        place = {"xycoords": "axes fraction", "xytext": (offset, 3), "textcoords": "offset points"}
        ax.annotate(title, (1.0, 1.0), **place, fontsize=8.5, weight="bold", color=TEXT)
    _legend(figure)
    return quiet_axis(ax, "x").figure


def _lines(table: pd.DataFrame) -> list[str | dict]:
    """Headings and claims from top to bottom; sentences that no measurement can test are left to the table."""
    measured = table[table["notebook"] != ""]
    lines: list[str | dict] = []
    for notebook, part in measured.groupby("notebook", sort=False):
        lines += [HEADINGS.get(notebook, notebook), *part.to_dict("records")]
    return lines


def _places(lines: list[str | dict]) -> list[float]:
    """Where each line lies, with half a line of air above every heading but the first."""
    airs = np.cumsum([0.5 * (isinstance(line, str) and y > 0) for y, line in enumerate(lines)])
    return [y + air for y, air in enumerate(airs)] or [0.0]


def standardised(line: dict) -> dict[str, float]:
    """Estimate and interval ends in smallest detectable effects, positive where the claim holds."""
    unit = line["detectable_effect"]
    if not unit > 0:
        unit = HALF_TO_DETECTABLE * (line["high"] - line["low"]) / 2
    sign = 1.0 if line["direction"] == "greater" else -1.0
    ends = ("estimate", "low", "high", "seeds_low", "seeds_high")
    return {name: sign * line[name] / unit if unit > 0 else float("nan") for name in ends}


def _claim(ax: Axes, y: float, line: dict) -> None:
    color, marker, filled = LOOKS[line["verdict"]]
    if line["verdict"] != NOT_TESTABLE:
        x = standardised(line)
        _bar(ax, y, x["seeds_low"], x["seeds_high"], color, 1.0)
        _bar(ax, y, x["low"], x["high"], color, 3.6)
        if abs(x["estimate"]) > LIMIT:  # beyond the picture: a pointer instead of a place
            marker = ">" if x["estimate"] > 0 else "<"
        ax.plot(
            np.clip(x["estimate"], -LIMIT, LIMIT), y, marker, ms=5.5, color=color, clip_on=False, zorder=3,
            markerfacecolor=color if filled else "white", markeredgewidth=1.2 if marker == "o" else 0.4,
        )  # fmt: skip
    for column, (offset, _) in COLUMNS.items():
        word = line[column] or "–"
        where = {"xycoords": ("axes fraction", "data"), "xytext": (offset, 0), "textcoords": "offset points"}
        color = TEXT if word == INCONCLUSIVE else LOOKS.get(word, LOOKS[NOT_TESTABLE])[0]
        weight = "bold" if word in (SUPPORTED, CONTRADICTED) else "normal"
        ax.annotate(word, (1.0, y), **where, va="center", fontsize=7.8, color=color, weight=weight)


def _bar(ax: Axes, y: float, low: float, high: float, color: str, width: float) -> None:
    if np.isfinite([low, high]).all():
        ax.hlines(y, *np.clip([low, high], -LIMIT, LIMIT), color=color, lw=width, alpha=0.55, zorder=2)


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries = [
        Line2D([], [], color="#666666", lw=3.6, alpha=0.55, label="95 % interval, these trained models"),
        Line2D([], [], color="#666666", lw=1.0, alpha=0.55, label="95 % interval, methods trained again"),
        Patch(color="#F3F3F3", label="smaller than detectable"),
    ]
    figure.legend(handles=entries, loc="lower center", ncols=3, fontsize=7.5)
