"""Separate the test pairs and score every source: one tidy row per (mixture, source, mask type).

``python -m avsep_lib.score`` writes ``scores/<run_id>.csv`` for a trained run; ``--references`` instead of ``--model``
scores the floor and the ceilings, which are ordinary rows. The test split is read here, once per finished run.

Columns: run_id, method (table row), mixture_id, source, clip_id, instrument, partner, seed, mask, sdr_db, sir_db,
sar_db, si_sdr_db, mixture_sdr_db, mixture_si_sdr_db, sdri_db, si_sdri_db, status. The mask of a method that has none
is ``none``. A silent estimate has status
``silent_estimate`` and no numbers: it is counted, never averaged and never dropped unseen.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from avsep_lib.audio import mix
from avsep_lib.bss_eval import References
from avsep_lib.cli import json_argument, run_main
from avsep_lib.clips import ClipStore
from avsep_lib.encoders import load_audio_encoder
from avsep_lib.encoders.base import AudioEncoder
from avsep_lib.encoders.settings import AudioEncoderSettings
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.files import atomic_path
from avsep_lib.manifest import label_list
from avsep_lib.methods.base import MaskMethod, MaskType, Query
from avsep_lib.methods.learnt import Learnt
from avsep_lib.methods.references import REFERENCES
from avsep_lib.methods.registry import load_method
from avsep_lib.methods.settings import FAMILY
from avsep_lib.metrics import si_sdr
from avsep_lib.mixtures import load_sources, read_list
from avsep_lib.pictures import load_film, load_frame
from avsep_lib.settings import AudioSettings, from_dict

COLUMNS = [
    "run_id", "method", "mixture_id", "source", "clip_id", "instrument", "partner", "seed", "mask",
    "sdr_db", "sir_db", "sar_db", "si_sdr_db", "mixture_sdr_db", "mixture_si_sdr_db", "sdri_db", "si_sdri_db", "status",
]  # fmt: skip


@dataclass(frozen=True)
class MixtureItem:
    """One test mixture.

    Attributes
    ----------
    rows : DataFrame
        Its rows of ``test.csv``.
    waveform : ndarray, shape (n_samples,)
    sources : ndarray, shape (n, n_samples)
        The sources as they are in the mixture (scaled by 1/n).
    """

    rows: pd.DataFrame
    waveform: np.ndarray
    sources: np.ndarray

    @property
    def mixture_id(self) -> str:
        """Identifier in ``test.csv``."""
        return self.rows.mixture_id.iloc[0]


def list_items(
    store: ClipStore, mixtures: Path, audio: AudioSettings, which: str | Sequence[str]
) -> Iterator[MixtureItem]:
    """The mixtures of a list, or of several, in order."""
    lists = [which] if isinstance(which, str) else which
    rows_of = (rows for name in lists for _, rows in read_list(mixtures, name).groupby("mixture_id", sort=False))
    for rows in rows_of:
        waveform, sources = mix(torch.from_numpy(load_sources(store, rows, audio)))
        yield MixtureItem(rows, waveform.numpy(), sources.numpy())


QueryMaker = Callable[[MixtureItem], list[Query]]


def image_queries(images: EmbeddingStore) -> QueryMaker:
    """Queries from stored embeddings of each source's frame."""
    return lambda item: [Query("image", images.frames(r.clip_id)[r.frame]) for r in item.rows.itertuples()]


def frame_queries(store: ClipStore, size: int) -> QueryMaker:
    """Queries from the frames themselves, for trained visual backbones."""
    return lambda item: [Query("image", load_frame(store, r.clip_id, r.frame, size)) for r in item.rows.itertuples()]


def film_queries(store: ClipStore, n_frames: int, stride: int, size: int) -> QueryMaker:
    """Queries from several frames around each source's own, for networks that read films."""
    return lambda item: [
        Query("image", load_film(store, r.clip_id, r.frame, n_frames, stride, size)) for r in item.rows.itertuples()
    ]


def oracle_queries(item: MixtureItem) -> list[Query]:
    """Queries that hold the truth: for ideal masks, and to name the outputs of methods that are asked nothing."""
    return [Query("audio", source) for source in item.sources]


def factorise(item: MixtureItem, audio: AudioSettings) -> References:
    """The part of BSS-eval that depends on the true sources only: shared by masks, methods and the mixture baseline."""
    names = [f"{item.mixture_id}: clip {clip_id}" for clip_id in item.rows.clip_id]
    return References(item.sources[:, : audio.n_output], names=names)


def score_item(
    method: MaskMethod,
    queries: list[Query],
    item: MixtureItem,
    store: ClipStore,
    factorised: References | None = None,
) -> list[dict]:
    """Rows of one mixture, without the columns that name the run; `factorised` is from `factorise`, if at hand."""
    estimates = method.estimate(item.waveform, queries)
    return score_estimates(estimates, item, store, factorised or factorise(item, method.audio))


