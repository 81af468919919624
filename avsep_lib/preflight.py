"""What is looked at before the first job of a regeneration: ``python -m avsep_lib.preflight --profile demo``.

Settings that contradict each other and missing pretrained weights stop here, within seconds and not after an hour of
decoding, and so do folders that cannot be written to. What lies on disk of a recorded dataset is listed, so that new or
changed files make its job run again. What killed jobs have left of unfinished files is removed.
"""

from __future__ import annotations

import argparse
import tempfile

from avsep_lib.cli import run_main
from avsep_lib.config import Profile
from avsep_lib.encoders.check import check_profile_encoders
from avsep_lib.files import remove_leftovers, writing
from avsep_lib.paths import data_root, figures_root, project_root, results_root
from avsep_lib.workflow import load_plan

PROBE = 1 << 20  # bytes


def list_recordings(profile: Profile) -> None:
    """Write ``listing.json`` of every recorded dataset, unless it is as it was."""
    for name, settings in profile.datasets.items():
        if profile.is_recorded(name):
            from avsep_lib.recorded.listing import write_listing

            write_listing(settings, data_root(profile.name, name) / "listing.json")


def prepare_folders(profile: str) -> None:
    """Write a little where the jobs will write much, and remove what killed ones have left there."""
    for folder in (results_root(profile), figures_root(profile)):
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as stream:
                stream.write(bytes(PROBE))
        if left := remove_leftovers(folder):
            print(f"{len(left)} unfinished files of killed jobs removed from {folder.relative_to(project_root())}")


def check(profile: str, dry: bool = False) -> None:
    """Refuse what cannot end well, prepare the folders and list the recordings; only the first for a dry run.

    Raises
    ------
    ConfigError, WeightsError, DataError, StorageError
        Contradicting settings, missing weights, unusable recordings, a full disk or a folder that is read-only.
    """
    plan = load_plan(profile)
    check_profile_encoders(plan.profile)
    if not dry:
        prepare_folders(profile)
    list_recordings(plan.profile)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", required=True)
    check(parser.parse_args().profile)


if __name__ == "__main__":
    run_main(main)
