"""Examples to look at and to listen to: chosen by a rule from the scores, separated again by the scored models.

The rule is percentiles of the candidate's gain, so that no example is picked because it sounds good. The separation is
done again through the same interface as scoring, and `check_scores` shows that it gives the scored numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from avsep_lib.clips import ClipStore
from avsep_lib.config import Profile, find_run
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.inputs import require, require_data
from avsep_lib.methods.base import MASK_THRESHOLD, MaskType
from avsep_lib.methods.hfra import HFRA
from avsep_lib.pictures import load_frame
from avsep_lib.score import (
    MixtureItem,
    QueryMaker,
    factorise,
    frame_queries,
    image_queries,
    list_items,
    score_estimates,
)
from avsep_lib.trained import load_trained
from avsep_lib.workflow import audio_key, data_key

PERCENTILES = (25, 50, 75)
METRICS = ["sdr_db", "sir_db", "sar_db", "si_sdr_db", "mixture_sdr_db", "sdri_db"]
FRAME_PIXELS = 192


@dataclass(frozen=True)
class Bench:
    """Test mixtures and everything that separating them needs.

    Attributes
    ----------
    methods : dict of str to HFRA
        By run_id; all at the same audio settings.
    scores : dict of str to DataFrame
        ``scores/<run_id>.csv`` of each.
    store : ClipStore
    mixtures : Path
        Folder of the mixture lists.
    images : EmbeddingStore
    paths : list of Path
        Files that were read.
    """

    methods: dict[str, HFRA]
    scores: dict[str, pd.DataFrame]
    store: ClipStore
    mixtures: Path
    images: EmbeddingStore
    paths: list[Path]

    def queries(self, run_id: str) -> QueryMaker:
        """How a run is asked: by embeddings, or by frames where its visual network is trained."""
        model = self.methods[run_id].config.model
        if model.backbone == "resnet18":
            return frame_queries(self.store, model.frame_size)
        return image_queries(self.images)


def open_bench(profile: Profile, run_ids: Sequence[str]) -> Bench:
    """Load runs of one profile that were scored on the same mixtures.

    Raises
    ------
    ConfigError
        Unknown run, or runs on different data.
    DataError
        Something is not computed yet; names the command.
    """
    runs = [find_run(profile, run_id) for run_id in run_ids]
    if len(keys := sorted({data_key(run) for run in runs})) > 1:
        raise ConfigError(f"runs {', '.join(run_ids)} separate different mixtures ({' and '.join(keys)}); choose one")
    models = require(profile.name, *(f"runs/{run_id}/model.safetensors" for run_id in run_ids))
    scores = require(profile.name, *(f"scores/{run_id}.csv" for run_id in run_ids))
    (clips,) = require_data(profile.name, audio_key(runs[0]), "clips/clips.json")
    lists, test = require_data(profile.name, keys[0], "mixtures/mixtures.json", "mixtures/test.csv")
    (images,) = require_data(profile.name, runs[0].dataset, "embeddings/images.safetensors")
    return Bench(
        methods={run_id: load_trained(profile, run_id) for run_id in run_ids},
        scores={run_id: pd.read_csv(path) for run_id, path in zip(run_ids, scores)},
        store=ClipStore.open(clips.parent),
        mixtures=lists.parent,
        images=EmbeddingStore.open(images),
        paths=[*models, *scores, clips, lists, test, images],
    )


def mixture_gains(scores: pd.DataFrame, mask: MaskType) -> pd.Series:
    """SDR gain over the mixture in dB, mean over sources, by mixture_id; mixtures with a silent estimate are left out."""
    chosen = scores[scores["mask"] == mask]
    return chosen.groupby("mixture_id").sdri_db.agg(lambda gains: gains.mean(skipna=False)).dropna()


def choose_mixtures(scores: pd.DataFrame, mask: MaskType, percentiles: Sequence[float] = PERCENTILES) -> pd.DataFrame:
    """The mixtures at given percentiles of the gain.

    Returns
    -------
    DataFrame
        One row per percentile: `percentile`, `mixture_id`, `gain_db`, by rising percentile; of an even count the lower
        neighbour, so that every row is a real mixture. Where there are no more mixtures than percentiles, all of them,
        each at the share of the mixtures that gain less.

    Raises
    ------
    DataError
        When no mixture has a gain, or the percentiles lie too close together to give different ones.
    """
    ranked = mixture_gains(scores, mask).sort_values(kind="stable")
    if len(ranked) == 0:
        raise DataError(f"no mixture has a gain with {mask} masks: every one holds a silent estimate")
    ranks = [int(percentile / 100 * (len(ranked) - 1)) for percentile in percentiles]
    if len(ranked) <= len(percentiles):
        ranks = list(range(len(ranked)))
        percentiles = [round(100 * rank / len(ranked)) for rank in ranks]
    elif len(set(ranks)) < len(ranks):
        raise DataError(f"{len(ranked)} scored mixtures do not give {len(ranks)} different percentiles; ask for fewer")
    rows = [(percentile, ranked.index[rank], ranked.iloc[rank]) for percentile, rank in zip(percentiles, ranks)]
    return pd.DataFrame(rows, columns=["percentile", "mixture_id", "gain_db"])


@dataclass(frozen=True)
class Example:
    """One separated mixture.

    Attributes
    ----------
    item : MixtureItem
    instruments : list of str
        Of the sources.
    frames : list of ndarray, shape (height, width, 3)
        What the separator saw.
    estimates, masks : dict of str to ndarray
        By run_id: waveforms (n, n_output), and masks (n, n_rows, n_frames) as they were applied.
    scores : DataFrame
        Rows as in ``scores.csv``, one per run and source.
    """

    item: MixtureItem
    instruments: list[str]
    frames: list[np.ndarray]
    estimates: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    scores: pd.DataFrame

    def sounds(self, names: Mapping[str, str]) -> dict[str, np.ndarray]:
        """Waveforms to listen to, by label: mixture, then each source's truth and estimates; `names` maps run_ids."""
        sounds = {"mixture": self.item.waveform}
        for i, instrument in enumerate(self.instruments):
            sounds[f"{instrument}: truth"] = self.item.sources[i]
            sounds |= {
                f"{instrument}: {name.replace(chr(10), ', ')}": self.estimates[run][i] for run, name in names.items()
            }
        return sounds


