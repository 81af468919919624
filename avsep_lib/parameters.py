"""The signature of every notebook: one strict model each, the same for papermill, the runner and a reader.

A notebook's ``parameters`` cell repeats its model (names, types, defaults; a test compares them); its setup cell calls
`notebook_parameters`. To add a notebook, add a class and a line of `NOTEBOOKS`.
"""

from __future__ import annotations

import ast
import builtins
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from avsep_lib.errors import ConfigError

# Of a profile, dataset, run or table row: they become parts of paths. A data key has @ and = in it.
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.@=,+-]*$"


class NotebookParameters(BaseModel):
    """What every notebook accepts."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    profile: str = Field("demo", pattern=NAME, description="file in config/, without suffix")


class WithIntervals(NotebookParameters):
    """Notebooks whose numbers carry bootstrap intervals."""

    seed: int = Field(1234, ge=0, le=2**62, description="bootstrap only; training seeds live in config/runs.csv")
    # 40: fewer have no sample beyond each end of a 95 % interval, see avsep_lib.intervals.Resampling
    n_bootstrap: int = Field(2000, ge=40, description="resamples over mixtures, not over sources")


class StartHere(NotebookParameters):
    """``00_start_here``: the tour."""


class Dataset(NotebookParameters):
    """``01_dataset``: data card."""

    dataset: str = Field("music11", pattern=NAME, description="a dataset of the profile")


class Encoders(NotebookParameters):
    """``02_encoders``: what the frozen encoders know; its intervals are Wilson's, nothing is resampled."""

    dataset: str = Field("music11", pattern=NAME, description="a dataset of the profile")


class Training(NotebookParameters):
    """``03_training``: one row of runs.csv."""

    run_id: str = Field("hier_align-s0", pattern=NAME, description="run_id in config/runs.csv")


class SeparationTables(WithIntervals):
    """``04_separation_tables``: Tables 1 to 3."""


class FusionStages(WithIntervals):
    """``05_fusion_stages``: Figure 1 and its appendix."""

    dataset: str = Field("music11", pattern=NAME, description="a dataset of the profile")
    candidate: str = Field("middle", pattern=NAME, description="table row of config/runs.csv")
    baseline: str = Field("late", pattern=NAME, description="table row; gains are candidate minus baseline")


class Ablation(WithIntervals):
    """``06_ablation``: Table 6, and the switches of paper against code."""


class LinearProbe(WithIntervals):
    """``07_linear_probe``: Table 4."""

    dataset: str = Field("music11", pattern=NAME, description="a dataset of the profile")


class ModalityGap(WithIntervals):
    """``08_modality_gap``: Table 5 and t-SNE."""

    dataset: str = Field("music11", pattern=NAME, description="a dataset of the profile")


class Qualitative(NotebookParameters):
    """``09_qualitative``: Figure 3."""

    baseline: str = Field("late-s0", pattern=NAME, description="run_id in config/runs.csv")
    candidate: str = Field("hier_align-s0", pattern=NAME, description="run_id in config/runs.csv")
    mask: str = Field("soft", pattern="^(soft|binary)$", description="which mask is drawn: soft or binary")


class Pipeline(NotebookParameters):
    """``10_pipeline``: Figure 2."""

    run_id: str = Field("hier_align-s0", pattern=NAME, description="run_id in config/runs.csv; gives the model to draw")


class Audit(WithIntervals):
    """``11_audit``: what the published numbers imply, and the verdict on every claim."""


class Explorer(NotebookParameters):
    """``12_explorer``: separate any two test clips by hand; writes nothing."""

    dataset: str = Field("music11", pattern=NAME, description="a dataset of the profile")


class Baselines(WithIntervals):
    """``13_baselines``: every method on the same mixtures, Tables 1 and 2."""


class SGN(WithIntervals):
    """``14_sgn``: the semantic grouping network and its Tables 3 and 4."""


NOTEBOOKS: dict[str, type[NotebookParameters]] = {
    "00_start_here": StartHere,
    "01_dataset": Dataset,
    "02_encoders": Encoders,
    "03_training": Training,
    "04_separation_tables": SeparationTables,
    "05_fusion_stages": FusionStages,
    "06_ablation": Ablation,
    "07_linear_probe": LinearProbe,
    "08_modality_gap": ModalityGap,
    "09_qualitative": Qualitative,
    "10_pipeline": Pipeline,
    "11_audit": Audit,
    "12_explorer": Explorer,
    "13_baselines": Baselines,
    "14_sgn": SGN,
}


def notebook_parameters(stem: str, **values: Any) -> NotebookParameters:
    """Check the parameters of a notebook.

    Parameters
    ----------
    stem : str
        File name without suffix, e.g. ``"06_ablation"``.
    **values
        The parameters. Inside a notebook that papermill parameterised, names that papermill injected and that are not
        passed here count as well, so that ``-p typo 5`` is an error although papermill itself only warns.

    Returns
    -------
    NotebookParameters
        Frozen; ``.model_dump()`` gives the mapping for sidecars.

    Raises
    ------
    ConfigError
        Unknown notebook, unknown or mistyped parameter; names the notebook, the key and the known keys.
    """
    if stem not in NOTEBOOKS:
        raise ConfigError(f"no notebook {stem!r}; known notebooks: {', '.join(NOTEBOOKS)}")
    try:
        return NOTEBOOKS[stem](**(_injected_parameters() | values))
    except ValidationError as error:
        known = ", ".join(NOTEBOOKS[stem].model_fields)
        problems = "; ".join(_problem(item) for item in error.errors())
        raise ConfigError(f"notebook {stem}: {problems}. Known parameters: {known}") from None


def _problem(item: dict[str, Any]) -> str:
    name = ".".join(map(str, item["loc"]))
    if item["type"] == "extra_forbidden":
        return f"unknown parameter {name!r} (value {item['input']!r})"
    return f"parameter {name!r} is {item['input']!r} of type {type(item['input']).__name__}: {item['msg']}"


def _injected_parameters() -> dict[str, Any]:
    """Names and values of the cell papermill injected into the running notebook; empty anywhere else."""
    shell = getattr(builtins, "get_ipython", lambda: None)()
    cells = shell.user_ns.get("In", []) if shell else []
    injected: dict[str, Any] = {}
    for cell in cells:
        if cell.startswith("# Parameters\n"):  # papermill's own first line
            injected = {
                node.targets[0].id: shell.user_ns.get(node.targets[0].id)
                for node in ast.parse(cell).body
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            }
    return injected
