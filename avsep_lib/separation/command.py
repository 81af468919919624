"""``avsep separate``: stems, a picture of the masks and a small JSON from one's own recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from avsep_lib.separation.result import PICTURE, RESULT, Separation, check_folder
from avsep_lib.separation.separating import separate

DESCRIPTION = """Separate a recording with a trained run: one picture per source, or one rectangle of the video.
Writes a 32-bit float WAV per source at the run's sample rate (as long as the recording, not clipped), masks.png and
result.json. The network hears the mean of the channels; its masks are applied to every channel alike."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.description = DESCRIPTION
    parser.add_argument("mixture", type=Path, help="audio or video file")
    pictures = parser.add_mutually_exclusive_group(required=True)
    pictures.add_argument("--images", type=Path, nargs="+", metavar="PICTURE", help="one per source")
    pictures.add_argument(
        "--crops", nargs="+", metavar="X,Y,W,H", help="for a video: one per source, in pixels or as fractions 0-1"
    )
    # Not "run": `avsep_lib.command` keeps the function to call under that name.
    parser.add_argument(
        "--run",
        dest="model",
        metavar="RUN",
        required=True,
        help="<profile>/<run_id> (demo/hier-s0), or a model.safetensors",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write; new or empty, or --force")
    parser.add_argument("--names", nargs="+", help="what to call the sources")
    parser.add_argument("--mask", choices=("soft", "binary"), default="soft")
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="first second to separate")
    parser.add_argument("--seconds", type=float, metavar="S", help="how many; default: to the end")
    parser.add_argument("--encoder", type=Path, help="image encoder, where --run is a path: folder or CLIP file")
    parser.add_argument("--audio-encoder", type=Path, help="audio encoder, for a run by path that hears through it")
    parser.add_argument("--force", action="store_true", help="replace an earlier result in --out")
    parser.add_argument("--threads", type=int, default=1)


def run(arguments: argparse.Namespace) -> None:
    """Do what the arguments say; AvsepError when it cannot be done, and then nothing is written."""
    check_folder(arguments.out, arguments.force)
    import torch

    torch.set_num_threads(arguments.threads)
    result = separate(
        arguments.mixture, run=arguments.model, images=arguments.images, crops=arguments.crops, names=arguments.names,
        mask=arguments.mask, start=arguments.start, seconds=arguments.seconds, encoder=arguments.encoder,
        audio_encoder=arguments.audio_encoder,
    )  # fmt: skip
    print(_report(result, result.save(arguments.out, force=arguments.force)))


def _report(result: Separation, out: Path) -> str:
    lines = [f"note: {warning}" for warning in result.warnings]
    for source in result.describe()["sources"]:
        level = "silent" if source["rms_dbfs"] is None else f"{source['rms_dbfs']:.1f} dBFS RMS"
        lines.append(f"{out / source['file']}: {level}")
    return "\n".join([*lines, f"{out / PICTURE}", f"{out / RESULT}"])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="avsep separate")
    add_arguments(parser)
    run(parser.parse_args())
