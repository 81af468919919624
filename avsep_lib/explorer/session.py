"""Separate whatever is chosen, and keep what a next choice can use again.

A knob costs only what it changes: masks are kept by network, mixture and pictures, so that a threshold or a mask type
needs no network, and another network needs no other spectrogram.
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from avsep_lib.audio import apply_mask, stft
from avsep_lib.clips import ClipStore
from avsep_lib.config import Profile, find_run, resolve
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.examples import choose_mixtures
from avsep_lib.explorer.cache import Cache
from avsep_lib.explorer.choice import Choice, Runs, find_results
from avsep_lib.explorer.sources import Source, clip_source, frame_for_network, jpeg, test_solos, thumbnail
from avsep_lib.explorer.uploads import own_source
from avsep_lib.inputs import require_data, run_here
from avsep_lib.methods.base import Query
from avsep_lib.methods.hfra import HFRA
from avsep_lib.mixtures import read_list
from avsep_lib.paths import results_root
from avsep_lib.settings import AudioSettings
from avsep_lib.signals import is_silent
from avsep_lib.trained import load_trained

LETTERS = ("A", "B")
SAME_MASK = 0.01  # mean difference below which two masks are one
DEFAULT_RUN = "hier_align-s0"


@dataclass(frozen=True)
class View:
    """What one choice looks and sounds like.

    Attributes
    ----------
    choice : Choice
    names : list of str
        Of the sources, such as ``"A cello"``.
    mixture : ndarray, shape (n_samples,)
    sources, estimates : ndarray, shape (2, n_output)
        Sources as they are in the mixture; a silenced one is zeros.
    masks : ndarray, shape (2, n_rows, n_frames)
        As applied: soft, or 0 and 1.
    pictures : list of ndarray, uint8, shape (height, width, 3)
        What each query was asked with; a blend is shown as a blend of pictures.
    warnings : list of str
    """

    choice: Choice
    names: list[str]
    mixture: np.ndarray
    sources: np.ndarray
    estimates: np.ndarray
    masks: np.ndarray
    pictures: list[np.ndarray]
    warnings: list[str]

    def sounds(self) -> dict[str, np.ndarray]:
        """Waveforms to listen to, by label: mixture, then estimate and truth of each source; nothing is scaled."""
        length = self.sources.shape[1]
        sounds = {"mixture": self.mixture[:length]}
        for name, estimate, source in zip(self.names, self.estimates, self.sources):
            sounds |= {f"{name}: estimate": estimate, f"{name}: truth": source}
        return sounds


class Session:
    """The finished results of a profile on one dataset, ready to be explored; use `Session.open`.

    Attributes
    ----------
    profile : Profile
    dataset : str
    runs : Runs
    store : ClipStore
    images : EmbeddingStore
    audio : AudioSettings
        Shared by all runs that can be chosen.
    """

    def __init__(self, profile: Profile, dataset: str, runs: Runs, store: ClipStore, images: EmbeddingStore) -> None:
        self.profile, self.dataset, self.runs, self.store, self.images = profile, dataset, runs, store, images
        self.audio: AudioSettings = profile.audio
        self._models: Cache[HFRA] = Cache(8)
        self._sources: Cache[Source] = Cache(64)
        self._mixtures: Cache[tuple] = Cache(32)
        self._masks: Cache[torch.Tensor] = Cache(128)
        self._thumbnails: Cache[bytes] = Cache(1024)
        self._uploads: dict[str, Source] = {}

    @classmethod
    def open(cls, profile: str, dataset: str = "") -> Session:
        """Open the results of a profile; see `find_results` for what is refused."""
        found = find_results(profile, dataset)
        store, images = ClipStore.open(found.clips), EmbeddingStore.open(found.images)
        return cls(found.profile, found.dataset, found.runs, store, images)

    @cached_property
    def clips(self) -> pd.DataFrame:
        """Test clips to choose from: `clip_id` and `label`."""
        ids = test_solos(self.store, self.audio)
        if len(ids) < 2:
            raise DataError(f"dataset {self.dataset!r} has {len(ids)} solo test clips; the explorer needs two")
        return pd.DataFrame({"clip_id": ids, "label": [self.store.row(i).labels for i in ids]})

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """The scored test pairs: index `mixture_id`, columns `first`, `second` (clip ids)."""
        (listed,) = require_data(self.profile.name, self.dataset, "mixtures/mixtures.json")
        table = read_list(listed.parent, "test").pivot(index="mixture_id", columns="source", values="clip_id")
        return table.rename(columns={0: "first", 1: "second"})[["first", "second"]]

    def scores(self, run_id: str) -> pd.DataFrame | None:
        """``scores/<run_id>.csv``; None when the run is not scored yet."""
        path = results_root(self.profile.name) / "scores" / f"{run_id}.csv"
        if not path.is_file():
            return None
        return self._tables.get(run_id, lambda: pd.read_csv(path, dtype={"mixture_id": str, "clip_id": str}))

    @cached_property
    def _tables(self) -> Cache[pd.DataFrame]:
        return Cache(32)

    def default_choice(self) -> Choice:
        """The median pair of the default run by its gain; the first listed pair where that run is not scored."""
        known = self.runs.all()
        run_id = next(r for r in (run_here(self.profile, DEFAULT_RUN), *reversed(known)) if r in known)
        scores = self.scores(run_id)
        try:
            chosen = choose_mixtures(scores, "soft", (50,)).mixture_id.iloc[0] if scores is not None else None
        except DataError:  # an untrained run, all of whose estimates are silent
            chosen = None
        first, second = self.pairs.loc[chosen] if chosen in self.pairs.index else self.pairs.iloc[0]
        return Choice(first, second, run_id)

    def is_ready(self, run_id: str) -> bool:
        """Whether a run is loaded already."""
        return run_id in self._models

    def model(self, run_id: str) -> HFRA:
        """A run, loaded once."""
        self.runs.place(run_id)
        return self._models.get(run_id, lambda: load_trained(self.profile, run_id))

    def own_mid_condition(self, run_id: str) -> str | None:
        """How a run was trained to condition its bottleneck; None where it has no condition there."""
        model = resolve(self.profile, find_run(self.profile, run_id)).model
        return model.mid_condition if model.mid_dim() else None

    def thumbnail(self, clip_id: str) -> bytes:
        """The centre frame of a clip or an upload as a small JPEG."""
        if clip_id in self._uploads:
            return jpeg(self._uploads[clip_id].picture[::2, ::2])
        return self._thumbnails.get(clip_id, lambda: thumbnail(self.store, clip_id, self.audio))

    def add_upload(self, slot: int, sound: tuple[str, bytes], picture: tuple[str, bytes]) -> str:
        """Take two uploaded files as a source; returns its key. See `avsep_lib.explorer.uploads.own_source`."""
        key = f"own {LETTERS[slot]} {len(self._uploads)}"
        self._uploads[key] = own_source(key, sound, picture, self._encoder, self.audio)
        return key

    @cached_property
    def _encoder(self):
        from avsep_lib.separation.models import open_model

        on_embeddings = (r for r in self.runs.all() if find_run(self.profile, r).backbone == "clip")
        run_id = next(on_embeddings, None)
        if run_id is None:
            raise DataError(f"no run of {self.dataset!r} reads embeddings; own pictures need one that does")
        return open_model(f"{self.profile.name}/{run_id}").encoder

    def source(self, key: str) -> Source:
        """A clip or an upload; DataError when unknown."""
        if key in self._uploads:
            return self._uploads[key]
        return self._sources.get(key, lambda: clip_source(self.store, self.images, key, self.audio))

    def look(self, choice: Choice) -> View:
        """Separate a choice.

        Raises
        ------
        ConfigError, DataError, WeightsError
            Unknown run or clip, one clip mixed with itself, a checkpoint that cannot be read.
        """
        if choice.first == choice.second:
            raise ConfigError(f"explorer: {choice.first!r} is both A and B; choose two different clips")
        pair = [self.source(key) for key in (choice.first, choice.second)]
        mixture, sources, spectrum = self.mixed(choice)
        masks = self._masks_of(choice, spectrum)
        threshold = choice.threshold if choice.mask == "binary" else None
        with torch.no_grad():
            estimates = apply_mask(spectrum, masks, self.audio, threshold=threshold).numpy()
        shown = masks.numpy() if threshold is None else (masks.numpy() > threshold).astype(np.float32)
        names = [f"{letter} {source.label.replace('_', ' ')}" for letter, source in zip(LETTERS, pair)]
        view = View(
            choice, names, mixture, sources[:, : self.audio.n_output], estimates, shown, _seen(choice, pair), []
        )
        view.warnings.extend(self._warnings(view, pair))
        return view

    def mixed(self, choice: Choice) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
        """Mixture (n_samples,), its sources (2, n_samples) and its spectrogram, with gain and silence applied."""
        key = (choice.first, choice.second, choice.silenced, choice.gain_db, choice.gain_of if choice.gain_db else 0)
        return self._mixtures.get(key, lambda: self._mix(choice))

    def _mix(self, choice: Choice) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
        sources = np.stack([self.source(key).waveform for key in (choice.first, choice.second)]) / np.float32(2)
        if choice.gain_db:
            sources[choice.gain_of] *= np.float32(10 ** (choice.gain_db / 20))
        if choice.silenced is not None:
            sources[choice.silenced] = 0
        mixture = torch.from_numpy(sources).sum(dim=0)
        return mixture.numpy(), sources, stft(mixture, self.audio)

    def _masks_of(self, choice: Choice, spectrum: torch.Tensor) -> torch.Tensor:
        mixed = (choice.first, choice.second, choice.silenced, choice.gain_db, choice.gain_of if choice.gain_db else 0)
        key = (choice.run_id, *mixed, choice.swap, choice.blend, choice.mid_condition)
        return self._masks.get(key, lambda: self._network(choice).masks(spectrum, self._queries(choice)))

    def _network(self, choice: Choice) -> HFRA:
        """The run with the chosen condition at its bottleneck; weights are shared, nothing is trained again."""
        method = self.model(choice.run_id)
        if choice.mid_condition == method.config.model.mid_condition or not method.config.model.mid_dim():
            return method
        changed = copy.copy(method)
        changed.model = copy.copy(method.model)
        changed.model.settings = dataclasses.replace(method.model.settings, mid_condition=choice.mid_condition)
        return changed

    def _queries(self, choice: Choice) -> list[Query]:
        values = [self._query_value(choice, key) for key in (choice.first, choice.second)]
        return [Query("image", value) for value in blended(values, choice)]

    def _query_value(self, choice: Choice, key: str) -> np.ndarray:
        model = self.model(choice.run_id).config.model
        if model.backbone == "clip":
            return self.source(key).embedding
        if key not in self._uploads:
            return frame_for_network(self.store, key, model.frame_size, self.audio)
        from avsep_lib.separation.models import _squeezed

        return _squeezed(self.source(key).picture, model.frame_size)

    def _warnings(self, view: View, pair: list[Source]) -> list[str]:
        found = [remark for source in pair for remark in source.remarks]
        if (peak := float(np.abs(view.mixture).max())) > 1:
            found.append(f"the mixture exceeds full scale ({20 * np.log10(peak):+.1f} dBFS): a player clips it")
        if np.abs(view.masks[0] - view.masks[1]).mean() < SAME_MASK:
            found.append("both masks are nearly the same: the network does not tell the two queries apart")
        return found + [f"the estimate of {n} is silent" for n, e in zip(view.names, view.estimates) if is_silent(e)]


def blended(values: list[np.ndarray], choice: Choice) -> list[np.ndarray]:
    """Two queries after the knobs: swapped, then moved towards their mean by `choice.blend`; dtypes stay."""
    first, second = values[::-1] if choice.swap else values
    if not choice.blend:
        return [first, second]
    share = choice.blend / 2
    mixed = [
        (1 - share) * a.astype(np.float32) + share * b.astype(np.float32) for a, b in ((first, second), (second, first))
    ]
    return [m.round().astype(a.dtype) if a.dtype == np.uint8 else m.astype(np.float32) for m, a in zip(mixed, values)]


def _seen(choice: Choice, pair: list[Source]) -> list[np.ndarray]:
    """The pictures behind the two queries."""
    return blended([source.picture for source in pair], choice)
