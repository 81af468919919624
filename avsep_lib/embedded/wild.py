"""Eighty classes in VGGSound's place: sound effects, percussion keys, and melodic presets no instrument of MUSIC uses.

VGGSound cannot be redistributed and its videos are vanishing. What makes it harder than MUSIC is imitated: many
classes, few videos of each, events beside melodies, background noise and cluttered pictures. It is no copy of it.

Classes that a melody cannot tell apart are left out: of keys that differ in pitch only, General MIDI's percussion map
has many (six toms, two crashes), so some of Roland's GS extension (keys 27 to 34 and 82 to 87) stand in for them. So
are maracas and the muted triangle, which sound above 6 kHz only and vanish at the paper's sample rate.

References
----------
Chen et al. 2020, "VGGSound", doi:10.1109/ICASSP40776.2020.9053174. MIDI Association, General MIDI 1 sound set.
"""

from __future__ import annotations

from avsep_lib.embedded.instruments import CALM, FLOWING, LIVELY, SLOW, Instrument

DRONE = ((2.0, 2), (3.0, 3), (4.0, 2))
CALLS = ((0.5, 3), (1.0, 2))

# name: program, lowest and highest key, texture, rhythm, beats per minute
_EFFECTS = {
    "reverse_cymbal": (119, 40, 60, "line", DRONE, (72, 108)),
    "guitar_fret_noise": (120, 40, 64, "bursts", CALLS, (120, 200)),
    "breath_noise": (121, 48, 76, "bursts", CALLS, (60, 110)),
    "seashore": (122, 43, 67, "line", DRONE, (60, 90)),
    "bird_tweet": (123, 36, 50, "bursts", CALLS, (110, 190)),
    "telephone_ring": (124, 40, 58, "bursts", ((0.25, 1),), (100, 130)),
    "helicopter": (125, 48, 72, "line", DRONE, (50, 80)),
    "applause": (126, 48, 72, "line", DRONE, (50, 80)),
    "gunshot": (127, 40, 62, "bursts", CALLS, (90, 160)),
}

_SHORT, _LONG = (LIVELY, (80, 126)), (CALM, (96, 150))
_KITS = (0, 8, 16)  # standard, room, power

# key of the percussion bank: name; those that ring are struck less often
_STRUCK = {
    28: "slap", 29: "record_scratch", 31: "drum_sticks", 35: "bass_drum", 37: "side_stick", 38: "snare_drum",
    39: "hand_clap", 41: "floor_tom", 42: "closed_hi_hat", 48: "high_tom", 54: "tambourine", 56: "cowbell",
    60: "high_bongo", 61: "low_bongo", 65: "high_timbale", 66: "low_timbale", 67: "high_agogo", 68: "low_agogo",
    69: "cabasa", 71: "short_whistle", 73: "short_guiro", 75: "claves", 76: "high_wood_block", 77: "low_wood_block",
    78: "mute_cuica", 79: "open_cuica", 83: "jingle_bell", 85: "castanets",
}  # fmt: skip
_RINGING = {
    34: "metronome_bell", 46: "open_hi_hat", 49: "crash_cymbal", 51: "ride_cymbal", 52: "chinese_cymbal",
    53: "ride_bell", 55: "splash_cymbal", 58: "vibraslap", 72: "long_whistle", 74: "long_guiro", 81: "triangle",
    84: "bell_tree", 87: "surdo",
}  # fmt: skip

# name: programs, lowest and highest key, texture, rhythm; held notes end in their vibrato depth and swell
_PRESETS = {
    "celesta": ((8,), 60, 96, "line", FLOWING),
    "choir": ((52, 53), 48, 79, "line", SLOW, 0.1, 0.4),
    "church_organ": ((19,), 48, 84, "keys", SLOW),
    "clavinet": ((7,), 40, 76, "plucked", LIVELY),
    "distortion_guitar": ((29, 30), 40, 76, "plucked", FLOWING),
    "drawbar_organ": ((16, 17), 48, 84, "keys", FLOWING),
    "dulcimer": ((15,), 55, 84, "strikes", LIVELY),
    "electric_piano": ((4, 5), 40, 84, "keys", FLOWING),
    "french_horn": ((60,), 41, 72, "line", CALM, 0.0, 0.4),
    "glockenspiel": ((9,), 65, 91, "line", LIVELY),
    "harmonica": ((22,), 60, 88, "line", FLOWING, 0.15, 0.35),
    "harp": ((46,), 36, 88, "arpeggio", LIVELY),
    "harpsichord": ((6,), 41, 84, "keys", FLOWING),
    "jazz_guitar": ((26, 27), 40, 76, "strum", FLOWING),
    "kalimba": ((108,), 55, 84, "line", LIVELY),
    "oboe": ((68,), 58, 89, "line", FLOWING, 0.15, 0.35),
    "ocarina": ((79,), 60, 88, "line", FLOWING, 0.05, 0.3),
    "pan_flute": ((75,), 60, 88, "line", FLOWING, 0.05, 0.3),
    "pizzicato_strings": ((45,), 40, 84, "line", FLOWING),
    "recorder": ((74,), 67, 93, "line", FLOWING, 0.05, 0.3),
    "shenai": ((111,), 58, 84, "line", FLOWING, 0.1, 0.2),
    "sitar": ((104,), 48, 77, "plucked", FLOWING),
    "slap_bass": ((36, 37), 28, 55, "plucked", LIVELY),
    "steel_drums": ((114,), 52, 84, "line", LIVELY),
    "string_ensemble": ((48, 49), 40, 84, "line", SLOW, 0.0, 0.4),
    "timpani": ((47,), 36, 57, "strikes", SLOW),
    "tin_whistle": ((78,), 60, 78, "line", FLOWING, 0.1, 0.2),
    "trombone": ((57,), 40, 70, "line", FLOWING, 0.05, 0.35),
    "tubular_bells": ((14,), 60, 79, "line", CALM),
    "vibraphone": ((11,), 53, 89, "line", FLOWING),
}


def _effect(name: str, program: int, low: int, high: int, texture: str, rhythm: tuple, tempo: tuple) -> Instrument:
    return Instrument(name, (program,), (low, high), 12, texture, rhythm, tempo, (0.95, 1.0))


def _percussion(name: str, key: int) -> Instrument:
    """One key of the percussion bank: a line that stays on it."""
    rhythm, tempo = _LONG if key in _RINGING else _SHORT
    return Instrument(name, _KITS, (key, key), 0, "line", rhythm, tempo, (0.8, 1.0), bank=128)


def _preset(
    name: str,
    programs: tuple,
    low: int,
    high: int,
    texture: str,
    rhythm: tuple,
    vibrato: float = 0.0,
    swell: float = 0.0,
) -> Instrument:
    return Instrument(
        name, programs, (low, high), 16, texture, rhythm, (76, 128), (0.85, 1.0), vibrato=vibrato, swell=swell
    )


_ALL = (
    *(_effect(name, *row) for name, row in _EFFECTS.items()),
    *(_percussion(name, key) for key, name in (_STRUCK | _RINGING).items()),
    *(_preset(name, *row) for name, row in _PRESETS.items()),
)

WILD: dict[str, Instrument] = {instrument.name: instrument for instrument in _ALL}
