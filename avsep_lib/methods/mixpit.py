"""MixPIT: learns from mixtures alone. Two of them are mixed once more, and the network has to give them back.

One output per *mixture* in training, one per source when it separates. Magnitude masks as everywhere in this suite; the
loss is the weighted L1 distance of the masked spectrogram from each mixture's, in the better of the two orders.

References
----------
Karamatli and Kirbiz, "MixCycle: unsupervised speech separation via cyclic mixture permutation invariant training", IEEE
SPL 2022, doi:10.1109/LSP.2022.3232276 (MixPIT is its first stage).
"""

from __future__ import annotations

import torch

from avsep_lib.audio import LOG_FLOOR, loss_weight, warped_magnitudes
from avsep_lib.errors import DataError
from avsep_lib.losses import permutation_invariant
from avsep_lib.methods.pit import OutputsUNet
from avsep_lib.training_data import Batch


def mixtures_of_mixtures(waveforms: torch.Tensor) -> torch.Tensor:
    """Pairs of mixtures (B, 2, n_samples) from sources (B, n, n_samples): each with the next of the batch, halved.

    Raises
    ------
    DataError
        When a mixture would meet itself: a batch of one.
    """
    if len(waveforms) < 2:
        raise DataError("a mixture of mixtures needs two mixtures; raise training.batch_size")
    mixtures = waveforms.sum(dim=1)
    return torch.stack([mixtures, mixtures.roll(1, dims=0)], dim=1) / 2


class MixPIT(OutputsUNet):
    """Two outputs, one for each mixture of a mixture of two mixtures."""

    reads = ("waveforms",)

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """See `Network.forward`; the sources are added up before anything is learnt from them."""
        if self.config.options.n_outputs != 2:
            raise DataError(f"mixpit takes two mixtures apart; n_outputs = {self.config.options.n_outputs}, set 2")
        parts = mixtures_of_mixtures(batch["waveforms"])
        whole = warped_magnitudes(parts.sum(dim=1), self.audio, LOG_FLOOR)[:, None]
        targets = warped_magnitudes(parts, self.audio)
        estimates = torch.sigmoid(self.logits(torch.log(whole))) * whole
        distance = (loss_weight(whole)[:, :, None] * (estimates[:, :, None] - targets[:, None]).abs()).mean(
            dim=(-2, -1)
        )
        return {"separation": permutation_invariant(distance).mean()}


NETWORK = MixPIT
