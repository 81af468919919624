"""All kinds of input."""

from __future__ import annotations

from fuzz import media, planted, texts

KINDS = texts.KINDS | media.KINDS
PLANTED = planted.KINDS
