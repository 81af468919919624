"""Where the paths of a list lie, and that none of them leads out of the dataset."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from functools import lru_cache

KINDS = {"file": stat.S_ISREG, "folder": stat.S_ISDIR}
OUTSIDE = "path leaves the root"
UNWRITABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # control characters, and bytes that are not UTF-8


class Places:
    """The folders that relative paths may start from, in the order in which they are tried.

    Nothing outside of them is opened, neither through ``..`` nor by an absolute path nor through a link: a published
    list is somebody else's text.
    """

    def __init__(self, bases: Iterable[str]) -> None:
        self.bases = list(dict.fromkeys(os.path.abspath(base) for base in bases))
        self.inside = tuple(f"{p.rstrip(os.sep)}{os.sep}" for b in self.bases for p in (b, os.path.realpath(b)))
        self._real_folder = lru_cache(maxsize=4096)(os.path.realpath)

    def find(self, text: str, kind: str) -> tuple[str, str, str]:
        """Path of what a list names.

        Parameters
        ----------
        text : str
            Path as listed, absolute or relative to one of the bases.
        kind : {"file", "folder"}
            What should be there.

        Returns
        -------
        path, problem, detail : str
            The path (absolute, normalised) and two empty strings, or an empty path, ``missing`` or ``unreadable``, and
            what was looked for.
        """
        if not text or UNWRITABLE.search(text):
            return "", "unreadable", f"no path of a {kind}: {text!r}"
        paths = dict.fromkeys(os.path.normpath(os.path.join(base, text)) for base in self.bases)
        allowed = [path for path in paths if path.startswith(self.inside)]
        if not allowed:
            return "", "unreadable", f"{OUTSIDE}: {text}"
        for path in allowed:
            try:
                mode = os.stat(path).st_mode
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                return "", "unreadable", f"{path}: {error.strerror}"
            if not KINDS[kind](mode):
                return "", "unreadable", f"{path} is not a {kind}"
            return (path, "", "") if self.holds(path) else ("", "unreadable", f"{OUTSIDE} through a link: {path}")
        return "", "missing", f"no {kind} {' or '.join(allowed)}"

    def holds(self, path: str) -> bool:
        """True when an existing path, all links followed, lies in one of the bases."""
        folder, name = os.path.split(path)
        real = os.path.join(self._real_folder(folder), name)
        return (os.path.realpath(real) if os.path.islink(real) else real).startswith(self.inside)
