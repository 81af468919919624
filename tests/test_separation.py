"""One's own recording: windows that add up, files of every kind, pictures, and what is refused in one line."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import tiny_config
from matplotlib.text import Text
from PIL import Image
from safetensors.torch import save_file

from avsep_lib.encoders import load_image_encoder
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.encoders.towers import MiniClap, MiniClip
from avsep_lib.encoders.weights import save_weights
from avsep_lib.errors import AvsepError, ConfigError, DataError, WeightsError
from avsep_lib.files import canonical_json, read_json, sha256_file, write_json
from avsep_lib.methods.base import Query
from avsep_lib.methods.hfra import HFRA
from avsep_lib.models.separator import Separator
from avsep_lib.separation import separate
from avsep_lib.separation.apply import masked, recording_masks
from avsep_lib.separation.footage import Crop, read_crops, read_sound
from avsep_lib.separation.inputs import at_rate, read_image, read_recording
from avsep_lib.separation.windows import fade, join_masks, window_starts
from avsep_lib.settings import AudioSettings, to_dict
from avsep_lib.video import encode_video

AUDIO = tiny_config().audio  # 8000 Hz, windows of 2047 samples, hop 128: 16 columns
RATE = AUDIO.sample_rate
DEMO = AudioSettings(sample_rate=11_625, n_samples=32_767, n_fft=1024, hop_length=512, n_rows=64)
IMAGE = ImageEncoderSettings(image_size=32, width=8)


def noise(n_samples: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.3, 0.3, (channels, n_samples)).astype(np.float32)


def picture(path: Path, seed: int, size: tuple[int, int] = (40, 32)) -> Path:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.NEAREST).save(path)
    return path


def checkpoint(path: Path, seen: np.ndarray | None = None, **model) -> Path:
    """An untrained run on 512-d embeddings; its masks tell the two embeddings `seen` apart."""
    config = tiny_config()
    settings = replace(config.model, channels=(4, 8, 512), embedding_dim=512, **model)
    config = replace(config, model=settings)
    torch.manual_seed(0)
    network = Separator(config.model)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    if seen is not None:  # an untrained encoder gives nearly the same for all pictures: read the difference only
        mean, direction = torch.from_numpy(seen.mean(axis=0)), torch.from_numpy(seen[0] - seen[1])
        for layer in (network.late_projection, network.mid_projection):
            with torch.no_grad():
                layer.weight.copy_(torch.randn(len(layer.weight), 1) * 6 * direction / direction.square().sum())
                layer.bias.copy_(-layer.weight @ mean)
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, path, {"config": canonical_json(to_dict(config))})
    return path


def encoder(folder: Path, modality: str, module: torch.nn.Module, settings: object) -> Path:
    folder.mkdir()
    save_weights(folder / "model.safetensors", module)
    values = {"modality": modality, "sample_rate": RATE, "settings": to_dict(settings)}
    write_json(folder / "config.json", values)
    return folder


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained run, a mini image encoder, two pictures and a stereo recording at another rate."""
    folder = tmp_path_factory.mktemp("bench")
    torch.manual_seed(1)
    encoder(folder / "image", "image", MiniClip(IMAGE), IMAGE)
    pictures = [read_image(picture(folder / "a.jpg", 1)), read_image(picture(folder / "b.png", 2))]
    checkpoint(folder / "model.safetensors", load_image_encoder(IMAGE, folder / "image").encode(np.stack(pictures)))
    soundfile.write(folder / "duo.wav", noise(30_000, 2).T, 22_050, subtype="FLOAT")
    soundfile.write(folder / "window.wav", noise(AUDIO.n_samples)[0], RATE, subtype="FLOAT")
    return folder


def ask(bench: Path, mixture: str | Path = "window.wav", **changes) -> object:
    arguments = {"images": [bench / "a.jpg", bench / "b.png"], "run": str(bench / "model.safetensors")}
    return separate(bench / mixture, **{**arguments, "encoder": bench / "image", **changes})


