"""Which rows a table has, in which order, and what the paper calls them."""

from __future__ import annotations

from collections.abc import Iterable

from avsep_lib.workflow import GRID

METRICS = ("sdr_db", "sir_db", "sar_db")
MASKS = ("binary", "soft")  # the first is the headline, as in the paper's lineage
FLOOR = "mixture"
CEILING = {"binary": "ideal_binary", "soft": "ideal_ratio"}
REFERENCES = (FLOOR, *CEILING.values())
BACKBONE_ROW = "resnet18_late"
TEACHER_ROW = "hier_teacher"
TABLE_1 = ("rpca", "nmf_mfcc", "wave_u_net", "resunet", "mp_net", "sgn", BACKBONE_ROW, "late", "middle", "hier_align")
TABLE_2 = ("nmf_mfcc", "av_mix", BACKBONE_ROW, "late", "middle", "hier", "hier_align")
TABLE_3 = ("late", "middle", "hier_align")
TABLE_6 = (BACKBONE_ROW, *GRID, TEACHER_ROW)
# Other methods: nothing learnt; asked nothing; asked by a picture; asked by a class.
OTHER_METHODS = (
    *("rpca", "nmf", "nmf_mfcc"),
    *("pit", "mixpit", "mixit", "wave_u_net", "resunet"),
    *("mp_net", "av_mix", "sop", "early", "nit"),
    *("label", "sgn"),
)
# Rows with masks on the linear grid, or with none: the ideal mask of the warped grid is no ceiling of theirs.
NOT_BOUNDED = ("rpca", "nmf", "nmf_mfcc", "universal_nmf", "wave_u_net", "resunet")
# Made from the original paper for n-source mix-and-separate; the tables that quote them give no details.
AFTER_THE_ORIGINAL = ("wave_u_net", "resunet", "mp_net", "av_mix")
# The paper's separation tables: the place of its dataset (`avsep_lib.inputs.dataset_of`), rows.
SEPARATION = {1: ("music11", TABLE_1), 2: ("music21", TABLE_2), 3: ("wild", TABLE_3)}

PLACES = {1: "MUSIC", 2: "MUSIC-21", 3: "VGGSound"}  # what the paper measured there

# (candidate, baseline): alignment within each fusion, fusions with and without it, the whole method, the backbone.
PAIRS = (
    ("late_align", "late"),
    ("middle_align", "middle"),
    ("hier_align", "hier"),
    ("middle", "late"),
    ("hier", "late"),
    ("hier", "middle"),
    ("hier_align", "late_align"),
    ("hier_align", "middle_align"),
    ("hier_align", "late"),
    ("late", BACKBONE_ROW),
    (TEACHER_ROW, "hier"),
)

# Our row -> its name in paper/published.csv, by the paper's table.
PAPER_ROWS = {
    1: {
        "rpca": "RPCA",
        "nmf_mfcc": "NMF-MFCC",
        "wave_u_net": "Wave-U-Net",
        "resunet": "ResUNetDecouple+",
        "mp_net": "MP-Net",
        "sgn": "SGN",
        BACKBONE_ROW: "Sound-of-Pixels",
        "late": "CLIPSep late",
        "middle": "CLIPSep middle",
        "hier_align": "HFRA hierarchical + align",
    },
    2: {
        "nmf_mfcc": "NMF-MFCC",
        "av_mix": "AV-Mix-and-Separate",
        BACKBONE_ROW: "Sound-of-Pixels",
        "late": "CLIPSep late",
        "middle": "CLIPSep middle",
        "hier": "HFRA hierarchical",
        "hier_align": "HFRA hierarchical + align",
    },
    3: {"late": "CLIPSep late", "middle": "CLIPSep middle", "hier_align": "HFRA hierarchical + align"},
    6: {
        "resnet18_late": "ResNet-18 late",
        "late": "CLIP late",
        "late_align": "CLIP late + align",
        "middle": "CLIP middle",
        "hier": "CLIP hierarchical",
        "hier_align": "CLIP hierarchical + align",
    },
}


def in_table_order(methods: Iterable[str]) -> list[str]:
    """Floor, methods beside the family from nothing learnt to classes known, backbone row, the grid, ceilings."""
    order = (FLOOR, *OTHER_METHODS, BACKBONE_ROW, *GRID, TEACHER_ROW)
    place = {name: i for i, name in enumerate(order)} | {name: len(order) + 1 for name in CEILING.values()}
    return sorted(methods, key=lambda name: (place.get(name, len(order)), name))
