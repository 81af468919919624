"""Faults that bad inputs have found, one test each: what was once a traceback, a hang or a silent mistake."""

from __future__ import annotations

import json
import os
import struct
import zlib

import numpy as np
import pytest
import soundfile
import torch
import yaml
from fuzz.media import PLAYLISTS, WANTED, base, png, tensors, wav
from fuzz.mutate import laughs
from fuzz.properties import in_time
from fuzz.texts import DATASET, RUNS, _project, _table_text, manifest_rows, profile_tree, read_profile
from recorded_fixture import melody
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from avsep_lib.audit.data import load_audit
from avsep_lib.claims.schema import load_claims
from avsep_lib.clips import read_audio
from avsep_lib.encoders.files import read_header
from avsep_lib.encoders.frames import decode_frame
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.encoders.store import EmbeddingStore, Entry, write_store
from avsep_lib.encoders.weights import load_strict, read_weights
from avsep_lib.errors import LONGEST, AvsepError, ConfigError, DataError, WeightsError
from avsep_lib.files import read_json
from avsep_lib.manifest import read_manifest
from avsep_lib.methods.registry import load_method
from avsep_lib.mixtures import read_list
from avsep_lib.parameters import notebook_parameters
from avsep_lib.published import load_published
from avsep_lib.recorded.decoding import Decoding
from avsep_lib.recorded.description import read_dataset
from avsep_lib.recorded.measure import measure_frames, measure_sound
from avsep_lib.recorded.rows import csv_rows
from avsep_lib.recorded.settings import RecordedSettings
from avsep_lib.report.canaries import canary_entries
from avsep_lib.runner import _parameters
from avsep_lib.separation.inputs import read_image
from avsep_lib.settings import AudioSettings, TrainingSettings, from_dict
from avsep_lib.sgn_features import SGNFeatures
from avsep_lib.sound_files import read_sound
from avsep_lib.tables.inputs import load_scores
from avsep_lib.text_files import parse_json, parse_yaml, read_table
from avsep_lib.video import decode_video

