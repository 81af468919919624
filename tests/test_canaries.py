"""Every canary sings on good results, and falls, by name, when its fault is planted."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from canary_fixture import open_evidence, with_analysis
from safetensors.torch import load_file, save_file

from avsep_lib import audio as front_end
from avsep_lib import canaries, features, mixtures, score, training_data
from avsep_lib.canaries import evidence as evidence_module
from avsep_lib.canaries import labels as label_checks
from avsep_lib.canaries import raise_first, run_check
from avsep_lib.canaries.__main__ import main
from avsep_lib.canaries.evidence import Evidence
from avsep_lib.canaries.faults import FAULTS
from avsep_lib.canaries.findings import at_least, none_of, noted
from avsep_lib.canaries.selftest import try_fault
from avsep_lib.encoders import load_audio_encoder
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.errors import CanaryError, DataError
from avsep_lib.methods import base
from avsep_lib.methods.hfra import HFRA
from avsep_lib.methods.references import REFERENCES
from avsep_lib.recorded import fingerprint
from avsep_lib.recorded.settings import RecordedSettings


@pytest.fixture(scope="module")
def analysed(project, tmp_path_factory):
    """The toy project with latents and probes."""
    with pytest.MonkeyPatch.context() as patch:
        return with_analysis(project, tmp_path_factory.mktemp("analysed") / "project", patch)


@pytest.fixture
def project_copy(analysed, tmp_path):
    """A copy of it that a test may spoil."""
    return type(analysed)(Path(shutil.copytree(analysed.root, tmp_path / "copy")))


@pytest.fixture
def evidence(analysed, monkeypatch) -> Evidence:
    """Good results; tests plant faults in what it has opened, never in its files."""
    return open_evidence(analysed, monkeypatch)


@pytest.fixture
def spoiled(project_copy, monkeypatch) -> Evidence:
    """A copy of the results whose files may be spoiled."""
    return open_evidence(project_copy, monkeypatch)


def caught(check, evidence: Evidence, *words: str) -> None:
    """Assert that the check falls by its own name, and says what it saw."""
    with pytest.raises(CanaryError) as caught_error:
        raise_first([run_check(check, evidence)])
    message = str(caught_error.value)
    assert message.split()[0] == check.__name__
    for word in words:
        assert word in message


def plant(evidence: Evidence, name: str, value: object) -> None:
    """Replace something that the evidence would read from a file."""
    evidence.__dict__[name] = value


def edit_features(evidence: Evidence, which: str, **edits) -> None:
    path = evidence.folder / "features" / f"{which}.safetensors"
    tensors = load_file(path)
    save_file({k: edits[k](v).contiguous() if k in edits else v for k, v in tensors.items()}, path)


# --- good results ----------------------------------------------------------------------------------------------------


def test_good_results_pass_and_are_written(analysed, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("AVSEP_ROOT", str(analysed.root))
    monkeypatch.setattr(sys, "argv", ["canaries", "--profile", "toy", "--out", str(tmp_path / "canaries.json")])
    main()
    written = json.loads((tmp_path / "canaries.json").read_text())
    names = [check["name"] for check in written["checks"]]
    assert names == [check.__name__ for check in canaries.CHECKS]
    assert written["passed"]
    assert all(check["passed"] and check["findings"] for check in written["checks"])
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == names


def test_a_fallen_canary_ends_the_command_after_all_have_been_printed(project_copy, monkeypatch, tmp_path, capsys):
    path = project_copy.results / "scores" / "late-s1.csv"
    scores = pd.read_csv(path)
    scores.assign(instrument=scores.instrument.to_numpy()[::-1]).to_csv(path, index=False)
    monkeypatch.setenv("AVSEP_ROOT", str(project_copy.root))
    monkeypatch.setattr(sys, "argv", ["canaries", "--profile", "toy", "--out", str(tmp_path / "canaries.json")])
    with pytest.raises(CanaryError, match=r"^shuffled_labels .*late-s1 t0"):
        main()
    assert not (tmp_path / "canaries.json").exists()
    assert capsys.readouterr().out.count("\n") == len(canaries.CHECKS)


def test_evidence_that_cannot_be_read_is_no_good_news(spoiled):
    (spoiled.source / "dataset" / "provenance.csv").unlink()
    caught(canaries.test_clip_in_train, spoiled, "provenance.csv is missing")


def test_findings_do_not_pass_on_nan():
    assert not at_least("x", float("nan"), 0).passed
    assert noted("x", float("nan")).passed
    assert none_of("x", []).passed
    assert "first: a" in str(none_of("x", ["a", "b"]))


# --- every planted fault ---------------------------------------------------------------------------------------------


@pytest.fixture
def short_prints(monkeypatch):
    """The toy's clips of two seconds are one code too short for a fingerprint."""
    monkeypatch.setattr(fingerprint, "MIN_CODES", 12)


