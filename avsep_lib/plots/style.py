"""One look for every figure: colours, labels, sizes.

The palette is that of Okabe and Ito [1]_, told apart with every common colour-vision deficiency. A fusion has one hue,
alignment the darker shade of it, so a row of a table keeps its colour in every figure; references are greys.

References
----------
.. [1] M. Okabe, K. Ito, "Color Universal Design", 2008.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky_blue": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
}

COLORS = {
    "late": OKABE_ITO["sky_blue"],
    "late_align": OKABE_ITO["blue"],
    "middle": OKABE_ITO["yellow"],
    "middle_align": OKABE_ITO["orange"],
    "hier": OKABE_ITO["purple"],
    "hier_align": OKABE_ITO["vermillion"],
    "resnet18_late": OKABE_ITO["green"],
    "hier_teacher": OKABE_ITO["black"],
    "mixture": "#8C8C8C",
    "ideal_binary": "#4D4D4D",
    "ideal_ratio": "#1A1A1A",
}

LABELS = {
    "late": "Late",
    "late_align": "Late + align",
    "middle": "Middle",
    "middle_align": "Middle + align",
    "hier": "Hierarchical",
    "hier_align": "Hierarchical + align",
    "resnet18_late": "ResNet-18 late (no ImageNet weights)",
    "hier_teacher": "Hierarchical, teacher as bottleneck",
    "rpca": "RPCA",
    "nmf": "NMF",
    "nmf_mfcc": "NMF-MFCC",
    "pit": "PIT (U-Net alone)",
    "mixpit": "MixPIT",
    "mixit": "MixIT",
    "wave_u_net": "Wave-U-Net",
    "resunet": "ResUNetDecouple+",
    "mp_net": "MP-Net",
    "av_mix": "AV-Mix-and-Separate",
    "sop": "Sound-of-Pixels, own recipe",
    "early": "CLIPSep early",
    "nit": "CLIPSep-NIT",
    "label": "LabelSep",
    "sgn": "SGN",
    "sgn_none": "SGN, neither tokens nor grouping",
    "sgn_tokens": "SGN, tokens only",
    "sgn_grouping": "SGN, grouping only",
    "sgn_depth1": "SGN, depth 1",
    "sgn_depth3": "SGN, depth 3",
    "sgn_depth12": "SGN, depth 12",
    "sgn_hard": "SGN, hard assignment",
    "sgn_recipe": "SGN, own recipe",
    "universal_nmf": "NMF",
    "universal_sgn": "SGN",
    "mixture": "Mixture (floor)",
    "ideal_binary": "Ideal binary mask",
    "ideal_ratio": "Ideal ratio mask",
}

METRIC_LABELS = {
    "sdr_db": "SDR (dB)",
    "sir_db": "SIR (dB)",
    "sar_db": "SAR (dB)",
    "si_sdr_db": "SI-SDR (dB)",
    "sdri_db": "SDR improvement (dB)",
    "si_sdri_db": "SI-SDR improvement (dB)",
}

WIDTH = 6.8  # inches: the text width of a page
TEXT = "#333333"
GRID = "#E3E3E3"


def color_of(method: str) -> str:
    """Colour of a table row; mid grey for a row the palette does not know."""
    return COLORS.get(method, "#7F7F7F")


def label_of(method: str) -> str:
    """Readable name of a table row, ``"Hierarchical + align"`` for ``hier_align``."""
    return LABELS.get(method, method.replace("_", " "))


def metric_label(metric: str) -> str:
    """Axis label of a column of scores, with its unit."""
    return METRIC_LABELS.get(metric, metric)


def apply_style() -> None:
    """Set matplotlib's defaults for the session: call once, in a notebook's setup cell."""
    import matplotlib

    matplotlib.rcParams.update(
        {
            "font.family": "DejaVu Sans",  # ships with matplotlib, so pictures are the same bytes everywhere
            "font.size": 9.0,
            "axes.titlesize": 10.0,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.labelsize": 9.0,
            "axes.labelcolor": TEXT,
            "axes.edgecolor": TEXT,
            "axes.linewidth": 0.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,
            "axes.axisbelow": True,
            "axes.prop_cycle": matplotlib.cycler(color=[*OKABE_ITO.values()]),
            "grid.color": GRID,
            "grid.linewidth": 0.8,
            "xtick.labelsize": 8.0,
            "ytick.labelsize": 8.5,
            "xtick.color": TEXT,
            "ytick.color": TEXT,
            "legend.fontsize": 8.0,
            "legend.frameon": False,
            "lines.linewidth": 1.5,
            "image.cmap": "magma",
            "figure.figsize": (WIDTH, 3.6),
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "white",
            "svg.fonttype": "none",
        }
    )


def quiet_axis(ax: Axes, direction: str = "x") -> Axes:
    """Grid lines along the axis that is read, no ticks along the other."""
    ax.grid(axis=direction)
    ax.tick_params(axis="y" if direction == "x" else "x", length=0)
    return ax
