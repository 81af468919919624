"""Does every seed do something, and always the same?"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from safetensors import safe_open

from avsep_lib import mixtures, training_data
from avsep_lib.canaries.evidence import Evidence, spread
from avsep_lib.canaries.findings import Finding, none_of, not_applicable, noted
from avsep_lib.embedded.plan import plan_clips
from avsep_lib.files import read_json, sha256_file, sha256_text

METRICS = ["sdr_db", "si_sdr_db"]
N_FILES = 16  # sound files of recordings that are hashed again
PURPOSES = ("melody", "recording", "drawing")


def twins(evidence: Evidence) -> list[tuple[str, str]]:
    """Pairs of runs that are the same row of the table with different seeds."""
    rows: dict[str, list[str]] = {}
    for run_id, run in evidence.runs.items():
        rows.setdefault(run.row, []).append(run_id)
    return [pair for ids in rows.values() for pair in combinations(ids, 2)]


def first_kernel(path: Path) -> bytes:
    """A convolution of a checkpoint, read without building the model."""
    with safe_open(path, framework="numpy") as file:
        return file.get_tensor("unet.down.0.conv.weight").tobytes()


def same_weights(evidence: Evidence, pairs: list[tuple[str, str]]) -> list[str]:
    """Pairs of runs with a convolution in common, which no two seeds can have."""
    kernels = {run_id: first_kernel(evidence.model_path(run_id)) for pair in pairs for run_id in pair}
    return [f"{a} and {b}" for a, b in pairs if kernels[a] == kernels[b]]


def same_scores(evidence: Evidence, pairs: list[tuple[str, str]]) -> list[str]:
    """Pairs of runs with the same scores."""
    scores = evidence.scores
    return [f"{a} and {b}" for a, b in pairs if scores[a][METRICS].equals(scores[b][METRICS])]


def trained_seed(path: Path) -> int:
    """The seed that a checkpoint says it was trained with."""
    with safe_open(path, framework="numpy") as file:
        return int(json.loads(file.metadata()["config"])["seed"])


def same_batches(evidence: Evidence, pairs: list[tuple[str, str]]) -> list[str]:
    """Pairs of runs whose training went through the pool in the same order."""
    n = evidence.mixtures.pool_size
    seeds = {run_id: trained_seed(evidence.model_path(run_id)) for pair in pairs for run_id in pair}
    first_epoch = {run_id: training_data.batch_indices(seed, 0, n, n).tolist() for run_id, seed in seeds.items()}
    return [f"{a} and {b}" for a, b in pairs if first_epoch[a] == first_epoch[b]]


def counted(pairs: list[tuple[str, str]]) -> Finding:
    """How many pairs are compared; none is allowed, but then it is said what was not looked at."""
    what = "pairs of runs that differ by their seed"
    return noted(what if pairs else f"{what} (no row has two seeds: no seed of training was judged)", len(pairs))


def list_hashes(evidence: Evidence, seed: int) -> dict[str, str]:
    """SHA-256 of the three mixture lists, drawn again with a seed."""
    settings = replace(evidence.mixtures, seed=seed)
    lists = mixtures.build_lists(evidence.store, evidence.audio, settings)
    return {name: sha256_text(table.to_csv(index=False)) for name, table in lists.items()}


def clip_seeds(evidence: Evidence, seed: int) -> set[tuple]:
    """(clip, purpose, seed) of every clip that the embedded dataset plans with a base seed."""
    clips = plan_clips(replace(evidence.profile.datasets[evidence.dataset], seed=seed))
    return {(clip.clip_id, purpose, clip.seed(purpose)) for clip in clips for purpose in PURPOSES}


def rendered_clips(evidence: Evidence) -> list[Finding]:
    """Clips were rendered with the seeds that the plan gives them, and another base seed plans others."""
    provenance, base = evidence.table("provenance"), evidence.profile.datasets[evidence.dataset].seed
    rendered = {(clip_id, p, s) for p in PURPOSES for clip_id, s in provenance[f"{p}_seed"].items()}
    return [
        none_of("clips whose seeds are not the planned ones", sorted(rendered ^ clip_seeds(evidence, base))),
        none_of("clips that another seed does not change", sorted(rendered & clip_seeds(evidence, base + 1))),
    ]


def recorded_clips(evidence: Evidence) -> list[Finding]:
    """What can be looked at where no seed drew the clips: their files are those that were audited, and none too many."""
    return [
        not_applicable("clips whose seeds are not the planned ones", "recordings were drawn by no seed"),
        none_of("sound files that are not those of the manifest", changed_files(evidence)),
        none_of("clips used although the audit dropped them, or does not know them", dropped_clips(evidence)),
    ]


def changed_files(evidence: Evidence) -> list[str]:
    """Clips, a few spread over the manifest, whose sound file is missing or has another SHA-256 than the manifest."""
    manifest, folder = evidence.table("manifest"), evidence.source / "dataset"
    chosen = manifest.loc[spread(list(manifest.index), N_FILES)]
    files = {row.clip_id: (folder / row.audio, row.sha256) for row in chosen.itertuples()}
    return [clip for clip, (path, known) in files.items() if not path.is_file() or sha256_file(path) != known]


def dropped_clips(evidence: Evidence) -> list[str]:
    """Clips of the mixture lists that the audit did not keep; DataError when there is no audit."""
    audit = evidence.table("audit")
    kept = set(audit.index[audit["status"] == "kept"])
    used = {clip for table in evidence.lists.values() for clip in table.clip_id}
    return sorted(used - kept)


def unused_seed(evidence: Evidence) -> list[Finding]:
    """Another seed gives other weights, scores, batches, mixtures and clips; the same seed gives the same again.

    Recordings have no seed: instead, their files are those of the manifest, and only audited ones are used.
    """
    pairs, seed = twins(evidence), evidence.mixtures.seed
    written = read_json(evidence.folder / "mixtures" / "mixtures.json")["sha256"]
    again, other = list_hashes(evidence, seed), list_hashes(evidence, seed + 1)
    unchanged = [name for name in written if other[name] == written[name]]
    lists = "lists that another seed does not change"
    return [
        counted(pairs),
        none_of("pairs with the same weights", same_weights(evidence, pairs)),
        none_of("pairs with the same scores", same_scores(evidence, pairs)),
        none_of("pairs with the same order of batches", same_batches(evidence, pairs)),
        none_of("lists that the same seed does not give again", [n for n in written if written[n] != again[n]]),
        noted(lists, len(unchanged)) if evidence.recorded else none_of(lists, unchanged),  # few clips, few matchings
        *(recorded_clips(evidence) if evidence.recorded else rendered_clips(evidence)),
    ]
