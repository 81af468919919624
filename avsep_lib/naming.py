"""What it is worth that true sources name the outputs of a method that is asked nothing.

``python -m avsep_lib.naming`` separates the test pairs with the first run of every row whose outputs are named by the true
sources (`avsep_lib.methods.assignment`), names them in every possible way instead of the best one, and writes one line per
run and mixture: run_id, method, mixture_id, n_outputs, n_ways, best_db, median_db, worst_db. Each is the mean over the
sources of the SI-SDR improvement of the soft estimates. A naming by
chance reaches the median half of the time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from avsep_lib.cli import run_main
from avsep_lib.clips import ClipStore
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.files import atomic_path
from avsep_lib.methods.assignment import FINITE, ways
from avsep_lib.methods.base import MaskMethod, Query
from avsep_lib.metrics import si_sdr
from avsep_lib.paths import checked_name, data_root
from avsep_lib.score import MixtureItem, list_items, oracle_queries, queries_for
from avsep_lib.score_larger import opened
from avsep_lib.workflow import load_plan

COLUMNS = ["run_id", "method", "mixture_id", "n_outputs", "n_ways", "best_db", "median_db", "worst_db"]


def gains_of_ways(estimates: np.ndarray, references: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """SI-SDR improvement, mean over the sources, of each of `ways` to share the outputs out.

    Parameters
    ----------
    estimates : ndarray, shape (m, samples)
        Outputs in any order; those that one source is given are added up.
    references : ndarray, shape (n, samples)
    mixture : ndarray, shape (samples,)

    Returns
    -------
    ndarray, shape (number of ways,)
        dB. A silent sum counts as the lowest SI-SDR that `avsep_lib.metrics` resolves.

    Raises
    ------
    DataError
        A silent reference, or a number of outputs that `ways` refuses.
    """
    of_mixture = si_sdr(references, np.repeat(mixture[None], len(references), axis=0))
    gains = []
    for way in ways(len(estimates), len(references)):
        sums = np.stack([estimates[np.array(way) == i].sum(axis=0) for i in range(len(references))])
        gains.append((np.nan_to_num(si_sdr(references, sums), **FINITE) - of_mixture).mean())
    return np.array(gains)


def outputs_of(method: MaskMethod, item: MixtureItem) -> np.ndarray:
    """Sound of a method's outputs in their own order, (m, n_output): soft masks, or none where it has none."""
    nothing = [Query("none", None) for _ in item.sources]
    estimates = method.estimate(item.waveform, nothing)
    return estimates["soft"] if "soft" in estimates else estimates["none"]


def name_every_way(methods: dict[str, tuple[str, MaskMethod]], items: Iterable[MixtureItem]) -> pd.DataFrame:
    """One line per run and mixture; see `COLUMNS`. `methods` has the table row and the method by run id."""
    rows = []
    for item in items:
        for run_id, (row, method) in methods.items():
            n_output = method.audio.n_output
            outputs = outputs_of(method, item)
            gains = gains_of_ways(outputs, item.sources[:, :n_output], item.waveform[:n_output])
            told = (gains.max(), np.median(gains), gains.min())
            rows.append((run_id, row, item.mixture_id, len(outputs), len(gains), *told))
    return pd.DataFrame(rows, columns=COLUMNS)


def main() -> None:
    """Command line: the rows of a profile whose outputs the true sources name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    plan = load_plan(checked_name(arguments.profile, "--profile"))
    data = data_root(plan.profile.name, plan.profile.main_dataset)
    store, images = ClipStore.open(data / "clips"), EmbeddingStore.open(data / "embeddings" / "images.safetensors")
    named = {
        run_id: (plan.runs[run_id].row, method)
        for run_id, method in opened(plan, plan.costed()).items()
        if queries_for(method, store, images) is oracle_queries
    }
    table = name_every_way(named, list_items(store, data / "mixtures", plan.profile.audio, "test"))
    with atomic_path(arguments.out) as path:
        table.to_csv(path, index=False, float_format="%.6f")


if __name__ == "__main__":
    run_main(main)
