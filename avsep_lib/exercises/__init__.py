"""Predict-then-check: short exercises at the end of the notebooks, with answers computed from their own results.

One module per notebook. A function takes what the notebook already has (frames, arrays, models), whatever the profile
and its classes are, and returns an `Answer`, which a notebook shows folded. What the data cannot tell is said in the
answer and is never an error: an exercise may not stop a notebook.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field

BOX = "border-left:3px solid #0072B2;padding:.4em .9em;margin:.5em 0;max-width:46em"
OPENER = "cursor:pointer;font-weight:600;padding:.2em 0"
CELL = "padding:.1em 1.2em .1em 0;text-align:left"
NAME = f"{CELL};font-weight:400"


@dataclass(frozen=True)
class Answer:
    """A folded answer.

    Attributes
    ----------
    found : str
        What came out, with its numbers; computed.
    why : str
        What it teaches.
    rows : mapping of str to str
        Numbers behind it, as a small table; may be empty.
    """

    found: str
    why: str
    rows: dict[str, str] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """A ``details`` element: opens by mouse and keyboard, on any page, without a script."""
        lines = "".join(
            f'<tr><th scope="row" style="{NAME}">{_safe(k)}</th><td style="{CELL}">{_safe(v)}</td></tr>'
            for k, v in self.rows.items()
        )
        table = f"<table>{lines}</table>" if lines else ""
        return (
            f'<details class="answer" style="{BOX}"><summary style="{OPENER}">Open the answer</summary>'
            f"<p><b>{_safe(self.found)}</b></p>{table}<p>{_safe(self.why)}</p></details>"
        )

    def __repr__(self) -> str:
        """For places without HTML, where nothing can be folded."""
        return "(an answer, folded on pages that show HTML)"


def unanswered(reason: str) -> Answer:
    """These data cannot tell, and why."""
    return Answer(f"These data cannot tell: {reason}.", "Say so in your own work, too: it is a result about the data.")


def db(value: float, sign: str = "") -> str:
    """``"1.24 dB"``; infinity in words."""
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinity"
    return f"{value:{sign}.2f} dB".replace("-", "−")


def percent(share: float) -> str:
    """A share as ``"43 %"``, with a decimal below ten per cent."""
    return f"{100 * share:.{0 if abs(share) >= 0.0995 or share == 0 else 1}f} %"


def plural(n: int, one: str, many: str = "") -> str:
    """``"1 mixture"``, ``"3 mixtures"``."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def _safe(text: str) -> str:
    return html.escape(text)
