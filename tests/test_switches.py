"""Paper against code, one switch at a time: planted effects come out, missing switches say so."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import write_project
from scores_fixture import synthetic_scores

from avsep_lib import tables
from avsep_lib.config import load_profile
from avsep_lib.errors import DataError
from avsep_lib.plots import switches as plots
from avsep_lib.tables import text
from avsep_lib.tables.switches import SWITCHES, switch_runs

HEADER = "run_id,method,fusion,alignment,backbone,dataset,seed,switches\n"
ROWS = {
    "flip_none": ("", 0.0),
    "flip_last": ("mid_condition=last", -1.0),
    "flip_lambda_0": ("alignment_weight=0.0", 0.3),
    "flip_rate_16000": ("sample_rate=16000", 0.0),
}


def plant(root, rows=ROWS):
    """A toy project with scores in which every switch has a known effect, on mixtures that the rate makes harder."""
    project = write_project(root)
    lines = [f"{row}-s0,hfra,hierarchical,yes,clip,music11,0,{switch}" for row, (switch, _) in rows.items()]
    (root / "config" / "runs.csv").write_text(HEADER + "\n".join(lines) + "\n")
    (project.results / "scores").mkdir(parents=True)
    frame = synthetic_scores(n_mixtures=40, seeds=(0,))
    default = frame[frame["method"] == "hier_align"]
    references = frame[frame["method"].isin(["mixture", "ideal_binary", "ideal_ratio"])]
    for key, shift in (("music11", 0.0), ("music11@sample_rate=16000", -2.0)):
        moved = references.assign(
            sdr_db=references["sdr_db"] + shift, mixture_sdr_db=references["mixture_sdr_db"] + shift
        )
        moved.to_csv(project.results / "scores" / f"references-{key}.csv", index=False)
    rng = np.random.default_rng(5)
    for row, (_, effect) in rows.items():
        noise = effect + rng.normal(0, 0.3, len(default)) * (row != "flip_none")
        named = {"run_id": f"{row}-s0", "method": row, "seed": 0}
        changed = {name: default[name] + noise for name in ("sdr_db", "sdri_db", "si_sdr_db", "si_sdri_db")}
        default.assign(**named, **changed).to_csv(project.results / "scores" / f"{row}-s0.csv", index=False)
        folder = project.results / "runs" / f"{row}-s0"
        folder.mkdir(parents=True)
        weight = 0.0 if "lambda_0" in row else 1.0
        (folder / "history.csv").write_text(f"step,loss_alignment\n3,1.0\n6,{1.0 - 0.8 * weight}\n")
    return project


@pytest.fixture
def planted(tmp_path, monkeypatch):
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    return plant(tmp_path)


def test_planted_effects_come_out_and_the_rest_is_named(planted):
    table = tables.switch_effects("toy", "binary").set_index("row")
    assert list(table.index) == [switch.row for switch in SWITCHES]
    assert table.loc["flip_last", "found"] == "lower"
    assert table.loc["flip_last", "difference"] == pytest.approx(-1.0, abs=0.15)
    assert table.loc["flip_lambda_0", "found"] == "higher"
    assert table.loc["flip_rate_16000", "found"] == "inconclusive"  # a harder mixture is no effect of the method
    assert np.isfinite(table.loc["flip_rate_16000", "detectable_effect"])
    assert table.loc["flip_l1", ["found", "reason"]].tolist() == ["not testable here", "profile toy does not train it"]
    assert (table["p_holm"].dropna() >= table["p_value"].dropna()).all()
    assert table["p_holm"].notna().sum() == 3


def test_the_readers_table_is_complete(planted):
    shown = text.switches_text(*(tables.switch_effects("toy", mask) for mask in ("binary", "soft")))
    assert shown.notna().all(axis=None)
    assert shown.set_index("flipped").loc["the last source's (code)", ["steps", "mixtures", "silent"]].tolist() == [
        "6", "40", "0",
    ]  # fmt: skip


def test_the_sweep_is_sorted_and_knows_what_alignment_reached(planted):
    sweep = tables.lambda_sweep("toy", "binary")
    assert sweep["weight"].tolist() == [0.0, 1.0]
    assert sweep["alignment"].tolist() == pytest.approx([1.0, 0.2])
    assert sweep["n_mixtures"].tolist() == [40, 40]


def test_pictures_say_which_side_is_better(planted):
    ax = plots.effects(plt.figure().subplots(), tables.switch_effects("toy", "binary"))
    assert len(ax.get_yticks()) == 3
    assert {"← default better", "flipped better →"} <= {label.get_text() for label in ax.texts}
    figure = plots.lambda_figure(plt.figure(), tables.lambda_sweep("toy", "binary"))
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0", "1"]


def test_without_the_default_nothing_can_be_compared(tmp_path, monkeypatch):
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    plant(tmp_path, {"flip_last": ROWS["flip_last"]})
    effects = tables.switch_effects("toy", "binary")
    assert (effects["found"] == "not testable here").all()
    assert effects["reason"].str.contains("does not train flip_none").all()
    assert tables.switch_files("toy") == []
    assert tables.lambda_sweep("toy", "binary").empty
    with pytest.raises(DataError, match="leaves out flip_none"):
        switch_runs(load_profile("toy"))
    figure = plots.lambda_figure(plt.figure(), tables.lambda_sweep("toy", "binary"))
    assert "no weight of alignment" in figure.texts[0].get_text()
