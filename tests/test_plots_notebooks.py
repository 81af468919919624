"""Notebooks 01, 02, 03, 09 and 10: their form, the tables behind them, and figures that say what they are given."""

import ast
import dataclasses
import json

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch

from avsep_lib import anatomy, datacard, examples, inputs, run_card
from avsep_lib.audio import stft, warp_matrix
from avsep_lib.config import find_run, load_profile, resolve
from avsep_lib.encoders import similarity
from avsep_lib.errors import AvsepError, ConfigError, DataError, LeakageError
from avsep_lib.library import artifacts_of_notebook, notebook_code
from avsep_lib.models.separator import count_parameters, released_extra_parameters
from avsep_lib.parameters import NOTEBOOKS, notebook_parameters
from avsep_lib.paths import project_root
from avsep_lib.score import MixtureItem
from avsep_lib.settings import AudioSettings, ModelSettings, RunConfig

matplotlib.use("agg")

import matplotlib.pyplot as plt

from avsep_lib.plots import dataset, encoders, pipeline, spectrograms, style, training

STEMS = [
    *("01_dataset", "02_encoders", "03_training", "07_linear_probe", "08_modality_gap"),
    *("09_qualitative", "10_pipeline", "11_audit"),
]
AUDIO = AudioSettings(n_samples=8191, n_fft=1024, hop_length=512, n_rows=16)  # 16 frames


@pytest.fixture(autouse=True)
def _styled_figures():
    with matplotlib.rc_context():
        style.apply_style()
        yield
    plt.close("all")


def cells(stem, kind):
    notebook = json.loads((project_root() / "notebooks" / f"{stem}.ipynb").read_text())
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


# ---------------------------------------------------------------- form


@pytest.mark.parametrize("stem", STEMS)
def test_the_parameters_cell_is_the_signature(stem):
    (cell,) = [cell for cell in cells(stem, "code") if "parameters" in cell["metadata"].get("tags", [])]
    found = {node.target.id: node for node in ast.parse("".join(cell["source"])).body}
    fields = NOTEBOOKS[stem].model_fields
    assert list(found) == list(fields)
    for name, node in found.items():
        assert ast.literal_eval(node.value) == fields[name].default
        assert ast.unparse(node.annotation) == fields[name].annotation.__name__


def test_an_unknown_mask_is_refused():
    with pytest.raises(ConfigError, match=r"'mask' is 'hard'.*soft\|binary"):
        notebook_parameters("09_qualitative", mask="hard")


@pytest.mark.parametrize("stem", STEMS)
def test_a_notebook_has_its_parts(stem):
    prose = ["".join(cell["source"]) for cell in cells(stem, "markdown")]
    code = ["".join(cell["source"]) for cell in cells(stem, "code")]
    assert prose[0].startswith("# ")
    assert prose[0].splitlines()[0].endswith("?")
    assert all(f"| **{word}** |" in prose[0] for word in ("reads", "writes", "takes"))
    assert any(text.startswith("## Check") for text in prose)
    assert any("assert " in text for text in code)
    assert prose[-1].startswith("## What this does not show")
    assert "Next: [" in prose[-1]
    assert f'notebook_parameters("{stem}"' in notebook_code(project_root() / "notebooks" / f"{stem}.ipynb")


