"""All kinds of input."""

from __future__ import annotations

from fuzz import texts

KINDS = texts.KINDS