def score_estimates(
    estimates: Mapping[MaskType, np.ndarray], item: MixtureItem, store: ClipStore, factorised: References
) -> list[dict]:
    """As `score_item`, of estimates ``(n, n_output)`` that are there already."""
    n_output = next(iter(estimates.values())).shape[-1]
    references = item.sources[:, :n_output]
    baseline = np.repeat(item.waveform[None, :n_output], len(references), axis=0)
    stacked = np.stack([*estimates.values(), baseline])
    scores, si = factorised.bss_eval(stacked), si_sdr(references, stacked)
    labels = [store.row(clip_id).labels for clip_id in item.rows.clip_id]
    with np.errstate(
        invalid="ignore"
    ):  # one source alone: its mixture is infinitely good, and nothing improves on that
        sdri, si_sdri = scores.sdr_db - scores.sdr_db[-1], si - si[-1]
    rows = []
    for k, mask in enumerate(estimates):
        for i, source in enumerate(item.rows.itertuples()):
            values = {"sdr_db": scores.sdr_db[k, i], "sir_db": scores.sir_db[k, i], "sar_db": scores.sar_db[k, i]}
            rows.append(
                {
                    "mixture_id": item.mixture_id,
                    "source": source.source,
                    "clip_id": source.clip_id,
                    "instrument": labels[i],
                    "partner": "+".join(labels[:i] + labels[i + 1 :]),
                    "mask": mask,
                    **values,
                    "si_sdr_db": si[k, i],
                    "mixture_sdr_db": scores.sdr_db[-1, i],
                    "mixture_si_sdr_db": si[-1, i],
                    "sdri_db": sdri[k, i],
                    "si_sdri_db": si_sdri[k, i],
                    "status": "silent_estimate" if np.isnan(values["sdr_db"]) else "ok",
                }
            )
    return rows


def score_method(
    separator: MaskMethod,
    make_queries: QueryMaker,
    store: ClipStore,
    mixtures: Path,
    which: str | Sequence[str] = "test",
    **names: object,
) -> pd.DataFrame:
    """Score a method on a list, the test pairs by default; `names` are the columns run_id, method and seed."""
    rows = [
        {**names, **row}
        for item in list_items(store, mixtures, separator.audio, which)
        for row in score_item(separator, make_queries(item), item, store)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def queries_for(method: MaskMethod, store: ClipStore, images: EmbeddingStore) -> QueryMaker:
    """What a method is asked with: embeddings or frames of the sources, their classes, or the truth to name outputs by."""
    config = method.config
    size = config.model.frame_size
    if config.method == FAMILY:
        return frame_queries(store, size) if config.model.backbone == "resnet18" else image_queries(images)
    if not isinstance(method, Learnt) or method.network.conditions == "none":
        return oracle_queries
    if method.network.conditions == "labels":
        return lambda item: [Query("label", label_list(store.row(clip_id).labels)) for clip_id in item.rows.clip_id]
    if method.network.conditions == "frames":
        return frame_queries(store, size)
    if method.network.conditions == "films":
        options = config.options
        return film_queries(store, options.n_frames, options.frame_stride, size)
    return image_queries(images)


def score_run(
    model: Path,
    store: ClipStore,
    mixtures: Path,
    images: EmbeddingStore,
    row: str | None = None,
    teacher: AudioEncoder | None = None,
    which: str | Sequence[str] = "test",
) -> pd.DataFrame:
    """Scores of a trained run on a list; `row` is its table row (default: the run id without its seed)."""
    method = load_method(model, teacher)
    config = method.config
    row = row or config.run_id.removesuffix(f"-s{config.seed}")
    names = {"run_id": config.run_id, "method": row, "seed": config.seed}
    return score_method(method, queries_for(method, store, images), store, mixtures, which, **names)


def score_references(audio: AudioSettings, store: ClipStore, mixtures: Path) -> pd.DataFrame:
    """Scores of the floor and the ceilings; they have no seed (-1)."""
    methods = {name: method(audio) for name, method in REFERENCES.items()}
    rows: dict[str, list[dict]] = {name: [] for name in methods}
    for item in list_items(store, mixtures, audio, "test"):
        factorised = factorise(item, audio)
        for name, method in methods.items():
            named = {"run_id": name, "method": name, "seed": -1}
            scored = score_item(method, oracle_queries(item), item, store, factorised)
            rows[name] += [{**named, **row} for row in scored]
    return pd.DataFrame([row for of_method in rows.values() for row in of_method], columns=COLUMNS)


def main() -> None:
    """Command line: score one run, or the references."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", type=Path, help="model.safetensors of a run")
    what.add_argument("--references", type=json_argument, help="audio settings as JSON: score floor and ceilings")
    for name in ("clips", "mixtures", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--images", type=Path, help="image embeddings (with --model)")
    parser.add_argument("--row", help="table row of the run (with --model)")
    parser.add_argument("--audio-encoder", type=Path, help="folder of the teacher, for runs that hear through it")
    parser.add_argument("--audio-encoder-settings", type=json_argument, help="its settings as JSON")
    arguments = parser.parse_args()
    if arguments.model and not arguments.images:
        parser.error("--model needs --images, the embeddings of the clips' frames")
    store = ClipStore.open(arguments.clips)
    if arguments.model:
        teacher = None
        if arguments.audio_encoder:
            settings = from_dict(AudioEncoderSettings, arguments.audio_encoder_settings, "audio encoder")
            teacher = load_audio_encoder(settings, arguments.audio_encoder)
        images = EmbeddingStore.open(arguments.images)
        scores = score_run(arguments.model, store, arguments.mixtures, images, arguments.row, teacher)
    else:
        scores = score_references(from_dict(AudioSettings, arguments.references), store, arguments.mixtures)
    with atomic_path(arguments.out) as path:
        scores.to_csv(path, index=False, float_format="%.6f")


if __name__ == "__main__":
    run_main(main)