@pytest.mark.parametrize("stem", STEMS)
def test_cells_are_short_and_prose_outweighs_code(stem):
    code = [cell["source"] for cell in cells(stem, "code")]
    words = sum(len("".join(cell["source"]).split()) for cell in cells(stem, "markdown"))
    lengths = sorted(map(len, code))
    assert lengths[len(lengths) // 2] < 10
    assert lengths[-1] <= 30
    assert words / sum(lengths) > 3
    assert "def " not in "".join("".join(lines) for lines in code)  # functions live in the library


@pytest.mark.parametrize("stem", STEMS)
def test_the_box_names_what_is_written(stem):
    first = "".join(cells(stem, "markdown")[0]["source"])
    (line,) = [line for line in first.splitlines() if "**writes**" in line]
    for artifact in artifacts_of_notebook(project_root() / "notebooks" / f"{stem}.ipynb"):
        assert f"`{artifact.stem.partition('_')[2]}`" in line


# ---------------------------------------------------------------- missing results


def test_a_missing_result_says_what_to_run(tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    with pytest.raises(DataError, match=r"runs/late-s0/cost.json \(and 1 more\).*make figures PROFILE=smoke"):
        inputs.require("smoke", "runs/late-s0/cost.json", "runs/late-s0/history.csv")


def test_an_unknown_dataset_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"'music12'.*'smoke'.*music11"):
        inputs.require_data("smoke", "music12", "clips/clips.json")


def test_runs_on_different_data_are_not_compared(monkeypatch):
    suite = load_profile("smoke")
    run = find_run(suite, "late-s0")
    other = dataclasses.replace(run, run_id="other-s0", switches={"sample_rate": "16000"})
    monkeypatch.setattr(examples, "find_run", lambda profile, run_id: {"late-s0": run, "other-s0": other}[run_id])
    with pytest.raises(ConfigError, match="different mixtures"):
        examples.open_bench(suite, ["late-s0", "other-s0"])


# ---------------------------------------------------------------- 01


def manifest_of(*rows):
    return pd.DataFrame(rows, columns=["clip_id", "video_id", "labels", "split", "sha256"])


CLEAN = manifest_of(
    ("a", "a", "flute", "train", "1"), ("b", "b", "flute|tuba", "val", "2"), ("c", "c", "tuba", "test", "3")
)
SEEDS = pd.DataFrame({"clip_id": ["a", "b", "c"], "melody_seed": [1, 2, 3], "drawing_seed": [4, 5, 6]})


def test_nothing_shared_is_accepted():
    shared = datacard.shared_between_splits(CLEAN, SEEDS)
    assert list(shared.index) == ["train and val", "train and test", "val and test"]
    assert list(shared.columns) == ["video", "audio file", "melody", "drawing"]
    assert (shared == 0).all(axis=None)
    datacard.check_nothing_shared(shared)


@pytest.mark.parametrize(("column", "name"), [("melody_seed", "melody"), ("sha256", "audio file")])
def test_a_planted_leak_is_named(column, name):
    manifest, seeds = CLEAN.copy(), SEEDS.copy()
    table = manifest if column in manifest else seeds
    table.loc[2, column] = table.loc[0, column]
    shared = datacard.shared_between_splits(manifest, seeds)
    assert shared.to_numpy().sum() == 1
    with pytest.raises(LeakageError, match=f"train and test share 1 x {name}"):
        datacard.check_nothing_shared(shared)


def test_level_and_rests():
    tone = np.sqrt(2) * 0.1 * np.sin(2 * np.pi * 100 * np.arange(8000) / 8000)
    assert datacard.level_dbfs(tone) == pytest.approx(-20, abs=1e-3)
    assert datacard.quiet_share(tone, 8000) == 0
    tone[2000:] *= 1e-3
    assert datacard.quiet_share(tone, 8000) == pytest.approx(0.75)


def test_duets_count_for_both_instruments_and_solos_once():
    levels = CLEAN.assign(solo=[True, False, True], duration_s=3.0, level_dbfs=-20.0, quiet_share=0.1)
    provenance = pd.DataFrame({"labels": ["flute", "flute|tuba", "tuba"], "stand_in": ["", "", "tuba: horn (GM 60)"]})
    card = datacard.data_card(levels, provenance)
    assert card.duets.to_dict() == {"flute": 1, "tuba": 1}
    assert card.train.to_dict() == {"flute": 1, "tuba": 0}
    assert card["stand-in"].to_dict() == {"flute": "", "tuba": "horn (GM 60)"}
    assert card.minutes.sum() == pytest.approx(6 / 60)


def test_shown_clips_follow_the_rule():
    rows = [(f"test_{c}_{i}", "", c, "test", "") for c in ("tuba", "flute|tuba", "flute") for i in (1, 0)]
    shown = datacard.typical_clips(manifest_of(*rows, ("train_flute_0", "", "flute", "train", "")))
    assert list(shown.clip_id) == ["test_flute_0", "test_tuba_0", "test_flute|tuba_0"]


def test_the_data_card_figure_shows_every_class_and_split():
    counts = pd.DataFrame({"train": [3, 1], "test": [2, 2]}, index=["flute", "acoustic_guitar"])
    levels = pd.DataFrame({"labels": ["flute", "acoustic_guitar"], "split": "train", "solo": True, "level_dbfs": -20.0})
    figure = dataset.data_card_figure(plt.figure(), counts, levels.assign(quiet_share=0.2))
    assert {"flute", "acoustic guitar", "train", "test"} <= set(texts(figure))
    assert [patch.get_width() for patch in figure.axes[0].patches] == [3, 1, 2, 2]


def test_the_contact_sheet_labels_each_picture():
    pictures = {name: np.zeros((8, 8, 3), np.uint8) for name in ("flute", "erhu", "flute|violin")}
    figure = dataset.contact_sheet(plt.figure(), pictures, columns=2)
    assert {"flute", "erhu", "flute and\nviolin"} <= set(texts(figure))
    assert sum(bool(ax.images) for ax in figure.axes) == 3
    assert [ax.axison for ax in figure.axes] == [True, True, True, False]  # what is left of the grid is not drawn


# ---------------------------------------------------------------- 02


def test_similarity_separates_classes_and_not_strangers():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 6)
    own, other = (5 + rng.standard_normal((4, 512)) for _ in range(2))  # a common direction, as real encoders have
    heard, seen = (m[labels] + 0.3 * rng.standard_normal((24, 512)) for m in (own, other))
    within = similarity.class_similarity(heard, heard, labels)
    assert within.argmax(0).tolist() == [0, 1, 2, 3]
    assert similarity.contrast(within) > 0.8
    across = similarity.class_similarity(heard, seen, labels)
    assert abs(similarity.contrast(across)) < 0.2


