"""The YAML file that describes a recorded dataset, read strictly, with its paths made absolute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from avsep_lib.errors import ConfigError
from avsep_lib.recorded.settings import RecordedSettings
from avsep_lib.settings import from_dict
from avsep_lib.text_files import read_yaml

FOR_THE_PROFILE = ("name", "encoders")  # keys of the file that a profile made for it takes over


def read_file(path: Path, place: str) -> dict:
    """The mapping in a dataset's YAML file; ConfigError when it is missing or holds something else."""
    if not path.is_file():
        raise ConfigError(f"{place}: no dataset file {path}; see 'Your own recordings' in the README for what to write")
    data = read_yaml(path)
    if not isinstance(data, dict) or "format" not in data:
        raise ConfigError(f"{path}: expected a mapping with the key format (index, videos or list)")
    return data


def read_dataset(data: str | dict, base: Path, place: str) -> RecordedSettings:
    """Settings of a recorded dataset.

    Parameters
    ----------
    data : str or dict
        Path of its YAML file, or what would stand in one.
    base : Path
        Folder that a relative path in `data` starts from; those within the file start from the file's own folder.
    place : str
        First words of any error.

    Raises
    ------
    ConfigError
        A missing file, an unknown key, a wrong type, or a root or list that does not exist.
    """
    if isinstance(data, str):
        path = _from(base, data, place)
        data, base, place = read_file(path, place), path.parent, str(path)
    values = {key: value for key, value in data.items() if key not in FOR_THE_PROFILE}
    return from_dict(RecordedSettings, _absolute(values, base, place), place)


def _absolute(values: dict[str, Any], base: Path, place: str) -> dict[str, Any]:
    """The same values with absolute paths, each of which exists."""
    values = dict(values)
    if isinstance(root := values.get("root"), str):
        values["root"] = _existing(root, base, f"{place}: root", "folder")
    if isinstance(lists := values.get("lists"), dict):
        values["lists"] = {split: _files(names, base, f"{place}: lists.{split}") for split, names in lists.items()}
    return values


def _files(names: Any, base: Path, place: str) -> list:
    """One file, or several, as absolute paths; what is no text is left to the check of types."""
    names = names if isinstance(names, list | tuple) else [names]
    return [_existing(name, base, place, "file") if isinstance(name, str) else name for name in names]


def _existing(name: str, base: Path, place: str, kind: str) -> str:
    if not name.strip():
        raise ConfigError(f"{place}: no name of a {kind}; write . for the folder {base}")
    path = _from(base, name, place)
    if not (path.is_dir() if kind == "folder" else path.is_file()):
        raise ConfigError(f"{place}: there is no {kind} {path}; relative paths start from {base}")
    return str(path)


def _from(base: Path, name: str, place: str) -> Path:
    """Absolute path of a name in the file; ConfigError for what can be none."""
    try:
        return (base / Path(name).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, ~nobody, a NUL
        raise ConfigError(f"{place}: {name!r} cannot be a path ({error})") from None