# --- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audio", [AUDIO, DEMO, AudioSettings()])
def test_windows_cover_a_recording_and_stay_within_it(audio):
    for n_samples in {1, audio.n_fft, audio.n_samples - 1, *range(audio.n_samples, 6 * audio.n_samples, 997)}:
        starts = window_starts(n_samples, audio)
        assert starts == sorted(set(starts))
        assert all(start % audio.hop_length == 0 for start in starts)
        assert np.diff(starts).max(initial=0) <= audio.n_frames // 2 * audio.hop_length
        if n_samples >= audio.n_samples:
            end = starts[-1] + audio.n_samples
            assert end <= n_samples < end + audio.hop_length, "no window hears padding, and less than a hop is unheard"
        else:
            assert starts == [0]


@pytest.mark.parametrize("n_samples", [100, 255, 256, 257, 2046, 2047, 2048, 3000, 4095, 20_001])
@pytest.mark.parametrize("mask", ["soft", "binary"])
def test_a_mask_of_ones_gives_the_recording_back(n_samples, mask):
    """Whatever the windows are: every sample, both edges included."""
    recording = noise(n_samples)[0]
    ones = recording_masks(recording, AUDIO, lambda k, window: np.ones((2, AUDIO.n_rows, AUDIO.n_frames)))
    assert ones.shape == (2, AUDIO.n_rows, 1 + n_samples // AUDIO.hop_length)
    np.testing.assert_allclose(masked(recording, ones, AUDIO, mask), np.stack([recording] * 2), atol=1e-6)


def test_complementary_masks_give_estimates_that_add_up():
    rng = np.random.default_rng(0)
    recording = noise(9000)[0]

    def halves(k: int, window: np.ndarray) -> np.ndarray:
        one = rng.uniform(size=(AUDIO.n_rows, AUDIO.n_frames))
        return np.stack([one, 1 - one])

    masks = recording_masks(recording, AUDIO, halves)
    np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(masked(recording, masks, AUDIO, "soft").sum(axis=0), recording, atol=1e-6)


def test_windows_hear_their_own_part_and_zeros_only_in_a_short_recording():
    heard = {}

    def make(k: int, window: np.ndarray) -> np.ndarray:
        heard[k] = window
        return np.ones((1, AUDIO.n_rows, AUDIO.n_frames))

    recording = noise(5000)[0]
    recording_masks(recording, AUDIO, make)
    for k, start in enumerate(window_starts(5000, AUDIO)):
        np.testing.assert_array_equal(heard[k], recording[start : start + AUDIO.n_samples])
    recording_masks(recording[:1500], AUDIO, make)
    np.testing.assert_array_equal(heard[0], np.pad(recording[:1500], (0, AUDIO.n_samples - 1500)))


def test_masks_cross_fade_from_window_to_window():
    starts = [0, 8 * AUDIO.hop_length]
    masks = [np.zeros((1, 2, AUDIO.n_frames)), np.ones((1, 2, AUDIO.n_frames))]
    joined = join_masks(masks, starts, 26, AUDIO)[0, 0]
    assert (joined[:8] == 0).all()
    assert (joined[16:] == 1).all()  # the columns behind the last window too
    assert (np.diff(joined[7:17]) > 0).all()
    assert fade(16).min() > 0


# --- a run on a recording --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["soft", "binary"])
def test_one_window_gives_the_methods_own_estimate(bench, mask):
    """The number that scoring sees: same pictures, same sound, same mask, to the last sample that it scores."""
    result = ask(bench, mask=mask)
    method = HFRA.load(bench / "model.safetensors")
    clip = load_image_encoder(IMAGE, bench / "image")
    queries = [Query("image", clip.encode(read_image(bench / name)[None])[0]) for name in ("a.jpg", "b.png")]
    expected = method.estimate(noise(AUDIO.n_samples)[0], queries)[mask]
    assert result.estimates.shape == (2, 1, AUDIO.n_samples)
    np.testing.assert_allclose(result.estimates[:, 0, : AUDIO.n_output], expected, atol=1e-6)
    assert np.abs(expected[0] - expected[1]).max() > 1e-3, "or the pictures do not matter and this test says nothing"
    assert result.model_sha256 == sha256_file(bench / "model.safetensors")
    assert result.encoder_key == clip.key


def test_swapped_pictures_swap_the_estimates_and_any_number_works(bench):
    pictures = [bench / "a.jpg", bench / "b.png"]
    both, swapped = (ask(bench, images=images) for images in (pictures, pictures[::-1]))
    np.testing.assert_allclose(both.estimates, swapped.estimates[::-1], atol=1e-6)
    assert (both.names, swapped.names) == (["a", "b"], ["b", "a"])
    one, three = (ask(bench, images=images) for images in (pictures[:1], [*pictures, bench / "a.jpg"]))
    np.testing.assert_allclose(one.estimates, both.estimates[:1], atol=1e-6)
    assert any("1 source: models are trained with 2" in text for text in one.warnings)
    assert any("3 sources: models are trained with 2" in text for text in three.warnings)
    assert three.names == ["a 1", "b 2", "a 3"]
    assert "a 1 and a 3 have nearly the same picture" in three.warnings
    assert any("does not tell a 1 and a 3 apart" in text for text in three.warnings)
    assert not [text for text in both.warnings if "nearly the same" in text or "trained with 2" in text]


def test_stereo_at_another_rate_keeps_its_picture(bench, tmp_path):
    """Both channels get the mask of their mean; what is on one side stays there."""
    result = ask(bench, "duo.wav")
    assert result.estimates.shape == (2, 2, round(30_000 * RATE / 22_050))
    assert "mixture resampled from 22,050 to 8,000 Hz: nothing above 4.0 kHz in the stems" in result.warnings
    left = noise(30_000, 2).copy()
    left[1] = 0
    soundfile.write(tmp_path / "left.wav", left.T, 22_050, subtype="FLOAT")
    estimates = ask(bench, tmp_path / "left.wav").estimates
    assert np.abs(estimates[:, 1]).max() == 0
    soundfile.write(tmp_path / "mean.wav", left.mean(axis=0), 22_050, subtype="FLOAT")
    mono = ask(bench, tmp_path / "mean.wav")
    np.testing.assert_allclose(estimates.mean(axis=1), mono.estimates[:, 0], atol=1e-6)


def test_a_recording_shorter_than_a_window_is_said_to_be_so(bench, tmp_path):
    soundfile.write(tmp_path / "short.wav", noise(1200)[0], RATE, subtype="FLOAT")
    result = ask(bench, tmp_path / "short.wav")
    assert result.estimates.shape[-1] == 1200
    assert any(
        "lasts 0.15 s, shorter than the model's window of 0.26 s: zeros followed it" in w for w in result.warnings
    )


def test_a_part_of_a_recording(bench):
    part = ask(bench, "duo.wav", start=0.2, seconds=0.5)
    assert part.describe()["seconds"] == 0.5
    assert part.start_s == 0.2
    whole = at_rate(noise(30_000, 2)[:, 4410:15435], 22_050, RATE)
    np.testing.assert_allclose(part.mixture, whole, atol=1e-6)


def test_a_quiet_mixture_is_named(bench, tmp_path):
    soundfile.write(tmp_path / "quiet.wav", noise(3000)[0] / 1000, RATE, subtype="FLOAT")
    assert any("is quiet (-75 dBFS RMS)" in text for text in ask(bench, tmp_path / "quiet.wav").warnings)


def test_a_run_with_its_own_visual_network_sees_what_training_saw(bench, tmp_path):
    path = checkpoint(tmp_path / "r.safetensors", fusion="late", backbone="resnet18")
    result = ask(bench, run=str(path), encoder=None)
    assert result.encoder_key == ""
    from avsep_lib.pictures import load_frame

    class Store:
        def frame_path(self, clip_id: str, index: int) -> Path:
            return bench / clip_id

    queries = [Query("image", load_frame(Store(), name, 0, 32)) for name in ("a.jpg", "b.png")]
    expected = HFRA.load(path).estimate(noise(AUDIO.n_samples)[0], queries)["soft"]
    np.testing.assert_allclose(result.estimates[:, 0, : AUDIO.n_output], expected, atol=1e-6)


def test_a_run_that_hears_through_the_audio_encoder_gets_it(bench, tmp_path):
    path = checkpoint(tmp_path / "t.safetensors", bottleneck="teacher")
    with pytest.raises(WeightsError, match=r"hears through the audio encoder.*--audio-encoder.*encoders/audio"):
        ask(bench, run=str(path))
    settings = AudioEncoderSettings(n_samples=AUDIO.n_samples, n_fft=256)
    folder = encoder(tmp_path / "audio", "audio", MiniClap(settings, RATE), settings)
    assert np.isfinite(ask(bench, run=str(path), audio_encoder=folder).estimates).all()


def test_a_run_of_a_profile_by_name(project, bench, monkeypatch):
    monkeypatch.setenv("AVSEP_ROOT", str(project.root))
    audio = next((project.data / "dataset").rglob("*.wav"))
    pictures = sorted((project.data / "dataset").rglob("000001.jpg"))[:2]
    result = separate(audio, images=pictures, run="toy/late-s0")
    rate, samples = result.audio.sample_rate, soundfile.info(audio).frames
    assert result.estimates.shape[-1] == pytest.approx(samples * rate / soundfile.info(audio).samplerate, abs=1)
    assert result.model_sha256 == sha256_file(project.results / "runs" / "late-s0" / "model.safetensors")
    assert any(
        "'music11': rendered sounds and drawn pictures of flute, trumpet, tuba, xylophone" in text
        for text in result.warnings
    )
    for run, message in {
        "toy/late-s7": r"'late-s7' is not in profile 'toy'; known: late-s0, late-s1",
        "toys/late-s0": r"no toys\.yaml in config; known profiles: toy",
        "late-s0": r"write <profile>/<run_id>, for example",
    }.items():
        with pytest.raises(ConfigError, match=message):
            separate(audio, images=pictures, run=run)
    with pytest.raises(ConfigError, match="leave --encoder out"):
        separate(audio, images=pictures, run="toy/late-s0", encoder=bench / "image")


def test_a_profile_whose_encoder_changed_since_training_is_refused(project_copy, monkeypatch):
    monkeypatch.setenv("AVSEP_ROOT", str(project_copy.root))
    config = project_copy.data / "encoders" / "image" / "config.json"
    config.write_text(config.read_text().replace('"warmup": 5', '"warmup": 6'))
    audio = next((project_copy.data / "dataset").rglob("*.wav"))
    with pytest.raises(WeightsError, match="was embedded with encoder"):
        separate(audio, images=[next((project_copy.data / "dataset").rglob("000001.jpg"))], run="toy/late-s0")


# --- videos ----------------------------------------------------------------------------------------------------------

FPS = 10


def two_halves(n_frames: int) -> np.ndarray:
    """Left half: brightness grows by 4 from frame to frame; right half: it stays."""
    frames = np.full((n_frames, 48, 64, 3), 200, np.uint8)
    frames[:, :, :32] = 20 + 4 * np.arange(n_frames)[:, None, None, None]
    return frames


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "duo.mp4"
    time = np.arange(3 * 22_050) / 22_050
    encode_video(path, two_halves(30), FPS, 0.3 * np.sin(2 * np.pi * 440 * time), 22_050)
    return path


def test_crops_show_the_picture_on_screen_at_each_time(video):
    left, right = read_crops(video, [Crop.parse("0,0,32,48"), Crop.parse("0.5,0,0.5,1")], [0.05, 1.0, 1.31, 2.95, 9.0])
    assert left.shape == right.shape == (5, 48, 32, 3)
    shown = left[:, 10:38, 4:28].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(shown, 20 + 4 * np.array([0, 10, 13, 29, 29]), atol=2)
    np.testing.assert_allclose(right[:, 10:38, 4:28].mean(axis=(1, 2, 3)), 200, atol=3)


def test_each_window_of_a_video_gets_the_picture_at_its_centre(bench, video, monkeypatch):
    from avsep_lib.separation.models import Model

    seen = []
    monkeypatch.setattr(
        Model, "queries", lambda self, shown, kept=Model.queries: (seen.append(shown), kept(self, shown))[1]
    )
    result = ask(bench, video, images=None, crops=["0,0,0.5,1", "32,0,32,48"], start=0.5, seconds=2.0)
    starts = window_starts(result.mixture.shape[1], AUDIO)
    centres = 0.5 + (np.array(starts) + AUDIO.n_samples / 2) / RATE
    assert [len(shown) for shown in seen] == [len(starts)] * 2
    bright = seen[0][:, 10:38, 4:28].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(bright, 20 + 4 * np.floor(centres * FPS + 1e-6), atol=2)
    assert result.names == ["source 1", "source 2"]
    assert result.start_s == pytest.approx(0.5, abs=0.03)


def test_the_sound_of_a_video_is_read_with_its_channels(video):
    samples, rate, begin = read_sound(video)
    assert (len(samples), rate) == (1, 22_050)
    assert samples.shape[1] == pytest.approx(3 * 22_050, abs=1100)
    assert begin == pytest.approx(0, abs=0.06)
    np.testing.assert_allclose(samples.std(), 0.3 / np.sqrt(2), rtol=0.05)


def test_a_turned_video_is_cropped_as_a_player_shows_it(tmp_path):
    """A phone held upright stores pictures on their side and a matrix that turns them clockwise."""
    frames = np.zeros((4, 48, 64, 3), np.uint8)
    frames[:, :, :32, 0] = 250  # left half red, which the matrix turns into the upper half
    encode_video(tmp_path / "v.mp4", frames, 4, np.zeros(8000) + 0.1, 8000)
    content = bytearray((tmp_path / "v.mp4").read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    assert struct.unpack(">9i", content[matrix : matrix + 36])[0] == 1 << 16
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    (tmp_path / "v.mp4").write_bytes(content)
    upper, lower = read_crops(tmp_path / "v.mp4", [Crop.parse("0,0,48,30"), Crop.parse("0,34,48,30")], [0.1])
    assert upper[..., 0].mean() > 200 > 60 > lower[..., 0].mean()
    with pytest.raises(DataError, match="48 x 64 pixels"):
        read_crops(tmp_path / "v.mp4", [Crop.parse("0,0,64,48")], [0.1])


def test_a_truncated_video_is_named(bench, video, tmp_path):
    content = video.read_bytes()
    for share in (0.2, 0.6, 0.9):
        (tmp_path / "v.mp4").write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError, match=r"v\.mp4"):
            ask(bench, tmp_path / "v.mp4", images=None, crops=["0,0,32,48", "32,0,32,48"])


def test_a_brand_that_is_no_text_changes_nothing_of_a_video(video, tmp_path):
    content = bytearray(video.read_bytes())
    content[content.index(b"isomiso2avc1mp41") + 15] = 0xF5
    (tmp_path / "v.mp4").write_bytes(content)
    np.testing.assert_array_equal(read_recording(tmp_path / "v.mp4").samples, read_recording(video).samples)
    whole = Crop.parse("0,0,64,48")
    shown = [read_crops(path, [whole], [1.0])[0] for path in (tmp_path / "v.mp4", video)]
    np.testing.assert_array_equal(*shown)


def test_stereo_sound_of_a_video_keeps_its_channels(tmp_path):
    import av

    with av.open(str(tmp_path / "s.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="stereo")
        block = av.AudioFrame.from_ndarray(np.array([[8192, -16384] * 4000], np.int16), format="s16", layout="stereo")
        block.sample_rate = 8000
        container.mux(stream.encode(block))
        container.mux(stream.encode())
    recording = read_recording(tmp_path / "s.mkv", start=0.1, seconds=0.2)
    assert recording.samples.shape == (2, 1600)
    np.testing.assert_allclose(recording.samples[:, 0], [0.25, -0.5], atol=1e-4)


@pytest.mark.parametrize("crop", ["0,0,65,48", "40,0,32,48", "0,40,10,10", "0.6,0,0.5,1", "0,0,0.001,1"])
def test_a_crop_outside_the_picture_names_the_pictures_size(bench, video, crop):
    with pytest.raises(DataError, match=rf"crop {crop} does not lie within the picture of .*duo.mp4: 64 x 48 pixels"):
        ask(bench, video, images=None, crops=[crop, "0,0,32,48"])


@pytest.mark.parametrize(
    "crop", ["", "1,2,3", "a,b,c,d", "0,0,0,4", "-1,0,4,4", "0.5,0,20,20", "nan,0,1,1", "0,0,inf,2"]
)
def test_a_crop_that_is_none_is_refused(crop):
    with pytest.raises(ConfigError, match="crop"):
        Crop.parse(crop)


def test_crops_of_a_recording_without_a_picture(bench):
    with pytest.raises(DataError, match=r"duo\.wav has no video track that can be decoded.*--images"):
        ask(bench, "duo.wav", images=None, crops=["0,0,1,1"])


# --- what cannot be separated ----------------------------------------------------------------------------------------


def spoilt(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.wav"
    samples = {
        "silent": np.zeros(4000), "nan": np.where(np.arange(4000) == 99, np.nan, 0.1), "empty": np.zeros(0),
        "opposed": np.stack([noise(4000)[0], -noise(4000)[0]], axis=1),
    }.get(kind)  # fmt: skip
    if samples is not None:
        soundfile.write(path, samples, RATE, subtype="FLOAT")
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(5000))
    elif kind == "zero":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(folder / "nowhere")
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "is missing"), ("link", "is missing"), ("folder", "is a folder"), ("zero", "neither audio nor video"),
        ("noise", "neither audio nor video"), ("empty", "holds no samples"), ("silent", "is silent;"),
        ("nan", "NaN or infinity"), ("opposed", "silent once its channels are averaged"),
    ],
)  # fmt: skip
def test_a_recording_that_cannot_be_separated_is_named(bench, tmp_path, kind, message):
    with pytest.raises(DataError, match=rf"{kind}\.wav.*{message}"):
        ask(bench, spoilt(tmp_path, kind))


