"""Figures of notebooks 07 and 08 draw what they are given; t-SNE and its numbers on planted clouds."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from avsep_lib import tsne
from avsep_lib.intervals import Resampling
from avsep_lib.modality_gap import tables
from avsep_lib.modality_gap.clouds import Clouds
from avsep_lib.plots import gap as gap_plots
from avsep_lib.plots import maps as map_plots
from avsep_lib.plots import probe as probe_plots

QUICK = Resampling(100)


@pytest.fixture
def figure():
    made = plt.figure(layout="constrained")
    yield made
    plt.close(made)


def groups(noise: float, n: int = 10, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around one axis per class, and their labels."""
    labels = np.repeat([f"class_{i}" for i in range(classes)], n)
    rows = noise * np.random.default_rng(0).standard_normal((len(labels), 20))
    rows[np.arange(len(labels)), np.repeat(np.arange(classes), n)] += 1
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), labels


@pytest.fixture(scope="module")
def clouds() -> Clouds:
    (near, labels), (far, _) = groups(0.05), groups(0.6)
    audio = {"hier": np.stack([far, -far]), "hier_align": np.stack([near, near[::-1]]), "audio_encoder": near[None]}
    seeds = {"hier": [0, 1], "hier_align": [0, 1], "audio_encoder": [-1]}
    return Clouds(audio, near, labels, seeds, {row: [f"{row}-s{s}" for s in seeds[row]] for row in audio})


def test_separated_groups_are_named_by_neighbours_and_mixed_ones_are_not():
    (near, labels), (far, _) = groups(0.05), groups(20.0)
    maps = {(5, "near"): tsne.embed(near, 5), (5, "far"): tsne.embed(far, 5)}
    table = tsne.numbers({"near": near[None], "far": far[None]}, maps, labels, QUICK).set_index(["row", "space"])
    assert (table.knn["near"] == 100).all()
    assert (table.silhouette["near"] > 0.6).all()
    assert table.knn["far", "original"] < 60
    assert table.silhouette["far", "original"] < 0.1
    assert table.chance.iloc[0] == pytest.approx(100 * 9 / 49)
    assert np.isnan(table.trustworthiness["near", "original"])
    assert len(tsne.numbers_text(table.reset_index())) == 4


def test_original_space_is_judged_on_all_seeds_and_maps_on_the_first():
    (near, labels), (far, _) = groups(0.05), groups(20.0)
    maps = tsne.embed_all({"row": np.stack([near, far])})
    np.testing.assert_array_equal(maps[5, "row"], tsne.embed(near, 5))
    both = tsne.numbers({"row": np.stack([near, far])}, maps, labels, QUICK).set_index("space")
    alone = [tsne.numbers({"row": rows[None]}, {}, labels, QUICK).iloc[0] for rows in (near, far)]
    original = both.loc["original"]
    for name in ("silhouette", "knn"):
        single = [line[name] for line in alone]
        np.testing.assert_allclose(original[f"{name}_seeds"], single)
        assert original[name] == pytest.approx(np.mean(single))
        assert len(both.loc["map, perplexity 5", f"{name}_seeds"]) == 1
    assert both.loc["map, perplexity 5", "knn"] == 100 > original["knn"]
    shown = tsne.numbers_text(both.reset_index()).set_index("space")
    assert shown.loc["original", "by seed (%)"] == ", ".join(f"{line['knn']:.1f}" for line in alone)
    assert set(shown.loc["map, perplexity 5, first seed", ["by seed", "by seed (%)"]]) == {"–"}
    assert set(shown["clips"]) == {"50"}


def test_silhouette_intervals_are_as_short_as_their_docstring_says():
    """Points share neighbours: of intervals called 95 % about 74 in 100 hold the mean here."""
    labels, rng = np.repeat(np.arange(11).astype(str), 16), np.random.default_rng(0)
    found = []
    for _ in range(100):
        rows = 0.15 * rng.standard_normal((176, 20)) + np.eye(11, 20).repeat(16, axis=0)
        found.append(tsne.separation([tsne._cosine(rows)], labels, QUICK))
    table = pd.DataFrame(found)
    truth = table["silhouette"].mean()
    held = table["silhouette_low"].le(truth) & table["silhouette_high"].ge(truth)
    assert 0.55 < held.mean() < 0.9


