"""The explorer without a browser: what is separated, scored, remembered and shown. tests/browser drives the page."""

import dataclasses
import io
import json
import math
import statistics
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import soundfile
from explorer_fixture import explorer_project
from PIL import Image

from avsep_lib.config import load_profile
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.explorer import figure1, page, panels
from avsep_lib.explorer.cache import Cache
from avsep_lib.explorer.choice import Choice, Runs
from avsep_lib.explorer.judging import METRICS, Judge, spread_of
from avsep_lib.explorer.session import Session
from avsep_lib.explorer.sources import centre
from avsep_lib.parameters import notebook_parameters
from avsep_lib.paths import project_root

ROOT = project_root()


@pytest.fixture(scope="module")
def root(project, tmp_path_factory):
    return explorer_project(project.root, tmp_path_factory.mktemp("explorer") / "project")


@pytest.fixture(autouse=True)
def _at_root(root, monkeypatch):
    monkeypatch.setenv("AVSEP_ROOT", str(root))


@pytest.fixture(scope="module")
def session(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVSEP_ROOT", str(root))
        yield Session.open("toy", "music11")


@pytest.fixture(scope="module")
def judge(session):
    return Judge(session)


@pytest.fixture
def choice(session):
    first, second = session.pairs.iloc[0]
    return Choice(first, second, "late-s0")


def changed(choice, **values):
    return dataclasses.replace(choice, **values)


# --- what can be chosen ----------------------------------------------------------------------------------------------


def test_the_runs_are_those_that_are_trained(session):
    assert session.runs.by_network == {
        "late": {False: {0: "late-s0", 1: "late-s1"}},
        "middle": {False: {0: "middle-s0"}},
        "hierarchical": {False: {0: "hier-s0"}},
        "late, trained ResNet-18": {False: {0: "resnet18_late-s0"}},
    }
    assert session.runs.place("late-s1") == ("late", False, 1)
    assert session.runs.nearest("late", True, 7) == "late-s0"
    with pytest.raises(ConfigError, match=r"'late-s9' is not trained here.*late-s1"):
        session.runs.place("late-s9")


def test_nothing_trained_says_what_to_run(root, tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    for name in ("toy.yaml", "runs.csv"):
        (tmp_path / "config" / name).write_text((root / "config" / name).read_text())
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    with pytest.raises(DataError, match="make figures PROFILE=toy"):
        Session.open("toy")
    with pytest.raises(DataError, match=r"no trained run on 'music11'.*make figures PROFILE=toy"):
        Runs.of(load_profile("toy"), "music11")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mask": "hard"}, "mask is 'hard'"),
        ({"threshold": 1.5}, "threshold is 1.5; it goes from 0 to 1"),
        ({"blend": -0.1}, "blend is -0.1"),
        ({"gain_db": 40.0}, "gain_db is 40.0"),
        ({"silenced": 2}, "silenced is 2"),
        ({"mid_condition": "first"}, "mid_condition is 'first'"),
    ],
)
def test_an_impossible_choice_is_refused(choice, values, words):
    with pytest.raises(ConfigError, match=words):
        changed(choice, **values)


def test_one_clip_is_not_mixed_with_itself(session, choice):
    with pytest.raises(ConfigError, match="both A and B"):
        session.look(changed(choice, second=choice.first))


def test_an_unknown_clip_is_named(session, choice):
    with pytest.raises(DataError, match="'test_kazoo_000'"):
        session.look(changed(choice, first="test_kazoo_000"))


def test_every_listed_pair_is_heard_and_seen_where_the_list_says(session, root):
    listed = pd.read_csv(root / "results/toy/data/music11/mixtures/test.csv")
    for row in listed.itertuples():
        assert centre(session.store, row.clip_id, session.audio) == (row.start_s, row.frame)
        assert row.gain == 1.0


# --- the same numbers as the tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["soft", "binary"])
def test_knobs_at_rest_give_the_scored_numbers(session, judge, mask):
    scores = session.scores("late-s0")
    for mixture_id, (first, second) in session.pairs.iterrows():
        verdict = judge(session.look(Choice(first, second, "late-s0", mask=mask)))
        listed = scores[(scores.mixture_id == mixture_id) & (scores["mask"] == mask)].set_index("source")
        for metric in METRICS:
            assert verdict.rows.set_index("source")[metric].to_numpy() == pytest.approx(
                listed[metric].to_numpy(), abs=2e-3, nan_ok=True
            )
        assert verdict.note == ""
        expected = (spread_of(scores, mask)["sdr_db"] < verdict.mean("sdr_db") - 1e-3).mean()
        assert math.isnan(verdict.below("sdr_db")) or verdict.below("sdr_db") == pytest.approx(expected, abs=0.34)


