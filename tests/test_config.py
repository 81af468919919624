"""Profiles and runs: whatever is unknown, mistyped, duplicate or does not fit stops before the first job."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import subprocess
import sys

import pytest
from conftest import TOY_PROFILE, TOY_RUNS, write_project

from avsep_lib.config import check_profile, find_run, known_profiles, load_profile, load_runs, profile_runs, resolve
from avsep_lib.errors import ConfigError
from avsep_lib.paths import project_root
from avsep_lib.settings import (
    AudioSettings,
    MixtureSettings,
    ModelSettings,
    RunConfig,
    TrainingSettings,
    from_dict,
    to_dict,
)
from avsep_lib.workflow import load_plan


def profile_with(path: str, value: object) -> dict:
    """The toy profile with one (dotted) key set."""
    data = copy.deepcopy(TOY_PROFILE)
    *parents, last = path.split(".")
    section = data
    for key in parents:
        section = section[key]
    section[last] = value
    return data


def toy():
    return check_profile(TOY_PROFILE, "toy.yaml", "toy")


# --- profiles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["smoke", "demo", "demo-full", "paper"])
def test_the_profiles_are_valid_and_keep_512(name):
    profile = load_profile(name)
    assert profile.model.channels[-1] == profile.model.embedding_dim == 512
    for run in profile_runs(profile):
        config = resolve(profile, run)
        assert config.method == run.method
        if run.of_family:
            assert (config.model.fusion, config.model.backbone) == (run.fusion, run.backbone)
        assert (config.seed, config.alignment) == (run.seed, run.alignment)


def test_demo_and_paper_hold_the_whole_grid_with_three_seeds():
    for name in ("demo", "paper"):
        runs = profile_runs(load_profile(name))
        grid = {(r.fusion, r.alignment, r.seed) for r in runs if r.backbone == "clip" and not r.switches}
        assert {(f, a, s) for f in ("late", "middle", "hierarchical") for a in (False, True) for s in (0, 1, 2)} <= grid


def test_the_paper_profile_is_the_papers_size():
    profile = load_profile("paper")
    assert profile.model == ModelSettings(frame_size=224)
    assert profile.audio == AudioSettings()
    assert profile.audio.n_frames == profile.audio.n_rows == 256
    assert profile.training.batch_size == 32


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("sedes", [0], ["sedes"]),
        ("audio.hop", 256, ["audio", "unknown key 'hop'", "hop_length"]),
        ("model.depth", 7, ["model", "unknown key 'depth'", "known keys"]),
        ("encoders.image.wdith", 8, ["encoders.image", "unknown key 'wdith'"]),
        ("encoders.text", {}, ["encoders.text"]),
        ("datasets.music11.clases", [], ["datasets.music11", "unknown key 'clases'"]),
        ("audio.hop_length", "256", ["audio.hop_length", "expected int", "'256'"]),
        ("audio.hop_length", 256.0, ["audio.hop_length", "expected int"]),
        ("training.steps", True, ["training.steps", "expected int"]),
        ("training.learning_rate", "fast", ["training.learning_rate", "expected float"]),
        ("training.loss", "l2", ["training.loss", "'l2'", "'bce_binary', 'l1_mag'"]),
        ("mixtures.use_duets", 1, ["mixtures.use_duets", "expected bool"]),
        ("model.channels", [8, "16", 512], ["model.channels[1]", "expected int"]),
        ("model", None, ["model", "expected a mapping"]),
        ("seeds", [], ["seeds"]),
        ("seeds", ["0"], ["seeds"]),
        ("hub", "maybe", ["hub"]),
        ("notebook_minutes", 0, ["notebook_minutes"]),
        ("name", "other", ["name is 'other'", "'toy'"]),
    ],
)
def test_an_unknown_key_or_wrong_type_is_named(path, value, words):
    with pytest.raises(ConfigError) as caught:
        check_profile(profile_with(path, value), "toy.yaml", "toy")
    message = str(caught.value)
    assert message.startswith("toy.yaml: ")
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("audio.n_rows", 24, "audio.n_rows = 24 is not divisible by 16"),
        ("audio.n_samples", 16384 + 512, "STFT frames = 34 is not divisible by 16"),
        ("audio.hop_length", 0, "audio: hop_length = 0; choose a value from 1 to 512"),
        ("audio.n_samples", 1000, "audio: n_samples = 1000; choose a value at least 1024"),
        ("model.channels", [4, 8, 16, 256], r"channels\[-1\] = 256 must equal model.embedding_dim = 512"),
        ("model.channels", [512], "model: channels = \\(512,\\); the U-Net needs at least two levels"),
        ("model.n_maps", 0, "model: n_maps = 0; choose a value at least 1"),
        ("training.steps", 0, "training: steps = 0; choose a value at least 1"),
        ("training.learning_rate", 0.0, "training: learning_rate = 0.0; choose a value at least"),
        ("training.learning_rate", float("nan"), "training.learning_rate: nan"),
        ("training.batch_size", 13, "training.batch_size = 13 exceeds mixtures.pool_size = 12; enlarge the pool"),
        ("training.warmup_fraction", 1.5, "training: warmup_fraction = 1.5; choose a value from 0 to 1"),
        ("mixtures.gain_low", 2.0, "mixtures: gain_low = 2.0; choose a value from 1e-12 to 1.5"),
        ("mixtures.pool_size", 0, "mixtures: pool_size = 0"),
        ("evaluation.n_bootstrap", 0, "evaluation: n_bootstrap = 0"),
        ("encoders.audio.n_samples", 16000, "encoders.audio.n_samples = 16000 must equal audio.n_samples = 16383"),
        (
            "audio.sample_rate",
            8000,
            "datasets.music11.seconds = 2.0 is shorter than audio.n_samples = 16383 at 8000 Hz",
        ),
        ("datasets.music11.videos_per_class.test", 1, "toy.yaml: datasets.music11: .*too few clips"),
    ],
)
def test_numbers_that_do_not_fit_are_named_with_a_way_out(path, value, words):
    with pytest.raises(ConfigError, match=words):
        check_profile(profile_with(path, value), "toy.yaml", "toy")


def test_a_profile_that_does_not_exist_or_parse_is_named(tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    (tmp_path / "config" / "bad.yaml").write_text("name: [bad\n")
    (tmp_path / "config" / "list.yaml").write_text("- 1\n")
    assert known_profiles() == ["bad", "list"]
    with pytest.raises(ConfigError, match=r"profile 'demoo': no demoo.yaml in config; known profiles: bad, list"):
        load_profile("demoo")
    with pytest.raises(ConfigError, match=r"bad\.yaml: not valid YAML"):
        load_profile("bad")
    with pytest.raises(ConfigError, match=r"list\.yaml: expected a mapping of keys, got list"):
        load_profile("list")


# --- runs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("late-s0,hfra,late,no,clip,music11,0,", "run_id 'late-s0' occurs twice"),
        ("a-s2,hfra,late,maybe,clip,music11,2,", "row 3: alignment is 'maybe'; write yes or no"),
        ("a-s2,hfra,late,no,clip,music11,two,", "row 3: seed is 'two'; write a non-negative integer"),
        ("a-s2,hfra,late,no,clip,music11,-2,", "row 3: seed is '-2'"),
        ("a,hfra,late,no,clip,music11,2,", "row 3: run_id 'a' must end in -s2"),
        ("a-s2,hfra,late,no,clip,music11,2,loss", "row 3: switch 'loss' is not of the form key=value"),
        ("a-s2,hfra,late,no,clip,music11,2,a=b,c", "row 3: 9 values, expected 8; separate switches by semicolons"),
        ("late-music11-s0,hfra,late,no,clip,music11,0,", "'late-music11-s0' is the same row and seed as 'late-s0'"),
    ],
)
def test_a_malformed_row_is_named(tmp_path, row, message):
    (tmp_path / "runs.csv").write_text(TOY_RUNS + row + "\n")
    with pytest.raises(ConfigError, match=message):
        load_runs(tmp_path / "runs.csv")


def test_wrong_columns_are_named(tmp_path):
    (tmp_path / "runs.csv").write_text("run_id,seed\nlate-s0,0\n")
    with pytest.raises(ConfigError, match=r"columns are \['run_id', 'seed'\]; expected"):
        load_runs(tmp_path / "runs.csv")
    with pytest.raises(ConfigError, match=r"none\.csv is missing"):
        load_runs(tmp_path / "none.csv")


def run_with(tmp_path, row: str):
    (tmp_path / "runs.csv").write_text(TOY_RUNS.splitlines()[0] + "\n" + row + "\n")
    return load_runs(tmp_path / "runs.csv")[0]


def test_switches_change_their_section_and_nothing_else(tmp_path):
    run = run_with(tmp_path, "a-s2,hfra,hierarchical,yes,clip,music11,2,mid_condition=last; steps=9;sample_rate=8200")
    config, plain = resolve(toy(), run), toy()
    assert (config.model.mid_condition, config.training.steps, config.audio.sample_rate) == ("last", 9, 8200)
    assert config.audio.n_samples == plain.audio.n_samples
    assert config.training.batch_size == plain.training.batch_size
    assert run.row == "a"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a-s0,hfra,early,no,clip,music11,0,", "run 'a-s0': model.fusion: 'early' is not one of 'late', 'middle'"),
        ("a-s0,hfra,late,no,vit,music11,0,", "run 'a-s0': model.backbone: 'vit' is not one of 'clip', 'resnet18'"),
        (
            "a-s0,hfra,late,no,clip,music11,0,los=l1_mag",
            "run 'a-s0': switch 'los' is no field of audio, mixtures, model",
        ),
        ("a-s0,hfra,late,no,clip,music11,0,loss=l3", "run 'a-s0': training.loss: 'l3' is not one of"),
        ("a-s0,hfra,late,no,clip,music11,0,steps=many", "run 'a-s0': training.steps: expected int, got 'many'"),
        ("a-s0,hfra,late,no,clip,music11,0,steps=0", "run 'a-s0': training: steps = 0"),
        ("a-s0,hfra,late,no,clip,music11,0,mid_dim=3", "run 'a-s0': switch 'mid_dim' is no field"),
        ("a-s0,hfra,late,no,clip,music11,0,n_rows=24", "run 'a-s0': audio.n_rows = 24 is not divisible by 16"),
        ("a-s0,hfra,late,no,clip,music11,0,sample_rate=8000", "16383 samples at 8000 Hz last longer than"),
        ("a-s0,hfra,late,no,clip,music11,0,use_duets=0", "mixtures.use_duets: expected bool"),
        ("a-s0,hfra,late,no,clip,music11,0,batch_size=99", "run 'a-s0': training.batch_size = 99 exceeds"),
        ("a-s0,hfra,middle,no,resnet18,music11,0,", "run 'a-s0': model: backbone resnet18 .*set fusion to late"),
        ("a-s0,clipsep,late,no,clip,music11,0,", "run 'a-s0': method 'clipsep' .*hfra"),
    ],
)
def test_a_run_that_cannot_be_is_named(tmp_path, row, message):
    with pytest.raises(ConfigError, match=message):
        resolve(toy(), run_with(tmp_path, row))


def toy_with(**changes):
    return check_profile(TOY_PROFILE | changes, "toy.yaml", "toy")


@pytest.fixture
def toy_runs(tmp_path, monkeypatch):
    write_project(tmp_path)
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))


def test_runs_are_left_out_by_pattern(toy_runs):
    assert [run.run_id for run in profile_runs(toy_with(leave_out=["*-s1"]))] == ["late-s0"]


@pytest.mark.parametrize("changes", [{"leave_out": ["midle-*"]}, {"steps_of": {"late-s7": 2}}])
def test_a_pattern_that_fits_no_run_is_an_error(toy_runs, changes):
    with pytest.raises(ConfigError, match=r"which fits no run of config/runs\.csv"):
        profile_runs(toy_with(**changes))


def test_chosen_runs_are_trained_for_fewer_steps(toy_runs):
    profile = toy_with(steps_of={"*-s1": 4})
    assert {run.run_id: resolve(profile, run).training.steps for run in profile_runs(profile)} == {
        "late-s0": 6,
        "late-s1": 4,
    }
    with pytest.raises(ConfigError, match=r"steps_of.\* = 7; it shortens a training, so choose 1 to 6"):
        toy_with(steps_of={"*": 7})


def test_encoders_of_a_dataset_change_the_named_keys_only(toy_runs):
    profile = toy_with(encoders_of={"music11": {"image": {"steps": 3}}})
    assert profile.encoders_for("music11@sample_rate=16000").image.steps == 3
    assert profile.encoders_for("music11").image.width == profile.encoders.image.width
    assert profile.encoders_for("music11").audio == profile.encoders.audio
    with pytest.raises(ConfigError, match=r"encoders_of\.music12: no such dataset"):
        toy_with(encoders_of={"music12": {}})


def test_a_profile_may_be_based_on_another(tmp_path, monkeypatch):
    write_project(tmp_path)
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    (tmp_path / "config" / "child.yaml").write_text("name: child\nbased_on: toy\nseeds: [1]\n")
    child = load_profile("child")
    assert (child.seeds, child.training) == ([1], toy().training)
    (tmp_path / "config" / "ring.yaml").write_text("name: ring\nbased_on: ring\n")
    with pytest.raises(ConfigError, match=r"ring.yaml: based_on is 'ring'; name another profile"):
        load_profile("ring")


def test_a_row_has_the_same_name_on_every_dataset(tmp_path):
    assert run_with(tmp_path, "hier-wild-s2,hfra,hierarchical,no,clip,wild,2,").row == "hier"


def test_switched_mixtures_have_their_own_pool_but_the_same_test(toy_runs, tmp_path):
    row = "solos-s0,hfra,late,no,clip,music11,0,use_duets=false\n"
    (tmp_path / "config" / "runs.csv").write_text(TOY_RUNS + row)
    plan = load_plan("toy")
    assert plan.data_key("solos-s0") == "music11@use_duets=false"
    assert plan.audio_key("solos-s0") == plan.tested_as["music11@use_duets=false"] == "music11"
    assert not plan.mixtures["music11@use_duets=false"].use_duets
    assert plan.mixtures["music11"].use_duets
    assert plan.tested_keys == ["music11"]


def test_an_unknown_run_id_lists_the_known_ones():
    profile = load_profile("demo")
    assert find_run(profile, "hier_align-s1").fusion == "hierarchical"
    with pytest.raises(ConfigError, match=r"run 'hier-s9' is not in profile 'demo'; known: late-s0, "):
        find_run(profile, "hier-s9")


# --- settings --------------------------------------------------------------------------------------------------------


def test_settings_survive_json():
    config = RunConfig("a-s1", 1, True, model=ModelSettings(fusion="middle"), training=TrainingSettings(steps=3))
    assert from_dict(RunConfig, json.loads(json.dumps(to_dict(config)))) == config


def test_a_missing_required_key_is_named():
    with pytest.raises(ConfigError, match="--config: missing key 'alignment', 'seed'"):
        from_dict(RunConfig, {"run_id": "a-s0"}, "--config")


def test_whole_numbers_are_floats_but_not_the_other_way():
    assert from_dict(MixtureSettings, {"gain_high": 2}).gain_high == 2.0
    with pytest.raises(ConfigError, match="expected int"):
        from_dict(MixtureSettings, {"seed": 2.0})


# --- imports ---------------------------------------------------------------------------------------------------------


def imported_by(statement: str) -> tuple[set[str], float]:
    """Top-level packages in sys.modules after a statement in a fresh interpreter, and its seconds."""
    code = f"import sys, time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t, *sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *names = result.stdout.split()
    return {name.split(".")[0] for name in names}, float(seconds)


def test_importing_the_package_is_quick_and_needs_no_torch():
    modules, seconds = min((imported_by("import avsep_lib") for _ in range(3)), key=lambda found: found[1])
    assert seconds < 0.3
    assert not {"torch", "numpy", "pandas", "scipy", "matplotlib"} & modules


def test_training_needs_five_packages_only():
    modules, _ = imported_by("import avsep_lib.train")
    assert {"torch", "numpy", "scipy", "safetensors", "lightning_fabric"} <= modules
    others = {"pandas", "pydantic", "soundfile", "matplotlib", "soxr", "open_clip", "laion_clap", "torchvision",
              "torchaudio", "sklearn", "PIL", "mir_eval", "papermill", "snakemake", "av", "transformers"}  # fmt: skip
    assert not others & modules


@pytest.mark.parametrize(
    "switch", ["fusion=late", "backbone=resnet18", "frame_size=96", "embedding_dim=256", "seed=3", "pool_size=9"]
)
def test_what_belongs_to_a_column_or_to_all_runs_is_no_switch(switch):
    run = dataclasses.replace(profile_runs(load_profile("demo"))[0], switches=dict([switch.split("=")]))
    with pytest.raises(ConfigError, match="cannot be switched"):
        resolve(load_profile("demo"), run)


def test_a_switched_depth_keeps_the_innermost_width():
    run = dataclasses.replace(profile_runs(load_profile("demo"))[0], switches={"channels": "[16, 32, 64, 128, 256]"})
    with pytest.raises(ConfigError, match="innermost width"):
        resolve(load_profile("demo"), run)


def test_the_readme_of_the_profiles_names_every_key():
    text = (project_root() / "config" / "README.md").read_text()
    profile = load_profile("demo")
    sections = [profile.audio, profile.mixtures, profile.model, profile.training, profile.evaluation]
    sections += [profile.encoders.image, profile.encoders.audio, profile.datasets["music11"]]
    decided_by_the_row = {"fusion", "backbone"}
    keys = {field.name for section in sections for field in dataclasses.fields(section)} - decided_by_the_row
    keys |= set(type(profile).model_fields)
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", text)] == []
