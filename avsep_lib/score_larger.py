"""Score mixtures of three and four sources with every method that can separate them, references included.

``python -m avsep_lib.score_larger`` writes one table with the columns of `avsep_lib.score`. All methods are scored together,
mixture by mixture: what BSS-eval needs of the true sources alone grows with the cube of their number and is most of the
work, so it is done once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from avsep_lib.cli import run_main
from avsep_lib.clips import ClipStore
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.files import atomic_path, read_json
from avsep_lib.larger_names import SIZES, list_name
from avsep_lib.methods.base import MaskMethod, Query
from avsep_lib.methods.references import REFERENCES
from avsep_lib.methods.registry import load_method
from avsep_lib.paths import checked_name, data_root, results_root
from avsep_lib.score import COLUMNS, MixtureItem, factorise, list_items, oracle_queries, queries_for, score_item
from avsep_lib.workflow import Plan, load_plan

Asked = tuple[dict[str, object], MaskMethod, Callable[[MixtureItem], list[Query]]]  # names, method, its queries


def opened(plan: Plan, run_ids: list[str]) -> dict[str, MaskMethod]:
    """Trained runs of a plan, ready to separate, by id."""
    folder = results_root(plan.profile.name) / "runs"
    return {run_id: load_method(folder / run_id / "model.safetensors") for run_id in run_ids}


def score_together(methods: list[Asked], store: ClipStore, mixtures: Path, lists: list[str]) -> pd.DataFrame:
    """Scores of several methods on the same lists.

    Parameters
    ----------
    methods : list of (names, method, queries)
        `names` are the columns run_id, method and seed.
    store : ClipStore
    mixtures : Path
        Folder of the lists.
    lists : list of str
        Empty where the dataset has no such mixture: then the table has columns and no row.
    """
    audio = methods[0][1].audio
    rows: list[list[dict]] = [[] for _ in methods]
    for item in list_items(store, mixtures, audio, lists):
        factorised = factorise(item, audio)
        for of_method, (names, method, queries) in zip(rows, methods):
            of_method += [names | row for row in score_item(method, queries(item), item, store, factorised)]
    return pd.DataFrame([row for of_method in rows for row in of_method], columns=COLUMNS)


def main() -> None:
    """Command line: score the runs of a profile's main dataset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    plan = load_plan(checked_name(arguments.profile, "--profile"))
    data = data_root(plan.profile.name, plan.profile.main_dataset)
    store, images = ClipStore.open(data / "clips"), EmbeddingStore.open(data / "embeddings" / "images.safetensors")
    methods: list[Asked] = []
    for run_id, method in opened(plan, plan.carried_over()).items():
        run = plan.runs[run_id]
        names = {"run_id": run_id, "method": run.row, "seed": run.seed}
        methods.append((names, method, queries_for(method, store, images)))
    for name, reference in REFERENCES.items():
        names = {"run_id": name, "method": name, "seed": -1}
        methods.append((names, reference(plan.profile.audio), oracle_queries))
    counts = read_json(data / "larger" / "mixtures.json", "n_mixtures")["n_mixtures"]
    lists = [list_name(n) for n in SIZES if counts[list_name(n)]]
    with atomic_path(arguments.out) as path:
        score_together(methods, store, data / "larger", lists).to_csv(path, index=False, float_format="%.6f")


if __name__ == "__main__":
    run_main(main)
