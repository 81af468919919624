"""The embedded dataset: complete, reproducible, and without shortcuts around listening and looking."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pandas as pd
import psutil
import pytest
import soundfile
from PIL import Image

from avsep_lib.embedded import build, instruments, synth
from avsep_lib.embedded.catalogue import instrument
from avsep_lib.embedded.drawing.stage import PROPS
from avsep_lib.embedded.instruments import INSTRUMENTS, MUSIC_CLASSES
from avsep_lib.embedded.melody import Note, choose_piece, compose
from avsep_lib.embedded.plan import mp4_clips, plan_clips
from avsep_lib.embedded.seeds import generator
from avsep_lib.embedded.settings import EmbeddedSettings
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.files import sha256_file
from avsep_lib.manifest import COLUMNS, read_manifest
from avsep_lib.video import decode_video

REDUCED = {
    "videos_per_class": {"train": 16, "val": 2, "test": 12, "pretrain": 2},
    "duets": {"train": 9, "val": 0, "test": 9},
    "seconds": 2.0,
    "fps": 2,
    "frame_size": 48,
    "sample_rate": 11025,
    "n_mp4": 2,
}
TINY = REDUCED | {
    "classes": ["flute", "erhu", "violin"],
    "videos_per_class": {"train": 2, "val": 2, "test": 2, "pretrain": 1},
    "duets": {"train": 1, "val": 0, "test": 0},
}
CHANCE = 1 / len(MUSIC_CLASSES)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A build with every class, short and small, and its manifest and provenance."""
    manifest = build.build_dataset(EmbeddedSettings.from_dict(REDUCED), tmp_path_factory.mktemp("reduced"), workers=2)
    return manifest.parent, read_manifest(manifest), pd.read_csv(manifest.parent / "provenance.csv")


@pytest.fixture(scope="module")
def solos(dataset):
    """Pictures (clip, frame, height, width, 3), sounds, class numbers and splits of the train and test solos."""
    folder, table, _ = dataset
    table = table[~table.labels.str.contains("|", regex=False) & table.split.isin(["train", "test"])]
    pictures = np.stack([read_frames(folder / row.frames, row.n_frames) for row in table.itertuples()])
    sounds = np.stack([soundfile.read(folder / path)[0] for path in table.audio])
    return pictures, sounds, table.labels.map(MUSIC_CLASSES.index).to_numpy(), table.split.to_numpy()


def read_frames(folder, n_frames):
    return np.stack([np.asarray(Image.open(folder / f"{k:06d}.jpg")) for k in range(1, n_frames + 1)])


