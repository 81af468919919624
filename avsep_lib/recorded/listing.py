"""What lies on disk of a recorded dataset, as one hash: ``python -m avsep_lib.recorded.listing --settings J --out F``.

Snakemake knows the files it makes, not those that a list names or a folder holds. This file stands for them: it changes
when a listed file appears, goes, grows or is written to, and the dataset is then read again. Of a folder of pictures the
time of change counts, which is that of the last picture added, removed or replaced; pictures overwritten in place go
unnoticed until something else changes (100 million of them could not be asked in seconds).
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections import Counter
from pathlib import Path

from avsep_lib.cli import json_argument, run_main
from avsep_lib.files import read_json, write_json
from avsep_lib.recorded.items import read_rows
from avsep_lib.recorded.settings import RecordedSettings
from avsep_lib.settings import from_dict


def listing(settings: RecordedSettings) -> dict[str, str | int]:
    """Hash, number and bytes of the files that a dataset is read from.

    Returns
    -------
    dict
        `sha256` over path relative to the root, size and time of change (ns) of list files and of everything they
        name; `n_items`; `bytes` of the files, pictures left out.

    Raises
    ------
    DataError
        A root or list that cannot be read.
    """
    digest, n_items, n_bytes = hashlib.sha256(), 0, 0
    for _, path in settings.listed_files():
        digest.update(_state(path, settings.root)[0])
    for row in read_rows(settings, Counter()):
        n_items += 1
        digest.update(f"{row.list} {row.problem} {row.detail}\n".encode("utf-8", "backslashreplace"))
        for path in filter(None, (row.audio, row.frames, row.video)):
            text, size = _state(path, settings.root)
            digest.update(text)
            n_bytes += size
    return {"sha256": digest.hexdigest(), "n_items": n_items, "bytes": n_bytes}


def _state(path: str, root: str) -> tuple[bytes, int]:
    """One line about a file or folder, and the bytes of a file."""
    name = path.removeprefix(root)
    try:
        state = os.stat(path)
    except OSError as error:  # gone since it was listed
        return f"{name} {type(error).__name__}\n".encode("utf-8", "backslashreplace"), 0
    # The size of a folder is a matter of the file system, not of what it holds.
    size = 0 if os.path.isdir(path) else state.st_size
    return f"{name} {size} {state.st_mtime_ns}\n".encode("utf-8", "backslashreplace"), size


def write_listing(settings: RecordedSettings, out: str | Path) -> bool:
    """Write `listing` as JSON unless the file says the same already; True when it was written."""
    found, out = listing(settings), Path(out)
    if out.exists() and read_json(out) == found:
        return False
    write_json(out, found)
    return True


def main() -> None:
    """Write the listing of a dataset, unless it is as it was."""
    parser = argparse.ArgumentParser(prog="python -m avsep_lib.recorded.listing", description=main.__doc__)
    parser.add_argument("--settings", type=json_argument, required=True, help="fields of RecordedSettings, or a file")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    settings = from_dict(RecordedSettings, arguments.settings, "--settings")
    changed = write_listing(settings, arguments.out)
    print(f"{arguments.out}: {'written' if changed else 'as it was'}")


if __name__ == "__main__":
    run_main(main)
