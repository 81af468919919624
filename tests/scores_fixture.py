"""Synthetic score frames with known effects, the size of the demo's."""

import numpy as np
import pandas as pd

from avsep_lib.score import COLUMNS

MEANS = {  # dB above the mixture, with binary masks
    "late": 1.9,
    "late_align": 2.0,
    "middle": 1.6,
    "middle_align": 1.6,
    "hier": 2.5,
    "hier_align": 2.9,
    "hier_teacher": 0.7,
    "resnet18_late": 0.9,
    "mixture": 0.0,
    "ideal_binary": 7.6,
    "ideal_ratio": 8.1,
}
SEEDS = {"resnet18_late": [0], "hier_teacher": [0], "mixture": [-1], "ideal_binary": [-1], "ideal_ratio": [-1]}


def synthetic_scores(n_mixtures=88, seeds=(0, 1, 2), seed=0, silent=0):
    """Tidy scores; the last `silent` mixtures have a silent estimate in ``middle``, seed 0."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(0.9, 2.0, n_mixtures)
    rows = []
    for method, gain in MEANS.items():
        for s in SEEDS.get(method, seeds):
            shift = 0.0 if s < 0 else rng.normal(0, 0.15)
            for mask, bonus in (("binary", 0.0), ("soft", 0.0 if method == "mixture" else 0.9)):
                noise = 0.0 if method == "mixture" else rng.normal(0, 0.8, (n_mixtures, 2))
                sdr = hard[:, None] + gain + bonus + shift + noise + np.zeros((n_mixtures, 2))
                rows += _rows(method, s, mask, sdr, hard, silent if (method, s) == ("middle", 0) else 0)
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(method, seed, mask, sdr, hard, silent):
    run = method if seed < 0 else f"{method}-s{seed}"
    for m, pair in enumerate(sdr):
        for source, value in enumerate(pair):
            quiet = m >= len(sdr) - silent
            score = np.nan if quiet else value
            sar = np.inf if method == "mixture" else score + 3.0
            names = {"run_id": run, "method": method, "mixture_id": f"t{m:05d}", "source": source, "clip_id": "c"}
            about = {"instrument": "tuba", "partner": "flute", "seed": seed, "mask": mask}
            values = {"sdr_db": score, "sir_db": score + 4.0 if method != "mixture" else score, "sar_db": sar}
            rest = {"si_sdr_db": score - 0.5, "mixture_sdr_db": hard[m], "mixture_si_sdr_db": hard[m]}
            gains = {"sdri_db": score - hard[m], "si_sdri_db": score - hard[m]}
            status = {"status": "silent_estimate" if quiet else "ok"}
            yield names | about | values | rest | gains | status