def tree(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_manifest_is_complete(dataset):
    folder, table, _ = dataset
    settings = EmbeddedSettings.from_dict(REDUCED)
    assert list(table.columns) == COLUMNS
    counts = table[~table.labels.str.contains("|", regex=False)].groupby(["split", "labels"]).size().unstack("split")
    assert set(counts.index) == set(MUSIC_CLASSES)
    for split, count in settings.videos_per_class.items():
        assert (counts[split] == count).all()
    duets = table[table.labels.str.contains("|", regex=False)]
    assert duets.groupby("split").size().to_dict() == {"train": 9, "test": 9}
    assert duets[duets.split == "train"].labels.nunique() == 9  # every duet type of MUSIC once
    for row in table.itertuples():
        assert sha256_file(folder / row.audio) == row.sha256
        assert len(list((folder / row.frames).iterdir())) == row.n_frames == 4
    info = soundfile.info(folder / table.audio.iloc[0])
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (11025, 1, 22050, "PCM_16")
    assert Image.open(folder / table.frames.iloc[0] / "000001.jpg").size == (48, 48)


def test_no_seed_is_shared(dataset):
    _, _, provenance = dataset
    seeds = provenance[["melody_seed", "recording_seed", "drawing_seed"]].to_numpy().ravel()
    assert len(set(seeds)) == len(seeds)  # hence none is shared by two splits either


def test_stand_ins_are_labelled(dataset):
    _, _, provenance = dataset
    solo = provenance[~provenance.labels.str.contains("|", regex=False)]
    named = solo[solo.stand_in.notna()]
    assert set(named.labels) == {"erhu"}
    assert named.stand_in.str.contains("fiddle").all()
    assert set(provenance[provenance.labels == "erhu"].presets) == {"Fiddle"}


def test_every_clip_sounds_throughout_and_none_clips(dataset):
    folder, table, _ = dataset
    window = int(1.4 * 11025)
    for path in table.audio:
        sound, _ = soundfile.read(folder / path)
        power = np.concatenate([[0.0], np.cumsum(sound**2)])
        quietest = 10 * np.log10((power[window:] - power[:-window]).min() / window)
        assert quietest > -45, f"{path}: {quietest:.1f} dBFS"
        assert np.abs(sound).max() < 0.99


def test_class_is_not_in_mean_colour(solos):
    pictures, _, labels, splits = solos
    score = logistic_score(pictures.mean(axis=(1, 2, 3)) / 25, labels, splits)
    assert score <= CHANCE + 0.10


def test_class_is_not_in_loudness(solos):
    _, sounds, labels, splits = solos
    level = 20 * np.log10(np.sqrt((sounds**2).mean(axis=1)))
    assert logistic_score(level[:, None] / 2, labels, splits) <= CHANCE + 0.10


def test_shortcut_probe_can_fail(solos):
    """The probe used above does find a class that is in the mean colour."""
    pictures, _, labels, splits = solos
    tinted = pictures.mean(axis=(1, 2, 3)) + 60 * np.eye(3)[labels % 3]
    assert logistic_score(tinted / 25, labels, splits) > CHANCE + 0.10


def logistic_score(features, labels, splits):
    from sklearn.linear_model import LogisticRegression

    train = splits == "train"
    model = LogisticRegression(max_iter=2000, C=10.0).fit(features[train], labels[train])
    return model.score(features[~train], labels[~train])


@pytest.mark.slow
def test_class_is_in_the_pictures(solos):
    """A small CNN, colour-blind by augmentation, tells the instruments of unseen videos apart."""
    import torch
    from torch import nn

    pictures, _, labels, splits = solos
    torch.manual_seed(0)
    images = torch.from_numpy(pictures).permute(0, 1, 4, 2, 3).float() / 255 - 0.5
    train = torch.from_numpy(splits == "train")
    x, y = images[train].flatten(0, 1), torch.from_numpy(labels)[train].repeat_interleave(images.shape[1])
    layers = []
    for c_in, c_out in ((3, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out), nn.ReLU(), nn.MaxPool2d(2)]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 9, len(MUSIC_CLASSES)))
    epochs, batch = 14, 64
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=epochs * (len(x) // batch))
    for _ in range(epochs):
        for chosen in torch.randperm(len(x))[: len(x) // batch * batch].split(batch):
            shift = torch.randint(-4, 5, (2,)).tolist()
            sign = torch.randint(0, 2, (batch, 1, 1, 1)) * 2 - 1
            seen = torch.roll(x[chosen][:, torch.randperm(3)] * sign, shift, (2, 3))
            loss = nn.functional.cross_entropy(net(seen), y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        votes = net(images[~train].flatten(0, 1)).softmax(1).view(-1, images.shape[1], len(MUSIC_CLASSES)).mean(1)
    accuracy = (votes.argmax(1) == torch.from_numpy(labels)[~train]).float().mean().item()
    assert accuracy > 0.8


def test_frames_move(solos):
    pictures, _, _, _ = solos
    change = np.abs(np.diff(pictures.astype(float), axis=1)).mean(axis=(2, 3, 4))
    still = np.abs(np.diff(pictures[:, :, :4, :4].astype(float), axis=1)).mean(axis=(2, 3, 4))
    assert np.median(change) > 1.5 * np.median(still)  # more than the camera's noise in a corner


def test_mp4_agrees_with_frames_and_audio(dataset):
    folder, table, _ = dataset
    videos = sorted((folder / "video").glob("*.mp4"))
    assert [path.stem.split("_")[0] for path in videos] == ["test", "train"]
    for path in videos:
        row = table[table.clip_id == path.stem].iloc[0]
        frames, audio = decode_video(path, row.fps, row.sample_rate)
        written = read_frames(folder / row.frames, row.n_frames).astype(float)
        assert frames.shape == written.shape
        assert frames.dtype == np.uint8
        # the frame's own number matches best, and well
        errors = [[((a - b) ** 2).mean() for b in written] for a in frames.astype(float)]
        assert np.argmin(errors, axis=1).tolist() == list(range(row.n_frames))
        assert 10 * np.log10(255**2 / max(np.diag(errors))) > 28
        sound, _ = soundfile.read(folder / row.audio)
        assert len(audio) == len(sound)
        lag, correlation = best_lag(sound, audio)
        assert lag == 0  # samples
        assert correlation > 0.99


def best_lag(reference, other, most=200):
    """Lag in samples at which `other` correlates best with `reference`, and that correlation."""
    middle = slice(most, len(reference) - most)
    scores = {
        lag: np.corrcoef(reference[middle], other[middle.start + lag : middle.stop + lag])[0, 1]
        for lag in range(-most, most + 1)
    }
    lag = max(scores, key=scores.get)
    return lag, scores[lag]


def test_same_bytes_for_any_number_of_workers_and_on_top_of_an_old_build(tmp_path):
    settings = EmbeddedSettings.from_dict(TINY)
    one, two = tmp_path / "one", tmp_path / "two"
    build.build_dataset(dataclasses.replace(settings, seed=5, n_mp4=0), two, workers=1)
    build.build_dataset(settings, one, workers=1)
    build.build_dataset(settings, two, workers=3)
    assert len(tree(one)) > 40
    assert tree(one) == tree(two)


def test_other_classes_and_counts_leave_a_clip_as_it_is(tmp_path):
    """Adding a class or videos never changes existing clips; another seed changes all."""
    few = EmbeddedSettings.from_dict(TINY)
    many = EmbeddedSettings.from_dict(TINY | {"classes": ["tuba", "flute", "erhu", "violin"]})
    shared = {clip.clip_id for clip in plan_clips(few)}
    seeds = {clip.clip_id: clip.seed("melody") for clip in plan_clips(many)}
    assert shared <= set(seeds)
    assert all(seeds[clip.clip_id] == clip.seed("melody") for clip in plan_clips(few))
    assert len(set(seeds.values())) == len(seeds)
    other = {clip.seed("melody") for clip in plan_clips(dataclasses.replace(few, seed=99))}
    assert not other & set(seeds.values())


def test_interrupted_build_leaves_no_manifest(tmp_path, monkeypatch):
    settings = EmbeddedSettings.from_dict(TINY)
    build.build_dataset(settings, tmp_path, workers=1)
    original, calls = build.build_clip, []

    def stop_at_third(clip, **arguments):
        calls.append(clip)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(clip, **arguments)

    monkeypatch.setattr(build, "build_clip", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        build.build_dataset(settings, tmp_path, workers=1)
    assert not (tmp_path / "manifest.csv").exists()  # nor the one of the earlier, complete build


def test_killed_build_leaves_neither_manifest_nor_workers(tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps(REDUCED))
    command = [
        sys.executable,
        "-m",
        "avsep_lib.embedded",
        "--settings",
        "settings.json",
        "--out",
        "out",
        "--workers",
        "2",
    ]
    parent = psutil.Process(subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL).pid)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("frames/*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [child for child in parent.children() if child.is_running()]
    assert len(workers) >= 2
    parent.kill()
    _, alive = psutil.wait_procs([parent, *workers], timeout=20)
    assert not alive
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_foreign_folder_is_not_cleared(tmp_path):
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "mine.wav").write_bytes(b"precious")
    with pytest.raises(ConfigError, match="audio"):
        build.build_dataset(EmbeddedSettings.from_dict(TINY), tmp_path)
    assert (tmp_path / "audio" / "mine.wav").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": 3}, ["colour", "known"]),
        ({"fps": "8"}, ["fps", "'8'"]),
        ({"fps": True}, ["fps"]),
        ({"seconds": 0.5}, ["seconds", "0.5", "2.0"]),
        ({"frame_size": 97}, ["frame_size", "97", "even"]),
        ({"classes": ["flute", "theremin"]}, ["theremin", "violin"]),
        ({"classes": ["flute"]}, ["classes", "two"]),
        ({"classes": ["flute", "flute"]}, ["classes", "different"]),
        ({"classes": "flute"}, ["classes"]),
        ({"videos_per_class": {"train": 2, "val": 2, "test": 1, "pretrain": 1}}, ["test", "1", "at least 2"]),
        ({"videos_per_class": {"train": 2, "val": 2, "test": 2}}, ["pretrain"]),
        ({"videos_per_class": {"train": 2, "val": 2, "test": 2.5, "pretrain": 1}}, ["test", "2.5"]),
        ({"duets": {"train": -1, "val": 0, "test": 0}}, ["train", "-1"]),
        ({"classes": ["erhu", "accordion"]}, ["duets", "erhu"]),
        ({"classes": ["music", "flute"]}, ["classes", "different"]),
        ({"noise_db": [-12.0, -30.0]}, ["noise_db", "smaller one first"]),
        ({"noise_db": [-30.0]}, ["noise_db", "two numbers"]),
        ({"clutter": [2, 90]}, ["clutter", "40"]),
        ({"clutter": 3}, ["clutter"]),
    ],
)
def test_bad_settings_say_what_and_where(change, words):
    with pytest.raises(ConfigError) as caught:
        EmbeddedSettings.from_dict(TINY | change, "my.json")
    for word in words:
        assert word in str(caught.value)


def test_bad_soundfont_is_named(tmp_path):
    settings = EmbeddedSettings.from_dict(TINY | {"soundfont": str(tmp_path / "none.sf2")})
    with pytest.raises(DataError, match=r"none\.sf2 is missing"):
        build.build_dataset(settings, tmp_path / "out")
    (tmp_path / "broken.sf2").write_bytes(b"RIFF not a font")
    settings = EmbeddedSettings.from_dict(TINY | {"soundfont": str(tmp_path / "broken.sf2")})
    with pytest.raises(DataError, match=r"broken\.sf2 is not a readable SoundFont"):
        build.build_dataset(settings, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_command_line_reports_one_line(tmp_path):
    (tmp_path / "bad.json").write_text(json.dumps({"clases": []}))
    command = [sys.executable, "-m", "avsep_lib.embedded", "--settings", "bad.json", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "clases" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", sorted(INSTRUMENTS))
def test_melodies_keep_to_the_compass(name):
    """Notes lie in the instrument's reach (accordion basses and piano go an octave below), and never pause for long."""
    player = instrument(name)
    low = player.compass[0] - (12 if player.texture in ("bellows", "keys") else 0)
    for index in range(5):
        rng = generator("compass", name, index)
        notes = compose(player, choose_piece([player], rng), 8.0, rng)
        assert all(low <= note.key <= player.compass[1] for note in notes)
        assert all(0 < note.velocity < 128 and note.duration > 0 for note in notes)
        starts = np.array(sorted({note.start for note in notes}))
        assert starts[0] < 1.0
        assert starts[-1] > 5.0
        assert np.diff(starts).max() < 2.2  # the slowest is a half note at 66 beats a minute
        if player.texture == "line":
            overlaps = [a.start + a.duration > b.start + 0.03 for a, b in pairwise(notes)]
            assert not any(overlaps)


def test_a_clip_remembers_nothing_of_the_one_before():
    """The synthesiser is shared: held notes, their controllers and their pedals end with a clip."""
    font, rate = EmbeddedSettings().soundfont_path(), 22050
    held = [Note(0.1 * i, 9.0, 50 + i, 120, glide_from=40.0 if i else None) for i in range(30)]
    short = [Note(0.2 * i, 0.3, 60 + i, 90, None) for i in range(8)]

    def played(notes, name, program):
        return synth.render(notes, instrument(name), program, 2.5, rate, font)

    for name, program in (("trumpet", 56), ("drum", 0), ("violin", 40)):
        synth._open.cache_clear()
        fresh = played(short, name, program)
        for other, preset in (("violin", 48), ("trumpet", 57), ("xylophone", 14)):
            played(held, other, preset)
            assert (played(short, name, program) == fresh).all()


def test_every_instrument_can_be_drawn():
    assert set(PROPS) == set(INSTRUMENTS)
    assert all(set(pair) <= set(MUSIC_CLASSES) for pair in instruments.DUET_TYPES)
    assert len(MUSIC_CLASSES) == 11
    assert len(INSTRUMENTS) == 21


def test_mp4_clips_alternate_between_test_and_train():
    clips = plan_clips(EmbeddedSettings.from_dict(REDUCED))
    chosen = mp4_clips(clips, 6)
    assert len(chosen) == 6
    assert sum(name.startswith("test") for name in chosen) == 3
