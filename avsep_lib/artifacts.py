"""Saving what a notebook shows: figures and tables, each with a sidecar that says where it came from.

Everything lands in ``results/<profile>/artifacts`` as ``fig_<name>.*`` or ``tab_<name>.*``. Pictures are the same bytes
for the same data (no dates, fixed SVG identifiers). The sidecar ``<stem>.json`` is written last, so a picture with a
sidecar is complete. Importing this module loads neither matplotlib nor pandas.

Call both functions with a literal `name` and a literal `caption`: `avsep_lib.library` reads them from the notebook, and
the workflow learns from there which files to expect.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsep_lib import reads
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.files import atomic_path, sha256_file, write_json, write_text
from avsep_lib.paths import project_root, results_root
from avsep_lib.provenance import code_record, commit, hardware, package_versions, python_version
from avsep_lib.recipe import made_by
from avsep_lib.recorded.notes import data_notes, noted_files

if TYPE_CHECKING:
    import pandas as pd

FIGURE_FORMATS = ("png", "svg")
DPI = 150
KINDS = {"figure": "fig", "table": "tab"}  # prefix of the file names

_STARTED = time.monotonic()
reads.watch()


def artifact_stem(kind: str, name: str) -> str:
    """``fig_<name>`` or ``tab_<name>``; ConfigError for a name that would not survive a file system or LaTeX."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(f"artefact name {name!r}: use lower-case letters, digits and underscores")
    return f"{kind}_{name}"


def save_figure(
    figure: Any,
    name: str,
    *,
    profile: str,
    inputs: Iterable[str | Path],
    parameters: Mapping[str, Any],
    caption: str,
    data: pd.DataFrame | None = None,
) -> Path:
    """Save a figure as PNG and SVG beside its sidecar.

    Parameters
    ----------
    figure : matplotlib Figure, Axes, or an array of Axes
        What to save; of axes, the figure they lie on.
    name : str
        Gives ``fig_<name>.png`` and ``.svg``.
    profile : str
        Profile whose results these are.
    inputs : iterable of path
        Files the figure was computed from; their SHA-256 go into the sidecar, with those of all results that this
        process has opened (`avsep_lib.reads`).
    parameters : mapping
        Parameters of the notebook.
    caption : str
        One or two sentences a reader needs, without numbers that could go stale.
    data : DataFrame, optional
        The drawn values, saved as ``fig_<name>.csv``.

    Returns
    -------
    Path
        The sidecar, relative to the checkout.

    Raises
    ------
    ConfigError, DataError
        Bad name or empty caption; an input that does not exist.
    """
    stem = _begin("fig", name, caption, profile)
    record = _record("figure", name, caption, profile, inputs, parameters)
    written = [_save_picture(_figure_of(figure), stem.with_suffix(f".{suffix}")) for suffix in FIGURE_FORMATS]
    if data is not None:
        written.append(_save_csv(data, stem.with_suffix(".csv")))
    return _save_sidecar(stem, record, written)


def save_table(
    frame: pd.DataFrame,
    name: str,
    *,
    profile: str,
    inputs: Iterable[str | Path],
    parameters: Mapping[str, Any],
    caption: str,
    digits: int = 2,
) -> Path:
    """Save a table as CSV (full precision), Markdown and LaTeX (booktabs), beside its sidecar.

    Parameters
    ----------
    frame : DataFrame
        One row per line; a named index becomes leading columns, an unnamed one is dropped.
    name, profile, inputs, parameters, caption
        As for `save_figure`; the files are ``tab_<name>.*``.
    digits : int
        Decimals of floating-point cells in Markdown and LaTeX.

    Returns
    -------
    Path
        The sidecar, relative to the checkout.

    Raises
    ------
    ConfigError, DataError
        Bad name or empty caption; an input that does not exist.
    """
    stem = _begin("tab", name, caption, profile)
    record = _record("table", name, caption, profile, inputs, parameters)
    frame = frame.reset_index(drop=all(level is None for level in frame.index.names))
    written = [_save_csv(frame, stem.with_suffix(".csv"))]
    markdown, latex = markdown_table(frame, digits), latex_table(frame, name, record["caption"], digits)
    if note := data_notes(profile):
        markdown += f"\n{note}\n"
    for suffix, text in (("md", markdown), ("tex", latex)):
        write_text(stem.with_suffix(f".{suffix}"), text)
        written.append(stem.with_suffix(f".{suffix}"))
    return _save_sidecar(stem, record, written)


def markdown_table(frame: pd.DataFrame, digits: int = 2) -> str:
    """`frame` as a Markdown pipe table; missing values are an en dash, pipes, tags and links inside a cell are escaped."""
    cells = _rounded(frame, digits, missing="–").map(markdown_cell)
    cells.columns = [markdown_cell(str(column)) for column in cells.columns]
    return cells.to_markdown(index=False, disable_numparse=True) + "\n"


