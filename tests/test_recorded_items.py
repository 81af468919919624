"""Reading lists and folders of recordings: every item has a row, whatever is wrong with it, and no row is invented."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from avsep_lib.errors import ConfigError, DataError, LeakageError
from avsep_lib.recorded.ids import clip_ids
from avsep_lib.recorded.items import COLUMNS, read_items
from avsep_lib.recorded.labels import class_names
from avsep_lib.recorded.settings import PROBLEMS, Policy, RecordedSettings, Shares
from avsep_lib.recorded.splits import quotas

SEPARATORS = RecordedSettings("videos", ".").duet_separators


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def recording(root: Path, label: str, stem: str) -> str:
    """Sound and frames folder of one recording; its index line."""
    touch(root / "audio" / label / f"{stem}.mp3")
    touch(root / "frames" / label / f"{stem}.mp4" / "000001.jpg")
    return f"./audio/{label}/{stem}.mp3,./frames/{label}/{stem}.mp4,12"


def write(path: Path, *lines: str, ending: str = "\n", encoding: str = "utf-8") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((ending.join(lines) + ending).encode(encoding))
    return str(path)


def index(root: Path, *lines: str, **settings) -> pd.DataFrame:
    """Items of an index ``all.csv`` in `root`."""
    return read_items(RecordedSettings("index", str(root), lists={"all": write(root / "all.csv", *lines)}, **settings))


def lists(root: Path, files: dict[str, str], **settings) -> pd.DataFrame:
    return read_items(RecordedSettings("list", str(root), lists=files, **settings))


def only(table: pd.DataFrame) -> pd.Series:
    assert len(table) == 1
    return table.iloc[0]


# --- index -----------------------------------------------------------------------------------------------------------


def test_an_index_line_becomes_an_item(tmp_path):
    table = index(tmp_path, recording(tmp_path, "flute", "abc"))
    row = only(table)
    assert list(table.columns) == COLUMNS
    assert (row.clip_id, row.video_id, row.labels, row.n_frames) == ("abc", "abc", "flute", 12)
    assert row.list == "all.csv row 1"
    assert row.audio == str(tmp_path / "audio/flute/abc.mp3")
    assert row.frames == str(tmp_path / "frames/flute/abc.mp4")  # a folder, whatever its name ends in
    assert (row.video, row.problem, row.split) == ("", "", "train")


def test_byte_order_mark_carriage_returns_blank_lines_quotes_and_unicode(tmp_path):
    good = [
        recording(tmp_path, "flute", "a"),
        recording(tmp_path, "grand piano", "Café, live"),
        recording(tmp_path, "笛子", "c"),
    ]
    sound, frames, count = good[1].rsplit(",./", 1)[0], good[1].rsplit(",./", 1)[1][:-3], "12"
    quoted = f'"{sound}", "./{frames}" , {count}'
    path = write(tmp_path / "all.csv", good[0], "", quoted, "  ", good[2], ending="\r\n", encoding="utf-8-sig")
    table = read_items(RecordedSettings("index", str(tmp_path), lists={"all": path}))
    assert list(table.problem) == ["", "", ""]
    assert list(table.labels) == ["flute", "grand piano", "笛子"]
    assert list(table.list) == ["all.csv row 1", "all.csv row 3", "all.csv row 5"]


def test_paths_are_relative_to_the_root_first_and_then_to_the_list(tmp_path):
    here, there = tmp_path / "root", tmp_path / "lists"
    line = recording(here, "flute", "both")
    recording(there, "flute", "both")
    path = write(
        there / "all.csv", line, recording(there, "flute", "second"), "./audio/flute/no.mp3,./frames/flute/no,9"
    )
    table = read_items(RecordedSettings("index", str(here), lists={"all": path}))
    assert table.audio[0] == str(here / "audio/flute/both.mp3")
    assert table.audio[1] == str(there / "audio/flute/second.mp3")
    assert table.problem[2] == "missing"
    for base in (here, there):
        assert str(base / "audio/flute/no.mp3") in table.detail[2]


def test_a_fourth_column_is_the_label(tmp_path):
    lines = [
        recording(tmp_path, "e/2", "e2rM750cFGc") + ",playing didgeridoo",
        recording(tmp_path, "k/L", "x") + ',"a, b"',
    ]
    assert list(index(tmp_path, *lines).labels) == ["playing didgeridoo", "a, b"]


def test_a_list_from_another_machine(tmp_path):
    line = recording(tmp_path, "flute", "a").replace("./", "/data2/them/MUSIC/")
    foreign = only(index(tmp_path, line))
    assert foreign.problem == "unreadable"
    assert "path_prefix" in foreign.detail
    assert only(index(tmp_path, line, path_prefix="/data2/them/MUSIC")).problem == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("./audio/flute/b.mp3,./frames/flute/b.mp4", "2 columns"),
        ("./audio/flute/b.mp3,./frames/flute/b.mp4,many", "'many', not a whole number"),
        ("./audio/flute/b.mp3,./frames/flute/b.mp4,12.5", "not a whole number"),
        ("./audio/flute/b.mp3,./frames/flute/b.mp4,-3", "not a whole number"),
        ('"./audio/flute/b.mp3,./frames/flute/b.mp4,12', "not a CSV line"),
        (",./frames/flute/b.mp4,12", "no path"),
        ("./audio/fl\0ute/b.mp3,./frames/flute/b.mp4,12", "no path"),
        ("b.mp3,./frames/flute/b.mp4,12", "no label"),
        ("./audio/flute,./frames/flute/b.mp4,12", "not a file"),
        ("./audio/flute/b.mp3,./audio/flute/b.mp3,12", "not a folder"),
    ],
)
def test_a_malformed_row_is_one_unreadable_item(tmp_path, line, words):
    recording(tmp_path, "flute", "b")
    touch(tmp_path / "b.mp3")
    table = index(tmp_path, recording(tmp_path, "flute", "a"), line, recording(tmp_path, "flute", "c"))
    assert list(table.problem) == ["", "unreadable", ""]
    assert words in table.detail[1]
    assert table.list[1] == "all.csv row 2"
    assert table.clip_id.is_unique


def test_a_header_line_is_told_from_a_recording(tmp_path):
    table = index(tmp_path, "audio,frames,n_frames", recording(tmp_path, "flute", "a"))
    assert list(table.problem) == ["unreadable", ""]
    assert "header" in table.detail[0]
    header = "audio,frames,n_frames"
    files = {
        "train": write(tmp_path / "a.csv", recording(tmp_path, "flute", "b"), header),
        "test": write(tmp_path / "b.csv", header, recording(tmp_path, "flute", "c")),
    }
    assert len(read_items(RecordedSettings("index", str(tmp_path), lists=files))) == 4  # one header is no shared video


def test_a_promise_of_no_frames(tmp_path):
    line = recording(tmp_path, "flute", "a").removesuffix("12") + "0"
    assert only(index(tmp_path, line)).problem == "no_frames"


@pytest.mark.parametrize("line", ["a,b", "just text", "a,b,c,d,e"])
def test_another_kind_of_file_is_refused_whole(tmp_path, line):
    with pytest.raises(DataError) as caught:
        index(tmp_path, line, recording(tmp_path, "flute", "a"))
    for words in ("all.csv, line 1", "columns", "number of frames", line):
        assert words in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n\n", "flöte,b,1".encode("latin-1"), "a,b,1".encode("utf-16")])
def test_an_empty_list_and_one_in_another_encoding(tmp_path, content):
    (tmp_path / "all.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"all\.csv"):
        read_items(RecordedSettings("index", str(tmp_path), lists={"all": str(tmp_path / "all.csv")}))


def test_a_list_that_is_not_there_or_a_folder_in_its_place(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    for name in ("none.csv", "folder.csv"):
        with pytest.raises(DataError, match=name):
            read_items(RecordedSettings("index", str(tmp_path), lists={"all": str(tmp_path / name)}))
    with pytest.raises(DataError, match="root"):
        read_items(RecordedSettings("videos", str(tmp_path / "nowhere")))


# --- nothing outside the root ----------------------------------------------------------------------------------------


def test_no_path_leaves_the_root(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    inside = recording(root, "flute", "a")
    recording(outside, "flute", "secret")
    (root / "audio" / "linked").symlink_to(outside / "audio" / "flute")
    (root / "audio" / "flute" / "link.mp3").symlink_to(outside / "audio" / "flute" / "secret.mp3")
    table = index(
        root,
        inside,
        "../outside/audio/flute/secret.mp3,./frames/flute/a.mp4,12",
        f"{outside}/audio/flute/secret.mp3,./frames/flute/a.mp4,12",
        "./audio/linked/secret.mp3,./frames/flute/a.mp4,12",
        "./audio/flute/link.mp3,./frames/flute/a.mp4,12",
        "./audio/flute/a.mp3,../outside/frames/flute/secret.mp4,12",
        "../root-of-another/a.mp3,./frames/flute/a.mp4,12",
    )
    assert list(table.problem) == [""] + 6 * ["unreadable"]
    assert table.detail[1:].str.contains("leaves the root").all()
    assert not (table.audio + table.frames).str.contains("outside").any()


def test_absolute_paths_and_links_within_the_root_are_fine(tmp_path):
    root = tmp_path / "real"
    recording(root, "flute", "a")
    (root / "audio" / "flute" / "b.mp3").symlink_to(root / "audio" / "flute" / "a.mp3")
    (tmp_path / "link").symlink_to(root)
    line = "{0}/audio/flute/{1}.mp3,{0}/frames/flute/a.mp4,12"
    lines = [line.format(base, name) for base, name in ((root, "a"), (root, "b"), (tmp_path / "link", "a"))]
    assert set(index(root, *lines[:2]).problem) == {""}
    assert only(index(tmp_path / "link", lines[2])).problem == ""


def test_videos_behind_links_out_of_the_root(tmp_path):
    root = tmp_path / "videos"
    touch(tmp_path / "outside" / "secret.mp4")
    touch(root / "flute" / "a.mp4")
    (root / "flute" / "b.mp4").symlink_to(tmp_path / "outside" / "secret.mp4")
    (root / "flute" / "dangling.mp4").symlink_to(tmp_path / "nothing.mp4")
    (root / "tuba").symlink_to(tmp_path / "outside")
    (root / "circle").symlink_to(root / "circle")
    table = read_items(RecordedSettings("videos", str(root))).set_index("clip_id")
    assert table.problem["a"] == ""
    assert set(table.problem[["b", "dangling", "tuba"]]) == {"unreadable"}
    assert not table.video.str.contains("outside").any()
    listed = lists(root, {"all": write(tmp_path / "all.json", json.dumps({"flute": ["a", "b", "dangling"]}))})
    assert list(listed.problem) == ["", "unreadable", "missing"]


def test_an_unreadable_folder_is_named(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    touch(tmp_path / "flute" / "a.mp4")
    (tmp_path / "flute").chmod(0)
    try:
        with pytest.raises(DataError, match="flute cannot be listed"):
            read_items(RecordedSettings("videos", str(tmp_path)))
    finally:
        (tmp_path / "flute").chmod(0o755)


# --- folders of videos -----------------------------------------------------------------------------------------------


def test_folders_of_videos(tmp_path):
    for name in ("flute/a.mp4", "flute/b.MKV", "grand piano/a.WebM", "Flöte/c.mp4"):
        touch(tmp_path / "videos" / name)
    table = read_items(RecordedSettings("videos", str(tmp_path / "videos")))
    assert sorted(table.clip_id) == ["b", "c", "flute-a", "grand piano-a"]
    assert Counter(table.labels) == {"flute": 2, "grand piano": 1, "Flöte": 1}
    assert set(table.list) == {"videos/flute", "videos/grand piano", "videos/Flöte"}
    assert (table.problem == "").all()


def test_what_looks_like_a_mistake_in_a_folder_has_a_row(tmp_path):
    touch(tmp_path / "flute" / "a.mp4")
    touch(tmp_path / "beside.mp4")
    touch(tmp_path / "flute" / "deep" / "b.mp4")
    (tmp_path / "flute" / "folder.mp4").mkdir()
    touch(tmp_path / "tuba" / "notes.txt")
    touch(tmp_path / "flute" / "._a.mp4")
    touch(tmp_path / "flute" / "a.jpg")
    (tmp_path / "harp").mkdir()
    table = read_items(RecordedSettings("videos", str(tmp_path))).set_index("clip_id")
    assert table.problem[["beside", "b"]].to_list() == ["unreadable", "unreadable"]
    assert table.problem[["tuba-" + tmp_path.name + "_tuba", "harp-" + tmp_path.name + "_harp"]].to_list() == 2 * [
        "missing"
    ]
    assert "1 other files" in table.detail["tuba-" + tmp_path.name + "_tuba"]
    assert table.problem["a"] == ""
    assert table.attrs["notes"]["other_files"] == 3


def test_a_file_name_that_is_not_text(tmp_path):
    touch(tmp_path / "flute" / "a.mp4")
    try:
        (Path(os.fsencode(str(tmp_path)).decode()) / "flute" / os.fsdecode(b"b\xff.mp4")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system holds no such names")
    touch(tmp_path / "flute" / "c\nd.mp4")
    table = read_items(RecordedSettings("videos", str(tmp_path)))
    assert list(table.problem) == ["", "unreadable", "unreadable"]
    table.to_csv(tmp_path / "out.csv")
    lists(tmp_path, {"all": write(tmp_path / "all.json", '{"flute": ["b\\ud8ff", "c\\nd"]}')}).to_csv(
        tmp_path / "out.csv"
    )
    assert not table.clip_id.str.contains("[\n/]").any()


def test_nothing_at_all_is_refused(tmp_path):
    with pytest.raises(DataError, match="nothing found"):
        read_items(RecordedSettings("videos", str(tmp_path)))


# --- published lists -------------------------------------------------------------------------------------------------


def test_music_json_and_a_folder_of_what_could_be_obtained(tmp_path):
    root = tmp_path / "files"
    for name in ("flute/f1.mp4", "deep/er/v1.webm", "d1.mkv", "in_no_list.mp4", "flute/f1.json"):
        touch(root / name)
    solo = {"version": 1.0, "videos": {"flute": ["f1", "f2"], "acoustic_guitar": ["v1"]}}
    duet = {"flute acoustic_guitar": ["d1"]}
    files = {
        "all": write(tmp_path / "solo.json", json.dumps(solo)),
        "train": write(tmp_path / "duet.json", json.dumps(duet)),
    }
    table = lists(root, files).set_index("clip_id")
    assert table.labels.to_dict() == {
        "f1": "flute", "f2": "flute", "v1": "acoustic_guitar", "d1": "acoustic_guitar|flute",
    }  # fmt: skip
    assert table.problem.to_dict() == {"f1": "", "f2": "missing", "v1": "", "d1": ""}
    assert table.video["v1"] == str(root / "deep/er/v1.webm")
    assert table.list["f2"] == "solo.json flute, number 2"
    assert table.split["d1"] == "train"
    assert table.attrs["notes"] == {"unlisted_files": 1, "other_files": 1}
    assert table.start_s.isna().all()


def test_two_files_of_one_id(tmp_path):
    for name in ("a/x.mp4", "flute/x.mp4", "b/y.mkv", "c/y.mp4"):
        touch(tmp_path / name)
    table = lists(tmp_path, {"all": write(tmp_path / "all.json", json.dumps({"flute": ["x", "y"]}))})
    assert list(table.video) == [str(tmp_path / "flute/x.mp4"), str(tmp_path / "b/y.mkv")]
    assert "a/x.mp4" in table.detail[0]
    assert "2 files" in table.detail[1]
    assert table.attrs["notes"]["unlisted_files"] == 0


def test_vggsound_csv(tmp_path):
    for name in ("aaaaaaaaaa1_000030.mp4", "aaaaaaaaaa2.mp4", "aaaaaaaaaa4.mp4", "aaaaaaaaaa4_000007.mp4"):
        touch(tmp_path / name)
    path = write(
        tmp_path / "vggsound.csv",
        "aaaaaaaaaa1,30,playing flute,train",
        'aaaaaaaaaa2,5,"vehicle horn, car horn, honking",test',
        "aaaaaaaaaa3,1,playing flute,test",
        "aaaaaaaaaa4,7,playing flute,train",
        "aaaaaaaaaa5,soon,playing flute,train",
        "aaaaaaaaaa6,7,playing flute,dev",
        "aaaaaaaaaa7,7,playing flute",
        ",7,playing flute,train",
    )
    table = lists(tmp_path, {"all": path})
    assert list(table.problem[:4]) == ["", "", "missing", ""]
    assert list(table.problem[4:]) == 4 * ["unreadable"]
    assert list(table.clip_id[:3]) == ["aaaaaaaaaa1_000030", "aaaaaaaaaa2_000005", "aaaaaaaaaa3_000001"]
    assert list(table.video_id[:3]) == ["aaaaaaaaaa1", "aaaaaaaaaa2", "aaaaaaaaaa3"]
    assert table.labels[1] == "vehicle horn, car horn, honking"
    assert (table.start_s[1], table.end_s[1]) == (5, 15)  # ten seconds of the whole video are meant
    assert pd.isna(table.start_s[0])  # this file is the part itself
    assert table.video[3].endswith("4_000007.mp4")
    assert list(table.split[[1, 2]]) == ["test", "test"]


@pytest.mark.parametrize("content", ["[1, 2]", '{"flute": "abc"}', "{broken", '{"videos": {"flute": {"a": 1}}}', ""])
def test_json_of_another_shape_is_refused(tmp_path, content):
    with pytest.raises(DataError, match=r"all\.json"):
        lists(tmp_path, {"all": write(tmp_path / "all.json", content)})


def test_an_id_that_is_none_is_one_unreadable_item(tmp_path):
    touch(tmp_path / "a.mp4")
    table = lists(tmp_path, {"all": write(tmp_path / "all.json", '{"flute": ["a", 3, null, "", "../a"]}')})
    assert list(table.problem) == ["", "unreadable", "unreadable", "unreadable", "missing"]
    assert not table.clip_id.str.contains("/").any()


# --- labels ----------------------------------------------------------------------------------------------------------


def test_duets_are_labels_made_of_other_labels():
    names = class_names(
        ["flute", "violin", "acoustic_guitar", "grand  piano", "violin flute", "flute|acoustic_guitar", "Violin+grand piano",
         "flute_and_violin", "flute & violin", "flute,violin", "flute flute", "playing violin", "violin bow"],
        SEPARATORS,
    )  # fmt: skip
    assert names["violin flute"] == names["flute_and_violin"] == names["flute & violin"] == names["flute,violin"]
    assert names["violin flute"] == "flute|violin"
    assert names["flute|acoustic_guitar"] == "acoustic_guitar|flute"
    assert names["Violin+grand piano"] == "grand piano|violin"
    for solo in ("playing violin", "violin bow", "flute flute"):
        assert names[solo] == solo


def test_spellings_of_a_class_are_one_class():
    composed, decomposed = "Fl\u00f6te", "Flo\u0308te"
    names = class_names(["Flute", "flute", "flute", " flute ", composed, decomposed], SEPARATORS)
    assert set(names.values()) == {"flute", composed}


def test_a_bar_in_a_label_that_is_no_duet_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"flute\|unknown"):
        class_names(["flute", "flute|unknown"], SEPARATORS)
    touch(tmp_path / "left|right" / "a.mp4")
    with pytest.raises(DataError, match=r"left\|right"):
        read_items(RecordedSettings("videos", str(tmp_path)))


def test_a_label_that_tables_read_as_nothing_is_refused():
    with pytest.raises(DataError, match="'NA'"):
        class_names(["flute", " NA "], SEPARATORS)
    import io

    from avsep_lib.recorded.labels import NOTHING_IN_TABLES

    for word in ("nil", *NOTHING_IN_TABLES):
        read = pd.read_csv(io.StringIO(f'label,n\n"{word}",1\n')).label
        assert read.isna().all() == (word in NOTHING_IN_TABLES)


# --- splits ----------------------------------------------------------------------------------------------------------


def music(tmp_path: Path, counts: dict[str, int], name: str = "all.json", reverse: bool = False) -> str:
    """A JSON list with `counts` ids per label, whose files all exist below ``tmp_path/files``."""
    ids = {label: [f"{label}-{i}" for i in range(count)] for label, count in counts.items()}
    for label, names in ids.items():
        for stem in names:
            touch(tmp_path / "files" / f"{stem}.mp4")
        ids[label] = names[::-1] if reverse else names
    return write(tmp_path / name, json.dumps(dict(reversed(ids.items())) if reverse else ids))


def split_of(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table.video_id, table.split))


def test_every_class_has_every_split_in_the_asked_shares(tmp_path):
    table = lists(tmp_path / "files", {"all": music(tmp_path, {"flute": 20, "tuba": 3, "harp": 2, "lute": 1})})
    counts = pd.crosstab(table.labels, table.split)
    assert counts.loc["flute"].to_dict() == {"test": 4, "train": 14, "val": 2}
    assert counts.loc["tuba"].to_dict() == {"test": 1, "train": 1, "val": 1}
    assert counts.loc["lute"].to_dict() == {"test": 0, "train": 1, "val": 0}


@pytest.mark.parametrize(
    "shares", [Shares(), Shares(0.05, 0.05, 0.9), Shares(0.05, 0.9, 0.05), Shares(0.34, 0.33, 0.33)]
)
def test_quotas_are_whole_and_leave_something_to_train_on(shares):
    for n in range(1, 60):
        counts = quotas(n, shares)
        assert sum(counts.values()) == n
        assert counts["train"] >= 1
        if n >= 3:
            assert min(counts.values()) >= 1


def test_splits_depend_on_seed_and_ids_only(tmp_path):
    counts = {"flute": 12, "tuba": 9}
    forward, backward = music(tmp_path, counts), music(tmp_path, counts, "back.json", reverse=True)
    first = split_of(lists(tmp_path / "files", {"all": forward}))
    assert split_of(lists(tmp_path / "files", {"all": backward})) == first
    assert split_of(lists(tmp_path / "files", {"all": forward}, seed=1)) != first


def test_one_more_video_moves_few_others(tmp_path):
    few = split_of(lists(tmp_path / "files", {"all": music(tmp_path, {"flute": 40, "tuba": 20})}))
    more = split_of(lists(tmp_path / "files", {"all": music(tmp_path, {"flute": 41, "tuba": 20})}))
    assert sum(more[video] != split for video, split in few.items()) <= 2
    assert all(more[video] == split for video, split in few.items() if "tuba" in video)


def test_what_is_missing_is_dealt_out_apart(tmp_path):
    path = write(tmp_path / "all.json", json.dumps({"flute": [f"v{i}" for i in range(100)]}))
    for i in (3, 50, 99):
        touch(tmp_path / "files" / f"v{i}.mp4")
    table = lists(tmp_path / "files", {"all": path}, decided_over="usable")
    assert sorted(table.split[table.problem == ""]) == ["test", "train", "val"]
    assert (table.split != "").all()


def test_two_labs_with_different_gaps_have_the_same_splits(tmp_path):
    path = write(tmp_path / "all.json", json.dumps({"flute": [f"v{i}" for i in range(30)]}))
    for lab, missing in (("one", range(0, 12)), ("two", range(8, 25))):
        for i in set(range(30)) - set(missing):
            touch(tmp_path / lab / f"v{i}.mp4")
    one, two = (split_of(lists(tmp_path / lab, {"all": path})) for lab in ("one", "two"))
    assert one == two


def test_all_parts_of_a_video_share_its_split(tmp_path):
    lines = [recording(tmp_path, label, f"{label}_part{i}") for label in ("a1", "a2", "a3", "a4") for i in range(5)]
    table = index(tmp_path, *lines, video_id=r"^(.+)_part\d+$")
    assert table.video_id.nunique() == 4
    assert (table.groupby("video_id").split.nunique() == 1).all()
    youtube = index(tmp_path, *(recording(tmp_path, "b", f"-_b3456789a_{start:06d}") for start in range(3)))
    assert set(youtube.video_id) == {"-_b3456789a"}
    assert index(tmp_path, recording(tmp_path, "b", "take_000002")).video_id[0] == "take_000002"


def test_a_pattern_that_does_not_fit(tmp_path):
    with pytest.raises(ConfigError, match="regular expression"):
        RecordedSettings("videos", ".", video_id="(")
    with pytest.raises(ConfigError, match="group"):
        RecordedSettings("videos", ".", video_id="abc")
    with pytest.raises(ConfigError, match=r"'other' \(all.csv row 2\)"):
        index(tmp_path, recording(tmp_path, "a", "x_part1"), recording(tmp_path, "a", "other"), video_id="^(.+)_part")


def test_a_pattern_that_never_ends_is_stopped(tmp_path):
    """`re` would go through 2^64 ways to cut the name up, longer than anybody waits."""
    name = "x" * 64
    with pytest.raises(ConfigError, match=r"still searching 'x+' \(all.csv row 1\) after 1 s; a repetition inside"):
        index(tmp_path, recording(tmp_path, "a", name), video_id=r"^((x|x)+)+\1!$")


def test_duets_train_unless_the_lists_say_otherwise(tmp_path):
    solos = {"all": music(tmp_path, {"flute": 10, "tuba": 10, "flute tuba": 8})}
    table = lists(tmp_path / "files", solos)
    assert set(table.split[table.labels == "flute|tuba"]) == {"train"}
    given = {"all": music(tmp_path, {"flute": 4, "tuba": 4}), "test": music(tmp_path, {"flute tuba": 2}, "duets.json")}
    table = lists(tmp_path / "files", given)
    assert set(table.split[table.labels == "flute|tuba"]) == {"test"}


def test_val_is_taken_from_train_where_lists_give_none(tmp_path):
    flute, tuba = ({f"{label}": [f"{label}{i}" for i in range(16)]} for label in ("flute", "tuba"))
    for label in ("flute", "tuba"):
        for i in range(16):
            touch(tmp_path / "files" / f"{label}{i}.mp4")
    files = {
        "train": write(tmp_path / "a.json", json.dumps({"flute": flute["flute"][:8], "tuba": tuba["tuba"][:8]})),
        "test": write(tmp_path / "b.json", json.dumps({"flute": flute["flute"][8:], "tuba": tuba["tuba"][8:]})),
    }
    table = lists(tmp_path / "files", files)
    counts = pd.crosstab(table.labels, table.split)
    assert (counts == pd.DataFrame({"test": 8, "train": 7, "val": 1}, index=["flute", "tuba"])).all(axis=None)
    assert not table.list[table.split == "val"].str.startswith("b.json").any()


def test_test_is_taken_from_val_where_lists_give_none(tmp_path):
    files = {split: music(tmp_path, {f"{label}": 9 for label in labels}, f"{split}.json")
             for split, labels in {"val": ("flute", "tuba")}.items()}  # fmt: skip
    for label in ("flute", "tuba"):
        for i in range(8):
            touch(tmp_path / "files" / f"{label}-t{i}.mp4")
    ids = {label: [f"{label}-t{i}" for i in range(8)] for label in ("flute", "tuba")}
    table = lists(tmp_path / "files", {"train": write(tmp_path / "train.json", json.dumps(ids))} | files)
    counts = pd.crosstab(table.labels, table.split)
    expected = pd.DataFrame({"test": 6, "train": 8, "val": 3}, index=["flute", "tuba"])  # 9 in the shares 0.2 to 0.1
    assert (counts == expected).all(axis=None)
    assert table.list[table.split == "test"].str.startswith("val.json").all()


def test_a_split_may_have_several_lists(tmp_path):
    solo, duet = music(tmp_path, {"flute": 4, "tuba": 4}, "solo.json"), music(tmp_path, {"flute tuba": 2}, "duet.json")
    table = lists(tmp_path / "files", {"all": (solo, duet)})
    assert table.labels.value_counts().to_dict() == {"flute": 4, "tuba": 4, "flute|tuba": 2}


def test_a_video_of_two_splits_is_refused_with_both_lines(tmp_path):
    line, other = recording(tmp_path, "flute", "a"), recording(tmp_path, "flute", "b")
    files = {"train": write(tmp_path / "train.csv", other, line), "test": write(tmp_path / "test.csv", line)}
    with pytest.raises(LeakageError) as caught:
        read_items(RecordedSettings("index", str(tmp_path), lists=files))
    for words in ("'a'", "train (train.csv row 2)", "test (test.csv row 1)"):
        assert words in str(caught.value)
    parts = {"train": write(tmp_path / "t.csv", recording(tmp_path, "flute", "vvvvvvvvvvv_000001")),
             "test": write(tmp_path / "u.csv", recording(tmp_path, "flute", "vvvvvvvvvvv_000020"))}  # fmt: skip
    with pytest.raises(LeakageError, match="'vvvvvvvvvvv'"):
        read_items(RecordedSettings("index", str(tmp_path), lists=parts))


# --- ids and repetitions ---------------------------------------------------------------------------------------------


def test_the_same_file_twice_is_a_duplicate(tmp_path):
    line = recording(tmp_path, "flute", "a")
    table = index(tmp_path, line, recording(tmp_path, "flute", "b"), line.replace("./", ".//"))
    assert list(table.problem) == ["", "", "duplicate"]
    assert "all.csv row 1" in table.detail[2]
    assert list(table.clip_id) == ["flute-a", "b", "flute-a-2"]
    kept = index(tmp_path, line, line, policy=Policy(duplicate="keep"))
    assert list(kept.problem) == ["", ""]
    assert kept.clip_id.is_unique
    both = {"all": write(tmp_path / "x.csv", line), "train": write(tmp_path / "y.csv", line)}
    table = read_items(RecordedSettings("index", str(tmp_path), lists=both)).set_index("list")
    assert table.problem.to_dict() == {"x.csv row 1": "duplicate", "y.csv row 1": ""}


def test_ten_thousand_identical_rows(tmp_path):
    table = index(tmp_path, *(10_000 * [recording(tmp_path, "flute", "a")]))
    assert Counter(table.problem) == {"duplicate": 9_999, "": 1}
    assert table.clip_id.is_unique


def test_clip_ids_are_unique_names_of_files():
    stems = ["a", "a", "flute-a", "x/../y", "", "", "NA", "é" * 300]
    labels = ["flute", "flute|violin", "tuba", "tuba", "", "", "flute", "flute"]
    ids = clip_ids(stems, labels, [f"list row {i}" for i in range(8)])
    assert ids.is_unique
    assert ids[3] == "x_.._y"
    assert ids[4] == "list row 4"
    assert ids[6] == "flute-NA"  # tables read a bare NA as nothing
    assert all(len(name.encode()) < 200 and "/" not in name and "|" not in name for name in ids)


def test_every_problem_has_a_policy(tmp_path):
    assert {"missing", "unreadable", "no_frames", "duplicate"} < set(PROBLEMS)


# --- scale -----------------------------------------------------------------------------------------------------------


def generated(root: Path, n: int) -> float:
    """Seconds that an index of `n` lines takes, none of whose files exist."""
    lines = (f"./audio/c{i % 309}/v{i:08d}.mp3,./frames/c{i % 309}/v{i:08d}.mp4,80" for i in range(n))
    path = write(root / f"{n}.csv", *lines)
    start = time.perf_counter()
    table = read_items(RecordedSettings("index", str(root), lists={"all": path}))
    assert Counter(table.problem) == {"missing": n}
    return time.perf_counter() - start


def test_time_grows_with_the_number_of_items_and_not_faster(tmp_path):
    generated(tmp_path, 500)  # imports and caches
    few, many = min(generated(tmp_path, 2_000) for _ in range(2)), generated(tmp_path, 16_000)
    assert many < 8 * few * 3 + 0.5


def test_twenty_thousand_files_that_exist(tmp_path):
    tiny = touch(tmp_path / "tiny")
    (tmp_path / "files").mkdir()
    rows = []
    for i in range(20_000):
        os.link(tiny, tmp_path / "files" / f"v{i:010d}_{i % 100:06d}.mp4")
        rows.append(f"v{i:010d},{i % 100},class {i % 300},{'test' if i % 10 == 0 else 'train'}")
    start = time.perf_counter()
    table = lists(tmp_path / "files", {"all": write(tmp_path / "all.csv", *rows)})
    assert (table.problem == "").all()
    assert time.perf_counter() - start < 10


@pytest.mark.slow
def test_an_index_of_130_000_lines_takes_seconds_and_little_memory(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert generated(tmp_path, 130_000) < 20
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown / (1024 if sys.platform == "darwin" else 1) < 300
