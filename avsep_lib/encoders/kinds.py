"""What a file of weights is, told by the names and shapes of its tensors, and which of them a network takes.

Loading is strict: a tensor too many, too few or of another shape is a `WeightsError` that says what the file is
instead. Only what a larger published file has besides (CLAP's text tower, a classifier) may be left out, by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from avsep_lib.encoders.shapes import HTSAT, Shapes, clap_shapes, clap_text_shapes, clip_shapes, resnet18_shapes
from avsep_lib.errors import WeightsError

TEXT = r"text_(branch|projection)\.|(token_embedding\.weight|positional_embedding|ln_final\.(weight|bias))$"
AUDIO = r"audio_(branch|projection)\."
UNUSED = r"(audio|text)_transform\.|logit_scale_[at]$"  # heads of CLAP's training loss
COUNTER = ".num_batches_tracked"  # of batch norm; of no use to a frozen network, and older files do not have it


@dataclass(frozen=True)
class Layout:
    """What a network takes from a file: tensors with these shapes; names matching `leave_out` may be there too."""

    name: str
    shapes: Shapes
    leave_out: str = r"(?!)"


@dataclass(frozen=True)
class Selection:
    """Tensors taken from a file, as ``{name in the network: name in the file}``, and the names left out."""

    names: dict[str, str]
    left_out: tuple[str, ...]


def layout_of(kind: str, model: str = "HTSAT-tiny") -> Layout:
    """Layout of ``clip``, ``clap`` (of a size), ``clap_text`` or ``resnet18``."""
    if kind == "clip":
        return Layout("CLIP ViT-B/32 in open_clip's naming", clip_shapes())
    if kind == "clap":
        return Layout(f"the CLAP audio tower {model}", clap_shapes(model), f"{TEXT}|{UNUSED}")
    if kind == "clap_text":
        position_ids = r"text_branch\.embeddings\.position_ids$"  # older transformers stored them
        return Layout("CLAP's text tower", clap_text_shapes(), f"{AUDIO}|{UNUSED}|{position_ids}")
    return Layout("torchvision's ResNet-18", resnet18_shapes(), r"fc\.(weight|bias)$")


def select(shapes: Shapes, layout: Layout, path: str | Path, way_out: str) -> Selection:
    """Choose the tensors of `layout` from a file; a prefix ``module.`` of all names is ignored.

    Raises
    ------
    WeightsError
        The file does not fit; the message says what it is, the first difference, and ends with `way_out`.
    """
    names = _without_prefix(shapes)
    left_out = sorted(name for name in names if name not in layout.shapes and re.match(layout.leave_out, name))
    found = {name: shapes[names[name]] for name in names if name not in left_out}
    if difference := first_difference(found, layout.shapes):
        raise WeightsError(
            f"{path} was made for another model: it is {recognise(shapes)}, and {layout.name} is needed "
            f"({difference}). {way_out}"
        )
    return Selection({name: names[name] for name in found}, tuple(left_out))


def first_difference(found: Shapes, wanted: Shapes) -> str:
    """The first tensor that is missing, unknown or of another shape, in words; empty when there is none."""
    missing = sorted(name for name in set(wanted) - set(found) if not name.endswith(COUNTER))
    extra = sorted(set(found) - set(wanted))
    reshaped = sorted(name for name in set(wanted) & set(found) if wanted[name] != found[name])
    for names, problem in ((missing, "it lacks"), (extra, "unknown is"), (reshaped, "another shape has")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            return f"{problem} {names[0]}{more}"
    return ""


def _without_prefix(shapes: Shapes) -> dict[str, str]:
    prefixed = all(name.startswith("module.") for name in shapes)
    return {name.removeprefix("module.") if prefixed else name: name for name in shapes}


def clap_model(shapes: Shapes) -> str:
    """Name of the CLAP audio tower that fits a file, or empty."""
    names = _without_prefix(shapes)
    width = shapes.get(names.get("audio_branch.patch_embed.proj.weight", ""), (0,))[0]
    return next((model for model, (channels, _) in HTSAT.items() if channels == width), "")


def recognise(shapes: Shapes) -> str:
    """What a file is, in words."""
    names = _without_prefix(shapes)
    plain = {name: shapes[names[name]] for name in names}
    for name, words in _LANDMARKS.items():
        if name in plain:
            return words
    if "audio_branch.patch_embed.proj.weight" in plain:
        whole = "a whole CLAP with" if "text_projection.0.weight" in plain else "CLAP's"
        return f"{whole} audio tower {clap_model(plain) or 'of an unknown size'}"
    if "visual.conv1.weight" in plain:
        return _clip_name(plain["visual.conv1.weight"], plain.get("text_projection", (0, 0))[-1])
    if "layer4.0.conv1.weight" in plain:
        return "torchvision's ResNet-18" if _is_resnet18(plain) else "another ResNet of torchvision"
    return f"of no known kind ({len(plain)} tensors, the first is {next(iter(sorted(plain)), 'none')!r})"


_LANDMARKS = {
    "text_model.embeddings.token_embedding.weight": "CLIP in the naming of transformers, not open_clip",
    "vision_model.embeddings.class_embedding": "CLIP's image tower in the naming of transformers, not open_clip",
    "audio_model.audio_encoder.patch_embed.proj.weight": "CLAP in the naming of transformers, not laion_clap",
    "audio_branch.patch_embed.mel_conv2d.weight": "a CLAP checkpoint with feature fusion (its name says 'fusion')",
    "audio_branch.conv_block1.conv1.weight": "a CLAP checkpoint with a PANN audio tower",
    "visual.layer1.0.conv1.weight": "another CLIP, with a ResNet as image tower",
    "visual.trunk.patch_embed.proj.weight": "another image-text model of open_clip",
    "cls_token": "a vision transformer of timm (the image tower alone, without CLIP's text tower)",
}


def _clip_name(patches: tuple[int, ...], joint: int) -> str:
    if (patches, joint) == ((768, 3, 32, 32), 512):
        return "CLIP ViT-B/32 in open_clip's naming"
    return f"another CLIP (patches of {patches[-1]} pixels, image tower {patches[0]} wide, {joint}-d embeddings)"


def _is_resnet18(plain: Shapes) -> bool:
    return "layer1.2.conv1.weight" not in plain and "layer1.0.conv3.weight" not in plain
