"""Methods outside the family on the way of every run: planned, trained, resumed, kept, loaded, scored."""

from __future__ import annotations

import dataclasses
import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TOY_PROFILE

from avsep_lib import score
from avsep_lib.clips import ClipStore
from avsep_lib.config import check_profile, load_runs, resolve
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.errors import ConfigError, DataError, WeightsError
from avsep_lib.files import read_json
from avsep_lib.larger_mixtures import larger_lists, write_larger_lists
from avsep_lib.methods.base import Query
from avsep_lib.methods.hfra import HFRA
from avsep_lib.methods.learnt import Learnt
from avsep_lib.methods.references import Mixture
from avsep_lib.methods.registry import closed_form_class, load_method, network_class
from avsep_lib.methods.settings import FIXED_OUTPUTS, METHOD_SETTINGS, NEEDS_CLIPS, UNTRAINED, method_module
from avsep_lib.mixtures import read_list
from avsep_lib.score_larger import score_together
from avsep_lib.settings import AudioSettings, MixtureSettings, ModelSettings, RunConfig, TrainingSettings, to_dict
from avsep_lib.train import leave_untrained, train
from avsep_lib.training_data import open_pool
from avsep_lib.workflow import load_plan

SMALL = {
    "sound_of_pixels": {"n_frames": 2, "frame_stride": 2},
    "label_sep": {"label_dim": 8},
    "clipsep_early": {"early_dim": 4},
    "wave_u_net": {"wave_levels": 3, "wave_filters": 4},
    "resunet_decouple": {"resunet_channels": [4, 4], "resunet_blocks": 1, "resunet_centre": 1},
    "mp_net": {"minus_maps": 4},
    "av_mix_separate": {"picture_dim": 4},
    "sgn": {"dim": 8, "patch": 8, "depth": 1, "heads": 2},
    "nmf": {"components": 4, "nmf_iterations": 10},
    "nmf_mfcc": {"components": 4, "nmf_iterations": 10},
    "rpca": {"rpca_iterations": 5},
}
OTHERS = [name for name in METHOD_SETTINGS if name != "hfra"]
LEARN = [name for name in OTHERS if name not in UNTRAINED]


def configured(method: str, **training: object) -> RunConfig:
    profile = check_profile(TOY_PROFILE, "toy", "toy")
    values = dataclasses.asdict(profile.training) | {"steps": 3, "validations": 3, "batch_size": 4} | training
    return RunConfig(
        f"{method}-s0",
        0,
        False,
        profile.audio,
        profile.model,
        TrainingSettings(**values),
        method,
        SMALL.get(method, {}),
    )


@pytest.fixture(scope="module")
def bench(project):
    store = ClipStore.open(project.data / "clips")
    return store, EmbeddingStore.open(project.data / "embeddings" / "images.safetensors"), project.data


@pytest.fixture(scope="module")
def trained(bench, tmp_path_factory):
    """The run folder of each method, trained for three steps when it is first asked for."""
    _, _, data = bench
    made = {}

    def of(method):
        if method not in made:
            out = tmp_path_factory.mktemp(method)
            config = configured(method)
            if method in UNTRAINED:
                leave_untrained(config, out)
            else:
                clips = data / "clips" if method in NEEDS_CLIPS else None
                train(config, data / "features", out, clips=clips, workers=0)
            made[method] = out
        return made[method]

    return of


@pytest.mark.parametrize("method", OTHERS)
def test_a_method_is_trained_loaded_and_scored(bench, trained, method):
    store, images, data = bench
    out = trained(method)
    history, cost = pd.read_csv(out / "history.csv"), read_json(out / "cost.json")
    assert len(history) == cost["steps"] == (0 if method in UNTRAINED else 3)
    assert history["loss_separation"].notna().all()
    assert history["loss_alignment"].isna().all()
    scores = score.score_run(out / "model.safetensors", store, data / "mixtures", images, "row")
    test = read_list(data / "mixtures", "test")
    kinds = {"none"} if method in ("wave_u_net", "resunet_decouple") else {"soft", "binary"}
    assert set(scores["mask"]) == kinds
    assert len(scores) == len(test) * len(kinds)
    assert set(scores["method"]) == {"row"}
    assert scores[scores.status == "ok"]["sdr_db"].notna().all()