@pytest.mark.usefixtures("short_prints")
@pytest.mark.parametrize(
    "fault", FAULTS, ids=lambda fault: f"{fault.canary.__name__}-{fault.mistake}".replace(" ", "_")
)
def test_a_planted_fault_is_caught(fault, evidence):
    found = try_fault(fault, evidence)
    assert tempfile.gettempdir() not in found["saw"]  # or two runs would write different files
    if fault.mistake == "one training under the names of two rows":
        assert (found["caught"], found["saw"]) == ("nothing to spoil", "there is no second run of another row")
    else:
        assert found["caught"] == "yes", found


def test_every_canary_has_a_fault():
    assert {fault.canary for fault in FAULTS} == set(canaries.CHECKS)


@pytest.mark.usefixtures("short_prints")
def test_no_canary_falls_without_a_fault(evidence):
    assert all(result.passed for result in canaries.check_all(evidence)), canaries.check_all(evidence)


# --- test_clip_in_train ----------------------------------------------------------------------------------------------


def test_a_test_clip_in_the_training_list_is_caught(evidence):
    lists = {name: rows.copy() for name, rows in evidence.lists.items()}
    lists["pool"].loc[3, "clip_id"] = "test_tuba_001"
    plant(evidence, "lists", lists)
    caught(canaries.test_clip_in_train, evidence, "pool: test_tuba_001 (test)")


@pytest.mark.parametrize("column", ["video_id", "sha256"])
def test_a_video_or_file_in_two_splits_is_caught(evidence, column):
    table = evidence.store.table.copy()
    table.loc["test_tuba_000", column] = table.loc["train_tuba_000", column]
    plant(evidence, "store", replace(evidence.store, table=table))
    caught(canaries.test_clip_in_train, evidence, str(table.loc["train_tuba_000", column]))


def test_the_same_sound_under_another_file_name_is_caught(evidence):
    store = replace(evidence.store, table=evidence.store.table.copy())
    flat = np.array(store._flat)
    train, test = store.row("pretrain_flute_000"), store.row("test_flute_001")
    flat[test.start : test.start + test.n_samples] = flat[train.start : train.start + train.n_samples]
    store.__dict__["_flat"] = flat
    plant(evidence, "store", store)
    caught(canaries.test_clip_in_train, evidence, "decoded sounds in several splits = 1")


def test_a_melody_seed_in_two_splits_is_caught(spoiled):
    path = spoiled.source / "dataset" / "provenance.csv"
    table = pd.read_csv(path).set_index("clip_id", drop=False)
    table.loc["test_tuba_000", "melody_seed"] = table.loc["train_tuba_000", "melody_seed"]
    table.to_csv(path, index=False)
    caught(canaries.test_clip_in_train, spoiled, "seeds in several splits = 1")


def test_training_features_of_other_clips_are_caught(spoiled):
    edit_features(spoiled, "train", mixture=lambda x: x.roll(1, dims=0))
    caught(canaries.test_clip_in_train, spoiled, "training features against the listed clips")


# --- shuffled_labels -------------------------------------------------------------------------------------------------


def test_shuffled_labels_in_the_manifest_are_caught(spoiled):
    path = spoiled.source / "dataset" / "manifest.csv"
    table = pd.read_csv(path)
    table.assign(labels=np.random.default_rng(0).permutation(table.labels)).to_csv(path, index=False)
    caught(canaries.shuffled_labels, spoiled, "(manifest)")


