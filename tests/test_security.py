"""Nothing unpickles, no YAML builds objects, no name leaves its root; what belongs to others is opened as data only."""

import io
import json
import os
import pickle
import re
import stat
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from security_tools import ALLOWED, ROOT, findings, sources, trapped_files

from avsep_lib.config import _parse_run, load_profile, load_runs, profile_data
from avsep_lib.errors import AvsepError, ConfigError, DataError
from avsep_lib.explorer import uploads
from avsep_lib.inputs import require, require_data
from avsep_lib.media_file import open_media, open_picture
from avsep_lib.paths import checked_name, data_root, figures_root, is_inside, results_root

EVIL = (
    "../x", "a/../../x", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "a\0b", "a\nb", "a;touch x", "$(touch x)", "`touch x`",
    "a b", "a'b", 'a"b', "-rf", "a&b", "a|b", "a>b", "~", "a*", "é", "a" * 101, ".hidden", "x.", "a{b}", "a%b", "a\u202eb",
)  # fmt: skip


# --- nothing unpickles ------------------------------------------------------------------------------------------------


def test_no_code_of_the_project_unpickles_or_runs_text():
    found = {(name, what) for name, code in sources() for what in findings(code)}
    assert found <= set(ALLOWED), sorted(found - set(ALLOWED))
    assert set(ALLOWED) <= found, "an exception that is no longer needed"
    assert len({name for name, _ in sources()}) > 200


@pytest.mark.parametrize("code", [
    "import pickle", "from dill import loads", "import joblib", "import xml.etree.ElementTree as E", "eval('1')",
    "import shelve", "from marshal import loads", "torch.load('x')", "torch.load('x', weights_only=False)", "exec(x)",
    "torch.load('x', weights_only=flag)", "np.load('x', allow_pickle=True)", "yaml.load(x)", "yaml.unsafe_load(x)",
    "os.system('x')", "subprocess.run('x', shell=True)", "tempfile.mktemp()", "pd.read_pickle('x')", "frame.to_pickle('x')",
])  # fmt: skip
def test_the_scan_sees_what_it_looks_for(code):
    assert list(findings(code))


@pytest.mark.parametrize("code", [
    "torch.load('x', weights_only=True)", "np.load('x')", "np.load('x', allow_pickle=False)", "yaml.safe_load(x)",
    "model.eval()", "subprocess.run(['x'], shell=False)", "references.bss_eval(x)", "ast.literal_eval(x)",
])  # fmt: skip
def test_the_scan_passes_what_is_harmless(code):
    assert not list(findings(code))


def test_third_party_loaders_are_told_not_to_unpickle(monkeypatch):
    """open_clip, laion_clap and torchvision get shapes and tensors, never a file of weights of their own choosing."""
    text = "\n".join(code for _, code in sources())
    assert not re.search(
        r"\b(load_ckpt|load_state_dict_from_url|get_pretrained_url)\(", text.replace("load_state_dict(", "")
    )
    for call in re.findall(r"create_model[\w]*\([^)]*\)", text, re.DOTALL):
        assert "pretrained=" not in call or re.search(r"pretrained=(False|None|\"\")", call), call
    import torch.hub

    visual = (ROOT / "avsep_lib" / "models" / "visual.py").read_text()
    assert "weights_only=True" in visual or "load_state_dict_from_url" not in visual
    assert torch.hub is not None


OPENED: list[str] = []
_WATCHING = [False]


def _hear(event, arguments):
    if _WATCHING[0] and event == "pickle.find_class":
        OPENED.append(f"{arguments[0]}.{arguments[1]}")


@pytest.fixture
def no_pickle():
    """Fails when anything in the block asks an unpickler for a class."""
    if not hasattr(sys, "_heard_pickles"):  # a hook stays for the life of the process
        sys.addaudithook(_hear)
        sys._heard_pickles = True
    OPENED.clear()
    _WATCHING[0] = True
    yield
    _WATCHING[0] = False
    assert OPENED == []


