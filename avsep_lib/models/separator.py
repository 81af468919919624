"""The conditional separator: one network for late, middle and hierarchical fusion (HFRA, Eqs. 1, 2 and 5).

Late fusion is CLIPSep's (and, with a trained ResNet-18, Sound-of-Pixels'), middle fusion CLIPSep's, hierarchical
fusion HFRA's. What the paper leaves open (sigmoids, inner product, scale, bias) follows the released code; the
differences that a reviewer may want to flip are fields of `ModelSettings`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from avsep_lib.models.unet import UNet, folded_logits, initialise, inner_product
from avsep_lib.settings import ModelSettings


@dataclass
class SeparatorOutput:
    """What a forward pass returns.

    Attributes
    ----------
    logits : Tensor, shape (B, n, n_rows, n_frames)
        Mask logits of the n sources.
    bottleneck : Tensor, shape (B, 512)
        Spatial mean of the raw innermost convolution, before any activation and before the visual condition: the
        aligned feature (Eq. 6), the same for every source.
    """

    logits: torch.Tensor
    bottleneck: torch.Tensor

    @property
    def masks(self) -> torch.Tensor:
        """Masks in (0, 1)."""
        return torch.sigmoid(self.logits)


def prepare_visual(visual: torch.Tensor) -> torch.Tensor:
    """Frames (uint8) to [0, 1]; embeddings as they are."""
    return visual.float() / 255 if visual.dtype == torch.uint8 else visual


class Separator(nn.Module):
    """Audio U-Net with visual conditions.

    Parameters
    ----------
    settings : ModelSettings
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        late = settings.fusion != "middle"
        self.unet = UNet(settings.channels, settings.n_maps if late else 1, settings.mid_dim())
        if settings.mid_dim():
            self.mid_projection = nn.Linear(settings.embedding_dim, settings.mid_dim())
        if late:
            if settings.backbone == "clip":
                self.late_projection = nn.Linear(settings.embedding_dim, settings.n_maps)
            self.scale = nn.Parameter(torch.ones(settings.n_maps))
            self.bias = nn.Parameter(torch.zeros(1))
        for name in ("mid_projection", "late_projection"):
            if hasattr(self, name):
                initialise(getattr(self, name))
        if settings.backbone == "resnet18":
            from avsep_lib.models.visual import DilatedResNet18  # torchvision, which no other row needs

            self.visual = DilatedResNet18(settings.n_maps)

    def forward(
        self, log_magnitude: torch.Tensor, visual: torch.Tensor, teacher: torch.Tensor | None = None
    ) -> SeparatorOutput:
        """Masks for n sources.

        Parameters
        ----------
        log_magnitude : Tensor, shape (B, 1, n_rows, n_frames)
            log(|X| + 1e-10), warped.
        visual : Tensor
            Frozen image embeddings, shape (B, n, 512); for the trained backbone frames, shape (B, n, 3, H, W).
        teacher : Tensor, shape (B, 512), optional
            The teacher's embedding of the mixture; read only where ``settings.bottleneck`` is ``"teacher"``, in place
            of the innermost convolution's output, tiled over its positions.
        """
        levels = self.unet.encode(log_magnitude)
        if self.settings.bottleneck == "teacher":
            levels[-1] = teacher[:, :, None, None].expand_as(levels[-1])
        bottleneck = levels[-1].mean(dim=(-2, -1))
        return SeparatorOutput(self._logits(levels, visual), bottleneck)

    def late_query(self, visual: torch.Tensor) -> torch.Tensor:
        """q_late in (0, 1), shape (B, n, n_maps)."""
        if self.settings.backbone == "resnet18":
            return torch.sigmoid(self.visual(visual.flatten(0, 1))).unflatten(0, visual.shape[:2])
        return torch.sigmoid(self.late_projection(visual))

    def mid_query(self, visual: torch.Tensor) -> torch.Tensor:
        """q_mid in (0, 1), shape (B, n, mid_dim)."""
        return torch.sigmoid(self.mid_projection(visual))

    def _decoded(self, levels: list[torch.Tensor], visual: torch.Tensor) -> torch.Tensor:
        """Decoder features (m * B, C, H, W), source after source; m = 1 where all sources share them, else n."""
        if not self.settings.mid_dim():
            return self.unet.decode(levels, None)
        conditions = self.mid_query(visual)
        if self.settings.mid_condition == "last":
            # The released forward rebuilds all masks in each pass, so the last source's pass remains; the earlier
            # passes matter only to the running statistics, which do not exist in evaluation.
            if self.training and conditions.shape[1] > 1:
                with torch.no_grad():
                    self.unet.decode(levels, conditions[:, :-1])
            conditions = conditions[:, -1:]
        return self.unet.decode(levels, conditions)

    def _logits(self, levels: list[torch.Tensor], visual: torch.Tensor) -> torch.Tensor:
        """The outermost convolution of [skip, below] and the head, as one kernel per source."""
        return folded_logits(levels[0], self._decoded(levels, visual), *self._head(visual))

    def _head(self, visual: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Outermost convolution folded with the head: kernels (B, n, C, 3, 3) and offsets (B, n).

        Late head: z = b + sum_k s_k q_k A_k with A the convolution's output, hence one kernel sum_k s_k q_k W_k.
        """
        out = self.unet.out
        if self.settings.fusion == "middle":
            batch, n = visual.shape[:2]
            return out.weight.expand(batch, n, -1, -1, -1), out.bias.expand(batch, n)
        return inner_product(out, self.late_query(visual) * self.scale, self.bias)


def count_parameters(settings: ModelSettings) -> int:
    """Trainable parameters that take part in the forward pass, without allocating them."""
    with torch.device("meta"):
        model = Separator(settings)
    # The teacher's embedding stands in for the output of the innermost convolution, which then does nothing.
    unused = model.unet.down[-1].conv.weight.numel() if settings.bottleneck == "teacher" else 0
    return sum(p.numel() for p in model.parameters()) - unused


def released_extra_parameters(settings: ModelSettings) -> int:
    """Parameters that the released models build but never use.

    Two batch norms (outermost and innermost down level) and, in CLIPSep's middle fusion, the inner-product head
    (32 scales and one bias).
    """
    norms = 2 * (settings.channels[0] + settings.channels[-1])
    return norms + (settings.n_maps + 1 if settings.fusion == "middle" else 0)
