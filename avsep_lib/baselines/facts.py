"""What each row is, beside its numbers: the year of its idea, what it learns from, what it is told when it separates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from avsep_lib.tables.names import AFTER_THE_ORIGINAL, FLOOR, REFERENCES, TABLE_6

Told = Literal["nothing", "picture", "class", "truth"]
TOLD: dict[Told, str] = {
    "nothing": "nothing; outputs named by the true sources",
    "picture": "a picture of each source",
    "class": "the class of each source",
    "truth": "the true sources",
}


@dataclass(frozen=True)
class Fact:
    """One row.

    Attributes
    ----------
    year : int
        Of the publication that it follows.
    learns : str
        What its training reads.
    told : str
        What it is told when it separates; a key of `TOLD`.
    follows : str
        The publication.
    """

    year: int
    learns: str
    told: Told
    follows: str


SOURCES = "true sources"
FACTS: dict[str, Fact] = {
    "rpca": Fact(2012, "nothing", "nothing", "Huang et al., ICASSP 2012"),
    "nmf": Fact(2007, "nothing", "nothing", "Virtanen, IEEE TASLP 2007 (without its temporal and sparseness terms)"),
    "nmf_mfcc": Fact(2009, "nothing", "nothing", "Spiertz and Gnann, DAFx 2009"),
    "pit": Fact(2017, SOURCES, "nothing", "Yu et al., ICASSP 2017; SGN's 'Sound-of-Pixels without visual'"),
    "wave_u_net": Fact(2018, SOURCES, "nothing", "Stoller et al., ISMIR 2018"),
    "resnet18_late": Fact(2018, f"{SOURCES}, frames", "picture", "Zhao et al., ECCV 2018, trained as the other rows"),
    "sop": Fact(2018, f"{SOURCES}, frames", "picture", "Zhao et al., ECCV 2018, with its own recipe"),
    "mp_net": Fact(2019, f"{SOURCES}, image embeddings", "picture", "Xu et al., ICCV 2019"),
    "av_mix": Fact(2019, f"{SOURCES}, frames", "picture", "Gao and Grauman, ICCV 2019 (baseline)"),
    "mixit": Fact(2020, "mixtures", "nothing", "Wisdom et al., NeurIPS 2020"),
    "resunet": Fact(2021, SOURCES, "nothing", "Kong et al., ISMIR 2021"),
    "mixpit": Fact(2022, "mixtures", "nothing", "Karamatli and Kirbiz, IEEE SPL 2022"),
    "label": Fact(2023, f"{SOURCES}, classes", "class", "Dong et al., ICLR 2023 (baseline)"),
    "early": Fact(2023, f"{SOURCES}, image embeddings", "picture", "Dong et al., ICLR 2023"),
    "middle": Fact(2023, f"{SOURCES}, image embeddings", "picture", "Dong et al., ICLR 2023"),
    "late": Fact(2023, f"{SOURCES}, image embeddings", "picture", "Dong et al., ICLR 2023"),
    "nit": Fact(2023, f"{SOURCES}, image embeddings", "picture", "Dong et al., ICLR 2023"),
    "sgn": Fact(2024, f"{SOURCES}, classes", "class", "Mo and Tian, 2024"),
    "hier_align": Fact(
        2025, f"{SOURCES}, image embeddings, audio embeddings of mixtures", "picture", "HFRA, sections 3.2 and 3.3"
    ),
}
ROWS = tuple(FACTS)


def told_of(method: str) -> Told:
    """What a row is told; references know the truth, the mixture nothing, the family's other rows a picture."""
    if method in FACTS:
        return FACTS[method].told
    if method in REFERENCES:
        return "nothing" if method == FLOOR else "truth"
    return "picture" if method in TABLE_6 else "class"


def is_unverified(method: str) -> bool:
    """Whether a row follows an original whose details the quoting papers do not give."""
    return method in AFTER_THE_ORIGINAL
