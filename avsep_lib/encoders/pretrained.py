"""The files of the pretrained networks that a profile names, checked as far as that goes without opening a tensor.

The loaders and the early check (`avsep_lib.encoders.check`) both come through here, so that a file that passes the one
passes the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avsep_lib.encoders.files import check_sha256, read_header, weights_file
from avsep_lib.encoders.kinds import Selection, clap_model, layout_of, select
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.encoders.sources import CLAP, CLIP, RESNET18
from avsep_lib.errors import DataError, WeightsError
from avsep_lib.files import read_json

CLIP_CONFIG = "open_clip_config.json"
CLIP_NAMES = ("open_clip_model.safetensors",)
CLAP_NAMES = ("clap.safetensors",)
CLAP_TEXT = "clap_text.safetensors"


@dataclass(frozen=True)
class Found:
    """A file and the tensors that are taken from it."""

    path: Path
    selection: Selection


def clip_in(place: str | Path, way_out: str, sha256: str = "") -> Found:
    """The file of CLIP ViT-B/32 at `place`, a safetensors file or a folder.

    Raises
    ------
    WeightsError
        Missing, truncated, another model's, or changed; a folder whose configuration is for another activation.
    """
    path = weights_file(place, CLIP_NAMES, way_out)
    config = path.parent / CLIP_CONFIG
    if path.name in CLIP_NAMES and config.is_file():
        _check_clip_config(config, way_out)
    selection = select(read_header(path, way_out)[0], layout_of("clip"), path, way_out)
    check_sha256(path, sha256, "encoders.image.sha256")
    return Found(path, selection)


def _check_clip_config(path: Path, way_out: str) -> None:
    """WeightsError unless open_clip would build what is built here from this configuration.

    The activation is in no tensor: weights of a ViT-B-32 with the plain GELU load without a word and compute nonsense.
    """
    try:
        config = read_json(path).get("model_cfg", {})
        size = config.get("embed_dim"), config.get("vision_cfg", {}).get("patch_size")
        quick = config.get("quick_gelu", False)
    except (DataError, AttributeError):
        raise WeightsError(f"{path} is no configuration of open_clip. {way_out}") from None
    if quick is not True:
        raise WeightsError(
            f"{path} is of ViT-B-32 with the plain GELU (quick_gelu is {quick}); OpenAI's weights, and ours, are "
            f"ViT-B-32-quickgelu. {way_out}"
        )
    if size != (512, 32):
        raise WeightsError(
            f"{path} is of a model with {size[0]}-d embeddings and patches of {size[1]}, not 512 and 32. {way_out}"
        )


def clip_file(settings: ImageEncoderSettings) -> Found:
    """The file that `settings.weights` names; see `clip_in`."""
    return clip_in(settings.weights, CLIP.way_out(settings.weights), settings.sha256)


def clap_file(settings: AudioEncoderSettings) -> Found:
    """The file of CLAP's audio tower that `settings.weights` names.

    Raises
    ------
    WeightsError
        No file named, missing, truncated, another model's or of another size, or changed.
    """
    if not settings.weights:
        raise WeightsError(f"the audio encoder is 'clap' and encoders.audio.weights is empty. {CLAP.way_out()}")
    way_out = CLAP.way_out(settings.weights)
    path = weights_file(settings.weights, CLAP_NAMES, way_out)
    shapes, _ = read_header(path, way_out)
    if (fitting := clap_model(shapes)) and fitting != settings.model:
        raise WeightsError(
            f"{path} was made for another model: it fits {fitting}, and encoders.audio.model is {settings.model}. Set "
            f"encoders.audio.model to {fitting}, or choose another file. {way_out}"
        )
    selection = select(shapes, layout_of("clap", settings.model), path, way_out)
    check_sha256(path, settings.sha256, "encoders.audio.sha256")
    return Found(path, selection)


def clap_text_file(settings: AudioEncoderSettings) -> Found:
    """The file of CLAP's text tower: the one of the audio tower, or ``clap_text.safetensors`` in the same folder."""
    way_out = (
        f"Convert the checkpoint again with --text (`{CLAP.convert(settings.weights)} --text`), or leave "
        "encoders.audio.tokenizer empty: then the audio tower works alone"
    )
    path = weights_file(settings.weights, CLAP_NAMES, way_out)
    beside = path.parent / CLAP_TEXT
    path = beside if path.name in CLAP_NAMES and beside.is_file() else path
    return Found(path, select(read_header(path, way_out)[0], layout_of("clap_text"), path, way_out))


def backbone_file(place: str) -> Found:
    """The file of ResNet-18 that ``model.backbone_weights`` names; WeightsError as above."""
    way_out = RESNET18.way_out(place)
    path = weights_file(place, (), way_out)
    return Found(path, select(read_header(path, way_out)[0], layout_of("resnet18"), path, way_out))
