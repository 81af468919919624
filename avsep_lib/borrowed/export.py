"""The files that leave the borrowed machine: few, small, and described by one of them.

``scores.csv`` and ``histories.csv`` (all runs), ``costs.json``, ``data.zip`` (small tables of the dataset, the encoders and
the image and sound embeddings of the test solos), ``latents-<i>.safetensors`` (16-bit floats) and ``provenance.json``
with the plan, the machine, what was measured, and the SHA-256 of the others. No model, no picture, and of the sound the
one clip that a notebook measures again.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from avsep_lib.borrowed.plan import FORMAT, Plan, PlannedRun
from avsep_lib.borrowed.stages import Folders
from avsep_lib.encoders.store import EmbeddingStore, Entry, write_store
from avsep_lib.errors import AvsepError, DataError
from avsep_lib.files import atomic_path, read_json, sha256_file, write_json
from avsep_lib.latents import Latents
from avsep_lib.manifest import is_solo, read_manifest
from avsep_lib.settings import to_dict

N_FILES, FILE_BYTES = 8, 16 * 2**20
PART_BYTES = FILE_BYTES - 2**20  # of tensors in one file
PROVENANCE, SCORES, HISTORIES, COSTS, DATA = (
    "provenance.json",
    "scores.csv",
    "histories.csv",
    "costs.json",
    "data.zip",
)
SMALL = (  # below the dataset's folder
    "dataset/manifest.csv",
    "dataset/provenance.csv",
    "mixtures/pool.csv",
    "mixtures/val.csv",
    "mixtures/test.csv",
    "mixtures/mixtures.json",
    "encoders/image/config.json",
    "encoders/image/history.csv",
    "encoders/audio/config.json",
    "encoders/audio/history.csv",
    "embeddings/sanity.csv",
)
STORES = ("images", "audio")
DESCRIPTORS = "descriptors.csv"


def complete_runs(plan: Plan, at: Folders) -> list[PlannedRun]:
    """Runs of the seeds of which every run is trained and scored."""
    done: list[PlannedRun] = []
    for seed in plan.seeds:
        runs = plan.of_seeds([seed])
        if not all(at.scores(run.run_id).exists() for run in runs):
            break
        done += runs
    return done


def export(plan: Plan, at: Folders, out: Path, told: dict[str, Any]) -> list[Path]:
    """Write what is finished into the folder `out`; nothing while no seed is complete.

    Parameters
    ----------
    plan : Plan
    at : Folders
    out : Path
    told : dict
        What else the provenance says: machine, measurements, steps.

    Returns
    -------
    list of Path
        The files; empty while there is nothing to bring back.

    Raises
    ------
    AvsepError
        More than `N_FILES` files, or one of more than `FILE_BYTES`.
    """
    out.mkdir(parents=True, exist_ok=True)
    for old in [out / PROVENANCE, *out.glob("latents-*.safetensors")]:
        old.unlink(missing_ok=True)
    runs = complete_runs(plan, at)
    small = [*(at.data / name for name in SMALL), at.descriptors, at.scores(f"references-{plan.dataset}")]
    if not runs or not all(path.exists() for path in small):
        return []
    ids = [run.run_id for run in runs]
    _write_rows(out / SCORES, _scores(at, [*ids, f"references-{plan.dataset}"]))
    _write_rows(out / HISTORIES, _histories(at, ids))
    write_json(out / COSTS, {run_id: read_json(at.run(run_id) / "cost.json") for run_id in ids})
    _write_data(out / DATA, at)
    files = [out / name for name in (SCORES, HISTORIES, COSTS, DATA)]
    if at.latents.exists():
        files += write_latent_parts(at.latents, out)
    described = {
        "format": FORMAT,
        "plan": to_dict(plan),
        "runs": ids,
        "seeds": list(dict.fromkeys(run.config.seed for run in runs)),
        "files": {path.name: sha256_file(path) for path in files},
        **told,
    }
    write_json(out / PROVENANCE, described)
    files.append(out / PROVENANCE)
    check_sizes(files)
    return files


def check_sizes(files: list[Path]) -> None:
    """AvsepError unless they are few and small enough to leave the machine."""
    if len(files) > N_FILES:
        raise AvsepError(f"{len(files)} files to bring back, at most {N_FILES} can be: name fewer runs in the grid")
    if large := [path for path in files if path.stat().st_size > FILE_BYTES]:
        raise AvsepError(f"{large[0]} has {large[0].stat().st_size} bytes; at most {FILE_BYTES} can be brought back")


def _write_rows(path: Path, rows: Iterable[list[str]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


def _scores(at: Folders, names: list[str]) -> Iterable[list[str]]:
    """All score files as one; text stays as it is, to the last digit."""
    for i, name in enumerate(names):
        with at.scores(name).open(newline="") as stream:
            header, *rows = csv.reader(stream)
        yield from ([header, *rows] if i == 0 else rows)


def _histories(at: Folders, ids: list[str]) -> Iterable[list[str]]:
    for i, run_id in enumerate(ids):
        with (at.run(run_id) / "history.csv").open(newline="") as stream:
            header, *rows = csv.reader(stream)
        if i == 0:
            yield ["run_id", *header]
        yield from ([run_id, *row] for row in rows)


def _write_data(path: Path, at: Folders) -> None:
    """The small tables, the embeddings of the test solos, and the first described clip's sound."""
    manifest = read_manifest(at.manifest)
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in SMALL:
            archive.write(at.data / name, name)
        archive.write(at.descriptors, DESCRIPTORS)
        first = pd.read_csv(at.descriptors, dtype={"clip_id": str}).clip_id.iloc[0]
        sound = manifest.set_index("clip_id").audio[first]
        archive.write(at.manifest.parent / sound, f"dataset/{sound}")
        solos = manifest[is_solo(manifest) & (manifest.split == "test")].clip_id
        for what in STORES:
            reduced = at.work / f"{what}-of-test-solos.safetensors"
            reduce_store(at.embeddings(what), list(solos), reduced)
            archive.write(reduced, f"embeddings/{what}.safetensors")


