"""Notes to sound: a SoundFont played by tinysoundfont, with slides, vibrato and swells as MIDI controllers."""

from __future__ import annotations

from functools import lru_cache
from math import pi, sin
from pathlib import Path

import numpy as np

from avsep_lib.embedded.instruments import Instrument
from avsep_lib.embedded.melody import Note
from avsep_lib.errors import DataError

BEND_RANGE = 12.0  # semitones each way
CONTROL_S = 0.01
FADES_S = 0.05  # after which a voice that was cut off is gone
EXPRESSION = 11  # MIDI controller for dynamics inside a note


@lru_cache(maxsize=256)
def preset_name(soundfont: Path, bank: int, program: int) -> str:
    """Name of a preset; a font that lacks it is a `DataError`."""
    synth, font = _open(soundfont, 22050)
    name = synth.sfpreset_name(font, bank, program)
    if name is None:
        raise DataError(f"SoundFont {soundfont} has no preset {program} in bank {bank}; name a General-MIDI font")
    return name.strip()


def render(
    notes: list[Note],
    player: Instrument,
    program: int,
    seconds: float,
    sample_rate: int,
    soundfont: Path,
    vibrato_hz: float = 5.5,
) -> np.ndarray:
    """Play `notes` on one preset.

    Parameters
    ----------
    notes : list of Note
        Sorted by start time.
    player : Instrument
        Gives bank, vibrato depth and swell.
    program : int
        General-MIDI program.
    seconds : float
        Length to render.
    sample_rate : int
        In Hz.
    soundfont : Path
        The font to play.
    vibrato_hz : float
        Vibrato rate.

    Returns
    -------
    numpy.ndarray, shape (round(seconds * sample_rate),), float64
        Mono sound, both channels averaged.

    Raises
    ------
    DataError
        If the font cannot be read or has no such preset.
    """
    preset_name(soundfont, player.bank, program)
    synth, font = _open(soundfont, sample_rate)
    _forget(synth, font, sample_rate)
    synth.program_select(0, font, player.bank, program, player.bank == 128)
    synth.pitchbend_range(0, BEND_RANGE)
    length = round(seconds * sample_rate)
    step = round(CONTROL_S * sample_rate)
    events = _events(notes)
    sound = np.empty((-(-length // step) * step, 2), np.float32)
    view, place, current = memoryview(sound).cast("B"), 0, None
    for first in range(0, len(sound), step):
        now = first / sample_rate
        while place < len(events) and events[place][0] < now + CONTROL_S:
            _, on, note = events[place]
            place += 1
            if on:
                current = note
                synth.noteon(0, note.key, note.velocity)
            else:
                synth.noteoff(0, note.key)
        if current is not None:
            _express(synth, player, current, now, vibrato_hz)
        synth.generate_simple(step, view[first * 8 : (first + step) * 8])
    left, right = sound[:length].T.astype(np.float64)
    return (left + right) / 2


@lru_cache(maxsize=2)
def _open(soundfont: Path, sample_rate: int) -> tuple[object, int]:
    """A synthesiser with the font: loading it takes as long as playing a clip."""
    import tinysoundfont

    synth = tinysoundfont.Synth(samplerate=sample_rate)
    try:
        return synth, synth.sfload(soundfont.read_bytes())
    except Exception as error:  # tinysoundfont raises RuntimeError or its own class
        raise DataError(f"{soundfont} is not a readable SoundFont ({error}); name another .sf2 file") from error


def _forget(synth: object, font: int, sample_rate: int) -> None:
    """Make a synthesiser as if fresh: drop all controllers, end all voices and play their fades (0.01 s) to nobody."""
    synth.soundfonts[font].reset()
    synth.generate_simple(round(FADES_S * sample_rate))


def _events(notes: list[Note]) -> list[tuple[float, bool, Note]]:
    """Note-offs before note-ons at the same time, in time order."""
    events = [(note.start, True, note) for note in notes]
    events += [(note.start + note.duration, False, note) for note in notes]
    return sorted(events, key=lambda event: (event[0], event[1], event[2].key))


def _express(synth: object, player: Instrument, note: Note, now: float, vibrato_hz: float) -> None:
    """Set pitch bend (slide, then delayed vibrato) and expression for the note that sounds."""
    age = max(now - note.start, 0.0)
    bend = 0.0
    if note.glide_from is not None:
        bend += min(max(note.glide_from - note.key, -BEND_RANGE), BEND_RANGE) * max(0.0, 1.0 - age / 0.12)
    if player.vibrato:
        bend += player.vibrato * min(1.0, max(0.0, age - 0.15) / 0.3) * sin(2 * pi * vibrato_hz * age)
    if player.vibrato or player.slide:
        synth.pitchbend(0, int(min(max(8192 + 8191 * bend / BEND_RANGE, 0), 16383)))
    if player.swell:
        shape = sin(pi * min(1.0, age / max(note.duration, 0.1)))
        synth.control_change(0, EXPRESSION, int(127 * (1 - player.swell * (1 - shape) * 0.8)))
