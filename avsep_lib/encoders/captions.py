"""Captions of frames and recordings: several wordings per modality, one of each kept out of training."""

from __future__ import annotations

from collections.abc import Sequence

IMAGE_TEMPLATES = (
    "a photo of a {}",
    "a person playing the {}",
    "a musician with a {}",
    "a picture of someone playing {}",
    "a {} player on stage",
    "one frame of a {} performance",
)
AUDIO_TEMPLATES = (
    "the sound of a {}",
    "a recording of {} music",
    "someone plays the {}",
    "a {} can be heard",
    "a melody on the {}",
    "this is a sound of {}",
)
HELD_OUT = {"image": "a video of a musician playing the {}", "audio": "a person plays a {} solo"}
TEMPLATES = {"image": IMAGE_TEMPLATES, "audio": AUDIO_TEMPLATES}


def spoken(labels: Sequence[str]) -> str:
    """Class names as a caption says them: ``["acoustic_guitar", "tuba"]`` -> ``acoustic guitar and tuba``."""
    return " and ".join(label.replace("_", " ") for label in labels)


def caption(template: str, labels: Sequence[str]) -> str:
    """Fill one template with one or more class names."""
    return template.format(spoken(labels))


def class_captions(labels: str, modality: str) -> list[str]:
    """Every training wording for the label or '|'-joined labels (the zero-shot prompts)."""
    return [caption(template, labels.split("|")) for template in TEMPLATES[modality]]