def reduce_store(path: Path, clip_ids: list[str], out: Path) -> None:
    """One row for each of the clips: the middle frame's, or the sound's."""
    store = EmbeddingStore.open(path)
    rows = {clip_id: store.frames(clip_id) for clip_id in clip_ids}
    entries = [Entry(clip, np.ascontiguousarray(r[len(r) // 2][None]), store.key(clip)) for clip, r in rows.items()]
    write_store(out, store.modality, store.encoder_key, entries)


def write_latent_parts(path: Path, out: Path) -> list[Path]:
    """The latents as 16-bit floats, in files that are small enough; each has the whole index in its metadata."""
    Latents.open(path)
    parts: list[dict[str, np.ndarray]] = [{}]
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name).astype(np.float16)
            if not np.isfinite(tensor).all():
                raise AvsepError(f"{path}: {name} does not fit 16-bit floats")
            if sum(t.nbytes for t in parts[-1].values()) + tensor.nbytes > PART_BYTES:
                parts.append({})
            parts[-1][name] = tensor
    files = [out / f"latents-{i}.safetensors" for i in range(len(parts))]
    for file, tensors in zip(files, parts):
        with atomic_path(file) as temporary:
            save_file(tensors, temporary, metadata)
    return files


def merge_latent_parts(files: list[Path], out: Path) -> None:
    """The parts as one file of 32-bit floats, as `avsep_lib.latents` writes it; DataError for a part that is none."""
    tensors, metadata = {}, None
    for path in files:
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata()
                tensors |= {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise DataError(f"{path} is no safetensors file ({error}); fetch it again") from None
    with atomic_path(out) as temporary:
        save_file(tensors, temporary, metadata)