@pytest.mark.parametrize("method", LEARN)
def test_an_interrupted_training_ends_with_the_same_bytes(bench, trained, tmp_path, method):
    data = bench[2]
    clips = data / "clips" if method in NEEDS_CLIPS else None
    for stop in (1, 2, None):
        train(configured(method), data / "features", tmp_path, clips=clips, workers=0, stop_after=stop)
    for name in ("model.safetensors", "history.csv"):
        assert (tmp_path / name).read_bytes() == (trained(method) / name).read_bytes(), name


def test_more_sources_are_separated_without_another_training(bench, trained, tmp_path):
    store, images, _ = bench
    settings = check_profile(TOY_PROFILE, "toy", "toy")
    write_larger_lists(larger_lists(store, settings.audio, settings.mixtures), tmp_path)
    lists = [name for name, n in read_json(tmp_path / "mixtures.json")["n_mixtures"].items() if n]
    assert lists[0] == "test3", "the toy dataset has classes enough for three sources"
    asked = []
    for name in (name for name in OTHERS if name not in FIXED_OUTPUTS):
        method = load_method(trained(name) / "model.safetensors")
        names = {"run_id": f"{name}-s0", "method": name, "seed": 0}
        asked.append((names, method, score.queries_for(method, store, images)))
    together = score_together(asked, store, tmp_path, lists[:1])
    assert set(together["method"]) == {names["method"] for names, *_ in asked}
    assert set(together.groupby(["method", "mixture_id"])["source"].nunique()) == {3}
    assert together[together.status == "ok"]["sdr_db"].notna().all()
    alone = score_run_on(trained("nmf"), store, images, tmp_path, lists[:1])
    own = together[together["method"] == "nmf"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, alone)
    assert score_together(asked[:1], store, tmp_path, []).empty


def score_run_on(run, store, images, mixtures, lists):
    return score.score_run(run / "model.safetensors", store, mixtures, images, "nmf", None, lists)


