"""Pretrained weights: full-size files, randomly initialised, in every accepted format; and everything that is refused."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from conftest import write_project
from safetensors.torch import load_file, save_file

from avsep_lib.command import parse
from avsep_lib.encoders import load_audio_encoder, load_image_encoder
from avsep_lib.encoders.check import check_audio, check_image
from avsep_lib.encoders.clap_text import TextTower
from avsep_lib.encoders.files import located, read_header
from avsep_lib.encoders.kinds import clap_model, layout_of, recognise, select
from avsep_lib.encoders.pretrained import backbone_file, clip_in
from avsep_lib.encoders.roberta import KNOWN, VOCABULARY, load_tokenizer
from avsep_lib.encoders.settings import CLAP_FRONT_END, AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.encoders.shapes import HTSAT, clap_shapes, clap_text_shapes, clip_shapes, resnet18_shapes
from avsep_lib.encoders.towers import clap_config, clap_tower, htsat_module
from avsep_lib.encoders.unpickle import chosen
from avsep_lib.encoders.waveforms import fill, resample
from avsep_lib.encoders.weights import content_key, save_weights
from avsep_lib.errors import ConfigError, WeightsError
from avsep_lib.files import sha256_file
from avsep_lib.models.visual import DilatedResNet18, load_trunk
from avsep_lib.paths import project_root
from avsep_lib.settings import from_dict

CLIP_CONFIG = {"embed_dim": 512, "quick_gelu": True, "vision_cfg": {"patch_size": 32}, "text_cfg": {"width": 512}}
N = 480_000


def shapes_of(module: torch.nn.Module, prefix: str = "") -> dict:
    return {prefix + name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def image_encoder(place: Path | str, **more):
    return load_image_encoder(ImageEncoderSettings(kind="clip", weights=str(place), **more), "unused")


def audio_encoder(place: Path | str, **more):
    return load_audio_encoder(AudioEncoderSettings(kind="clap", weights=str(place), **more), "unused")


def weights(*words: object) -> None:
    """Run ``avsep weights ...`` in this process."""
    arguments = parse(["weights", *map(str, words)])
    arguments.run(arguments)


def link(target: Path, path: Path) -> Path:
    """A file under another name, at no cost; the hub's cache is made of such links."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


