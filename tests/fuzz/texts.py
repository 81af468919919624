"""Kinds of input that are text: manifests, lists, indexes, profiles, parameter sets, scores, records.

`FORBIDDEN` is the schema said a second time, as examples of what it forbids: each of them must be refused, always.
"""

# ruff: noqa: PT018 - assertions are what the oracle says, not a test's last words

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import yaml

from avsep_lib.audit.data import load_audit
from avsep_lib.claims.schema import load_claims
from avsep_lib.clips import ClipStore
from avsep_lib.config import RUN_COLUMNS, Profile, load_profile, load_runs, profile_runs, resolve
from avsep_lib.files import sha256_file
from avsep_lib.manifest import COLUMNS, SPLITS, read_manifest
from avsep_lib.mixtures import absent_clips, read_list
from avsep_lib.parameters import NOTEBOOKS, notebook_parameters
from avsep_lib.published import load_published
from avsep_lib.recorded.description import read_dataset
from avsep_lib.recorded.items import read_items
from avsep_lib.recorded.settings import PROBLEMS, RecordedSettings
from avsep_lib.report.canaries import canary_entries
from avsep_lib.runner import _parameters
from avsep_lib.settings import from_dict, to_dict
from avsep_lib.tables.inputs import load_scores
from fuzz.mutate import CELLS, FILE_STATES, VALUES, spoiled_file, spoiled_text, spoiled_tree, with_value
from fuzz.watch import Case, Kind

ROOT = Path(__file__).resolve().parents[2]
NAN, INF = float("nan"), float("inf")
NO_NUMBER = ("", "0", "-1", "nan", "inf", "-inf", "1e400", "ten", "1,5", "0x10")

