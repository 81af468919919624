"""Who trains the probe and who tests it: other videos, other presets, other recordings. Fixed before looking.

A clean solo of eleven synthetic instruments is easy to name, and a probe that names nearly all of them cannot rank
representations. So the probe is made to generalise, in three ways that were chosen for their meaning:

- *videos*: it is trained on training solos and tested on test solos, as everything here;
- *presets*: of each class it learns one preset (the one with most training clips) and meets all of them;
- *recordings*: it learns clips as they were recorded and meets clips recorded once more, in conditions drawn from
  the interval next to the dataset's own, on the harsh side and equally wide (`HARSH`).

Whether that is hard enough is judged on validation solos, which no number of the test split enters.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from avsep_lib.embedded.recording import LEVEL_DBFS, Recording, record
from avsep_lib.embedded.seeds import generator, seed_of
from avsep_lib.errors import LeakageError

# Interval of each recording condition, next to that of `avsep_lib.embedded.recording.choose_recording`.
HARSH = {
    "rt60": (0.9, 1.68),
    "wet_db": (-6.0, 8.0),
    "tilt_db": (2.0, 4.0),  # of either sign
    "low_cut_hz": (60.0, 100.0),
    "noise_db": (-36.0, -20.0),
    "noise_colour": (0.3, 1.7),
}


def harsh_recording(clip_id: str) -> Recording:
    """The second recording of a clip: its conditions depend on its name alone."""
    rng = generator("probe", clip_id)
    drawn = {name: float(rng.uniform(low, high)) for name, (low, high) in HARSH.items()}
    drawn["tilt_db"] *= rng.choice((-1.0, 1.0))
    level = float(rng.uniform(*LEVEL_DBFS))
    return Recording(**drawn, level_dbfs=level, seed=seed_of("probe", "room", clip_id))


def recorded_again(waveform: np.ndarray, clip_id: str, sample_rate: int) -> np.ndarray:
    """A clip played back and recorded under `harsh_recording`, float32, same length."""
    return record(waveform.astype(np.float64), harsh_recording(clip_id), sample_rate).astype(np.float32)


def learned_presets(solos: pd.DataFrame) -> pd.Series:
    """The preset of each class that trains the probe: the one with most training clips, the lowest number in a tie.

    Parameters
    ----------
    solos : DataFrame
        Columns `labels`, `split`, `preset`.

    Returns
    -------
    Series
        Preset by class.
    """
    training = solos[solos["split"] == "train"]
    counts = training.groupby(["labels", "preset"]).size().rename("n").reset_index()
    order = counts.assign(number=pd.to_numeric(counts["preset"], errors="coerce"))
    first = order.sort_values(["labels", "n", "number"], ascending=[True, False, True]).drop_duplicates("labels")
    return first.set_index("labels")["preset"]


def preset_role(solos: pd.DataFrame) -> pd.Series:
    """``"learned"`` or ``"new"`` for every solo; all are learned where no preset is known."""
    learned = solos["labels"].map(learned_presets(solos))
    return pd.Series(np.where(solos["preset"] == learned, "learned", "new"), index=solos.index)


def check_disjoint(training: pd.DataFrame, test: pd.DataFrame) -> None:
    """LeakageError when a video that trains a probe is also tested; `videos` joins ids with ``|``."""
    seen = {video for videos in training["videos"] for video in videos.split("|")}
    tested = {video for videos in test["videos"] for video in videos.split("|")}
    if shared := sorted(seen & tested):
        raise LeakageError(
            f"video {shared[0]!r} both trains and tests the probe ({len(shared)} such); keep a video in one split"
        )