def test_headers_that_lie_are_refused(bench, tmp_path):
    """An unknown codec, a name that is no text, an impossible rate: bytes that a random test of damage once hit."""
    wav, path = bytearray((bench / "window.wav").read_bytes()), tmp_path / "x.wav"
    for place, value, message in (
        (20, b"\xe7\x03", "no audio track that can be decoded"),
        (24, b"\x05\0\0\0", "5 samples"),
    ):
        path.write_bytes(bytes(wav[:place] + value + wav[place + len(value) :]))
        with pytest.raises(DataError, match=message):
            ask(bench, path)


def test_a_part_that_is_not_there_is_refused(bench):
    for part in ({"start": 3.0}, {"start": 1.0, "seconds": 0.5}):
        with pytest.raises(DataError, match=r"duo\.wav lasts 1\.36 s; .* was asked for"):
            ask(bench, "duo.wav", **part)
    for part in ({"start": -1.0}, {"seconds": 0.0}):
        with pytest.raises(DataError, match="must not be negative or 0"):
            ask(bench, "duo.wav", **part)
    assert ask(bench, "duo.wav", seconds=30_000 / 22_050).mixture.shape[0] == 2


@pytest.mark.parametrize("damage", ["missing", "text", "half", "folder", "bomb"])
def test_a_picture_that_cannot_be_read_is_named(bench, tmp_path, damage, monkeypatch):
    path = picture(tmp_path / "x.png", 3, (400, 300))
    content = path.read_bytes()
    path.unlink()
    if damage == "text":
        path.write_text("no picture")
    elif damage == "half":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "folder":
        path.mkdir()
    elif damage == "bomb":
        path.write_bytes(content)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    with pytest.raises(DataError, match=r"picture .*x\.png"):
        ask(bench, images=[bench / "a.jpg", path])