def test_a_run_without_scores_is_explored_all_the_same(session, judge, choice):
    verdict = judge(session.look(changed(choice, run_id="hier-s0")))
    assert verdict.spread == {}
    assert "not scored yet" in verdict.note
    assert math.isnan(verdict.below("sdr_db"))


def test_a_pair_that_nobody_listed_can_be_separated(session, judge, choice):
    listed = {tuple(pair) for pair in session.pairs.to_numpy()}
    ids = session.clips.clip_id.tolist()
    first, second = next((a, b) for a in ids for b in ids if a != b and (a, b) not in listed)
    view = session.look(changed(choice, first=first, second=second))
    assert view.estimates.shape == (2, session.audio.n_output)
    assert judge(view).rows.sdr_db.notna().any()


# --- knobs -----------------------------------------------------------------------------------------------------------


def test_swapping_the_pictures_swaps_masks_and_estimates_of_a_late_network(session, choice):
    plain, swapped = session.look(choice), session.look(changed(choice, swap=True))
    assert np.array_equal(plain.masks, swapped.masks[::-1])
    assert np.allclose(plain.estimates, swapped.estimates[::-1], atol=1e-6)
    assert np.array_equal(plain.sources, swapped.sources)
    assert np.array_equal(plain.pictures[0], swapped.pictures[1])


def test_blended_queries_meet_in_the_middle(session, choice):
    plain = session.look(changed(choice, run_id="hier-s0"))
    half, full = (session.look(changed(choice, run_id="hier-s0", blend=blend)) for blend in (0.5, 1.0))
    apart = [np.abs(view.masks[0] - view.masks[1]).mean() for view in (plain, half, full)]
    assert apart[0] > apart[1] > apart[2]
    assert np.allclose(full.masks[0], full.masks[1], atol=1e-6)
    assert any("nearly the same" in warning for warning in full.warnings)


def test_a_silenced_source_leaves_the_mixture_and_keeps_its_query(session, judge, choice):
    view = session.look(changed(choice, silenced=1))
    assert not view.sources[1].any()
    assert np.array_equal(view.mixture, session.mixed(choice)[1][0])
    verdict = judge(view)
    assert verdict.rows.source.tolist() == [0]
    assert np.isfinite(verdict.leak_db)
    assert verdict.leak_db < 0
    assert "one source is silent" in verdict.note


def test_gain_is_in_decibels_and_does_not_touch_the_other_source(session, judge, choice):
    plain, louder = session.look(choice), session.look(changed(choice, gain_db=6.0, gain_of=1))
    assert np.array_equal(plain.sources[0], louder.sources[0])
    assert 20 * np.log10(np.abs(louder.sources[1]).max() / np.abs(plain.sources[1]).max()) == pytest.approx(6, abs=1e-4)
    assert np.allclose(louder.sources.sum(axis=0), louder.mixture[: session.audio.n_output], atol=1e-6)
    rows = judge(louder).rows
    fresh = Judge(session)(louder).rows  # factorised from the louder references, not from the kept ones
    assert rows[list(METRICS)].to_numpy() == pytest.approx(fresh[list(METRICS)].to_numpy(), abs=1e-3)


def test_gain_beyond_full_scale_is_said(session, choice):
    source = session.source(choice.first)
    loud = dataclasses.replace(source, key="loud", waveform=source.waveform / np.abs(source.waveform).max())
    session._uploads["loud"] = loud
    view = session.look(changed(choice, first="loud", gain_db=12.0))
    assert any("exceeds full scale" in warning for warning in view.warnings)


@pytest.mark.parametrize(("run_id", "alike"), [("middle-s0", True), ("hier-s0", False)])
def test_the_last_condition_is_the_released_forward(session, choice, run_id, alike):
    """With one condition for all, middle fusion has nothing left to tell the sources apart; hierarchical has."""
    own = session.look(changed(choice, run_id=run_id))
    last = session.look(changed(choice, run_id=run_id, mid_condition="last"))
    assert np.array_equal(own.masks[1], last.masks[1])
    assert not np.array_equal(own.masks[0], last.masks[0])
    assert np.array_equal(last.masks[0], last.masks[1]) == alike
    assert session.model(run_id).model.settings.mid_condition == "own"  # the kept model is as it was


