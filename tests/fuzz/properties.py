"""What holds of whatever hypothesis thinks of: readers of text accept it rightly or refuse it by name, and in time."""

# ruff: noqa: PT017, PT018 - assertions are what the oracle says, not a test's last words

from __future__ import annotations

import contextlib
import math
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avsep_lib.claims.schema import KINDS as TESTS_OF_CLAIMS
from avsep_lib.config import Run, _parse_switches, check_profile, switched_sections
from avsep_lib.embedded.settings import EmbeddedSettings
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.errors import AvsepError, ConfigError, DataError
from avsep_lib.files import read_json
from avsep_lib.manifest import COLUMNS, SPLITS, read_manifest
from avsep_lib.parameters import NOTEBOOKS, notebook_parameters
from avsep_lib.recorded.ids import clip_ids
from avsep_lib.recorded.labels import class_names
from avsep_lib.recorded.rows import csv_rows
from avsep_lib.recorded.settings import RecordedSettings
from avsep_lib.separation.footage import Crop
from avsep_lib.settings import (
    AudioSettings,
    EvaluationSettings,
    MixtureSettings,
    ModelSettings,
    TrainingSettings,
    from_dict,
)
from avsep_lib.text_files import parse_yaml, read_text
from fuzz.texts import check_manifest_table, check_settings, finite

LIMIT_S = 10
SECTIONS = (
    AudioSettings, MixtureSettings, ModelSettings, TrainingSettings, EvaluationSettings, EmbeddedSettings, RecordedSettings,
    ImageEncoderSettings, AudioEncoderSettings, *TESTS_OF_CLAIMS.values(),
)  # fmt: skip

numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 2**63, 1e308, -0.0])
scalars = st.none() | st.booleans() | numbers | st.text(max_size=12)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
tidy = st.text("abcdefgh0123456789-_", min_size=1, max_size=8)
label = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="|"), min_size=1, max_size=12
).filter(lambda text: text.strip() != "")


@contextlib.contextmanager
def in_time(seconds: int = LIMIT_S) -> Iterator[None]:
    """AssertionError when the block works for longer, or waits for six times as long (a crowded machine makes it wait)."""

    def stop(number: int, frame: Any) -> None:
        raise AssertionError(f"it takes more than {seconds} s")

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, seconds), (signal.SIGALRM, signal.ITIMER_REAL, 6 * seconds))
    before = [signal.signal(number, stop) for number, _, _ in timers]
    for _, timer, length in timers:
        signal.setitimer(timer, length)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(timers, before):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


@contextlib.contextmanager
def refused_by(name: str) -> Iterator[None]:
    """Let a refusal pass that names something; any other error, and a refusal that does not, is a failure."""
    try:
        yield
    except AvsepError as error:
        assert name in str(error), f"{name} is not named: {error}"
        assert len(str(error)) < 3000, "a flood"


def keyed(cls: type) -> st.SearchStrategy:
    """Mappings with the keys of a settings class, mostly, and any values."""
    keys = list(cls.__dataclass_fields__)
    return st.dictionaries(st.sampled_from(keys) | st.text(max_size=5), trees, max_size=4)


def section(given: tuple[type, dict]) -> None:
    """Settings of a profile, a dataset, an encoder or a claim: right, or refused."""
    cls, values = given
    with refused_by("here"):
        check_settings(from_dict(cls, values, "here"))


def parameters(given: tuple[str, dict]) -> None:
    """A set of parameters of a notebook."""
    stem, values = given
    with refused_by(f"notebook {stem}"):
        found = notebook_parameters(stem, **values).model_dump()
        assert finite(found) and set(values) <= set(found), f"{found}"
        assert all(type(found[name]) is type(value) for name, value in values.items()), f"{found} from {values}"


def yaml_text(text: str) -> None:
    """Any text as YAML."""
    with refused_by("here"):
        parse_yaml(text, "here")


def yaml_tree(tree: Any) -> None:
    """What was written as YAML is read as it was."""
    text = yaml.safe_dump(tree)
    with refused_by("here"):
        assert _same(parse_yaml(text, "here"), tree), f"{text!r} is read differently"


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(_same, one, other))
    return one == other or (
        isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    )


def file_bytes(data: bytes) -> None:
    """Any bytes as text, and as JSON."""
    with _file("some.json", data) as path:
        with refused_by("some.json"):
            assert "\0" not in read_text(path), "a NUL"
        with refused_by("some.json"):
            read_json(path)


@contextlib.contextmanager
def _file(name: str, data: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="properties-") as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        yield path


