"""Seeded melodies that an instrument could really play: in its compass, rhythm, polyphony and articulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avsep_lib.embedded.instruments import Instrument

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
}
LEAST_GAP_S = 0.03
STEPS = np.array([-4, -3, -2, -1, 0, 1, 2, 3, 4])
STEP_WEIGHTS = np.array([1, 2, 5, 8, 2, 8, 5, 2, 1]) / 34


@dataclass(frozen=True)
class Note:
    """One note: seconds, MIDI key, MIDI velocity; `glide_from` is the key a slide starts at."""

    start: float
    duration: float
    key: int
    velocity: int
    glide_from: int | None = None


@dataclass(frozen=True)
class Piece:
    """What the performers of one video agree on."""

    tonic: int
    scale: str
    tempo: float

    @property
    def beat(self) -> float:
        """Seconds per beat."""
        return 60.0 / self.tempo


def choose_piece(players: list[Instrument], rng: np.random.Generator) -> Piece:
    """Draw key, scale and a tempo that suits every player."""
    low = max(player.tempo[0] for player in players)
    high = max(min(player.tempo[1] for player in players), low + 1)
    scale = "pentatonic" if players[0].name in ("erhu", "guzheng", "pipa") else str(rng.choice(list(SCALES)[:3]))
    return Piece(int(rng.integers(12)), scale, float(rng.uniform(low, high)))


def compose(player: Instrument, piece: Piece, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Notes of one player for at least `seconds`, sorted by start time.

    Parameters
    ----------
    player : Instrument
        Gives compass, rhythm and texture.
    piece : Piece
        Key and tempo.
    seconds : float
        Time to fill, from 0.
    rng : numpy.random.Generator
        All decisions come from it.
    """
    if player.texture == "beat":
        return _beat(player, piece, seconds, rng)
    ladder = _ladder(player, piece, rng)
    tune = _tune(player, piece, ladder, seconds, rng)
    add = {
        "strum": _strum,
        "arpeggio": _arpeggio,
        "bellows": _bellows,
        "strikes": _strikes,
        "keys": _left_hand,
        "bursts": _bursts,
    }
    notes = add[player.texture](tune, player, piece, ladder, rng) if player.texture in add else tune
    return sorted(notes, key=lambda note: (note.start, note.key))


def _ladder(player: Instrument, piece: Piece, rng: np.random.Generator) -> list[int]:
    """Scale tones of the register this video keeps to."""
    low, high = player.compass
    if low == high:  # a percussion key
        return [low]
    span = min(player.span, high - low)
    base = int(rng.integers(low, high - span + 1))
    tones = {(piece.tonic + step) % 12 for step in SCALES[piece.scale]}
    return [key for key in range(base, base + span + 1) if key % 12 in tones]


def _walk(ladder: list[int], place: int, rng: np.random.Generator) -> int:
    """Next place on the ladder: mostly steps, some leaps, reflected at both ends."""
    last = len(ladder) - 1
    place = abs(place + int(rng.choice(STEPS, p=STEP_WEIGHTS)))
    return max(0, place if place <= last else 2 * last - place)


def _lengths(player: Instrument, piece: Piece, seconds: float, rng: np.random.Generator) -> list[float]:
    """Note lengths in beats that fill `seconds`; short ones come in groups that add up to whole beats."""
    beats, weights = np.array([length for length, _ in player.rhythm]), np.array([w for _, w in player.rhythm], float)
    lengths: list[float] = []
    while sum(lengths) * piece.beat < seconds:
        length = float(rng.choice(beats, p=weights / weights.sum()))
        lengths += [length] * (round(1 / length) if length in (0.25, 0.5) else 1)
    return lengths


def _tune(player: Instrument, piece: Piece, ladder: list[int], seconds: float, rng: np.random.Generator) -> list[Note]:
    """A single line with phrases that swell and fade, short breaths, and slides where the instrument slides."""
    place = int(rng.integers(len(ladder)))
    phrase, start, notes = rng.uniform(2.5, 5.0), 0.0, []
    accent = rng.integers(74, 96)
    for length in _lengths(player, piece, seconds, rng):
        place = _walk(ladder, place, rng)
        duration = length * piece.beat
        arch = np.sin(np.pi * (start % phrase) / phrase)
        velocity = int(np.clip(accent + 18 * arch + rng.normal(0, 5), 40, 122))
        sounding = max(duration * rng.uniform(*player.gate) - LEAST_GAP_S, 0.06)
        before = notes[-1].key if notes and rng.random() < player.slide else None
        timing = max(0.0, start + rng.normal(0, 0.006))
        notes.append(
            Note(timing, min(sounding, 3.0), ladder[place], velocity, before if before != ladder[place] else None)
        )
        start += duration
    return notes


def _chord(ladder: list[int], root: int, size: int) -> list[int]:
    """Stacked thirds on ladder place `root`, folded into the ladder."""
    return sorted({ladder[(root + 2 * third) % len(ladder)] for third in range(size)})