def test_map_is_the_same_for_the_same_seed():
    rows, _ = groups(0.3)
    np.testing.assert_array_equal(tsne.embed(rows, 5), tsne.embed(rows, 5))


def test_neighbours_leave_out_the_point_itself():
    labels = np.array(["a", "b", "a", "b"])
    distances = np.abs(np.subtract.outer([0, 1, 10, 11], [0, 1, 10, 11])).astype(float)
    assert not tsne.neighbour_hits(distances, labels, k=1).any()


def test_tied_votes_go_to_the_nearer_neighbour():
    assert tsne._vote(np.array(["b", "a", "a", "b", "c"])) == "b"
    assert tsne._vote(np.array(["b", "a", "a"])) == "a"


def test_few_points_get_small_perplexities():
    assert tsne.perplexities(176) == (5, 15, 30)
    assert tsne.perplexities(22) == (5,)
    assert tsne.perplexities(8) == (2,)


def test_class_styles_are_all_different():
    styles = map_plots.class_style([f"c{i}" for i in range(99)])
    assert len(set(styles.values())) == 99


def test_tsne_figure_has_a_panel_per_map_and_a_legend_entry_per_class(figure, clouds):
    variants = tsne.every_seed(clouds)
    assert list(variants) == list(tsne.VARIANTS)
    maps = tsne.embed_all(variants)
    numbers = tsne.numbers(variants, maps, clouds.labels, QUICK)
    map_plots.tsne_figure(figure, maps, clouds.labels, numbers)
    assert len(figure.axes) == len(maps) == 6  # perplexities 5 and 15
    assert [entry.get_text() for entry in figure.legends[0].get_texts()] == [f"class {i}" for i in range(5)]
    assert figure.axes[3].get_ylabel() == "perplexity 15"
    assert len(tsne.points_table(maps, clouds.labels)) == 6 * 50


def test_gap_figure_draws_means_seeds_and_causes(figure, clouds):
    table, parts = tables.gap_table(clouds, QUICK), tables.attributions(clouds, resampling=QUICK)
    gap_plots.gap_figure(figure, table, tables.seed_values(clouds), parts)
    first, *_, bars = figure.axes
    assert [tick.get_text() for tick in first.get_yticklabels()][:2] == ["Hierarchical", "Hierarchical + align"]
    drawn = {float(line.get_xdata()[0]) for line in first.lines}
    assert set(table["gap"]) <= drawn
    assert {1.171, 0.976} <= drawn
    widths = [patch.get_width() for patch in bars.patches]
    np.testing.assert_allclose(widths, parts.set_index("part").difference[["spread", "direction"]])


def test_gap_figure_without_intervals_or_pairs(figure, clouds):
    table = tables.gap_table(clouds, QUICK).query("row == 'audio_encoder'").assign(gap_low=np.nan, gap_high=np.nan)
    gap_plots.gap_figure(figure, table, tables.seed_values(clouds), tables.attributions(clouds, [], QUICK))
    assert len(figure.axes) == 4


def accuracies(names: tuple[str, ...] = ("late", "hier", "hier_align", "audio_encoder", "majority")) -> pd.DataFrame:
    values = np.linspace(30, 80, len(names))
    return pd.DataFrame(
        {"representation": names, "accuracy": values, "low": values - 5, "high": values + 5, "chance": 9.1}
    )


def test_accuracy_figure_marks_the_paper_in_one_panel_only(figure):
    seeds = pd.DataFrame({"input": "solos", "representation": "hier", "seed": [0, 1], "accuracy": [40.0, 44.0]})
    shown = {name: accuracies() for name in ("solos", "solos_plain", "mixtures")}
    probe_plots.accuracy_figure(figure, shown, seeds)
    diamonds = [[float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "D"] for ax in figure.axes]
    assert diamonds == [[], [49.58, 58.82, 59.66], []]
    assert any(list(line.get_xdata()) == [40.0, 44.0] for line in figure.axes[0].lines)
    assert figure.axes[0].get_xlim() == (0, 100)


def test_confusion_figure_shows_the_shares(figure):
    table = pd.DataFrame([[90.0, 10.0], [0.0, 100.0]], index=["flute", "tuba"], columns=["flute", "tuba"])
    probe_plots.confusion_figure(figure, {"hier": table, "hier_align": table})
    image = figure.axes[0].images[0]
    np.testing.assert_allclose(image.get_array(), table)
    assert image.get_clim() == (0, 100)
