"""Acoustic descriptors of clean solos: how a sound starts, moves and ends, and what its spectrum is made of.

``python -m avsep_lib.descriptors --manifest M --out CSV`` measures every test solo of a manifest at its own sample rate
(22,050 Hz in the embedded dataset), one row per clip. `catalogue` lists the descriptors with unit, family and sign;
`notes`, `spectra` and `pitch` compute them; `measure` puts a row together. Importing this package loads no audio
library.

Spectra and pitch are averaged over *active* frames, those within 30 dB of the loudest; notes are averaged over notes.
What cannot be measured is NaN and counted, never zero: a drum has no pitch, and a drone no attack.
"""

from avsep_lib.descriptors.catalogue import COMPLEXITY, DESCRIPTORS, INDICES, PITCH, TRANSIENCE, Descriptor, Index

__all__ = ["COMPLEXITY", "DESCRIPTORS", "INDICES", "PITCH", "TRANSIENCE", "Descriptor", "Index"]