def test_late_fusion_has_no_bottleneck_condition(session, choice):
    assert session.own_mid_condition("late-s0") is None
    assert session.own_mid_condition("hier-s0") == "own"
    own, last = session.look(choice), session.look(changed(choice, mid_condition="last"))
    assert np.array_equal(own.masks, last.masks)


def test_a_threshold_decides_after_unwarping(session, choice):
    soft = session.look(choice)
    low, high = (session.look(changed(choice, mask="binary", threshold=t)) for t in (0.0, 1.0))
    assert set(np.unique(low.masks)) == {1.0}
    assert not high.masks.any()
    assert not high.estimates.any()
    assert [w for w in high.warnings if "is silent" in w] == [
        f"the estimate of {name} is silent" for name in high.names
    ]
    mixture = soft.mixture[: session.audio.n_output]
    assert np.allclose(low.estimates[0], np.clip(mixture, -1, 1), atol=1e-4)


def test_a_trained_visual_network_is_asked_with_frames(session, choice):
    view = session.look(changed(choice, run_id="resnet18_late-s0"))
    mixed = session.look(changed(choice, run_id="resnet18_late-s0", blend=1.0))
    assert view.masks.shape == mixed.masks.shape
    assert np.allclose(mixed.masks[0], mixed.masks[1], atol=1e-4)


# --- own files -------------------------------------------------------------------------------------------------------


def sound_file(samples, rate, kind="WAV"):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=kind)
    return stream.getvalue()


def picture_file():
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 120, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_two_uploads_are_separated(session, judge, choice):
    rng = np.random.default_rng(3)
    sounds = [0.1 * rng.standard_normal((n, 2)) for n in (60_000, 20_000)]
    keys = [
        session.add_upload(slot, (f"my {slot}.wav", sound_file(sound, 22_050)), ("p.png", picture_file()))
        for slot, sound in enumerate(sounds)
    ]
    view = session.look(changed(choice, first=keys[0], second=keys[1]))
    assert view.names == ["A my 0", "B my 1"]
    for words in ("first 1.41 s are used", "my 1.wav lasts 0.91 s", "resampled from 22,050 to 11,625 Hz"):
        assert any(words in warning for warning in view.warnings), words
    assert judge(view).rows.sdr_db.notna().all()
    assert session.thumbnail(keys[0])[:2] == b"\xff\xd8"


def test_a_file_that_is_no_sound_is_named_without_its_temporary_folder(session):
    with pytest.raises(DataError) as error:
        session.add_upload(0, ("song.wav", b"not a sound"), ("p.png", picture_file()))
    assert "song.wav" in str(error.value)
    assert "/" not in str(error.value).split("song.wav")[0]


# --- memory ----------------------------------------------------------------------------------------------------------


def test_the_cache_forgets_what_was_used_longest_ago_and_keeps_no_failure():
    cache, made = Cache(2), []
    for key in "abacab":
        cache.get(key, lambda key=key: made.append(key) or key)
    assert made == ["a", "b", "c", "b"]
    assert len(cache) == 2
    with pytest.raises(ZeroDivisionError):
        cache.get("z", lambda: 1 / 0)
    assert "z" not in cache


def test_a_knob_computes_only_what_it_changes(session, choice, monkeypatch):
    calls = []
    method = session.model("late-s0")
    original = type(method).forward
    monkeypatch.setattr(type(method), "forward", lambda self, *args: calls.append(1) or original(self, *args))
    values = [{}, {"mask": "binary"}, {"mask": "binary", "threshold": 0.3}, {"blend": 0.15}, {"blend": 0.15}, {}]
    for value in values:
        session.look(changed(choice, gain_db=-1.0, **value))
    assert len(calls) == 2


@pytest.fixture(scope="module")
def app(session):
    from avsep_lib.explorer.app import Explorer

    return Explorer(session)


def test_every_reaction_of_a_cached_model_is_quick(app, record_property, capsys):
    knobs = app.knobs
    changes = [
        (knobs.swap, True), (knobs.blend, 0.3), (knobs.mask, "binary"), (knobs.threshold, 0.4), (knobs.silenced, 1),
        (knobs.silenced, None), (knobs.gain, 3.0), (knobs.gain, -3.0), (knobs.mask, "soft"), (knobs.swap, False),
    ]  # fmt: skip
    seconds = []
    for control, value in changes:
        control.value = value
        assert "ready" in app.status.value, app.status.value
        seconds.append(app.seconds)
    knobs.reset.click()
    record_property("median_reaction_ms", 1000 * statistics.median(seconds))
    with capsys.disabled():
        print(
            f"\nexplorer: median reaction {1000 * statistics.median(seconds):.0f} ms, longest {1000 * max(seconds):.0f} ms"
        )
    assert statistics.median(seconds) < 1.0


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_a_panel_is_well_formed_and_says_what_it_shows(session):
    text = panels.panel(np.linspace(0, 1, 32 * 5).reshape(32, 5), "magma", session.audio, 'a "mask" & more')
    tree = ElementTree.fromstring(text)
    assert tree.attrib["aria-label"] == 'a "mask" & more'
    assert "http" not in text