# Table: column to cells that may never stand there.
MANIFEST_FORBIDDEN = {
    "clip_id": ("", " ", "clip1"),
    "video_id": ("", " "),
    "labels": ("", " ", "|", "flute|", "|flute", "flute||violin", "flute|flute"),
    "split": ("", "Train", "dev", "train ", "test|val"),
    "audio": ("", " ", "a\x00b.wav"),
    "frames": ("", " "),
    "n_frames": (*NO_NUMBER, "1.5"),
    "fps": NO_NUMBER,
    "sample_rate": (*NO_NUMBER, "22050.5"),
    "duration_s": NO_NUMBER,
    "sha256": ("abc", "g" * 64, "0" * 63),
}
RUNS_FORBIDDEN = {
    "run_id": ("", "late-s1", "late", "../late-s0", "la te-s0", "late/x-s0", "middle-s0", "late\x00-s0"),
    "method": ("", "HFRA", "base", "../hfra", "references"),
    "fusion": ("", "early", "Late"),
    "alignment": ("", "maybe", "1", "Yes", "True"),
    "backbone": ("", "resnet50"),
    "seed": ("", "-1", "1.5", "²", "٣", "x", "9" * 5000),
    "switches": ("a", "a=", "unknown=1", "=1", "steps=0", "steps=-1", "steps=.nan", "learning_rate=.nan",
                 "learning_rate=.inf", "steps=1.5", "steps=x", "steps=[", "seed=3", "fusion=late", "steps=1;steps=2",
                 "hop_length=0", "channels=[]", "channels=[1]", "batch_size=" + "9" * 5000),
}  # fmt: skip
PUBLISHED_FORBIDDEN = {
    "table": ("", "x", "1.5", "-1", "nan", "²"),
    "row": ("",),
    "column": ("",),
    "value": ("", "x", "nan", "inf", "-inf", "1e400", "1,5"),
    "unit": ("", "db", "dBFS"),
    "page/section": ("",),
}
# Profile: place to values that may never stand there.
PROFILE_FORBIDDEN: dict[tuple, tuple] = {
    ("name",): (None, 1, "y", "", "../x"),
    ("hub",): ("yes", True, None, ""),
    ("seeds",): ([], None, "0", ["0"], [0.5], [True], [-1], [NAN], [0, 0]),
    ("leave_out",): (None, "x", [1], [None]),
    ("steps_of",): ({"*": 0}, {"*": -1}, {"*": 1.5}, {"*": "x"}, {"*": True}, {"*": 10**9}, [], {1: 1}),
    ("datasets",): ({}, None, [], "x", {"Music": {}}, {"a b": {}}, {"../x": {}}, {"music11": None}, {1: {}}),
    ("audio", "sample_rate"): (0, -1, 1.5, "16000", True, NAN, INF, None, 10**400, []),
    ("audio", "n_samples"): (0, -1, 10, 32768, 32767.0, "32767", None, 10**400),
    ("audio", "n_fft"): (0, 1, -1024, 1024.0, 10**9, None),
    ("audio", "hop_length"): (0, -1, 1024, 512.0, None),
    ("audio", "n_rows"): (0, 1, -64, 65, 64.0, 10**400),
    ("encoders",): (None, {}, [], {"image": {}}, {"image": {}, "audio": {}, "text": {}}),
    ("encoders", "image", "kind"): ("CLIP", "", None, 1, ["mini"]),
    ("encoders", "image", "steps"): (0, -1, 1.5, NAN, "30"),
    ("encoders", "image", "learning_rate"): (NAN, INF, 0, -1e-3, "x", True),
    ("encoders", "image", "weight_decay"): (NAN, INF, -1),
    ("encoders", "image", "warmup"): (-1, 1.5),
    ("encoders", "image", "seed"): (-1, 0.5),
    ("encoders", "image", "image_size"): (0, -32, 33, 96.0),
    ("encoders", "image", "layers"): ([], [1, 1, 1], [1, 1, 1, 0], [1, 1, 1, -1], "1111"),
    ("encoders", "image", "text_width"): (0, -1),
    ("encoders", "image", "text_layers"): (-1, 0.5),
    ("encoders", "image", "sha256"): ("abc", "g" * 64),
    ("encoders", "audio", "n_samples"): (0, -1, 5, 32767.0),
    ("encoders", "audio", "learning_rate"): (NAN, INF, 0, -1),
    ("encoders", "audio", "heads"): ([0, 4, 8, 16], [-2, 4, 8, 16], [2]),
    ("encoders", "audio", "depths"): ([0, 1, 2, 1], [-1, 1, 2, 1], []),
    ("encoders", "audio", "mixtures"): (-1,),
    ("encoders", "audio", "rate"): (16000, 0),
    ("encoders_of",): ({"unknown": {}}, {"music11": None}, {"music11": []}, {"music11": {"image": None}},
                       {"music11": {"image": [1]}}, {"music11": {"image": {"unknown": 1}}}, {"music11": {"text": {}}},
                       {1: {}}),
    ("mixtures", "pool_size"): (0, -1, 1.5, "x", NAN, 7),  # 7: fewer than batch_size
    ("mixtures", "gain_low"): (0, -1, NAN, INF, 2.0, None),
    ("mixtures", "gain_high"): (0, -1, NAN, INF, 0.1),
    ("mixtures", "seed"): (-1, 0.5, True, None),
    ("mixtures", "use_duets"): (1, "yes", None),
    ("mixtures", "features"): ("disk", None),
    ("model", "channels"): ([], [512], [8, 16, 32, 64, 511], [8, 0, 32, 64, 512], [8, -1, 32, 64, 512], "x", [8.5, 512],
                            [8] * 500 + [512]),
    ("model", "frame_size"): (0, -1, 1.5),
    ("model", "fusion"): ("early", None, 1),
    ("model", "backbone"): ("resnet18",),  # with the default fusion
    ("training", "steps"): (0, -1, 1.5, NAN, INF, "24", True, None),
    ("training", "batch_size"): (0, -1, 8.0),
    ("training", "learning_rate"): (0, -1, NAN, INF, 10**400, "x"),
    ("training", "clip_norm"): (0, -1, NAN, INF),
    ("training", "alignment_weight"): (-1, NAN, INF),
    ("training", "warmup_fraction"): (-0.1, 1.1, NAN),
    ("training", "decay_end_fraction"): (-0.1, 1.1, NAN),
    ("training", "validations"): (0, -1, 2.0),
    ("training", "devices"): (0, 3, 9),
    ("training", "loss"): ("mse", None),
    ("evaluation", "n_bootstrap"): (0, 39, -1, 200.0, None, NAN, 10**400),
    ("notebook_minutes",): (0, -1, NAN, INF, "x", None, True),
    ("datasets", "music11", "seconds"): (0, -1, NAN, INF, 1e308, "x", 0.5),
    ("datasets", "music11", "fps"): (0, -1, 1000, 8.5, None),
    ("datasets", "music11", "frame_size"): (0, 31, 97, 96.0, 10**9),
    ("datasets", "music11", "classes"): ([], ["flute"], ["flute", "flute"], ["flute", "kazoo"], "music", [1, 2], None),
    ("datasets", "music11", "videos_per_class"): ({}, {"train": 3}, None, {"train": 3, "val": 2, "test": 2, "pretrain": -1},
                                                  {"train": 1, "val": 2, "test": 2, "pretrain": 2}),
    ("datasets", "music11", "n_mp4"): (-1, 1.5),
    ("datasets", "music11", "noise_db"): ([NAN, 0], [-12.0, -30.0], [-INF, -12.0], [-12.0], None),
    ("unknown",): (1, None, {}),
    ("audio", "unknown"): (1,),
    ("training", "Steps"): (1,),
    ("based_on",): ("x", 1, "nowhere", [], "../x", ""),
}  # fmt: skip
DATASET_FORBIDDEN: dict[tuple, tuple] = {
    ("format",): (None, "csv", 1, ["index"]),
    ("root",): (None, 1, "nowhere", "all.csv", "", "a\x00b"),
    ("lists",): ({}, None, "all.csv", ["all.csv"], {"all": "nowhere.csv"}, {"all": None}, {"all": 1}, {"all": []},
                 {"dev": "all.csv"}, {"all": "."}, {1: "all.csv"}),
    ("fps",): (0, -1, NAN, INF, "8", None, 10**400),
    ("sample_rate",): (0, -1, 999, 44100.0, INF, 10**400, "44100"),
    ("frame_size",): (0, 31, -1, 256.0),
    ("seed",): (-1, 0.5, None),
    ("clipped_share",): (0, -1, NAN, 1.5, "x"),
    ("video_id",): ("(", "abc", 1, None),
    ("duet_separators",): ("x", [1], None, [""]),
    ("shares",): ({"train": 1.0}, {"train": 0.5, "val": 0.5, "test": 0.5}, {"train": NAN, "val": 0.1, "test": 0.2}, None,
                  {"train": 0.8, "val": 0.2, "test": 0.0}, {"train": 1.2, "val": -0.1, "test": -0.1}, {"dev": 0.1}),
    ("in_place_of",): ("music12", None, ""),
    ("decided_over",): ("all", None),
    ("policy",): ({"missing": "keep"}, {"silent": "keep"}, {"silent": "skip"}, {"unknown": "drop"}, None, "drop",
                  {"duplicate": True}, {1: "drop"}),
    ("title",): (1, None, ["x"]),
    ("unknown",): (1,),
}  # fmt: skip
PARAMETERS_FORBIDDEN: dict[str, tuple] = {
    "seed": (-1, 0.5, "1", None, True, NAN, [1], {}),
    "n_bootstrap": (0, 39, -1, 200.0, "200", None, True, INF),
    "profile": (None, 1, True, ["demo"], "../demo", "/etc/passwd", "", "a b", "demo\x00", "a/b", ".."),
    "dataset": (None, 1, ["x"], "../x", "", "a/b"),
    "mask": ("hard", "", "Soft", "soft\n", None, 1),
    "run_id": (None, 1, "../x", "", "a/b-s0"),
    "candidate": (None, 1, [], ""),
    "baseline": (None, 1, [], ""),
    "unknown": (1, None),
    "Seed": (1,),
}


