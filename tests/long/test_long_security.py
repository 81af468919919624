"""The full form of tests/test_security.py: what others send is data, in thousands of forms.

Every reader of the project is given a pickle that leaves a file behind when it is opened, in every disguise; paths are put
together from whatever leads out of a folder; and names of classes from whatever a browser would run.
"""

from __future__ import annotations

import os
import random

import pandas as pd
import pytest
import test_security
from hostile_tools import HOSTILE, HTML, active_parts
from security_tools import trapped_files

from avsep_lib.artifacts import markdown_table
from avsep_lib.errors import AvsepError
from avsep_lib.recorded.places import Places
from avsep_lib.report.html_tables import html_table
from avsep_lib.report.outputs import Files, cleaned
from avsep_lib.report.site import Site

pytestmark = pytest.mark.long
SUFFIXES = (".safetensors", ".ckpt", ".npy", ".npz", ".pt", ".pth", ".pkl", ".wav", ".flac", ".mp4", ".jpg", ".csv", "")
N_PATHS, N_PAGES = 20_000, 3_000
PARTS = (
    "..",
    ".",
    "",
    "a",
    "in.wav",
    "out.wav",
    "folder",
    "up",
    "loop",
    "/",
    "//etc",
    "etc/passwd",
    "\0",
    "\n",
    "~",
    "%2e%2e",
    "..\\",
    "é",
)


def test_no_reader_opens_a_pickle(tmp_path, long_report):
    """Readers are given pickles in disguise."""
    mark, tried, failed, rows = tmp_path / "mark", 0, 0, []
    files = trapped_files(mark)
    for name, read in test_security.readers().items():
        opened = answered = 0
        for i, content in enumerate(files.values()):
            for suffix in SUFFIXES:
                folder = tmp_path / f"{tried}"
                folder.mkdir()
                path = folder / f"file{i}{suffix}"
                path.write_bytes(content)
                tried += 1
                try:
                    read(path)
                except (AvsepError, OSError, ValueError):
                    answered += 1
                opened += mark.exists()
                mark.unlink(missing_ok=True)
        failed += opened
        rows.append((name, len(files) * len(SUFFIXES), opened, answered))
    long_report.count("disguised pickles given to readers; failures ran", tried, failed)
    table = pd.DataFrame(rows, columns=["reader", "files", "opened as a pickle", "refused with a reason"])
    long_report.table("Readers and the disguised pickles they were given.", table)
    assert failed == 0
    assert (table["refused with a reason"] == table["files"]).all()


def test_no_path_leaves_its_root(tmp_path, long_report):
    """Paths of lists stay in their dataset."""
    root = tmp_path / "root"
    (root / "a" / "a").mkdir(parents=True)
    (root / "in.wav").write_text("inside")
    (root / "a" / "in.wav").write_text("inside")
    (tmp_path / "out.wav").write_text("outside")
    (root / "out.wav").symlink_to(tmp_path / "out.wav")
    (root / "folder").symlink_to(tmp_path)
    (root / "a" / "up").symlink_to("../..")
    (root / "loop").symlink_to("loop")
    places, random_ = Places([str(root)]), random.Random(1)
    found = failed = 0
    for _ in range(N_PATHS):
        text = "/".join(random_.choices(PARTS, k=random_.randint(1, 6)))
        text = random_.choice(("", "", str(root) + "/", str(tmp_path) + "/")) + text
        path, problem, _ = places.find(text, random_.choice(("file", "folder")))
        if not problem:
            found += 1
            failed += not os.path.realpath(path).startswith(str(root))
    long_report.count(f"paths of lists, {found} of them found; failures led out of the dataset", N_PATHS, failed)
    assert failed == 0
    assert found > 100


def test_nothing_of_a_name_runs(tmp_path, long_report):
    """Names of classes are escaped in outputs and tables."""
    import mistune

    files, random_, failed = Files(Site("toy", tmp_path, tmp_path / "out", ()), "x"), random.Random(2), 0
    files.names = iter(range(10**9))
    rendered = mistune.create_markdown(plugins=["table"], escape=False)
    pieces = [
        *HOSTILE,
        *HTML.replace("><", ">\x00<").split("\x00"),
        "<",
        ">",
        '"',
        "'",
        "&",
        "<!--",
        "-->",
        "]]>",
        "\\",
        "|",
        "`",
        "\n",
    ]
    for _ in range(N_PAGES):
        name = "".join(random_.choices(pieces, k=random_.randint(1, 6)))
        texts = [
            cleaned(name, name, files),
            html_table([[name, "b"], [name, name]], name, {name.split()[0] if name.split() else "x": name}),
            rendered(markdown_table(pd.DataFrame({name: [name]}))),
        ]
        failed += any(active_parts(text) for text in texts)
    long_report.count("names put together from scripts, in outputs and tables; failures would run", N_PAGES, failed)
    assert failed == 0
