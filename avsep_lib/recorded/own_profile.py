"""A profile for one recorded dataset: what ``make figures DATASET=garden.yaml PROFILE=demo`` runs.

It is written to ``config/own/demo-garden.yaml``, which git ignores, so that notebooks and commands can name it like any
other: ``profile = "demo-garden"``.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import yaml

from avsep_lib.cli import run_main
from avsep_lib.config import load_profile
from avsep_lib.errors import ConfigError
from avsep_lib.files import write_text
from avsep_lib.paths import project_root
from avsep_lib.recorded.description import read_file

HEAD = """\
# Profile {profile} with one recorded dataset in the place of its own. `make figures DATASET=... PROFILE={profile}` writes this
# file anew; for more (another encoder, more steps), write a profile of your own beside it and name it instead.
"""


def dataset_name(path: Path, data: dict) -> str:
    """Name of a dataset in results and tables: the key `name` of its file, else the file's own name."""
    name = str(data.get("name", path.stem.lower().replace("-", "_").replace(" ", "_")))
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(f"{path}: name {name!r}: use lower-case letters, digits and underscores")
    return name


def write_own_profile(profile: str, dataset: str | Path) -> str:
    """Write the profile of one recorded dataset and check it.

    Parameters
    ----------
    profile : str
        Profile that says everything else: sizes, encoders, steps.
    dataset : path
        The dataset's YAML file, relative to the working directory.

    Returns
    -------
    str
        Name of the profile written, ``<profile>-<dataset>``.

    Raises
    ------
    ConfigError
        Anything wrong with one of the two files; a profile that does not pass is not left behind.
    """
    load_profile(profile)
    path = Path(dataset).expanduser().resolve()
    data = read_file(path, "DATASET")
    name = dataset_name(path, data)
    own = f"{profile}-{name}"
    encoders = {name: data["encoders"]} if "encoders" in data else {}
    sections = {"name": own, "based_on": profile, "datasets": {name: str(path)}, "encoders_of": encoders}
    target = project_root() / "config" / "own" / f"{own}.yaml"
    text = HEAD.format(profile=profile) + yaml.safe_dump(sections, sort_keys=False, allow_unicode=True)
    before = target.read_text() if target.exists() else None
    if text != before:
        write_text(target, text)
    try:
        load_profile(own)
    except ConfigError:
        target.unlink() if before is None else write_text(target, before)
        raise
    return own


def main() -> None:
    """Command line: write the profile of a dataset and print its name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", required=True, help="profile that says everything but the data")
    parser.add_argument("--dataset", required=True, type=Path, help="YAML file of the dataset")
    arguments = parser.parse_args()
    print(write_own_profile(arguments.profile, arguments.dataset))


if __name__ == "__main__":
    run_main(main)