@pytest.mark.parametrize("column", ["instrument", "partner", "clip_id"])
def test_shuffled_labels_in_the_scores_are_caught(evidence, column):
    scores = evidence.scores["late-s0"].copy()
    plant(evidence, "scores", evidence.scores | {"late-s0": scores.assign(**{column: scores[column].to_numpy()[::-1]})})
    caught(canaries.shuffled_labels, evidence, "late-s0 t0")


def test_embeddings_of_other_clips_are_caught(evidence, monkeypatch):
    def next_clip(store: EmbeddingStore, clip_id: str) -> np.ndarray:
        ids = store.clip_ids
        start, count, _ = store._clips[ids[(ids.index(clip_id) + 1) % len(ids)]]
        return store._tensor[start : start + count]

    monkeypatch.setattr(EmbeddingStore, "frames", next_clip)
    caught(canaries.shuffled_labels, evidence, "stored against recomputed images", "stored against recomputed audio")


def test_class_structure_is_found_and_its_absence_as_well():
    rng = np.random.default_rng(1)
    labels = np.repeat(np.array(["a", "b", "c"]), 12)
    rows = np.repeat(rng.standard_normal((3, 8)), 12, axis=0) + rng.standard_normal((36, 8))
    assert label_checks.class_structure_p(rows, labels) <= label_checks.P_LIMIT
    assert label_checks.class_structure_p(rows, rng.permutation(labels)) > label_checks.P_LIMIT


def test_labels_shuffled_everywhere_leave_no_structure(evidence, monkeypatch):
    """The same wrong label in all tables: only the embeddings of a trained encoder can tell."""
    monkeypatch.setattr(evidence_module, "TRAINED_ENCODER_STEPS", 1)
    assert label_checks.class_structure(evidence, "audio", "audio").passed
    table = evidence.store.table.copy()
    table["labels"] = np.random.default_rng(0).permutation(table.labels)
    plant(evidence, "store", replace(evidence.store, table=table))
    assert not label_checks.class_structure(evidence, "audio", "audio").passed
    monkeypatch.setattr(evidence_module, "TRAINED_ENCODER_STEPS", 200)
    assert label_checks.class_structure(evidence, "audio", "audio").passed  # an untrained encoder is not judged


# --- shuffled_features -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["teacher", "images", "sources", "frames"])
def test_features_of_the_next_mixture_are_caught(spoiled, name):
    edit_features(spoiled, "train", **{name: lambda x: x.roll(1, dims=0)})
    complaint = run_check(canaries.shuffled_features, spoiled).complaint
    caught(canaries.shuffled_features, spoiled, f"stored against recomputed {name}")
    assert complaint.count("recomputed") == 1  # and nothing else is blamed


@pytest.mark.parametrize("name", ["images", "sources", "frames"])
def test_features_of_the_other_source_are_caught(spoiled, name):
    edit_features(spoiled, "train", **{name: lambda x: x.roll(1, dims=1)})
    caught(canaries.shuffled_features, spoiled, f"stored against recomputed {name}")


def test_features_of_too_few_mixtures_are_caught(spoiled):
    edit_features(spoiled, "train", teacher=lambda x: x[:-1])
    caught(canaries.shuffled_features, spoiled, "beside the listed number = 1", "recomputed teacher", "= inf")


def test_the_teacher_hears_the_mixture_and_is_no_mean_of_the_sources(evidence):
    """HFRA Eqs. 6 and 7, for every item of the pool."""
    encoder = load_audio_encoder(evidence.profile.encoders.audio, evidence.source / "encoders" / "audio")
    stored = load_file(evidence.folder / "features" / "train.safetensors")["teacher"].numpy()
    rate = evidence.audio.sample_rate
    groups = list(evidence.lists["pool"].groupby("mixture_id"))
    assert len(groups) == len(stored)
    for k, (_, rows) in enumerate(groups):
        crops = mixtures.load_sources(evidence.store, rows, evidence.audio)
        np.testing.assert_allclose(stored[k], encoder.encode(crops.mean(axis=0)[None], rate)[0], atol=1e-4)
        of_sources = encoder.encode(crops / len(crops), rate).mean(axis=0)
        assert np.linalg.norm(of_sources - stored[k]) > 0.01 * np.linalg.norm(stored[k])


# --- swapped_sources -------------------------------------------------------------------------------------------------


