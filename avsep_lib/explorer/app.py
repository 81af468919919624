"""The explorer as widgets: for JupyterLab, and read-only under Voila (``make explore``)."""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from functools import wraps

import ipywidgets as widgets

from avsep_lib.errors import AvsepError
from avsep_lib.explorer import page
from avsep_lib.explorer.controls import KnobControl, NetworkControl, SourceControl
from avsep_lib.explorer.gains_view import GainsView
from avsep_lib.explorer.judging import Judge
from avsep_lib.explorer.player import ABPlayer
from avsep_lib.explorer.session import Session

WRAP = widgets.Layout(flex_flow="row wrap", width="100%", align_items="flex-start")
LEFT = widgets.Layout(flex="1 1 300px", max_width="400px", min_width="0", overflow="hidden")
RIGHT = widgets.Layout(flex="3 1 340px", min_width="0", width="auto", padding="0 0 0 8px")


class Explorer:
    """Controls at the left, what they do at the right; a second tab opens Figure 1.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    widget : Widget
        What a notebook displays.
    status : HTML
        One line: ready, at work, or what went wrong. An error never vanishes in a callback.
    seconds : float
        Duration of the last reaction.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.judge = session, Judge(session)
        self.status, self.summary, self.pictures, self.numbers = (widgets.HTML() for _ in range(4))
        self.seconds = float("nan")
        self.sources = [SourceControl(session, slot, self.update, self.guarded) for slot in (0, 1)]
        self.network = NetworkControl(session, self.update, self.guarded)
        self.knobs = KnobControl(self.update, self.guarded)
        self.player = ABPlayer({}, session.audio.sample_rate)
        self.gains = GainsView(session, self.open_pair, self.guarded)
        self.tabs = widgets.Tab([self._separate_tab(), self.gains.widget], titles=["Separate a pair", "Open Figure 1"])
        self.tabs.observe(self.guarded(self._tab_changed), "selected_index")
        style = widgets.HTML(page.STYLE)
        self.widget = widgets.VBox([style, self.status, self.tabs], layout=widgets.Layout(width="100%"))
        choice = session.default_choice()
        self.network.show(choice.run_id)
        self._show_pair(choice.first, choice.second)
        self.guarded(self.update)()

    def _separate_tab(self) -> widgets.Widget:
        headed = [
            *(source.widget for source in self.sources),
            _heading("Network"), self.network.widget, self.knobs.mask_widget,
            _heading("What if …"), self.knobs.widget,
        ]  # fmt: skip
        shown = [self.summary, self.player, self.pictures, self.numbers]
        return widgets.HBox([widgets.VBox(headed, layout=LEFT), widgets.VBox(shown, layout=RIGHT)], layout=WRAP)

    def guarded(self, callback: Callable) -> Callable:
        """A callback whose errors stand in the status line."""

        @wraps(callback)
        def call(*arguments: object) -> None:
            try:
                callback(*arguments)
            except AvsepError as error:
                self._say(str(error), error=True)
            except Exception as error:  # a bug: say so where the user looks, with what a report needs
                self._say(f"this is a fault of the explorer: {type(error).__name__}: {error}", error=True)

        return call

    def _say(self, text: str, *, error: bool = False) -> None:
        kind, role = ("avsep-error", "alert") if error else ("avsep-says", "status")
        self.status.value = f'<div class="avsep-x"><p class="{kind}" role="{role}">{html.escape(text)}</p></div>'

    def update(self) -> None:
        """Separate what the controls say, show it, then score it."""
        started = time.perf_counter()
        run_id = self.network.run_id
        if not self.session.is_ready(run_id):
            self._say(f"loading {run_id} …")
        self.knobs.fit(self.session.own_mid_condition(run_id))
        first, second = (source.key for source in self.sources)
        for source, other in zip(self.sources, reversed(self.sources)):
            source.clips.taken = other.key
        view = self.session.look(self.knobs.choice(first, second, run_id))
        self.pictures.value = f'<div class="avsep-x">{page.pictures(view, self.session.audio)}</div>'
        self.player.sounds = view.sounds()
        verdict = self.judge(view)
        said = page.summary(view, verdict, self.network.spoken()) + page.notes(view.warnings)
        self.summary.value = f'<div class="avsep-x">{said}</div>'
        self.numbers.value = f'<div class="avsep-x">{page.numbers(verdict)}</div>'
        self.seconds = time.perf_counter() - started
        self._say(f"ready ({1000 * self.seconds:.0f} ms)")

    def _show_pair(self, first: str, second: str) -> None:
        for source, key in zip(self.sources, (first, second)):
            source.show(key)

    def open_pair(self, mixture_id: str) -> None:
        """Show a scored test pair in the first tab."""
        self._show_pair(*self.session.pairs.loc[mixture_id])
        self.tabs.selected_index = 0
        self.update()

    def _tab_changed(self, change: dict) -> None:
        if change["new"] == 1:
            self.gains.fill()


def _heading(text: str) -> widgets.HTML:
    return widgets.HTML(f'<div class="avsep-x"><h3>{text}</h3></div>')


def explorer(profile: str, dataset: str = "") -> widgets.Widget:
    """The explorer of a profile's results; display it in a notebook.

    Raises
    ------
    ConfigError, DataError
        Unknown profile or dataset; results that are not there yet, with the command that makes them.
    """
    return Explorer(Session.open(profile, dataset)).widget