def test_pixels_are_the_values():
    values = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
    with Image.open(io.BytesIO(panels.png(values, "gray"))) as image:
        shown = np.asarray(image.convert("L"), dtype=float) / 255
    assert shown[::-1] == pytest.approx(values, abs=0.01)


def test_levels_are_relative_to_one_reference():
    assert panels.decibels(np.array([1.0, 0.1, 1e-3, 0.0]), 1.0) == pytest.approx([1, 1 - 20 / 60, 0, 0])


def test_the_page_describes_every_picture(session, judge, choice):
    view = session.look(choice)
    verdict = judge(view)
    text = page.pictures(view, session.audio) + page.numbers(verdict)
    tree = ElementTree.fromstring(f"<div>{text}</div>")
    svgs = [e for e in tree.iter() if e.tag.endswith("svg")]
    assert len(svgs) == 8
    assert all(e.attrib["aria-label"] for e in svgs)
    assert all(e.attrib["alt"] for e in tree.iter() if e.tag.endswith("img") and "seen" in e.attrib.get("class", ""))


def test_names_from_outside_are_escaped(session, judge, choice):
    view = dataclasses.replace(session.look(choice), names=["A <script>x</script>", "B & co"])
    text = page.pictures(view, session.audio) + page.numbers(judge(view)) + page.summary(view, judge(view), "<b>")
    assert "<script>" not in text
    assert "<b>:" not in text


@pytest.mark.parametrize(
    ("value", "text"), [(math.nan, "silent"), (math.inf, "∞"), (-math.inf, "−∞"), (-1.26, "−1.3"), (2.0, "+2.0")]
)
def test_decibels_in_a_table(value, text):
    assert page.decibel(value, sign=True) == text


def test_a_static_figure_has_every_panel(session):
    from matplotlib.figure import Figure

    from avsep_lib.explorer.static import SIZE, view_figure

    figure = view_figure(Figure(figsize=SIZE), session.look(session.default_choice()), session.audio)
    titles = [ax.get_title() or ax.get_title("center") or ax.get_title("left") for ax in figure.axes]
    assert [titles.count(name) for name in ("mixture", "soft mask", "estimate", "truth")] == [1, 2, 2, 2]


# --- Figure 1 --------------------------------------------------------------------------------------------------------


@pytest.fixture
def scored(session, root, monkeypatch):
    """Scores for the middle row: those of the late row, two dB better for flutes."""
    scores = root / "results/toy/scores"
    table = pd.read_csv(scores / "late-s0.csv")
    table = table.assign(run_id="middle-s0", method="middle")
    table.loc[table.instrument == "flute", "sdr_db"] += 2.0
    table.to_csv(scores / "middle-s0.csv", index=False)
    yield
    (scores / "middle-s0.csv").unlink()


def test_a_bar_opens_its_mixtures_and_a_mixture_its_pair(session, scored, root):
    found = figure1.gains(session.profile, "music11")
    assert found.instruments.index[0] == "flute"
    for instrument, gain in found.instruments.items():
        table = found.mixtures(instrument)
        assert gain == pytest.approx(table.gain_db.mean())
        for row in table.itertuples():
            assert row.clip_id in session.pairs.loc[row.mixture_id].tolist()
    with pytest.raises(DataError, match="'kazoo'"):
        found.mixtures("kazoo")


# --- widgets ---------------------------------------------------------------------------------------------------------


def test_controls_change_what_is_shown(app):
    before = app.pictures.value, app.numbers.value, app.player.sounds
    app.knobs.swap.value = True
    assert app.pictures.value != before[0]
    assert app.numbers.value != before[1]
    app.knobs.reset.click()
    assert app.pictures.value == before[0]
    assert app.numbers.value == before[1]
    assert not app.knobs.swap.value


def test_another_network_is_found_and_its_knobs_fit(app):
    app.network.fusion.value = "hierarchical"
    assert app.network.run_id == "hier-s0"
    assert not app.knobs.mid.disabled
    assert "hierarchical fusion" in app.summary.value
    app.network.fusion.value = "late"
    assert app.knobs.mid.disabled
    app.network.seed.value = 1
    assert app.network.run_id == "late-s1"
    app.network.seed.value = 0