def convert(file: Path, kind: str, out: Path, *more: str) -> None:
    weights("convert", file, "--kind", kind, "--out", out, "--trust-pickle", "--sha256", sha256_file(file), *more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    """Two gigabytes at most, and gone at the end."""
    made = tmp_path_factory.mktemp("weights")
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def clip(folder: Path):
    """Path and model of a random CLIP ViT-B/32."""
    import open_clip

    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32-quickgelu").eval()
    save_weights(folder / "clip.safetensors", model)
    return folder / "clip.safetensors", model


@pytest.fixture(scope="module")
def clap(folder: Path):
    """Path and model of a random HTS-AT tiny with its projection."""
    torch.manual_seed(1)
    tower = clap_tower("HTSAT-tiny").eval()
    save_weights(folder / "clap.safetensors", tower)
    return folder / "clap.safetensors", tower


@pytest.fixture(scope="module")
def whole_clap(folder: Path, clap):
    """A whole CLAP from a checkpoint like LAION's (pickle protocol 4, ``module.``), converted; and its text tower."""
    torch.manual_seed(2)
    text = TextTower().eval()
    state = clap[1].state_dict() | text.state_dict()
    state |= {f"{side}_transform.sequential.0.weight": torch.zeros(512, 512) for side in ("audio", "text")}
    state |= {"logit_scale_a": torch.tensor(2.6), "logit_scale_t": torch.tensor(2.6)}
    state["text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    content = {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}
    pickled = folder / "630k-audioset-best.pt"
    torch.save(content, pickled, pickle_protocol=4)
    del content, state
    convert(pickled, "clap", folder / "whole.safetensors", "--text")
    pickled.unlink()
    return folder / "whole.safetensors", text


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vocabulary of RoBERTa's size that spells the known sentences alike (the real one is not at hand)."""
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def write_tokenizer(place: Path, size: int = VOCABULARY, world: int = 232) -> Path:
    words = {"Hello": 31414, "Ġworld": world, "ĠHello": 20920, "!": 328, "Ġc": 740, "Ã©": 1140, "cÃ©": 12695}
    words |= {"Ġher": 69, "lolip": 46078, "Ġ418": 1588}
    merges: list[str] = []
    for word in words:
        parts = {"cÃ©": ["c", "Ã©"], "ĠHello": ["Ġ", "Hello"]}.get(word, list(word))
        while len(parts) > 1:
            merges.append(f"{parts[0]} {parts[1]}")
            parts = [parts[0] + parts[1], *parts[2:]]
    merges = list(dict.fromkeys(merges))
    pieces = {piece for merge in merges for piece in (*merge.split(), merge.replace(" ", ""))} - set(words)
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, **words}
    free = (i for i in range(3, size) if i not in set(words.values()))
    vocabulary |= {piece: next(free) for piece in sorted(pieces)}
    vocabulary |= {f"unused{i}": i for i in free}
    place.mkdir(exist_ok=True)
    (place / "vocab.json").write_text(json.dumps(vocabulary))
    (place / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    return place


# --- the lists of tensors ----------------------------------------------------------------------------------------------


def test_listed_shapes_are_those_of_the_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    import open_clip

    # Shapes need no random numbers, of which there would be 600 million.
    monkeypatch.setattr(htsat_module(), "trunc_normal_", lambda tensor, **_: tensor)
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", lambda self: None)

    with torch.device("meta"):
        assert clip_shapes() == shapes_of(open_clip.CLIP(**open_clip.get_model_config("ViT-B-32-quickgelu")))
        assert clap_text_shapes() == shapes_of(TextTower())
    for model in HTSAT:
        tower = clap_tower(model)
        assert clap_shapes(model) == shapes_of(tower)
        assert clap_model(shapes_of(tower)) == model
    plain = shapes_of(torchvision.models.resnet18())
    assert resnet18_shapes() == {name: shape for name, shape in plain.items() if not name.startswith("fc.")}


# --- CLIP --------------------------------------------------------------------------------------------------------------


def test_clip_from_a_file_a_folder_and_the_hub_cache_is_the_original(clip, folder: Path) -> None:
    path, model = clip
    frames = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    mean, std = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    images = torch.from_numpy(((frames / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32))
    with torch.inference_mode():
        expected = model.encode_image(images).numpy()
    saved = folder / "open_clip"
    link(path, saved / "open_clip_model.safetensors")
    (saved / "open_clip_config.json").write_text(json.dumps({"model_cfg": CLIP_CONFIG}))
    cache = folder / "models--timm--clip"
    link(path, cache / "snapshots" / "abc" / "open_clip_model.safetensors")
    shutil.copy(saved / "open_clip_config.json", cache / "snapshots" / "abc")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    encoders = [image_encoder(place) for place in (path, cache)]
    for encoder in encoders:
        np.testing.assert_allclose(encoder.encode(frames), expected, atol=1e-5)
    assert encoders[0].key == encoders[1].key, "the same weights have the same key wherever they lie"
    for place in (saved, cache, cache / "snapshots" / "abc"):
        assert clip_in(place, "").path.resolve() == path


def test_clip_folder_of_the_plain_gelu_is_refused(clip, tmp_path: Path) -> None:
    link(clip[0], tmp_path / "open_clip_model.safetensors")
    for config, words in (
        (CLIP_CONFIG | {"quick_gelu": False}, "plain GELU .* ViT-B-32-quickgelu"),
        ({k: v for k, v in CLIP_CONFIG.items() if k != "quick_gelu"}, "plain GELU"),
        (CLIP_CONFIG | {"embed_dim": 768}, "768-d embeddings"),
        ([], "no configuration of open_clip"),
    ):
        (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
        with pytest.raises(WeightsError, match=words):
            check_image(ImageEncoderSettings(kind="clip", weights=str(tmp_path)), online=False)


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_clip_from_openais_torchscript_archive(clip, folder: Path, capsys) -> None:
    archive, out = folder / "ViT-B-32.pt", folder / "converted.safetensors"
    state = clip[1].state_dict()
    torch.jit.save(torch.jit.script(nested({k: v.half() for k, v in state.items()})), archive)
    convert(archive, "clip", out)
    archive.unlink()
    printed = capsys.readouterr().out
    assert "torch.jit.load" in printed
    assert sha256_file(out) in printed
    written = load_file(out)
    half = {name for name, tensor in written.items() if torch.equal(tensor, state[name].half().float())}
    assert half == set(state)
    assert {tensor.dtype for tensor in written.values()} == {torch.float32}
    out.unlink()


def nested(state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """A module whose state has these names, and OpenAI's three numbers besides."""

    class Archive(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    root = Archive()
    for name, tensor in state.items():
        *path, last = name.split(".")
        module = root
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, torch.nn.Module())
            module = getattr(module, part)
        module.register_parameter(last, torch.nn.Parameter(tensor, requires_grad=False))
    for name, value in {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}.items():
        root.register_buffer(name, torch.tensor(value))
    return root


# --- CLAP --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def waves() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((1, 60_000)).astype(np.float32) * 0.1


def heard(tower: torch.nn.Module, waveform: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return tower(torch.from_numpy(waveform[None])).numpy()


def test_clap_from_a_file_and_a_folder_is_the_original_in_every_padding(clap, tmp_path: Path, waves) -> None:
    path, tower = clap
    link(path, tmp_path / "clap" / "clap.safetensors")
    long = resample(waves[0], 11_625, 48_000)
    zeros = N - len(long)
    wanted = {"repeat": np.concatenate([long, long[:zeros]]), "repeatpad": np.pad(long, (0, zeros))}
    wanted["pad"] = wanted["repeatpad"]  # one whole copy fits
    keys = {}
    for padding, waveform in wanted.items():
        encoder = audio_encoder(tmp_path / "clap" if padding == "pad" else path, padding=padding)
        np.testing.assert_allclose(encoder.encode(waves, 11_625), heard(tower, waveform), atol=1e-6)
        assert not hasattr(encoder, "encode_text")
        keys[padding] = encoder.key
    assert len(set(keys.values())) == 3, "the padding is part of the content key"


def test_whole_clap_with_a_prefix_gives_its_audio_tower(clap, folder: Path, waves) -> None:
    path, tower = clap
    extra = {"logit_scale_a": torch.tensor(1.0), "audio_transform.sequential.0.weight": torch.zeros(2, 2)}
    state = tower.state_dict() | extra | {"text_projection.0.weight": torch.zeros(512, 512)}
    prefixed = folder / "prefixed.safetensors"
    save_file({f"module.{name}": tensor.contiguous() for name, tensor in state.items()}, prefixed)
    short = waves[:, :30_000]
    np.testing.assert_array_equal(audio_encoder(prefixed).encode(short, 8000), audio_encoder(path).encode(short, 8000))
    selection = select(read_header(prefixed, "")[0], layout_of("clap"), prefixed, "")
    assert selection.left_out == tuple(sorted([*extra, "text_projection.0.weight"]))
    state["audio_branch.surprise"] = torch.zeros(1)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, prefixed)
    with pytest.raises(WeightsError, match=r"unknown is audio_branch\.surprise"):
        audio_encoder(prefixed)
    prefixed.unlink()


def test_clap_of_another_size_is_named(clap) -> None:
    with pytest.raises(WeightsError, match=r"fits HTSAT-tiny, and encoders\.audio\.model is HTSAT-base"):
        audio_encoder(clap[0], model="HTSAT-base")
    fusion = clap_shapes("HTSAT-tiny") | {"audio_branch.patch_embed.mel_conv2d.weight": (96, 1, 4, 12)}
    with pytest.raises(WeightsError, match="feature fusion"):
        select(fusion, layout_of("clap"), "630k-fusion-best.safetensors", "")


def test_clap_with_its_text_tower(whole_clap, clap, tokenizer: Path, waves) -> None:
    path, text = whole_clap
    encoder = audio_encoder(path, tokenizer=str(tokenizer))
    sentences = ["Hello world", "Hello world! cécé herlolip 418"]
    ids = torch.ones(2, 77, dtype=torch.long)
    for row, sentence in zip(ids, sentences):
        row[: len(KNOWN[sentence])] = torch.tensor(KNOWN[sentence])
    with torch.inference_mode():
        pooled = text.text_branch(input_ids=ids, attention_mask=(ids != 1).long()).pooler_output
        expected = torch.nn.functional.normalize(text.text_projection(pooled), dim=-1).numpy()
    np.testing.assert_allclose(encoder.encode_text(sentences), expected, atol=1e-5)
    np.testing.assert_array_equal(
        encoder.encode(waves[:, :20_000], 8000), audio_encoder(clap[0]).encode(waves[:, :20_000], 8000)
    )
    with pytest.raises(WeightsError, match=r"CLAP's text tower is needed .* --text"):
        audio_encoder(clap[0], tokenizer=str(tokenizer))


def test_tokenizer_must_be_robertas(tokenizer: Path, tmp_path: Path) -> None:
    assert load_tokenizer(tokenizer).encode(" Hello world").ids[:4] == KNOWN[" Hello world"]
    load_tokenizer(tokenizer).save(str(tmp_path / "tokenizer.json"))
    assert load_tokenizer(tmp_path).encode("Hello world").ids[:4] == KNOWN["Hello world"]
    for place, words in (
        (write_tokenizer(tmp_path / "small", size=50_000), "knows 50,000 tokens, RoBERTa's 50,265"),
        (
            write_tokenizer(tmp_path / "other", world=231),
            r"is not RoBERTa's: it turns 'Hello world' into \[0, 31414, 231, 2\]",
        ),
        (tmp_path / "none", "holds neither vocab.json and merges.txt nor tokenizer.json"),
    ):
        with pytest.raises(WeightsError, match=f"{words}.*Fetch vocab.json"):
            load_tokenizer(place)
    (tmp_path / "small" / "vocab.json").write_text("{")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_tokenizer(tmp_path / "small")


def test_what_clap_hears() -> None:
    """The facts of the docstring: front end of the checkpoints, empty bands, and the effect of 16 bits."""
    import librosa

    for model in HTSAT:
        config = clap_config(model)["audio_cfg"]
        assert (config["window_size"], config["hop_size"], config["mel_bins"], config["clip_samples"]) == (
            1024,
            480,
            64,
            N,
        )
        assert (config["sample_rate"], (config["fmin"], config["fmax"])) == tuple(CLAP_FRONT_END.values())
    torch.manual_seed(0)
    tower = clap_tower("HTSAT-tiny").eval()
    slaney = librosa.filters.mel(sr=48_000, n_fft=1024, n_mels=64, fmin=50, fmax=14_000)
    np.testing.assert_allclose(tower.state_dict()["audio_branch.logmel_extractor.melW"].numpy(), slaney.T, atol=1e-7)
    centres = librosa.mel_frequencies(66, fmin=50, fmax=14_000)[1:-1]
    assert [(centres > rate / 2).sum() for rate in (11_625, 11_025, 16_000)] == [15, 16, 10]
    waveform = (np.random.default_rng(0).standard_normal(N) * 0.1).clip(-1, 1).astype(np.float32)
    rounded = ((waveform * 32767).astype(np.int16) / 32767).astype(np.float32)
    assert np.abs(heard(tower, waveform) - heard(tower, rounded)).max() < 1e-4


@pytest.mark.parametrize(
    ("seconds", "zeros"), [(3.0, 48_000), (4.99, 960), (5.0, 0), (5.01, 239_520), (65_535 / 11_625, 209_404), (10.0, 0)]
)
def test_zeros_of_repeatpad(seconds: float, zeros: int) -> None:
    clip = np.ones(round(seconds * 48_000), np.float32)
    assert (fill(clip, N, "repeatpad") == 0).sum() == zeros
    assert (fill(clip, N, "pad") == 0).sum() == N - len(clip)
    assert (fill(clip, N, "repeat") == 0).sum() == 0
    assert len(resample(np.ones(65_535, np.float32), 11_625, 48_000)) == 270_596  # what 209,404 rests on


def test_padding_keeps_the_order_of_the_samples() -> None:
    ramp = np.arange(1, 8, dtype=np.float32)
    assert list(fill(ramp, 17, "repeatpad")) == [*ramp, *ramp, 0, 0, 0]
    assert list(fill(ramp, 17, "pad")) == [*ramp, *[0] * 10]
    assert list(fill(ramp, 17)) == [*ramp, *ramp, 1, 2, 3]
    for padding in ("repeat", "repeatpad", "pad"):
        assert list(fill(ramp, 3, padding)) == [3, 4, 5], "the middle of a longer clip"


# --- ResNet-18 ---------------------------------------------------------------------------------------------------------


def test_resnet18_from_torchvisions_pickle(tmp_path: Path, capsys) -> None:
    torch.manual_seed(0)
    resnet = torchvision.models.resnet18().eval()
    state = resnet.state_dict()
    torch.save(without_counters(state), tmp_path / "resnet18-f37072fd.pth")
    convert(tmp_path / "resnet18-f37072fd.pth", "resnet18", tmp_path / "old.safetensors")
    assert "restricted unpickler" in (printed := capsys.readouterr().out)
    assert "not used: fc.bias and 1 more" in printed
    save_file(state, tmp_path / "new.safetensors")
    frames, stages = torch.rand(1, 3, 64, 64), torch.nn.Sequential(*list(resnet.children())[:7])
    for name in ("old", "new"):
        network = DilatedResNet18(4).eval()
        head = network.head.weight.clone()
        left_out = load_trunk(network, str(tmp_path / f"{name}.safetensors"))
        assert left_out == (("fc.bias", "fc.weight") if name == "new" else ())
        assert torch.equal(network.head.weight, head)
        with torch.inference_mode():  # up to layer3, before the dilation
            assert torch.equal(network.features[:7](frames), stages(frames))


def without_counters(state: dict) -> dict:
    """As torchvision's published file is."""
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def test_resnet18_is_loaded_strictly(tmp_path: Path) -> None:
    state = torchvision.models.resnet18().state_dict()
    save_file({k: v for k, v in state.items() if k != "bn1.weight"}, tmp_path / "less.safetensors")
    save_file(torchvision.models.resnet34().state_dict(), tmp_path / "resnet34.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "less.safetensors").read_bytes()[:-7])
    for load in (lambda place: load_trunk(DilatedResNet18(2), place), backbone_file):
        for name, words in (
            ("less", r"bn1\.weight"), ("resnet34", r"layer1\.2|another ResNet"), ("cut", "truncated"), ("none", "missing")
        ):  # fmt: skip
            with pytest.raises(WeightsError, match=words):
                load(str(tmp_path / f"{name}.safetensors"))


def test_imagenet_by_tag_needs_an_open_hub() -> None:
    with pytest.raises(WeightsError, match="the profile is offline"):
        load_trunk(DilatedResNet18(2), "imagenet")


# --- wrong files, one message each -------------------------------------------------------------------------------------


def broken(damage: str, good: Path, place: Path) -> Path:
    path = place / f"{damage}.safetensors"
    if damage == "truncated":
        with good.open("rb") as stream:
            path.write_bytes(stream.read(1_000_000))
    elif damage == "no header":
        path.write_bytes(b"\xff" * 100)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "another model":
        save_file({"layer.weight": torch.zeros(2, 2)}, path)
    elif damage == "transformers":
        save_file({"text_model.embeddings.token_embedding.weight": torch.zeros(2, 2)}, path)
    elif damage == "folder":
        path.mkdir()
    elif damage == "dangling":
        path.symlink_to(place / "nowhere")
    return path


WORDS = {
    "truncated": "truncated: the last .* bytes are missing",
    "no header": "truncated or not a safetensors file",
    "empty": "truncated or not a safetensors file",
    "another model": "of no known kind .1 tensors, the first is 'layer.weight'",
    "transformers": "CLIP in the naming of transformers",
    "folder": "is a folder without",
    "dangling": "is missing",
    "missing": "is missing",
}


@pytest.mark.parametrize("modality", ["image", "audio"])
@pytest.mark.parametrize("damage", WORDS)
def test_wrong_files_are_found_by_loader_and_early_check_alike(
    clip, clap, tmp_path: Path, damage: str, modality: str
) -> None:
    path = broken(damage, {"image": clip, "audio": clap}[modality][0], tmp_path)
    if modality == "image":
        settings = ImageEncoderSettings(kind="clip", weights=str(path))
        acts = (lambda: load_image_encoder(settings, tmp_path), lambda: check_image(settings, online=True))
    else:
        settings = AudioEncoderSettings(kind="clap", weights=str(path))
        acts = (lambda: load_audio_encoder(settings, tmp_path), lambda: check_audio(settings))
    for act in acts:
        with pytest.raises(
            WeightsError, match=f"{WORDS[damage]}.*Fetch .*{path}.* encoders.{modality}.weights"
        ) as caught:
            act()
        assert "\n" not in str(caught.value)


def test_a_changed_file_is_refused_and_the_right_hash_accepted(clap, tmp_path: Path) -> None:
    digest = sha256_file(clap[0])
    audio_encoder(clap[0], sha256=digest.upper())
    with pytest.raises(WeightsError, match=f"has the SHA-256 {digest}, and encoders.audio.sha256 says {'0' * 64}"):
        audio_encoder(clap[0], sha256="0" * 64)
    state = load_file(clap[0])
    state["audio_projection.0.bias"][3] = float("nan")
    save_file(state, tmp_path / "nan.safetensors")
    with pytest.raises(WeightsError, match=r"audio_projection\.0\.bias holds NaN"):
        audio_encoder(tmp_path / "nan.safetensors")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rate": 44_100}, "rate = 44100"),
        ({"band": [0, 24_000]}, "band"),
        ({"padding": "zeros"}, "'zeros'"),
        ({"sha256": "ab"}, "64 hexadecimal"),
    ],
)
def test_settings_that_no_checkpoint_fits(values: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        from_dict(AudioEncoderSettings, {"kind": "clap"} | values)


def test_relative_places_start_at_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/someone")
    assert located("weights/a.safetensors") == tmp_path / "weights" / "a.safetensors"
    assert located(tmp_path / "b") == tmp_path / "b"
    assert located("~/c") == Path("/home/someone/c")


def test_files_of_other_models_are_recognised() -> None:
    def other(name: str, *shape: int) -> str:
        return recognise({f"module.{name}": shape})

    assert "PANN" in other("audio_branch.conv_block1.conv1.weight", 64, 1, 3, 3)
    assert "patches of 14 pixels" in other("visual.conv1.weight", 1024, 3, 14, 14)
    assert "another ResNet" in recognise({"layer4.0.conv1.weight": (1,), "layer1.0.conv3.weight": (1,)})
    assert "CLAP in the naming of transformers" in other("audio_model.audio_encoder.patch_embed.proj.weight", 1)
    assert "HTSAT-base" in other("audio_branch.patch_embed.proj.weight", 128, 1, 4, 4)


# --- pickles -----------------------------------------------------------------------------------------------------------


class Intruder:
    """Writes who opened it, and what that process knows."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        code = f"import os, json; open({str(self.path)!r}, 'w').write(json.dumps([os.getpid(), dict(os.environ)]))"
        return exec, (code,)


class Leaver:
    """Ends the process that opens it as if all were well."""

    def __reduce__(self):
        return sys.exit, (0,)


def test_a_pickle_is_opened_only_when_trusted_and_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")
    file, seen, out = tmp_path / "found.pt", tmp_path / "seen.json", tmp_path / "out.safetensors"
    torch.save(Intruder(seen), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    options = ["convert", file, "--kind", "clap", "--out", out]
    for more in ([], ["--sha256", digest], ["--trust-pickle"], ["--trust-pickle", "--sha256", "0" * 64]):
        with pytest.raises(WeightsError, match=digest):
            weights(*options, *more)
        with pytest.raises(WeightsError):
            weights("check", file)
        with pytest.raises(WeightsError):
            audio_encoder(file)
        assert not seen.exists()
    with pytest.raises(WeightsError, match="holds no tensors by name"):
        weights(*options, "--trust-pickle", "--sha256", digest)
    process, environment = json.loads(seen.read_text())
    assert process != os.getpid()
    assert "SOME_TOKEN" not in environment
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert not list(tmp_path.glob("*.safetensors")), "nothing half-written is left"
    with pytest.raises(WeightsError, match=r"cannot be written \(File exists\); choose another --out"):
        convert(file, "clap", file / "out.safetensors")
    torch.save(Leaver(), file)
    with pytest.raises(WeightsError, match="could not be converted: exit code 0"):
        convert(file, "clap", out)


def test_laions_numbers_pass_the_restricted_unpickler(clap, folder: Path, capsys) -> None:
    state = {f"module.{k}": v for k, v in clap[1].state_dict().items()}
    file, out = folder / "laion.pt", folder / "laion.safetensors"
    torch.save({"state_dict": state, "epoch": 4, "best": np.float64(0.5)}, file, pickle_protocol=2)
    convert(file, "clap", out)
    assert "restricted unpickler" in capsys.readouterr().out
    assert all(torch.equal(tensor, state[f"module.{name}"]) for name, tensor in load_file(out).items())
    weights("check", out, "--kind", "clap")
    printed = capsys.readouterr().out
    assert "CLAP's audio tower HTSAT-tiny" in printed
    assert f"converted from laion.pt, SHA-256 {sha256_file(file)}" in printed
    with pytest.raises(WeightsError, match="torchvision's ResNet-18 is needed"):
        weights("check", out, "--kind", "resnet18")
    with file.open("r+b") as stream:
        stream.truncate(5000)
    with pytest.raises(WeightsError, match="truncated or no checkpoint"):
        convert(file, "clap", folder / "again.safetensors")
    assert not (folder / "again.safetensors").exists()
    for path in (file, out):
        path.unlink()


def test_what_a_conversion_says_of_another_kind(tmp_path: Path) -> None:
    tensors = {name: torch.zeros(shape) for name, shape in resnet18_shapes().items()}
    with pytest.raises(WeightsError, match="it is torchvision's ResNet-18, and CLIP ViT-B/32"):
        chosen(tensors, "clip", False, tmp_path / "a.pth")
    (tmp_path / "a.safetensors").write_bytes(b"")
    for words, message in (
        (["convert", tmp_path / "a.safetensors", "--kind", "clip", "--out", tmp_path / "b.safetensors"], "already"),
        (["convert", tmp_path / "none.pt", "--kind", "clip", "--out", tmp_path / "b.safetensors"], "is missing"),
        (["convert", tmp_path / "none.pt", "--kind", "clip", "--out", tmp_path / "b.pt"], "must end in .safetensors"),
        (
            ["convert", tmp_path / "none.pt", "--kind", "clip", "--out", tmp_path / "b.safetensors", "--text"],
            "for --kind clap",
        ),
    ):
        with pytest.raises(WeightsError, match=message):
            weights(*words)


def test_only_one_module_unpickles_and_only_convert_starts_it() -> None:
    root = project_root()
    sources = [
        *root.glob("avsep_lib/**/*.py"),
        *root.glob("workflow/**/*"),
        *root.glob("notebooks/*.ipynb"),
        *root.glob("tools/*.py"),
    ]
    texts = {path.relative_to(root): path.read_text() for path in sources if path.is_file() and path.suffix != ".pyc"}
    risky = re.compile(
        r"weights_only\s*=\s*False|^\s*(import|from) (pickle|joblib|dill)\b|torch\.jit\.load\(|allow_pickle\s*=\s*True|read_pickle",
        re.M,
    )
    assert [str(p) for p, text in texts.items() if risky.search(text)] == ["avsep_lib/encoders/unpickle.py"]
    unsafe = [str(p) for p, text in texts.items() if p.suffix == ".py" and unsafe_loads(text)]
    assert unsafe == ["avsep_lib/encoders/unpickle.py"]
    starts = {str(p) for p, text in texts.items() if re.search(r"encoders[./]unpickle", text)}
    assert starts == {"avsep_lib/encoders/convert.py", "avsep_lib/encoders/unpickle.py"} - {
        "avsep_lib/encoders/unpickle.py"
    }
    calls = {str(p) for p, text in texts.items() if re.search(r"encoders[./]convert|weights convert", text)}
    assert not [p for p in calls if p.startswith(("workflow", "notebooks"))]


def unsafe_loads(text: str) -> bool:
    """Calls of ``torch.load`` without ``weights_only=True``."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            named = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if named.get("weights_only") != "True":
                return True
    return False


# --- before the first job ----------------------------------------------------------------------------------------------


def checked(root: Path, **environment: str) -> tuple[subprocess.CompletedProcess, float]:
    command = [sys.executable, "-m", "avsep_lib.encoders.check", "--profile", "toy"]
    started = time.perf_counter()
    given = os.environ | {"AVSEP_ROOT": str(root)} | environment
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)
    return done, time.perf_counter() - started


def write_profile(root: Path, image: dict, audio: dict, **more) -> None:
    write_project(root, encoders={"image": image, "audio": audio | {"n_samples": 16383}}, **more)


def test_missing_weights_are_one_message_before_the_first_job(tmp_path: Path) -> None:
    write_profile(tmp_path, {"kind": "clip", "weights": "weights/a.safetensors"}, {"kind": "clap"})
    done, _ = checked(tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("WeightsError: profile 'toy' cannot start.\n- ")
    assert f"{tmp_path / 'weights' / 'a.safetensors'} is missing. Fetch open_clip_model.safetensors" in done.stderr
    assert done.stderr.count("Fetch 630k-audioset-best.pt") == 1
    assert "Traceback" not in done.stderr


def test_an_unreachable_hub_is_one_message_within_seconds(tmp_path: Path) -> None:
    write_profile(tmp_path, {"kind": "clip"}, {"kind": "mini"}, hub="online")
    closed = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    done, seconds = checked(tmp_path, **closed)
    assert done.returncode == 1
    assert "could not be fetched ([Errno 111] Connection refused). Fetch open_clip_model.safetensors" in done.stderr
    assert done.stderr.count("\n") == 2
    assert seconds < 20  # its client alone takes 23 s for each name it tries


def test_a_file_of_the_hubs_cache_is_used_without_asking(clip, tmp_path: Path) -> None:
    cache = tmp_path / "hub" / "models--timm--vit_base_patch32_clip_224.openai"
    link(clip[0], cache / "snapshots" / ("a" * 40) / "open_clip_model.safetensors")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("a" * 40)
    write_profile(tmp_path, {"kind": "clip"}, {"kind": "mini"}, hub="online")
    done, _ = checked(tmp_path, HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "in place" in done.stdout
    code = (
        "from avsep_lib.encoders import load_image_encoder; from avsep_lib.encoders.settings import ImageEncoderSettings;"
        "print(load_image_encoder(ImageEncoderSettings(kind='clip'), 'unused').key)"
    )
    closed = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | closed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == content_key(clip[0], {"model": "ViT-B-32-quickgelu", "image_size": 224}), done.stderr


def test_files_in_place_pass_without_loading_torch(clip, clap, tmp_path: Path) -> None:
    image = {"kind": "clip", "weights": str(clip[0]), "sha256": sha256_file(clip[0])}
    write_profile(tmp_path, image, {"kind": "clap", "weights": str(clap[0])})
    code = (
        "import sys; from avsep_lib.config import load_profile; from avsep_lib.encoders.check import check_profile_encoders;"
        "check_profile_encoders(load_profile('toy')); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"AVSEP_ROOT": str(tmp_path)}, check=False)
    assert done.returncode == 0
