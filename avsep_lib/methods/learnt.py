"""A trained `Network` as a separation method: what scoring and `avsep separate` talk to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from avsep_lib.audio import LOG_FLOOR, apply_mask, stft, warp
from avsep_lib.errors import DataError
from avsep_lib.methods.assignment import assigned
from avsep_lib.methods.base import MASK_THRESHOLD, MaskMethod, MaskType, Query, query_values
from avsep_lib.methods.checkpoint import built, read_checkpoint
from avsep_lib.methods.network import MaskNetwork, Network
from avsep_lib.methods.registry import network_class
from avsep_lib.settings import RunConfig

KIND = {"images": "image", "frames": "image", "films": "image", "labels": "label"}  # of queries, by conditions


class Learnt(MaskMethod):
    """A trained network.

    Queries are ``image`` (an embedding (512,), a frame (3, H, W) or a film (F, 3, H, W), uint8), ``label`` (class names,
    a tuple), or for networks without queries ``audio``: the true sources, which only say which output is which (an oracle;
    `avsep_lib.methods.assignment`), or ``none``: outputs in their own order.
    """

    def __init__(self, config: RunConfig, network: Network, classes: tuple[str, ...]) -> None:
        super().__init__(config.audio)
        self.config, self.classes = config, classes
        self.network = network.eval()

    @classmethod
    def load(cls, path: str | Path) -> Learnt:
        """Load ``model.safetensors``; WeightsError for anything but a checkpoint of this suite."""
        checkpoint = read_checkpoint(path)
        config, classes = checkpoint.config, checkpoint.classes
        network = built(checkpoint, path, lambda: network_class(config.method)(config, classes))
        return cls(config, network, classes)

    def conditions(self, queries: list[Query]) -> torch.Tensor | None:
        """Queries as the network reads them, (1, n, ...); None where it reads none.

        Raises
        ------
        DataError
            A query of a kind that the network does not understand.
        """
        if self.network.conditions == "none":
            if odd := [query.kind for query in queries if query.kind not in ("audio", "none")]:
                raise DataError(f"{self.config.method}: a query is of kind {odd[0]!r}; this method is asked nothing")
            return None
        name = self.config.method
        values = query_values(queries, KIND[self.network.conditions], name)
        if self.network.conditions == "labels":
            return torch.stack([multi_hot(labels, self.classes, name) for labels in values])[None]
        stacked = torch.from_numpy(np.stack(values))[None]
        return stacked.float() / 255 if stacked.dtype == torch.uint8 else stacked

    @torch.no_grad()
    def masks(self, spectrum: torch.Tensor, queries: list[Query]) -> torch.Tensor:
        """Masks ``(m, n_rows, n_frames)`` of a network that has masks."""
        if not isinstance(self.network, MaskNetwork):
            raise DataError(f"{self.config.method} separates without masks; ask for `estimate`")
        log_magnitude = torch.log(warp(spectrum.abs() + LOG_FLOOR, self.audio))
        return self.network.masks(log_magnitude[None, None], self.conditions(queries))[0]

    @torch.no_grad()
    def estimate(self, waveform: np.ndarray, queries: list[Query]) -> dict[MaskType, np.ndarray]:
        """Estimates ``(n, n_output)`` by mask type; ``none`` is the only type of a network without masks."""
        mono = torch.from_numpy(np.ascontiguousarray(waveform, dtype=np.float32))
        if not isinstance(self.network, MaskNetwork):
            sounds = self.network.separate(mono[None], self.conditions(queries))[0]
            return {"none": self._named(sounds, sounds, queries).numpy()}
        spectrum = stft(mono, self.audio)
        masks = self.masks(spectrum, queries)
        masks = self._named(masks, None, queries, spectrum)
        return {
            kind: apply_mask(spectrum, masks, self.audio, threshold=threshold).numpy()
            for kind, threshold in MASK_THRESHOLD.items()
        }

    def _named(
        self,
        values: torch.Tensor,
        sounds: torch.Tensor | None,
        queries: list[Query],
        spectrum: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Outputs in the order of the queries, where these hold the truth and the network asks for none."""
        if self.network.conditions != "none" or queries[0].kind != "audio":
            return values
        sounds = apply_mask(spectrum, values, self.audio) if sounds is None else sounds
        references = np.stack(query_values(queries, "audio", self.config.method))[:, : self.audio.n_output]
        return assigned(values, sounds.numpy(), references)


def multi_hot(labels: tuple[str, ...], classes: tuple[str, ...], place: str) -> torch.Tensor:
    """1 for each of the labels, (C,); DataError for one that was not trained."""
    if unknown := [label for label in labels if label not in classes]:
        raise DataError(f"{place}: class {unknown[0]!r} was not in the training; known: {', '.join(classes)}")
    return torch.tensor([float(name in labels) for name in classes])