def restore(path):
    from avsep_lib.train import _restore_state

    model = torch.nn.Linear(2, 2)
    return _restore_state(path, model, torch.optim.SGD(model.parameters(), 0.1), "fingerprint")


def clips(path):
    from avsep_lib.clips import ClipStore

    folder = path.parent / f"store-{path.name}"
    folder.mkdir()
    (folder / "clips.json").write_text('{"sample_rate": 8000, "root": "."}')
    (folder / "clips.csv").write_text("clip_id,start,n_samples\na,0,10\n")
    (folder / "waveforms.npy").write_bytes(path.read_bytes())
    return ClipStore.open(folder).waveform("a")


def torchvision_cache(path):
    from avsep_lib.models.visual import _published

    cached = path.parent / "torch" / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(path.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(path.parent / "torch"))
        patch.setenv("HF_HUB_OFFLINE", "0")
        for proxy in ("http_proxy", "https_proxy"):
            patch.setenv(proxy, "http://127.0.0.1:9")  # a wrong hash would be fetched again
        return _published()


def readers():
    """Everything of the project that reads a file which could be a pickle, by name."""
    from avsep_lib.borrowed.export import merge_latent_parts
    from avsep_lib.clips import read_audio
    from avsep_lib.encoders.base import load_audio_encoder, load_image_encoder
    from avsep_lib.encoders.frames import decode_frame
    from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
    from avsep_lib.encoders.store import EmbeddingStore
    from avsep_lib.encoders.weights import read_weights
    from avsep_lib.latents import Latents
    from avsep_lib.manifest import read_manifest
    from avsep_lib.methods.hfra import HFRA
    from avsep_lib.separation.inputs import read_image, read_recording
    from avsep_lib.separation.models import open_model
    from avsep_lib.sound_files import read_sound
    from avsep_lib.video import decode_video

    return {
        "training state": restore,
        "clips": clips,
        "trained run": HFRA.load,
        "run by path": lambda path: open_model(str(path), encoder=path),
        "embeddings": EmbeddingStore.open,
        "latents": Latents.open,
        "received latents": lambda path: merge_latent_parts([path], path.parent / "merged.safetensors"),
        "weights": lambda path: read_weights(path, "way out"),
        "clip (open_clip)": lambda path: load_image_encoder(
            ImageEncoderSettings(kind="clip", weights=str(path)), path.parent
        ),
        "clap (laion_clap)": lambda path: load_audio_encoder(
            AudioEncoderSettings(kind="clap", weights=str(path)), path.parent
        ),
        "resnet18 (torchvision)": torchvision_cache,
        "sound": read_sound,
        "clip's sound": lambda path: read_audio(path, 8000, 1.0, ""),
        "recording": read_recording,
        "picture": read_image,
        "frame": lambda path: decode_frame(path.read_bytes(), path),
        "video": lambda path: decode_video(path, 8, 8000),
        "manifest": read_manifest,
    }


def test_the_trap_springs_where_pickles_are_opened(tmp_path):
    """Or the next test would prove nothing."""
    for i, (word, content) in enumerate(trapped_files(tmp_path / "mark").items()):
        path = tmp_path / f"{i}.bin"
        path.write_bytes(content)
        if word == "pickle":
            pickle.loads(content)
        elif "torch" in word:
            torch.load(path, weights_only=False)
        elif word in ("npy", "npz"):
            loaded = np.load(path, allow_pickle=True)
            _ = loaded["a"] if word == "npz" else loaded
        else:
            continue
        assert (tmp_path / "mark").exists(), word
        (tmp_path / "mark").unlink()


