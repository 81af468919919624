"""What one process found out and the next need not: small values by key, in Snakemake's own folder of state.

Never more than a saving of time: a file that cannot be read, or does not fit the checksum in its first line, remembers
nothing; one that cannot be written is left alone; without the folder (no Snakemake was here) nothing is kept.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
from collections.abc import Callable
from typing import Any

from avsep_lib.files import atomic_path, sha256_text
from avsep_lib.paths import project_root

MOST_KEPT = 5000  # values; beyond that only those that were asked for today are kept


class Remembered:
    """Values under ``.snakemake/<name>``; a key has to name everything that its value depends on."""

    def __init__(self, name: str) -> None:
        self.path = project_root() / ".snakemake" / name
        self.known: dict[str, Any] = {}
        self.used: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            checksum, _, text = self.path.read_text().partition("\n")
            self.known = json.loads(text) if checksum == sha256_text(text) else {}
        atexit.register(self.keep)

    def recall(self, *key: str, found: Callable[[], Any]) -> Any:
        """The value of a key, by `found()` where it is not known."""
        hashed = hashlib.sha256("\0".join(key).encode()).hexdigest()
        if hashed not in self.used:
            self.used[hashed] = self.known[hashed] if hashed in self.known else found()
        return self.used[hashed]

    def keep(self) -> None:
        """Write what was used, when something new is among it; done at the end of the process as well."""
        if self.used.keys() - self.known.keys() and self.path.parent.is_dir():
            with contextlib.suppress(OSError), atomic_path(self.path) as path:
                kept = json.dumps(self.known | self.used if len(self.known) < MOST_KEPT else self.used)
                path.write_text(f"{sha256_text(kept)}\n{kept}")