# What ends a cell, begins a tag or makes a link, and a backslash that would take back its escape.
_MARKDOWN = re.compile(r"\||<(?=[A-Za-z/!?])|(?<=\])\(|\\(?=[!-/:-@\[-`{-~])")


def markdown_cell(text: str) -> str:
    """Text as a cell that says it: on one line, without columns, tags and links of its own (`plain_cell` undoes it)."""
    return _MARKDOWN.sub(lambda match: f"\\{match[0]}", " ".join(text.split("\n")))


def plain_cell(cell: str) -> str:
    """What a cell by `markdown_cell` says."""
    return re.sub(r"\\([\\|<(])", r"\1", cell)


def latex_table(frame: pd.DataFrame, name: str, caption: str, digits: int = 2) -> str:
    """`frame` as a LaTeX table with booktabs rules, escaped, labelled ``tab:<name>``."""
    cells = _rounded(frame, digits, missing="–").map(_latex_escape)
    cells.columns = [_latex_escape(str(column)) for column in cells.columns]
    layout = "".join("r" if _is_number(frame[column]) else "l" for column in frame.columns)
    return cells.style.hide(axis="index").to_latex(
        hrules=True,
        column_format=layout,
        caption=_latex_escape(caption),
        label=f"tab:{name}",
        position_float="centering",
    )


def _begin(kind: str, name: str, caption: str, profile: str) -> Path:
    stem = artifact_stem(kind, name)
    if not caption.strip():
        raise ConfigError(f"artefact {stem}: caption is empty; say in a sentence what the reader sees")
    folder = results_root(profile) / "artifacts"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / stem


def _figure_of(thing: Any) -> Any:
    """The Figure behind a Figure, an Axes or an array of Axes."""
    while not hasattr(thing, "savefig"):
        thing = thing.figure if hasattr(thing, "figure") else next(iter(thing))
    return thing


def _save_picture(figure: Any, path: Path) -> Path:
    """Write one picture whose bytes depend on the drawing only."""
    import matplotlib

    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "avsep_lib"}), atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI, bbox_inches="tight", metadata=metadata)
    return path


def _save_csv(frame: pd.DataFrame, path: Path) -> Path:
    unnamed = all(level is None for level in frame.index.names)
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=not unnamed, lineterminator="\n")
    return path


def _record(
    kind: str,
    name: str,
    caption: str,
    profile: str,
    inputs: Iterable[str | Path],
    parameters: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything the sidecar says, except what was written; what was left out of recorded data is in the caption."""
    return {
        "kind": kind,
        "name": name,
        "caption": " ".join(f"{caption} {data_notes(profile)}".split()),
        "profile": profile,
        "inputs": hash_files([*inputs, *noted_files(profile), *reads.read_results(profile)]),
        "parameters": dict(parameters),
        "made_by": made_by(artifact_stem(KINDS[kind], name), profile, parameters),
        "code": code_record(),
        "packages": package_versions(),
        "python": python_version(),
        "hardware": hardware(),
        "commit": commit(),
    }


def _save_sidecar(stem: Path, record: dict[str, Any], written: list[Path]) -> Path:
    outputs = {path.name: sha256_file(path) for path in written}
    sidecar = stem.with_suffix(".json")
    write_json(sidecar, record | {"outputs": outputs, "wall_time_s": round(time.monotonic() - _STARTED, 1)})
    return sidecar.relative_to(project_root())


def hash_files(paths: Iterable[str | Path]) -> dict[str, str]:
    """SHA-256 of each file, by its path relative to the checkout (absolute when outside); sorted.

    Raises
    ------
    DataError
        For a path that is no file.
    """
    root = project_root()
    hashes = {}
    for path in sorted({root / Path(given) for given in paths}):
        if not path.is_file():
            raise DataError(f"input {path} is no file; name the files the artefact was computed from")
        state = path.stat()
        digest = _hash(path, state.st_size, state.st_mtime_ns)
        hashes[str(path.relative_to(root) if path.is_relative_to(root) else path)] = digest
    return hashes


@functools.cache
def _hash(path: Path, size: int, modified: int) -> str:
    """Hash of a file as it is: all artefacts of a notebook name the same large ones."""
    return sha256_file(path)


def _is_number(column: pd.Series) -> bool:
    return column.dtype.kind in "iuf"


def _rounded(frame: pd.DataFrame, digits: int, missing: str) -> pd.DataFrame:
    """Every cell as text: floats with `digits` decimals, missing values as `missing`."""

    def text(value: Any) -> str:
        if value is None or value != value:
            return missing
        return f"{value:.{digits}f}" if isinstance(value, float) else str(value)

    return frame.astype(object).map(text)


_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "–": "--",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "×": r"$\times$",
    "λ": r"$\lambda$",
    "−": "$-$",
}


def _latex_escape(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
