"""Latents: the vectors are those of the models themselves, on waveforms that are what their names say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from avsep_lib import latents
from avsep_lib.audio import LOG_FLOOR, warped_magnitudes
from avsep_lib.clips import ClipStore
from avsep_lib.config import load_profile
from avsep_lib.encoders.embed import centre_crop
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.errors import DataError
from avsep_lib.methods.base import Query
from avsep_lib.methods.hfra import HFRA
from avsep_lib.probe import protocol


@pytest.fixture(scope="module")
def written(project, tmp_path_factory):
    """Latents of the toy project's two runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVSEP_ROOT", str(project.root))
        profile = load_profile("toy")
        path = latents.write_latents(profile, "music11", tmp_path_factory.mktemp("latents") / "l.safetensors")
    return project, profile, latents.Latents.open(path)


def test_solo_vector_is_the_bottleneck_of_a_whole_forward_pass_on_the_same_waveform(written):
    project, profile, stored = written
    store, items = ClipStore.open(project.data / "clips"), stored.items("solos")
    method = HFRA.load(project.results / "runs" / "late-s1" / "model.safetensors")
    row = items.index[items.split == "test"][3]
    crop = centre_crop(store.waveform(items.item[row]), profile.audio.n_samples)
    log_magnitude = warped_magnitudes(torch.from_numpy(crop.copy()), profile.audio, LOG_FLOOR).log()[None, None]
    with torch.no_grad():
        output = method.model(log_magnitude, torch.randn(1, 2, 512))
    np.testing.assert_allclose(stored.vectors("late-s1", "solos")[row], output.bottleneck[0], rtol=1e-4, atol=1e-6)


def test_test_mixture_vector_is_that_of_the_scored_mixture(written):
    from avsep_lib.audio import stft
    from avsep_lib.score import list_items

    project, profile, stored = written
    store, items = ClipStore.open(project.data / "clips"), stored.items("mixtures")
    method = HFRA.load(project.results / "runs" / "late-s0" / "model.safetensors")
    mixture = next(list_items(store, project.data / "mixtures", profile.audio, "test"))
    (row,) = items.index[items.item == mixture.mixture_id]
    queries = [Query("image", np.zeros(512, np.float32))] * 2
    output = method.forward(stft(torch.from_numpy(mixture.waveform), profile.audio), queries)
    np.testing.assert_allclose(stored.vectors("late-s0", "mixtures")[row], output.bottleneck[0], rtol=1e-4, atol=1e-6)


def test_teacher_vectors_of_solos_are_the_stored_embeddings(written):
    project, _, stored = written
    embeddings = EmbeddingStore.open(project.data / "embeddings" / "audio.safetensors")
    expected = np.stack([embeddings.vector(clip_id) for clip_id in stored.items("solos")["item"]])
    np.testing.assert_allclose(stored.vectors(latents.TEACHER, "solos"), expected, atol=1e-5)


def test_every_representation_has_a_row_for_every_item(written):
    _, _, stored = written
    assert list(stored.runs.index) == [
        "late-s0",
        "late-s1",
        "untrained-s0",
        "untrained-s1",
        "audio_encoder",
        "spectrum",
    ]
    for group in latents.GROUPS:
        n = len(stored.items(group))
        assert n
        assert all(len(stored.vectors(name, group)) == n for name in stored.runs.index)


def test_seeds_and_recordings_make_different_vectors(written):
    _, _, stored = written
    solos, harsh = stored.items("solos"), stored.items("harsh")
    rows = solos.index[solos.split != "train"]
    assert list(solos.item[rows]) == list(harsh.item)
    plain, again = (stored.vectors("late-s0", g) for g in ("solos", "harsh"))
    assert not np.allclose(plain[rows], again, rtol=1e-2)
    assert not np.allclose(plain, stored.vectors("late-s1", "solos"), rtol=1e-2)
    assert not np.allclose(plain, stored.vectors("untrained-s0", "solos"), rtol=1e-2)


def test_mixtures_have_two_labels_and_the_pool_is_cut(project):
    store = ClipStore.open(project.data / "clips")
    items, rows = latents.mixture_items(store, project.data / "mixtures", n_pool=3)
    assert (items.split == "train").sum() == 3
    assert (items.labels.str.count(r"\|") == 1).all()
    assert len(items) == len(rows)


def test_broken_file_is_named(tmp_path):
    path = tmp_path / "l.safetensors"
    path.write_bytes(b"not a tensor file")
    with pytest.raises(DataError, match=r"l\.safetensors cannot be read"):
        latents.Latents.open(path)
    with pytest.raises(DataError, match=r"none\.safetensors cannot be read"):
        latents.Latents.open(tmp_path / "none.safetensors")


def test_harsh_recording_is_outside_the_dataset_and_depends_on_the_name_alone():
    from avsep_lib.embedded.recording import choose_recording

    usual = pd.DataFrame([vars(choose_recording(seed)) for seed in range(300)])
    harsh = pd.DataFrame([vars(protocol.harsh_recording(f"clip{i}")) for i in range(300)])
    assert protocol.harsh_recording("a") == protocol.harsh_recording("a") != protocol.harsh_recording("b")
    for name in ("rt60", "wet_db", "noise_db", "low_cut_hz"):
        assert harsh[name].min() >= usual[name].max() - 1e-9
    assert harsh.tilt_db.abs().min() >= usual.tilt_db.abs().max() - 1e-9
    assert {-1.0, 1.0} == set(np.sign(harsh.tilt_db))


def test_recorded_again_keeps_length_and_is_not_the_clip():
    rng = np.random.default_rng(0)
    clip = rng.standard_normal(8000).astype(np.float32) * 0.1
    again = protocol.recorded_again(clip, "clip", 8000)
    assert again.dtype == np.float32
    assert again.shape == clip.shape
    assert abs(np.corrcoef(clip, again)[0, 1]) < 0.95
    np.testing.assert_array_equal(again, protocol.recorded_again(clip, "clip", 8000))


def test_of_very_many_solos_some_are_taken_evenly(written, monkeypatch, tmp_path):
    project, _, _ = written
    store = ClipStore.open(project.data / "clips")
    everything = latents.solo_items(store, tmp_path / "none.csv")
    monkeypatch.setattr(latents, "PER_CLASS", 1)
    some = latents.solo_items(store, tmp_path / "none.csv")
    assert (some.groupby(["labels", "split"]).size() == 1).all()
    assert set(zip(some.labels, some.split)) == set(zip(everything.labels, everything.split))
    assert some.item.tolist() == everything.drop_duplicates(["labels", "split"]).item.tolist()


def test_recordings_have_no_presets(written, tmp_path):
    project, _, _ = written
    store, provenance = ClipStore.open(project.data / "clips"), tmp_path / "provenance.csv"
    store.table[["clip_id", "split", "labels"]].assign(stand_in="").to_csv(provenance, index=False)
    items = latents.solo_items(store, provenance)
    assert (items.preset_role == "learned").all()
