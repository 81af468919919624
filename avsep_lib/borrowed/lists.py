"""The lists of mixtures of a rendered dataset, known before anything is rendered.

Which clips there are follows from the settings, and who is mixed with whom from the clips. The lists are made where the
bundle is made, travel with it, and are compared when results come back.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from avsep_lib.clips import ClipStore
from avsep_lib.embedded.plan import plan_clips
from avsep_lib.embedded.settings import EmbeddedSettings
from avsep_lib.mixtures import build_lists, write_lists
from avsep_lib.settings import AudioSettings, MixtureSettings

CLIP_COLUMNS = ["clip_id", "video_id", "labels", "split", "n_frames", "fps", "duration_s"]


def expected_clips(clips: EmbeddedSettings) -> pd.DataFrame:
    """Rows of the manifest that rendering will write, without what only rendering knows (`CLIP_COLUMNS`)."""
    duration_s = round(clips.n_samples / clips.sample_rate, 6)
    rows = [
        (clip.clip_id, clip.clip_id, "|".join(clip.labels), clip.split, clips.n_frames, clips.fps, duration_s)
        for clip in plan_clips(clips)
    ]
    return pd.DataFrame(rows, columns=CLIP_COLUMNS)


def write_expected_lists(clips: EmbeddedSettings, audio: AudioSettings, mixtures: MixtureSettings, out: Path) -> None:
    """Write ``pool.csv``, ``val.csv``, ``test.csv`` and ``mixtures.json`` of a dataset that is not rendered yet."""
    table = expected_clips(clips).set_index("clip_id", drop=False)
    table["n_samples"] = (table.duration_s * audio.sample_rate).round().astype(int)
    store = ClipStore(out, table, audio.sample_rate, out)
    write_lists(build_lists(store, audio, mixtures), out, store)