def _table_text(rows: list[dict[str, str]]) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode("utf-8", "surrogatepass")


def _columns_changed(rows: list[dict[str, str]], rng: Random) -> tuple[str, str, bytes]:
    """What was done to the columns, what must follow, and the table."""
    how = rng.choice(
        ["reordered", "one missing", "one too many", "one twice", "no header", "only the header", "semicolons"]
    )
    columns = list(rows[0])
    if how == "reordered":
        rng.shuffle(columns)
        return how, "any", _table_text([{c: row[c] for c in columns} for row in rows])
    if how == "one missing":
        gone = rng.choice(columns)
        return (
            f"without the column {gone}",
            "refuse",
            _table_text([{c: v for c, v in r.items() if c != gone} for r in rows]),
        )
    if how == "one too many":
        return how, "any", _table_text([row | {"more": "1"} for row in rows])
    text = _table_text(rows)
    if how == "one twice":
        lines = text.decode().splitlines()
        return how, "refuse", "\n".join(f"{line},{line.split(',')[0]}" for line in lines).encode()
    if how == "no header":
        return how, "refuse", b"".join(text.splitlines(keepends=True)[1:])
    if how == "semicolons":
        return how, "refuse", text.replace(b",", b";")
    return how, "any", text.splitlines(keepends=True)[0]


def _table_case(
    path: Path, rows: list[dict[str, str]], forbidden: dict[str, tuple], rng: Random, strict_order: bool = False
) -> tuple[str, str]:
    """Write a spoiled table to `path`; the mutation, and what must follow."""
    how = rng.choice(["cell", "cell", "forbidden", "forbidden", "text", "text", "columns", "row", "file", "same"])
    if how == "forbidden" and forbidden:
        column = rng.choice(list(forbidden))
        cell = rng.choice(forbidden[column])
        rows = [dict(row) for row in rows]
        rows[0][column] = cell
        path.write_bytes(_table_text(rows))
        return f"{column} = {cell[:30]!r}", "refuse"
    if how == "cell":
        rows = [dict(row) for row in rows]
        column, cell = rng.choice(list(rows[0])), rng.choice(CELLS)
        rng.choice(rows)[column] = cell
        path.write_bytes(_table_text(rows))
        return f"a cell of {column} = {cell[:30]!r}", "any"
    if how == "columns":
        what, must, data = _columns_changed(rows, rng)
        path.write_bytes(data)
        return what, "refuse" if strict_order and what in ("reordered", "one too many") else must
    if how == "row":
        twice = rng.choice(rows)
        path.write_bytes(_table_text([*rows, twice]))
        return "a row twice", "any"
    if how == "file":
        state = rng.choice(FILE_STATES)
        path.write_bytes(_table_text(rows))
        spoiled_file(path, state)
        return state, "refuse"
    if how == "same":
        data = _table_text(rows)
        kind = rng.choice(["untouched", "CRLF", "byte-order mark", "blank lines at the end"])
        data = {"CRLF": data.replace(b"\n", b"\r\n"), "byte-order mark": b"\xef\xbb\xbf" + data,
                "blank lines at the end": data + b"\n\n"}.get(kind, data)  # fmt: skip
        path.write_bytes(data)
        return kind, "accept"
    what, data = spoiled_text(_table_text(rows), rng)
    path.write_bytes(data)
    return what, "any"


def _tree_case(path: Path, tree: Any, forbidden: dict[tuple, tuple], rng: Random, dump: Callable) -> tuple[str, str]:
    """Write a spoiled YAML or JSON to `path`; the mutation, and what must follow."""
    how = rng.choice(["tree", "tree", "tree", "forbidden", "forbidden", "forbidden", "text", "text", "file", "same"])
    if how == "forbidden" and forbidden:
        place = rng.choice(list(forbidden))
        value = rng.choice(forbidden[place])
        path.write_bytes(dump(with_value(tree, place, value)))
        return f"{'.'.join(place)} = {str(value)[:40]!r}", "refuse"
    if how == "file":
        state = rng.choice(FILE_STATES)
        path.write_bytes(dump(tree))
        spoiled_file(path, state)
        return state, "refuse"
    if how == "text":
        what, data = spoiled_text(dump(tree), rng)
        path.write_bytes(data)
        return what, "any"
    if how == "same":
        path.write_bytes(dump(tree).replace(b"\n", rng.choice([b"\n", b"\r\n"])))
        return "other line breaks", "accept"
    what, new = spoiled_tree(tree, rng)
    path.write_bytes(dump(new))
    return what, "any"


def dump_yaml(tree: Any) -> bytes:
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")


def dump_json(tree: Any) -> bytes:
    tree = {k: v for k, v in tree.items() if isinstance(k, str | int | None)} if isinstance(tree, dict) else tree
    return json.dumps(tree, skipkeys=True, indent=1).encode()


def finite(value: Any) -> bool:
    """Whether every number in a tree is finite and small enough for a float."""
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(finite, value))
    return (
        not isinstance(value, int | float) or abs(value) <= 2**62 or (isinstance(value, float) and math.isfinite(value))
    )


# The manifest


def manifest_rows() -> list[dict[str, str]]:
    """Six clips of three classes."""
    rows = []
    for i, (label, split) in enumerate(
        [
            ("flute", "train"),
            ("violin", "train"),
            ("flute|violin", "train"),
            ("flute", "val"),
            ("NA", "test"),
            ("tuba", "pretrain"),
        ]
    ):
        rows.append(
            {"clip_id": f"clip{i}", "video_id": f"video{i}", "labels": label, "split": split, "audio": f"audio/clip{i}.wav",
             "frames": f"frames/clip{i}", "n_frames": "48", "fps": "8", "sample_rate": "22050", "duration_s": "6.0",
             "sha256": "" if i % 2 else f"{i}" * 64}
        )  # fmt: skip
    return rows


