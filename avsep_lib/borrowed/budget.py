"""How many steps and seeds fit: the same number of steps for every run."""

from __future__ import annotations

from dataclasses import dataclass

from avsep_lib.borrowed.plan import Plan, PlannedRun
from avsep_lib.errors import AvsepError


@dataclass(frozen=True)
class Budget:
    """What is trained.

    Attributes
    ----------
    steps : int
        Of every run; a multiple of the number of validations.
    seeds : list of int
    compiled : bool
        Whether training steps are compiled.
    seconds : float
        What it is expected to take.
    """

    steps: int
    seeds: list[int]
    compiled: bool
    seconds: float


def kind_of(run: PlannedRun) -> str:
    """Runs of one kind take equally long: the same network, whatever its loss."""
    model = run.config.model
    return "-".join((model.backbone, model.fusion, model.bottleneck, model.mid_condition))


def better(eager: Budget, compiled: Budget | None) -> Budget:
    """More seeds, or as many and more steps: each run compiles anew, which steps must earn back."""
    if compiled is None:
        return eager
    return max(eager, compiled, key=lambda budget: (len(budget.seeds), budget.steps))


def choose(plan: Plan, step_s: dict[str, float], seconds: float, overhead_s: float, compiled: bool = False) -> Budget:
    """The most seeds that leave every run at least `plan.least_steps`, and as many steps as then fit.

    Parameters
    ----------
    plan : Plan
    step_s : dict
        Seconds of a step by kind of run (`kind_of`).
    seconds : float
        For all trainings together.
    overhead_s : float
        Seconds of each run beside its steps.

    Raises
    ------
    AvsepError
        Not even one seed fits with one step per validation.
    """
    for n_seeds in range(len(plan.seeds), 0, -1):
        runs = plan.of_seeds(plan.seeds[:n_seeds])
        each = sum(step_s[kind_of(run)] for run in runs)
        validations = runs[0].config.training.validations
        steps = int((seconds - overhead_s * len(runs)) / each) // validations * validations
        steps = min(steps, runs[0].config.training.steps)
        if steps >= plan.least_steps or (n_seeds == 1 and steps >= validations):
            taken = steps * each + overhead_s * len(runs)
            return Budget(steps, plan.seeds[:n_seeds], compiled, round(taken, 1))
    raise AvsepError(
        f"{seconds:.0f} s are left for training: too few for one seed of {len(plan.of_seeds(plan.seeds[:1]))} runs"
    )
