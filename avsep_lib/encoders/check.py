"""Are the weights of a profile there? ``python -m avsep_lib.encoders.check --profile paper``, before the first job.

Only names, headers and, where the profile gives one, the SHA-256 of the files are looked at, and the hub is asked
whether it answers: seconds, not the minutes after which an encoder's job would stop.
"""

from __future__ import annotations

import argparse

from avsep_lib.cli import run_main
from avsep_lib.config import Profile, load_profile, profile_runs, resolve
from avsep_lib.encoders import hub
from avsep_lib.encoders.pretrained import backbone_file, clap_file, clap_text_file, clip_file
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.encoders.sources import CLIP, RESNET18
from avsep_lib.errors import WeightsError

BACKBONE_TAG = "imagenet"  # see `avsep_lib.models.visual`, which imports torch


def check_image(settings: ImageEncoderSettings, online: bool) -> None:
    """WeightsError unless the image encoder can be opened, as far as a header tells."""
    if settings.kind == "mini":
        return
    if settings.weights:
        clip_file(settings)
    elif online:
        hub.check_reachable(CLIP)
    else:
        raise WeightsError(f"the image encoder is 'clip' and encoders.image.weights is empty. {CLIP.way_out()}")


def check_audio(settings: AudioEncoderSettings) -> None:
    """WeightsError unless the audio encoder can be opened, as far as a header tells; the tokenizer is tried out."""
    if settings.kind == "mini":
        return
    clap_file(settings)
    if settings.tokenizer:
        from avsep_lib.encoders.roberta import load_tokenizer

        load_tokenizer(settings.tokenizer)
        clap_text_file(settings)


def check_backbone(weights: str, online: bool) -> None:
    """WeightsError unless the trained ResNet-18 can start from `weights` (``model.backbone_weights``)."""
    if weights == BACKBONE_TAG and not online:
        raise WeightsError(f"model.backbone_weights is {weights!r} and the profile is offline. {RESNET18.way_out()}")
    if weights not in ("", BACKBONE_TAG):
        backbone_file(weights)


def check_profile_encoders(profile: Profile) -> None:
    """Check every pretrained network of a profile.

    Raises
    ------
    WeightsError
        One message for all that is missing: the file to fetch and where to put it, each once.
    """
    online = profile.hub == "online"
    chosen = [profile.encoders_for(dataset) for dataset in profile.datasets]
    checks = [lambda e=e: check_image(e.image, online) for e in chosen]
    checks += [lambda e=e: check_audio(e.audio) for e in chosen]
    trained = [resolve(profile, run).model for run in profile_runs(profile) if run.backbone == "resnet18"]
    checks += [lambda m=m: check_backbone(m.backbone_weights, online) for m in trained]
    problems = {}  # a set that keeps the order
    for check in checks:
        try:
            check()
        except WeightsError as error:
            problems[str(error)] = None
    if problems:
        raise WeightsError(f"profile {profile.name!r} cannot start.\n" + "\n".join(f"- {p}" for p in problems))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", required=True)
    profile = load_profile(parser.parse_args().profile)
    check_profile_encoders(profile)
    print(f"profile {profile.name!r}: the weights of all encoders are in place")


if __name__ == "__main__":
    run_main(main)
