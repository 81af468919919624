"""Test mixtures of three and four sources: how far methods trained on pairs carry.

``python -m avsep_lib.larger_mixtures`` writes ``test3.csv`` and ``test4.csv`` and, last, ``mixtures.json`` with their
hashes; `avsep_lib.mixtures.read_list` reads them like any list. Clips are the solos of the test split at their centre
crops, in groups of distinct classes, each clip in at most one group of a list; at most `MOST` groups, since scoring grows
with the cube of the number of sources.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import pandas as pd

from avsep_lib.cli import json_argument, run_main
from avsep_lib.clips import ClipStore
from avsep_lib.files import atomic_path, sha256_file, write_json
from avsep_lib.larger_names import SIZES, list_name
from avsep_lib.manifest import is_solo
from avsep_lib.mixtures import LIST_COLUMNS, absent_clips, evaluation_list
from avsep_lib.settings import AudioSettings, MixtureSettings, from_dict

MOST = 32  # mixtures of a list


def larger_lists(
    store: ClipStore, audio: AudioSettings, mixtures: MixtureSettings, absent: pd.DataFrame | None = None
) -> dict[str, pd.DataFrame]:
    """One list for each of `SIZES`; empty where the test solos have fewer classes than a mixture has sources."""
    test = store.table[store.table.split == "test"]
    clip_s = audio.n_samples / audio.sample_rate
    n_classes = test[is_solo(test)].labels.nunique()
    return {
        list_name(n): evaluation_list(test, clip_s, mixtures.seed + n, f"t{n}-", absent, itertools.repeat(n, MOST))
        if n_classes >= n
        else pd.DataFrame(columns=LIST_COLUMNS)
        for n in SIZES
    }


def write_larger_lists(lists: dict[str, pd.DataFrame], out: Path) -> None:
    """Write the lists, and ``mixtures.json`` last."""
    for name, table in lists.items():
        with atomic_path(out / f"{name}.csv") as path:
            table.to_csv(path, index=False)
    write_json(
        out / "mixtures.json",
        {
            "sha256": {name: sha256_file(out / f"{name}.csv") for name in lists},
            "n_mixtures": {name: int(table.mixture_id.nunique()) for name, table in lists.items()},
        },
    )


def main() -> None:
    """Command line: write the lists."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("settings", "audio"):
        parser.add_argument(f"--{name}", type=json_argument, required=True)
    for name in ("clips", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument(
        "--audit", type=Path, help="audit.csv of a recorded dataset: pairs are decided over all it lists"
    )
    arguments = parser.parse_args()
    audio = from_dict(AudioSettings, arguments.audio, "--audio")
    mixtures = from_dict(MixtureSettings, arguments.settings, "--settings")
    absent = absent_clips(arguments.audit) if arguments.audit else None
    write_larger_lists(larger_lists(ClipStore.open(arguments.clips), audio, mixtures, absent), arguments.out)


if __name__ == "__main__":
    run_main(main)