READERS = {
    "manifest.csv": read_manifest, "claims.yaml": lambda path: load_claims(path=path), "published.csv": load_published,
    "audit.yaml": load_audit, "some.json": read_json, "scores.csv": lambda path: load_scores([path]),
    "canaries.json": canary_entries, "all.csv": lambda path: list(csv_rows(str(path), (3,), "three columns")),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("state", ["pipe", "folder", "UTF-16", "NUL", "circle", "empty"])
def test_what_is_no_text_file_is_named_and_nothing_waits_for_it(name, state, tmp_path):
    path = tmp_path / name
    if state == "pipe":
        os.mkfifo(path)
    elif state == "folder":
        path.mkdir()
    elif state == "circle":
        path.symlink_to(path)
    else:
        path.write_bytes({"UTF-16": "a: [1]\n".encode("utf-16"), "NUL": b"a\0b", "empty": b""}[state])
    with in_time(5), pytest.raises(AvsepError, match=name):
        READERS[name](path)


def test_a_byte_order_mark_is_no_part_of_a_header(tmp_path):
    _project(tmp_path, runs=b"\xef\xbb\xbf" + _table_text(RUNS))
    assert len(read_profile(tmp_path)[1]) == 3


@pytest.fixture(autouse=True)
def own_root(monkeypatch):
    monkeypatch.setenv("AVSEP_ROOT", os.environ.get("AVSEP_ROOT", ""))  # read_profile sets it
    monkeypatch.delenv("AVSEP_ROOT")


@pytest.mark.parametrize(
    "text", ["a: " + "[" * 3000, "x: 2001-99-99", "a: 1\na: 2", "&a [*a]", "- " * 2000, "!!python/name:os.system"]
)
def test_yaml_that_is_none_is_a_config_error(text):
    with in_time(5), pytest.raises(ConfigError, match="here"):
        parse_yaml(text, "here")


def test_a_few_lines_of_aliases_that_mean_billions_of_values_are_not_written_out(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_bytes(laughs(12))
    with in_time(5), pytest.raises(ConfigError, match=r"own.yaml: .*aliases"):
        read_dataset(str(path), tmp_path, "p")


@pytest.mark.parametrize("text", ['{"seed": 1, "seed": 2}', '{"a":' * 20_000, "[" * 20_000])
def test_json_with_a_key_twice_or_nested_too_deeply_is_no_json(text):
    with pytest.raises(ValueError, match=r"twice|deep"):
        parse_json(text)
    with pytest.raises(ConfigError, match="--parameters"):
        _parameters(text)


@pytest.mark.parametrize(("cls", "key", "value"), [
    (TrainingSettings, "learning_rate", float("inf")), (ImageEncoderSettings, "learning_rate", float("nan")),
    (ImageEncoderSettings, "weight_decay", -1.0), (AudioEncoderSettings, "heads", [0, 4, 8, 16]), (AudioSettings, "sample_rate", 10**400),
    (AudioEncoderSettings, "learning_rate", 10**400), (RecordedSettings, "fps", 1e300), (TrainingSettings, 1, 1),
])  # fmt: skip
def test_numbers_that_nothing_can_be_computed_with_are_refused(cls, key, value):
    needed = {"format": "videos", "root": "x"} if cls is RecordedSettings else {}
    with pytest.raises(ConfigError, match="here"):
        from_dict(cls, needed | {key: value}, "here")


@pytest.mark.parametrize(("changes", "words"), [
    ({"encoders_of": {"music11": [1]}}, "encoders_of.music11"), ({"encoders_of": {"music11": {"image": None}}}, "image"), ({1: 2}, "key 1"),
    ({"seeds": [0, 0]}, "seeds"), ({"notebook_minutes": float("inf")}, "notebook_minutes"), ({"based_on": "../x"}, "profile '../x'"),
])  # fmt: skip
def test_profiles_that_were_tracebacks_or_accepted(changes, words, tmp_path):
    _project(tmp_path, yaml.safe_dump(profile_tree() | changes).encode())
    with pytest.raises(ConfigError, match=words):
        read_profile(tmp_path)


@pytest.mark.parametrize(("column", "cell"), [
    ("seed", "²"), ("seed", "٣"), ("switches", "steps=["), ("switches", "steps=1;steps=2"), ("run_id", "late/x-s0"),
    ("dataset", '"'), ("switches", "learning_rate=.nan"),
])  # fmt: skip
def test_runs_that_were_tracebacks_or_accepted(column, cell, tmp_path):
    rows = b"\n".join([",".join(RUNS[0]).encode(), ",".join((RUNS[0] | {column: cell}).values()).encode()])
    _project(tmp_path, runs=rows + b"\n")
    with pytest.raises(ConfigError, match=r"runs\.csv|run 'late-s0'"):
        read_profile(tmp_path)


def test_a_dataset_without_a_root_or_without_a_separator_is_refused(tmp_path):
    (tmp_path / "all.csv").touch()
    for changes in (
        {"root": ""},
        {"duet_separators": [""]},
        {"lists": {"all": []}},
        {"root": "~nobody-here/x"},
        {"root": "a\0b"},
    ):
        with pytest.raises(ConfigError, match="here"):
            read_dataset(DATASET | changes, tmp_path, "here")


@pytest.mark.parametrize(("column", "cell"), [
    ("duration_s", "inf"), ("n_frames", "1.5"), ("audio", ""), ("video_id", " "), ("labels", "flute|"), ("labels", "a|a"), ("sha256", "abc"),
])  # fmt: skip
def test_manifests_that_were_accepted(column, cell, tmp_path):
    rows = manifest_rows()
    path = tmp_path / "manifest.csv"
    path.write_bytes(_table_text([rows[0] | {column: cell}, *rows[1:]]))
    with pytest.raises(DataError, match=column.removesuffix("s")):
        read_manifest(path)


def test_lines_of_another_length_do_not_shift_the_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,2,3\n4,5,6\n")  # pandas alone takes 1 and 4 for an index
    with pytest.raises(DataError, match=r"a.csv line 2: 3 values in 2 columns"):
        read_table(path)
    path.write_text("x,y\n1,2\n3,4")
    assert read_table(path).y.tolist() == [2, 4]
    with pytest.raises(DataError, match="cut off"):
        read_table(path, whole=True)


def test_parameters_that_lead_out_of_the_results_are_refused():
    for name in ("../demo", "", "a/b", "demo\0"):
        with pytest.raises(ConfigError, match="profile"):
            notebook_parameters("00_start_here", profile=name)


def test_mixture_lists_whose_record_is_broken_are_named(tmp_path):
    (tmp_path / "test.csv").touch()
    for text in ("{}", '{"sha256": []}', '{"sha256": {"val": 1}}', "[]"):
        (tmp_path / "mixtures.json").write_text(text)
        with pytest.raises(DataError, match=r"mixtures\.json"):
            read_list(tmp_path, "test")


def test_a_message_does_not_repeat_millions_of_characters():
    text = str(ConfigError("x.yaml: " + 10**6 * "x" + " the way out"))
    assert len(text) < LONGEST + 100
    assert text.startswith("x.yaml")
    assert text.endswith("the way out")


# Sounds and videos


@pytest.mark.parametrize("rate", [1, 100, 2**31 - 1])
def test_a_rate_that_no_sound_has_is_refused_before_anything_is_resampled(rate, tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(melody(1), rate=rate))
    for read in (read_sound, lambda path: read_audio(path, WANTED, 0.001)):
        with in_time(10), pytest.raises(DataError, match=r"a\.wav"):
            read(path)
    assert "a.wav" in measure_sound(path)[1]["unreadable"]


def test_a_header_that_promises_hours_takes_no_memory(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(melody(1), data=2**31, riff=0))
    assert len(read_audio(path, WANTED, 1.0)) < 3 * WANTED


def test_a_track_without_a_decoder_is_named(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(melody(1), bits=0))
    with pytest.raises(DataError, match=r"a\.wav"):
        read_sound(path)


@pytest.mark.parametrize("what", PLAYLISTS)
def test_a_list_of_other_files_is_no_video(what, tmp_path):
    path = tmp_path / "a.mp4"
    (tmp_path / "other.mp4").write_bytes((base() / "a.mp4").read_bytes())
    path.write_text(PLAYLISTS[what].format(good=tmp_path / "other.mp4", name="other.mp4"))
    with in_time(10), pytest.raises(DataError, match=r"a\.mp4"):
        decode_video(path, 8, 16_000)


def test_a_wrong_time_stamp_does_not_fill_the_memory_with_pictures():
    with in_time(10), pytest.raises(DataError, match=r"slow\.mkv"):
        decode_video(base() / "slow.mkv", 1000, 16_000)
    assert Decoding(8, 16_000, 32)  # recorded datasets cut pictures where the sound ends


# Pictures


def test_pictures_that_unpack_to_gigabytes_or_that_a_program_must_draw_are_refused(tmp_path):
    packer = zlib.compressobj(9)
    bomb = png(20_000, 20_000, b"".join([packer.compress(bytes(20_001)) for _ in range(20_000)]) + packer.flush())
    large = png(11_000, 11_000, zlib.compress(bytes(100)))  # below the limit of Pillow
    for data in (bomb, large, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"):
        path = tmp_path / "000001.jpg"
        path.write_bytes(data)
        for read in (lambda path: decode_frame(path.read_bytes(), path), read_image):
            with in_time(10), pytest.raises(DataError, match=r"000001\.jpg"):
                read(path)
        assert "000001.jpg" in measure_frames(tmp_path)[1]["unreadable"]


# Tensors


def test_weights_with_a_value_that_is_no_number_are_refused(tmp_path):
    network = torch.nn.Linear(2, 2)
    state = network.state_dict() | {"bias": torch.tensor([0.0, float("nan")])}
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"a\.safetensors is damaged: bias"):
        load_strict(network, read_weights(tmp_path / "a.safetensors", "x"), tmp_path / "a.safetensors", "x")


@pytest.mark.parametrize(
    "clip", [[0, 2, "key"], [1, 1, "key"], ["0", 1, "key"], [0, -1, "key"], [0, 1], None, [0, 1, 2]]
)
def test_an_index_of_embeddings_that_does_not_fit_its_rows_is_refused(clip, tmp_path):
    path = tmp_path / "a.safetensors"
    write_store(path, "images", "encoder", [Entry("clip0", np.ones((1, 512), np.float32), "key")])
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    index = json.loads(header["__metadata__"]["index"]) | {"clips": {"clip0": clip}}
    header["__metadata__"]["index"] = json.dumps(index)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    with pytest.raises(DataError, match=r"a\.safetensors"):
        EmbeddingStore.open(path).frames("clip0")


def test_embeddings_that_are_not_finite_are_not_handed_on(tmp_path):
    path = tmp_path / "a.safetensors"
    write_store(path, "images", "encoder", [Entry("clip0", np.ones((1, 512), np.float32), "key")])
    path.write_bytes(path.read_bytes()[:-4] + struct.pack("<f", np.nan))
    with pytest.raises(DataError, match="clip0"):
        EmbeddingStore.open(path).vector("clip0")


def test_a_short_sound_of_many_channels_is_still_read(tmp_path):
    sound = np.tile(melody(1)[:, None], 8)
    soundfile.write(tmp_path / "a.wav", sound, 16_000, subtype="FLOAT")
    assert measure_sound(tmp_path / "a.wav")[0]["channels"] == 8


def test_a_stem_that_is_a_folder_gives_no_clip_id():
    from avsep_lib.recorded.ids import clip_ids

    assert list(clip_ids([".", "..", "a"], ["", "", ""], ["test.csv:1", "test.csv:2", "test.csv:3"])) == [
        "test.csv_1", "test.csv_2", "a",
    ]  # fmt: skip


def test_a_picture_whose_part_claims_more_than_memory_is_a_broken_picture(tmp_path, monkeypatch):
    from PIL import Image, PngImagePlugin

    from avsep_lib.errors import DataError
    from avsep_lib.separation.inputs import read_image

    def claims(self):
        raise MemoryError

    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load_end", claims)
    with pytest.raises(DataError, match=r"x\.png"):
        read_image(tmp_path / "x.png")


def test_a_title_in_another_encoding_is_no_obstacle(tmp_path):
    import av

    from avsep_lib.media_file import open_media

    path = tmp_path / "x.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "marks_the_spot"
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    assert b"marks_the_spot" in content
    path.write_bytes(content.replace(b"marks_the_spot", b"marks\xcc\xfe\xff_spot"[:14].ljust(14, b"_")))
    with open_media(path) as opened:
        assert opened.streams.audio


@pytest.mark.parametrize(
    "entry",
    ['{"dtype": "F32", "shape": [3], "data_offsets": [0]}', '{"dtype": "F32", "shape": [Infinity], "data_offsets": [0, 12]}',
     '{"dtype": "F32", "shape": [3], "data_offsets": ' + "[" * 100_000 + "]" * 100_000 + "}"],
)  # fmt: skip
def test_headers_of_weights_that_say_too_little_or_too_much(tmp_path, entry):
    header = f'{{"a": {entry}}}'.encode()
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(12))
    with pytest.raises(WeightsError, match=r"weights\.safetensors is truncated or not"):
        read_header(path, "Fetch it again.")


@pytest.mark.parametrize("name", ["run", "learnt"])
def test_a_configuration_that_asks_for_more_memory_than_there_is(tmp_path, name):
    """It says itself that the weights are others; finding that out must not take half a terabyte."""
    state = load_file(tensors() / f"{name}.safetensors")
    with safe_open(tensors() / f"{name}.safetensors", framework="pt") as file:
        config = json.loads(file.metadata()["config"])
    config["model"]["channels"][1] = 2**31
    save_file(state, tmp_path / "model.safetensors", {"config": json.dumps(config)})
    with pytest.raises(WeightsError, match=r"model\.safetensors does not fit its own configuration"):
        load_method(tmp_path / "model.safetensors")


def test_features_of_a_run_that_is_a_number(tmp_path):
    state = load_file(tensors() / "sgn.safetensors")
    with safe_open(tensors() / "sgn.safetensors", framework="pt") as file:
        header = json.loads(file.metadata()["sgn_features"])
    save_file(state, tmp_path / "f.safetensors", {"sgn_features": json.dumps(header | {"run_id": 1})})
    with pytest.raises(DataError, match="1 stands where a name should"):
        SGNFeatures.open(tmp_path / "f.safetensors")
