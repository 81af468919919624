"""The policy: reasons in their order, duplicates whatever their encoding and split, refusal with the whole table."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import time
from itertools import combinations

import numpy as np
import pytest
import soundfile
import soxr
from recorded_fixture import FPS, RATE, items, melody, pictures, write_clip, write_frames, write_video

from avsep_lib.errors import ConfigError, DataError
from avsep_lib.manifest import COLUMNS, check_manifest
from avsep_lib.recorded import inspection
from avsep_lib.recorded.fingerprint import RATE as PRINT_RATE
from avsep_lib.recorded.fingerprint import error_rate, find_duplicates, fingerprint
from avsep_lib.recorded.inspection import NOTHING, inspect_items
from avsep_lib.recorded.judge import AUDIT_COLUMNS, RefusedError, judge
from avsep_lib.recorded.settings import PROBLEMS, UNUSABLE, Policy, RecordedSettings

SETTINGS = RecordedSettings(format="index", root="", lists={"all": "all.csv"}, fps=FPS, sample_rate=RATE, frame_size=48)


def with_policy(**changes) -> RecordedSettings:
    return dataclasses.replace(SETTINGS, policy=Policy(**changes))


# --- fingerprints -----------------------------------------------------------------------------------------------------


def encoded(sound, rate, codec, container, bit_rate):
    """A sound after a lossy codec, decoded again, and its rate."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(sound.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    buffer.seek(0)
    with av.open(buffer) as given:
        frames = list(given.decode(audio=0))
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]), frames[0].sample_rate


COPIES = {
    "quieter": lambda x, rate: (0.5 * x, rate),
    "another rate": lambda x, rate: (soxr.resample(x, rate, 11025), 11025),
    "0.3 s shorter": lambda x, rate: (x[round(0.3 * rate) :], rate),
    "AAC": lambda x, rate: encoded(x, rate, "aac", "adts", 64_000),
    "MP3": lambda x, rate: encoded(x, rate, "libmp3lame", "mp3", 64_000),
    "all of it": lambda x, rate: encoded(
        soxr.resample(0.5 * x[round(0.331 * rate) :], rate, 22050), 22050, "aac", "adts", 64_000
    ),
}


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_found_and_nothing_else(kind):
    sounds = [melody(seed, 6.0) for seed in range(8)]
    prints = [fingerprint(sound, RATE) for sound in sounds]
    copies = [fingerprint(*COPIES[kind](sound, RATE)) for sound in sounds]
    assert find_duplicates([*prints, *copies]) == {8 + i: i for i in range(8)}


def test_different_melodies_share_half_the_bits():
    prints = [fingerprint(melody(seed, 6.0), RATE) for seed in range(8)]
    errors = [error_rate(a, b, shift)[0] for a, b in combinations(prints, 2) for shift in (-3, 0, 5)]
    assert np.mean(errors) == pytest.approx(0.5, abs=0.05)
    assert min(errors) > 0.3


