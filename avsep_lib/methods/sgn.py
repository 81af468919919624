"""Semantic grouping network: one mask per class, from the sound alone (SGN, sections 2 and A.1).

A patch embedding of the warped spectrogram and one learnable token per class pass through self-attention layers (Eqs. 2
and 3); each class then gathers the patches that are assigned to it into a grouped feature g_i (Eqs. 4 to 6). The mask of
class i is the sigmoid of ``<g_i, U> + b``, with U the D output maps of a U-Net without conditions and b a learnable
number. Nothing depends on how many classes are asked for, so that any number of sources can be separated.

Readings of what the paper leaves open
--------------------------------------
- Self-attention. Eq. 3 prints softmax(X X^T / sqrt(D)) X; the appendix speaks of transformer layers.
  ``attention="standard"`` is a pre-norm transformer encoder (8 heads, 4 D hidden units, GELU, no dropout, last a layer
  norm) with learned positions on the patches, ``"literal"`` is Eq. 3 repeated, without a parameter.
- The patch embedding sees the log magnitude after a batch norm of one channel without parameters, as the U-Net has one
  (with them); values near log(1e-10) would otherwise rule it.
- Eq. 5 writes a softmax of two arguments and no axis: here over the classes, of the inner products, divided by sqrt(D) as
  in Eq. 3. W_q can absorb that factor; it sets how soft the first assignment is. The quotient of Eq. 6 is a softmax over
  the patches of the logarithm of A, which cannot divide by zero. A class to which ``assignment="hard"`` gives no patch
  keeps its token.
- "Hard-Softmax" (Table 4) is Gumbel-softmax at temperature 1 with a straight-through gradient in training, the most
  similar class without noise in evaluation.
- Table 3. Section 2.2 is SCT: tokens among the patches, and their loss. Section 2.3 is CAG: assignment and W_q, W_k, W_v,
  W_o. Weak supervision by labels is a third thing in section A.2 that the table does not switch, so that the presence
  loss stays. Hence

  ======  =========  ===========================================  ==============================================
  tokens  grouping   g_i                                          what reads the patches
  ======  =========  ===========================================  ==============================================
  yes     yes        Eq. 6                                        attention with the tokens, then grouping
  yes     no         the updated token                            attention with the tokens
  no      yes        Eq. 6 with a free vector in place of c^_i    attention among themselves, then grouping
  no      no         a free vector, the same for all mixtures     nothing: a U-Net with one output map per class
  ======  =========  ===========================================  ==============================================

  What a row does not use does not exist in it. In the last one, p_i can only learn how often a class is heard.
- A source may hold several classes (a duet). The odds of its mask are the sum of its classes' odds, that is, its logit is
  the logsumexp of theirs: at least the largest, exactly that of the class where there is one, smooth, without a new
  parameter, and binary masks have the union as their limit. Its target is its own binary mask.
- Presence: one fully-connected layer D -> 1 for all classes. Bias of the masks: one number, as in Sound-of-Pixels.
- The magnitude weight w of the lineage stands in Eq. 8 (`avsep_lib.audio.loss_weight`), of which the paper says nothing.

The balance of the loss
-----------------------
As printed (Eqs. 7 to 9, all weights 1): `separation` is a sum over the present sources of the mean over points,
`class_token` and `presence` are *sums over all classes*, all of them averaged over mixtures. At the start they are about
0.7 n mean(w), C log C and 0.7 C: 26 and 8 for 11 classes, 1,600 and 200 for 286. The first moves nothing but the tokens
and their layer and falls to 0 by itself. The second meets the separation loss in the tokens, the attention and the
grouping only and rules there while classes are unknown; the U-Net hears the separation loss alone. But a clip of the
whole gradient's norm sees their sum, which then shortens the U-Net's steps (with Adam, hardly).

Sources of one class share a mask, so that partners in training must differ in class.

References
----------
"Semantic Grouping Network for Audio Source Separation" (SGN; see `avsep_lib.published`); Dosovitskiy et al., ICLR 2021
(patches, transformer); Jang et al., ICLR 2017 (Gumbel-softmax).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from avsep_lib.audio import LOG_FLOOR, binary_target, loss_weight, warped_magnitudes
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.methods.network import MaskNetwork
from avsep_lib.methods.settings import SGNSettings
from avsep_lib.models.unet import UNet
from avsep_lib.models.upconv import combine_taps, folded_taps
from avsep_lib.settings import AudioSettings, RunConfig
from avsep_lib.training_data import Batch

PRESENT = 0.5  # p_i above which a class counts as heard


class PatchEmbedding(nn.Module):
    """Non-overlapping patches of the log magnitude as vectors f_p, with learned positions where these are asked for.

    Raises
    ------
    ConfigError
        A patch size that does not divide rows and frames.
    """

    def __init__(self, audio: AudioSettings, dim: int, patch: int, *, positions: bool) -> None:
        super().__init__()
        self.size = (audio.n_rows, audio.n_frames)
        if any(length % patch for length in self.size):
            raise ConfigError(
                f"sgn: patch = {patch} does not divide the mask of {self.size} (audio.n_rows, audio.n_frames); "
                "choose one that divides both"
            )
        self.norm = nn.BatchNorm2d(1, affine=False)
        self.conv = nn.Conv2d(1, dim, patch, stride=patch)
        n_patches = (self.size[0] // patch) * (self.size[1] // patch)
        positioned = nn.init.normal_(torch.empty(n_patches, dim), std=0.02) if positions else None
        self.positions = nn.Parameter(positioned) if positions else None

    def forward(self, log_magnitude: torch.Tensor) -> torch.Tensor:
        """``(B, 1, R, T)`` to ``(B, P, D)``; DataError for another size than the configuration's."""
        if log_magnitude.shape[-2:] != self.size:
            raise DataError(
                f"sgn: expected (rows, frames) = {self.size}, got {tuple(log_magnitude.shape[-2:])}; "
                "compute the spectrogram with the audio settings of the run"
            )
        patches = self.conv(self.norm(log_magnitude)).flatten(2).transpose(1, 2)
        return patches if self.positions is None else patches + self.positions