@pytest.mark.parametrize("name", list(readers()))
def test_a_pickle_in_the_place_of_a_file_is_never_opened(name, tmp_path, no_pickle):
    mark = tmp_path / "mark"
    _WATCHING[0] = False
    files = trapped_files(mark)  # making the traps pickles, which asks for no class
    _WATCHING[0] = True
    for i, (word, content) in enumerate(files.items()):
        folder = tmp_path / str(i)
        folder.mkdir()
        for suffix in (".safetensors", ".ckpt", ".npy", ".pt", ".wav"):
            path = folder / f"file{suffix}"
            path.write_bytes(content)
            with pytest.raises((AvsepError, ValueError, OSError)) as error:
                readers()[name](path)
            assert not mark.exists(), (name, word, suffix)
            assert "allow_pickle=True" not in str(error.value)  # no way out that would open it


def test_state_of_a_training_holds_tensors_and_plain_types(tmp_path):
    from avsep_lib.train import Progress, _save_state

    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    _save_state(tmp_path / "s.ckpt", model, optimizer, Progress(), "f")
    assert torch.load(tmp_path / "s.ckpt", weights_only=True)["fingerprint"] == "f"


def test_only_this_user_reaches_the_server_of_warm_starts(tmp_path, monkeypatch):
    """It runs what it is told, and receives it as JSON; its socket lies in a folder that nobody else may enter."""
    monkeypatch.syspath_prepend(str(ROOT / "workflow"))
    monkeypatch.chdir(tmp_path)
    import regenerate

    (tmp_path / ".snakemake").mkdir()
    monkeypatch.setattr(regenerate, "STATE", Path(".snakemake"))
    monkeypatch.setattr(regenerate.subprocess, "Popen", lambda *_, **__: None)
    monkeypatch.setenv("AVSEP_WARM", "")
    before = os.umask(0)
    try:
        regenerate._warm_starts()
    finally:
        os.umask(before)
    if sys.platform == "linux":
        (folder,) = (path for path in (tmp_path / ".snakemake").glob("warm-*") if path.is_dir())
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not {"pickle", "marshal"} & set(re.findall(r"\bimport (\w+)", (ROOT / "workflow" / "warm.py").read_text()))


# --- YAML builds no objects -------------------------------------------------------------------------------------------

OBJECTS = (
    "!!python/object/apply:os.system ['touch {mark}']",
    "!!python/object/new:subprocess.Popen [['touch', '{mark}']]",
    "!!python/name:os.system",
    "!!python/module:os",
    "!!python/tuple [1]",
)


def yaml_readers(tmp_path):
    """Everything that reads a YAML file of a user, by name."""
    from avsep_lib.claims.schema import load_claims
    from avsep_lib.recorded.description import read_dataset

    def profile(text):
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config" / "evil.yaml").write_text(text)
        return load_profile("evil")

    def dataset(text):
        (tmp_path / "d.yaml").write_text(text)
        return read_dataset(str(tmp_path / "d.yaml"), tmp_path, "DATASET")

    def claims(text):
        (tmp_path / "c.yaml").write_text(text)
        return load_claims(path=tmp_path / "c.yaml")

    return {"profile": profile, "dataset": dataset, "claims": claims}


@pytest.mark.parametrize("kind", ["profile", "dataset", "claims"])
@pytest.mark.parametrize("value", OBJECTS)
def test_yaml_that_would_build_objects_is_refused_with_file_and_line(kind, value, tmp_path, monkeypatch):
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    (tmp_path / "config").mkdir()
    text = f"name: evil\nformat: {value.format(mark=tmp_path / 'mark')}\n"
    with pytest.raises(ConfigError, match=r"(?s)(evil|d|c)\.yaml.*python.*line 2"):
        yaml_readers(tmp_path)[kind](text)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("kind", ["profile", "dataset", "claims"])
