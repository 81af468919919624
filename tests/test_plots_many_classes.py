"""Figures and tables with class names and numbers of classes that no embedded dataset has."""

import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from avsep_lib import coverage, datacard
from avsep_lib.descriptors import DESCRIPTORS, INDICES
from avsep_lib.plots import character, dataset, encoders, names, probe, style
from avsep_lib.plots import coverage as coverage_plots
from avsep_lib.plots import maps as map_plots
from avsep_lib.recorded.settings import PROBLEMS
from avsep_lib.sound_character import correlations

mpl.use("Agg")
import matplotlib.pyplot as plt

STRANGE = [
    "二胡",
    "electric guitar (played with a bow)",
    "Klarinette in B♭",
    "cost: $5 and $6",
    "under_score",
    " ",
    "🎻",
]
MANY = [f"class_{i:03d}" for i in range(300)]


@pytest.fixture(autouse=True)
def _style():
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph is a warning
        style.apply_style()
        yield
        plt.close("all")


def drawn(figure):
    figure.canvas.draw()
    return figure


def texts(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text)]


# --- names -----------------------------------------------------------------------------------------------------------


def test_names_of_the_embedded_datasets_are_shown_whole():
    for name in ("acoustic_guitar", "music21: acoustic_guitar", "wild: guitar_fret_noise"):
        assert names.shown_name(name) == name.replace("_", " ")


def test_long_names_get_an_ellipsis_and_empty_ones_a_word():
    shown = names.shown_name("x" * 100)
    assert len(shown) == names.LONGEST
    assert shown.endswith("…")
    assert names.shown_name(" \n") == "(no name)"
    assert names.shown_name("two\nlines") == "two lines"


def test_what_no_font_has_is_told_apart(monkeypatch):
    monkeypatch.setattr(names, "FALLBACKS", ())
    names._fall_back.cache_clear()
    assert names.shown_name("二胡") == "U+4E8C U+80E1"
    assert names.shown_name("手风琴") != names.shown_name("二胡")
    names._fall_back.cache_clear()


def test_a_dollar_is_no_formula():
    figure = plt.figure()
    figure.text(0, 0, names.shown_name("from $5 to $6"))
    drawn(figure)
    assert names.shown_name("a$b") == r"a\$b"


def test_a_label_of_two_classes_has_two_lines_and_long_parts_more():
    assert names.spoken("a_b|c") == "a b and\nc"
    assert names.spoken("a name of several words", line=10).count("\n") == 2


def test_ends_are_the_first_and_the_last():
    assert names.ends(range(3), 4) == [0, 1, 2]
    assert names.ends(range(10), 4) == [0, 1, 8, 9]


# --- figures ---------------------------------------------------------------------------------------------------------


def levels_of(classes):
    rows = [(f"{c}-{i}", split, c, True, -20.0 - i, 0.1) for c in classes for i, split in enumerate(("train", "test"))]
    return pd.DataFrame(rows, columns=["clip_id", "split", "labels", "solo", "level_dbfs", "quiet_share"])


@pytest.mark.parametrize("classes", [STRANGE[:2], STRANGE, MANY])
def test_the_data_card_shows_any_number_of_any_classes(classes):
    levels = levels_of(classes)
    counts = datacard.solo_counts(levels)
    figure = drawn(dataset.data_card_figure(plt.figure(figsize=dataset.card_size(len(counts))), counts, levels))
    ticks = figure.axes[0].get_yticklabels()
    assert len(ticks) == min(len(classes), names.MANY)
    assert any("40 of 300 classes" in text for text in texts(figure)) == (len(classes) > names.MANY)


def test_a_contact_sheet_without_pictures_says_so():
    figure = drawn(dataset.contact_sheet(plt.figure(figsize=(6, dataset.sheet_height({}))), {}))
    assert any("no other dataset" in text for text in texts(figure))


@pytest.mark.parametrize("n", [2, 300])
def test_similarities_of_few_and_many_classes(n):
    maps = {name: np.random.default_rng(0).uniform(-1, 1, (n, n)) for name in ("image and image", "audio and audio")}
    figure = drawn(encoders.similarity_figure(plt.figure(), maps, MANY[:n]))
    assert bool(figure.axes[0].get_xticklabels()) == (n == 2)
    assert any("300 classes" in text for text in texts(figure)) == (n == 300)


