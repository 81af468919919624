"""The one table of instruments: General-MIDI presets, compass, and how each of them is played.

Keys are MIDI numbers (60 is middle C), programs are 0-based General-MIDI numbers, durations are in beats. The eleven
instruments of MUSIC come first, the ten that MUSIC-21 adds after them.

References
----------
Zhao et al., "The Sound of Pixels" (MUSIC), and "The Sound of Motions" (MUSIC-21); file ``MUSIC_duet_videos.json`` of
the MUSIC release for the nine duet types.
"""

from __future__ import annotations

from dataclasses import dataclass

CALM = ((0.5, 3), (1.0, 5), (1.5, 2), (2.0, 3))
FLOWING = ((0.25, 2), (0.5, 6), (0.75, 1), (1.0, 3), (1.5, 1))
LIVELY = ((0.25, 5), (0.5, 5), (1.0, 2))
SLOW = ((1.0, 5), (1.5, 1), (2.0, 4), (0.5, 2))


@dataclass(frozen=True)
class Instrument:
    """One class of the dataset.

    Attributes
    ----------
    name : str
        Class name as it stands in the manifest.
    programs : tuple of int
        General-MIDI presets that may play it; a video draws one.
    compass : (int, int)
        Lowest and highest MIDI key.
    span : int
        Width of the register one video keeps to, in semitones.
    texture : str
        ``line`` (one note at a time), ``strum``, ``arpeggio``, ``bellows`` (tune over chords), ``strikes`` (fast repeated
        notes), ``plucked`` (line with ringing grace notes), ``keys`` (two hands), ``beat`` (percussion), ``bursts``
        (short calls with pauses between).
    rhythm : tuple of (beats, weight)
        Note lengths and how often they occur.
    tempo : (float, float)
        Beats per minute.
    gate : (float, float)
        Sounding part of a note: 1 is legato.
    vibrato : float
        Largest vibrato depth in semitones, by pitch bend.
    slide : float
        Chance that a note is reached by a glide from the one before.
    swell : float
        Depth of dynamics inside a note, 0 (struck) to 1 (blown or bowed).
    stand_in : str
        What really sounds, where General MIDI lacks the instrument.
    bank : int
        128 for the percussion bank, else 0.
    kit : tuple of int
        Percussion keys, for ``beat``.
    """

    name: str
    programs: tuple[int, ...]
    compass: tuple[int, int]
    span: int = 14
    texture: str = "line"
    rhythm: tuple[tuple[float, int], ...] = FLOWING
    tempo: tuple[float, float] = (80, 132)
    gate: tuple[float, float] = (0.8, 1.0)
    vibrato: float = 0.0
    slide: float = 0.0
    swell: float = 0.0
    stand_in: str = ""
    bank: int = 0
    kit: tuple[int, ...] = ()


_ALL = (
    Instrument("accordion", (21, 23), (53, 84), 15, "bellows", FLOWING, (88, 140), (0.75, 1.0), swell=0.35),
    Instrument("acoustic_guitar", (25,), (40, 76), 24, "strum", LIVELY, (80, 128), (0.9, 1.0)),
    Instrument("cello", (42,), (36, 67), 15, "line", CALM, (66, 104), (0.95, 1.0), 0.22, 0.2, 0.5),
    Instrument("clarinet", (71,), (50, 86), 17, "line", FLOWING, (80, 132), (0.85, 1.0), 0.05, 0.03, 0.4),
    Instrument("erhu", (110,), (62, 86), 14, "line", CALM, (66, 108), (0.97, 1.0), 0.35, 0.5, 0.5, "fiddle (GM 110)"),
    Instrument("flute", (73, 73, 72), (67, 93), 15, "line", FLOWING, (80, 138), (0.8, 1.0), 0.15, 0.02, 0.4),
    Instrument("saxophone", (64, 65, 66, 67), (46, 80), 16, "line", FLOWING, (76, 132), (0.75, 1.0), 0.2, 0.15, 0.4),
    Instrument("trumpet", (56, 56, 59), (57, 82), 14, "line", FLOWING, (84, 136), (0.65, 0.95), 0.1, 0.04, 0.35),
    Instrument("tuba", (58,), (29, 53), 14, "line", SLOW, (66, 104), (0.75, 0.95), 0.0, 0.0, 0.25),
    Instrument("violin", (40,), (57, 91), 16, "line", FLOWING, (72, 126), (0.92, 1.0), 0.25, 0.15, 0.45),
    Instrument("xylophone", (13, 13, 12), (65, 96), 19, "strikes", LIVELY, (92, 150), (0.5, 0.8)),
    # the ten that MUSIC-21 adds
    Instrument("bagpipe", (109,), (60, 77), 12, "line", LIVELY, (84, 126), (0.95, 1.0), swell=0.1),
    Instrument("banjo", (105,), (48, 79), 20, "arpeggio", LIVELY, (92, 140), (0.8, 1.0)),
    Instrument("bassoon", (70,), (34, 67), 16, "line", FLOWING, (76, 120), (0.7, 0.95), 0.08, 0.0, 0.35),
    Instrument("congas", (0, 32), (62, 64), 3, "beat", LIVELY, (84, 126), bank=128, kit=(62, 63, 64)),
    Instrument("drum", (0, 8, 16, 32), (35, 51), 17, "beat", LIVELY, (84, 130), bank=128, kit=(36, 38, 42, 45, 48, 49)),
    Instrument("electric_bass", (33, 34), (28, 52), 14, "plucked", FLOWING, (80, 120), (0.85, 1.0)),
    Instrument(
        "guzheng", (107,), (50, 86), 19, "plucked", FLOWING, (72, 116), (0.9, 1.0), 0.2, 0.2, stand_in="koto (GM 107)"
    ),
    Instrument("piano", (0, 1), (40, 84), 24, "keys", FLOWING, (76, 132), (0.85, 1.0)),
    Instrument(
        "pipa", (106,), (55, 84), 15, "plucked", LIVELY, (84, 126), (0.8, 1.0), 0.1, 0.1, stand_in="shamisen (GM 106)"
    ),
    Instrument("ukulele", (24,), (60, 81), 15, "strum", LIVELY, (88, 132), (0.9, 1.0), stand_in="nylon guitar (GM 24)"),
)

INSTRUMENTS: dict[str, Instrument] = {instrument.name: instrument for instrument in _ALL}
MUSIC_CLASSES: tuple[str, ...] = tuple(sorted(name for name in list(INSTRUMENTS)[:11]))

DUET_TYPES: tuple[tuple[str, str], ...] = (
    ("acoustic_guitar", "cello"),
    ("acoustic_guitar", "clarinet"),
    ("acoustic_guitar", "saxophone"),
    ("acoustic_guitar", "violin"),
    ("acoustic_guitar", "xylophone"),
    ("flute", "trumpet"),
    ("flute", "violin"),
    ("flute", "xylophone"),
    ("trumpet", "tuba"),
)
