"""The page of sounds: the qualitative examples as small files at true level, with levels and scores beside them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from avsep_lib.config import Profile, Run, profile_runs
from avsep_lib.examples import Bench, Example, check_scores, choose_mixtures, open_bench, separate
from avsep_lib.listening import encode_flac, levels
from avsep_lib.plots.style import label_of
from avsep_lib.report.runs import run_address
from avsep_lib.report.site import Site
from avsep_lib.tables.names import GRID
from avsep_lib.workflow import audio_key

MASK = "soft"
MOST_RUNS = 4
PREFERRED = ("hier_align", "late", "middle", "hier", *GRID)  # the first that is there chooses the mixtures
ORDER = {row: i for i, row in enumerate(GRID)}
METRICS = (("sdr_db", "SDR"), ("sdri_db", "SDR gain"), ("sir_db", "SIR"), ("sar_db", "SAR"))


def heard_runs(profile: Profile) -> list[Run]:
    """Runs of the main dataset to listen to: the first seed of up to `MOST_RUNS` rows of the grid, without switches."""
    runs = [run for run in profile_runs(profile) if run.dataset == profile.main_dataset and not run.switches]
    firsts = {run.row: run for run in reversed(runs)}
    named = [firsts[row] for row in dict.fromkeys(PREFERRED) if row in firsts]
    return named[:MOST_RUNS] or runs[:MOST_RUNS]


def listening_entries(profile: Profile, site: Site) -> list[dict[str, Any]]:
    """The examples for the template; sounds are saved to ``audio``, frames to ``audio`` too.

    Returns
    -------
    list of dict
        Per mixture: `id`, `head`, `frames` (address and alternative text), `sounds` (see `_sound`).

    Raises
    ------
    DataError
        A run is not trained or not scored, or what is heard does not score what the tables say.
    """
    runs = heard_runs(profile)
    same = [run for run in runs if audio_key(run) == audio_key(runs[0])]
    bench = open_bench(profile, [run.run_id for run in same])
    chosen = choose_mixtures(bench.scores[same[0].run_id], MASK)
    found = separate(bench, list(chosen.mixture_id), MASK)
    check_scores(bench, found)
    shown = sorted(same, key=lambda run: ORDER.get(run.row, len(ORDER)))
    heads = [f"{row.percentile} % of the mixtures gain less" for row in chosen.itertuples()]
    return [_entry(example, head, shown, bench, site) for example, head in zip(found, heads)]


def _entry(example: Example, head: str, runs: list[Run], bench: Bench, site: Site) -> dict[str, Any]:
    name, rate = example.item.mixture_id, bench.store.sample_rate
    sources = [label.replace("|", " and ").replace("_", " ") for label in example.instruments]
    frames = [
        {"address": site.save(_png(frame), f"audio/{name}-{i}.png"), "alt": f"What the separator saw of the {source}"}
        for i, (frame, source) in enumerate(zip(example.frames, sources))
    ]
    mixture = _sound(site, f"{name}-mixture", example.item.waveform, rate, "mixture")
    groups = []
    for i, source in enumerate(sources):
        truth = _sound(site, f"{name}-{i}-truth", example.item.sources[i], rate, "truth")
        sounds = [truth | {"scores": ["–"] * len(METRICS)}]
        for run in runs:
            sound = _sound(site, f"{name}-{i}-{run.run_id}", example.estimates[run.run_id][i], rate, label_of(run.row))
            scores = example.scores[(example.scores.run_id == run.run_id) & (example.scores.source == i)].iloc[0]
            values = [_decibels(scores[column]) for column, _ in METRICS]
            sounds.append(sound | {"run": run.run_id, "address": run_address(run), "scores": values})
        groups.append({"source": source, "frame": frames[i], "sounds": sounds})
    return {"id": name, "head": head, "mixture": mixture, "groups": groups}


def _sound(site: Site, stem: str, waveform: np.ndarray, rate: int, label: str) -> dict[str, Any]:
    """One sound: `file`, `label`, its levels, and `run`, `address` and `scores`, empty where no run made it."""
    found = levels(waveform)
    return {
        "file": site.save(encode_flac(waveform, rate), f"audio/{stem}.flac"),
        "label": label,
        "rms": f"{found.rms_dbfs:.1f}",
        "peak": f"{found.peak_dbfs:.1f}",
        "clipped": found.n_clipped,
        "run": "",
        "address": "",
        "scores": [],
    }


def _decibels(value: float) -> str:
    return "–" if value != value else f"{value:.2f}"


def _png(frame: np.ndarray) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(frame.astype(np.uint8)).save(stream, "PNG", optimize=True)
    return stream.getvalue()