def test_a_fingerprint_does_not_depend_on_the_blocks():
    from avsep_lib.recorded.fingerprint import Fingerprinter

    sound = melody(1, 6.0)
    printer = Fingerprinter(RATE)
    for first in range(0, len(sound), 777):
        printer.add(sound[first : first + 777])
    codes = printer.codes()
    assert codes.dtype == np.uint32
    assert (codes == fingerprint(sound, RATE)).mean() > 0.95  # the resampler rounds differently at block ends
    assert len(fingerprint(sound[: PRINT_RATE // 2], RATE)) == 0


def test_silence_is_no_copy_of_silence():
    quiet = fingerprint(np.zeros(6 * RATE), RATE)
    assert not quiet.any()
    assert find_duplicates([quiet, quiet.copy()]) == {}


def test_ten_thousand_copies_take_seconds():
    rng = np.random.default_rng(0)
    one = rng.integers(1, 2**32, 90, dtype=np.uint32)
    begin = time.perf_counter()
    assert len(find_duplicates([one] * 10_000)) == 9_999
    bits = rng.random((3_000, 90, 32)) < 0.05  # as if each had been encoded in another way
    noisy = [one, *(one ^ (row << np.arange(32, dtype=np.uint32)).sum(axis=1).astype(np.uint32) for row in bits)]
    found = find_duplicates(noisy)
    assert len(found) > 2_990
    assert set(found.values()) == {0}
    assert time.perf_counter() - begin < 10


# --- the policy on planted measures -----------------------------------------------------------------------------------


def measured(*rows):
    """A table as `inspect_items` gives it: good clips of 3 s, and what the rows change."""
    table = items(*({k: v for k, v in row.items() if k not in NOTHING and k != "findings"} for row in rows))
    good = {"sample_rate": RATE, "channels": 1, "duration_s": 3.0, "level_dbfs": -20.0, "peak": 0.5, "n_frames": 24}
    measures = []
    for i, row in enumerate(rows):
        codes = np.random.default_rng(row.get("seed", i)).integers(1, 2**32, 60, dtype=np.uint32)
        base = (
            NOTHING | good | {"sha256": f"hash{i}", "fingerprint": codes.astype("<u4").tobytes().hex(), "findings": {}}
        )
        measures.append(base | {k: v for k, v in row.items() if k in base})
    for name in measures[0]:
        table[name] = [m[name] for m in measures]
    table["findings"] = [json.dumps(found) for found in table["findings"]]
    table["source"], table["fps"] = "somewhere", float(FPS)
    return table


def outcome(table, settings=SETTINGS, min_seconds=2.0):
    audit = judge(table, settings, min_seconds)[1]
    return list(zip(audit.status, audit.reason))


def test_good_clips_are_kept_in_their_order():
    kept, audit = judge(measured({}, {}), SETTINGS, 2.0)
    assert list(kept.columns[: len(COLUMNS)]) == COLUMNS
    assert list(kept.clip_id) == ["clip0", "clip1"]
    assert list(audit.columns) == AUDIT_COLUMNS
    assert set(audit.status) == {"kept"}
    check_manifest(kept.assign(audio="a.wav", frames="a", sha256="0" * 64), "kept")


def test_the_reason_is_the_first_problem_that_drops():
    row = {"findings": {"silent": "level -200 dBFS", "no_frames": "3 of 8"}, "duration_s": 1.0, "still": True}
    _, audit = judge(measured(row, {}), SETTINGS, 2.0)
    assert tuple(audit.loc[0, ["status", "reason", "findings"]]) == (
        "dropped", "no_frames", "no_frames|silent|too_short|still",
    )  # fmt: skip
    assert "no_frames: 3 of 8; silent: level -200 dBFS; too_short: 1.00 s of the 2.00 s" in audit.detail[0]
    assert outcome(measured({"still": True}), with_policy(still="drop")) == [("dropped", "still")]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_problem_follows_the_policy(problem):
    row = {"findings": {problem: "planted"}}
    assert outcome(measured(row), with_policy(**{problem: "drop"})) == [("dropped", problem)]
    if problem in UNUSABLE:
        with pytest.raises(ConfigError, match=f"policy.{problem} is 'keep'"):
            with_policy(**{problem: "keep"})
    else:
        assert outcome(measured(row), with_policy(**{problem: "keep"})) == [("kept", "")]
    with pytest.raises(RefusedError, match=f"1 of 2 items are refused.*1 {problem}.*clip0.*planted.*policy.{problem}"):
        judge(measured(row, {}), with_policy(**{problem: "refuse"}), 2.0)


def test_refusal_carries_the_whole_table_and_names_a_few():
    rows = [{"findings": {"silent": "level -99 dBFS"}} for _ in range(20)]
    with pytest.raises(DataError, match=r"20 of 21 items.*clip0.*clip2.*and 17 more") as caught:
        judge(measured(*rows, {}), with_policy(silent="refuse"), 2.0)
    assert len(caught.value.audit) == 21
    assert "clip3" not in str(caught.value)


def test_kept_findings_are_told():
    _, audit = judge(measured({"clipped_share": 0.01, "still": True}), SETTINGS, 2.0)
    assert tuple(audit.loc[0, ["status", "reason", "findings"]]) == ("kept", "", "clipped|still")
    assert "1.00 % of the samples" in audit.detail[0]


def test_pictures_and_sound_of_different_length_are_remarked():
    _, audit = judge(measured({"n_frames": 8}, {"n_frames": 20}), SETTINGS, 2.0)
    assert list(audit.detail) == ["pictures for 1.0 s, sound for 3.0 s", ""]
    assert set(audit.status) == {"kept"}


def test_too_short_by_more_than_a_sample():
    rows = [{"duration_s": 2.0 - x / RATE} for x in (0, 0.9, 1.1, 100)]
    assert [status for status, _ in outcome(measured(*rows))] == ["kept", "kept", "dropped", "dropped"]


def test_within_a_split_the_first_copy_stays():
    table = measured({"seed": 1}, {"seed": 2}, {"seed": 1})
    assert outcome(table) == [("kept", ""), ("kept", ""), ("dropped", "duplicate")]
    _, audit = judge(table, SETTINGS, 2.0)
    assert audit.duplicate_of[2] == "clip0"
    assert "the same sound as clip0 (train.csv row 1)" in audit.detail[2]


@pytest.mark.parametrize(
    ("splits", "stays"),
    [
        (("train", "test"), 1),
        (("test", "train"), 0),
        (("train", "val"), 1),
        (("val", "test"), 1),
        (("pretrain", "train"), 1),
    ],
)
def test_across_splits_the_copy_in_test_stays(splits, stays):
    table = measured(*({"seed": 1, "split": split, "sha256": "same"} for split in splits))
    _, audit = judge(table, SETTINGS, 2.0)
    assert [status == "kept" for status in audit.status] == [i == stays for i in (0, 1)]
    assert f"the same file as clip{stays}" in audit.detail[1 - stays]
    assert f"which is in {splits[stays]}" in audit.detail[1 - stays]


def test_a_copy_with_another_label_says_so():
    table = measured({"seed": 1, "labels": "flute"}, {"seed": 1, "labels": "violin"})
    assert "labels differ: violin and flute" in judge(table, SETTINGS, 2.0)[1].detail[1]


def test_what_is_dropped_anyway_is_no_original():
    table = measured({"seed": 1, "findings": {"no_frames": "none"}}, {"seed": 1})
    assert outcome(table) == [("dropped", "no_frames"), ("kept", "")]


def test_copies_that_are_kept_are_told():
    _, audit = judge(measured({"seed": 1}, {"seed": 1}), with_policy(duplicate="keep"), 2.0)
    assert list(audit.status) == ["kept", "kept"]
    assert list(audit.findings) == ["", "duplicate"]


# --- files to verdicts ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Items with one planted flaw each, and the reasons that the audit must give."""
    root = tmp_path_factory.mktemp("planted")
    rows, reasons = [], []

    def plant(reason, **row):
        rows.append(row)
        reasons.append(reason)

    def clip(name, seed=None, sound=None):
        row = write_clip(root, name, len(rows) if seed is None else seed)
        if sound is not None:
            soundfile.write(row["audio"], sound, RATE, subtype="FLOAT")
        return row

    plant("", **clip("good", 50))
    plant("", **clip("label ü", 51), labels="электро гитара")
    plant("missing", problem="missing", detail="no such file", audio=str(root / "no.wav"))
    plant("no_audio", **clip("empty", sound=np.zeros(0)))
    plant("silent", **clip("silent", sound=np.zeros(2 * RATE)))
    plant("not_finite", **clip("nan", sound=np.r_[melody(3), np.nan]))
    plant("too_short", **clip("short", sound=melody(4)[:RATE]))
    plant("duplicate", **clip("again", 50))
    plant("no_frames", **clip("promises", 60), n_frames=99)
    corrupt = clip("corrupt", 61)
    with open(f"{corrupt['frames']}/000002.jpg", "r+b") as stream:
        stream.truncate(400)
    plant("unreadable", **corrupt)
    plant("no_frames", audio=rows[0]["audio"], frames="")
    plant("", video=str(write_video(root / "v.mp4", pictures(16), melody(70))))
    plant("no_audio", video=str(write_video(root / "mute.mp4", pictures(16), None)))
    loud = np.clip(20 * melody(71), -1, 1)
    plant("", **(clip("loud", 71, loud) | {"frames": str(write_frames(root / "still", pictures(1).repeat(16, 0)))}))
    return items(*rows), reasons, root


def test_planted_files_get_their_reasons(planted):
    table, reasons, root = planted
    found = inspect_items(table, SETTINGS, root / "media", 2)
    kept, audit = judge(found, SETTINGS, 1.5)
    assert list(audit.reason) == reasons
    assert audit.findings.iloc[-1] == "clipped|still"
    assert list(audit.source) == [row.video or row.audio for row in table.itertuples()]
    check_manifest(kept, "kept")
    assert (kept.duration_s >= 1.5).all()
    assert (kept.sha256.str.len() == 64).all()


def test_another_policy_opens_nothing_again(planted, monkeypatch):
    table, reasons, root = planted
    first = inspect_items(table, SETTINGS, root / "media", 0)

    def opened(*_):
        raise AssertionError("a file was opened again")

    monkeypatch.setattr(inspection, "measure_task", opened)
    again = inspect_items(table, with_policy(still="drop", clipped="drop"), root / "media", 0)
    assert again.equals(first)
    audit = judge(again, with_policy(still="drop"), 1.5)[1]
    assert list(audit.reason) == [*reasons[:-1], "still"]


def test_a_mended_file_is_measured_again(tmp_path):
    row = write_clip(tmp_path, "a", 1)
    path = tmp_path / "a" / "000003.jpg"
    content = path.read_bytes()
    path.write_bytes(content[:300])
    assert inspect_items(items(row), SETTINGS, tmp_path / "media", 0).problem[0] == "unreadable"
    path.write_bytes(content)
    assert inspect_items(items(row), SETTINGS, tmp_path / "media", 0).problem[0] == ""
    soundfile.write(row["audio"], np.zeros(RATE), RATE)
    assert inspect_items(items(row), SETTINGS, tmp_path / "media", 0).problem[0] == "silent"


def test_a_media_folder_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"file.*cannot be written to.*name another one"):
        inspect_items(items({}), SETTINGS, tmp_path / "file", 0)
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "known.sqlite").write_text("no database" * 100)
    with pytest.raises(DataError, match=r"known\.sqlite cannot be used.*delete it"):
        inspect_items(items({}), SETTINGS, tmp_path / "media", 0)


def test_nothing_to_inspect(tmp_path):
    table = items({"problem": "missing", "detail": "no such file"})
    found = inspect_items(table, SETTINGS, tmp_path / "media", 2)
    kept, audit = judge(found, SETTINGS, 1.0)
    assert kept.empty
    assert list(audit.reason) == ["missing"]
    assert math.isnan(audit.level_dbfs[0])
