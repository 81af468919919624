"""Where things lie. Every path of the project is derived here and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

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


def results_root(profile: str) -> Path:
    """``results/<profile>``: everything the workflow writes, ignored by git."""
    return project_root() / "results" / profile


def received_root(profile: str) -> Path:
    """``results/<profile>/received``: what says that results came from another machine, and how they were made."""
    return results_root(profile) / "received"


def figures_root(profile: str) -> Path:
    """``figures/<profile>``: published copies of figures and tables."""
    return project_root() / "figures" / profile


def data_root(profile: str, dataset: str) -> Path:
    """``results/<profile>/data/<dataset>``: clips, encoders, embeddings, mixtures and features of one dataset."""
    return results_root(profile) / "data" / dataset
