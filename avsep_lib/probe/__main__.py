"""``python -m avsep_lib.probe``: fit every probe of a dataset and write what it predicts, one row per item.

Columns: `name` (run id, or what stands in its place), `representation` (table row), `seed`, `input`, `split`, `item`,
`truth`, `predicted` (several labels sorted and joined with ``|``), `correct` (all labels right), `preset_role` and `C`.

Inputs are ``solos`` (recorded once more, the headline), ``solos_plain`` (as recorded) and ``mixtures`` (two labels).
Rows of the representation ``majority`` always name the commonest class or classes of the probe's training items;
``shuffled`` is the frozen encoder with shuffled training labels, which must stay at chance.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from avsep_lib.cli import run_main
from avsep_lib.files import atomic_path
from avsep_lib.inputs import require
from avsep_lib.latents import TEACHER, Latents
from avsep_lib.manifest import label_list
from avsep_lib.probe.fit import Probe, fit_mixtures, fit_solos
from avsep_lib.probe.protocol import check_disjoint

N_SHUFFLES = 20
MAJORITY, SHUFFLED = "majority", "shuffled"
COLUMNS = [
    "name", "representation", "seed", "input", "split", "item", "truth", "predicted", "correct", "preset_role", "C",
]  # fmt: skip
Fit = Callable[[np.ndarray, pd.DataFrame], Probe]


class Task:
    """One input of the probe: which items train it, which are predicted, and where their vectors lie."""

    def __init__(self, latents: Latents, inputs: tuple[str, ...], training_group: str, groups: tuple[str, ...]) -> None:
        self.latents, self.inputs, self.training_group, self.groups = latents, inputs, training_group, groups
        items = latents.items(training_group)
        learned = items["split"] == "train"
        if "preset_role" in items:
            learned &= items["preset_role"] == "learned"
        self.training = items[learned]
        self.evaluated = {group: self._held_out(group) for group in groups}

    def _held_out(self, group: str) -> pd.DataFrame:
        items = self.latents.items(group)
        held_out = items[items["split"].isin(("val", "test"))]
        check_disjoint(self.training, held_out)
        return held_out

    def training_rows(self, name: str) -> np.ndarray:
        """Vectors of the items that train the probe."""
        return self.latents.vectors(name, self.training_group)[self.training.index]

    def answers(
        self, predict: Callable[[np.ndarray], list[str]], vectors: str, **about: object
    ) -> Iterator[pd.DataFrame]:
        """Predictions for all held-out items, one frame per input."""
        for label, group in zip(self.inputs, self.groups):
            items = self.evaluated[group]
            predicted = predict(self.latents.vectors(vectors, group)[items.index])
            rows = items.rename(columns={"labels": "truth"}).assign(input=label, predicted=predicted, **about)
            yield rows.assign(correct=rows["truth"] == rows["predicted"])


def majority(training: pd.DataFrame) -> str:
    """The commonest label of single-label items, the two commonest of pairs; ties by name."""
    names = [label_list(text) for text in training["labels"]]
    counts = pd.Series([name for group in names for name in group]).value_counts()
    order = sorted(counts.index, key=lambda name: (-counts[name], name))
    return "|".join(sorted(order[: len(names[0])]))


def task_predictions(task: Task, fit: Fit) -> Iterator[pd.DataFrame]:
    """Predictions of every representation on one task, and of the majority rule."""
    for name, run in task.latents.runs.iterrows():
        probe = fit(task.training_rows(name), task.training)
        yield from task.answers(probe.predict, name, name=name, representation=run["row"], seed=run["seed"], C=probe.C)
    always = majority(task.training)
    about = dict(name=MAJORITY, representation=MAJORITY, seed=-1, C=np.nan)
    yield from task.answers(lambda rows: [always] * len(rows), TEACHER, **about)


def shuffled_predictions(task: Task, n: int = N_SHUFFLES) -> Iterator[pd.DataFrame]:
    """The control: the frozen encoder's probe, as strict as the real one, trained on labels in random order."""
    rows = task.training_rows(TEACHER)
    C = fit_solos(rows, task.training).C
    for seed in range(n):
        labels = np.random.default_rng(seed).permutation(task.training["labels"].to_numpy())
        probe = fit_solos(rows, task.training.assign(labels=labels), C)
        about = dict(name=f"{SHUFFLED}-{seed}", representation=SHUFFLED, seed=seed, C=probe.C)
        yield from task.answers(probe.predict, TEACHER, **about)


def all_predictions(latents: Latents) -> pd.DataFrame:
    """Every prediction of every probe; LeakageError when a video both trains and tests."""
    solos = Task(latents, ("solos", "solos_plain"), "solos", ("harsh", "solos"))
    mixtures = Task(latents, ("mixtures",), "mixtures", ("mixtures",))
    parts = [*task_predictions(solos, fit_solos), *shuffled_predictions(solos)]
    parts += task_predictions(mixtures, fit_mixtures)
    return pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)


def main() -> None:
    """Command line: read the latents of a dataset, write the predictions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    (latents,) = require(arguments.profile, f"analysis/latents-{arguments.dataset}.safetensors")
    with atomic_path(arguments.out) as path:
        all_predictions(Latents.open(latents)).to_csv(path, index=False)


if __name__ == "__main__":
    run_main(main)