def check_manifest_table(table: pd.DataFrame) -> None:
    """What holds of every manifest that is accepted."""
    assert set(COLUMNS) <= set(table.columns), "a column too few"
    assert table.columns.is_unique, "a column twice"
    assert len(table), "no clip"
    assert table.clip_id.is_unique, "a clip twice"
    for column in ("clip_id", "video_id", "labels", "audio", "frames"):
        assert table[column].map(lambda v: isinstance(v, str) and v.strip() != "" and "\0" not in v).all(), (
            f"an empty {column}"
        )
    assert set(table.split) <= set(SPLITS), "an unknown split"
    for labels in table.labels:
        parts = labels.split("|")
        assert all(p.strip() for p in parts) and len(set(parts)) == len(parts), f"labels {labels!r}"
    for column in ("n_frames", "fps", "sample_rate", "duration_s"):
        values = pd.to_numeric(table[column]).to_numpy(float)
        assert (np.isfinite(values) & (values > 0)).all(), f"{column} {values}"
    for column in ("n_frames", "sample_rate"):
        assert pd.api.types.is_integer_dtype(table[column]), f"{column} of type {table[column].dtype}"
    assert (table.groupby("video_id").split.nunique() == 1).all(), "a leak"
    assert table.sha256.map(lambda v: bool(re.fullmatch(r"([0-9a-f]{64})?", v))).all(), "a hash that is none"


def _manifest(folder: Path, rng: Random) -> Case:
    path = folder / "manifest.csv"
    what, must = _table_case(path, manifest_rows(), MANIFEST_FORBIDDEN, rng)
    return Case(what, lambda: read_manifest(path), ("manifest.csv",), check_manifest_table, must)


# Lists of recordings


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def _index_folder(folder: Path) -> list[list[str]]:
    lines = []
    for i, label in enumerate(("flute", "flute", "violin", "tuba")):
        _touch(folder / "audio" / label / f"clip{i}.wav")
        _touch(folder / "frames" / label / f"clip{i}.mp4" / "000001.jpg")
        lines.append([f"audio/{label}/clip{i}.wav", f"frames/{label}/clip{i}.mp4", "48"])
    return lines


def check_items(table: pd.DataFrame, root: Path, lines: int | None = None) -> None:
    """What holds of every table of items: all are there, and what can be used lies within the root."""
    assert lines is None or len(table) == lines, f"{len(table)} items of {lines} lines"
    assert table.clip_id.is_unique, "a clip twice"
    assert set(table.problem) <= {"", *PROBLEMS}, "an unknown problem"
    assert set(table.split) <= set(SPLITS), f"splits {set(table.split)}"
    assert ((table.problem == "") | (table.detail != "")).all(), "a problem without a reason"
    for row in table[table.problem == ""].itertuples():
        used = [p for p in (row.audio, row.frames, row.video) if p]
        assert used, "an item without a file"
        for path in used:
            assert os.path.realpath(path).startswith(f"{os.path.realpath(root)}{os.sep}"), f"{path} outside the root"
            assert os.path.exists(path), f"{path} is not there"
        assert row.labels.strip(), "an item without a label"
        assert row.video or row.n_frames > 0, "an item of no frames"
    for clip_id in table.clip_id:
        assert not re.search(r"[\x00-\x1f/\\]", clip_id) and clip_id not in ("", ".", ".."), f"clip id {clip_id!r}"


