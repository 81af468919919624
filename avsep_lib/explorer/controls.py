"""The controls of the explorer: which clips, which network, which mask, and the knobs."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from avsep_lib.errors import DataError
from avsep_lib.explorer.choice import GAIN_LIMIT_DB, Choice
from avsep_lib.explorer.session import LETTERS, Session
from avsep_lib.explorer.widgets import ClipPicker, Slider, jpeg_address

LABEL = {"description_width": "112px"}
FULL = widgets.Layout(width="calc(100% - 8px)")
OWN_FILES = "own files"


def _dropdown(description: str, options: list, tooltip: str) -> widgets.Dropdown:
    return widgets.Dropdown(options=options, description=description, tooltip=tooltip, style=LABEL, layout=FULL)


def _slider(description: str, low: float, high: float, step: float, value: float, tooltip: str) -> Slider:
    return Slider(
        value=value, min=low, max=high, step=step, description=description, tooltip=tooltip, layout=FULL,
        digits=2 if step < 0.1 else 0, unit="" if step < 0.1 else " dB",
    )  # fmt: skip


def _toggle(description: str, tooltip: str) -> widgets.Checkbox:
    return widgets.Checkbox(description=description, tooltip=tooltip, indent=False, layout=FULL)


class SourceControl:
    """One of the two sources: a class and a clip of it, or own files.

    Parameters
    ----------
    session : Session
    slot : int
        0 for A, 1 for B.
    on_change : callable
        Called when another source is chosen.
    guard : callable
        Wraps a callback, so that its errors are shown.
    """

    def __init__(self, session: Session, slot: int, on_change: Callable[[], None], guard: Callable) -> None:
        self.session, self.slot, self.on_change = session, slot, on_change
        labels = session.clips.label.unique().tolist()
        options = [(label.replace("_", " "), label) for label in sorted(labels)] + [("own files …", OWN_FILES)]
        letter = LETTERS[slot]
        self.label = _dropdown(f"Source {letter}", options, f"class of source {letter}, or a recording of your own")
        self.clips = ClipPicker()
        self.sound = widgets.FileUpload(accept="audio/*,video/*", description="recording", tooltip="one sound file")
        self.picture = widgets.FileUpload(accept="image/*", description="picture", tooltip="one picture of what sounds")
        self.take = widgets.Button(description="use them", tooltip="separate with these two files")
        self.upload = widgets.HBox([self.sound, self.picture, self.take], layout=widgets.Layout(flex_flow="row wrap"))
        self.widget = widgets.VBox([self.label, self.clips, self.upload], layout=widgets.Layout(overflow="hidden"))
        self.key = ""
        self._quiet = False
        self.label.observe(guard(self._label_changed), "value")
        self.clips.observe(guard(self._clip_changed), "value")
        self.take.on_click(guard(self._take_upload))

    def show(self, key: str) -> None:
        """Choose a clip without telling anyone."""
        self._quiet = True
        try:
            self.key = key
            listed = key in set(self.session.clips.clip_id)
            self.label.value = self.session.source(key).label if listed else OWN_FILES
            self._fill(self.label.value)
            self.clips.value = key if listed else ""
        finally:
            self._quiet = False

    def _fill(self, label: str) -> None:
        own = label == OWN_FILES
        self.upload.layout.display = None if own else "none"
        self.clips.layout.display = "none" if own else None
        if own:
            return
        clips = self.session.clips
        ids = clips.clip_id[clips.label == label].tolist()
        spoken = label.replace("_", " ")
        self.clips.title = f"{spoken}: {len(ids)} test clip{'s' if len(ids) > 1 else ''}"
        self.clips.clips = [
            {"key": clip_id, "label": f"{spoken} {n}", "src": jpeg_address(self.session.thumbnail(clip_id))}
            for n, clip_id in enumerate(ids, start=1)
        ]

    def _label_changed(self, change: dict) -> None:
        if self._quiet:
            return
        self._fill(change["new"])
        if change["new"] == OWN_FILES:
            return
        free = [clip["key"] for clip in self.clips.clips if clip["key"] != self.clips.taken]
        if not free:
            raise DataError(f"source {LETTERS[self.slot]}: the only {change['new']!r} clip is the other source already")
        self.show(free[0])
        self.on_change()

    def _clip_changed(self, change: dict) -> None:
        if self._quiet or not change["new"]:
            return
        self.key = change["new"]
        self.on_change()

    def _take_upload(self, _: object = None) -> None:
        if not (self.sound.value and self.picture.value):
            raise DataError(f"source {LETTERS[self.slot]}: choose a recording and a picture first, one of each")
        sound, picture = self.sound.value[-1], self.picture.value[-1]
        self.key = self.session.add_upload(
            self.slot, (sound["name"], bytes(sound["content"])), (picture["name"], bytes(picture["content"]))
        )
        self.on_change()


class NetworkControl:
    """Fusion, alignment and seed: always a run that is trained."""

    def __init__(self, session: Session, on_change: Callable[[], None], guard: Callable) -> None:
        self.session, self.on_change = session, on_change
        self.fusion = _dropdown("Fusion", list(session.runs.by_network), "where the picture enters the network")
        self.alignment = _dropdown(
            "Alignment", [("no", False), ("yes", True)], "whether the bottleneck was trained towards the audio encoder"
        )
        self.seed = _dropdown("Training seed", [0], "initial weights and order of the training pool")
        self.widget = widgets.VBox([self.fusion, self.alignment, self.seed])
        self.run_id, self._quiet = "", False
        for control in (self.fusion, self.alignment, self.seed):
            control.observe(guard(self._changed), "value")

    def show(self, run_id: str) -> None:
        """Choose a run without telling anyone."""
        network, aligned, seed = self.session.runs.place(run_id)
        table = self.session.runs.by_network[network]
        self._quiet = True
        try:
            self.run_id = run_id
            self.fusion.value = network
            self.alignment.options = [(text, value) for text, value in (("no", False), ("yes", True)) if value in table]
            self.alignment.value, self.alignment.disabled = aligned, len(table) == 1
            self.seed.options = list(table[aligned])
            self.seed.value, self.seed.disabled = seed, len(table[aligned]) == 1
        finally:
            self._quiet = False

    def _changed(self, _: dict) -> None:
        if self._quiet:
            return
        self.show(self.session.runs.nearest(self.fusion.value, self.alignment.value, self.seed.value))
        self.on_change()

    def spoken(self) -> str:
        """The run in words."""
        name, comma, rest = self.fusion.value.partition(",")
        aligned = " with alignment" if self.alignment.value else ""
        return f"{name} fusion{comma}{rest}{aligned}, seed {self.seed.value}"


class KnobControl:
    """Mask and knobs."""

    def __init__(self, on_change: Callable[[], None], guard: Callable) -> None:
        self.on_change, self._quiet = on_change, False
        self.mask = _dropdown("Mask", ["soft", "binary"], "soft: a share of each point; binary: all of it or nothing")
        self.threshold = _slider("Threshold", 0, 1, 0.05, 0.5, "binary masks: what counts as all; the tables have 0.5")
        self.swap = _toggle(
            "swap the two pictures: what if the video lies?", "each source is asked for with the other's picture"
        )
        self.blend = _slider("Blend pictures", 0, 1, 0.05, 0, "0: own embeddings; 1: both queries are their mean")
        self.silenced = _dropdown(
            "Silence",
            [("nobody", None), ("A", 0), ("B", 1)],
            "leave one source out of the mixture, and ask for it all the same",
        )
        self.mid = _dropdown(
            "Bottleneck sees", [("own picture", "own"), ("last picture (released code)", "last")],
            "which picture conditions the bottleneck of middle and hierarchical fusion",
        )  # fmt: skip
        self.gain_of = _dropdown(
            "Change level of", [("A", 0), ("B", 1)], "which source the next slider makes louder or softer"
        )
        self.gain = _slider("Level", -GAIN_LIMIT_DB, GAIN_LIMIT_DB, 1, 0, "level of that source in the mixture")
        self.reset = widgets.Button(description="knobs to rest", tooltip="undo all knobs", icon="undo")
        self.mask_widget = widgets.VBox([self.mask, self.threshold])
        self.widget = widgets.VBox(
            [self.swap, self.blend, self.silenced, self.mid, self.gain_of, self.gain, self.reset]
        )  # fmt: skip
        for control in (self.mask, self.threshold, *self._knobs()):
            control.observe(guard(self._changed), "value")
        self.reset.on_click(guard(self._at_rest))
        self.threshold.disabled = True

    def _knobs(self) -> tuple:
        return self.swap, self.blend, self.silenced, self.mid, self.gain_of, self.gain

    def _changed(self, _: dict) -> None:
        self.threshold.disabled = self.mask.value != "binary"
        if not self._quiet:
            self.on_change()

    def _at_rest(self, _: object = None) -> None:
        self._quiet = True
        try:
            self.swap.value, self.blend.value, self.silenced.value, self.gain.value = False, 0.0, None, 0.0
            self.mid.value, self.threshold.value = self.rest_mid, 0.5
        finally:
            self._quiet = False
        self.on_change()

    rest_mid = "own"

    def fit(self, trained_mid: str | None) -> None:
        """Offer the bottleneck's knob only where a run has that condition."""
        self.mid.disabled = trained_mid is None
        self.rest_mid = trained_mid or "own"

    def choice(self, first: str, second: str, run_id: str) -> Choice:
        """All controls as one value."""
        return Choice(
            first, second, run_id, mask=self.mask.value, threshold=round(self.threshold.value, 4), swap=self.swap.value,
            blend=round(self.blend.value, 4), silenced=self.silenced.value,
            mid_condition=self.rest_mid if self.mid.disabled else self.mid.value,
            gain_db=self.gain.value, gain_of=self.gain_of.value,
        )  # fmt: skip
