"""Adam's fused update for networks in channels_last format.

PyTorch's kernel for CPUs first copies every gradient that is not contiguous in the usual order of axes (and updates
wrongly where a gradient's order is not its weight's). Seen with the axes in the order of their memory, the same numbers
are contiguous.
"""

from __future__ import annotations

import torch


class Adam(torch.optim.Adam):
    """`torch.optim.Adam`, the same to the bit; state and checkpoints keep the usual order of axes."""

    def _init_group(self, group: dict, *lists: list) -> bool:
        is_complex = super()._init_group(group, *lists)
        for tensors in lists[:4]:  # parameters, gradients and both moments
            tensors[:] = [in_memory_order(tensor) for tensor in tensors]
        return is_complex


def in_memory_order(tensor: torch.Tensor) -> torch.Tensor:
    """A view (B, H, W, C) of a channels_last tensor (B, C, H, W); others as they are."""
    if tensor.is_contiguous() or not tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor
    return tensor.permute(0, 2, 3, 1)
