"""The wild classes: eighty of them, each with a look and a sound of its own, among noise and clutter."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from avsep_lib.embedded.catalogue import SETS, instrument
from avsep_lib.embedded.drawing.scene import Scene
from avsep_lib.embedded.drawing.stage import PROPS
from avsep_lib.embedded.drawing.things import MUTE, SOUNDING, designs
from avsep_lib.embedded.instruments import INSTRUMENTS, MUSIC_CLASSES
from avsep_lib.embedded.melody import choose_piece, compose
from avsep_lib.embedded.performance import perform
from avsep_lib.embedded.plan import Clip
from avsep_lib.embedded.recording import choose_recording
from avsep_lib.embedded.seeds import generator
from avsep_lib.embedded.settings import EmbeddedSettings
from avsep_lib.embedded.synth import render
from avsep_lib.embedded.wild import WILD

NO_DUETS = {"train": 0, "val": 0, "test": 0}
SMALL = {
    "classes": ["wild"],
    "videos_per_class": {"train": 4, "val": 2, "test": 2, "pretrain": 1},
    "duets": NO_DUETS,
    "seconds": 3.0,
    "fps": 2,
    "frame_size": 48,
    "sample_rate": 11025,
    "noise_db": [-30.0, -12.0],
    "clutter": [6, 10],
}
# Holes of the font in the compass of an instrument of MUSIC: the player rests there (the clips are frozen).
MISSING_KEYS = {"saxophone": ((65, 64), (67, 80))}
AUDIBLE_HZ = 5500.0  # what is left at the paper's sample rate


def clip_of(name: str, split: str = "train", index: int = 0) -> Clip:
    return Clip((name,), split, index, 1234)


def test_eighty_classes_of_three_kinds():
    assert len(WILD) == 80
    effects = [player for player in WILD.values() if player.bank == 0 and player.programs[0] in range(119, 128)]
    struck = [player for player in WILD.values() if player.bank == 128]
    melodic = [player for player in WILD.values() if player not in effects and player not in struck]
    assert (len(effects), len(struck), len(melodic)) == (9, 41, 30)
    assert {player.programs for player in effects} == {(program,) for program in range(119, 128)}
    assert len({player.compass for player in struck}) == 41  # every key its own class
    taken = {(player.bank, program) for player in INSTRUMENTS.values() for program in player.programs}
    presets = [(player.bank, program) for player in melodic for program in player.programs]
    assert not taken & set(presets)
    assert len(set(presets)) == len(presets)
    assert not set(WILD) & set(INSTRUMENTS)


@pytest.mark.parametrize(("name", "count"), [("music", 11), ("music21", 21), ("wild", 80)])
def test_set_names_stand_for_their_classes(name, count):
    settings = EmbeddedSettings.from_dict({"classes": [name], "duets": NO_DUETS})
    assert settings.classes == SETS[name]
    assert len(settings.classes) == count
    listed = EmbeddedSettings.from_dict({"classes": list(settings.classes), "duets": NO_DUETS})
    assert listed == settings
    assert EmbeddedSettings().classes == MUSIC_CLASSES
    both = EmbeddedSettings.from_dict({"classes": ["flute", "gunshot"], "duets": NO_DUETS})
    assert both.classes == ("flute", "gunshot")


@pytest.mark.parametrize("name", sorted(WILD))
def test_notes_keep_to_the_reach_and_never_pause_for_long(name):
    player = instrument(name)
    for index in range(4):
        rng = generator("wild reach", name, index)
        notes = compose(player, choose_piece([player], rng), 6.0, rng)
        low = player.compass[0] - (12 if player.texture == "keys" else 0)
        assert all(low <= note.key <= player.compass[1] for note in notes)
        assert all(0 < note.velocity < 128 and note.duration > 0 for note in notes)
        ends = np.maximum.accumulate([note.start + note.duration for note in notes])
        assert notes[0].start < 0.1
        assert (np.array([note.start for note in notes[1:]]) - ends[:-1]).max() < 1.5
        assert ends[-1] > 4.5


@pytest.mark.parametrize("name", sorted(INSTRUMENTS | WILD))
def test_every_key_of_every_preset_sounds(name):
    """Some presets of the font end in the middle of the keyboard; one such key used to leave a clip half silent."""
    player, font = instrument(name), EmbeddedSettings().soundfont_path()
    rng = generator("any note", name)
    notes = compose(player, choose_piece([player], rng), 1.0, rng)
    for program in player.programs:
        for key in {*player.compass, sum(player.compass) // 2, *player.kit}:
            note = dataclasses.replace(notes[0], start=0.0, duration=0.4, key=key, velocity=96, glide_from=None)
            if (program, key) not in MISSING_KEYS.get(name, ()):
                assert np.abs(render([note], player, program, 0.5, 11025, font)).max() > 1e-3


def test_clips_are_audible_below_the_paper_s_band_edge_and_do_not_clip():
    settings = EmbeddedSettings.from_dict(SMALL | {"noise_db": [-90.0, -90.0], "sample_rate": 22050})
    frequency = np.fft.rfftfreq(settings.n_samples, 1 / settings.sample_rate)
    for name in WILD:
        sound = perform(clip_of(name), settings).sound
        power = np.abs(np.fft.rfft(sound)) ** 2
        assert np.abs(sound).max() <= 0.98
        assert -28 < 10 * np.log10(np.mean(sound**2)) < -20
        assert power[frequency < AUDIBLE_HZ].sum() > 0.05 * power.sum(), name
        slots = sound[: len(sound) // 20 * 20].reshape(20, -1) ** 2
        assert (slots.mean(axis=1) > 10**-2.5 * np.mean(sound**2)).mean() >= 0.4, name


def test_noise_is_drawn_between_the_levels_and_leaves_the_rest_alone():
    loud = [choose_recording(seed, (-30.0, -12.0)) for seed in range(200)]
    quiet = [choose_recording(seed) for seed in range(200)]
    assert -30 <= min(r.noise_db for r in loud) < -29
    assert -13 < max(r.noise_db for r in loud) <= -12
    assert all(-52 <= r.noise_db <= -36 for r in quiet)
    assert [dataclasses.replace(r, noise_db=0.0) for r in loud] == [dataclasses.replace(r, noise_db=0.0) for r in quiet]


def test_every_class_has_a_look_of_its_own_that_no_mute_object_has():
    looks = {(id(design.outline), design.texture) for design in designs().values()}
    assert set(designs()) == set(WILD)
    assert len(looks) == 80
    assert not {id(outline) for outline in MUTE.values()} & {outline for outline, _ in looks}
    assert not set(MUTE) & set(SOUNDING)
    assert not set(designs()) & set(PROPS)


def test_only_clutter_changes_the_picture_and_only_when_asked_for():
    settings = EmbeddedSettings.from_dict(SMALL | {"frame_size": 96, "clutter": [0, 0]})
    for name in ("gunshot", "flute"):
        performance = perform(clip_of(name), settings)
        scene = (performance.players, performance.notes, performance.piece, performance.drawing_seed, 96)
        plain, same, strewn = (Scene(*scene, *clutter).frame(0.0) for clutter in ((), ((0, 0),), ((8, 8),)))
        assert np.array_equal(plain, same)
        assert (np.abs(plain.astype(int) - strewn).max(axis=2) > 40).mean() > 0.05


def test_object_moves_with_its_sound():
    """Right after an onset the object has jumped; the picture differs more than between two moments of a pause."""
    settings = EmbeddedSettings.from_dict(SMALL | {"frame_size": 96})
    jumped = []
    for index in range(8):
        performance = perform(clip_of("gunshot", index=index), settings)
        scene = Scene(performance.players, performance.notes, performance.piece, performance.drawing_seed, 96, (6, 10))
        starts = [note.start for note in performance.notes[0]]
        onset = next(b for a, b in pairwise(starts) if a > 0 and b - a > 0.3)
        before, rest, hit = (scene._drawn(onset - back).astype(float) for back in (0.1, 0.05, -0.01))
        jumped.append(np.abs(hit - rest).mean() > 1.5 * np.abs(rest - before).mean())
    assert np.mean(jumped) > 0.7


@pytest.fixture(scope="module")
def pictures():
    """Frames (clip, frame, 48, 48, 3), class numbers and whether they are for testing: every tenth class."""
    settings = EmbeddedSettings.from_dict(SMALL | {"seconds": 2.0, "fps": 2})
    names = sorted(WILD)[::10]
    clips = [("train", index) for index in range(14)] + [("test", index) for index in range(8)]
    made = [
        (np.stack(list(perform(clip_of(name, *clip), settings).frames())), number, clip[0] == "test")
        for number, name in enumerate(names)
        for clip in clips
    ]
    return tuple(map(np.stack, zip(*made)))


@pytest.mark.slow
def test_class_is_not_in_mean_colour(pictures):
    from sklearn.linear_model import LogisticRegression

    frames, labels, test = pictures
    colours = frames.mean(axis=(1, 2, 3)) / 25
    probe = LogisticRegression(max_iter=2000, C=10.0)
    assert probe.fit(colours[~test], labels[~test]).score(colours[test], labels[test]) <= 1 / 8 + 0.10
    tinted = colours + 3 * (labels[:, None] >> np.arange(3) & 1)
    assert probe.fit(tinted[~test], labels[~test]).score(tinted[test], labels[test]) > 1 / 8 + 0.10


@pytest.mark.slow
def test_class_is_in_the_pictures(pictures):
    """A small CNN, colour-blind by augmentation, finds the object among clutter in unseen videos."""
    import torch
    from torch import nn

    frames, labels, test = pictures
    torch.manual_seed(0)
    images = torch.from_numpy(frames).permute(0, 1, 4, 2, 3).float() / 255 - 0.5
    train, y = torch.from_numpy(~test), torch.from_numpy(labels)
    x, target = images[train].flatten(0, 1), y[train].repeat_interleave(images.shape[1])
    layers = []
    for c_in, c_out in ((3, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out), nn.ReLU(), nn.MaxPool2d(2)]
    net = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 8))
    epochs, batch = 30, 32
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=epochs * (len(x) // batch))
    for _ in range(epochs):
        for chosen in torch.randperm(len(x))[: len(x) // batch * batch].split(batch):
            sign = torch.randint(0, 2, (batch, 1, 1, 1)) * 2 - 1
            seen = x[chosen][:, torch.randperm(3)] * sign
            loss = nn.functional.cross_entropy(net(seen if torch.rand(()) < 0.5 else seen.flip(3)), target[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        votes = net(images[~train].flatten(0, 1)).softmax(1).view(-1, images.shape[1], 8).mean(1)
    accuracy = (votes.argmax(1) == y[~train]).float().mean().item()
    assert accuracy > 0.6, accuracy
