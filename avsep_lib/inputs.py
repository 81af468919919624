"""What a notebook reads: files below ``results/<profile>``, or one sentence about how to make them."""

from __future__ import annotations

from pathlib import Path

from avsep_lib.config import Profile, known_profiles, load_profile, profile_runs
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.paths import data_root, is_inside, results_root
from avsep_lib.reads import note


def dataset_of(profile: Profile, name: str) -> str:
    """The dataset that a name means in a profile: one of that name, or the one in that place of the paper's.

    Parameters
    ----------
    profile : Profile
    name : str
        A dataset or a data key, or a place: ``music11`` (MUSIC), ``music21`` (MUSIC-21) or ``wild`` (VGGSound), in
        which a profile may have recordings under another name.

    Returns
    -------
    str
        The name as it was where the profile has nothing there, so that whoever looks for it says what is missing.
    """
    base, at, switches = name.partition("@")
    return (profile.dataset_in(base) or base) + at + switches


def run_here(profile: Profile, run_id: str) -> str:
    """A run of a profile: the one of that id, or else the same row and seed on the profile's main dataset.

    Notebooks name ``hier_align-s0`` by default; where the only dataset stands in the place of VGGSound under the name
    ``garden``, that run is called ``hier_align-garden-s0``. An unknown id comes back as it was.
    """
    runs = {run.run_id: run for run in profile_runs(profile)}
    row, _, seed = run_id.rpartition("-s")
    same = (r.run_id for r in runs.values() if (r.row, str(r.seed), r.dataset) == (row, seed, profile.main_dataset))
    return run_id if run_id in runs else next(same, run_id)


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
    ConfigError
        When one would lie outside of ``results/<profile>``.
    """
    if leaving := [name for name in names if not is_inside(name)]:
        raise ConfigError(f"{leaving[0]!r} leads out of {results_root(profile)}; a name of a run or dataset is no path")
    paths = [results_root(profile) / name for name in names]
    if missing := [path for path in paths if not path.exists()]:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise DataError(f"{missing[0]}{more} is missing; run `make figures PROFILE={profile}` first, which makes it")
    note(paths)
    return paths


def require_analysis(profile: str, pattern: str, dataset: str) -> Path:
    """A file below ``results/<profile>/analysis``; `pattern` has ``{dataset}`` in it, which may be named by its place.

    Raises
    ------
    DataError
        When it is missing; see `require`.
    """
    name = f"analysis/{pattern}"
    if not (results_root(profile) / name.format(dataset=dataset)).exists() and profile in known_profiles():
        dataset = dataset_of(load_profile(profile), dataset)
    return require(profile, name.format(dataset=dataset))[0]


def require_data(profile: str, dataset: str, *names: str) -> list[Path]:
    """Paths of files below ``results/<profile>/data/<dataset>``; see `require` and, for the name, `dataset_of`.

    Raises
    ------
    ConfigError
        For a dataset that the profile does not have; lists those it has.
    DataError
        When a file is missing.
    """
    chosen = load_profile(profile)
    dataset = dataset_of(chosen, dataset)
    if dataset.split("@")[0] not in chosen.datasets:
        raise ConfigError(f"dataset {dataset!r} is not in profile {profile!r}; known: {', '.join(chosen.datasets)}")
    folder = data_root(profile, dataset).relative_to(results_root(profile))
    return require(profile, *(str(folder / name) for name in names))