def test_a_clip_is_not_compared_with_itself():
    vectors = similarity.unit(np.random.default_rng(0).standard_normal((3, 512)))
    alone = similarity.class_similarity(vectors, vectors, np.arange(3))
    assert np.isnan(np.diag(alone)).all()
    assert np.isfinite(alone[0, 1])


def test_pretrained_encoders_have_no_curves_but_numbers():
    table = pd.DataFrame(
        {"encoder": ["audio"], "task": ["zero-shot class"], "value": 0.5, "low": 0.4, "high": 0.6, "chance": 0.1}
    )
    empty = pd.DataFrame(columns=["step", "learning_rate", "loss", "accuracy"])
    figure = encoders.knowledge_figure(plt.figure(), {"image": empty, "audio": empty}, table)
    assert len(figure.axes) == 1
    assert "audio: zero-shot class" in texts(figure)


# ---------------------------------------------------------------- 03


def test_full_size_differs_from_itself_nowhere():
    table = run_card.configuration(RunConfig("hier_align-s0", 0, True))
    assert (table["here"] == table["full size"]).all()
    suite = load_profile("smoke")
    small = run_card.configuration(resolve(suite, find_run(suite, "late-s0")))
    assert small.loc[("audio", "n_rows")].tolist() == ["64", "256"]


@pytest.mark.parametrize(("gain", "meaning"), [(2.0, "this run separates"), (0.0, "not trained to mean anything")])
def test_what_a_run_learned_is_said_from_its_gains(gain, meaning):
    gains = gain + 0.1 * np.random.default_rng(0).standard_normal(20)
    assert meaning in run_card.learned(gains)


def test_commands_name_the_profile_and_the_run():
    text = run_card.commands(load_profile("smoke"), "late-s0")
    assert "make figures PROFILE=smoke" in text
    assert "results/smoke/runs/late-s0/model.safetensors" in text
    assert json.loads(text.rpartition("\\\n")[2].strip("'"))["run_id"] == "late-s0"


def test_a_streamed_pool_needs_its_clips():
    suite = load_profile("smoke")
    streamed = suite.model_copy(update={"mixtures": dataclasses.replace(suite.mixtures, features="streamed")})
    assert "--clips results/smoke/data/music11/clips" in run_card.commands(streamed, "late-s0")
    assert "--clips" not in run_card.commands(suite, "late-s0")


def test_the_chosen_checkpoint_and_the_floor_are_drawn():
    history = pd.DataFrame({"step": [10, 20, 30], "val_si_sdr_db": [1.0, 3.0, 2.0]})
    ax = training.validation(plt.figure().subplots(), history, 20, 0.5, "red")
    assert {"chosen", "mixture"} <= set(texts(ax.figure))
    assert ax.lines[1].get_xydata().tolist() == [[20, 3.0]]
    assert ax.lines[2].get_ydata()[0] == 0.5