def test_queries_in_the_wrong_order_are_caught(evidence, monkeypatch):
    monkeypatch.setattr(score, "oracle_queries", lambda item: [base.Query("audio", s) for s in item.sources[::-1]])
    caught(canaries.swapped_sources, evidence, "ideal ratio mask over the mixture")


def test_score_rows_of_the_wrong_source_are_caught(evidence):
    scores = evidence.scores["late-s1"].copy()
    measured = [c for c in scores.columns if c.endswith("_db")]
    scores[measured] = scores.groupby(["mixture_id", "mask"])[measured].transform(lambda x: x.to_numpy()[::-1])
    plant(evidence, "scores", evidence.scores | {"late-s1": scores})
    caught(canaries.swapped_sources, evidence, "first: late-s1")


def test_sources_swapped_after_scoring_are_caught(evidence, monkeypatch):
    original = mixtures.load_sources
    monkeypatch.setattr(score, "load_sources", lambda *arguments: original(*arguments)[::-1].copy())
    caught(canaries.swapped_sources, evidence, "mixture baseline against the score rows")


@pytest.mark.parametrize("order", [1, -1])
def test_a_trained_run_must_prefer_its_own_source(evidence, monkeypatch, order):
    """A run that separates as an ideal mask does, asked for its sources in either order."""
    ideal = REFERENCES["ideal_ratio"](evidence.audio)
    monkeypatch.setattr(evidence_module, "TRAINED_STEPS", 1)
    monkeypatch.setattr(HFRA, "masks", lambda run, *arguments: ideal.masks(*arguments))
    monkeypatch.setattr(Evidence, "queries", lambda *arguments: score.oracle_queries(arguments[-1])[::order])
    complaint = run_check(canaries.swapped_sources, evidence).complaint
    assert "against its score rows" in complaint  # which are those of the real run
    assert ("right over swapped order" in complaint) == (order == -1)


# --- zeroed_mask -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "word"), [(0.0, "smallest mean"), (0.5, "smallest standard deviation")])
def test_an_empty_or_constant_mask_is_caught(evidence, monkeypatch, value, word):
    original = HFRA.masks
    monkeypatch.setattr(HFRA, "masks", lambda *arguments: torch.full_like(original(*arguments), value))
    caught(canaries.zeroed_mask, evidence, word, "late-s0")


def test_a_silent_soft_estimate_is_caught(evidence):
    scores = evidence.scores["late-s1"].copy()
    scores.loc[scores["mask"] == "soft", "status"] = "silent_estimate"
    plant(evidence, "scores", evidence.scores | {"late-s1": scores})
    caught(canaries.zeroed_mask, evidence, "silent soft estimates = 8", "late-s1")


def test_a_nearly_constant_mask_is_caught_after_training(evidence, monkeypatch):
    original = HFRA.masks

    def hardly_moving(*arguments):
        masks = torch.full_like(original(*arguments), 0.49)
        masks[..., ::2] = 0.51
        return masks

    monkeypatch.setattr(HFRA, "masks", hardly_moving)
    assert run_check(canaries.zeroed_mask, evidence).passed
    monkeypatch.setattr(evidence_module, "TRAINED_STEPS", 1)
    caught(canaries.zeroed_mask, evidence, "the same among trained runs", ">= 0.02", "late-s0")


@pytest.mark.parametrize(("share", "falls"), [(0.25, False), (0.5, True), (1.0, True)])
def test_silent_binary_estimates_are_caught_after_training(evidence, monkeypatch, share, falls):
    scores = evidence.scores["late-s1"].copy()
    binary = scores.index[scores["mask"] == "binary"]
    scores["status"] = "ok"
    scores.loc[binary[: int(share * len(binary))], "status"] = "silent_estimate"
    plant(evidence, "scores", {"late-s1": scores})
    word = "half or more of their binary estimates silent"
    assert word not in run_check(canaries.zeroed_mask, evidence).complaint
    monkeypatch.setattr(evidence_module, "TRAINED_STEPS", 1)
    assert (word in run_check(canaries.zeroed_mask, evidence).complaint) == falls