def test_choosing_a_class_and_a_clip(app, session):
    other = session.clips[~session.clips.clip_id.isin([s.key for s in app.sources])].iloc[0]
    control = app.sources[0]
    control.label.value = other.label
    assert session.source(control.key).label == other.label
    assert "ready" in app.status.value
    free = [clip["key"] for clip in control.clips.clips if clip["key"] != control.clips.taken]
    control.clips.value = free[-1]
    assert control.key == free[-1]
    assert app.sources[1].clips.taken == free[-1]
    assert all(clip["src"].startswith("data:image/jpeg;base64,") for clip in control.clips.clips)


def test_an_error_in_a_callback_is_seen_and_goes_away(app, monkeypatch):
    app.sources[1].take.click()
    assert "avsep-error" in app.status.value
    assert "choose a recording and a picture first" in app.status.value
    with monkeypatch.context() as patch:
        patch.setattr(app.session, "look", lambda choice: 1 / 0)
        app.knobs.swap.value = True
        assert "fault of the explorer: ZeroDivisionError" in app.status.value
    app.knobs.swap.value = False
    assert "avsep-error" not in app.status.value


def test_a_mixture_of_figure_1_opens_in_the_first_tab(app, scored, session):
    app.tabs.selected_index = 1
    view = app.gains
    view._rows_changed()
    view.instruments.value = view.instruments.items[0]["key"]
    view.instruments.clicks += 1
    view.mixtures.value = view.mixtures.items[-1]["key"]
    view.mixtures.clicks += 1
    assert app.tabs.selected_index == 0
    assert [s.key for s in app.sources] == session.pairs.loc[view.mixtures.value].tolist()
    assert "ready" in app.status.value


def test_every_control_is_described(app):
    import ipywidgets

    controls = [w for w in walk(app.widget) if isinstance(w, ipywidgets.DOMWidget) and hasattr(w, "description")]
    controls = [w for w in controls if not isinstance(w, (ipywidgets.HTML, ipywidgets.Tab))]
    assert len(controls) > 12
    assert all(w.description for w in controls)
    assert all(getattr(w, "tooltip", "") for w in controls)


def walk(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


# --- the notebook and the command -----------------------------------------------------------------------------------


def test_the_notebook_saves_nothing_and_has_its_parts():
    from avsep_lib.workflow import notebook_artifacts

    cells = json.loads((ROOT / "notebooks/12_explorer.ipynb").read_text())["cells"]
    prose = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    assert prose[0].splitlines()[0].startswith("# ")
    assert prose[0].splitlines()[0].endswith("?")
    assert "| **writes** | nothing |" in prose[0]
    assert prose[-1].startswith("## What this does not show")
    assert "Next: [" in prose[-1]
    assert notebook_artifacts("12_explorer") == []
    assert notebook_parameters("12_explorer").model_dump() == {"profile": "demo", "dataset": "music11"}


def test_the_page_has_the_profile_and_no_static_twin():
    from avsep_lib.explorer.__main__ import page_notebook

    source = json.loads((ROOT / "notebooks/12_explorer.ipynb").read_text())
    made = page_notebook(source, "paper", "music")
    text = "\n".join("".join(cell["source"]) for cell in made["cells"])
    assert "profile = 'paper'\ndataset = 'music'" in text
    assert "view_figure(" not in text
    assert "## Check" not in text
    assert "app.widget" in text
    assert len(source["cells"]) > len(made["cells"])


def test_explore_without_results_is_one_clear_sentence(root, tmp_path):
    (tmp_path / "config").mkdir()
    for name in ("toy.yaml", "runs.csv"):
        (tmp_path / "config" / name).write_text((root / "config" / name).read_text())
    command = [sys.executable, "-m", "avsep_lib.explorer", "--profile", "toy", "--no-browser"]
    import os

    result = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | {"AVSEP_ROOT": str(tmp_path), "PYTHONPATH": str(ROOT)}, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert "make figures PROFILE=toy" in result.stderr


def test_no_display_no_browser(monkeypatch):
    from avsep_lib.explorer import __main__ as command

    monkeypatch.setattr(command.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not command.has_display()
    monkeypatch.setenv("DISPLAY", ":0")
    assert command.has_display()


def test_importing_the_package_loads_no_torch_and_no_widgets():
    code = "import sys, avsep_lib.explorer; assert not {'torch', 'ipywidgets', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
