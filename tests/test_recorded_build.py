"""From recordings on disk to a manifest: what was planted is counted, and nothing is half written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from recorded_fixture import FPS, RATE, SECONDS, melody, pictures, write_frames, write_video

from avsep_lib.clips import read_audio
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.manifest import read_manifest
from avsep_lib.recorded import build
from avsep_lib.recorded.build import build_recorded
from avsep_lib.recorded.listing import listing, write_listing
from avsep_lib.recorded.settings import Policy, RecordedSettings
from avsep_lib.settings import to_dict

MIN_SECONDS = 1.0


def recording(root: Path, label: str, stem: str, seed: int, sound: np.ndarray | None = None) -> str:
    """A sound file and its pictures below `root`; the index line."""
    (root / "audio" / label).mkdir(parents=True, exist_ok=True)
    soundfile.write(root / "audio" / label / f"{stem}.wav", melody(seed) if sound is None else sound, RATE, "FLOAT")
    n = round(SECONDS * FPS)
    write_frames(root / "frames" / label / f"{stem}.mp4", pictures(n))
    return f"audio/{label}/{stem}.wav,frames/{label}/{stem}.mp4,{n}"


def write_index(root: Path, lines: list[str]) -> Path:
    (root / "all.csv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return root / "all.csv"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of ten good recordings of two classes, a duet, and one item with each flaw that has no other test."""
    root = tmp_path_factory.mktemp("own")
    good = [
        recording(root, label, f"{label[:2]}{i}", 10 * k + i)
        for k, label in enumerate(("flute", "二胡"))
        for i in range(5)
    ]
    bad = [
        recording(root, "flute 二胡", "duet", 60),
        recording(root, "flute", "silent", 70, np.zeros(round(RATE * SECONDS))),
        recording(root, "flute", "nan", 71, np.where(np.arange(round(RATE * SECONDS)) == 9, np.nan, melody(71))),
        recording(root, "flute", "short", 72, melody(72)[: RATE // 2]),
        recording(root, "flute", "copy", 10),  # the same sound as the first 二胡
        recording(root, "flute", "loud", 73, np.clip(20 * melody(73), -1, 1)),
        "audio/flute/gone.wav,frames/flute/fl0.mp4,16",
        "../../etc/passwd,frames/flute/fl0.mp4,16",
        "audio/flute/fl0.wav,frames/flute/fl0.mp4",
    ]
    write_index(root, good + bad)
    return root


def settings_of(root: Path, **changes) -> RecordedSettings:
    return RecordedSettings("index", str(root), lists={"all": str(root / "all.csv")}, fps=FPS, **changes)


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "dataset"
    build_recorded(settings_of(source, title="Our duo"), "own", MIN_SECONDS, out.parent / "media", out)
    return out


def audit_of(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "audit.csv", keep_default_na=False).set_index("clip_id")


def test_the_manifest_leads_to_the_files_wherever_it_lies(built, source):
    table = read_manifest(built / "manifest.csv").set_index("clip_id", drop=False)
    assert len(table) == 12
    for row in table.itertuples():
        assert not os.path.isabs(row.audio)
        assert len(read_audio(built / row.audio, RATE, row.duration_s, row.sha256)) == RATE * SECONDS
        assert (built / row.frames / f"{row.n_frames:06d}.jpg").is_file()
    assert table.labels["duet"] == "flute|二胡"
    assert (built / table.audio["loud"]).resolve() == source / "audio" / "flute" / "loud.wav"
    assert set(table.split[table.labels == "二胡"]) == {"train", "val", "test"}


def test_the_audit_has_a_line_for_every_item_and_counts_what_was_planted(built):
    audit, summary = audit_of(built), json.loads((built / "audit.json").read_text())
    assert len(audit) == summary["n_items"] == 19
    dropped = {"missing": 1, "unreadable": 2, "not_finite": 1, "silent": 1, "too_short": 1, "duplicate": 1}
    assert summary["dropped"] == audit.reason[audit.status == "dropped"].value_counts().to_dict() == dropped
    assert summary["kept_with"] == {"clipped": 1}
    assert (summary["n_kept"], summary["n_found"]) == (12, 18)
    assert summary["coverage"] == pytest.approx(18 / 19)
    assert (summary["name"], summary["title"], summary["has_pretrain"]) == ("own", "Our duo", False)
    assert sum(s["items"] for s in summary["per_split"].values()) == 19
    assert summary["per_class"]["flute|二胡"]["kept"] == 1
    assert summary["policy"]["silent"] == "drop"
    assert (audit.detail[audit.status == "dropped"] != "").all()


def test_provenance_names_list_and_source(built, source):
    table = pd.read_csv(built / "provenance.csv", keep_default_na=False).set_index("clip_id")
    assert list(table.columns) == ["split", "labels", "stand_in", "source", "list"]
    assert table.list["fl1"] == "all.csv row 2"
    assert table.source["fl1"] == str(source / "audio/flute/fl1.wav")


def test_refused_items_leave_the_audit_and_no_manifest(source, tmp_path, built):
    for name in ("manifest.csv", "provenance.csv"):  # of an earlier build
        (tmp_path / name).write_text("old")
    with pytest.raises(DataError) as caught:
        build_recorded(settings_of(source, policy=Policy(silent="refuse")), "own", 1.0, tmp_path / "m", tmp_path)
    assert "silent" in str(caught.value)
    assert str(tmp_path / "audit.csv") in str(caught.value)
    assert not (tmp_path / "manifest.csv").exists()
    assert not (tmp_path / "provenance.csv").exists()
    assert len(audit_of(tmp_path)) == 19
    assert json.loads((tmp_path / "audit.json").read_text())["dropped"]["silent"] == 1


def test_a_split_without_a_clip_says_what_became_of_them(tmp_path):
    lines = [recording(tmp_path, "flute", f"a{i}", i) for i in range(2)]
    path = write_index(tmp_path, [*lines, "audio/flute/no.wav,frames/flute/no.mp4,16"])
    settings = RecordedSettings("index", str(tmp_path), lists={"train": str(path)}, fps=FPS)
    with pytest.raises(DataError) as caught:
        build_recorded(settings, "own", 1.0, tmp_path / "media", tmp_path / "out")
    for words in (
        "for test",
        "3 items, 2 kept",
        "1 missing",
        "(all.csv row 3)",
        "no.wav",
        "lists give train",
        "`all`",
        "audit.csv",
    ):
        assert words in str(caught.value)
    assert (tmp_path / "out" / "audit.csv").exists()
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_a_crash_while_files_are_opened_leaves_no_manifest_of_before(source, tmp_path, monkeypatch):
    (tmp_path / "manifest.csv").write_text("old")

    def crash(*_):
        raise RuntimeError("killed")

    monkeypatch.setattr(build, "inspect_items", crash)
    with pytest.raises(RuntimeError):
        build_recorded(settings_of(source), "own", 1.0, tmp_path / "media", tmp_path)
    assert list(tmp_path.glob("*.csv")) == []


def test_no_workers(source, tmp_path):
    with pytest.raises(ConfigError, match="workers"):
        build_recorded(settings_of(source), "own", 1.0, tmp_path, tmp_path, workers=0)


def video_folder(root: Path) -> Path:
    """Three videos each of two labels and one that is cut off."""
    for k, label in enumerate(("flute", "grand piano")):
        for i in range(3):
            path = root / label / f"{label[0]}{i}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, pictures(round(SECONDS * FPS)), melody(10 * k + i))
    (root / "flute" / "cut.mp4").write_bytes((root / "flute" / "f0.mp4").read_bytes()[:1500])
    return root


def test_the_command_on_a_folder_of_videos_twice(tmp_path):
    settings = RecordedSettings("videos", str(video_folder(tmp_path / "videos")), fps=FPS, sample_rate=RATE)
    options = ["--settings", json.dumps(to_dict(settings)), "--name", "own", "--min-seconds", "1", "--out", "out"]
    command = [sys.executable, "-m", "avsep_lib.recorded", *options, "--media", "media", "--workers", "2"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    first = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    table = read_manifest(tmp_path / "out" / "manifest.csv")
    assert first.stdout.strip() == str(tmp_path / "out" / "manifest.csv")
    assert sorted(table.clip_id) == ["f0", "f1", "f2", "g0", "g1", "g2"]
    for row in table.itertuples():
        assert (tmp_path / "out" / row.audio).is_file()
        assert (tmp_path / "out" / row.frames / "000001.jpg").is_file()
    assert audit_of(tmp_path / "out").reason["cut"] == "unreadable"
    before = (tmp_path / "out" / "manifest.csv").read_bytes()
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert (tmp_path / "out" / "manifest.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"format": "videos", "root": "nowhere"}, "DataError: root nowhere"),
        ({"format": "videos", "root": ".", "colour": 1}, "ConfigError: --settings: unknown key 'colour'"),
        ({"format": "index", "root": "."}, "ConfigError: --settings: format 'index' needs lists"),
    ],
)
def test_the_commands_end_with_one_line(tmp_path, settings, words):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    options = ["--settings", json.dumps(settings), "--out", "out"]
    for module, more in (("recorded", ["--name", "n", "--min-seconds", "1", "--media", "m"]), ("recorded.listing", [])):
        command = [sys.executable, "-m", f"avsep_lib.{module}", *options, *more]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 1
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


# --- listing ---------------------------------------------------------------------------------------------------------


def test_a_listing_changes_with_the_files_and_only_then(tmp_path):
    root = tmp_path / "videos"
    for name in ("flute/a.mp4", "flute/b.mp4", "tuba/c.mkv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"123")
    settings, out = RecordedSettings("videos", str(root)), tmp_path / "listing.json"
    assert write_listing(settings, out)
    assert json.loads(out.read_text())["n_items"] == 3
    before = out.stat().st_mtime_ns
    assert not write_listing(settings, out)
    assert out.stat().st_mtime_ns == before
    (root / "flute" / "a.mp4").write_bytes(b"1234")
    assert write_listing(settings, out)
    (root / "tuba" / "d.mp4").write_bytes(b"123")
    assert write_listing(settings, out)
    os.utime(root / "tuba" / "d.mp4", ns=(1, 1))
    assert write_listing(settings, out)
    (root / "tuba" / "d.mp4").unlink()
    assert write_listing(settings, out)
    (root.parent / "moved").mkdir()
    moved = root.rename(root.parent / "moved" / "videos")
    assert not write_listing(RecordedSettings("videos", str(moved)), out)


def test_a_listing_of_an_index_sees_list_sounds_and_pictures(tmp_path):
    lines = [recording(tmp_path, "flute", f"a{i}", i) for i in range(2)]
    path = write_index(tmp_path, lines)
    seen = [listing(settings_of(tmp_path))]

    def changed() -> bool:
        seen.append(listing(settings_of(tmp_path)))
        return seen[-1] != seen[-2]

    assert not changed()
    (tmp_path / "frames/flute/a0.mp4/000003.jpg").unlink()
    assert changed()
    os.utime(tmp_path / "audio/flute/a1.wav", ns=(1, 1))
    assert changed()
    path.write_text("\n".join([*lines, "audio/flute/late.wav,frames/flute/a1.mp4,3\n"]))
    assert changed()
    (tmp_path / "audio/flute/late.wav").write_bytes(b"now it is there")
    assert changed()
    (tmp_path / "elsewhere.txt").write_text("nobody reads this")
    assert not changed()
