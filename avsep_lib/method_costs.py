"""What each method costs when it separates: parameters, multiply-adds, and measured seconds.

``python -m avsep_lib.method_costs`` separates a few test pairs with the first run of every row, the rows taking turns, and
writes one line per row: run_id, method, parameters, multiply_adds_per_s, seconds_per_minute with low and high, n. Seconds
are measured, hence another number each time, and never compared between machines; parameters and multiply-adds are not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from avsep_lib.cli import run_main
from avsep_lib.clips import ClipStore
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.files import atomic_path
from avsep_lib.methods.base import MaskMethod, Query
from avsep_lib.paths import checked_name, data_root
from avsep_lib.score import MixtureItem, list_items, queries_for
from avsep_lib.score_larger import opened
from avsep_lib.workflow import load_plan

COLUMNS = ["run_id", "method", "parameters", "multiply_adds_per_s", "seconds_per_minute", "low", "high", "n"]
N_MIXTURES = 8  # timed, after one that is not
QUARTILES = (25, 75)  # of the timed mixtures: how much one differs from the next


def parameters_of(method: MaskMethod) -> int:
    """Numbers that were learnt; 0 for a method that learns nothing."""
    network = _network(method)
    return 0 if network is None else sum(p.numel() for p in network.parameters())


def _network(method: MaskMethod) -> torch.nn.Module | None:
    return getattr(method, "model", None) or getattr(method, "network", None)


def multiply_adds(method: MaskMethod, item: MixtureItem, queries: list[Query]) -> float:
    """Multiply-adds of products and convolutions of one separation, per second of the mixture; NaN where torch does none.

    As `torch.utils.flop_counter` counts them; additions, activations and Fourier transforms are not among them.
    """
    if parameters_of(method) == 0:
        return float("nan")
    for parameter in _network(method).parameters():
        parameter.requires_grad_(False)  # the counter would hook gradients that a separation does not have
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one fused operation, which the counter does not know
    try:
        with FlopCounterMode(display=False) as counter:
            method.estimate(item.waveform, queries)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return counter.get_total_flops() / 2 / (len(item.waveform) / method.sample_rate)


def measure(
    methods: dict[str, tuple[str, MaskMethod]],
    items: list[MixtureItem],
    queries: dict[str, Callable[[MixtureItem], list[Query]]],
) -> pd.DataFrame:
    """One line per run; see `COLUMNS`.

    Parameters
    ----------
    methods : dict
        Table row and method by run id.
    items : list of MixtureItem
        The first warms up and is not timed.
    queries : dict
        By run id, from a mixture to what is asked; asking is not timed, since embeddings and frames are stored.
    """
    seconds: dict[str, list[float]] = {run_id: [] for run_id in methods}
    for k, item in enumerate(items):
        for run_id, (_, method) in methods.items():
            asked = queries[run_id](item)
            started = time.perf_counter()
            method.estimate(item.waveform, asked)
            if k:
                minutes = len(item.waveform) / method.sample_rate / 60
                seconds[run_id].append((time.perf_counter() - started) / minutes)
    rows = []
    for run_id, (row, method) in methods.items():
        found = seconds[run_id]
        macs = multiply_adds(method, items[0], queries[run_id](items[0]))
        ends = np.percentile(found, QUARTILES)
        rows.append((run_id, row, parameters_of(method), macs, np.median(found), *ends, len(found)))
    return pd.DataFrame(rows, columns=COLUMNS)


def main() -> None:
    """Command line: measure the runs of a profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    plan = load_plan(checked_name(arguments.profile, "--profile"))
    profile = plan.profile
    data = data_root(profile.name, profile.main_dataset)
    store, images = ClipStore.open(data / "clips"), EmbeddingStore.open(data / "embeddings" / "images.safetensors")
    methods = {run_id: (plan.runs[run_id].row, method) for run_id, method in opened(plan, plan.costed()).items()}
    every = list(list_items(store, data / "mixtures", profile.audio, "test"))
    asked = {run_id: queries_for(method, store, images) for run_id, (_, method) in methods.items()}
    torch.set_num_threads(1)  # one core for everyone, whatever a method could make of more
    table = measure(methods, every[: N_MIXTURES + 1], asked)
    with atomic_path(arguments.out) as path:
        table.to_csv(path, index=False, float_format="%.6g")


if __name__ == "__main__":
    run_main(main)