def test_photographs_are_turned_upright(tmp_path):
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, :10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter clockwise
    Image.fromarray(pixels).save(tmp_path / "p.png", exif=exif)
    upright = read_image(tmp_path / "p.png")
    assert upright.shape == (30, 20, 3)
    assert upright[:10].min() == 255


def test_arguments_that_contradict_each_other_are_refused(bench):
    one = [bench / "a.jpg"]
    for changes, message in [
        ({"crops": ["0,0,1,1"]}, "either images .* or crops"),
        ({"images": None}, "either images .* or crops"),
        ({"images": str(bench / "a.jpg")}, "give a list"),
        ({"images": one, "names": ["flute", "violin"]}, "2 names for 1 sources"),
        ({"names": ["flute", "flute"]}, "must differ"),
        ({"names": ["flute", " "]}, "must not be empty"),
        ({"mask": "hard"}, "choose soft or binary"),
    ]:
        with pytest.raises(ConfigError, match=message):
            ask(bench, **changes)


def test_a_run_without_its_encoder_or_with_another_kind_is_refused(bench, tmp_path):
    with pytest.raises(WeightsError, match=r"needs the image encoder .* --encoder\. .*encoders/image"):
        ask(bench, encoder=None)
    with pytest.raises(WeightsError, match="holds no finished encoder"):
        ask(bench, encoder=tmp_path)
    with pytest.raises(WeightsError, match=r"a\.jpg holds no finished encoder"):
        ask(bench, encoder=bench / "a.jpg")
    for text in ("[]", "{}", '{"modality": "image"}'):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(WeightsError, match="is not the folder of an encoder"):
            ask(bench, encoder=tmp_path)
    with pytest.raises(WeightsError, match=r"nowhere\.safetensors is missing"):
        ask(bench, run=str(tmp_path / "nowhere.safetensors"))
    assert ask(bench, run=str(bench)).model_sha256 == ask(bench).model_sha256  # the folder of a run serves as well