def test_a_billion_laughs_cost_no_memory(kind, tmp_path, monkeypatch):
    """Aliases stay one object; what follows must not write them out either."""
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    (tmp_path / "config").mkdir()
    lines = ["format: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"x{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    text = "\n".join(["name: evil", *lines])
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError) as error:
            yaml_readers(tmp_path)[kind](text)
        assert len(str(error.value)) < 20_000
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


# --- no name leaves its root ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVIL)
def test_a_name_that_is_no_name_is_refused_with_value_and_place(name):
    with pytest.raises(ConfigError, match=r"run_id.*use letters"):
        checked_name(name, "run_id")
    for ask in (results_root, figures_root, load_profile, profile_data):
        with pytest.raises(ConfigError, match="profile"):
            ask(name)


@pytest.mark.parametrize(
    "name", ["demo", "smoke", "demo-garden", "hier_align-garden-s0", "flip_lambda_0.1-s2", "a", "x_1"]
)
def test_names_in_use_pass(name):
    assert checked_name(name, "run") == name


@pytest.mark.parametrize(
    "name", [n for n in EVIL if "/" in n or "\\" in n or "\0" in n or "\n" in n or n in ("", "..", ".")]
)
def test_a_dataset_and_a_result_stay_below_the_results(name):
    with pytest.raises(ConfigError):
        data_root("demo", name)
    if name not in (".", "a/b"):
        assert not is_inside(name)
        with pytest.raises(ConfigError, match="leads out"):
            require("demo", name)
        with pytest.raises(ConfigError):
            require_data("demo", name, "clips/clips.json")


@pytest.mark.parametrize("name", EVIL)
def test_a_run_of_the_list_becomes_no_path_and_no_command(name):
    row = {"run_id": f"{name}-s0", "method": "hfra", "fusion": "late", "alignment": "no", "backbone": "clip",
           "dataset": "music11", "seed": "0", "switches": ""}  # fmt: skip
    if re.fullmatch(r"[A-Za-z0-9_].*", name) and checked_or_none(f"{name}-s0"):
        return
    with pytest.raises(ConfigError, match=r"row 1: run_id .*use letters"):
        _parse_run(row, "runs.csv row 1")


def checked_or_none(name):
    try:
        return checked_name(name, "x")
    except ConfigError:
        return None


@pytest.mark.parametrize("value", [
    "$(touch x)", "`touch x`", "16000;touch", "../..", "a/b", "!!int '16000'", "16000 # x", "&a 16000", "{a: 1}", "'1'", "1 2",
])  # fmt: skip
def test_a_switch_which_names_a_folder_is_a_number_or_a_word(value):
    row = {"run_id": "a-s0", "method": "hfra", "fusion": "late", "alignment": "no", "backbone": "clip",
           "dataset": "music11", "seed": "0", "switches": f"sample_rate={value}"}  # fmt: skip
    if ";" in value:  # separates switches: what follows is none
        value = value.split(";")[1]
    with pytest.raises(ConfigError, match=r"switch .*(write a number|not of the form)"):
        _parse_run(row, "runs.csv row 1")


def test_the_runs_of_the_project_pass():
    assert len(load_runs(ROOT / "config" / "runs.csv")) > 70


def test_shell_commands_of_the_rules_hold_names_and_quoted_settings_only():
    """Whatever stands in a command is a checked name, a number, a path of those, or quoted (`:q`, shlex)."""
    safe = {
        "log", "output", "threads", "input.manifest", "input.clips", "input.latents", "params.folder", "params.profile",
        "params.sample_rate", "params.min_seconds", "params.media", "wildcards.dataset", "wildcards.modality",
        "wildcards.what", "wildcards.run", "wildcards.key", "resources.gpu", "log.text", "log.notebook",
    }  # fmt: skip
    rules = [path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk")]
    commands = [text for rule in rules for text in re.findall(r'^ +"((?:logged | ).*)"$', rule, re.MULTILINE)]
    assert len(commands) > 12
    used = {place for text in commands for place in re.findall(r"(?<!\{)\{([^{}]+)\}", text)}
    unquoted = {place for place in used if not place.endswith(":q")}
    paths = {place for place in unquoted if re.fullmatch(r"(input|output|params)\.\w+(\[\d\])?", place)}
    assert unquoted - safe - paths == set(), unquoted - safe - paths


@pytest.mark.parametrize("name", ["../x.wav", "/etc/x.wav", "a/../../x.wav", "a\0.wav", "a\n.wav", "", "x/../../../y"])
def test_an_entry_of_a_list_stays_in_the_dataset(name, tmp_path):
    from avsep_lib.recorded.places import Places

    (tmp_path / "root").mkdir()
    (tmp_path / "x.wav").write_text("outside")
    path, problem, _ = Places([str(tmp_path / "root")]).find(name, "file")
    assert (path, problem) == ("", "unreadable")


def test_links_out_of_a_dataset_are_refused_and_those_within_are_not(tmp_path):
    from avsep_lib.recorded.places import Places

    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "in.wav").write_text("inside")
    (tmp_path / "secret.wav").write_text("outside")
    (root / "out.wav").symlink_to(tmp_path / "secret.wav")
    (root / "folder").symlink_to(tmp_path)
    (root / "twice.wav").symlink_to(root / "out.wav")
    (root / "within.wav").symlink_to(root / "a" / "in.wav")
    places = Places([str(root)])
    for name in ("out.wav", "folder/secret.wav", "twice.wav"):
        assert places.find(name, "file")[1] == "unreadable", name
    assert places.find("within.wav", "file")[1] == ""


# --- what others' files are opened as ---------------------------------------------------------------------------------


def wav(path, seconds=1.0, rate=8000, channels=1):
    t = np.arange(int(seconds * rate)) / rate
    soundfile.write(path, np.tile(0.3 * np.sin(2 * np.pi * 440 * t)[:, None], (1, channels)), rate)
    return path


@pytest.mark.parametrize("text", [
    "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1.0,\nother.flac\n#EXT-X-ENDLIST\n",
    "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1.0,\nhttp://127.0.0.1:9/x.mp3\n#EXT-X-ENDLIST\n",
    "ffconcat version 1.0\nfile other.flac\n",
    "[playlist]\nFile1=other.flac\n",
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>other.flac</BaseURL></Period></MPD>',
])  # fmt: skip
@pytest.mark.parametrize("name", ["x.m3u8", "x.mp4", "x.wav"])
def test_a_playlist_opens_no_other_file(text, name, tmp_path):
    import av

    from avsep_lib.separation.inputs import read_recording

    wav(tmp_path / "other.flac")
    (tmp_path / name).write_text(text)
    with pytest.raises(av.error.FFmpegError):
        open_media(tmp_path / name)
    with pytest.raises(DataError, match=re.escape(name)):
        read_recording(tmp_path / name)


def test_a_concatenation_was_opened_before_kinds_were_named(tmp_path):
    """Why `open_media` names kinds: FFmpeg by itself follows such a list."""
    import av

    wav(tmp_path / "other.flac")
    (tmp_path / "x.mp4").write_text("ffconcat version 1.0\nfile other.flac\n")
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert container.format.name == "concat"


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_kinds_in_use_are_opened(suffix, tmp_path):
    with open_media(wav(tmp_path / f"x.{suffix}", rate=44100)) as container:
        assert container.streams.audio


def test_postscript_is_no_picture(tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    from avsep_lib.separation.inputs import read_image

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("an interpreter was started"))
    (tmp_path / "x.jpg").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(/etc/passwd) (r) file\n%%EOF\n"
    )
    with pytest.raises(OSError, match="cannot identify"), open_picture(tmp_path / "x.jpg"):
        pass
    with pytest.raises(DataError, match=r"x\.jpg is truncated or not a picture"):
        read_image(tmp_path / "x.jpg")
    with open_picture(io.BytesIO(jpeg())) as picture:
        assert picture.format == "JPEG"


