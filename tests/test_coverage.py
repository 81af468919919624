"""What was left out and why: planted audits, and the words about a dataset that nobody rendered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import write_project

from avsep_lib import about_data, coverage, datacard, encoder_notes
from avsep_lib.clips import ClipStore
from avsep_lib.config import load_profile
from avsep_lib.encoders.sanity import TestSet, can_ask_for_pairs
from avsep_lib.inputs import dataset_of, require_analysis, require_data, run_here
from avsep_lib.recorded.settings import PROBLEMS, Policy, RecordedSettings

ITEMS = [  # clip_id, labels, split, status, reason, findings
    ("a", "二胡", "train", "kept", "", ""),
    ("b", "二胡", "train", "dropped", "missing", "missing"),
    ("c", "二胡", "test", "kept", "", "clipped|still"),
    ("d", "NA", "test", "dropped", "silent", "silent|still"),
    ("e", "NA", "train", "kept", "", "clipped"),
    ("007", "NA|二胡", "train", "dropped", "duplicate", "duplicate"),
]


@pytest.fixture
def manifest(tmp_path):
    columns = ["clip_id", "labels", "split", "status", "reason", "findings"]
    table = pd.DataFrame(ITEMS, columns=columns).assign(list="list.csv", detail="what was found")
    table["sample_rate"] = ["44100", "", "48000", "44100", "44100", "44100"]
    table["duration_s"] = ["10.0", "", "12.5", "3.0", "4.0", "5.0"]
    table.to_csv(tmp_path / "audit.csv", index=False)
    return tmp_path / "manifest.csv"


@pytest.fixture
def audit(manifest):
    return coverage.read_audit(manifest)


def own_profile(**policy):
    """The smoke profile with one recorded dataset in the place of MUSIC."""
    settings = RecordedSettings(format="videos", root="/x", title="My garden", policy=Policy(**policy))
    return load_profile("smoke").model_copy(update={"datasets": {"garden": settings}, "encoders_of": {}})


# --- coverage --------------------------------------------------------------------------------------------------------


def test_what_was_planted_is_counted(audit):
    table = coverage.coverage_table(audit)
    assert list(table.index) == [coverage.EVERYTHING, "NA", "二胡", coverage.DUETS]
    assert table.loc[coverage.EVERYTHING, ["listed", "kept"]].tolist() == [6, 3]
    assert table.loc["二胡", ["train", "test", "missing", "silent"]].tolist() == ["1 of 2", "1 of 1", 1, 0]
    assert table.loc["NA", "kept (%)"] == 50
    assert table.loc[coverage.DUETS, "duplicate"] == 1
    assert list(table.columns[-3:]) == ["missing", "silent", "duplicate"]
    assert (table["listed"] - table["kept"] == table[["missing", "silent", "duplicate"]].sum(axis=1)).all()


def test_text_stays_text(audit):
    assert audit.clip_id.iloc[-1] == "007"
    assert audit.labels.iloc[3] == "NA"


def test_an_item_with_two_problems_is_found_twice_and_dropped_once(audit):
    table = coverage.problems_table(audit, own_profile(still="drop"), "garden")
    assert list(table.index) == [problem.replace("_", " ") for problem in PROBLEMS]
    assert table.loc["still", ["policy", "found", "dropped for it", "kept all the same"]].tolist() == ["drop", 2, 0, 1]
    assert table.loc["clipped", ["policy", "found", "kept all the same"]].tolist() == ["keep", 2, 2]
    assert table["dropped for it"].sum() == (audit["status"] == "dropped").sum()


def test_dropped_items_come_with_what_was_found_in_the_order_of_problems(audit):
    table = coverage.dropped_items(audit, per_reason=1)
    assert table["reason"].tolist() == ["missing", "silent", "duplicate"]
    assert (table["detail"] == "what was found").all()


def test_formats_count_what_was_measured(audit):
    table = coverage.formats_table(audit)
    assert table.loc[44100, ["items", "kept"]].tolist() == [4, 2]
    assert table.loc[48000, "longest_s"] == 12.5
    assert table["items"].sum() == 5


def test_one_sentence_names_every_reason(audit):
    assert coverage.summary_text(audit) == (
        "6 items were listed or found, 3 of them are used; 3 were dropped: 1 missing, 1 silent, 1 duplicate."
    )


def test_a_rendered_dataset_has_no_audit_and_keeps_everything(project, monkeypatch):
    monkeypatch.setenv("AVSEP_ROOT", str(project.root))
    manifest = project.data / "dataset" / "manifest.csv"
    assert coverage.audit_file(manifest) is None
    audit = coverage.read_audit(manifest)
    table = coverage.coverage_table(audit)
    assert (table["listed"] == table["kept"]).all()
    assert not set(table.columns) & set(PROBLEMS)
    assert "nothing was dropped" in coverage.summary_text(audit)
    problems = coverage.problems_table(audit, load_profile("toy"), "music11")
    assert (problems["policy"] == "–").all()
    assert problems[["found", "dropped for it"]].to_numpy().sum() == 0


def test_a_class_without_test_solos_is_named():
    clips = pd.DataFrame({"labels": ["a", "a", "b", "b", "b"], "split": ["train", "test", "train", "val", "val"]})
    gaps = coverage.missing_from_splits(datacard.solo_counts(clips))
    assert gaps.loc["a", "no solos in"] == "val"
    assert "not tested" in gaps.loc["b", "so"]
    assert coverage.missing_from_splits(datacard.solo_counts(clips[clips.split == "train"])).empty


def test_the_data_card_needs_no_stand_ins():
    columns = ["clip_id", "split", "labels", "solo", "duration_s", "level_dbfs", "peak", "quiet_share"]
    levels = pd.DataFrame([("a", "test", "二胡", True, 3.0, -20.0, 0.5, 0.1)], columns=columns)
    card = datacard.data_card(levels, levels[["clip_id", "split", "labels"]])
    assert card.loc["二胡", "stand-in"] == ""


def test_very_many_clips_are_measured_evenly(project):
    store = ClipStore.open(project.data / "clips")
    everything, some = datacard.clip_levels(store), datacard.clip_levels(store, per_class=1)
    assert everything.level_dbfs.notna().all()
    assert len(some) == len(everything)
    assert (some[some.level_dbfs.notna()].groupby(["labels", "split"]).size() == 1).all()
    taken = datacard.spread_evenly(pd.DataFrame({"labels": ["a"] * 10, "split": "test"}), 4)
    assert taken.sum() == 4
    assert taken.iloc[0]


def test_very_many_pictures_are_spread_over_the_list():
    shown = pd.DataFrame({"labels": range(300)})
    assert len(datacard.some_of(shown)) == 24
    assert datacard.some_of(shown).labels.iloc[[0, -1]].tolist() == [0, 299]
    assert len(datacard.some_of(shown.head(12))) == 12


# --- places ----------------------------------------------------------------------------------------------------------


def test_a_dataset_is_found_by_its_place_and_by_its_name():
    profile = own_profile()
    assert dataset_of(profile, "music11") == dataset_of(profile, "garden") == "garden"
    assert dataset_of(profile, "music11@sample_rate=16000") == "garden@sample_rate=16000"
    assert dataset_of(profile, "music21") == "music21"  # nothing there: whoever looks for it says so
    assert dataset_of(load_profile("smoke"), "wild") == "wild"


def test_the_notebooks_own_runs_are_found_on_the_only_dataset():
    assert run_here(own_profile(), "hier_align-s0") == "hier_align-s0"
    settings = RecordedSettings(format="videos", root="/x", in_place_of="wild")
    wild = load_profile("smoke").model_copy(update={"datasets": {"garden": settings}, "encoders_of": {}})
    assert run_here(wild, "hier_align-s0") == "hier_align-garden-s0"
    assert run_here(wild, "hier_align-garden-s0") == "hier_align-garden-s0"
    assert run_here(wild, "nobody-s0") == "nobody-s0"


def test_files_are_found_by_the_place_of_their_dataset(tmp_path, monkeypatch):
    write_project(tmp_path)
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    own = "name: own\nbased_on: toy\ndatasets: {garden: {format: videos, root: .}}\nencoders_of: {}\n"
    (tmp_path / "config" / "own.yaml").write_text(own)
    for name in ("data/garden/clips/clips.json", "analysis/probe-garden.csv"):
        path = tmp_path / "results" / "own" / name
        path.parent.mkdir(parents=True)
        path.write_text("")
    assert require_data("own", "music11", "clips/clips.json")[0].parts[-3] == "garden"
    assert require_analysis("own", "probe-{dataset}.csv", "music11").name == "probe-garden.csv"


def test_what_stands_in_a_place_is_told():
    profile = own_profile()
    assert "My garden" in about_data.about_place(profile, 1)
    assert "recordings" in about_data.about_dataset(profile, "music11")
    assert "no dataset in the place of VGGSound" in about_data.about_place(profile, 3)
    assert "It is not VGGSound" in about_data.about_place(load_profile("smoke"), 3)


# --- encoders --------------------------------------------------------------------------------------------------------


def test_an_encoder_without_words_is_named():
    rows = [("image", encoder_notes.ZERO_SHOT), ("audio", "something else"), ("audio and image", "control")]
    sanity = pd.DataFrame(rows, columns=["encoder", "task"])
    assert encoder_notes.not_asked(sanity).startswith("The audio encoder has no text tower")
    assert "image and audio encoders have" in encoder_notes.not_asked(sanity.iloc[1:])
    both = pd.concat([sanity, pd.DataFrame([("audio", encoder_notes.ZERO_SHOT)], columns=sanity.columns)])
    assert encoder_notes.not_asked(both) == encoder_notes.NO_PAIRS
    asked = pd.concat([both, pd.DataFrame([("audio", encoder_notes.MIXTURE)], columns=sanity.columns)])
    assert encoder_notes.not_asked(asked) == ""


def test_pairs_are_asked_for_where_there_are_some_and_not_too_many():
    few = TestSet(["a"] * 5, ["x", "y"], np.array([0, 0, 0, 0, 1]))
    assert not can_ask_for_pairs(few)
    assert can_ask_for_pairs(TestSet(["a"] * 4, ["x", "y"], np.array([0, 0, 1, 1])))
    many = [f"c{i}" for i in range(300)]
    assert not can_ask_for_pairs(TestSet(many, many, np.arange(300)))