# --- the folder ------------------------------------------------------------------------------------------------------


def test_stems_and_json_say_what_was_done(bench, tmp_path):
    result = ask(bench, "duo.wav", names=["flute / 1", "Geige ü"])
    out = result.save(tmp_path / "new" / "out")
    assert sorted(path.name for path in out.iterdir()) == ["1-flute_1.wav", "2-Geige_ü.wav", "masks.png", "result.json"]
    assert sorted(path.name for path in out.parent.iterdir()) == ["out"], "nothing temporary is left"
    written = read_json(out / "result.json")
    assert written == json.loads(json.dumps(result.describe()))
    assert (out / "result.json").stat().st_size < 4000
    for source, estimate in zip(written["sources"], result.estimates):
        samples, rate = soundfile.read(out / source["file"], dtype="float32", always_2d=True)
        np.testing.assert_array_equal(samples.T, estimate)
        assert (rate, soundfile.info(out / source["file"]).subtype) == (RATE, "FLOAT")
        assert source["rms_dbfs"] == pytest.approx(10 * np.log10(np.mean(estimate.astype(float) ** 2)), abs=0.01)
    assert {"run", "model_sha256", "encoder_key", "residual_db", "overlap", "unclaimed", "warnings"} <= set(written)
    with Image.open(out / "masks.png") as drawn:
        assert drawn.width > 800


