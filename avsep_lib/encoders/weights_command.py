"""``avsep weights where | check | convert``: pretrained weights from fetching to the line in the profile."""

from __future__ import annotations

import argparse
from pathlib import Path

from avsep_lib.encoders.convert import convert
from avsep_lib.encoders.files import SAFE, digest, n_values, read_header
from avsep_lib.encoders.kinds import clap_model, layout_of, recognise, select
from avsep_lib.encoders.sources import CLIP, SOURCES, TOKENIZER
from avsep_lib.errors import WeightsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``avsep weights``."""
    actions = parser.add_subparsers(metavar="action", required=True)
    where = actions.add_parser("where", help="what to fetch for each encoder, and where to put it")
    where.set_defaults(action=show_where)
    check = actions.add_parser("check", help="say what a file is and whether it fits")
    check.add_argument("file", type=Path)
    check.add_argument("--kind", choices=SOURCES, help="fail unless the file is of this kind")
    check.set_defaults(action=show_check)
    converting = actions.add_parser("convert", help="make safetensors of a published pickle, in a process of its own")
    converting.add_argument("file", type=Path)
    converting.add_argument("--kind", choices=SOURCES, required=True)
    converting.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    converting.add_argument("--trust-pickle", action="store_true", help="I know who made the file")
    converting.add_argument("--sha256", default="", metavar="HEX", help="SHA-256 the file must have")
    converting.add_argument("--text", action="store_true", help="keep CLAP's text tower too")
    converting.set_defaults(action=show_conversion)


def run(arguments: argparse.Namespace) -> None:
    """Do what the arguments say."""
    arguments.action(arguments)


def show_where(arguments: argparse.Namespace) -> None:
    """Print what to fetch, and where to put it."""
    for source in SOURCES.values():
        print(f"{source.title}\n  {source.way_out()}")
        if source is CLIP:
            convert_line = source.convert(file="ViT-B-32.pt")
            print(f"  OpenAI's own ViT-B-32.pt (354 MB) does as well, converted: `{convert_line}`")
    print(f"Tokenizer of CLAP's text tower (optional)\n  {TOKENIZER}")
    print("Relative paths in a profile start at the checkout. `avsep weights check FILE` says what a file is.")


def show_check(arguments: argparse.Namespace) -> None:
    """Print what a file is.

    Raises
    ------
    WeightsError
        Missing, truncated, a pickle, of no known kind, or not of ``--kind``.
    """
    path, way_out = arguments.file, "`avsep weights where` lists the files that fit"
    if not path.is_file():
        raise WeightsError(f"{path} is missing or no file; {way_out}")
    if path.suffix != SAFE:
        raise WeightsError(
            f"{path} is no safetensors file and was not opened. Its SHA-256 is {digest(path)}; if it is a "
            "published checkpoint, `avsep weights convert` makes safetensors of it"
        )
    shapes, metadata = read_header(path, way_out)
    kind = arguments.kind or _kind(shapes, path)
    if kind is None:
        raise WeightsError(f"{path} is {recognise(shapes)}; no encoder here takes it. {SOURCES['clip'].way_out()}")
    selection = select(shapes, layout_of(kind, clap_model(shapes) or "HTSAT-tiny"), path, SOURCES[kind].way_out())
    print(f"{path}: {recognise(shapes)}; {len(shapes)} tensors, {n_values(shapes):,} values")
    print(f"SHA-256 {digest(path)}")
    if "source" in metadata:
        print(f"converted from {metadata['source']}, SHA-256 {metadata.get('source_sha256', 'unknown')}")
    print(f"for the profile: {SOURCES[kind].setting}: {path}")
    if kind == "clap":
        print(f"with encoders.audio.model: {clap_model(shapes)}")
    print(_left_out(selection.left_out))


def _kind(shapes: dict, path: Path) -> str | None:
    """The kind whose layout fits, or None."""
    for kind in SOURCES:
        try:
            select(shapes, layout_of(kind, clap_model(shapes) or "HTSAT-tiny"), path, "")
        except WeightsError:
            continue
        return kind
    return None


def _left_out(names: tuple[str, ...]) -> str:
    if not names:
        return "every tensor is used"
    return f"not used: {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def show_conversion(arguments: argparse.Namespace) -> None:
    """Convert, and say what was done; see `avsep_lib.encoders.convert.convert`."""
    done = convert(
        arguments.file, arguments.kind, arguments.out,
        trust=arguments.trust_pickle, sha256=arguments.sha256, text=arguments.text,
    )  # fmt: skip
    print(f"{arguments.file}: {done.how}")
    print(f"{done.out}: {done.tensors} tensors, loaded strictly into the network; {_left_out(done.left_out)}")
    print(f"SHA-256 {done.sha256}")
    source = SOURCES[arguments.kind]
    print(f"for the profile: {source.setting}: {done.out}")
