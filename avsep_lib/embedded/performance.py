"""One performance: who plays which notes, how it sounds, how it looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from avsep_lib.embedded.catalogue import instrument
from avsep_lib.embedded.instruments import Instrument
from avsep_lib.embedded.melody import Note, Piece, choose_piece, compose
from avsep_lib.embedded.plan import Clip
from avsep_lib.embedded.recording import Recording, choose_recording, record, rms
from avsep_lib.embedded.seeds import seed_of
from avsep_lib.embedded.settings import EmbeddedSettings
from avsep_lib.embedded.synth import preset_name, render
from avsep_lib.errors import DataError

AUDIBLE = 1e-4  # RMS below which a preset counts as silent
LEAD_S = (1.0, 2.0)  # the clip is cut out of a longer performance, so it opens in mid-music
BALANCE_DB = 3.0  # largest loudness difference between the players of a duet


@dataclass(frozen=True)
class Performance:
    """A performance ready to be written.

    Attributes
    ----------
    players : list of Instrument
        One or two.
    notes : list of list of Note
        Notes per player, in clip time (the first may start before 0).
    piece, recording : Piece, Recording
        What the players agreed on; how they were recorded.
    programs, presets : list
        SoundFont presets per player.
    sound : numpy.ndarray, shape (n_samples,)
        The recording, mono.
    drawing_seed : int
        Seed of the pictures.
    settings : EmbeddedSettings
        Frame size, rate and number.
    """

    players: list[Instrument]
    notes: list[list[Note]]
    piece: Piece
    recording: Recording
    programs: list[int]
    presets: list[str]
    sound: np.ndarray
    drawing_seed: int
    settings: EmbeddedSettings

    @property
    def keys(self) -> list[list[int]]:
        """MIDI keys played by each player."""
        return [[note.key for note in notes] for notes in self.notes]

    def frames(self) -> Iterator[np.ndarray]:
        """Yield uint8 pictures of shape (frame_size, frame_size, 3); frame k shows the time k / fps."""
        from avsep_lib.embedded.drawing.scene import Scene

        size, clutter = self.settings.frame_size, self.settings.clutter
        scene = Scene(self.players, self.notes, self.piece, self.drawing_seed, size, clutter)
        for number in range(self.settings.n_frames):
            yield scene.frame(number / self.settings.fps)


def perform(clip: Clip, settings: EmbeddedSettings) -> Performance:
    """Compose, play and record one clip."""
    players = [instrument(name) for name in clip.labels]
    rng = np.random.Generator(np.random.PCG64(clip.seed("melody")))
    piece = choose_piece(players, rng)
    lead = float(rng.uniform(*LEAD_S))
    recording = choose_recording(clip.seed("recording"), settings.noise_db)
    dry, parts, programs = np.zeros(settings.n_samples), [], []
    for number, player in enumerate(players):
        own = np.random.Generator(np.random.PCG64(seed_of(clip.seed("melody"), number)))
        programs.append(int(own.choice(player.programs)))
        notes = compose(player, piece, lead + settings.seconds, own)
        sound = _play(notes, player, programs[-1], lead, settings, float(own.uniform(4.8, 6.2)))
        dry += sound * 10 ** (own.uniform(-BALANCE_DB, BALANCE_DB) / 20)
        parts.append([_shifted(note, lead) for note in notes if note.start < lead + settings.seconds])
    return Performance(
        players=players,
        notes=parts,
        piece=piece,
        recording=recording,
        programs=programs,
        presets=[preset_name(settings.soundfont_path(), p.bank, n) for p, n in zip(players, programs)],
        sound=record(dry, recording, settings.sample_rate),
        drawing_seed=clip.seed("drawing"),
        settings=settings,
    )


def _play(
    notes: list[Note], player: Instrument, program: int, lead: float, settings: EmbeddedSettings, vibrato_hz: float
) -> np.ndarray:
    """Sound of one player at unit RMS, without the lead."""
    font, rate = settings.soundfont_path(), settings.sample_rate
    sound = render(notes, player, program, lead + settings.seconds + 0.1, rate, font, vibrato_hz)
    first = round(lead * rate)
    sound = sound[first : first + settings.n_samples]
    level = rms(sound)
    if level < AUDIBLE:
        raise DataError(
            f"{player.name}: preset {program} of {font} is silent for {settings.seconds} s; name another SoundFont"
        )
    return sound / level


def _shifted(note: Note, lead: float) -> Note:
    return Note(note.start - lead, note.duration, note.key, note.velocity, note.glide_from)