def test_a_silent_source_is_named_before_it_is_scored(evidence):
    item = evidence.items(1)[0]
    item = replace(item, sources=item.sources * np.array([[1.0], [0.0]], dtype=np.float32))
    clips = list(item.rows.clip_id)
    with pytest.raises(DataError, match="is silent") as raised:
        score.score_item(REFERENCES["mixture"](evidence.audio), score.oracle_queries(item), item, evidence.store)
    assert clips[1] in str(raised.value)
    assert item.mixture_id in str(raised.value)
    assert clips[0] not in str(raised.value)


# --- wrong_phase -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["zero", "conjugate", "random"])
def test_another_phase_is_caught(evidence, monkeypatch, phase):
    def spoil(spectrum: torch.Tensor) -> torch.Tensor:
        angles = {"zero": torch.zeros(spectrum.shape), "conjugate": -spectrum.angle()}
        return torch.polar(spectrum.abs(), angles.get(phase, 6 * torch.rand(spectrum.shape)))

    original = front_end.apply_mask
    wrong = lambda mixture, mask, audio, **options: original(spoil(mixture), mask, audio, **options)  # noqa: E731
    monkeypatch.setattr(base, "apply_mask", wrong)
    caught(canaries.wrong_phase, evidence, "mask of ones", "cosine")


def test_a_floor_that_is_not_the_mixture_is_caught(evidence):
    rows = evidence.references
    plant(evidence, "references", rows.assign(si_sdri_db=rows.si_sdri_db + 0.1))
    caught(canaries.wrong_phase, evidence, "mixture as an estimate")


# --- hop_off_by_one --------------------------------------------------------------------------------------------------


def test_another_hop_is_caught(evidence, monkeypatch):
    original = front_end.stft
    shorter = lambda waveform, audio: original(waveform, replace(audio, hop_length=audio.hop_length - 1))  # noqa: E731
    monkeypatch.setattr(front_end, "stft", shorter)
    caught(canaries.hop_off_by_one, evidence)


def test_estimates_one_sample_late_are_caught(evidence, monkeypatch):
    original = front_end.istft
    monkeypatch.setattr(front_end, "istft", lambda *arguments: original(*arguments).roll(1, dims=-1))
    caught(canaries.hop_off_by_one, evidence, "shift of a click, samples = 1")


def test_frames_one_hop_late_are_caught_although_the_inverse_undoes_it(evidence, monkeypatch):
    stft, istft = front_end.stft, front_end.istft
    monkeypatch.setattr(front_end, "stft", lambda *arguments: stft(*arguments).roll(1, dims=-1))
    monkeypatch.setattr(front_end, "istft", lambda spectrum, audio: istft(spectrum.roll(-1, dims=-1), audio))
    caught(canaries.hop_off_by_one, evidence, "shift of a click, frames")


def test_stored_frames_and_references_off_by_one_are_caught(spoiled):
    edit_features(spoiled, "train", mixture=lambda x: x[..., 1:])
    edit_features(spoiled, "val", references=lambda x: x.roll(1, dims=-1))
    caught(canaries.hop_off_by_one, spoiled, "stored frames", "validation references")


# --- unused_seed -----------------------------------------------------------------------------------------------------


def test_two_seeds_with_one_result_are_caught(spoiled):
    model = spoiled.model_path("late-s1")
    model.write_bytes(spoiled.model_path("late-s0").read_bytes())
    caught(canaries.unused_seed, spoiled, "same weights", "late-s0 and late-s1")
    scores = spoiled.scores
    plant(spoiled, "scores", scores | {"late-s1": scores["late-s0"].assign(run_id="late-s1", seed=1)})
    caught(canaries.unused_seed, spoiled, "same scores")


def test_batches_that_ignore_the_seed_are_caught(evidence, monkeypatch):
    original = training_data.batch_indices
    monkeypatch.setattr(training_data, "batch_indices", lambda seed, *arguments: original(0, *arguments))
    caught(canaries.unused_seed, evidence, "pairs with the same order of batches = 1", "late-s0 and late-s1")


def test_a_table_without_a_second_seed_says_so(evidence):
    alone = replace(evidence, runs={"late-s0": evidence.runs["late-s0"]})
    result = run_check(canaries.unused_seed, alone)
    assert result.passed
    assert "no seed of training was judged) = 0" in str(result)
    assert "no seed of training was judged" not in str(run_check(canaries.unused_seed, evidence))