# ---------------------------------------------------------------- 09


def scores_of(gains, status="ok"):
    rows = [("t%02d" % i, s, "soft", g, status) for i, g in enumerate(gains) for s in (0, 1)]  # noqa: UP031
    return pd.DataFrame(rows, columns=["mixture_id", "source", "mask", "sdri_db", "status"])


def test_examples_lie_at_the_percentiles():
    gains = np.random.default_rng(0).permutation(101) / 10
    chosen = examples.choose_mixtures(scores_of(gains), "soft")
    assert chosen.gain_db.tolist() == pytest.approx([2.5, 5.0, 7.5])
    assert [gains[int(name[1:])] for name in chosen.mixture_id] == pytest.approx([2.5, 5.0, 7.5])


def test_a_silent_estimate_is_no_example():
    scores = scores_of([1.0, 2.0, 3.0, 4.0, 5.0])
    scores.loc[4, "sdri_db"] = np.nan  # one source of t02
    assert "t02" not in examples.mixture_gains(scores, "soft").index


def test_few_mixtures_are_all_shown():
    chosen = examples.choose_mixtures(scores_of([2.0, 1.0]), "soft")
    assert chosen.gain_db.tolist() == [1.0, 2.0]
    assert chosen.percentile.tolist() == [0, 50]


def test_percentiles_must_differ_and_need_a_mixture():
    with pytest.raises(DataError, match="5 scored mixtures"):
        examples.choose_mixtures(scores_of([1.0, 2.0, 3.0, 4.0, 5.0]), "soft", (50, 51))
    silent = scores_of([1.0]).assign(sdri_db=np.nan)
    with pytest.raises(DataError, match="no mixture has a gain"):
        examples.choose_mixtures(silent, "soft")


@pytest.fixture
def example():
    rng = np.random.default_rng(0)
    sources = 0.1 * rng.standard_normal((2, AUDIO.n_samples)).astype(np.float32)
    item = MixtureItem(pd.DataFrame({"mixture_id": ["t00000"] * 2, "source": [0, 1]}), sources.sum(0), sources)
    scores = pd.DataFrame({"run_id": "late-s0", "mixture_id": "t00000", "source": [0, 1], "mask": "soft"})
    scores = scores.assign(sdr_db=[-0.04, 3.21], sdri_db=[-0.04, 4.0])
    frames = [np.zeros((8, 8, 3), np.uint8)] * 2
    estimates, masks = {"late-s0": sources[:, : AUDIO.n_output]}, {"late-s0": rng.uniform(size=(2, 16, 16))}
    return examples.Example(item, ["flute", "acoustic_guitar"], frames, estimates, masks, scores)


def bench_with(scores):
    return examples.Bench({}, {"late-s0": scores}, None, None, None, [])


def test_pictures_must_score_what_the_tables_say(example):
    assert examples.check_scores(bench_with(example.scores), [example]) == 0
    wrong = example.scores.assign(sdr_db=[-0.04, 3.3])
    with pytest.raises(DataError, match=r"0\.09.* dB.*'source': 1"):
        examples.check_scores(bench_with(wrong), [example])
    with pytest.raises(AvsepError, match="differ"):
        examples.check_scores(bench_with(example.scores[:1]), [example])


def test_sounds_are_named_and_level_true(example):
    sounds = example.sounds({"late-s0": "CLIPSep\nlate"})
    assert list(sounds)[:3] == ["mixture", "flute: truth", "flute: CLIPSep, late"]
    np.testing.assert_allclose(sounds["flute: truth"] + sounds["acoustic_guitar: truth"], sounds["mixture"], atol=1e-6)


