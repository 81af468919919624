"""What a profile has to test claims with: its runs, their scores, and how long each of them was trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from avsep_lib.config import Run, load_profile, profile_runs, resolve
from avsep_lib.errors import DataError
from avsep_lib.files import read_json
from avsep_lib.inputs import dataset_of
from avsep_lib.intervals import DEFAULT_RESAMPLING, Resampling
from avsep_lib.paths import results_root
from avsep_lib.plots.style import label_of
from avsep_lib.tables import Comparable, comparable, load_scores, trained_at_all
from avsep_lib.workflow import data_key

HEADLINE_MASK = "binary"  # the paper's lineage; the tables' headline, too


class Evidence:
    """Scores and runs of one profile, read once.

    Parameters
    ----------
    profile : str
        Name of a profile.
    resampling : Resampling
        Of every interval.
    mask : str
        Mask type whose scores are read.
    """

    def __init__(self, profile: str, resampling: Resampling = DEFAULT_RESAMPLING, mask: str = HEADLINE_MASK) -> None:
        self.profile = load_profile(profile)
        self.resampling = resampling
        self.mask = mask
        self.known = {run.run_id: run for run in profile_runs(self.profile)}
        self._scores: dict[tuple, Comparable] = {}
        self._failed: dict[tuple, frozenset[str]] = {}

    def runs(self, dataset: str, rows: Sequence[str]) -> list[Run]:
        """All seeds of the rows on a dataset, row by row; claims name a dataset by its place, see `dataset_of`.

        Raises
        ------
        DataError
            For a dataset or a row that the profile does not train.
        """
        place, dataset = dataset, dataset_of(self.profile, dataset)
        if dataset not in self.profile.datasets:
            raise DataError(f"profile {self.profile.name} has no dataset {place}, nor another one in its place")
        runs = [run for run in self.known.values() if data_key(run) == dataset]
        if absent := [row for row in rows if row not in {run.row for run in runs}]:
            names = ", ".join(map(label_of, absent))
            raise DataError(f"profile {self.profile.name} trains no such row on {dataset}: {names}")
        return [run for row in rows for run in runs if run.row == row]

    def present(self, dataset: str, rows: Iterable[str]) -> list[str]:
        """Those of the rows whose every seed is trained by the profile and scored."""
        return [row for row in rows if self._is_scored(dataset, row)]

    def _is_scored(self, dataset: str, row: str) -> bool:
        try:
            return all(path.is_file() for path in self._score_files(dataset, (row,)))
        except DataError:
            return False

    def _score_files(self, dataset: str, rows: Sequence[str]) -> list[Path]:
        names = [run.run_id for run in self.runs(dataset, rows)]
        names.append(f"references-{dataset_of(self.profile, dataset)}")
        return [results_root(self.profile.name) / "scores" / f"{name}.csv" for name in names]

    def scores(self, dataset: str, rows: tuple[str, ...]) -> Comparable:
        """Scores of the rows with one mask type on their common mixtures.

        Raises
        ------
        DataError
            As `runs`, for a missing score file, or when nothing can be compared.
        """
        if (dataset, rows) not in self._scores:
            files = self._score_files(dataset, rows)
            if missing := [path for path in files if not path.is_file()]:
                raise DataError(f"scores/{missing[0].name} is missing; `make figures` writes it")
            self._scores[dataset, rows] = comparable(load_scores(files), self.mask)
        return self._scores[dataset, rows]

    def failed(self, dataset: str, rows: tuple[str, ...]) -> frozenset[str]:
        """Rows that are not above the mixture: nothing can be said about the order of noise."""
        if (dataset, rows) not in self._failed:
            floor = trained_at_all(self.scores(dataset, rows), self.resampling)
            self._failed[dataset, rows] = frozenset(floor.loc[floor["found"] != "higher", "candidate"])
        return self._failed[dataset, rows]

    def require_trained(self, dataset: str, rows: tuple[str, ...], compared: Iterable[str]) -> None:
        """DataError when one of the compared rows is not above the mixture."""
        if untrained := [label_of(row) for row in compared if row in self.failed(dataset, rows)]:
            raise DataError(f"not above the mixture: {', '.join(untrained)}")

    def steps(self, run_id: str) -> int:
        """Steps a run was trained for; those it will be trained for while it is not."""
        cost = results_root(self.profile.name) / "runs" / run_id / "cost.json"
        if cost.is_file():
            return int(read_json(cost)["steps"])
        return resolve(self.profile, self.known[run_id]).training.steps

    def training_notes(self, run_ids: Iterable[str]) -> list[str]:
        """What a reader must know of the trainings behind a number: few seeds, unequal or shortened lengths."""
        runs = [self.known[run_id] for run_id in run_ids if run_id in self.known]
        seeds = {row: [run for run in runs if run.row == row] for row in dict.fromkeys(run.row for run in runs)}
        once = [label_of(row) for row, own in seeds.items() if len(own) == 1]
        notes = [f"one training of {', '.join(once)}"] if once else []
        steps = {row: max(self.steps(run.run_id) for run in own) for row, own in seeds.items()}
        if len(set(steps.values())) > 1:
            told = ", ".join(f"{label_of(row)} {count}" for row, count in steps.items())
            notes.append(f"unequal training: {told} steps")
        elif steps and (count := next(iter(steps.values()))) < self.profile.training.steps:
            notes.append(f"{count} training steps instead of {self.profile.training.steps}")
        return notes


def evidence_files(profile: str) -> list[Path]:
    """What verdicts are made from: every score file, history and cost of a profile's runs, and its analyses, if there."""
    root = results_root(profile)
    ids = [run.run_id for run in profile_runs(load_profile(profile))]
    names = [f"scores/{run_id}.csv" for run_id in ids]
    names += [f"runs/{run_id}/{name}" for run_id in ids for name in ("history.csv", "cost.json")]
    found = [*(root / name for name in names), *root.glob("scores/references-*.csv"), *root.glob("analysis/*")]
    return sorted(path for path in found if path.is_file())
