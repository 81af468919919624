"""What can happen to bytes, cells, trees and files."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

HUGE = 10**400
LONG = "x" * 200_000

# Cells of a table, all as text.
CELLS = (
    "", " ", "nan", "NaN", "inf", "-inf", "1e400", "-1", "0", "1.5", "1e-320", "9" * 30, "9" * 5000, "0x10", "1_000",
    "²", "٣", "ten", "None", "NA", "null", "true", "a|b", "|", "../../../etc/passwd", "/etc/passwd", "C:\\x", "~", "..",
    ".", "a\\b", "$(id)", "=1+1", "<script>", "café", "cafe\u0301", "\u202eabc", "\ufeff", "\u200b", "\U0001f3bb", "a\x00b", "a\rb", 'a"b',
    "a,b", "{}", "[]", "%s%n", "é" * 300, LONG,
)  # fmt: skip
# Values of YAML and JSON, of every type.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, HUGE, -HUGE, 0.0, 0.5, -0.5, 1e308, float("nan"), float("inf"),
    float("-inf"), "", " ", "1", "nan", "x", "../..", "/etc/passwd", "café", "\x00", "\u202e", "x" * 5000, "(", "(a+)+$", [],
    [1], ["x"], [[]], [None], {}, {"x": 1}, {1: 2}, {None: None}, [1] * 100, {"format": "videos"}, [{"kind": "mini"}],
)  # fmt: skip


def spoiled(data: bytes, rng: Random) -> tuple[str, bytes]:
    """Bytes with one thing done to them, and what."""
    name, change = rng.choice(BYTE_CHANGES)
    return name, change(data, rng)


def _flip(data: bytes, rng: Random, many: int = 1) -> bytes:
    new = bytearray(data)
    for _ in range(many if new else 0):
        new[rng.randrange(len(new))] ^= 1 << rng.randrange(8)
    return bytes(new)


def _flip_head(data: bytes, rng: Random) -> bytes:
    return _flip(data[:256], rng, rng.randint(1, 4)) + data[256:]


def _cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _cut_head(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(min(len(data), 200) + 1)]


def _insert(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.randint(1, 40)) + data[at:]


def _leave_out(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.randint(1, max(len(data) // 3, 1)) :]


def _repeat(data: bytes, rng: Random) -> bytes:
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:b] + data[a:]


def _blank(data: bytes, rng: Random, value: int = 0) -> bytes:
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:a] + bytes([value]) * (b - a) + data[b:]


BYTE_CHANGES: list[tuple[str, Callable[[bytes, Random], bytes]]] = [
    ("one bit", _flip),
    ("many bits", lambda data, rng: _flip(data, rng, max(len(data) // 100, 5))),
    ("bits of the header", _flip_head),
    ("bits of the header, again", _flip_head),
    ("truncated", _cut),
    ("truncated in the header", _cut_head),
    ("bytes inserted", _insert),
    ("bytes left out", _leave_out),
    ("bytes repeated", _repeat),
    ("a range of zeros", _blank),
    ("a range of 0xff", lambda data, rng: _blank(data, rng, 255)),
    ("random bytes", lambda data, rng: rng.randbytes(rng.randint(1, 2000))),
    ("empty", lambda data, rng: b""),
]

TEXT_CHANGES: list[tuple[str, Callable[[bytes, Random], bytes]]] = [
    ("byte-order mark", lambda data, rng: b"\xef\xbb\xbf" + data),
    ("CRLF", lambda data, rng: data.replace(b"\n", b"\r\n")),
    ("CR", lambda data, rng: data.replace(b"\n", b"\r")),
    ("UTF-16", lambda data, rng: data.decode("utf-8", "ignore").encode("utf-16")),
    ("Latin-1", lambda data, rng: data + "é,é,é\n".encode("latin-1")),
    ("NUL", lambda data, rng: _insert_text(data, rng, b"\0")),
    ("a quote", lambda data, rng: _insert_text(data, rng, b'"')),
    ("a comma", lambda data, rng: _insert_text(data, rng, b",")),
    ("a brace", lambda data, rng: _insert_text(data, rng, rng.choice([b"{", b"}", b"[", b"]", b":", b"&a ", b"*a"]))),
    ("a line break", lambda data, rng: _insert_text(data, rng, b"\n")),
    ("200,000 brackets", lambda data, rng: b"[" * 200_000),
    ("deep nesting", lambda data, rng: b"a: " + b"[" * 3000 + b"]" * 3000 + b"\n"),
    ("deep objects", lambda data, rng: b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    ("a very long line", lambda data, rng: data + b"x" * 300_000 + b"\n"),
    ("lines of blanks", lambda data, rng: data + b"\n \n\t\n" * 100),
    ("a line twice", lambda data, rng: _line_twice(data, rng)),
    ("an entity", lambda data, rng: b"!!python/object/apply:os.system ['false']\n"),
    ("laughs", lambda data, rng: laughs(12)),
    ("a date", lambda data, rng: data + b"\nx: 2001-99-99\n"),
    ("a long number", lambda data, rng: data.replace(b"1", b"1" * 6000, 1)),
]


def _insert_text(data: bytes, rng: Random, text: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + text + data[at:]


def _line_twice(data: bytes, rng: Random) -> bytes:
    lines = data.splitlines(keepends=True)
    if lines:
        line = rng.choice(lines)
        lines.insert(rng.randrange(len(lines) + 1), line)
    return b"".join(lines)


def laughs(levels: int) -> bytes:
    """YAML of a few lines that means 9 to the power of `levels` values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return ("\n".join(lines) + "\n").encode()


