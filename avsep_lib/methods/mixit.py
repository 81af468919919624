"""MixIT: learns from mixtures alone. A mixture of two mixtures is split into more parts than mixtures; each part belongs
to one of them, in the best of all ways.

Masks are a softmax over the outputs, so that they add up to the mixture (the original projects its waveforms to the same
end). The loss is the original's negative SNR with a soft threshold, on sound with the phase of the mixture of mixtures.

References
----------
Wisdom et al., "Unsupervised sound separation using mixture invariant training", NeurIPS 2020, Eqs. 2 and 3.
"""

from __future__ import annotations

import itertools

import torch

from avsep_lib.audio import LOG_FLOOR, istft, stft, unwarp, warp
from avsep_lib.methods.mixpit import mixtures_of_mixtures
from avsep_lib.methods.pit import OutputsUNet
from avsep_lib.training_data import Batch


def negative_snr(estimate: torch.Tensor, target: torch.Tensor, cap_db: float) -> torch.Tensor:
    """-SNR in dB along the last axis, with the threshold that `cap_db` sets (Eq. 3): 10 log10(|x - y|^2 + tau |x|^2)/|x|^2."""
    energy = target.square().sum(dim=-1).clamp_min(torch.finfo(target.dtype).tiny)
    error = (target - estimate).square().sum(dim=-1)
    return 10 * torch.log10(error / energy + 10 ** (-cap_db / 10))


class MixIT(OutputsUNet):
    """`n_outputs` outputs, each of which belongs to one of two mixtures."""

    reads = ("waveforms",)

    def masks(self, log_magnitude: torch.Tensor, conditions: torch.Tensor | None) -> torch.Tensor:
        """Masks (B, m, R, T) that add up to 1."""
        return torch.softmax(self.logits(log_magnitude), dim=1)

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """See `Network.forward`; the sources are added up before anything is learnt from them."""
        parts = mixtures_of_mixtures(batch["waveforms"])
        spectrum = stft(parts.sum(dim=1), self.audio)
        masks = self.masks(torch.log(warp(spectrum.abs() + LOG_FLOOR, self.audio))[:, None], None)
        sounds = istft(spectrum[:, None] * unwarp(masks, self.audio), self.audio)
        target = parts[..., : self.audio.n_output]
        m = sounds.shape[1]
        given = torch.tensor(list(itertools.product((0.0, 1.0), repeat=m)), dtype=sounds.dtype, device=sounds.device)
        first = torch.einsum("wm,bms->bws", given, sounds)  # what each way of sharing out gives to the first mixture
        pair = torch.stack([first, sounds.sum(dim=1, keepdim=True) - first], dim=2)
        losses = negative_snr(pair, target[:, None], self.config.options.snr_cap_db).mean(dim=-1)
        return {"separation": losses.amin(dim=1).mean()}


NETWORK = MixIT
