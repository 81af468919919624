"""What a notebook reads: files below ``results/<profile>``, or one sentence about how to make them."""

from __future__ import annotations

from pathlib import Path

from avsep_lib.config import load_profile
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.paths import data_root, results_root


def require(profile: str, *names: str) -> list[Path]:
    """Paths of files below ``results/<profile>``.

    Parameters
    ----------
    profile : str
        Profile whose results are read.
    *names : str
        Relative paths, e.g. ``"runs/late-s0/history.csv"``.

    Raises
    ------
    DataError
        When one is missing; names it and the command that makes it.
    """
    paths = [results_root(profile) / name for name in names]
    if missing := [path for path in paths if not path.exists()]:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise DataError(f"{missing[0]}{more} is missing; run `make figures PROFILE={profile}` first, which makes it")
    return paths


def require_data(profile: str, dataset: str, *names: str) -> list[Path]:
    """Paths of files below ``results/<profile>/data/<dataset>``; see `require`.

    Raises
    ------
    ConfigError
        For a dataset that the profile does not have; lists those it has.
    DataError
        When a file is missing.
    """
    known = load_profile(profile).datasets
    if dataset.split("@")[0] not in known:
        raise ConfigError(f"dataset {dataset!r} is not in profile {profile!r}; known: {', '.join(known)}")
    folder = data_root(profile, dataset).relative_to(results_root(profile))
    return require(profile, *(str(folder / name) for name in names))
