"""Controls that ipywidgets does not have: clips chosen by their pictures, bars that can be opened, sliders with a name."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent


class ClipPicker(anywidget.AnyWidget):
    """A radio group of pictures.

    Attributes
    ----------
    clips : list of dict
        Keys `key`, `label` and `src` (an image as a data address).
    value : str
        Key of the chosen clip.
    taken : str
        Key that cannot be chosen.
    title : str
    """

    _esm = HERE / "picker.js"
    clips = traitlets.List([]).tag(sync=True)
    value = traitlets.Unicode("").tag(sync=True)
    taken = traitlets.Unicode("").tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)


class Bars(anywidget.AnyWidget):
    """Horizontal bars around zero, each a button.

    Attributes
    ----------
    items : list of dict
        Keys `key`, `name`, `value` (a number) and `text` (the number as it is printed).
    value : str
        Key of the chosen bar.
    clicks : int
        Counts choices, so that choosing a bar again is seen.
    title, note : str
    above, below : str
        Colours of bars to the right and to the left of zero.
    """

    _esm = HERE / "bars.js"
    items = traitlets.List([]).tag(sync=True)
    value = traitlets.Unicode("").tag(sync=True)
    clicks = traitlets.Int(0).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)
    above = traitlets.Unicode("#0072B2").tag(sync=True)
    below = traitlets.Unicode("#E69F00").tag(sync=True)


class Slider(anywidget.AnyWidget):
    """A range with a name; its value changes when it is let go, or with every key.

    Attributes
    ----------
    value, min, max, step : float
    description, tooltip, unit : str
    digits : int
        Behind the point of the number that is shown.
    disabled : bool
    """

    _esm = HERE / "slider.js"
    value = traitlets.Float(0.0).tag(sync=True)
    min = traitlets.Float(0.0).tag(sync=True)
    max = traitlets.Float(1.0).tag(sync=True)
    step = traitlets.Float(0.05).tag(sync=True)
    description = traitlets.Unicode("").tag(sync=True)
    tooltip = traitlets.Unicode("").tag(sync=True)
    unit = traitlets.Unicode("").tag(sync=True)
    digits = traitlets.Int(2).tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)


def jpeg_address(content: bytes) -> str:
    """A JPEG as a data address."""
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def bar_items(keys: Sequence[str], names: Sequence[str], values: Sequence[float]) -> list[dict]:
    """Items of `Bars` for numbers in dB."""
    return [
        {"key": str(k), "name": n, "value": float(v), "text": f"{v:+.1f} dB".replace("-", "−")}
        for k, n, v in zip(keys, names, values)
    ]