def test_shares_of_planted_masks(bench):
    """One source takes everything, the other nothing: no overlap, nothing unclaimed, silence is null."""
    result = ask(bench)
    ones = np.stack([np.ones_like(result.masks[0]), np.zeros_like(result.masks[0])])
    estimates = np.stack([result.mixture, np.zeros_like(result.mixture)])
    planted = replace(result, masks=ones, estimates=estimates).describe()
    assert [source["mean_mask"] for source in planted["sources"]] == [1.0, 0.0]
    assert (planted["overlap"], planted["unclaimed"], planted["residual_db"]) == (0.0, 0.0, None)
    assert planted["sources"][1]["rms_dbfs"] is None
    both = replace(result, masks=np.ones_like(ones), estimates=np.stack([result.mixture] * 2)).describe()
    assert (both["overlap"], both["residual_db"]) == (1.0, 0.0)


def test_loud_recordings_are_not_clipped(bench, tmp_path):
    soundfile.write(tmp_path / "loud.wav", 8 * noise(3000)[0], RATE, subtype="FLOAT")
    result = ask(bench, tmp_path / "loud.wav", run=str(bench / "model.safetensors"))
    whole = replace(result, estimates=np.stack([result.mixture] * 2))
    samples, _ = soundfile.read(whole.save(tmp_path / "out") / "1-a.wav", dtype="float32")
    np.testing.assert_array_equal(samples, result.mixture[0])
    assert np.abs(samples).max() > 2


