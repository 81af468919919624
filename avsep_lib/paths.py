"""Where things lie. Every path of the project is derived here and nowhere else."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from avsep_lib.errors import ConfigError


def project_root() -> Path:
    """The checkout: the folder above this package, or ``$AVSEP_ROOT``.

    Raises
    ------
    ConfigError
        When that folder has no ``config`` (the package was installed without its checkout).
    """
    root = Path(os.environ.get("AVSEP_ROOT", Path(__file__).resolve().parent.parent))
    if not (root / "config").is_dir():
        raise ConfigError(f"{root} has no config folder; set AVSEP_ROOT to a checkout of the project")
    return root


# A name becomes a folder, a file and a word of a shell command: nothing in it may mean more than itself there.
NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
LONGEST = 100  # characters; a file name may have 255 bytes


def checked_name(name: str, what: str) -> str:
    """The name of a profile, run, dataset or artefact, once it cannot lead anywhere but to its own place.

    Raises
    ------
    ConfigError
        For anything but ASCII letters, digits, ``_``, ``-`` and ``.`` within; `what` begins the message.
    """
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise ConfigError(
            f"{what} {name[:LONGEST]!r}: use letters, digits, '_', '-' and '.' (not first or last), at most {LONGEST}"
        )
    return name


def is_inside(name: str) -> bool:
    """Whether a relative path, as a list or an archive names it, stays in the folder it starts from.

    Only the text is looked at; what a link on disk leads to is `avsep_lib.recorded.places`' to find out.
    """
    path = PurePosixPath(name)
    plain = name and name.isprintable() and "\\" not in name
    return bool(plain) and not path.is_absolute() and ".." not in path.parts


def results_root(profile: str) -> Path:
    """``results/<profile>``: everything the workflow writes, ignored by git."""
    return project_root() / "results" / checked_name(profile, "profile")


def received_root(profile: str) -> Path:
    """``results/<profile>/received``: what says that results came from another machine, and how they were made."""
    return results_root(profile) / "received"


def figures_root(profile: str) -> Path:
    """``figures/<profile>``: published copies of figures and tables."""
    return project_root() / "figures" / checked_name(profile, "profile")


def data_root(profile: str, dataset: str) -> Path:
    """``results/<profile>/data/<dataset>``: clips, encoders, embeddings, mixtures and features of one dataset.

    Raises
    ------
    ConfigError
        For a name that would lie elsewhere; a data key (``music11@sample_rate=16000``) is a name, too.
    """
    if not is_inside(dataset) or "/" in dataset or dataset == ".":
        raise ConfigError(f"dataset {dataset!r}: no path; name a dataset of profile {profile!r}")
    return results_root(profile) / "data" / dataset
