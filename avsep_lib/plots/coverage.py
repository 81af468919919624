"""How much of each class could be used, and why the rest could not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from avsep_lib.coverage import EVERYTHING
from avsep_lib.plots.names import MANY, shown_name
from avsep_lib.plots.style import OKABE_ITO, TEXT, quiet_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEPT_COLOR = "#D9D9D9"
# Colour and hatch of each reason; the hatched ones would need more colours than everyone can tell apart.
LOOKS = {
    "missing": (OKABE_ITO["black"], ""),
    "unreadable": (OKABE_ITO["vermillion"], ""),
    "no_audio": (OKABE_ITO["blue"], ""),
    "no_frames": (OKABE_ITO["green"], ""),
    "not_finite": (OKABE_ITO["vermillion"], "///"),
    "silent": (OKABE_ITO["sky_blue"], ""),
    "too_short": (OKABE_ITO["orange"], ""),
    "duplicate": (OKABE_ITO["purple"], ""),
    "clipped": (OKABE_ITO["yellow"], ""),
    "still": (OKABE_ITO["yellow"], "///"),
}
OTHER = ("#7F7F7F", "xxx")


def coverage_size(table: pd.DataFrame) -> tuple[float, float]:
    """Width and height in inches of a `coverage_figure`."""
    return 7.4, 1.5 + 0.23 * min(len(table) - 1, MANY)


def coverage_figure(figure: Figure, table: pd.DataFrame) -> Figure:
    """One stacked bar per class, as long as it has items: kept ones first, then the dropped ones by reason.

    Parameters
    ----------
    figure : Figure
    table : DataFrame
        From `avsep_lib.coverage.coverage_table`. Of more than `MANY` classes those are drawn of which the smallest
        share was kept, and the title says so.
    """
    classes = table.drop(index=EVERYTHING)
    shown = worst(classes)
    ax = figure.subplots()
    reasons = [name for name in table.columns[3:] if table[name].dtype.kind == "i"]
    stacked_bars(ax, shown, reasons)
    whole = table.loc[EVERYTHING]
    ax.set_title(f"{whole['kept']} of {whole['listed']} items are used")
    if len(shown) < len(classes):
        note = f"the {len(shown)} of {len(classes)} classes of which the smallest share is used"
        ax.set_title(f"{whole['kept']} of {whole['listed']} items are used; here {note}", fontsize=9)
    ax.legend(loc="upper left", bbox_to_anchor=(1.12, 1.0), fontsize=8)
    return figure


def worst(classes: pd.DataFrame, n: int = MANY) -> pd.DataFrame:
    """All classes in their order, or the `n` with the smallest share kept (of equals those with the most dropped)."""
    if len(classes) <= n:
        return classes
    lost = classes["listed"] - classes["kept"]
    order = classes.assign(lost=-lost).sort_values(["kept (%)", "lost"], kind="stable").index
    return classes.loc[order[:n]]


def stacked_bars(ax: Axes, classes: pd.DataFrame, reasons: list[str]) -> Axes:
    """The bars, with ``"12 of 14"`` beside those of which something was dropped."""
    places, left = np.arange(len(classes)), np.zeros(len(classes))
    parts = {"kept": (KEPT_COLOR, "")} | {reason: LOOKS.get(reason, OTHER) for reason in reasons}
    for name, (color, hatch) in parts.items():
        label = "used" if name == "kept" else name.replace("_", " ")
        ax.barh(
            places, classes[name], left=left, height=0.74, color=color, hatch=hatch, ec="white", lw=0.4, label=label
        )
        left += classes[name].to_numpy(float)
    for y, line in zip(places, classes.itertuples()):
        ax.annotate(
            f"{line.kept} of {line.listed}", (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=7.5,
            color=TEXT, weight="normal" if line.kept == line.listed else "bold",
        )  # fmt: skip
    ax.set_yticks(places, [shown_name(str(name)) for name in classes.index])
    ax.set_ylim(len(classes) - 0.4, -0.6)
    ax.set_xlabel("items")
    return quiet_axis(ax, "x")