def test_every_container_and_picture_is_opened_by_kind():
    """No `av.open` for reading and no `Image.open` beside `avsep_lib.media_file`."""
    for name, code in sources():
        if name.startswith("avsep_lib/") and name != "avsep_lib/media_file.py":
            assert "Image.open(" not in code, name
            assert not re.search(r"av\.open\((?![^)]*\"w\")", code.replace("str(temporary)", "x")), name


# --- uploads ----------------------------------------------------------------------------------------------------------


def jpeg(size=(64, 48)):
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(stream, "JPEG")
    return stream.getvalue()


class Encoder:
    """Stands for an image encoder."""

    def encode(self, images):
        return np.zeros((len(images), 4), np.float32)


def upload(sound, picture=None, name="x.wav"):
    from avsep_lib.settings import AudioSettings

    return uploads.own_source("k", (name, sound), ("x.jpg", picture or jpeg()), Encoder(), AudioSettings())


def test_an_upload_is_read(tmp_path):
    source = upload(wav(tmp_path / "x.wav", 9.0, 22050).read_bytes())
    assert np.abs(source.waveform).max() > 0.2


def test_an_upload_is_cut_before_it_is_resampled_and_sounds_the_same(tmp_path):
    from avsep_lib.separation.inputs import at_rate, read_recording
    from avsep_lib.settings import AudioSettings

    audio = AudioSettings()
    recording = read_recording(wav(tmp_path / "x.wav", 20.0, 44100))
    whole = at_rate(recording.samples, 44100, audio.sample_rate).mean(axis=0)[: audio.n_samples]
    waveform, remarks = uploads.fitted(recording, "x.wav", audio)
    assert np.abs(whole - waveform).max() < 1e-6
    assert any("the first" in remark for remark in remarks)


