"""Every decision that no floating-point sum takes part in, as JSON: ``python same_decisions.py [stdlib] [planted]``.

Seeds, hashes, orders, lists and plans must not depend on the version of Python, on the order in which a set happens to
be walked (``PYTHONHASHSEED``), or on the machine. With ``stdlib`` only what needs no installed package, so that a bare
interpreter can answer as well; with ``planted`` one decision that does depend on that order, to show that a comparison
can fail. ``AVSEP_ROOT`` is a checkout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from avsep_lib.files import canonical_json, sha256_text
from avsep_lib.settings import AudioSettings, ModelSettings, RunConfig, TrainingSettings, to_dict

if TYPE_CHECKING:
    import pandas as pd

PLANTED = ("flute", "tuba", "erhu", "cello", "pipa", "violin", "harp", "saxophone")
PROFILES = ("smoke", "demo")


def settings_as_text() -> list[str]:
    """What a job's parameters and a checkpoint's fingerprint are made of."""
    configs = [
        RunConfig(f"{fusion}-s{seed}", seed, True, AudioSettings(), ModelSettings(fusion=fusion), TrainingSettings())
        for fusion in ("late", "middle", "hierarchical")
        for seed in (0, 1)
    ]
    return [canonical_json(to_dict(config)) for config in configs]


def floats_as_text() -> str:
    """Numbers that many printers shorten in different ways."""
    return canonical_json([0.1, 1 / 3, 1e-10, 1e22, 2**53 + 0.0, -0.0, 5e-324, {"ü": "–", "b": [True, None]}])


def sources() -> dict[str, list[str]]:
    """Library files that commands and notebooks depend on."""
    from avsep_lib.library import artifacts_of_notebook, modules_of, modules_of_notebook
    from avsep_lib.paths import project_root

    commands = ("train", "score", "embedded", "features", "probe", "report", "canaries", "publish")
    found = {name: [str(path) for path in modules_of(f"avsep_lib.{name}")] for name in commands}
    for path in sorted((project_root() / "notebooks").glob("*.ipynb")):
        found[path.name] = [str(source) for source in modules_of_notebook(path)]
        found[f"{path.name}, saved"] = [name for saved in artifacts_of_notebook(path) for name in saved.files]
    return found


def plans() -> dict[str, Any]:
    """Every job's parameters, as Snakemake compares them."""
    from avsep_lib.workflow import load_plan

    found = {}
    for name in PROFILES:
        plan = load_plan(name)
        found[name] = [
            plan.everything_json(),
            [plan.run_json(run) for run in plan.runs],
            [plan.data_key(run) for run in plan.runs],
            [[key, plan.audio_json(key), plan.mixtures_json(key)] for key in plan.trained_keys],
            [plan.dataset_json(dataset) for dataset in plan.profile.datasets],
        ]
    return found


def seeds_of_clips() -> list[list[Any]]:
    """Names and seeds of all clips of a profile's datasets."""
    from avsep_lib.embedded.plan import mp4_clips, plan_clips
    from avsep_lib.workflow import load_plan

    found = []
    for settings in load_plan("smoke").profile.datasets.values():
        clips = plan_clips(settings)
        found += [[c.clip_id, *(c.seed(what) for what in ("melody", "recording", "drawing"))] for c in clips]
        found.append(sorted(mp4_clips(clips, settings.n_mp4)))
    return found


def drawn() -> list[Any]:
    """What generators draw: melodies' streams, batches, resamples."""
    from avsep_lib.embedded.seeds import generator
    from avsep_lib.intervals import Resampling
    from avsep_lib.training_data import batch_indices

    own = generator("melody", 3, "flute")
    return [
        own.integers(0, 2**40, 8).tolist(),
        own.standard_normal(4).tolist(),
        own.permutation(12).tolist(),
        Resampling().generator().integers(0, 88, 16).tolist(),
        [batch_indices(seed, step, 5, 12).tolist() for seed in (0, 1) for step in (0, 2, 7)],
    ]


def clips_in_memory() -> pd.DataFrame:
    """Sixty training clips of five classes that need not exist."""
    import numpy as np
    import pandas as pd

    names = np.array(["flute", "tuba", "erhu", "cello", "pipa"])[np.random.default_rng(3).integers(0, 5, 60)]
    ids = [f"clip{i:03d}" for i in range(60)]
    about = {"split": "train", "n_frames": 40, "fps": 8.0, "duration_s": 5.0, "n_samples": 60_000}
    clips = pd.DataFrame({"clip_id": ids, "video_id": ids, "labels": names, **about})
    return clips.set_index("clip_id", drop=False)


def lists() -> list[Any]:
    """Training pool, matched pairs and splits."""
    from avsep_lib.mixtures import evaluation_list, training_pool
    from avsep_lib.recorded.settings import RecordedSettings
    from avsep_lib.recorded.splits import assign_splits
    from avsep_lib.settings import MixtureSettings

    clips = clips_in_memory()
    mixed = training_pool(clips, 3.0, MixtureSettings(pool_size=40)), evaluation_list(clips, 3.0, 9, "t")
    listed = clips.reset_index(drop=True).assign(given="", list="", problem="")
    splits = assign_splits(listed, RecordedSettings(format="videos", root="videos"))
    return [*(table.to_csv() for table in mixed), list(splits)]


def planted() -> list[str]:
    """What must never happen: the order of a set as a decision."""
    return list(set(PLANTED))


STDLIB: tuple[Callable[[], Any], ...] = (settings_as_text, floats_as_text, sources)
INSTALLED: tuple[Callable[[], Any], ...] = (plans, seeds_of_clips, drawn, lists)


def decisions(options: Collection[str]) -> dict[str, dict[str, Any]]:
    """Hash and beginning of each decision, by name of its function; `options` are words of the command line."""
    chosen = STDLIB if "stdlib" in options else (*STDLIB, *INSTALLED)
    chosen += (planted,) if "planted" in options else ()
    texts = {function.__name__: json.dumps(function()) for function in chosen}  # not sorted: orders are decisions, too
    return {
        name: {"sha256": sha256_text(text), "length": len(text), "begins": text[:80]} for name, text in texts.items()
    }


if __name__ == "__main__":
    print(json.dumps(decisions(sys.argv[1:])))
