"""The page of sounds: the qualitative examples as small files at true level, with levels and scores beside them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from avsep_lib.config import Profile, Run, profile_runs
from avsep_lib.examples import Bench, Example, check_scores, choose_mixtures, open_bench, separate
from avsep_lib.explorer.player_static import static_player_files
from avsep_lib.listening import levels
from avsep_lib.plots.style import label_of
from avsep_lib.report.runs import run_address
from avsep_lib.report.site import Site
from avsep_lib.tables.names import GRID
from avsep_lib.workflow import audio_key

FOLDER = "audio"
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
    """The examples for the template; sounds and frames are saved to ``audio``.

    Returns
    -------
    list of dict
        Per mixture: `id`, `head`, and `groups`, one dict for each source (see `_source`).

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
    name = example.item.mixture_id
    sources = [label.replace("|", " and ").replace("_", " ") for label in example.instruments]
    groups = [_source(i, source, example, runs, bench.store.sample_rate, site) for i, source in enumerate(sources)]
    return {"id": name, "head": head, "groups": groups}


def _source(i: int, source: str, example: Example, runs: list[Run], rate: int, site: Site) -> dict[str, Any]:
    """One source: what the separator saw, a player that switches between its sounds, and a line for each of them."""
    name = example.item.mixture_id
    frame = site.save(_png(example.frames[i]), f"{FOLDER}/{name}-{i}.png")
    sounds = {"mixture": example.item.waveform, "truth": example.item.sources[i]}
    lines = [_line(label, waveform) for label, waveform in sounds.items()]
    for run in runs:
        label, estimate = label_of(run.row), example.estimates[run.run_id][i]
        sounds[label] = estimate
        scores = example.scores[(example.scores.run_id == run.run_id) & (example.scores.source == i)].iloc[0]
        values = [_decibels(scores[column]) for column, _ in METRICS]
        lines.append(_line(label, estimate) | {"address": run_address(run), "scores": values})
    title = f"{source} in {name}"
    return {
        "source": source,
        "frame": {"address": frame, "alt": f"What the separator saw of the {source}"},
        "player": static_player_files(site.out / FOLDER, sounds, rate, title=title, link=FOLDER),
        "lines": lines,
    }


def _line(label: str, waveform: np.ndarray) -> dict[str, Any]:
    """Levels of one sound: `label`, `rms` and `peak` in dBFS, `clipped` samples; no `address` and `scores` yet."""
    found = levels(waveform)
    return {
        "label": label,
        "rms": f"{found.rms_dbfs:.1f}",
        "peak": f"{found.peak_dbfs:.1f}",
        "clipped": found.n_clipped,
        "address": "",
        "scores": ["–"] * len(METRICS),
    }


def _decibels(value: float) -> str:
    return "–" if value != value else f"{value:.2f}"


def _png(frame: np.ndarray) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(frame.astype(np.uint8)).save(stream, "PNG", optimize=True)
    return stream.getvalue()
