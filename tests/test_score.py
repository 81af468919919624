"""Score rows: schema, counts, floors and ceilings, silence, and sources that belong to their queries."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import torch

from avsep_lib import score
from avsep_lib.cli import run_main
from avsep_lib.clips import ClipStore
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.errors import DataError
from avsep_lib.methods.base import MaskMethod, Query
from avsep_lib.methods.hfra import HFRA
from avsep_lib.methods.references import REFERENCES
from avsep_lib.metrics import bss_eval, si_sdr
from avsep_lib.mixtures import read_list

MEASURED = ["sdr_db", "sir_db", "sar_db", "si_sdr_db"]


@pytest.fixture
def store(project) -> ClipStore:
    return ClipStore.open(project.data / "clips")


@pytest.fixture
def run(project) -> HFRA:
    return HFRA.load(project.results / "runs" / "late-s0" / "model.safetensors")


@pytest.fixture
def item(project, store, run) -> score.MixtureItem:
    return next(score.list_items(store, project.data / "mixtures", run.audio, "test"))


class Constant(MaskMethod):
    """A mask of one value everywhere."""

    def __init__(self, audio, value: float) -> None:
        super().__init__(audio)
        self.value = value

    def masks(self, spectrum, queries):
        return torch.full((len(queries), self.audio.n_rows, spectrum.shape[-1]), self.value)


def rows_of(method, item, store) -> pd.DataFrame:
    return pd.DataFrame(score.score_item(method, score.oracle_queries(item), item, store))


def test_a_run_has_one_row_per_source_and_mask(project):
    table, test = pd.read_csv(project.results / "scores" / "late-s1.csv"), read_list(project.data / "mixtures", "test")
    assert list(table.columns) == score.COLUMNS
    assert len(table) == 2 * len(test)
    assert not table.duplicated(["mixture_id", "source", "mask"]).any()
    assert set(table.run_id) == {"late-s1"}
    assert set(table.method) == {"late"}
    assert set(table.seed) == {1}
    assert set(table["mask"]) == {"soft", "binary"}
    merged = table[table["mask"] == "soft"].merge(test, on=["mixture_id", "source", "clip_id"])
    assert len(merged) == len(test)
    assert (table.instrument != table.partner).all()
    assert (table.clip_id.str.split("_").str[1] == table.instrument).all()


def test_improvements_are_differences_to_the_mixture(project):
    for path in (project.results / "scores").glob("*.csv"):
        table = pd.read_csv(path)
        ok = table[(table.status == "ok") & np.isfinite(table.sdr_db)]
        np.testing.assert_allclose(ok.sdri_db, ok.sdr_db - ok.mixture_sdr_db, atol=2e-6)
        np.testing.assert_allclose(ok.si_sdri_db, ok.si_sdr_db - ok.mixture_si_sdr_db, atol=2e-6)


def test_all_runs_share_their_baseline(project):
    tables = [pd.read_csv(path) for path in sorted((project.results / "scores").glob("*.csv"))]
    columns = ["mixture_sdr_db", "mixture_si_sdr_db"]
    for _, rows in pd.concat(tables).groupby(["mixture_id", "source"]):
        assert (rows[columns].nunique() == 1).all()


def test_floor_and_ceilings_are_ordinary_rows(project):
    table = pd.read_csv(project.results / "scores" / "references-music11.csv")
    assert list(table.columns) == score.COLUMNS
    assert set(table.method) == {"mixture", "ideal_binary", "ideal_ratio"}
    assert (table.seed == -1).all()
    gain = table.groupby(["method", "mask"]).si_sdri_db.mean()
    np.testing.assert_allclose(table[table.method == "mixture"].si_sdri_db, 0, atol=1e-6)
    assert (gain.drop("mixture") > 5).all()
    runs = pd.concat([pd.read_csv(project.results / "scores" / f"late-s{seed}.csv") for seed in (0, 1)])
    assert (
        runs.groupby(["run_id", "mask"]).si_sdr_db.mean() < table[table.method == "ideal_ratio"].si_sdr_db.mean()
    ).all()


def test_rows_are_the_metrics_of_the_estimates(item, store, run):
    rows = rows_of(REFERENCES["ideal_ratio"](run.audio), item, store)
    estimates = REFERENCES["ideal_ratio"](run.audio).estimate(item.waveform, score.oracle_queries(item))
    references = item.sources[:, : run.audio.n_output]
    for mask, estimate in estimates.items():
        expected = bss_eval(references, estimate)
        found = rows[rows["mask"] == mask].sort_values("source")
        np.testing.assert_allclose(found.sdr_db, expected.sdr_db)
        np.testing.assert_allclose(found.sir_db, expected.sir_db)
        np.testing.assert_allclose(found.si_sdr_db, si_sdr(references, estimate))


def test_swapped_queries_swap_the_masks(project, item, run):
    queries = score.image_queries(EmbeddingStore.open(project.data / "embeddings" / "images.safetensors"))(item)
    there, back = (run.estimate(item.waveform, order)["soft"] for order in (queries, queries[::-1]))
    np.testing.assert_allclose(back, there[::-1], atol=1e-6)


def test_swapped_truth_costs_the_ceiling_its_score(item, store, run):
    method = REFERENCES["ideal_ratio"](run.audio)
    right = rows_of(method, item, store)
    wrong = pd.DataFrame(score.score_item(method, score.oracle_queries(item)[::-1], item, store))
    assert right.si_sdri_db.mean() > 3
    assert wrong.si_sdri_db.mean() < 0


def test_queries_are_the_frame_of_the_list(project, item, store):
    images = EmbeddingStore.open(project.data / "embeddings" / "images.safetensors")
    queries = score.image_queries(images)(item)
    for query, row in zip(queries, item.rows.itertuples()):
        np.testing.assert_array_equal(query.value, images.frames(row.clip_id)[row.frame])
    frames = score.frame_queries(store, 32)(item)
    assert [(q.kind, q.value.shape, q.value.dtype) for q in frames] == [("image", (3, 32, 32), np.uint8)] * 2


def test_a_silent_estimate_is_counted_and_has_no_numbers(item, store, run):
    rows = rows_of(Constant(run.audio, 0.0), item, store)
    assert (rows.status == "silent_estimate").all()
    assert rows[MEASURED].isna().all(axis=None)
    assert rows.mixture_sdr_db.notna().all()
    half = rows_of(Constant(run.audio, 0.4), item, store)
    assert dict(zip(half["mask"], half.status)) == {"soft": "ok", "binary": "silent_estimate"}


def test_items_add_up(item):
    np.testing.assert_allclose(item.sources.sum(axis=0), item.waveform, atol=1e-6)
    assert item.mixture_id == item.rows.mixture_id.iloc[0]


@pytest.mark.parametrize(
    "damage", ["missing model", "truncated model", "missing images", "edited list", "missing clip"]
)
def test_bad_inputs_end_the_command_with_one_line(project_copy, monkeypatch, capsys, tmp_path, damage):
    data, model = project_copy.data, project_copy.results / "runs" / "late-s0" / "model.safetensors"
    images, test = data / "embeddings" / "images.safetensors", data / "mixtures" / "test.csv"
    if damage == "missing model":
        model.unlink()
    elif damage == "truncated model":
        model.write_bytes(model.read_bytes()[:1000])
    elif damage == "missing images":
        images.unlink()
    elif damage == "edited list":
        test.write_text(test.read_text().replace("t00000,1", "t00001,1"))
    else:
        table = pd.read_csv(data / "clips" / "clips.csv")
        table[table.split != "test"].to_csv(data / "clips" / "clips.csv", index=False)
    named = {"model": model, "images": images, "list": test, "clip": data / "clips" / "clips.csv"}[damage.split()[1]]
    argv = ["score", "--model", model, "--clips", data / "clips", "--mixtures", data / "mixtures", "--images", images]
    monkeypatch.setattr(sys, "argv", [*map(str, argv), "--out", str(tmp_path / "scores.csv")])
    with pytest.raises(SystemExit) as ended:
        run_main(score.main)
    error = capsys.readouterr().err
    assert ended.value.code == 1
    assert error.startswith(("DataError: ", "WeightsError: "))
    assert str(named) in error
    assert error.count("\n") == 1
    assert not (tmp_path / "scores.csv").exists()


def test_images_are_asked_for(project, monkeypatch, capsys, tmp_path):
    model = project.results / "runs" / "late-s0" / "model.safetensors"
    argv = ["score", "--model", model, "--clips", project.data / "clips", "--mixtures", project.data / "mixtures"]
    monkeypatch.setattr(sys, "argv", [*map(str, argv), "--out", str(tmp_path / "scores.csv")])
    with pytest.raises(SystemExit):
        run_main(score.main)
    assert "--images" in capsys.readouterr().err


def test_the_scores_of_a_method_without_its_kind_of_query_are_refused(item, store, run):
    with pytest.raises(DataError, match="HFRA: query 0 is of kind 'audio'; this method understands 'image'"):
        score.score_item(run, [Query("audio", s) for s in item.sources], item, store)
