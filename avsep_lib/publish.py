"""Copy what the notebooks made to ``figures/<profile>``: ``python -m avsep_lib.publish --profile demo``.

Only figures, tables and sidecars that a notebook of today writes are copied, and what is no longer written is removed:
present on disk is not the same as reproduced. Running it twice changes nothing.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from avsep_lib.artifacts import hash_files
from avsep_lib.cli import run_main
from avsep_lib.errors import DataError
from avsep_lib.files import atomic_path, read_json, sha256_file, write_json
from avsep_lib.paths import figures_root, results_root


def publish(profile: str, names: list[str]) -> dict[str, int]:
    """Make ``figures/<profile>`` equal to the artefacts, and write ``published.json`` with their hashes.

    Parameters
    ----------
    profile : str
        Profile whose results are published.
    names : list of str
        Files below ``results/<profile>/artifacts``.

    Returns
    -------
    dict
        Counts for the last line a user sees: artefacts, files copied, files removed.

    Raises
    ------
    DataError
        A name is missing among the artefacts, or a file there differs from what its sidecar says.
    """
    source, target = results_root(profile) / "artifacts", figures_root(profile)
    _check_complete(source, names)
    stale = [path for path in target.glob("*_*.*") if path.name.startswith(("fig_", "tab_")) and path.name not in names]
    for path in stale:
        path.unlink()
    copied = sum(_copy(source / name, target / name) for name in names)
    copied += _copy_tree(results_root(profile) / "report", target / "report")
    hashes = {Path(path).name: digest for path, digest in hash_files(source / name for name in names).items()}
    write_json(results_root(profile) / "published.json", {"profile": profile, "files": hashes})
    return {
        "figures and tables": sum(n.endswith(".json") for n in names),
        "files copied": copied,
        "files removed": len(stale),
    }


def _check_complete(folder: Path, names: list[str]) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}; run `make figures` again, or the notebook that saves it")
    for sidecar in (folder / name for name in names if name.endswith(".json")):
        for name, digest in read_json(sidecar)["outputs"].items():
            if not (folder / name).is_file() or sha256_file(folder / name) != digest:
                raise DataError(f"{folder / name} is not what {sidecar.name} describes; delete both and run again")


def _copy(source: Path, target: Path) -> bool:
    """Copy atomically unless the bytes are already there; True when something was written."""
    if target.is_file() and sha256_file(target) == sha256_file(source):
        return False
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    return True


def _copy_tree(source: Path, target: Path) -> int:
    """Copy a folder's files and remove what it no longer has; the number of files written."""
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    for path in [path for path in target.rglob("*") if path.is_file()]:
        if path.relative_to(target) not in wanted:
            path.unlink()
    return sum(_copy(source / name, target / name) for name in sorted(wanted))


def main() -> None:
    """Command line."""
    from avsep_lib.workflow import artifact_files

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", required=True)
    profile = parser.parse_args().profile
    counts = publish(profile, artifact_files())
    print(f"figures/{profile}: " + ", ".join(f"{number} {what}" for what, number in counts.items()))


if __name__ == "__main__":
    run_main(main)