def _bars(tune: list[Note], piece: Piece, beats: float) -> list[tuple[float, float]]:
    """(start, length) of harmonic units of `beats` beats covering the tune."""
    unit = beats * piece.beat
    return [(k * unit, unit) for k in range(int(tune[-1].start // unit) + 1)]


def _strum(
    tune: list[Note], player: Instrument, piece: Piece, ladder: list[int], rng: np.random.Generator
) -> list[Note]:
    """Guitar and ukulele: strummed chords in eighths, or fingerpicking, or a tune over bass notes."""
    style = rng.choice(["strum", "pick", "tune"])
    if style == "pick":
        return _arpeggio(tune, player, piece, ladder, rng)
    notes = list(tune) if style == "tune" else []
    for start, length in _bars(tune, piece, 2):
        chord = _chord(ladder, int(rng.integers(len(ladder))), 4)
        slots = (0,) if style == "tune" else (0, 0.25, 0.5, 0.75)
        for slot in slots:
            if slot == 0 or rng.random() < 0.8:
                down = slot in (0, 0.5)
                keys = chord if down else chord[::-1][:3]
                soft = -14 if style == "tune" else -4
                notes += [
                    Note(
                        start + slot * length + 0.012 * k,
                        length * (1 - slot) * 0.95,
                        key,
                        int(rng.integers(72, 104)) + soft,
                    )
                    for k, key in enumerate(keys)
                ]
    return notes


def _arpeggio(
    tune: list[Note], player: Instrument, piece: Piece, ladder: list[int], rng: np.random.Generator
) -> list[Note]:
    """Rolling picked chords: banjo rolls, fingerstyle guitar."""
    notes, step = [], piece.beat / (4 if piece.tempo < 100 else 3)
    for start, length in _bars(tune, piece, 2):
        chord = _chord(ladder, int(rng.integers(len(ladder))), 4)
        order = rng.permutation(len(chord))
        for k in range(int(length / step)):
            key = chord[order[k % len(order)]]
            notes.append(Note(start + k * step, step * 2.2, key, int(rng.integers(76, 112))))
    return notes


def _bellows(
    tune: list[Note], player: Instrument, piece: Piece, ladder: list[int], rng: np.random.Generator
) -> list[Note]:
    """Accordion: the tune, thirds under it now and then, and chords in the left hand."""
    notes = list(tune)
    notes += [
        Note(note.start, note.duration, ladder[max(ladder.index(note.key) - 2, 0)], note.velocity - 12)
        for note in tune
        if rng.random() < 0.45
    ]
    held = rng.random() < 0.5
    for start, length in _bars(tune, piece, 2):
        chord = [key - 12 for key in _chord(ladder[:7], int(rng.integers(7)), 3)]
        beats = ((0.0, 0.95),) if held else ((0.25, 0.2), (0.75, 0.2))
        notes += [
            Note(start + at * length, long * length, key, int(rng.integers(58, 78)))
            for at, long in beats
            for key in chord
        ]
    return notes


def _strikes(
    tune: list[Note], player: Instrument, piece: Piece, ladder: list[int], rng: np.random.Generator
) -> list[Note]:
    """Xylophone: long notes become fast repeated strikes, some doubled in thirds or octaves."""
    notes = []
    step = piece.beat / (4 if piece.tempo < 126 else 3)
    double = int(rng.choice([0, 2, 2, 3]))
    for note in tune:
        count = max(1, round(note.duration / step))
        second = ladder[max(ladder.index(note.key) - double, 0)]
        for k in range(count):
            key = note.key if k % 2 == 0 or not double else second
            notes.append(
                Note(note.start + k * step, 0.12, key, int(np.clip(note.velocity + rng.normal(4, 6), 50, 124)))
            )
    return notes


def _left_hand(
    tune: list[Note], player: Instrument, piece: Piece, ladder: list[int], rng: np.random.Generator
) -> list[Note]:
    """Piano: broken chords an octave below the tune."""
    low = [max(key - 12, 28) for key in ladder[:8]]
    return list(tune) + [
        Note(note.start, note.duration, note.key, note.velocity - 18)
        for note in _arpeggio(tune, player, piece, low, rng)
    ]


def _bursts(
    tune: list[Note], player: Instrument, piece: Piece, ladder: list[int], rng: np.random.Generator
) -> list[Note]:
    """Calls of a few events, then a pause: telephones ring, birds chirp, guns are fired."""
    notes, start, end = [], 0.0, tune[-1].start + tune[-1].duration
    usual = int(rng.integers(2, 6))
    while start < end:
        call = tune[int(rng.integers(len(tune)))]
        for _ in range(max(1, usual + int(rng.integers(-1, 2)))):
            notes.append(Note(start, call.duration, call.key, int(np.clip(call.velocity + rng.normal(4, 6), 50, 124))))
            start += call.duration + LEAST_GAP_S
        start += float(rng.uniform(0.15, 0.8))
    return notes


def _beat(player: Instrument, piece: Piece, seconds: float, rng: np.random.Generator) -> list[Note]:
    """A one-bar pattern in sixteenths, repeated with small changes."""
    step, kit = piece.beat / 4, player.kit
    chance = [0.9 if slot % 4 == 0 else 0.55 if slot % 2 == 0 else 0.25 for slot in range(16)]
    pattern = [int(rng.choice(kit)) if rng.random() < chance[slot] else 0 for slot in range(16)]
    notes = []
    for k in range(int(seconds / step) + 1):
        key = pattern[k % 16] if rng.random() < 0.85 else int(rng.choice(kit))
        if key:
            notes.append(Note(k * step, 0.3, key, int(rng.integers(74, 118)) + (8 if k % 4 == 0 else 0)))
    return notes
