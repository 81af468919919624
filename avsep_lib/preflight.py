"""What is looked at before the first job of a regeneration: ``python -m avsep_lib.preflight --profile demo``.

Settings that contradict each other and missing pretrained weights stop here, within seconds and not after an hour of
decoding. What lies on disk of a recorded dataset is listed, so that new or changed files make its job run again.
"""

from __future__ import annotations

import argparse

from avsep_lib.cli import run_main
from avsep_lib.config import Profile
from avsep_lib.encoders.check import check_profile_encoders
from avsep_lib.paths import data_root
from avsep_lib.workflow import load_plan


def list_recordings(profile: Profile) -> None:
    """Write ``listing.json`` of every recorded dataset, unless it is as it was."""
    for name, settings in profile.datasets.items():
        if profile.is_recorded(name):
            from avsep_lib.recorded.listing import write_listing

            write_listing(settings, data_root(profile.name, name) / "listing.json")


def check(profile: str) -> None:
    """Refuse what cannot end well, and list the recordings.

    Raises
    ------
    ConfigError, WeightsError, DataError
        Contradicting settings, missing weights, unusable recordings.
    """
    plan = load_plan(profile)
    check_profile_encoders(plan.profile)
    list_recordings(plan.profile)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", required=True)
    check(parser.parse_args().profile)


if __name__ == "__main__":
    run_main(main)