def list_lines(text: str) -> None:
    """Any text as a list of recordings: every line that is not blank has a row, of the right width or with a reason."""
    with _file("all.csv", text.encode("utf-8", "surrogatepass")) as path, refused_by("all.csv"):
        rows = list(csv_rows(str(path), (3, 4), "audio, frames, number"))
        lines = sum(1 for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
        assert all(wrong or len(found) in (3, 4) for _, found, wrong in rows), f"{rows}"
        assert len(rows) <= lines, f"{len(rows)} rows of {lines} lines"


manifests = st.lists(
    st.fixed_dictionaries({
        "labels": st.lists(label, min_size=1, max_size=2, unique=True), "split": st.sampled_from(SPLITS), "audio": label,
        "n_frames": st.integers(1, 10**6), "fps": st.floats(0.01, 1000), "sample_rate": st.integers(1, 10**6),
        "duration_s": st.floats(0.01, 10**5), "sha256": st.sampled_from(["", "0123456789abcdef" * 4]),
    }), min_size=1, max_size=5,
)  # fmt: skip


def manifest(rows: list[dict]) -> None:
    """A manifest that is in order is read as it was written, whatever the names in it."""
    import pandas as pd

    table = pd.DataFrame(rows).assign(labels=["|".join(row["labels"]) for row in rows], frames="f")
    table["clip_id"] = table["video_id"] = [f"{i}" for i in range(len(rows))]
    with _file("manifest.csv", table[COLUMNS].to_csv(index=False).encode()) as path:
        found = read_manifest(path)
    check_manifest_table(found)
    for column in ("labels", "split", "audio", "clip_id"):
        assert found[column].tolist() == table[column].tolist(), f"another {column}: {found[column].tolist()}"
    for column in ("fps", "duration_s", "n_frames"):
        assert np.allclose(found[column], table[column], rtol=1e-12), f"another {column}"


def names(labels: list[str]) -> None:
    """Class names and clip ids of any labels: the same label is the same class, ids are unique and fit a file system."""
    with refused_by("label"):
        found = class_names(labels, ("|", "+", " and "))
        assert set(found) == set(labels), "a label is lost"
        assert all(class_names([found[x]], ()) for x in found if "|" not in found[x]), "a name that is none"
    ids = clip_ids(labels, ["a"] * len(labels), [f"row {i}" for i in range(len(labels))])
    assert ids.is_unique, f"{ids.tolist()}"
    for name in ids:
        assert name not in ("", ".", "..") and os.sep not in name and "\0" not in name, f"{name!r}"
        assert len(name.encode("utf-8")) < 200, f"{len(name)} characters"


def switches(text: str) -> None:
    """Any text as the switches of a run."""
    with refused_by("run"):
        run = Run("x-s0", "hfra", "late", False, "clip", "music11", 0, _parse_switches(text, "run"))
        for value in switched_sections(_profile(), run).values():
            check_settings(value)


def _profile() -> Any:
    from fuzz.texts import profile_tree

    return check_profile(profile_tree(), "here", "x")


def crop(text: str) -> None:
    """Any text as the part of a picture that is cut out."""
    try:
        found = Crop.parse(text)
    except ConfigError as error:
        assert "crop" in str(error)
        return
    try:
        left, top, right, bottom = found.box(640, 480, Path("a.mp4"))
    except DataError as error:
        assert "a.mp4" in str(error)
        return
    assert 0 <= left < right <= 640 and 0 <= top < bottom <= 480, f"{left, top, right, bottom}"


fields = st.sampled_from(["steps", "learning_rate", "n_rows", "channels", "gain_low", "loss", "seed", "no such"])
words = st.sampled_from(
    [
        "1",
        "0",
        "-1",
        ".nan",
        ".inf",
        "1e9",
        "[8, 512]",
        "[",
        "x",
        "true",
        "",
        "&a",
        "*a",
        "!!int x",
        "2001-99-99",
        "{a: 1}",
    ]
)
PROPERTIES: dict[str, tuple[Callable[[Any], None], st.SearchStrategy]] = {
    "settings": (section, st.sampled_from(SECTIONS).flatmap(lambda cls: st.tuples(st.just(cls), keyed(cls)))),
    "parameter sets": (
        parameters,
        st.sampled_from(list(NOTEBOOKS)).flatmap(lambda stem: st.tuples(
            st.just(stem), st.dictionaries(st.sampled_from([*NOTEBOOKS[stem].model_fields, "typo"]), scalars | trees, max_size=3))),
    ),
    "YAML text": (yaml_text, st.text(max_size=60) | st.text("[]{}:,-&*!?|>'\"#%@` \nab1", max_size=60)),
    "YAML trees": (yaml_tree, trees),
    "bytes of a file": (file_bytes, st.binary(max_size=60) | st.text('{}[]":,0123456789.eE-+ntf \\u', max_size=40).map(str.encode)),
    "lines of a list": (list_lines, st.text(st.characters(blacklist_categories=("Cs",)), max_size=80) | st.text('a,"\n\r ', max_size=40)),
    "manifests in order": (manifest, manifests),
    "labels and ids": (names, st.lists(st.text(max_size=8) | st.sampled_from(["Flute", "flute ", "a|b", "NA", "a and b", "x" * 300]), min_size=1, max_size=6)),
    "switches": (switches, st.lists(st.tuples(fields, words).map("=".join) | st.text(max_size=10), max_size=3).map(";".join)),
    "crops": (crop, st.text("0123456789.,-e naif", max_size=20) | st.lists(st.floats() | st.integers(0, 700), min_size=4, max_size=4).map(lambda v: ",".join(map(str, v)))),
}  # fmt: skip


def tried(name: str, examples: int) -> int:
    """Try a property with as many examples, always the same ones; returns how many were tried."""
    check, strategy = PROPERTIES[name]
    count = 0

    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def run(value: Any) -> None:
        nonlocal count
        count += 1
        with in_time():
            check(value)

    run()
    return count