def test_one_source_alone_is_scored_without_a_warning(bench):
    store, _, data = bench
    audio = configured("pit").audio
    item = next(score.list_items(store, data / "mixtures", audio, "test"))
    alone = dataclasses.replace(item, rows=item.rows.iloc[:1], waveform=item.sources[0], sources=item.sources[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = score.score_item(Mixture(audio), [Query("none")], alone, store)
    assert all(row["mixture_sdr_db"] == np.inf and np.isnan(row["sdri_db"]) for row in rows)


def test_sgd_moves_by_momentum_and_shares_and_its_schedule(bench, tmp_path):
    data = bench[2]
    config = configured(
        "sound_of_pixels", optimizer="sgd", weight_decay=1e-4, schedule="tenths", steps=5, validations=5
    )
    train(config, data / "features", tmp_path, clips=data / "clips", workers=0)
    rates = pd.read_csv(tmp_path / "history.csv")["learning_rate"]
    np.testing.assert_allclose(rates, config.training.learning_rate * np.array([1, 1, 0.1, 0.1, 0.01]))


def test_a_method_that_reads_sound_needs_the_clips(bench, tmp_path):
    with pytest.raises(DataError, match=r"does not hold all that run wave_u_net-s0 reads; name the clips"):
        train(configured("wave_u_net"), bench[2] / "features", tmp_path)


def test_waveforms_of_a_batch_are_the_stored_mixtures(bench):
    data = bench[2]
    pool = open_pool(configured("wave_u_net"), data / "features", data / "clips")
    sound = pool.batch(np.arange(4))["waveforms"]
    stored = open_pool(configured("pit"), data / "features").batch(np.arange(4))
    from avsep_lib.audio import LOG_FLOOR, warped_magnitudes

    audio = pool.config.audio
    torch.testing.assert_close(warped_magnitudes(sound.sum(dim=1), audio, LOG_FLOOR)[:, None], stored["mixture"])
    torch.testing.assert_close(warped_magnitudes(sound, audio), stored["sources"])


def test_classes_travel_with_the_weights(bench, trained):
    store = bench[0]
    method = load_method(trained("sgn") / "model.safetensors")
    assert isinstance(method, Learnt)
    assert list(method.classes) == sorted(set("|".join(store.table.labels).split("|")))
    with pytest.raises(DataError, match="class 'kazoo' was not in the training"):
        method.conditions([Query("label", ("kazoo",))])


@pytest.mark.parametrize(
    ("method", "kind"), [("pit", "image"), ("sgn", "image"), ("mp_net", "label"), ("rpca", "image")]
)
def test_a_query_of_a_foreign_kind_is_refused(bench, trained, method, kind):
    asked = [Query(kind, np.zeros(512, np.float32))] * 2
    separate = load_method(trained(method) / "model.safetensors")
    with pytest.raises(DataError, match=f"kind '{kind}'"):
        separate.estimate(np.zeros(separate.audio.n_samples, np.float32) + 0.1, asked)


def test_the_familys_loader_refuses_other_methods(trained):
    with pytest.raises(WeightsError, match="is of method pit"):
        HFRA.load(trained("pit") / "model.safetensors")


# --- the plan -----------------------------------------------------------------------------------------------------------


def test_every_method_has_a_row_and_a_file():
    rows = {run.method for run in load_runs()}
    assert rows == set(METHOD_SETTINGS)
    for method in OTHERS:
        made = closed_form_class(method) if method in UNTRAINED else network_class(method)
        assert made.__module__ == method_module(method)


def test_fields_of_methods_clash_with_no_section():
    sections = (AudioSettings, MixtureSettings, ModelSettings, TrainingSettings)
    taken = {field.name for section in sections for field in dataclasses.fields(section)}
    for method, settings in METHOD_SETTINGS.items():
        assert not taken & {field.name for field in dataclasses.fields(settings)}, method


def test_switches_reach_a_methods_own_settings_and_profiles_set_them():
    plan = load_plan("demo-full")
    assert plan.config("sgn_depth1-s0").options.depth == 1
    assert plan.config("sgn-s0").options.depth == plan.profile.methods["sgn"].depth
    assert plan.config("sgn_tokens-s0").options.grouping is False
    paper = load_plan("paper")
    assert paper.config("sgn-s0").options == METHOD_SETTINGS["sgn"]()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"methods": {"sng": {}}}, "no method 'sng'"),
        ({"methods": {"sgn": {"dept": 1}}}, "unknown key 'dept'"),
        ({"methods": {"sgn": {"heads": 3}}}, "cannot be shared by heads = 3"),
        ({"methods": {"wave_u_net": {"up_kernel": 4}}}, "choose an odd one"),
    ],
)
def test_a_wrong_setting_of_a_method_is_named(change, told):
    with pytest.raises(ConfigError, match=told):
        check_profile(TOY_PROFILE | change, "toy", "toy")


def test_a_row_outside_the_family_has_no_fusion():
    plan = load_plan("demo")
    run = dataclasses.replace(plan.runs["pit-s0"], fusion="late")
    with pytest.raises(ConfigError, match="method pit has no fusion"):
        resolve(plan.profile, run)


def test_carried_over_and_costed_rows_are_shown_rows():
    plan = load_plan("demo-full")
    carried, costed = ({plan.runs[run_id].row for run_id in ids} for ids in (plan.carried_over(), plan.costed()))
    assert {"late", "hier_align", "sgn", "nmf", "mixit", "mp_net"} <= carried
    assert not {"rpca", "pit", "wave_u_net", "sgn_depth1", "hier", "universal_sgn"} & carried
    assert {"rpca", "pit", "wave_u_net", "sgn", "late"} <= costed
    assert not {"sgn_depth1", "universal_sgn", "flip_last"} & costed
    assert plan.sgn_runs() == ["sgn-s0"]


def test_the_report_counts_as_trained_what_learns():
    from avsep_lib.report.build import n_trained

    plan = load_plan("smoke")
    assert {run.method for run in plan.runs.values()} > set(UNTRAINED)
    assert n_trained(plan.profile) == len([r for r in plan.runs.values() if r.method not in UNTRAINED]) < len(plan.runs)


def test_settings_survive_json():
    for method in METHOD_SETTINGS:
        config = RunConfig(f"{method}-s0", 0, False, method=method)
        from avsep_lib.settings import from_dict

        assert from_dict(RunConfig, json.loads(json.dumps(to_dict(config)))) == config
