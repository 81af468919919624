"""The same twice, in miniature: equal bytes from two processes, other numbers from another seed and nothing else.

``tests/long/test_same_twice.py`` does the same with the smoke profile, other numbers of threads and another Python.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import same_tools
from conftest import TOY_PROFILE, tiny_config
from safetensors.numpy import load_file, save_file
from same_tools import MEASURED, apart, comparable, decided, differing, toy

from avsep_lib.changes.tolerances import AGREEMENT
from avsep_lib.files import read_json

TAKEN_OUT = [r"cost\.json$", r"artifacts/\w+\.json$"]  # files of the toy project that hold a measured time


@pytest.fixture(scope="module")
def twice(tmp_path_factory) -> tuple[Path, Path]:
    """Results of two processes that walk their sets in another order."""
    folder = tmp_path_factory.mktemp("twice")
    return tuple(toy(folder / f"{seed}", hash_seed=seed, brief=1) for seed in (1, 2))


def spoilt(results: Path, folder: Path, name: str, change) -> Path:
    """A copy of results in which `change` was made to the content of one file."""
    copy = Path(shutil.copytree(results, folder / "copy"))
    path = copy / name
    content = path.read_bytes()
    path.write_bytes(change(content))
    assert path.read_bytes() != content
    return copy


# Two processes


def test_two_processes_write_the_same_bytes(twice):
    names, unlike = differing(*twice)
    assert len(names) > 300
    kinds = {name.rpartition(".")[2] for name in names}
    assert kinds == {"csv", "json", "jpg", "md", "npy", "png", "safetensors", "svg", "tex", "wav"}
    assert not unlike


def test_only_fields_that_hold_measured_times_are_taken_out(twice):
    results, _ = twice
    names, _ = differing(*twice)
    changed = {name for name in names if comparable(results / name) != (results / name).read_bytes()}
    assert {name for name in names if any(re.search(pattern, name) for pattern in TAKEN_OUT)} == changed
    cost = json.loads(comparable(results / "runs/hier_align-s0/cost.json"))
    assert read_json(results / "runs/hier_align-s0/cost.json").keys() - cost == {"seconds", "waiting_share"}
    sidecar = json.loads(comparable(results / "artifacts/tab_toy.json"))
    assert read_json(results / "artifacts/tab_toy.json").keys() - sidecar == {"wall_time_s"}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("runs/hier_align-s0/model.safetensors", lambda b: b[:-1] + bytes([b[-1] ^ 1])),
        ("runs/hier_align-s0/cost.json", lambda b: b.replace(b'"best_step": ', b'"best_step": 1')),
        ("scores/hier_align-s0.csv", lambda b: b.replace(b"\n", b" \n", 1)),
        ("artifacts/tab_toy.json", lambda b: b.replace(b"Means.", b"Medians.")),
        ("artifacts/tab_toy.csv", lambda b: b[:-2] + b"\n"),
        ("artifacts/fig_toy.png", lambda b: b + b"\0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_planted_difference_is_found(twice, tmp_path, name, change):
    copy = spoilt(twice[0], tmp_path, name, change)
    assert differing(copy, twice[1])[1] == [name]


def test_a_missing_and_an_extra_file_are_found(twice, tmp_path):
    copy = Path(shutil.copytree(twice[0], tmp_path / "copy"))
    (copy / "scores/hier_align-s0.csv").rename(copy / "scores/hier_align-s1.csv")
    assert differing(copy, twice[1])[1] == ["scores/hier_align-s0.csv", "scores/hier_align-s1.csv"]


def table_of_cost(seconds: float, rate: float = 0.1) -> pd.DataFrame:
    return pd.DataFrame({"row": ["late", "hier"], "steps": [24, 24], "seconds per run": [seconds, 2.0], "rate": rate})


@pytest.mark.parametrize("suffix", ["csv", "md", "tex"])
def test_the_column_of_seconds_is_taken_out_and_no_other(tmp_path, monkeypatch, suffix):
    from avsep_lib.artifacts import latex_table, markdown_table

    def written(frame: pd.DataFrame, name: str) -> bytes:
        texts = {"csv": frame.to_csv(index=False), "md": markdown_table(frame), "tex": latex_table(frame, "a", "Cost.")}
        path = tmp_path / name / "artifacts" / f"tab_table6_cost.{suffix}"
        path.parent.mkdir(parents=True)
        path.write_text(texts[suffix])
        return comparable(path)

    first = written(table_of_cost(7.1), "first")
    assert b"7.1" not in first
    assert b"24" in first
    assert first == written(table_of_cost(7.9), "slower")
    assert first != written(table_of_cost(7.1, rate=0.2), "another")


@pytest.mark.parametrize(
    "text", ["name,value\ntime,{} s\nbest,3\n", "| name | value |\n| time | {} s |\n| best | 3 |\n", "time & {} s \\\\\nbest & 3 \\\\\n"]
)  # fmt: skip
def test_the_rows_of_time_are_taken_out_and_no_other(text):
    (rows,) = (line.without for line in MEASURED if "training_run" in line.files)
    assert rows(text.format(7).encode()) == rows(text.format(8).encode())
    assert rows(text.format(7).encode()) != rows(text.format(7).replace("3", "4").encode())


# Order of sets, version of Python


def test_no_decision_depends_on_the_order_of_a_set():
    first, second = (decided("planted", hash_seed=seed) for seed in (1, 2))
    assert first.pop("planted") != second.pop("planted"), "the comparison could not have failed"
    assert len(first) == 7
    assert first == second


def test_no_decision_depends_on_the_version_of_python():
    others = same_tools.other_interpreters()
    if not others:
        pytest.skip("no other Python of 3.11 and 3.12 runs here; AVSEP_SECOND_PYTHON may name one")
    here = decided("stdlib")
    assert len(here) == 3
    assert {name: decided("stdlib", interpreter=name) for name in others} == dict.fromkeys(others, here)


# Seeds


def changed(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> set[str]:
    """Names of tensors whose values differ; names and shapes are the same."""
    assert {k: (v.shape, v.dtype) for k, v in first.items()} == {k: (v.shape, v.dtype) for k, v in second.items()}
    return {name for name, values in first.items() if not np.array_equal(values, second[name])}


def test_the_seed_of_a_run_changes_its_weights_and_nothing_else(random_features, tmp_path):
    from avsep_lib.train import train

    configs = (tiny_config(steps=4), tiny_config(steps=4), replace(tiny_config(steps=4), seed=1))
    paths = [train(config, random_features, tmp_path / f"{i}") for i, config in enumerate(configs)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    first, other = load_file(paths[0]), load_file(paths[2])
    learned = {name for name in first if name.endswith("weight") and np.ptp(first[name])}
    assert learned
    assert learned <= changed(first, other)
    histories = [pd.read_csv(path.with_name("history.csv")) for path in (paths[0], paths[2])]
    assert (histories[0][["step", "epoch", "learning_rate"]] == histories[1][["step", "epoch", "learning_rate"]]).all(
        axis=None
    )
    assert (histories[0]["loss_separation"] != histories[1]["loss_separation"]).all()


def test_the_seed_of_a_dataset_changes_every_sound_and_picture_and_nothing_else():
    from avsep_lib.embedded.performance import perform
    from avsep_lib.embedded.plan import plan_clips
    from avsep_lib.embedded.settings import EmbeddedSettings

    values = TOY_PROFILE["datasets"]["music11"] | {"fps": 2}
    settings = [EmbeddedSettings.from_dict(values | {"seed": seed}) for seed in (1, 1, 2)]
    plans = [plan_clips(one) for one in settings]
    assert [[clip.clip_id for clip in plan] for plan in plans] == [[clip.clip_id for clip in plans[0]]] * 3
    first, again, other = (
        {
            f"{clip.clip_id} {what}": value
            for clip in plan[::13]
            for done in [perform(clip, one)]
            for what, value in (("sound", done.sound), ("frames", np.stack(list(done.frames()))))
        }
        for plan, one in zip(plans, settings)
    )
    assert changed(first, again) == set()
    assert changed(first, other) == set(first)


def test_the_seed_of_the_bootstrap_moves_intervals_and_nothing_else():
    from avsep_lib.intervals import Resampling, interval_over_mixtures

    values = np.random.default_rng(0).normal(1.0, 2.0, 88)
    first, again, other = (interval_over_mixtures(values, Resampling(n=200, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert replace(other, low=first.low, high=first.high) == first
    assert other.low != first.low
    assert other.high != first.high
    assert abs(other.low - first.low) < 0.1 * (first.high - first.low)


def test_the_seed_of_mixtures_changes_who_is_mixed_and_nothing_else():
    from same_decisions import clips_in_memory

    from avsep_lib.mixtures import evaluation_list, training_pool
    from avsep_lib.settings import MixtureSettings

    clips = clips_in_memory()
    first, again, other = (training_pool(clips, 3.0, MixtureSettings(pool_size=40, seed=s)) for s in (1, 1, 2))
    assert first.equals(again)
    assert list(first[["mixture_id", "source"]].itertuples()) == list(other[["mixture_id", "source"]].itertuples())
    assert (first["clip_id"] != other["clip_id"]).mean() > 0.8
    first, again, other = (evaluation_list(clips, 3.0, seed, "t") for seed in (1, 1, 2))
    assert first.equals(again)
    assert first.shape == other.shape
    assert not first["clip_id"].equals(other["clip_id"])


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_the_seed_of_an_encoder_changes_its_weights(modality):
    from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
    from avsep_lib.encoders.towers import MiniClap, MiniClip
    from avsep_lib.encoders.train import torch_seed

    def initial(seed: int) -> tuple[dict[str, np.ndarray], set[str]]:
        torch_seed(modality, seed)
        model = MiniClip(ImageEncoderSettings()) if modality == "image" else MiniClap(AudioEncoderSettings(), 11_625)
        learned = {name for name, values in model.named_parameters() if values.requires_grad and values.std() > 0}
        return {name: tensor.numpy() for name, tensor in model.state_dict().items()}, learned

    (first, learned), (again, _), (other, _) = (initial(seed) for seed in (0, 0, 1))
    assert changed(first, again) == set()
    assert learned
    assert learned <= changed(first, other)


# How far apart two results lie


def tensors(content: bytes, folder: Path) -> bytes:
    """A file of tensors of which the largest is half as large again."""
    path = folder / "tensors.safetensors"
    path.write_bytes(content)
    found = load_file(path)
    weights = [name for name, values in found.items() if values.dtype.kind == "f"]  # no indices, no counters
    name = max(weights, key=lambda name: np.linalg.norm(found[name]))
    save_file(found | {name: (1.5 * found[name]).astype(found[name].dtype)}, path)
    return path.read_bytes()


def in_table(column: str, change):
    """A change of the first value of a column of a CSV file."""

    def changed_table(content: bytes, folder: Path) -> bytes:
        (folder / "table.csv").write_bytes(content)
        table = pd.read_csv(folder / "table.csv")
        row = table[column].first_valid_index()
        table[column] = table[column].astype(object)
        table.loc[row, column] = change(table.loc[row, column])
        return table.to_csv(index=False).encode()

    return changed_table


PLANTED = {
    "rendered sound, pictures and lists": ("data/music11/mixtures/test.csv", lambda b, _: b + b"\n"),
    "decoded waveforms": ("data/music11/clips/waveforms.npy", lambda b, _: b[:-1] + bytes([b[-1] ^ 1])),
    "encoder weights": ("data/music11/encoders/audio/model.safetensors", tensors),
    "embeddings": ("data/music11/embeddings/images.safetensors", tensors),
    "features": ("data/music11/features/val.safetensors", tensors),
    "separator weights": ("runs/hier_align-s0/model.safetensors", tensors),
    "losses": ("runs/hier_align-s0/history.csv", in_table("loss_alignment", lambda v: v + 9)),
    "validation SI-SDR": ("runs/hier_align-s0/history.csv", in_table("val_si_sdr_db", lambda v: v + 9)),
    "scores": ("scores/hier_align-s0.csv", in_table("sir_db", lambda v: float("nan"))),
    "latents": ("analysis/latents.safetensors", tensors),
    "answers of probes": ("analysis/probe.csv", lambda b, _: b.replace(b"flute,True", b"tuba,True")),
    "t-SNE maps": ("analysis/tsne.csv", in_table("x", lambda v: v + 9)),
    "descriptors": ("analysis/descriptors.csv", in_table("spectral_centroid_hz", lambda v: 2 * v)),
    "means and intervals": ("artifacts/tab_toy.csv", in_table("sdr_db_low", lambda v: v - 1)),
}  # fmt: skip


def test_every_stated_tolerance_is_measured(twice):
    distances = apart(*twice)
    assert [line.what for line in AGREEMENT] == list(distances)
    assert set(distances.values()) == {0.0}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_distance_is_beyond_its_tolerance_and_only_there(twice, tmp_path, what):
    name, change = PLANTED[what]
    copy = spoilt(twice[0], tmp_path, name, lambda content: change(content, tmp_path))
    beyond = {line.what for line in AGREEMENT if apart(twice[0], copy)[line.what] > max(line.threads, line.python)}
    assert beyond == {what}


def test_the_interpreter_of_the_tests_is_not_another_one():
    assert sys.executable not in same_tools.other_interpreters()
