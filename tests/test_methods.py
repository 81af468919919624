"""The interface of methods, floors and ceilings, and checkpoints that cannot be used."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import method_tools
import numpy as np
import pytest
import torch
from conftest import tiny_config
from safetensors.torch import load_file, save_file

from avsep_lib.audio import mix
from avsep_lib.errors import ConfigError, DataError, WeightsError
from avsep_lib.files import canonical_json
from avsep_lib.methods.base import MASK_THRESHOLD, Query, query_values
from avsep_lib.methods.hfra import HFRA
from avsep_lib.methods.references import REFERENCES
from avsep_lib.metrics import si_sdr
from avsep_lib.models.separator import Separator, prepare_visual
from avsep_lib.settings import AudioSettings, to_dict

AUDIO = AudioSettings(sample_rate=8000, n_samples=8191, n_fft=512, hop_length=256, n_rows=32)


@pytest.fixture(scope="module")
def chords() -> tuple[np.ndarray, np.ndarray]:
    """A mixture (n_samples,) of two chords, low and high, and its sources (2, n_samples)."""
    time = torch.arange(AUDIO.n_samples) / AUDIO.sample_rate
    tones = [[220, 330, 440], [1300, 1700, 2100]]
    sources = torch.stack([sum(torch.sin(2 * torch.pi * f * time) for f in chord) / 3 for chord in tones])
    mixture, scaled = mix(sources)
    return mixture.numpy(), scaled.numpy()


def checkpoint(path: Path, **changes) -> Path:
    """An untrained but valid checkpoint."""
    config = tiny_config()
    torch.manual_seed(0)
    model = Separator(config.model)
    for parameter in model.parameters():  # so that queries matter before training
        torch.nn.init.normal_(parameter, std=0.3)
    metadata = {"config": canonical_json(to_dict(config) | changes)}
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path, metadata)
    return path


def image_queries(n: int = 2, size: int = 16) -> list[Query]:
    rng = np.random.default_rng(0)
    return [Query("image", rng.standard_normal(size).astype(np.float32)) for _ in range(n)]


def noise(n_samples: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.5, 0.5, n_samples).astype(np.float32)


QUICK = ("sgn", "label_sep", "mixit", "clipsep_nit", "pit", "mixpit", "resunet_decouple", "mp_net", "wave_u_net")


def test_loading_imports_no_compiler(tmp_path):
    """The network without memory, built first, once asked for normal values, and PyTorch imports its compiler for them.

    A second for each process that reads a checkpoint. Methods with a trunk of torchvision are not here: it does so itself.
    """
    paths = [checkpoint(tmp_path / "hfra.safetensors")]
    for name in QUICK:
        net = method_tools.network(name)
        metadata = {"config": canonical_json(to_dict(net.config) | {"classes": list(method_tools.CLASSES)})}
        paths.append(tmp_path / f"{name}.safetensors")
        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, paths[-1], metadata)
    lines = [
        "import sys",
        "from avsep_lib.methods.registry import load_method",
        "for path in sys.argv[1:]:",
        "    load_method(path)",
        "    assert 'torch._dynamo' not in sys.modules, path",
    ]
    command = [sys.executable, "-c", "\n".join(lines), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- references ------------------------------------------------------------------------------------------------------


def truth(sources: np.ndarray) -> list[Query]:
    return [Query("audio", source) for source in sources]


@pytest.mark.parametrize("mask", ["soft", "binary"])
def test_the_floor_is_the_mixture_with_either_mask(chords, mask):
    mixture, sources = chords
    estimates = REFERENCES["mixture"](AUDIO).separate(mixture[None], truth(sources), mask=mask)
    assert estimates.shape == (2, 1, AUDIO.n_output)
    np.testing.assert_allclose(estimates[:, 0], np.stack([mixture[: AUDIO.n_output]] * 2), atol=1e-5)


@pytest.mark.parametrize("mask", ["soft", "binary"])
@pytest.mark.parametrize("name", ["ideal_binary", "ideal_ratio"])
def test_ceilings_are_well_above_the_floor(chords, name, mask):
    mixture, sources = chords
    references = sources[:, : AUDIO.n_output]
    estimates = REFERENCES[name](AUDIO).separate(mixture[None], truth(sources), mask=mask)[:, 0]
    floor = si_sdr(references, np.stack([mixture[: AUDIO.n_output]] * 2))
    assert (si_sdr(references, estimates) > floor + 8).all()


def test_channels_are_separated_one_by_one(chords):
    mixture, sources = chords
    method = REFERENCES["ideal_ratio"](AUDIO)
    both = method.separate(np.stack([mixture, mixture / 2]), truth(sources))
    assert both.shape == (2, 2, AUDIO.n_output)
    np.testing.assert_array_equal(both[:, 0], method.separate(mixture[None], truth(sources))[:, 0])


def test_a_mixture_of_another_shape_is_refused(chords):
    mixture, sources = chords
    method = REFERENCES["mixture"](AUDIO)
    with pytest.raises(DataError, match=r"expected a mixture \(channels, samples\), got shape \(8191,\)"):
        method.separate(mixture, truth(sources))
    with pytest.raises(DataError, match="expected 8191 samples"):
        method.separate(mixture[None, :-1], truth(sources))


def test_a_query_of_another_kind_is_named(chords):
    mixture, sources = chords
    queries = [Query("audio", sources[0]), Query("text", "a flute")]
    with pytest.raises(DataError, match=r"IdealRatioMask: query 1 is of kind 'text'; this method understands 'audio'"):
        REFERENCES["ideal_ratio"](AUDIO).separate(mixture[None], queries)
    assert query_values(queries[:1], "audio", "x") == [queries[0].value]


def test_the_threshold_is_the_lineages():
    assert MASK_THRESHOLD == {"soft": None, "binary": 0.5}


# --- trained runs ----------------------------------------------------------------------------------------------------


def test_a_checkpoint_separates_and_swapped_queries_swap_the_estimates(tmp_path):
    method = HFRA.load(checkpoint(tmp_path / "m.safetensors"))
    mixture, queries = noise(2047), image_queries()
    estimates = method.separate(mixture[None], queries)
    assert estimates.shape == (2, 1, method.audio.n_output)
    swapped = method.separate(mixture[None], queries[::-1])
    np.testing.assert_allclose(swapped, estimates[::-1], atol=1e-6)
    assert np.abs(estimates[0] - estimates[1]).max() > 1e-3
    np.testing.assert_array_equal(method.separate(mixture[None], queries), estimates)  # nothing random, no state


def test_one_three_and_more_sources_are_separated_independently(tmp_path):
    method = HFRA.load(checkpoint(tmp_path / "m.safetensors"))
    mixture, queries = noise(2047), image_queries(3)
    together = method.separate(mixture[None], queries)
    alone = np.concatenate([method.separate(mixture[None], [query]) for query in queries])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_run_that_hears_through_the_teacher_needs_it(tmp_path):
    path = checkpoint(tmp_path / "m.safetensors", model=to_dict(replace(tiny_config().model, bottleneck="teacher")))
    with pytest.raises(WeightsError, match="load it with that encoder"):
        HFRA.load(path)

    class Teacher:
        heard = None

        def encode(self, waveforms, sample_rate):
            Teacher.heard = waveforms
            return np.full((len(waveforms), 16), waveforms.std(), np.float32)

    method = HFRA.load(path, Teacher())
    mixture = noise(2047)
    method.separate(mixture[None], image_queries())
    np.testing.assert_allclose(Teacher.heard[0], mixture[: method.audio.n_output], atol=1e-5)  # the mixture itself


def test_uint8_frames_become_unit_values_and_embeddings_stay(tmp_path):
    frames = torch.tensor([0, 51, 255], dtype=torch.uint8)
    torch.testing.assert_close(prepare_visual(frames), torch.tensor([0.0, 0.2, 1.0]))
    embeddings = torch.tensor([3.0, -2.0])
    assert prepare_visual(embeddings) is embeddings


@pytest.mark.parametrize("size", [15, 512])
def test_an_embedding_of_another_size_is_refused(tmp_path, size):
    method = HFRA.load(checkpoint(tmp_path / "m.safetensors"))
    with pytest.raises(DataError, match=rf"HFRA: query of shape \({size},\); this run was trained on \(16,\)"):
        method.separate(noise(2047)[None], image_queries(2, size))


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.safetensors is missing; `make figures` trains it"):
        HFRA.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_checkpoint_is_named(tmp_path, kept):
    path = checkpoint(tmp_path / "m.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(WeightsError, match=r"m\.safetensors cannot be read .*; delete it and train again"):
        HFRA.load(path)


def test_a_foreign_or_unfitting_checkpoint_is_named(tmp_path):
    path = checkpoint(tmp_path / "m.safetensors")
    tensors = load_file(path)
    save_file(tensors, tmp_path / "bare.safetensors")
    with pytest.raises(WeightsError, match=r"holds no configuration; it was not written by avsep_lib\.train"):
        HFRA.load(tmp_path / "bare.safetensors")
    save_file(
        {k: v for k, v in tensors.items() if k != "scale"}, path, {"config": canonical_json(to_dict(tiny_config()))}
    )
    with pytest.raises(WeightsError, match="does not fit its own configuration"):
        HFRA.load(path)


def test_a_checkpoint_with_an_unknown_setting_is_named(tmp_path):
    path = checkpoint(tmp_path / "m.safetensors", warmth=3)
    with pytest.raises(ConfigError, match=r"m\.safetensors \(configuration\): unknown key 'warmth'"):
        HFRA.load(path)
    save_file(load_file(path), path, {"config": json.dumps(to_dict(tiny_config()))[:40]})
    with pytest.raises(WeightsError, match=r"m\.safetensors: its configuration is no JSON"):
        HFRA.load(path)
