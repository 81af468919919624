"""Exercises of ``10_pipeline``: what a fusion costs, and a network half as wide."""

from __future__ import annotations

import dataclasses

from avsep_lib.anatomy import parameters_by_part
from avsep_lib.exercises import Answer, percent
from avsep_lib.models.separator import count_parameters
from avsep_lib.settings import ModelSettings

FUSIONS = ("late", "middle", "hierarchical")


def cost_of_fusion(settings: ModelSettings) -> Answer:
    """Parameters of the three fusions at one size; of the backbone that needs no training."""
    base = dataclasses.replace(settings, backbone="clip", backbone_weights="")
    counts = {fusion: count_parameters(dataclasses.replace(base, fusion=fusion)) for fusion in FUSIONS}
    extra = {fusion: counts[fusion] - counts["late"] for fusion in FUSIONS}
    order = sorted(counts, key=counts.get)
    return Answer(
        f"From fewest to most: {', '.join(order)}. Hierarchical has {percent(extra['hierarchical'] / counts['late'])} more "
        "than late; alignment adds none.",
        "The condition in the middle is laid beside the bottleneck, so the first convolution of the decoder must read "
        "more channels, and it is the widest one. Alignment only adds a term to the loss: its teacher is frozen and "
        "absent at test time. A comparison of fusions is thus also one of sizes, and one of alignment is not.",
        {fusion: f"{count:,} parameters" for fusion, count in counts.items()},
    )


def half_as_wide(settings: ModelSettings) -> Answer:
    """Parameters after every level but the deepest has half as many channels."""
    narrow = dataclasses.replace(
        settings, channels=(*(max(c // 2, 1) for c in settings.channels[:-1]), settings.channels[-1])
    )
    before, after = count_parameters(settings), count_parameters(narrow)
    parts = parameters_by_part(settings)
    largest = max(parts, key=parts.get)
    return Answer(
        f"{after:,} instead of {before:,}: {before / after:.1f} times fewer.",
        "A convolution has as many weights as input times output channels, so halving both leaves a quarter. Here the "
        "deepest level keeps its width, because the teacher's embedding must fit it, and the layers next to it are "
        "only halved.",
        {"largest part before": f"{largest}, {percent(parts[largest] / before)}"},
    )
