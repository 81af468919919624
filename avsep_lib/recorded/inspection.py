"""What is really in the files of a recorded dataset: every one of them is opened, once."""

from __future__ import annotations

import json
import math
import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from avsep_lib.files import canonical_json, sha256_text
from avsep_lib.recorded.decoding import AUDIO, Decoding
from avsep_lib.recorded.measure import Findings, measure_frames, measure_sound
from avsep_lib.recorded.media import DIED, Decoded, decode_all
from avsep_lib.recorded.memory import Memory, file_state
from avsep_lib.recorded.pool import Died, run_all
from avsep_lib.recorded.settings import PROBLEMS, RecordedSettings

VERSION = 1  # of the measures; a change measures everything again
NOTHING = {
    "sample_rate": 0, "channels": 0, "duration_s": 0.0, "level_dbfs": math.nan, "peak": math.nan, "clipped_share": 0.0,
    "silent": False, "not_finite": 0, "fingerprint": "", "sha256": "", "n_frames": 0, "width": 0, "height": 0,
    "still": False,
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One sound file and its folder of pictures."""

    audio: str
    frames: str
    promised: int  # pictures; 0: not stated


def inspect_items(items: pd.DataFrame, settings: RecordedSettings, media: Path, workers: int) -> pd.DataFrame:
    """Open every item: videos are decoded into `media`, then sound and pictures are measured.

    Parameters
    ----------
    items : DataFrame
        From `items.read_items`. Those that already have a problem are not opened.
    settings : RecordedSettings
        Rates and sizes; the policy plays no part, so that changing it measures nothing again.
    media : Path
        Folder of decoded videos and of the measures; kept from run to run, whatever the settings.
    workers : int
        Processes; 0 works in this one.

    Returns
    -------
    DataFrame
        The items, with audio and frames of videos filled in, and the columns source (the file that was listed),
        findings (JSON: every problem and what exactly it is), fps, sample_rate (Hz), channels, duration_s, level_dbfs,
        peak, clipped_share, silent, not_finite (samples), n_frames, width, height (pixels), still, fingerprint
        (hexadecimal, see `fingerprint`) and sha256 of the sound file. Of a video, what was decoded is measured: one
        channel, and only as loud as full scale. `problem` and `detail` name the first finding.
    """
    media = Path(media)
    table = items.reset_index(drop=True).copy()
    table["source"] = table.video.where(table.video != "", table.audio)
    decoded = _decode(table, settings, media, workers)
    if decoded:
        _fill_in(table, decoded)
    promised = [0 if i in decoded else int(n) for i, n in enumerate(table.n_frames)]
    tasks = {
        i: Task(audio, frames, promised[i])
        for i, (audio, frames, problem) in enumerate(zip(table.audio, table.frames, table.problem))
        if not problem
    }
    measured = dict(zip(tasks, _measure_all(list(tasks.values()), media, workers)))
    return _joined(table, measured, settings)


def _fill_in(table: pd.DataFrame, decoded: dict[int, Decoded]) -> None:
    """Paths of decoded videos, or why there are none."""
    rows = list(decoded)
    results = decoded.values()
    table.loc[rows, "audio"] = [os.path.join(r.folder, AUDIO) if r.folder else "" for r in results]
    table.loc[rows, "frames"] = [r.folder for r in results]
    table.loc[rows, "problem"] = [r.problem for r in results]
    table.loc[rows, "detail"] = [r.detail for r in results]


def _decode(table: pd.DataFrame, settings: RecordedSettings, media: Path, workers: int) -> dict[int, Decoded]:
    """Row to result, of those that are videos."""
    rows = [i for i in range(len(table)) if table.video[i] and not table.problem[i]]
    rates = settings.fps, settings.sample_rate, settings.frame_size
    videos = [(str(table.video[i]), Decoding(*rates, float(table.start_s[i]), float(table.end_s[i]))) for i in rows]
    return dict(zip(rows, decode_all(videos, media, workers))) if rows else {}


def _measure_all(tasks: list[Task], media: Path, workers: int) -> list[dict]:
    with closing(Memory(media)) as memory:
        keys = [f"measured {task_key(task)}" for task in tasks]
        known = [memory.get(key) for key in keys]
        todo = [i for i, text in enumerate(known) if text is None]
        for n, result in run_all(measure_task, [tasks[i] for i in todo], workers, "clips measured"):
            i = todo[n]
            if isinstance(result, Died):  # not noted: it may have been for want of memory
                known[i] = json.dumps({"findings": {"unreadable": DIED}})
                continue
            known[i] = canonical_json(result)
            memory.put(keys[i], known[i])
    return [json.loads(text) for text in known]


def task_key(task: Task) -> str:
    """Equal as long as nobody wrote to the sound file or to one of the pictures."""
    state = [file_state(task.audio), _folder_state(task.frames), task.promised, VERSION]
    return sha256_text(canonical_json(state))


def _folder_state(folder: str) -> str:
    """Number, total size and latest change of the files in a folder."""
    try:
        with os.scandir(folder) as entries:
            states = [entry.stat() for entry in entries]
    except OSError as error:
        return f"{folder} {type(error).__name__}"
    size, latest = sum(s.st_size for s in states), max((s.st_mtime_ns for s in states), default=0)
    return f"{folder} {len(states)} {size} {latest}"


def measure_task(task: Task) -> dict:
    """Measures and findings of one item; runs in a worker."""
    sound, wrong = measure_sound(Path(task.audio)) if task.audio else ({}, {"no_audio": "no sound file is listed"})
    if task.frames:
        pictures, bad = measure_frames(Path(task.frames), task.promised)
    else:
        pictures, bad = {}, {"no_frames": "no folder of pictures is listed"}
    return sound | pictures | {"findings": _both(wrong, bad)}


def _both(first: Findings, second: Findings) -> Findings:
    joined = {p: " and ".join(f[p] for f in (first, second) if p in f) for p in PROBLEMS}
    return {problem: text for problem, text in joined.items() if text}


def _joined(table: pd.DataFrame, measured: dict[int, dict], settings: RecordedSettings) -> pd.DataFrame:
    rows = []
    for i in range(len(table)):
        given = {table.problem[i]: table.detail[i]} if table.problem[i] else {}
        rows.append(NOTHING | {"findings": given} | measured.get(i, {}))
    measures = pd.DataFrame(rows, index=table.index, columns=[*NOTHING, "findings"])
    table = table.drop(columns=["n_frames"]).join(measures)
    table["fps"] = settings.fps
    first = [next(iter(found.items()), ("", "")) for found in table.findings]
    table["problem"], table["detail"] = [p for p, _ in first], [text for _, text in first]
    table["findings"] = [json.dumps(found) for found in table.findings]
    return table
