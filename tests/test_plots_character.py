"""Figure 1 and its appendix draw what the tables say, and no name covers another."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from avsep_lib import sound_character as sc
from avsep_lib.descriptors import DESCRIPTORS, INDICES, PITCH, TRANSIENCE
from avsep_lib.embedded.instruments import INSTRUMENTS
from avsep_lib.plots import character as plots
from avsep_lib.plots import descriptors as appendix
from avsep_lib.plots import style
from avsep_lib.plots.labels import place_labels
from avsep_lib.sound_character.outcomes import LABELS


@pytest.fixture(autouse=True)
def _styled_figures():
    with matplotlib.rc_context():
        style.apply_style()
        yield
    plt.close("all")


def tables_of(n, intervals=True):
    """Gains, seeds, character and correlations of the first n instruments."""
    rng = np.random.default_rng(n)
    names = list(INSTRUMENTS)[:n]
    gain = np.sort(rng.normal(-0.5, 1, n))[::-1]
    half = 1.5 if intervals else np.nan
    about = {"instrument": names, "metric": "sdr_db", "mask": "binary", "gain": gain}
    gains = pd.DataFrame(about | {"low": gain - half, "high": gain + half})
    seeds = pd.DataFrame(gain[:, None] + rng.normal(0, 1, (n, 3)), index=names)
    medians = pd.DataFrame({d.column: np.exp(rng.normal(0, 1, n)) for d in DESCRIPTORS}, index=names)
    frame = medians.rename_axis("instrument").reset_index()
    ends = {"rho": 0.5, "low": 0.1, "high": 0.8, "among_low": -0.1, "among_high": 0.9, "p_value": 0.11}
    lines = [{"metric": m, "quantity": q} | ends for m in ("sdr_db", "sir_db", "sar_db") for q in LABELS]
    return gains, seeds, sc.instrument_character(frame), pd.DataFrame(lines)


def figure_1(n=11, intervals=True, **options):
    gains, seeds, character, correlations = tables_of(n, intervals)
    lines = correlations[correlations["metric"] == "sdr_db"]
    figure = plt.figure(figsize=plots.size_of(n))
    return plots.fusion_figure(figure, gains, seeds, character, lines, 0.62, **options), gains


def overlaps(texts):
    boxes = [np.array(text.get_window_extent().extents) for text in texts]
    return [
        (a.get_text(), b.get_text())
        for i, (a, one) in enumerate(zip(texts, boxes))
        for b, two in list(zip(texts, boxes))[i + 1 :]
        if (np.minimum(one[2:], two[2:]) - np.maximum(one[:2], two[:2]) > 0.5).all()
    ]


@pytest.mark.parametrize("n", [11, 21])
def test_no_name_covers_another_and_all_are_inside(n):
    figure, gains = figure_1(n)
    figure.draw_without_rendering()
    for ax in figure.axes[1:]:
        assert {plots.readable(name) for name in gains["instrument"]} <= {text.get_text() for text in ax.texts}
        assert overlaps(ax.texts) == []
        outer = ax.get_window_extent()
        for text in ax.texts:
            box = text.get_window_extent()
            assert outer.x0 - 2 <= box.x0
            assert box.x1 <= outer.x1 + 2


def test_crowded_points_get_names_apart():
    figure, ax = plt.subplots(figsize=(3, 2))
    ax.set_xlim(-1, 1)
    ax.set_ylim(-1, 1)
    figure.draw_without_rendering()
    labels = place_labels(ax, [0.0, 0.02, 0.04], [0.0, 0.01, 0.0], ["violoncello", "contrabass", "viola"])
    assert [label.get_text() for label in labels] == ["violoncello", "contrabass", "viola"]
    assert overlaps(labels) == []


def test_one_point_needs_no_line():
    figure, ax = plt.subplots()
    figure.draw_without_rendering()
    place_labels(ax, [0.5], [0.5], ["tuba"])
    assert not ax.lines


def test_the_order_and_the_dots_are_those_of_the_table():
    figure, gains = figure_1()
    ax = figure.axes[0]
    dots = [line.get_xydata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert np.array(dots) == pytest.approx(np.column_stack([gains["gain"], range(len(gains))]))
    assert [label.get_text() for label in ax.get_yticklabels()][1] == "acoustic guitar"
    ticks = np.concatenate([line.get_xdata() for line in ax.lines if line.get_marker() == "|"])
    assert ticks.size == 3 * len(gains)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_each_side_says_who_is_better_there():
    figure, _ = figure_1(rows=("hier_align", "late"))
    words = {text.get_text(): text.get_position()[0] for text in figure.axes[0].texts}
    (left,) = [x for text, x in words.items() if "Late fusion" in text]
    (right,) = [x for text, x in words.items() if "Hierarchical + align" in text]
    assert left < 0.5 < right
    assert "Hierarchical + align − Late" in figure.axes[0].get_xlabel()


def test_the_papers_groups_have_the_colours_of_their_fusion():
    figure, gains = figure_1(groups=sc.PAPER_GROUPS, rows=("hier", "late"))  # whatever is compared
    colors = [line.get_color() for line in figure.axes[0].lines if line.get_marker() == "o"]
    found = dict(zip(gains["instrument"], colors))
    assert found["trumpet"] == style.color_of("middle")
    assert found["cello"] == style.color_of("late")
    assert found["erhu"] == plots.NOT_NAMED
    assert "the paper: suits middle" in [text.get_text() for text in figure.legends[0].texts]


def test_without_intervals_or_seeds_or_groups_it_is_still_drawn():
    gains, seeds, character, lines = tables_of(4, intervals=False)
    lines = lines[lines["metric"] == "sdr_db"].assign(rho=np.nan, p_value=np.nan)
    figure = plots.fusion_figure(plt.figure(), gains, seeds.iloc[:, :0], character, lines, np.nan)
    words = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert "ρ cannot be computed" in words
    assert len(figure.legends[0].texts) == 2


def test_an_empty_table_gives_an_empty_picture_that_says_so():
    gains, seeds, character, lines = tables_of(11)
    lines = lines[lines["metric"] == "sdr_db"].assign(rho=np.nan)
    figure = plots.fusion_figure(plt.figure(), gains.iloc[:0], seeds.iloc[:0], character, lines, np.nan)
    assert "no instrument can be compared" in [text.get_text() for text in figure.axes[0].texts]


def test_rho_words():
    assert plots.rho_words(-0.546, 0.0871, 0.618) == "ρ = −0.55, p = 0.09 (p < 0.05 from |ρ| = 0.62)"
    assert "p < 0.001" in plots.rho_words(0.99, 0.0002, 0.618)
    assert "too few instruments" in plots.rho_words(0.99, 0.08, np.nan)


def test_the_map_shows_medians_in_their_units_and_z_as_colour():
    gains, _, character, _ = tables_of(11)
    character.loc["tuba", PITCH.column] = np.nan
    z = sc.z_scores(character)
    _, ax = plt.subplots(figsize=(9, 5))
    appendix.descriptor_map(ax, character, z, gains["instrument"])
    image = ax.images[0].get_array()
    assert image.shape == (len(DESCRIPTORS), 11)
    assert np.allclose(image[0], z.loc[gains["instrument"], TRANSIENCE.members[0].column])
    assert image.mask.sum() == 1
    shown = {text.get_text() for text in ax.texts}
    assert appendix.shown_value(character["onset_rate_per_s"].iloc[0], TRANSIENCE.members[1]) in shown
    assert "–" in shown
    assert {family.label.removesuffix(" index") for family in INDICES} <= shown
    assert ax.get_yticklabels()[0].get_text() == "attack time (ms) ↓"


@pytest.mark.parametrize(("column", "value", "words"), [(0, -2.0, "10.0"), (0, -0.7, "200"), (3, 0.513, "0.51")])
def test_medians_are_shown_in_the_unit_of_their_row(column, value, words):
    assert appendix.shown_value(value, DESCRIPTORS[column]) == words


def test_the_correlation_figure_has_a_dot_per_line_and_the_threshold():
    *_, lines = tables_of(11)
    figure = appendix.correlation_figure(plt.figure(), lines, lines.assign(rho=-0.2), 0.62, LABELS)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["SDR", "SIR", "SAR"]
    ax = figure.axes[1]
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([0.5] * len(LABELS))
    dashed = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    assert sorted(dashed) == pytest.approx([-0.62, 0.62])
    assert figure.axes[0].get_yticklabels()[0].get_text() == "transience index"
