"""One process of a test of data-parallel training: trains the named runs in float64, keeps gradients and weights.

Started by torchrun with the folder of features, a JSON list of run configurations and a folder for the results.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from avsep_lib import train as training_loop
from avsep_lib.settings import RunConfig, from_dict

GRADIENTS, STATES = [], []
average_running_statistics = training_loop.average_running_statistics


class RecordingAdam(training_loop.Adam):
    """Adam that remembers the gradients of each step, as they are after clipping."""

    def step(self, closure=None):
        """As Adam's."""
        GRADIENTS.append([None if p.grad is None else p.grad.clone() for p in self.param_groups[0]["params"]])
        return super().step(closure)


def recording_average(model, fabric):
    """As the training loop's; remembers weights and statistics."""
    average_running_statistics(model, fabric)
    STATES.append({name: tensor.clone() for name, tensor in model.state_dict().items()})


def main() -> None:
    """Train each run; write `<run_id>-<rank>.pt`."""
    features, configs, out = Path(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3])
    torch.set_default_dtype(torch.float64)
    training_loop.Adam, training_loop.average_running_statistics = RecordingAdam, recording_average
    for data in configs:
        config = from_dict(RunConfig, data)
        config = replace(config, training=replace(config.training, precision="64-true"))
        GRADIENTS.clear(), STATES.clear()
        training_loop.train(config, features, out / config.run_id)
        rank = torch.distributed.get_rank()
        torch.save({"gradients": GRADIENTS, "states": STATES}, out / f"{config.run_id}-{rank}.pt")


if __name__ == "__main__":
    main()
