"""The second tab: Figure 1 whose bars open their mixtures, and mixtures that open in the first tab."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from avsep_lib.explorer import figure1
from avsep_lib.explorer.session import Session
from avsep_lib.explorer.widgets import Bars, bar_items
from avsep_lib.plots.style import label_of

HALF = widgets.Layout(flex="1 1 320px", min_width="0", max_width="640px")


class GainsView:
    """Bars of instruments at the left, the mixtures of the chosen one at the right.

    Parameters
    ----------
    session : Session
    open_pair : callable
        Given a mixture_id.
    guard : callable
        Wraps a callback, so that its errors are shown.
    """

    def __init__(self, session: Session, open_pair: Callable[[str], None], guard: Callable) -> None:
        self.session, self.open_pair = session, open_pair
        trained = {
            session.runs.place(r): r.rpartition("-s")[0].removesuffix(f"-{session.dataset}") for r in session.runs.all()
        }
        rows = [(label_of(row), row) for row in figure1.ROWS if row in set(trained.values())]
        self.candidate, self.baseline = (
            widgets.Dropdown(options=rows, description=text, tooltip=tip, layout=widgets.Layout(width="300px"))
            for text, tip in (("Gain of", "the candidate"), ("over", "the baseline"))
        )
        for control, wanted in ((self.candidate, "middle"), (self.baseline, "late")):
            if wanted in [row for _, row in rows]:
                control.value = wanted
            control.observe(guard(self._rows_changed), "value")
        self.instruments, self.mixtures = Bars(layout=HALF), Bars(layout=HALF)
        self.instruments.observe(guard(self._instrument_chosen), "clicks")
        self.mixtures.observe(guard(self._mixture_chosen), "clicks")
        choose = widgets.HBox([self.candidate, self.baseline], layout=widgets.Layout(flex_flow="row wrap"))
        both = widgets.HBox(
            [self.instruments, self.mixtures], layout=widgets.Layout(flex_flow="row wrap", width="100%")
        )
        self.widget = widgets.VBox([choose, both])
        self.gains: figure1.Gains | None = None

    def fill(self) -> None:
        """Compute the bars, once, when the tab is opened first."""
        if self.gains is None:
            self._rows_changed()

    def _rows_changed(self, _: object = None) -> None:
        self.gains = figure1.gains(
            self.session.profile, self.session.dataset, self.candidate.value, self.baseline.value
        )
        names = [name.replace("_", " ") for name in self.gains.instruments.index]
        self.instruments.title = f"{label_of(self.candidate.value)} minus {label_of(self.baseline.value)}, SDR"
        self.instruments.note = (
            "Own estimate of each instrument, binary masks, mean over mixtures and seeds. Choose one."
        )
        self.instruments.items = bar_items(self.gains.instruments.index, names, self.gains.instruments)
        self.instruments.value, self.mixtures.items = "", []
        self.mixtures.title, self.mixtures.note = "Mixtures", "Choose an instrument to see the mixtures behind its bar."

    def _instrument_chosen(self, _: object = None) -> None:
        instrument = self.instruments.value
        table = self.gains.mixtures(instrument)
        names = [self._named(row.mixture_id, row.clip_id) for row in table.itertuples()]
        self.mixtures.value = ""
        self.mixtures.title = f"Mixtures with {instrument.replace('_', ' ')}"
        self.mixtures.note = "Choose one to open it in the first tab."
        self.mixtures.items = bar_items(table.mixture_id, names, table.gain_db)

    def _named(self, mixture_id: str, clip_id: str) -> str:
        pair = self.session.pairs.loc[mixture_id]
        partner = pair["second"] if pair["first"] == clip_id else pair["first"]
        return f"with {self.session.store.row(partner).labels.replace('_', ' ')} ({mixture_id})"

    def _mixture_chosen(self, _: object = None) -> None:
        self.open_pair(self.mixtures.value)
