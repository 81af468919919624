"""All kinds of input."""

from __future__ import annotations

from fuzz import media, texts

KINDS = texts.KINDS | media.KINDS
