"""Training objectives (HFRA Eqs. 4, 6-8, and the released code's where it differs)."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F

from avsep_lib.audio import binary_target, loss_weight


def bce_binary(logits: torch.Tensor, sources: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
    """Weighted binary cross-entropy on binary masks: the released code's separation loss.

    The mean divides by the number of time-frequency points, not by the sum of the weights.

    Parameters
    ----------
    logits : Tensor, shape (B, n, n_rows, n_frames)
    sources : Tensor, shape (B, n, n_rows, n_frames)
        Warped magnitudes.
    mixture : Tensor, shape (B, 1, n_rows, n_frames)
        Warped magnitude.
    """
    target = binary_target(sources, mixture)
    weight = loss_weight(mixture).expand_as(target)
    return F.binary_cross_entropy_with_logits(logits, target, weight=weight)


def l1_mag(logits: torch.Tensor, sources: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
    """L1 between masked mixture and source magnitude: the paper's Eq. 4, as a mean over points and sources.

    The paper leaves scale and domain open; here it is the warped linear magnitude.
    """
    return (torch.sigmoid(logits) * mixture - sources).abs().mean()


SEPARATION = {"bce_binary": bce_binary, "l1_mag": l1_mag}


def alignment(bottleneck: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """1 - mean cosine similarity of the pooled bottleneck and the teacher's mixture embedding (Eqs. 6 and 7).

    Parameters
    ----------
    bottleneck, teacher : Tensor, shape (B, 512)
    """
    return 1 - F.cosine_similarity(bottleneck, teacher, dim=-1).mean()


def permutation_invariant(pairwise: torch.Tensor) -> torch.Tensor:
    """Least mean loss over all assignments of outputs to sources, per item (Yu et al., 2017).

    torchmetrics has this as well; but wherever it is installed, Fabric imports it with all that it can measure, which
    takes every training longer to start than PyTorch itself.

    Parameters
    ----------
    pairwise : Tensor, shape (B, n, n)
        Loss of output i taken for source j.

    Returns
    -------
    Tensor, shape (B,)
    """
    n = pairwise.shape[-1]
    orders = torch.tensor(list(itertools.permutations(range(n))), device=pairwise.device)
    return pairwise[:, torch.arange(n, device=pairwise.device), orders].mean(dim=-1).amin(dim=-1)