def test_panels_line_up_and_carry_their_scores(example):
    figure = plt.figure(figsize=(10, 6), layout="none")
    spectrograms.qualitative_figure(figure, [example] * 2, ["one", "two"], {"late-s0": "Late"}, AUDIO)
    figure.savefig("/dev/null", format="png", bbox_inches="tight")
    figure.savefig("/dev/null", format="png", bbox_inches="tight")  # matplotlib may change its engine in between
    assert {"one", "two", "SDR 0.0 dB (+0.0)", "SDR 3.2 dB (+4.0)", "Truth", "Late", "time (s)"} <= set(texts(figure))
    panels = [ax for ax in figure.axes if ax.get_title().startswith("SDR")]
    sizes = np.array([ax.get_position().size for ax in panels])
    assert len(panels) == 4
    np.testing.assert_allclose(sizes, sizes[:1].repeat(4, 0), rtol=1e-6)


def test_the_frequency_axis_is_the_networks_warp():
    ax = spectrograms.warped_axis(plt.figure().subplots(), AUDIO, labels=True)
    forward = ax.yaxis.get_transform()
    bins = warp_matrix(AUDIO.n_bins, AUDIO.n_rows).numpy() @ np.arange(AUDIO.n_bins)  # what each row reads
    khz = bins * AUDIO.sample_rate / AUDIO.n_fft / 1000
    np.testing.assert_allclose(forward.transform(khz), np.linspace(0, 1, AUDIO.n_rows), atol=2e-6)
    np.testing.assert_allclose(forward.inverted().transform(forward.transform(khz)), khz, atol=1e-9)


def test_drawn_magnitudes_are_those_of_the_network():
    waveform = np.random.default_rng(0).standard_normal(AUDIO.n_samples).astype(np.float32)
    expected = stft(torch.from_numpy(waveform), AUDIO).abs().numpy()
    np.testing.assert_allclose(spectrograms.magnitude(waveform, AUDIO), expected, rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------- 10

SIZES = [ModelSettings(fusion=fusion) for fusion in ("late", "middle", "hierarchical")]


@pytest.mark.parametrize("settings", SIZES, ids=lambda s: s.fusion)
def test_parts_add_up_to_the_whole(settings):
    assert sum(anatomy.parameters_by_part(settings).values()) == count_parameters(settings)


def test_the_table_holds_the_published_totals():
    table = anatomy.parameter_table(ModelSettings())
    assert table.loc["used", "hierarchical"] == 32_912_611
    assert table.loc["released", "hierarchical"] == 32_913_763
    assert table.loc["used", "late"] == 30_290_659
    assert table.loc["released", "middle"] == 30_403_524
    assert table.loc["built but unused", "middle"] == released_extra_parameters(SIZES[1])


@pytest.mark.parametrize("settings", SIZES, ids=lambda s: s.fusion)
def test_a_trace_matches_a_real_pass(settings):
    settings = dataclasses.replace(settings, channels=(4, 8, 512))
    traced = anatomy.trace(settings, AUDIO)
    model = anatomy.Separator(settings).eval()
    with torch.no_grad():
        output = model(torch.zeros(1, 1, 16, 16), torch.zeros(1, 2, 512))
    assert traced.masks == output.masks.shape[1:]
    assert traced.bottleneck == (512,)
    assert [layer.shape for layer in traced.group("unet.down.")] == [(4, 8, 8), (8, 4, 4), (512, 2, 2)]
    assert [layer.shape for layer in traced.group("unet.up.")] == [(4, 8, 8), (8, 4, 4)]
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("settings", SIZES, ids=lambda s: s.fusion)
def test_the_drawing_shows_the_conditions_that_exist(settings):
    traced = anatomy.trace(settings, AudioSettings())
    ax = pipeline.pipeline(plt.figure().subplots(), traced, aligned=settings.fusion == "late", title="x")
    drawn = texts(ax.figure)
    assert ("linear, sigmoid: $q_{mid}$" in drawn) == (settings.fusion != "late")
    assert ("linear, sigmoid: $q_{late}$" in drawn) == (settings.fusion != "middle")
    assert ("alignment loss" in drawn) == (settings.fusion == "late")
    for layer in traced.group("unet.down."):
        assert pipeline.shape_text(layer.shape) in drawn
        assert f"{pipeline.count_text(layer.n_parameters)} parameters" in drawn


@pytest.mark.parametrize(("n", "text"), [(98, "98"), (1024, "1.02 k"), (131_328, "131 k"), (32_912_611, "32.9 M")])
def test_counts_are_readable(n, text):
    assert pipeline.count_text(n) == text
