"""Seeds by hashing: every decision has its own stream, independent of the order in which clips are built."""

from __future__ import annotations

import hashlib

import numpy as np


def seed_of(*parts: str | int) -> int:
    """Hash `parts` to a seed below 2**63.

    Adding a class, a split or a clip never changes the seeds of the others, and two splits share none, because the
    split's name is one of the parts.
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: str | int) -> np.random.Generator:
    """A fresh PCG64 generator seeded by `seed_of`; no state is shared between calls."""
    return np.random.Generator(np.random.PCG64(seed_of(*parts)))