def separate(bench: Bench, mixture_ids: Sequence[str], mask: MaskType) -> list[Example]:
    """Separate the named test mixtures with every run of the bench, in the order of `mixture_ids`."""
    audio = next(iter(bench.methods.values())).audio
    items = {item.mixture_id: item for item in list_items(bench.store, bench.mixtures, audio, "test")}
    return [_example(bench, items[mixture_id], mask) for mixture_id in mixture_ids]


def _example(bench: Bench, item: MixtureItem, mask: MaskType) -> Example:
    estimates, masks, rows = {}, {}, []
    factorised = factorise(item, next(iter(bench.methods.values())).audio)
    for run_id, method in bench.methods.items():
        spectrum = method.spectrum(item.waveform)
        predicted = method.masks(spectrum, bench.queries(run_id)(item))
        separated = method.applied(spectrum, predicted)
        estimates[run_id], masks[run_id] = separated[mask], _applied(predicted, mask)
        rows += [{"run_id": run_id, **row} for row in score_estimates(separated, item, bench.store, factorised)]
    frames = [
        load_frame(bench.store, r.clip_id, r.frame, FRAME_PIXELS).transpose(1, 2, 0) for r in item.rows.itertuples()
    ]
    instruments = [bench.store.row(clip_id).labels for clip_id in item.rows.clip_id]
    scores = pd.DataFrame(rows)
    return Example(item, instruments, frames, estimates, masks, scores[scores["mask"] == mask].reset_index(drop=True))


def _applied(masks: torch.Tensor, mask: MaskType) -> np.ndarray:
    threshold = MASK_THRESHOLD[mask]
    return (masks if threshold is None else masks > threshold).numpy().astype(np.float32)


def check_scores(bench: Bench, examples: Sequence[Example], tolerance_db: float = 0.01) -> float:
    """Largest difference in SDR between the examples and ``scores.csv``, in dB.

    Raises
    ------
    DataError
        When it exceeds the tolerance: pictures and tables would then show different models.
    """
    key = ["run_id", "mixture_id", "source", "mask"]
    found = pd.concat([example.scores for example in examples])
    both = found.merge(pd.concat(bench.scores.values()), on=key, suffixes=("", "_scored"), validate="one_to_one")
    difference = (both.sdr_db - both.sdr_db_scored).abs()
    if len(both) < len(found) or difference.max() > tolerance_db:
        worst = both.loc[difference.idxmax(), key].to_dict() if len(both) else "no common row"
        raise DataError(f"examples differ from scores.csv by {difference.max():.3f} dB ({worst}); run `make figures`")
    return float(difference.max())