def test_the_same_call_writes_the_same_bytes(bench, tmp_path):
    folders = [ask(bench, "duo.wav").save(tmp_path / name) for name in "xy"]
    for path in folders[0].iterdir():
        assert path.read_bytes() == (folders[1] / path.name).read_bytes(), path.name


def test_a_folder_with_something_in_it_is_refused_unless_forced(bench, tmp_path):
    result, out = ask(bench, names=["flute", "tuba"]), tmp_path / "out"
    out.mkdir()
    result.save(out)  # an empty one is fine
    (out / "mine.txt").write_text("keep")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(DataError, match=r"out is not empty; .*--force"):
        result.save(out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    replace(result, names=["violin", "tuba"]).save(out, force=True)
    names = sorted(path.name for path in out.iterdir())
    assert names == ["1-violin.wav", "2-tuba.wav", "masks.png", "mine.txt", "result.json"]
    (out / "1-drum.wav").mkdir()
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with pytest.raises(DataError, match=r"holds a folder named 1-drum\.wav"):
        replace(result, names=["drum", "tuba"]).save(out, force=True)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    for text in ("{", '{"sources": 3}', '{"sources": [{"file": "../../precious.wav"}]}'):
        (tmp_path.parent / "precious.wav").write_text("keep")
        (out / "result.json").write_text(text)
        result.save(out, force=True)
    assert (tmp_path.parent / "precious.wav").exists()


def test_the_current_folder_will_do(bench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ask(bench).save(".")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-a.wav", "2-b.wav", "masks.png", "result.json"]


def test_nothing_half_written_stays(bench, tmp_path, monkeypatch):
    result = ask(bench)
    monkeypatch.setattr(type(result), "figure", lambda self: (_ for _ in ()).throw(OSError("no space left on device")))
    with pytest.raises(DataError, match=r"cannot be written .*no space left"):
        result.save(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        result.save(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_place_that_cannot_be_a_folder_is_named(bench, tmp_path):
    result = ask(bench)
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for out, message in (("file", "not a folder"), ("link", "not a folder"), ("file/below", "cannot be made")):
        with pytest.raises(DataError, match=message):
            result.save(tmp_path / out)
    if os.geteuid() == 0:
        return  # root may write everywhere
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(DataError, match="cannot be made"):
        result.save(tmp_path / "closed" / "out")


# --- picture, players, command ---------------------------------------------------------------------------------------


def test_the_picture_has_one_scale_and_units(bench):
    figure = ask(bench, "duo.wav").figure()
    images = [image for ax in figure.axes for image in ax.images]
    spectra = [image for image in images if image.get_cmap().name == "magma"]
    masks = [image for image in images if image.get_cmap().name == "gray" and image.get_clim() == (0, 1)]
    assert len([image for image in spectra if image.get_clim() == (-60, 0)]) == 3
    assert len(masks) == 2
    labels = {text.get_text() for text in figure.findobj(Text)}
    assert {"time (s)", "frequency (Hz)", "mask", "dB re loudest point of the mixture"} <= labels


def test_long_recordings_are_drawn_with_few_columns():
    from avsep_lib.plots.separation import thinned

    values = np.arange(2 * 5003.0).reshape(2, -1)
    few = thinned(values, 100)
    assert few.shape == (2, 100)
    np.testing.assert_allclose(few[0, 0], values[0, :50].mean())
    np.testing.assert_allclose(few[0, -1], values[0, int(99 * 50.03) :].mean())
    assert thinned(values[:, :80], 100) is not None


def test_a_notebook_sees_picture_and_players(bench, monkeypatch, capsys):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    ask(bench, "duo.wav").show()
    assert type(shown[0]).__name__ == "Figure"
    assert shown[1].data.count("<audio") == 3
    assert "note: mixture resampled" in capsys.readouterr().out


def command(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "avsep_lib.command", "separate", *map(str, arguments)], capture_output=True, text=True
    )


def test_the_command_writes_what_the_function_gives(bench, tmp_path):
    model = ["--run", bench / "model.safetensors", "--encoder", bench / "image"]
    pictures = ["--images", bench / "a.jpg", bench / "b.png"]
    done = command(bench / "duo.wav", *pictures, *model, "--out", tmp_path / "out", "--mask", "binary")
    assert done.returncode == 0, done.stderr
    assert "nothing above 4.0 kHz" in done.stdout
    assert read_json(tmp_path / "out" / "result.json") == ask(bench, "duo.wav", mask="binary").describe()
    again = command(bench / "duo.wav", *pictures, *model, "--out", tmp_path / "out")
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert again.stderr.startswith("DataError: folder")


def test_a_refused_recording_is_one_line_and_no_folder(bench, tmp_path):
    model = ["--run", bench / "model.safetensors", "--encoder", bench / "image"]
    failed = command(tmp_path / "none.wav", "--images", bench / "a.jpg", *model, "--out", tmp_path / "out")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == f"DataError: recording {tmp_path / 'none.wav'} is missing; name an audio or video file\n"
    assert list(tmp_path.iterdir()) == []


def test_the_package_is_the_same_command():
    words = [sys.executable, "-m", "avsep_lib.separation", "--help"]
    assert "usage: avsep separate" in subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_importing_the_package_loads_no_network():
    code = "import sys, avsep_lib.separation.command as c; print({'torch', 'matplotlib', 'av', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_every_refusal_is_one_line(bench, tmp_path):
    """No message runs over several lines, or it would not be read in a terminal."""
    for kind in ("noise", "nan", "missing"):
        with pytest.raises(AvsepError) as caught:
            ask(bench, spoilt(tmp_path, kind))
        assert "\n" not in str(caught.value)