def spoiled_text(data: bytes, rng: Random) -> tuple[str, bytes]:
    """Text with one thing done to it that happens to text, or to bytes."""
    name, change = rng.choice(TEXT_CHANGES + BYTE_CHANGES)
    return name, change(data, rng)


FILE_STATES = ("missing", "a folder", "a link to nowhere", "a link in a circle", "a pipe", "unreadable", "empty")


def spoiled_file(path: Path, state: str) -> None:
    """Put something else in a file's place."""
    path.unlink(missing_ok=True)
    if state == "a folder":
        path.mkdir()
    elif state == "a link to nowhere":
        path.symlink_to(path.with_name("nowhere"))
    elif state == "a link in a circle":
        path.symlink_to(path)
    elif state == "a pipe":
        os.mkfifo(path)
    elif state == "unreadable":  # root reads everything: then an empty file of no permissions
        path.touch(mode=0)
    elif state == "empty":
        path.touch()


def places(tree: Any, here: tuple = ()) -> list[tuple]:
    """Keys that lead to every value of a tree of dicts and lists."""
    found = [here] if here else []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found += places(value, (*here, key))
    return found


def with_value(tree: Any, place: tuple, value: Any) -> Any:
    """A copy of a tree with another value at a place."""
    tree = copy.deepcopy(tree)
    node = tree
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return tree


def without(tree: Any, place: tuple) -> Any:
    """A copy of a tree without the value at a place."""
    tree = copy.deepcopy(tree)
    node = tree
    for key in place[:-1]:
        node = node[key]
    del node[place[-1]]
    return tree


def spoiled_tree(tree: Any, rng: Random) -> tuple[str, Any]:
    """A tree with one value changed, left out or added."""
    place = rng.choice(places(tree))
    how = rng.choice(["value"] * 6 + ["leave out", "add"])
    if how == "leave out":
        return f"without {place}", without(tree, place)
    if how == "add":
        parent = rng.choice([p[:-1] for p in places(tree)])
        key = rng.choice(["unknown", "", 1, None, "__class__", "é", "x" * 3000])
        node: Any = tree
        for step in parent:
            node = node[step]
        if isinstance(node, dict):
            return f"unknown key {str(key)[:20]!r} in {parent}", with_value(tree, (*parent, key), rng.choice(VALUES))
    value = rng.choice(VALUES)
    return f"{place} = {str(value)[:30]!r}", with_value(tree, place, value)