def test_lists_that_ignore_the_seed_are_caught(evidence, monkeypatch):
    original = mixtures.build_lists
    ignoring = lambda store, audio, settings: original(store, audio, evidence.profile.mixtures)  # noqa: E731
    monkeypatch.setattr(mixtures, "build_lists", ignoring)
    caught(canaries.unused_seed, evidence, "another seed does not change = 3")


def test_lists_of_another_seed_are_caught(evidence):
    other = replace(evidence.mixtures, seed=evidence.mixtures.seed + 5)
    caught(canaries.unused_seed, replace(evidence, mixtures=other), "the same seed does not give again = 3")


def test_a_dataset_that_ignores_its_seed_is_caught(evidence):
    dataset = replace(evidence.profile.datasets["music11"], seed=99)
    profile = evidence.profile.model_copy(update={"datasets": {"music11": dataset}})
    caught(canaries.unused_seed, replace(evidence, profile=profile), "not the planned ones")


# --- recordings ------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(spoiled) -> Evidence:
    """The same results as if their clips were recordings: no seeds, no presets, an audit with one dropped item."""
    folder = spoiled.source / "dataset"
    manifest = pd.read_csv(folder / "manifest.csv", dtype=str)
    manifest[["clip_id", "split", "labels"]].assign(stand_in="").to_csv(folder / "provenance.csv", index=False)
    dropped = manifest.iloc[:1].assign(clip_id="lost", status="dropped", reason="missing")
    audit = pd.concat([manifest.assign(status="kept", reason=""), dropped])
    audit.to_csv(folder / "audit.csv", index=False)
    datasets = {spoiled.dataset: RecordedSettings(format="videos", root="/nowhere")}
    return replace(spoiled, profile=spoiled.profile.model_copy(update={"datasets": datasets}))


def test_recordings_pass_and_say_what_was_not_looked_at(recorded):
    results = canaries.check_all(recorded)
    assert all(result.passed for result in results), results
    told = "\n".join(map(str, results))
    assert "seeds in several splits: not applicable, recordings were drawn by no seed" in told
    assert "seeds are not the planned ones: not applicable" in told
    assert "sound files that are not those of the manifest = 0" in told


def test_an_exchanged_sound_file_is_caught(recorded):
    folder = recorded.source / "dataset"
    path = folder / recorded.table("manifest").audio.iloc[0]
    path.write_bytes(path.read_bytes() + b"\0")
    caught(canaries.unused_seed, recorded, "sound files that are not those of the manifest = 1")


def test_a_dropped_clip_in_a_list_is_caught(recorded):
    path = recorded.source / "dataset" / "audit.csv"
    audit, used = pd.read_csv(path), recorded.lists["test"].clip_id.iloc[0]
    audit.assign(status=audit.status.mask(audit.clip_id == used, "dropped")).to_csv(path, index=False)
    caught(canaries.unused_seed, recorded, "the audit dropped them", used)


def test_swapped_recordings_are_caught(recorded):
    plant(recorded, "references", recorded.references.assign(si_sdr_db=recorded.references.si_sdr_db.to_numpy()[::-1]))
    caught(canaries.swapped_sources, recorded, "ideal ratio mask against its score rows")


def test_a_streamed_pool_is_computed_and_compared(spoiled):
    path = spoiled.folder / "features" / "train.safetensors"
    pool = spoiled.lists["pool"]
    encoder, images = spoiled.teacher, spoiled.embeddings("images")
    table = features.Maker(spoiled.store, spoiled.audio, encoder, images, 32).streamed(pool)
    metadata = training_data.features_metadata(spoiled.store, spoiled.audio, ())
    save_file(table, path, metadata)
    for check in (canaries.shuffled_features, canaries.test_clip_in_train, canaries.hop_off_by_one):
        assert run_check(check, spoiled).passed
    assert "the pool is streamed" in str(run_check(canaries.shuffled_features, spoiled))
    save_file(table | {"gain": 0.5 * table["gain"]}, path, metadata)
    spoiled.__dict__.pop("training_tensors")
    caught(canaries.shuffled_features, spoiled, "recomputed sources")
