"""Figures of tables: what is drawn is what the data say."""

import itertools

import matplotlib
import numpy as np
import pandas as pd
import pytest
from scores_fixture import synthetic_scores

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from avsep_lib import tables
from avsep_lib.plots import forest, scores, style


@pytest.fixture(scope="module")
def data():
    frame = synthetic_scores(n_mixtures=30)
    return {mask: tables.comparable(frame, mask) for mask in tables.MASKS}


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def markers(ax, size):
    """Points drawn with a marker size, as (x, y)."""
    lines = [line for line in ax.lines if line.get_markersize() == size and line.get_marker() in ("o", "D")]
    return np.concatenate([line.get_xydata() for line in lines]) if lines else np.empty((0, 2))


def texts(ax):
    return [t.get_text() for t in ax.texts]


def test_every_row_has_its_own_colour_and_a_label():
    rows = [*tables.TABLE_6, "mixture", "ideal_binary", "ideal_ratio"]
    assert len({style.color_of(row) for row in rows}) == len(rows)
    assert style.label_of("hier_align") == "Hierarchical + align"
    assert "no ImageNet weights" in style.label_of("resnet18_late")
    assert style.label_of("new_row") == "new row"


def test_rows_put_means_and_seeds_where_they_are(ax, data):
    summary, seeds = tables.summary(data["binary"]), tables.seed_means(data["binary"])
    assert scores.rows_with_intervals(ax, summary, seeds) is ax
    assert np.allclose(markers(ax, 6.5), np.column_stack([summary["sdr_db"], range(len(summary))]))
    trained = seeds[~seeds["method"].isin(scores.REFERENCES)]
    assert sorted(markers(ax, 3.2)[:, 0]) == pytest.approx(sorted(trained["sdr_db"]))
    assert ax.get_xlabel() == "SDR (dB)"


def test_every_dataset_has_its_own_panel_rows_and_scale(data):
    summary, seeds = tables.summary(data["binary"]), tables.seed_means(data["binary"])
    harder = summary[summary["method"] != "hier"].assign(sdr_db=summary["sdr_db"] - 50)
    figure = scores.datasets_figure(plt.figure(), {"one": summary, "two": harder}, {"one": seeds, "two": seeds})
    one, two = figure.axes
    assert [ax.get_title(loc="left") or ax.get_title() for ax in (one, two)] == ["one", "two"]
    assert len(one.get_yticks()) == len(two.get_yticks()) + 1
    assert max(markers(two, 6.5)[:, 0]) < min(markers(one, 6.5)[:, 0])
    plt.close(figure)


def test_grid_draws_the_floor_and_names_a_far_ceiling(ax, data):
    summary = tables.summary(data["binary"]).set_index("method")
    scores.ablation_grid(ax, summary.reset_index(), tables.seed_means(data["binary"]))
    low, high = ax.get_ylim()
    assert low < summary.loc["mixture", "sdr_db"] < summary.loc[list(tables.GRID), "sdr_db_high"].max() < high
    assert f"↑ Ideal binary mask: {summary.loc['ideal_binary', 'sdr_db']:.1f} dB" in texts(ax)
    assert "Mixture (floor)" in texts(ax)
    assert len(markers(ax, 3.2)) == 3 * len(tables.GRID) + 1


def test_a_near_ceiling_is_a_line(ax, data):
    summary = tables.summary(data["binary"])
    summary.loc[summary["method"] == "ideal_binary", "sdr_db"] = summary["sdr_db"].max() - 4.0
    scores.ablation_grid(ax, summary, tables.seed_means(data["binary"]))
    assert "Ideal binary mask" in texts(ax)


def test_a_row_that_was_left_out_is_said_so(ax, data):
    summary = tables.summary(data["binary"])
    summary.loc[summary["method"] == "middle", ["sdr_db", "sdr_db_low", "sdr_db_high"]] = np.nan
    scores.ablation_grid(ax, summary, tables.seed_means(data["binary"]))
    assert texts(ax).count("left out") == 1


def test_axes_are_never_zoomed_into_noise(ax, data):
    summary = tables.summary(data["binary"])
    for end in ("", "_low", "_high"):
        summary.loc[summary["method"].isin(tables.TABLE_6), f"sdr_db{end}"] = 0.1
    summary.loc[summary["method"] == "mixture", "sdr_db"] = 0.1
    scores.ablation_grid(ax, summary, tables.seed_means(data["binary"]).assign(sdr_db=0.1))
    assert np.ptp(ax.get_ylim()) >= scores.MIN_SPAN


def test_forest_is_symmetric_coloured_by_what_was_found_and_says_the_verdict(ax):
    table = pd.DataFrame(
        {
            "candidate": ["hier", "middle", "hier_align", "middle_align"],
            "baseline": ["late", "late", "hier", "middle"],
            "difference": [0.5, -0.3, 0.05, np.nan],
            "low": [0.4, -0.4, -0.1, np.nan],
            "high": [0.6, -0.2, 0.2, np.nan],
            "seeds_low": [0.1, -9.0, -0.2, np.nan],
            "seeds_high": [0.9, 9.0, 0.3, np.nan],
            "detectable_effect": [0.1, 0.1, 0.21, np.nan],
            "found": ["higher", "lower", "inconclusive", "not testable here"],
            "verdict": ["supported", np.nan, "inconclusive", np.nan],
        }
    )
    forest.forest(ax, table)
    assert texts(ax) == [
        "higher; claim supported",
        "lower",
        "inconclusive (a claim); detectable: 0.21 dB",
        "not testable here",
    ]
    low, high = ax.get_xlim()
    assert low == -high
    assert 0.6 < high < 9.0  # an interval that knows nothing does not flatten the others
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_color() for line in points] == [forest.FOUND_COLORS[word] for word in table["found"]]


def test_figures_have_one_panel_per_mask(data):
    summaries = {mask: tables.summary(d) for mask, d in data.items()}
    seeds = {mask: tables.seed_means(d) for mask, d in data.items()}
    for draw in (scores.rows_figure, scores.grid_figure):
        figure = draw(plt.figure(), summaries, seeds)
        assert [ax.get_title(loc="left") or ax.get_title() for ax in figure.axes] == ["Binary masks", "Soft masks"]
        assert figure.axes[0].get_xlim()[0] <= figure.axes[0].get_xlim()[1]
        plt.close(figure)


@matplotlib.rc_context()
def test_names_of_rows_do_not_touch_however_many_there_are(data):
    """Two lines each, as "Mixture (floor)"; once there were eleven of them in the height for six."""
    summary, seeds = tables.summary(data["binary"]), tables.seed_means(data["binary"])
    many = pd.concat([summary] * 3).head(18)
    style.apply_style()
    names = {method: f"{method} row (of two lines)" for method in many["method"]}
    for figure in (
        scores.rows_figure(
            plt.figure(figsize=(7.4, 2)),
            {"binary": many, "soft": many},
            dict.fromkeys(("binary", "soft"), seeds),
            names,
        ),
        scores.datasets_figure(
            plt.figure(figsize=(7.4, 2)), {"one": many, "two": summary}, {"one": seeds, "two": seeds}
        ),
    ):
        figure.canvas.draw()
        for ax in figure.axes:
            boxes = sorted((label.get_window_extent() for label in ax.get_yticklabels()), key=lambda box: box.y0)
            gaps = [high.y0 - low.y1 for low, high in itertools.pairwise(boxes)]
            assert min(gaps) > -1, gaps
        plt.close(figure)