class LiteralAttention(nn.Module):
    """Eq. 3 as printed, `depth` times: ``softmax(X X^T / sqrt(D)) X``."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.depth = depth

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, items, D)`` to the same shape."""
        for _ in range(self.depth):
            x = torch.softmax(x @ x.transpose(1, 2) / math.sqrt(x.shape[-1]), dim=-1) @ x
        return x


def attention_layers(options: SGNSettings) -> nn.Module:
    """Self-attention from ``(B, items, D)`` to the same shape."""
    if options.attention == "literal":
        return LiteralAttention(options.depth)
    layers = [
        nn.TransformerEncoderLayer(
            options.dim,
            options.heads,
            4 * options.dim,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        for _ in range(options.depth)  # `nn.TransformerEncoder` would start all of them from the same weights
    ]
    return nn.Sequential(*layers, nn.LayerNorm(options.dim))


class Grouping(nn.Module):
    """Category-aware grouping (Eqs. 4 to 6): each class adds up the patches that are assigned to it."""

    def __init__(self, dim: int, assignment: str) -> None:
        super().__init__()
        self.assignment = assignment
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim, bias=False) for _ in range(4))

    def forward(self, patches: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Patches ``(B, P, D)`` and tokens ``(B, C, D)`` to grouped features ``(B, C, D)``."""
        similarity = self.query(patches) @ self.key(tokens).transpose(1, 2) / math.sqrt(tokens.shape[-1])
        return tokens + self.out(self.shares(similarity).transpose(1, 2) @ self.value(patches))

    def shares(self, similarity: torch.Tensor) -> torch.Tensor:
        """``A / sum_p A`` of similarities (B, P, C); sums to 1 over the patches, or to 0 for a class without one."""
        if self.assignment == "soft":
            return similarity.log_softmax(dim=-1).softmax(dim=1)
        if self.training:
            assigned = F.gumbel_softmax(similarity, hard=True, dim=-1)
        else:
            assigned = F.one_hot(similarity.argmax(dim=-1), similarity.shape[-1]).to(similarity)
        return assigned / assigned.sum(dim=1, keepdim=True).clamp_min(1)


class SGN(MaskNetwork):
    """Semantic grouping network.

    Conditions are labels (B, n, C), 1 for each class of a source; an all-0 row is an empty slot: its mask is 0 and it is
    no part of any loss.

    Parameters
    ----------
    config : RunConfig
        Of `config.model` only `channels` are read: `config.options.dim` is the number of the U-Net's output maps.
    classes : tuple of str
        At least two.

    Raises
    ------
    ConfigError
        A patch size that does not divide the mask's rows and frames.
    DataError
        Fewer than two classes.
    """

    reads = ("mixture", "sources", "labels")
    conditions = "labels"

    def __init__(self, config: RunConfig, classes: tuple[str, ...]) -> None:
        super().__init__(config, classes)
        if len(classes) < 2:
            raise DataError(
                f"sgn: classes = {classes}; masks of classes need at least two of them in the training clips"
            )
        options: SGNSettings = config.options
        self.tokens = nn.Parameter(torch.randn(len(classes), options.dim))  # as large as what a layer norm puts out
        if options.tokens or options.grouping:
            positions = options.attention == "standard"
            self.embedding = PatchEmbedding(config.audio, options.dim, options.patch, positions=positions)
            self.attention = attention_layers(options)
        if options.tokens:
            self.class_head = nn.Linear(options.dim, len(classes))
        if options.grouping:
            self.grouping = Grouping(options.dim, options.assignment)
        self.presence_head = nn.Linear(options.dim, 1)
        self.unet = UNet(config.model.channels, options.dim, 0)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Separation, class-token (where there are tokens) and presence loss; see the module's text for their balance."""
        log_magnitude, labels, dtype = batch["mixture"].log(), batch["labels"], batch["sources"].dtype
        grouped = self.grouped(log_magnitude)
        logits = self._logits(log_magnitude, grouped, labels).to(dtype)
        losses = {"separation": separation_loss(logits, batch["sources"], batch["mixture"], labels)}
        if self.config.options.tokens:
            own = torch.arange(len(self.classes), device=self.tokens.device)
            losses["class_token"] = F.cross_entropy(self.class_head(self.tokens).to(dtype), own, reduction="sum")
        heard = labels.amax(dim=1).to(dtype)
        presence = self._presence_logits(grouped).to(dtype)
        losses["presence"] = F.binary_cross_entropy_with_logits(presence, heard, reduction="sum") / len(heard)
        return losses

    def masks(self, log_magnitude: torch.Tensor, conditions: torch.Tensor | None) -> torch.Tensor:
        """See `MaskNetwork.masks`; conditions are labels (B, n, C)."""
        masks = torch.sigmoid(self._logits(log_magnitude, self.grouped(log_magnitude), conditions))
        return masks * conditions.any(dim=-1).to(masks)[..., None, None]

    def grouped(self, log_magnitude: torch.Tensor) -> torch.Tensor:
        """Grouped features g_i of all classes: ``(B, 1, R, T)`` to ``(B, C, D)``.

        Raises
        ------
        DataError
            Another number of rows or frames than the configuration's.
        """
        options, n_classes = self.config.options, len(self.classes)
        tokens = self.tokens.expand(len(log_magnitude), -1, -1)
        if not (options.tokens or options.grouping):
            return tokens
        patches = self.embedding(log_magnitude)
        if options.tokens:
            together = self.attention(torch.cat([patches, tokens.to(patches.dtype)], dim=1))
            patches, tokens = together[:, :-n_classes], together[:, -n_classes:]
        else:
            patches = self.attention(patches)
        return self.grouping(patches, tokens) if options.grouping else tokens

    def presence(self, log_magnitude: torch.Tensor) -> torch.Tensor:
        """Probability p_i that a class is heard: ``(B, 1, R, T)`` to ``(B, C)``."""
        return torch.sigmoid(self._presence_logits(self.grouped(log_magnitude)))

    def top_labels(self, log_magnitude: torch.Tensor, n: int) -> torch.Tensor:
        """The n classes that are most probably heard, as conditions (B, n, C), most probable first: no oracle's labels.

        Raises
        ------
        DataError
            More classes asked for than there are.
        """
        if not 1 <= n <= len(self.classes):
            raise DataError(f"sgn: {n} classes asked for; choose from 1 to {len(self.classes)}, which were trained")
        presence = self.presence(log_magnitude)
        order = presence.argsort(dim=-1, descending=True, stable=True)[:, :n]
        return F.one_hot(order, len(self.classes)).to(presence)

    @torch.no_grad()
    def measures(self, val: Batch) -> dict[str, float]:
        """Precision, recall and F1 of ``p_i > 0.5`` over all mixtures and classes; accuracy and macro F1 of the tokens.

        Parameters
        ----------
        val : dict
            ``waveform`` (N, n_samples) and ``labels`` (N, n, C).
        """
        from sklearn import metrics  # here only: seconds to import, for runs that may have nothing to measure

        heard = self._heard(val["waveform"]).cpu() > PRESENT
        labels = val["labels"].amax(dim=1).cpu() > 0
        scores = metrics.precision_recall_fscore_support(labels, heard, average="micro", zero_division=0)
        found = dict(zip(("presence_precision", "presence_recall", "presence_f1"), scores))
        if self.config.options.tokens:
            own, guess = range(len(self.classes)), self.class_head(self.tokens).argmax(dim=-1).cpu()
            found["token_accuracy"] = metrics.accuracy_score(own, guess)
            found["token_f1"] = metrics.f1_score(own, guess, average="macro", zero_division=0)
        return {name: float(value) for name, value in found.items()}

    def _heard(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Presence of the classes in mixtures (N, n_samples), in evaluation mode whatever the mode: (N, C)."""
        training = self.training
        self.eval()
        parts = []
        for part in waveforms.split(self.config.training.batch_size):
            magnitude = warped_magnitudes(part.to(self.bias), self.audio, LOG_FLOOR)
            parts.append(self.presence(magnitude.log()[:, None]))
        self.train(training)
        return torch.cat(parts)

    def _presence_logits(self, grouped: torch.Tensor) -> torch.Tensor:
        return self.presence_head(grouped)[..., 0]

    def _logits(self, log_magnitude: torch.Tensor, grouped: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mask logits (B, n, R, T) of sources; those of empty slots are finite and mean nothing."""
        index, holds = held_classes(labels)
        chosen = F.one_hot(index.flatten(1), len(self.classes)).to(grouped) @ grouped
        logits = self._class_logits(self.unet.encode(log_magnitude), chosen)
        return union(logits.unflatten(1, index.shape[1:]), holds[..., None, None])

    def _class_logits(self, levels: list[torch.Tensor], features: torch.Tensor) -> torch.Tensor:
        """``<g, U> + b`` (B, m, R, T) of features (B, m, D), the U-Net's outermost convolution folded into g.

        As in `avsep_lib.models.separator`: z = b + sum_k g_k U_k, with U a convolution's output, is one kernel
        sum_k g_k W_k per feature, so that the D maps U never exist.
        """
        skip, below, out = F.relu(levels[0]), self.unet.decode(levels, None), self.unet.out
        kernels = (features @ out.weight.flatten(1)).unflatten(-1, out.weight.shape[1:])
        of_skip, of_below = kernels.split([skip.shape[1], below.shape[1]], dim=2)
        z = combine_taps(folded_taps(skip, of_skip) + folded_taps(below, of_below))
        return z + (features @ out.bias + self.bias)[..., None, None]


def held_classes(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers of the classes that sources hold, and which of the numbers count.

    Parameters
    ----------
    labels : Tensor, shape (B, n, C)

    Returns
    -------
    index, holds : Tensor, shape (B, n, k)
        k is the largest number of classes of a source, at least 1: one class each costs one mask each.
    """
    most = max(int((labels > 0).sum(dim=-1).max()), 1)
    ordered = labels.sort(dim=-1, descending=True, stable=True)
    return ordered.indices[..., :most], ordered.values[..., :most] > 0


def union(logits: torch.Tensor, holds: torch.Tensor) -> torch.Tensor:
    """Logits of sources (B, n, R, T) from those of their classes (B, n, k, R, T): odds add up where `holds`.

    Where a source holds no class, the value is finite, so that a loss of weight 0 has a gradient of 0.
    """
    if logits.shape[2] == 1:
        return logits[:, :, 0]
    kept = holds | ~holds.any(dim=2, keepdim=True)
    return logits.masked_fill(~kept, -math.inf).logsumexp(dim=2)


def separation_loss(
    logits: torch.Tensor, sources: torch.Tensor, mixture: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Weighted cross-entropy on binary masks: mean over points, sum over present sources, mean over mixtures (Eq. 8).

    Parameters
    ----------
    logits, sources : Tensor, shape (B, n, R, T)
    mixture : Tensor, shape (B, 1, R, T)
    labels : Tensor, shape (B, n, C)
        All 0 where a slot is empty.
    """
    weight, target = loss_weight(mixture), binary_target(sources, mixture)
    points = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight
    return (points.mean(dim=(-2, -1)) * labels.any(dim=-1)).sum() / len(labels)


NETWORK = SGN
