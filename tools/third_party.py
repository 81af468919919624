"""Write THIRD_PARTY.md: the licence of everything that requirements.lock installs, and of what comes inside (``--check``:
exit 1 when it is out of date).

Licences are what the installed distributions say of themselves (`avsep_lib.lineage.licences`). A line of the lock that is
for another system or Python is kept from the last time it was seen, or says that it was not; ``--wheels FOLDER`` reads
such packages from their wheels. Run this after `make lock`.
"""

import argparse
import re
import sys
import zipfile
from collections import Counter
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

from packaging.utils import canonicalize_name

from avsep_lib.files import sha256_file, write_text
from avsep_lib.lineage.licences import UNKNOWN, installed, licence_of
from avsep_lib.lineage.lock import Locked, lock_path, read_lock
from avsep_lib.paths import project_root

NOT_SEEN = "not seen where this was written"
HEADER = """# Third parties

Written by `make third-party` from what the installed packages say of themselves; no lawyer has read it. Nothing listed here
is part of this repository: `make env` installs it. This repository is MIT (`LICENSE`).

## What is no package

| what | where | licence | said by | SHA-256 | what follows |
|---|---|---|---|---|---|
"""
PACKAGES = """
## Packages

{counts}

| package | version | only where | licence | said by |
|---|---|---|---|---|
"""
# Inside packages, and not under the package's own licence. Package, pattern of its files, and the rest of the line.
INSIDE = (
    (
        *("pretty-midi", r"TimGM6mb\.sf2$", "TimGM6mb, the SoundFont of the embedded dataset", "GPL-2.0-only"),
        "Alpine's package of it, and robopianist (GNU GPL); neither the file nor the metadata of pretty_midi (MIT) says",
        "It is read where it is installed and never copied. The clips that are rendered with it contain parts of its "
        "samples; whether the GPL reaches them is not settled, so rendered audio is never committed nor published. "
        "Tables, figures and scores contain none. Another font is a setting (`soundfont` of a dataset).",
    ),
    (
        *("av", r"libx264", "FFmpeg with x264 and x265, inside the wheel of av", "GPL-2.0-or-later"),
        "the publishers of x264 and x265; the metadata of av (BSD-3-Clause) is about its own code",
        "Loaded where it is installed, to read and write MP4; never copied.",
    ),
    (
        *("soundfile", r"_soundfile_data/.*libsndfile", "libsndfile, inside the wheel of soundfile", "LGPL-2.1"),
        "`_soundfile_data/COPYING`; the metadata of soundfile (BSD-3-Clause) is about its own code",
        "Loaded where it is installed; never copied.",
    ),
    (
        *("matplotlib", r"fonts/ttf/DejaVuSans\.ttf$", "DejaVu Sans, inside matplotlib", "Bitstream Vera, Arev"),
        "`LICENSE_DEJAVU` beside it",
        "Outlines of its letters are in every figure, which that licence allows.",
    ),
    (
        *(
            "laion-clap",
            r"LICENSE",
            "The licence text inside laion_clap",
            "CC0-1.0 by the text, Apache-2.0 by the metadata",
        ),
        "both are in the package and differ",
        "Its classes and its lists of settings are used where they are installed; no code is copied.",
    ),
)
SHOWN_HASH = (r"TimGM6mb\.sf2$",)  # the others differ from system to system
HUB = "Fetched only by a profile that says `hub: online`, or by the user"
FETCHED = (
    ("CLIP ViT-B/32 of OpenAI", "`timm/vit_base_patch32_clip_224.openai`, Hugging Face hub", HUB),
    ("ResNet-18 of ImageNet, `resnet18-f37072fd.pth`", "download.pytorch.org", HUB),
    (
        "CLAP of LAION, `630k-audioset-best.pt` and its kin",
        "`lukewys/laion_clap`, Hugging Face hub",
        "Fetched by the user",
    ),
    ("RoBERTa's tokenizer", "`FacebookAI/roberta-base`, Hugging Face hub", "Fetched by the user"),
    ("MUSIC, MUSIC-21, VGGSound", "their publishers' lists of videos", "Fetched by the user"),
)


