"""A toy project with runs of several fusions: what a knob of the explorer does needs no training."""

import dataclasses
import os
import shutil
from pathlib import Path

EXTRA_RUNS = """middle-s0,hfra,middle,no,clip,music11,0,
hier-s0,hfra,hierarchical,no,clip,music11,0,
resnet18_late-s0,hfra,late,no,resnet18,music11,0,
flip-s0,hfra,late,no,clip,music11,0,pool_size=10
"""
UNTRAINED = (
    ("middle-s0", "middle", "clip"),
    ("hier-s0", "hierarchical", "clip"),
    ("resnet18_late-s0", "late", "resnet18"),
)
# A condition that can be seen without training, and not only by the luck of rounding.
LOUDER = (("mid_projection.weight", 1000), ("unet.up.2.conv.weight", 100), ("unet.out.weight", 20))


def explorer_project(source: Path, target: Path) -> Path:
    """A copy of the toy project with untrained, unscored runs of the other fusions; `target` must not exist."""
    import torch
    from safetensors.torch import save_file

    from avsep_lib.files import canonical_json
    from avsep_lib.models.separator import Separator
    from avsep_lib.settings import RunConfig, to_dict

    shutil.copytree(source, target)
    with (target / "config" / "runs.csv").open("a") as runs:
        runs.write(EXTRA_RUNS)
    profile = _profile_at(target)
    for run_id, fusion, backbone in UNTRAINED:
        torch.manual_seed(5)
        model = dataclasses.replace(profile.model, fusion=fusion, backbone=backbone)
        config = RunConfig(run_id, 0, False, profile.audio, model, profile.training)
        weights = {name: tensor.contiguous() for name, tensor in Separator(model).state_dict().items()}
        for name, factor in LOUDER:
            if name in weights:
                weights[name] *= factor
        folder = target / "results" / "toy" / "runs" / run_id
        folder.mkdir()
        save_file(weights, folder / "model.safetensors", {"config": canonical_json(to_dict(config))})
    return target


def _profile_at(root: Path):
    from avsep_lib.config import load_profile

    before = os.environ.get("AVSEP_ROOT")
    os.environ["AVSEP_ROOT"] = str(root)
    try:
        return load_profile("toy")
    finally:
        os.environ.pop("AVSEP_ROOT")
        if before is not None:
            os.environ["AVSEP_ROOT"] = before