def _lines_of(path: Path) -> int | None:
    """Lines that are items: those that are not blank; None where the text is not readable."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            return sum(1 for line in stream if line.strip())
    except (OSError, UnicodeDecodeError):
        return None


def _list_settings(format: str, root: Path, path: Path, split: str = "all") -> RecordedSettings:
    return RecordedSettings(format, str(root), lists={split: (str(path),)})


def _spoiled_lines(path: Path, lines: list[list[str]], rng: Random) -> tuple[str, str]:
    """Lines of a CSV without header."""
    how = rng.choice(["cell", "cell", "cell", "text", "text", "file", "same", "width"])
    lines = [list(line) for line in lines]
    if how == "cell":
        column, cell = (
            rng.randrange(len(lines[0])),
            rng.choice([*CELLS, "../../outside.wav", "clip0\x00.wav", "audio", "."]),
        )
        rng.choice(lines)[column] = cell
        what, must = f"column {column} = {cell[:30]!r}", "any"
    elif how == "width":
        rng.choice(lines[1:]).extend(["x"] * rng.randint(1, 300))
        what, must = "a longer line", "any"
    else:
        what, must = how, "any"
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(lines)
    data = stream.getvalue().encode("utf-8", "surrogatepass")
    if how == "text":
        what, data = spoiled_text(data, rng)
    path.write_bytes(data)
    if how == "file":
        what, must = rng.choice(FILE_STATES), "refuse"
        spoiled_file(path, what)
    if how == "same":
        what, must = "other line breaks", "accept"
        path.write_bytes(rng.choice([b"", b"\xef\xbb\xbf"]) + data.replace(b"\n", b"\r\n"))
    return what, must


def _index(folder: Path, rng: Random) -> Case:
    root = folder / "data"
    path = root / "all.csv"
    what, must = _spoiled_lines_in(path, _index_folder(root), rng)
    return Case(
        what, lambda: read_items(_list_settings("index", root, path)), ("all.csv", "label", str(root)),
        lambda table: check_items(table, root, _lines_of(path)), must,
    )  # fmt: skip


def _spoiled_lines_in(path: Path, lines: list[list[str]], rng: Random) -> tuple[str, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return _spoiled_lines(path, lines, rng)


def _vggsound(folder: Path, rng: Random) -> Case:
    root, path = folder / "data", folder / "vggsound.csv"
    lines = [[f"id-{i:08d}", "30", label, split] for i, (label, split) in enumerate(
        [("playing flute", "train"), ("playing violin", "test"), ("dog, barking", "train"), ("dog, barking", "test")])]  # fmt: skip
    for line in lines[:3]:
        _touch(root / f"{line[0]}_000030.mp4")
    what, must = _spoiled_lines_in(path, lines, rng)
    return Case(
        what, lambda: read_items(_list_settings("list", root, path)), ("vggsound.csv", "label", str(root)),
        lambda table: check_items(table, root, _lines_of(path)), must,
    )  # fmt: skip


MUSIC_FORBIDDEN: dict[tuple, tuple] = {
    ("videos",): (
        None,
        [],
        1,
        "x",
        {"flute": None},
        {"flute": "id"},
        {"flute": {"a": 1}},
        {},
        {"NA": ["a"]},
        {"a|b": ["x"]},
    ),
    ("videos", "flute"): (None, 1, "x", {}),
}


def _music(folder: Path, rng: Random) -> Case:
    root, path = folder / "data", folder / "solo.json"
    tree = {"videos": {"flute": ["aaaaaaaaaa0", "aaaaaaaaaa1"], "violin": ["aaaaaaaaaa2"], "二胡": ["aaaaaaaaaa3"]}}
    for i in range(3):
        _touch(root / f"aaaaaaaaaa{i}.mp4")
    what, must = _tree_case(path, tree, MUSIC_FORBIDDEN, rng, dump_json)
    return Case(
        what, lambda: read_items(_list_settings("list", root, path)), ("solo.json", "label", str(root)),
        lambda table: check_items(table, root), must,
    )  # fmt: skip


DATASET = {
    "format": "index", "root": ".", "title": "Own", "lists": {"all": "all.csv"}, "fps": 8.0, "sample_rate": 22050,
    "frame_size": 96, "seed": 3, "shares": {"train": 0.6, "val": 0.2, "test": 0.2}, "policy": {"silent": "refuse"},
    "video_id": "^(.+)_part", "clipped_share": 0.01, "decided_over": "usable", "in_place_of": "wild", "path_prefix": "/x",
    "duet_separators": [" and "],
}  # fmt: skip


def check_settings(settings: Any) -> None:
    """Finite, and the same after being written and read."""
    assert finite(to_dict(settings)), f"not finite: {to_dict(settings)}"
    assert from_dict(type(settings), to_dict(settings)) == settings, "other settings after writing and reading"


def _dataset(folder: Path, rng: Random) -> Case:
    path = folder / "own.yaml"
    (folder / "all.csv").write_text("a/b.wav,c,3\n")
    what, must = _tree_case(path, DATASET, DATASET_FORBIDDEN, rng, dump_yaml)
    return Case(
        what,
        lambda: read_dataset(str(path), folder, "profile"),
        ("own.yaml", "nowhere", "circle"),
        check_settings,
        must,
    )


# Profiles and runs


@functools.cache
def profile_tree() -> dict:
    """The smoke profile with one dataset."""
    tree = yaml.safe_load((ROOT / "config" / "smoke.yaml").read_text())
    return tree | {
        "name": "x", "leave_out": [], "seeds": [0], "datasets": {"music11": tree["datasets"]["music11"]},
        "notebook_minutes": 5.0, "steps_of": {"late*": 4}, "encoders_of": {"music11": {"image": {"steps": 12}}},
    }  # fmt: skip


RUNS = [
    dict(zip(RUN_COLUMNS, row.split(",")))
    for row in ("late-s0,hfra,late,no,clip,music11,0,", "middle-s0,hfra,middle,yes,clip,music11,0,",
                "flip-s0,hfra,hierarchical,yes,clip,music11,0,loss=l1_mag; gain_low=1.0")
]  # fmt: skip


def read_profile(folder: Path) -> tuple[Profile, list]:
    """Profile ``x`` of a project in `folder`, and what its runs are trained with."""
    os.environ["AVSEP_ROOT"] = str(folder)
    profile = load_profile("x")
    return profile, [resolve(profile, run) for run in profile_runs(profile)]


def check_profile_read(found: tuple[Profile, list]) -> None:
    """Finite numbers, and sizes that fit together."""
    profile, runs = found
    dumped = {
        name: to_dict(getattr(profile, name)) for name in ("audio", "mixtures", "model", "training", "evaluation")
    }
    dumped |= {name: to_dict(dataset) for name, dataset in profile.datasets.items()}
    encoders = (profile.encoders, *profile.encoders_of.values())
    dumped["encoders"] = [to_dict(part) for section in encoders for part in (section.image, section.audio)]
    dumped |= {"seeds": profile.seeds, "steps_of": profile.steps_of, "minutes": profile.notebook_minutes}
    assert finite(dumped), f"not finite: {dumped}"
    assert profile.name == "x", "another name"
    ids = [run.run_id for run in runs]
    assert len(set(ids)) == len(ids), "a run twice"
    for run in runs:
        assert finite(dataclasses.asdict(run)), f"{run.run_id} is not finite"
        assert re.fullmatch(r"[\w.-]+-s\d+", run.run_id, re.ASCII), f"run id {run.run_id!r}"
        assert run.audio.n_rows % 2 ** len(run.model.channels) == 0, "sizes that do not fit"
        assert run.model.channels[-1] == run.model.embedding_dim, "widths that do not fit"


def _project(folder: Path, profile: bytes | None = None, runs: bytes | None = None) -> None:
    (folder / "config").mkdir()
    (folder / "config" / "x.yaml").write_bytes(profile or dump_yaml(profile_tree()))
    (folder / "config" / "runs.csv").write_bytes(runs or _table_text(RUNS))


def _profile(folder: Path, rng: Random) -> Case:
    _project(folder)
    what, must = _tree_case(folder / "config" / "x.yaml", profile_tree(), PROFILE_FORBIDDEN, rng, dump_yaml)
    names = ("x.yaml", "profile '", "run '")
    return Case(what, lambda: read_profile(folder), names, check_profile_read, must)


def _runs(folder: Path, rng: Random) -> Case:
    _project(folder)
    path = folder / "config" / "runs.csv"
    what, must = _table_case(path, RUNS, RUNS_FORBIDDEN, rng, strict_order=True)

    def read() -> Any:
        load_runs(path)
        return read_profile(folder)

    return Case(what, read, ("runs.csv", "run '"), check_profile_read, must)


# What the repository says of the paper


@functools.cache
def _claims_tree() -> list:
    tree = yaml.safe_load((ROOT / "paper" / "claims.yaml").read_text())
    kinds = {entry["test"]["kind"]: entry for entry in tree}
    return list(kinds.values())


def _claims(folder: Path, rng: Random) -> Case:
    path = folder / "claims.yaml"
    forbidden = {
        (0,): (None, 1, [], {}), (0, "id"): (None, 1, _claims_tree()[1]["id"], ""), (0, "label"): ("x" * 60, None, 1),
        (0, "sentence"): (None, 1), (0, "notebook"): ("99_none", 1), (0, "test"): (None, {}, [], {"kind": "proof"}),
        (0, "test", "kind"): ("proof", None, ["best"]), (0, "test", "unknown"): (1,), (0, "unknown"): (1,),
    }  # fmt: skip
    what, must = _list_tree_case(path, _claims_tree(), forbidden, rng)
    return Case(what, lambda: load_claims(path=path), ("claims.yaml",), lambda claims: _check_claims(claims), must)


def _list_tree_case(path: Path, tree: Any, forbidden: dict[tuple, tuple], rng: Random) -> tuple[str, str]:
    if rng.random() < 0.3:
        place = rng.choice(list(forbidden))
        value = rng.choice(forbidden[place])
        path.write_bytes(dump_yaml(with_value(tree, place, value)))
        return f"{place} = {str(value)[:40]!r}", "refuse"
    return _tree_case(path, tree, {}, rng, dump_yaml)


def _check_claims(claims: list) -> None:
    assert claims, "no claim"
    ids = [claim.id for claim in claims]
    assert all(ids) and len(set(ids)) == len(ids), "ids that are not unique"
    assert all(isinstance(claim.sentence, str) for claim in claims), "a sentence that is no text"


@functools.cache
def _published_rows() -> list[dict[str, str]]:
    with (ROOT / "paper" / "published.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))[:8]


def _published(folder: Path, rng: Random) -> Case:
    path = folder / "published.csv"
    what, must = _table_case(path, _published_rows(), PUBLISHED_FORBIDDEN, rng, strict_order=True)

    def check(table: pd.DataFrame) -> None:
        assert len(table), "no number"
        assert np.isfinite(table["value"].to_numpy(float)).all(), "a number that is not finite"
        assert not table.duplicated(["table", "row", "column"]).any(), "a cell twice"
        assert (table["table"] > 0).all(), "a table of no number"

    return Case(what, lambda: load_published(path), ("published.csv",), check, must)


@functools.cache
def _audit_tree() -> dict:
    tree = yaml.safe_load((ROOT / "paper" / "audit.yaml").read_text())
    return {key: values[:3] for key, values in tree.items()}


def _audit(folder: Path, rng: Random) -> Case:
    path = folder / "audit.yaml"
    forbidden = {
        ("numbers",): (None, 1, "x", [1], [{"name": "a"}], [{"name": "a", "value": "1", "source": "x"}],
                       [{"name": "a", "value": NAN, "source": "x"}], [{"name": "a", "value": 1, "source": "x"}] * 2),
        ("unknown",): (1,),
        ("citations",): (None, [[]]),
    }  # fmt: skip
    what, must = _tree_case(path, _audit_tree(), forbidden, rng, dump_yaml)
    return Case(what, lambda: load_audit(path), ("audit.yaml",), check_settings, must)


# Parameters of notebooks


def _parameter_set(folder: Path, rng: Random) -> Case:
    stem = rng.choice(list(NOTEBOOKS))
    model = NOTEBOOKS[stem]
    values = {name: getattr(model(), name) for name in model.model_fields if rng.random() < 0.7}
    how = rng.choice(["forbidden", "forbidden", "value", "text"])
    must, what = "any", how
    if how == "forbidden":
        name = rng.choice([n for n in PARAMETERS_FORBIDDEN if n in model.model_fields or n in ("unknown", "Seed")])
        values[name] = rng.choice(PARAMETERS_FORBIDDEN[name])
        what, must = f"{name} = {str(values[name])[:30]!r}", "refuse"
    elif how == "value":
        name = rng.choice([*model.model_fields, "unknown"])
        values[name] = rng.choice(VALUES)
        what = f"{name} = {str(values[name])[:30]!r}"
    text = json.dumps(values)
    if how == "text":
        what, data = spoiled_text(text.encode(), rng)
        text = data.decode("utf-8", "replace")

    def read() -> Any:
        return notebook_parameters(stem, **_parameters(text))

    def check(found: Any) -> None:
        dumped = found.model_dump()
        assert finite(dumped), f"{dumped}"
        assert all(
            isinstance(dumped[k], str) and re.fullmatch(r"[\w@=.-]+", dumped[k])
            for k in dumped
            if k not in ("seed", "n_bootstrap")
        )

    return Case(f"{stem}: {what}", read, ("parameter", "--parameters"), check, must)


# What jobs write for each other


def _mixture_rows() -> list[dict[str, str]]:
    return [
        {
            "mixture_id": f"t{i:05d}",
            "source": str(j),
            "clip_id": f"clip{i + j}",
            "start_s": "0.5",
            "frame": "3",
            "gain": "1.0",
        }
        for i in range(3)
        for j in range(2)
    ]


MIXTURES_FORBIDDEN = {
    "mixture_id": ("",), "source": ("", "-1", "0.5", "x", "1"), "clip_id": ("",),
    "start_s": ("", "-1", "nan", "inf", "x"), "frame": ("", "-1", "0.5", "x"), "gain": ("", "0", "-1", "nan", "inf", "x"),
}  # fmt: skip


def _mixtures(folder: Path, rng: Random) -> Case:
    path, info = folder / "test.csv", folder / "mixtures.json"
    path.write_bytes(_table_text(_mixture_rows()))
    record = {"sha256": {"test": sha256_file(path)}, "n_mixtures": {"test": 3}, "unpaired": {}}
    if rng.random() < 0.4:
        forbidden = {("sha256",): (None, [], "x", {}, {"test": 1}, {"test": "0" * 64})}
        what, must = _tree_case(info, record, forbidden, rng, dump_json)
        return Case(what, lambda: read_list(folder, "test"), ("mixtures.json", "test.csv"), _check_mixtures, must)
    what, must = _table_case(path, _mixture_rows(), MIXTURES_FORBIDDEN, rng)
    if path.is_file():  # as if it had been written so: the hash agrees
        record["sha256"]["test"] = sha256_file(path)
    info.write_bytes(dump_json(record))
    return Case(what, lambda: read_list(folder, "test"), ("test.csv",), _check_mixtures, must)


def _check_mixtures(table: pd.DataFrame) -> None:
    assert len(table), "no mixture"
    assert not table.duplicated(["mixture_id", "source"]).any(), "a source twice"
    values = table[["source", "start_s", "frame", "gain"]].to_numpy(float)
    assert np.isfinite(values).all() and (values >= 0).all() and (table.gain > 0).all(), f"{values}"
    assert table.clip_id.map(lambda v: isinstance(v, str) and v != "").all(), "no clip"


def _clip_store(folder: Path, rng: Random) -> Case:
    rows = [row | {"start": str(100 * i), "n_samples": "100"} for i, row in enumerate(manifest_rows())]
    (folder / "clips.csv").write_bytes(_table_text(rows))
    (folder / "clips.json").write_bytes(dump_json({"sample_rate": 11625, "root": ".", "n_clips": 6}))
    np.save(folder / "waveforms.npy", np.linspace(-1, 1, 600, dtype=np.float32))
    part = rng.choice(["clips.csv", "clips.json", "waveforms.npy", "waveforms.npy"])
    path = folder / part
    if part == "clips.csv":
        number = ("", "-1", "x", "0.5", "nan", "inf", "9" * 30)
        forbidden = {"start": (*number, "550"), "n_samples": (*number, "0", "601"), "clip_id": ("", "clip1")}
        what, must = _table_case(path, rows, forbidden, rng)
    elif part == "clips.json":
        forbidden = {
            ("sample_rate",): (None, 0, -1, "x", 1.5, NAN, True),
            ("root",): (None, 1, []),
            ("n_clips",): (7, 0),
        }
        what, must = _tree_case(path, json.loads(path.read_text()), forbidden, rng, dump_json)
    else:
        what, must = _spoiled_npy(path, rng)

    def read() -> Any:
        store = ClipStore.open(folder)
        return store, [store.waveform(clip_id) for clip_id in store.table.clip_id]

    def check(found: Any) -> None:
        store, waveforms = found
        assert store.sample_rate > 0 and isinstance(store.sample_rate, int), f"rate {store.sample_rate!r}"
        assert len(waveforms) == 6, f"{len(waveforms)} clips"
        for clip_id, waveform in zip(store.table.clip_id, waveforms):
            assert waveform.shape == (store.n_samples(clip_id),) and len(waveform), f"shape {waveform.shape}"
            assert waveform.dtype == np.float32, f"{waveform.dtype}"

    return Case(f"{part}: {what}", read, ("clips.csv", "clips.json", "waveforms.npy"), check, must)


def _spoiled_npy(path: Path, rng: Random) -> tuple[str, str]:
    how = rng.choice(["bytes", "bytes", "file", "float64", "2-d", "objects", "short", "pickle", "fortran", "huge"])
    if how == "bytes":
        what, data = spoiled_text(path.read_bytes()[:200], rng)
        path.write_bytes(data + path.read_bytes()[200:])
        return what, "any"
    if how == "file":
        state = rng.choice(FILE_STATES)
        spoiled_file(path, state)
        return state, "refuse"
    if how == "huge":
        data = path.read_bytes().replace(b"(600,)", b"(10**13,)"[:6].ljust(6))
        header = data[:128].replace(b"(600,), ", b"(9999999999999,), "[:18])
        path.write_bytes(header + data[128:])
        return how, "refuse"
    if how == "fortran":
        path.write_bytes(path.read_bytes().replace(b"False", b"True "))
        return how, "any"
    array = {
        "float64": np.zeros(600), "2-d": np.zeros((6, 100), np.float32), "short": np.zeros(599, np.float32),
        "objects": np.array([{"a": 1}] * 600, object), "pickle": np.array([print], object),
    }[how]  # fmt: skip
    np.save(path, array, allow_pickle=True)
    return how, "refuse"


SCORES = [
    "run_id", "mixture_id", "source", "clip_id", "mask", "sdr_db", "sir_db", "sar_db", "si_sdr_db", "sdri_db", "si_sdri_db",
]  # fmt: skip


def _scores(folder: Path, rng: Random) -> Case:
    path = folder / "late-s0.csv"
    rows = [
        dict(zip(SCORES, ["late-s0", f"t{i:05d}", str(j), f"clip{i}", mask, "1.5", "2.5", "", "1.0", "0.0", "1.5"]))
        for i in range(2)
        for j in range(2)
        for mask in ("soft", "binary")
    ]
    forbidden = {"sdr_db": ("x", "1,5"), "mask": ("hard",), "source": ("x", ""), "mixture_id": ("",), "run_id": ("",)}
    what, must = _table_case(path, rows, forbidden, rng)

    def check(table: pd.DataFrame) -> None:
        assert len(table), "no score"
        assert not table.duplicated(["run_id", "mixture_id", "source", "mask"]).any(), "a score twice"
        assert pd.api.types.is_numeric_dtype(table["sdr_db"]), f"scores of type {table['sdr_db'].dtype}"

    return Case(what, lambda: load_scores([path]), ("late-s0.csv",), check, must)


def _canaries(folder: Path, rng: Random) -> Case:
    path = folder / "canaries.json"
    finding = {"what": "shared videos", "value": 0, "limit": "0"}
    check = {"name": "leakage", "passed": True, "data": "music11", "findings": [finding]}
    forbidden = {
        ("checks",): (None, 1, {}, [1], [None], [{}], []), ("checks", 0, "name"): (None, 1, []),
        ("checks", 0, "passed"): (None, "yes", 1), ("checks", 0, "findings"): (None, 1, [1], [{}]),
    }  # fmt: skip
    forbidden_text = {tuple(place): values for place, values in forbidden.items()}
    tree = {"checks": [check, check | {"name": "silence"}]}
    if rng.random() < 0.4:
        place = rng.choice(list(forbidden_text))
        value = rng.choice(forbidden_text[place])
        path.write_bytes(dump_json(with_value(tree, place, value)))
        what, must = f"{place} = {value!r}", "refuse"
    else:
        what, must = _tree_case(path, tree, {}, rng, dump_json)

    def check_read(entries: list) -> None:
        assert entries, "no check"
        assert all(isinstance(e["passed"], bool) and isinstance(e["name"], str) for e in entries), (
            "a check that says nothing"
        )

    return Case(what, lambda: canary_entries(path), ("canaries.json",), check_read, must)


def _audit_csv(folder: Path, rng: Random) -> Case:
    path = folder / "audit.csv"
    rows = [
        {"clip_id": f"clip{i}", "labels": "flute", "split": "test", "status": s}
        for i, s in enumerate(("kept", "dropped"))
    ]
    what, must = _table_case(path, rows, {"status": ("", "Dropped", "gone")}, rng)
    return Case(
        what, lambda: absent_clips(path), ("audit.csv",),
        lambda table: _require(set(table.split) <= set(SPLITS), "an unknown split"), must,
    )  # fmt: skip


def _require(true: bool, otherwise: str) -> None:
    assert true, otherwise


def forbidden(folder: Path) -> Iterator[Case]:
    """Every example of what the schema forbids, one by one."""
    for number, (name, rows, examples, read) in enumerate((
        ("manifest.csv", manifest_rows(), MANIFEST_FORBIDDEN, read_manifest),
        ("published.csv", _published_rows(), PUBLISHED_FORBIDDEN, load_published),
        ("runs.csv", RUNS, RUNS_FORBIDDEN, None),
    )):  # fmt: skip
        for column, cells in examples.items():
            for cell in cells:
                home = Path(tempfile.mkdtemp(prefix=f"{number}-", dir=folder))
                data = _table_text([rows[0] | {column: cell}, *rows[1:]])
                if read is None:
                    _project(home, runs=data)
                    yield Case(
                        f"{name}: {column} = {cell[:30]!r}", partial(read_profile, home), (name, "run '"), must="refuse"
                    )
                else:
                    (home / name).write_bytes(data)
                    yield Case(f"{name}: {column} = {cell[:30]!r}", partial(read, home / name), (name,), must="refuse")
    for place, values in PROFILE_FORBIDDEN.items():
        for value in values:
            home = Path(tempfile.mkdtemp(dir=folder))
            _project(home, dump_yaml(with_value(profile_tree(), place, value)))
            what = f"profile: {'.'.join(place)} = {str(value)[:40]!r}"
            yield Case(what, partial(read_profile, home), ("x.yaml", "profile '", "run '"), must="refuse")
    for place, values in DATASET_FORBIDDEN.items():
        for value in values:
            home = Path(tempfile.mkdtemp(dir=folder))
            (home / "all.csv").write_text("a/b.wav,c,3\n")
            (home / "own.yaml").write_bytes(dump_yaml(with_value(DATASET, place, value)))
            what = f"dataset: {'.'.join(place)} = {str(value)[:40]!r}"
            yield Case(what, partial(read_dataset, str(home / "own.yaml"), home, "p"), ("own.yaml",), must="refuse")
    for name, values in PARAMETERS_FORBIDDEN.items():
        stems = [s for s in NOTEBOOKS if name in NOTEBOOKS[s].model_fields] or list(NOTEBOOKS)[:1]
        for value in values:
            what = f"notebook parameters: {name} = {str(value)[:40]!r}"
            yield Case(what, partial(notebook_parameters, stems[0], **{name: value}), ("parameter",), must="refuse")


KINDS = {
    kind.name: kind
    for kind in (
        Kind("manifest CSV", _manifest),
        Kind("index CSV", _index),
        Kind("VGGSound CSV", _vggsound),
        Kind("MUSIC JSON", _music),
        Kind("dataset YAML", _dataset),
        Kind("profile YAML", _profile),
        Kind("runs CSV", _runs),
        Kind("claims YAML", _claims),
        Kind("published CSV", _published),
        Kind("audit YAML", _audit),
        Kind("notebook parameters", _parameter_set),
        Kind("mixture lists", _mixtures),
        Kind("decoded clips", _clip_store),
        Kind("scores CSV", _scores),
        Kind("canaries JSON", _canaries),
        Kind("audit CSV", _audit_csv),
    )
}