@pytest.mark.parametrize(
    "name", [*EVIL, "<img src=x onerror=alert(1)>.wav", "a\r\nSet-Cookie: x.wav", "x" * 300 + ".wav"]
)
def test_the_name_of_an_upload_is_never_a_path(name, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(uploads, "read_recording", lambda path, **_: opened.append(path) or pytest.skip("read"))
    content = wav(tmp_path / "x.wav").read_bytes()
    before = set(tmp_path.parent.iterdir())
    with pytest.raises(pytest.skip.Exception):
        upload(content, name=name)
    assert re.fullmatch(r"upload(\.[a-z0-9]{1,5})?", opened[0].name)
    assert not opened[0].exists()
    assert set(tmp_path.parent.iterdir()) == before
    shown = uploads.shown_name(name)
    assert not set("<>\"'/\\\n\r\0&;") & set(shown.replace("&", ""))
    assert len(shown) <= 80


@pytest.mark.parametrize("content", [
    b"", b"#!/bin/sh\ntouch x\n", b"MZ" + bytes(200), b"\x7fELF" + bytes(200), b"PK\x03\x04" + bytes(50),
    b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", b"<html><script>alert(1)</script>", bytes(1000),
])  # fmt: skip
def test_what_is_neither_sound_nor_picture_is_refused_by_its_content(content, tmp_path):
    with pytest.raises(DataError):
        upload(content, name="x.wav")
    with pytest.raises(DataError, match="picture"):
        upload(wav(tmp_path / "x.wav").read_bytes(), content or b"x")


def test_an_upload_is_small_as_it_comes_and_as_it_is(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="upload less than 50 MB"):
        upload(bytes(uploads.LARGEST + 1))
    monkeypatch.setattr(uploads, "LONGEST", 100_000)
    for suffix in ("flac", "mp3", "wav"):
        bomb = wav(tmp_path / f"x.{suffix}", 20.0, 8000).read_bytes()
        with pytest.raises(DataError, match="more than 100,000 samples"):
            upload(bomb, name=f"x.{suffix}")
    with pytest.raises(DataError, match=r"7000 x 7200 pixels"):
        upload(wav(tmp_path / "y.wav", 9.0).read_bytes(), jpeg((7000, 7200)))


def test_a_bomb_is_refused_before_it_unpacks(tmp_path, monkeypatch):
    """Ten minutes of nothing: 40 kB of FLAC, 115 MB of floats."""
    assert uploads.LONGEST * 4 <= 240_000_000  # bytes once decoded
    monkeypatch.setattr(uploads, "LONGEST", uploads.LONGEST // 50)
    with soundfile.SoundFile(tmp_path / "b.flac", "w", 48000, 1) as file:
        for _ in range(10):
            file.write(np.zeros(48000 * 60, np.int16))
    content = (tmp_path / "b.flac").read_bytes()
    assert len(content) < 500_000
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="more than 1,200,000 samples"):
            upload(content, name="b.flac")
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


# --- what comes back from another machine -----------------------------------------------------------------------------


def came_back(folder, run_id="late-s0", members=None, **changes):
    """Files as a borrowed machine leaves them, with one thing changed; what `provenance.json` tells."""
    from avsep_lib.borrowed import export
    from avsep_lib.files import sha256_file

    folder.mkdir(exist_ok=True)
    (folder / export.SCORES).write_text(f"run_id,seed\nlate-s0,0\n{run_id},0\n")
    (folder / export.HISTORIES).write_text(f"run_id,step\n{run_id},1\n")
    (folder / export.COSTS).write_text(json.dumps({run_id: {"steps": 1}}))
    with zipfile.ZipFile(folder / export.DATA, "w") as archive:
        for member, content in (members or {export.DESCRIPTORS: "a"}).items():
            archive.writestr(member, content)
    names = (export.SCORES, export.HISTORIES, export.COSTS, export.DATA)
    told = {"files": {name: sha256_file(folder / name) for name in names}, "runs": ["late-s0"]} | changes
    (folder / export.PROVENANCE).write_text(json.dumps(told))
    return told


def test_received_files_are_laid_out(tmp_path):
    from avsep_lib.borrowed import receive

    told = came_back(tmp_path / "came")
    assert receive.read_provenance(tmp_path / "came") == told
    receive.unpack(tmp_path / "came", told, tmp_path / "out", "music11")
    assert (tmp_path / "out" / "scores" / "late-s0.csv").exists()


@pytest.mark.parametrize("run_id", ["../../../escaped", "/tmp/escaped", "a/b", "late-s9", ""])
@pytest.mark.parametrize("spoilt", ["scores.csv", "histories.csv", "costs.json"])
def test_a_run_of_received_files_becomes_no_path(run_id, spoilt, tmp_path):
    from avsep_lib.borrowed import receive

    told = came_back(tmp_path / "clean")
    came_back(tmp_path / "came", run_id)
    (tmp_path / "clean" / spoilt).write_bytes((tmp_path / "came" / spoilt).read_bytes())
    out = tmp_path / "a" / "b" / "out"
    with pytest.raises(DataError, match=f"{re.escape(spoilt)}: run .* is not among the runs"):
        receive.unpack(tmp_path / "clean", told, out, "music11")
    inside = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert all(path.is_relative_to(out) for path in inside)
    assert not list(tmp_path.rglob("*escaped*"))


def link_in_zip():
    info = zipfile.ZipInfo("dataset/manifest.csv")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(("members", "words"), [
    ({"../../escaped.txt": "x"}, "would lie outside"), ({"/tmp/escaped": "x"}, "would lie outside"),
    ({"dataset/../../escaped": "x"}, "would lie outside"), ({"a\\..\\b": "x"}, "would lie outside"),
    ({link_in_zip(): "/etc/passwd"}, "no plain file"), ({"dataset/": ""}, "no plain file"),
    ({"runs/late-s0/model.safetensors": "x"}, "no borrowed machine packs"), ({"evil.py": "x"}, "no borrowed machine packs"),
    ({"dataset/a.wav": "x", "dataset/b.wav": "x"}, "no borrowed machine packs"),
    ({"dataset/manifest.csv": b"0" * 300 * 2**20}, "would unpack to"),
])  # fmt: skip
def test_a_received_archive_holds_what_it_should(members, words, tmp_path):
    from avsep_lib.borrowed import receive

    told = came_back(tmp_path / "came", members=members)
    with pytest.raises(DataError, match=words):
        receive.unpack(tmp_path / "came", told, tmp_path / "out", "music11")
    assert not (tmp_path / "out" / "data").exists()


def test_received_files_are_plain_few_and_small(tmp_path, monkeypatch):
    from avsep_lib.borrowed import receive

    came = tmp_path / "came"
    told = came_back(came)
    for files in ({"../x": "0"}, {"/etc/passwd": "0"}, {"a/b": "0"}, {"": "0"}, {"..": "0"}):
        came_back(came, files=told["files"] | files)
        with pytest.raises(DataError, match="is no name of a file"):
            receive.read_provenance(came)
    came_back(came, files={f"{i}": "0" for i in range(9)})
    with pytest.raises(DataError, match="9 files; at most 7"):
        receive.read_provenance(came)
    for broken in ("[]", '{"files": 1}', "{}"):
        (came / "provenance.json").write_text(broken)
        with pytest.raises(DataError, match="describes no files"):
            receive.read_provenance(came)
    came_back(came)
    monkeypatch.setattr(receive, "FILE_BYTES", 20)
    with pytest.raises(DataError, match="no file that comes back has more than 20"):
        receive.read_provenance(came)
    monkeypatch.undo()
    (came / "scores.csv").rename(tmp_path / "elsewhere")
    (came / "scores.csv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="is a link"):
        receive.read_provenance(came)


# --- no secret in what is made or committed ---------------------------------------------------------------------------

TOKENS = re.compile(
    r"\bhf_[A-Za-z0-9]{30,}|\bgh[pousr]_[A-Za-z0-9]{30,}|\bAKIA[0-9A-Z]{16}\b|\bsk-[A-Za-z0-9_-]{30,}|\bxox[abprs]-[\w-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[\w-]{15,}\.eyJ[\w-]{15,}|\bAIza[\w-]{35}|\bglpat-[\w-]{20}|\bpypi-[\w-]{40,}"
    r"|://[^/\s:@'\"{}]+:[^/\s:@'\"{}]+@"
)
OWN_FOLDERS = re.compile(r"(?<![\w.])/(?:home|Users|root)/[a-z]")


def tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git checkout: what is committed cannot be told")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and path.suffix not in (".png", ".sf2"):
            yield name, path.read_text(errors="replace")


@pytest.mark.parametrize("text", [
    "hf_" + "a" * 34, "ghp_" + "A1" * 18, "AKIA" + "A1" * 8, "sk-" + "a" * 40, "xoxb-" + "1" * 12, "https://user:word@host/x",
    "-----BEGIN RSA PRIVATE " + "KEY-----", "eyJ" + "a" * 20 + ".eyJ" + "b" * 20 + ".c",
])  # fmt: skip
def test_a_token_is_seen(text):
    assert TOKENS.search(text)


def test_no_token_is_committed():
    found = [(name, match[0][:12]) for name, text in tracked() for match in TOKENS.finditer(text)]
    assert [entry for entry in found if entry[0] not in ("tests/test_security.py", "tests/test_smoke.py")] == []


def test_nothing_that_is_made_names_a_machine_or_a_person():
    made = ("figures/", "notebooks/", "benchmarks/", "paper/", "config/", "tests/long_report.md")
    found = [(n, m[0]) for n, text in tracked() if n.startswith(made) for m in OWN_FOLDERS.finditer(text)]
    assert found == []


def test_sidecars_hold_no_environment(tmp_path, monkeypatch):
    from avsep_lib import provenance

    monkeypatch.setenv("HF_TOKEN", "hf_" + "canary" * 6)
    monkeypatch.setenv("USER", "canary-user")
    text = json.dumps(
        [provenance.hardware(), provenance.package_versions(), provenance.python_version(), provenance.commit()]
    )
    assert "canary" not in text
    assert os.uname().nodename not in re.findall(r"[\w-]+", text)
