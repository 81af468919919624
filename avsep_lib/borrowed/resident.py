"""The training pool where the model is: no batch crosses to the GPU while it trains."""

from __future__ import annotations

import numpy as np
import torch

from avsep_lib.settings import RunConfig
from avsep_lib.training_data import Batch, Inputs, Pool

TENSORS = ("mixture", "sources", "teacher", "images", "frames")
SHARE = 0.5  # of the free memory that the pool may take


class ResidentPool(Pool):
    """A stored pool whose tensors lie on one device; its batches lie there, too."""

    def batch(self, indices: np.ndarray) -> Batch:
        """As `Pool.batch`, on the device."""
        index = torch.from_numpy(indices).to(self.tensors["teacher"].device)
        return {name: self.tensors[source].index_select(0, index) for name, source in self.names.items()}


def fits(tensors: dict[str, torch.Tensor], device: torch.device) -> bool:
    """Whether the pool takes less than `SHARE` of the device's free memory."""
    if device.type != "cuda":
        return True
    return sum(t.nbytes for t in tensors.values()) < SHARE * torch.cuda.mem_get_info(device)[0]


def resident(inputs: Inputs, device: torch.device) -> Inputs:
    """The same inputs, the pool on `device`; where it does not fit, as they were, which is said."""
    tensors = {name: inputs.pool.tensors[name] for name in TENSORS}
    if not fits(tensors, device):
        print(f"the pool does not fit {device}: every batch is copied there", flush=True)
        return inputs
    held = {name: tensor.to(device) for name, tensor in tensors.items()}
    return Inputs(ResidentPool(held, inputs.pool.config), inputs.val, inputs.hashes, inputs.classes)


def for_run(inputs: Inputs, config: RunConfig) -> Inputs:
    """The same inputs, as another run orders and sees them."""
    return Inputs(type(inputs.pool)(inputs.pool.tensors, config), inputs.val, inputs.hashes, inputs.classes)
