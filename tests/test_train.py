"""Training: schedules, batches, losses by hand, resume to the byte, kills, and inputs that cannot be used."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_config
from safetensors.torch import load_file, save_file

from avsep_lib import train as training_loop
from avsep_lib.adam import Adam
from avsep_lib.cli import run_main
from avsep_lib.clips import ClipStore
from avsep_lib.errors import ConfigError, DataError, WeightsError
from avsep_lib.losses import alignment, bce_binary, l1_mag
from avsep_lib.methods.hfra import HFRA
from avsep_lib.mixtures import load_sources, read_list
from avsep_lib.models.separator import Separator
from avsep_lib.settings import RunConfig, TrainingSettings, to_dict
from avsep_lib.train import batch_losses, learning_rate, total_loss, train
from avsep_lib.training_data import batch_indices, load_features, open_pool

FILES = ("model.safetensors", "history.csv")


def results(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in FILES]


# --- schedule and batches --------------------------------------------------------------------------------------------


def test_the_released_schedule():
    training = TrainingSettings(steps=200_000)
    assert learning_rate(0, training) == pytest.approx(1e-3 / 5000)
    assert learning_rate(2499, training) == pytest.approx(0.5e-3)
    assert learning_rate(4999, training) == pytest.approx(1e-3)
    assert learning_rate(5000, training) == pytest.approx(1e-3)
    assert learning_rate(52_500, training) == pytest.approx(0.55e-3)
    assert learning_rate(100_000, training) == pytest.approx(1e-4)
    assert learning_rate(199_999, training) == pytest.approx(1e-4)


def test_the_papers_schedule():
    training = TrainingSettings(steps=133_000, schedule="paper")
    assert learning_rate(0, training) == learning_rate(59_999, training) == 1e-4
    assert learning_rate(60_000, training) == learning_rate(132_999, training) == 1e-5


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 800])
@pytest.mark.parametrize("schedule", ["code", "paper"])
def test_short_schedules_stay_positive_and_bounded(steps, schedule):
    training = TrainingSettings(steps=steps, schedule=schedule)
    rates = [learning_rate(step, training) for step in range(steps)]
    assert all(1e-6 <= rate <= 1e-3 for rate in rates)


@pytest.mark.parametrize(("batch_size", "n_items"), [(4, 12), (5, 12), (12, 12), (7, 10)])
def test_every_item_comes_once_per_epoch(batch_size, n_items):
    sequence = np.concatenate([batch_indices(3, step, batch_size, n_items) for step in range(4 * n_items)])
    epochs = sequence[: 4 * n_items].reshape(4, n_items)
    for epoch in epochs:
        assert sorted(epoch) == list(range(n_items))
    assert not (epochs[0] == epochs[1]).all()
    assert not np.array_equal(batch_indices(4, 0, batch_size, n_items), batch_indices(3, 0, batch_size, n_items))


def test_a_batch_depends_on_its_step_alone():
    alone = batch_indices(0, 17, 4, 10)
    np.testing.assert_array_equal([batch_indices(0, step, 4, 10) for step in range(18)][17], alone)


# --- losses ----------------------------------------------------------------------------------------------------------


def test_separation_losses_by_hand():
    logits = torch.tensor([[[[0.0]], [[2.0]]]])  # one item, two sources, one point
    sources, mixture = torch.tensor([[[[3.0]], [[1.0]]]]), torch.tensor([[[[math.e - 1 + 1]]]])
    weight = math.log1p(math.e)
    expected = weight * (math.log(2) + math.log(1 + math.exp(2))) / 2  # targets: 3 > e / 2 is 1, 1 < e / 2 is 0
    assert bce_binary(logits, sources, mixture).item() == pytest.approx(expected, rel=1e-6)
    sigmoid = 1 / (1 + math.exp(-2))
    expected = (abs(math.e / 2 - 3) + abs(sigmoid * math.e - 1)) / 2
    assert l1_mag(logits, sources, mixture).item() == pytest.approx(expected, rel=1e-6)


def test_the_mean_divides_by_points_not_by_weights():
    """Two points, one nearly without weight: it halves the loss instead of vanishing from the mean."""
    logits, sources = torch.zeros(1, 1, 2, 1), torch.tensor([[[[10.0], [0.0]]]])
    mixture = torch.tensor([[[[10.0], [0.0]]]])
    expected = (math.log1p(10) + 1e-3) * math.log(2) / 2
    assert bce_binary(logits, sources, mixture).item() == pytest.approx(expected, rel=1e-6)


def test_alignment_is_one_minus_the_mean_cosine():
    bottleneck = torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    teacher = torch.tensor([[1.0, 0.0], [0.0, -5.0], [1.0, 0.0]])
    assert alignment(bottleneck, teacher).item() == pytest.approx(1 - (1 - 1 + math.sqrt(0.5)) / 3)


def test_the_total_loss_is_equation_8():
    losses = {"separation": torch.tensor(2.0), "alignment": torch.tensor(0.5)}
    config = tiny_config(alignment_weight=3.0)
    assert total_loss(losses, config).item() == 3.5
    assert total_loss(losses, dataclasses.replace(config, alignment=False)).item() == 2.0


@pytest.mark.parametrize("fusion", ["late", "middle", "hierarchical"])
def test_the_alignment_gradient_reaches_the_encoder_and_nothing_else(random_features, fusion):
    config = tiny_config()
    model = Separator(dataclasses.replace(config.model, fusion=fusion))
    for parameter in model.parameters():  # the lineage's tiny initial weights would give vanishing gradients
        torch.nn.init.normal_(parameter, std=0.3)
    batch_losses(model, open_pool(config, random_features).step(0), config)["alignment"].backward()
    reached = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    encoder = {name for name, _ in model.named_parameters() if name.startswith(("unet.input_norm", "unet.down"))}
    assert reached == encoder


# --- the loop --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def uninterrupted(random_features, tmp_path_factory) -> Path:
    """Results of `tiny_config` trained in one go."""
    return train(tiny_config(), random_features, tmp_path_factory.mktemp("run")).parent


def test_a_run_learns_logs_and_cleans_up(uninterrupted):
    history = pd.read_csv(uninterrupted / "history.csv")
    assert list(history.step) == [3, 6, 9, 12]
    assert history.loss_separation.iloc[-1] < history.loss_separation.iloc[0]
    assert history.epoch.iloc[-1] == pytest.approx(12 * 4 / 11, abs=1e-4)
    cost = json.loads((uninterrupted / "cost.json").read_text())
    assert cost["best_val_si_sdr_db"] == pytest.approx(history.val_si_sdr_db.max())
    assert cost["best_step"] == history.step[history.val_si_sdr_db.idxmax()]
    assert 0 < cost["waiting_share"] < 1
    assert sorted(p.name for p in uninterrupted.iterdir()) == ["cost.json", "history.csv", "model.safetensors"]
    assert HFRA.load(uninterrupted / "model.safetensors").config == tiny_config()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(random_features, uninterrupted, tmp_path):
    train(tiny_config(), random_features, tmp_path / "again")
    assert results(tmp_path / "again") == results(uninterrupted)
    other = train(dataclasses.replace(tiny_config(), seed=1), random_features, tmp_path / "other")
    assert results(other.parent)[1] != results(uninterrupted)[1]


@pytest.mark.parametrize("stops", [[6], [5], [2], [3, 4, 7, 11]])
def test_resume_equals_uninterrupted(random_features, uninterrupted, tmp_path, stops):
    for stop in stops:
        assert train(tiny_config(), random_features, tmp_path, stop_after=stop) is None
        assert not (tmp_path / "model.safetensors").exists()
    train(tiny_config(), random_features, tmp_path)
    assert results(tmp_path) == results(uninterrupted)
    assert not (tmp_path / "state.ckpt").exists()


@pytest.mark.parametrize(("backbone", "loss"), [("clip", "l1_mag"), ("resnet18", "bce_binary")])
def test_other_rows_resume_as_well(random_features, tmp_path, backbone, loss):
    config = tiny_config(steps=2, batch_size=2, validations=2, loss=loss, schedule="paper")
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, fusion="late", backbone=backbone))
    train(config, random_features, tmp_path / "whole")
    train(config, random_features, tmp_path / "parts", stop_after=1)
    train(config, random_features, tmp_path / "parts")
    assert results(tmp_path / "parts") == results(tmp_path / "whole")


def test_a_trained_backbone_starts_from_the_named_weights(random_features, tmp_path):
    import torchvision

    torch.manual_seed(5)
    imagenet = torchvision.models.resnet18(weights=None).state_dict()
    save_file(imagenet, tmp_path / "resnet18.safetensors")
    config = tiny_config(steps=1, batch_size=2, validations=1, learning_rate=1e-12)
    model = dataclasses.replace(config.model, fusion="late", backbone="resnet18")
    for weights, equal in (("", False), (str(tmp_path / "resnet18.safetensors"), True)):
        named = dataclasses.replace(config, model=dataclasses.replace(model, backbone_weights=weights))
        trained = load_file(train(named, random_features, tmp_path / f"run{equal}"))
        first = next(tensor for name, tensor in trained.items() if name.endswith("features.0.weight"))
        assert torch.allclose(first, imagenet["conv1.weight"], atol=1e-6) == equal


def test_another_configuration_does_not_resume(random_features, uninterrupted, tmp_path, capsys):
    train(tiny_config(steps=24), random_features, tmp_path, stop_after=6)
    train(tiny_config(), random_features, tmp_path)
    assert "another configuration" in capsys.readouterr().out
    assert results(tmp_path) == results(uninterrupted)


@pytest.mark.parametrize("name", ["train", "val"])
def test_other_features_do_not_resume(random_features, tmp_path, name, capsys):
    folder = tmp_path / "features"
    folder.mkdir()
    for which in ("train", "val"):
        (folder / f"{which}.safetensors").write_bytes((random_features / f"{which}.safetensors").read_bytes())
    train(tiny_config(), folder, tmp_path / "run", stop_after=6)
    tensors = load_file(folder / f"{name}.safetensors")
    save_file(tensors | {"images": tensors["images"] + 1}, folder / f"{name}.safetensors")
    train(tiny_config(), folder, tmp_path / "run")
    train(tiny_config(), folder, tmp_path / "fresh")
    assert "other features" in capsys.readouterr().out
    assert results(tmp_path / "run") == results(tmp_path / "fresh")


@pytest.mark.parametrize("content", ["truncated", "other"])
def test_an_unusable_state_is_named_with_a_way_out(random_features, tmp_path, content):
    train(tiny_config(), random_features, tmp_path, stop_after=6)
    path = tmp_path / "state.ckpt"
    if content == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match=r"state\.ckpt cannot be read .*; delete it to start this run anew"):
        train(tiny_config(), random_features, tmp_path)


def test_a_diverging_run_says_so(random_features, tmp_path):
    config = tiny_config(learning_rate=1e18, clip_norm=1e18)
    with pytest.raises(DataError, match=r"run tiny-s0: the loss is (nan|inf) at step 1; lower learning_rate"):
        train(config, random_features, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_features_that_do_not_fit_are_refused(random_features, tmp_path):
    config = tiny_config()
    with pytest.raises(ConfigError, match=r"run tiny-s0: batch_size 12 exceeds the pool of 11"):
        train(tiny_config(batch_size=12), random_features, tmp_path)
    wider = dataclasses.replace(config, audio=dataclasses.replace(config.audio, n_rows=32))
    with pytest.raises(
        ConfigError, match=r"features are \(16, 16\) \(rows, frames\), the configuration says \(32, 16\)"
    ):
        train(wider, random_features, tmp_path)


@pytest.mark.parametrize("name", ["train", "val"])
def test_missing_or_truncated_features_end_the_command_with_exit_code_1(
    random_features, tmp_path, monkeypatch, capsys, name
):
    for which in ("train", "val"):
        (tmp_path / f"{which}.safetensors").write_bytes((random_features / f"{which}.safetensors").read_bytes())
    path = tmp_path / f"{name}.safetensors"
    argv = ["train", "--config", json.dumps(to_dict(tiny_config())), "--features", tmp_path, "--out", tmp_path / "run"]
    monkeypatch.setattr(sys, "argv", list(map(str, argv)))
    for damage, words in (("cut", "cannot be read"), ("missing", "are missing")):
        path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:2000])
        with pytest.raises(SystemExit) as ended:
            run_main(training_loop.main)
        error = capsys.readouterr().err
        assert ended.value.code == 1
        assert error.startswith(f"DataError: features {path} {words}")
        assert "`make figures`" in error
        assert error.count("\n") == 1


def test_a_bad_configuration_ends_the_command(tmp_path, monkeypatch, capsys):
    config = to_dict(tiny_config()) | {"lambda": 1}
    argv = ["train", "--config", json.dumps(config), "--features", str(tmp_path), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit):
        run_main(training_loop.main)
    assert "ConfigError: --config: unknown key 'lambda'; known keys: " in capsys.readouterr().err


def test_a_killed_run_leaves_nothing_complete_and_ends_as_if_undisturbed(random_features, tmp_path):
    config = tiny_config(steps=200, validations=40)
    arguments = ["--config", json.dumps(to_dict(config)), "--features", random_features, "--out", tmp_path / "killed"]
    command = [sys.executable, "-m", "avsep_lib.train", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # as in this process: sums depend on the number of threads
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 60
    while not (tmp_path / "killed" / "state.ckpt").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not any((tmp_path / "killed" / name).exists() for name in (*FILES, "cost.json"))
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert "resuming at step " in printed
    train(config, random_features, tmp_path / "whole")
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


# --- features of a real project --------------------------------------------------------------------------------------


def test_stored_features_are_those_of_the_listed_mixtures(project):
    store, pool = ClipStore.open(project.data / "clips"), read_list(project.data / "mixtures", "pool")
    tensors = load_features(project.data / "features" / "train.safetensors")
    audio = HFRA.load(project.results / "runs" / "late-s0" / "model.safetensors").config.audio
    assert tensors["mixture"].shape == (12, 1, 32, 32)
    assert tensors["sources"].shape == (12, 2, 32, 32)
    assert tensors["teacher"].shape == (12, 512)
    assert tensors["images"].shape == (12, 2, 512)
    assert tensors["frames"].shape == (12, 2, 3, 32, 32)
    assert tensors["frames"].dtype == torch.uint8
    norms = tensors["teacher"].norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    rows = pool[pool.mixture_id == "p00007"]
    sources = torch.from_numpy(load_sources(store, rows, audio)) / 2
    magnitudes = training_loop.warp(training_loop.stft(sources, audio).abs(), audio)
    torch.testing.assert_close(tensors["sources"][7], magnitudes)


def test_validation_keeps_waveforms(project):
    tensors = load_features(project.data / "features" / "val.safetensors")
    n_samples = tensors["references"].shape[-1]
    torch.testing.assert_close(tensors["references"].sum(dim=1), tensors["waveform"][:, :n_samples])


def test_run_configurations_name_everything_a_run_depends_on():
    fields = {field.name for field in dataclasses.fields(RunConfig)}
    assert fields == {"run_id", "seed", "alignment", "audio", "model", "training", "method", "options"}


def test_adam_in_the_order_of_memory_is_adam() -> None:
    """The same to the bit as PyTorch's fused one, for weights of every layout, and its state looks the same."""
    results = []
    for cls in (torch.optim.Adam, Adam):
        torch.manual_seed(0)
        shapes = [(8, 6, 3, 3), (4, 1, 4, 4), (5, 7, 1, 1), (3, 4), (6,)]
        weights = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
        weights[0].data = weights[0].data.to(memory_format=torch.channels_last)
        optimizer = cls(weights, lr=1e-2, fused=True)
        for _ in range(3):
            for weight in weights:
                weight.grad = torch.randn_like(weight)
            optimizer.step()
        results.append((weights, optimizer.state_dict()["state"]))
    (expected, their_state), (found, our_state) = results
    for i, (a, b) in enumerate(zip(expected, found)):
        assert torch.equal(a, b)
        assert all(torch.equal(their_state[i][name], our_state[i][name]) for name in ("step", "exp_avg", "exp_avg_sq"))