def inside(found: dict[str, Distribution]) -> list[str]:
    """Lines about what lies inside packages, and about what a user may fetch."""
    lines = []
    for package, pattern, what, licence, said_by, follows in INSIDE:
        files = [f for f in (found[package].files or []) if re.search(pattern, str(f))] if package in found else []
        if not files:
            sys.exit(f"{package} no longer contains {pattern}; adapt tools/third_party.py")
        digest = f"`{sha256_file(Path(str(files[0].locate())))}`" if pattern in SHOWN_HASH else "–"
        lines.append(f"| {what} | {package} | {licence} | {said_by} | {digest} | {follows} |")
    nobody = f"{UNKNOWN}: see its publisher | nobody here | –"
    lines += [
        f"| {what} | {place} | {nobody} | {how}; never part of this repository. |" for what, place, how in FETCHED
    ]
    return lines


def of_wheels(folder: Path) -> dict[tuple[str, str], Distribution]:
    """Distributions in a folder of wheels, by name and version."""
    found = {}
    for wheel in sorted(folder.glob("*.whl")):
        (info,) = (entry for entry in zipfile.Path(wheel).iterdir() if entry.name.endswith(".dist-info"))
        part = PathDistribution(info)
        found[str(canonicalize_name(part.metadata["Name"])), part.version] = part
    return found


def row(
    line: Locked, found: dict[tuple[str, str], Distribution], before: dict[tuple[str, str], tuple[str, str]]
) -> list[str]:
    """Cells of one package."""
    if (line.name, line.version) in found:
        licence = licence_of(found[line.name, line.version])
        words = (licence.name, licence.said_by)
    else:
        words = before.get((line.name, line.version), (UNKNOWN, NOT_SEEN))
    return [line.name, line.version, line.marker or "–", *(word.replace("|", "\\|") for word in words)]


def rows_of(text: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Licence and who said so, by package and version, of the file as it is."""
    cells = [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in text.splitlines() if line.startswith("| ")]
    return {
        (c[0], c[1]): (c[3].replace("\\|", "|"), c[4].replace("\\|", "|"))
        for c in cells
        if len(c) == 5 and c[0] != "package"
    }


def counted(rows: list[list[str]]) -> str:
    """One sentence: how many packages, under what, and how many say nothing."""
    licences = Counter(cells[3] for cells in rows)
    unseen = sum(cells[4] == NOT_SEEN for cells in rows)
    unknown = [cells[0] for cells in rows if cells[3] == UNKNOWN and cells[4] != NOT_SEEN]
    licences.pop(UNKNOWN, 0)
    common = ", ".join(f"{number} {name}" for name, number in sorted(licences.items(), key=lambda i: (-i[1], i[0]))[:6])
    rest = sum(licences.values()) - sum(sorted(licences.values(), reverse=True)[:6])
    told = f"{len(rows)} lines of `requirements.lock`: {common}, {rest} others; {len(unknown)} unknown"
    told += f" ({', '.join(unknown)})" if unknown else ""
    return f"{told}; {unseen} for other systems, not seen where this was written." if unseen else f"{told}."


def text(before: str, wheels: Path | None) -> str:
    """The whole file; `before` is the one that is there."""
    found, known = installed(), rows_of(before)
    seen = {(name, part.version.partition("+")[0]): part for name, part in found.items()}
    seen = (of_wheels(wheels) if wheels else {}) | seen
    rows = [row(line, seen, known) for line in read_lock(lock_path().read_text())]
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return HEADER + "\n".join(inside(found)) + "\n" + PACKAGES.format(counts=counted(rows)) + "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument(
        "--wheels", type=Path, help="folder of wheels for other systems, read as if they were installed"
    )
    given = parser.parse_args()
    path = project_root() / "THIRD_PARTY.md"
    before = path.read_text() if path.exists() else ""
    wanted = text(before, given.wheels)
    if not given.check:
        write_text(path, wanted)
    elif wanted != before:
        sys.exit("THIRD_PARTY.md does not say what is locked and installed; run `make third-party`")


if __name__ == "__main__":
    main()