@pytest.mark.parametrize("n", [2, 300])
def test_confusions_of_few_and_many_classes(n):
    table = pd.DataFrame(np.eye(n) * 100, MANY[:n], MANY[:n])
    figure = drawn(probe.confusion_figure(plt.figure(), {"hier": table, "audio_encoder": table}))
    assert any("(300 classes" in text for text in texts(figure)) == (n == 300)


@pytest.mark.parametrize("n", [4, 300])
def test_maps_of_few_and_many_classes(n):
    labels = np.repeat(MANY[:n], 2)
    maps = {(5, "hier"): np.random.default_rng(0).normal(size=(2 * n, 2))}
    numbers = pd.DataFrame({"row": ["hier"], "space": ["map, perplexity 5"], "knn": [10.0]})
    figure = drawn(
        map_plots.tsne_figure(plt.figure(figsize=(7.5, map_plots.tsne_height(maps, labels))), maps, labels, numbers)
    )
    assert bool(figure.legends) == (n == 4)


def test_no_map_is_one_sentence():
    figure = drawn(
        map_plots.tsne_figure(
            plt.figure(figsize=(7.5, map_plots.tsne_height({}, []))), {}, np.array([]), pd.DataFrame()
        )
    )
    assert any("no map" in text for text in texts(figure))


def gains_of(classes):
    rng, n = np.random.default_rng(1), len(classes)
    gain = np.sort(rng.normal(size=n))[::-1]
    table = pd.DataFrame({"instrument": classes, "metric": "sdr_db", "gain": gain, "low": gain - 1, "high": gain + 1})
    seeds = pd.DataFrame({0: gain, 1: gain}, index=classes)
    values = {d.column: rng.normal(size=n) for d in (*DESCRIPTORS, *INDICES)}
    return table, seeds, pd.DataFrame(values, index=classes)


@pytest.mark.parametrize("classes", [["二胡", "cello"], MANY])
def test_gains_of_few_and_many_classes(classes):
    gains, seeds, values = gains_of(classes)
    lines = pd.DataFrame({"quantity": correlations.QUANTITIES, "rho": np.nan, "p_value": np.nan})
    figure = plt.figure(figsize=character.size_of(len(classes)))
    figure = character.fusion_figure(figure, gains, seeds, values, lines, np.nan, groups={"middle": ("tuba",)})
    drawn(figure)
    assert len(figure.axes[0].get_yticklabels()) == min(len(classes), names.MANY)
    assert not any("the paper: suits" in text for text in texts(figure))  # no tuba here
    assert any("of 300 classes" in text for text in texts(figure)) == (len(classes) > names.MANY)


# --- coverage --------------------------------------------------------------------------------------------------------


def audit_of(classes, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for name in classes:
        for i in range(6):
            reason = "" if rng.random() < 0.6 else str(rng.choice(PROBLEMS))
            rows.append({"labels": name, "split": ("train", "val", "test")[i % 3], "reason": reason})
    table = pd.DataFrame(rows)
    return table.assign(status=np.where(table["reason"] == "", "kept", "dropped"))


@pytest.mark.parametrize("classes", [STRANGE[:3], MANY])
def test_coverage_of_few_and_many_classes(classes):
    table = coverage.coverage_table(audit_of(classes))
    figure = plt.figure(figsize=coverage_plots.coverage_size(table))
    ax = drawn(coverage_plots.coverage_figure(figure, table)).axes[0]
    assert len(ax.get_yticklabels()) == min(len(classes), names.MANY)
    assert ("40 of 300 classes" in ax.get_title(loc="left")) == (len(classes) > names.MANY)


def test_the_worst_classes_are_shown():
    table = coverage.coverage_table(audit_of(MANY))
    shown = coverage_plots.worst(table.drop(index=coverage.EVERYTHING), 10)
    left_out = table.drop(index=[coverage.EVERYTHING, *shown.index])
    assert shown["kept (%)"].max() <= left_out["kept (%)"].min()


def test_every_reason_has_its_own_look():
    assert set(coverage_plots.LOOKS) == set(PROBLEMS)
    assert len(set(coverage_plots.LOOKS.values())) == len(PROBLEMS)
