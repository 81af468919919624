"""The A/B player: what is heard, sample by sample; and that keys, buttons and Python move it in JupyterLab and on a page."""

from __future__ import annotations

import base64
import hashlib
import io
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avsep_lib.errors import ConfigError, DataError
from avsep_lib.explorer import player_static
from avsep_lib.explorer.player import ABPlayer, encoded, level_text, peaks
from avsep_lib.listening import levels
from browser.conftest import guarded_context
from browser.notebook import error_outputs, open_notebook, run_all, run_code, write_notebook

RATE = 8000
ONE_BIT = 1 / 32768  # Chromium divides positive samples by 32767
SETUP = """import numpy as np
from avsep_lib.explorer.player import ABPlayer
rate = 8000
t = np.arange(30 * rate) / rate
tone = lambda f, a: a * np.sin(2 * np.pi * f * t) * np.exp(-((t % 1.5) * 2))
player = ABPlayer({"mixture": tone(440, 0.5) + tone(660, 0.2), "estimate": tone(440, 0.5), "truth": tone(441, 0.4)}, rate)
player"""
# An offline context renders what the player schedules, and a switch happens at an exact time.
OFFLINE = """window.AudioContext = class extends OfflineAudioContext {
    constructor({ sampleRate }) { super(1, 2 * sampleRate, sampleRate); window.offline = this; }
    resume() { return Promise.resolve(); }
    close() {}
};"""
RENDER = """async () => {
    const player = document.querySelector('.avsep-player').player;
    offline.suspend(1.024).then(() => { player.choose(1); OfflineAudioContext.prototype.resume.call(offline); });
    return Array.from((await offline.startRendering()).getChannelData(0));
}"""
STATE = """root => ({
    at: Number(root.querySelector('.avsep-position').value),
    playing: root.querySelector('.avsep-play').getAttribute('aria-label') === 'Pause',
    chosen: root.querySelector('.avsep-sounds [aria-pressed="true"] .avsep-name')?.textContent,
})"""


def noise(seconds: float, amplitude: float, seed: int) -> np.ndarray:
    return amplitude * np.random.default_rng(seed).uniform(-1, 1, int(seconds * RATE))


SOUNDS = {"mixture": noise(3, 0.9, 0), "estimate": noise(3, 0.05, 1), "truth <&>": noise(2.5, 0.2, 2)}


LONG = {name: noise(30, 0.1, seed) for seed, name in enumerate(SOUNDS)}  # does not end on a busy machine


def state(page) -> dict:
    return page.locator(".avsep-player").evaluate(STATE)


def until(page, condition: str, seconds: float = 20) -> None:
    """Wait for a condition; unlike Playwright's own, also on a page whose policy forbids `eval`."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(20)


def wait_position(page, after: float) -> None:
    until(page, f"document.querySelector('.avsep-position').value > {after}")


def switched_to(page, key: str, name: str) -> float:
    """Position after a switch by key; in between no more has been played than time has gone by."""
    started, before = time.monotonic(), state(page)
    page.keyboard.press(key)
    after = state(page)
    assert after["chosen"] == name
    assert after["playing"]
    assert -0.1 <= after["at"] - before["at"] <= time.monotonic() - started + 0.1
    return after["at"]


def test_sounds_travel_without_loss_and_at_their_level() -> None:
    for track, (name, waveform) in zip(encoded(SOUNDS, RATE), SOUNDS.items()):
        decoded, rate = soundfile.read(io.BytesIO(track["flac"]))
        assert (track["name"], rate, len(decoded)) == (name, RATE, len(waveform))
        np.testing.assert_allclose(decoded, waveform, atol=ONE_BIT)
        found = levels(waveform)
        expected = f"{found.rms_dbfs:.1f} dBFS RMS, peak {found.peak_dbfs:.1f}".replace("-", "−")
        assert track["level"] == expected


def test_silence_and_clipping_are_said() -> None:
    assert level_text(levels(np.zeros(4))) == "silent"
    assert level_text(levels(np.array([0.0, 1.5]))).endswith("peak +3.5, 1 sample clipped")


def test_peaks_hold_the_extremes_on_one_time_axis() -> None:
    found = peaks(np.array([0.5, -1.0, 0.0, 0.25]), 8, columns=4)
    assert found.tolist() == [[-127, 64], [0, 32], [0, 0], [0, 0]]


def test_what_cannot_be_played_is_named() -> None:
    with pytest.raises(DataError, match=r"sound 'b'.*not finite"):
        ABPlayer({"a": np.ones(3), "b": np.array([np.nan])}, RATE)
    with pytest.raises(ConfigError, match=r"11025\.5"):
        ABPlayer({}, 11025.5)
    with pytest.raises(DataError, match="no sound given"):
        player_static.static_player({}, RATE)


def test_refused_sounds_leave_the_player_as_it_was() -> None:
    player = ABPlayer({"a": np.ones(RATE)}, RATE)
    with pytest.raises(DataError, match="sound 'b'"):
        player.sounds = {"b": np.zeros((2, 2))}
    assert list(player.sounds) == ["a"]
    assert player.duration == 1.0


def test_a_switch_keeps_the_sample_and_the_level(page, tmp_path) -> None:
    page.add_init_script(OFFLINE)
    page.goto(write_page(tmp_path, player_static.static_player(SOUNDS, RATE).data))
    page.click(".avsep-play")
    page.wait_for_function("document.querySelector('.avsep-player').player.engine.voices.length === 3")
    heard = np.array(page.evaluate(RENDER))
    lead, ramp, switch = (round(seconds * RATE) for seconds in (0.02, 0.005, 1.024))
    first, second = (np.round(SOUNDS[name] * 32768) / 32768 for name in ("mixture", "estimate"))
    assert not heard[:lead].any()
    np.testing.assert_allclose(heard[lead + ramp : switch], first[ramp : switch - lead], atol=ONE_BIT)
    after = switch + ramp + 1
    np.testing.assert_allclose(heard[after:], second[after - lead : 2 * RATE - lead], atol=ONE_BIT)
    share = np.linspace(0, 1, ramp + 1)  # in between, one fades into the other: no gap and no click
    between = (1 - share) * first[switch - lead :][: ramp + 1] + share * second[switch - lead :][: ramp + 1]
    np.testing.assert_allclose(heard[switch:after], between, atol=ONE_BIT)


def test_keys_and_buttons_in_jupyterlab(page, lab, shots) -> None:
    write_notebook(lab.folder / "player.ipynb", SETUP)
    open_notebook(page, lab, "player.ipynb")
    run_all(page)
    assert error_outputs(page) == []
    page.wait_for_selector(".avsep-sounds button")
    assert state(page) == {"at": 0, "playing": False, "chosen": "mixture"}
    assert "dBFS RMS" in page.locator(".avsep-level").first.inner_text()
    page.click(".avsep-play")
    wait_position(page, 0.3)
    switched_to(page, "2", "estimate")
    page.click(".avsep-sounds >> text=truth")
    assert state(page)["chosen"] == "truth"
    page.keyboard.press(" ")  # on a focused button: pauses, and does not press it
    resting = state(page)
    assert not resting["playing"]
    page.wait_for_timeout(200)
    assert state(page) == resting
    page.keyboard.press("ArrowRight")
    assert state(page)["at"] == pytest.approx(resting["at"] + 0.5, abs=0.011)
    page.keyboard.press("Home")
    assert state(page)["at"] == 0
    assert page.locator(".jp-Cell").count() == 1
    assert page.locator(".jp-MarkdownCell").count() == 0  # JupyterLab's own keys did not see them
    shots(page, "player_lab")


def test_python_changes_the_sounds_in_place(page, lab, shots) -> None:
    write_notebook(lab.folder / "update.ipynb", SETUP)
    open_notebook(page, lab, "update.ipynb", theme="JupyterLab Dark")
    run_all(page)
    page.wait_for_selector(".avsep-sounds button")
    page.locator(".avsep-sounds button").nth(1).click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert state(page) == {"at": 1, "playing": False, "chosen": "estimate"}
    page.wait_for_timeout(500)  # the page sends its state when the kernel has answered the last one
    run_code(page, "assert player.active == 1 and abs(player.position - 1) < 0.01, (player.active, player.position)")
    run_code(page, "player.sounds = {'noise': tone(300, .1), 'mixture': tone(440, .5), 'estimate': tone(350, 1)}")
    page.wait_for_selector(".avsep-sounds >> text=noise")
    assert state(page) == {"at": 1, "playing": False, "chosen": "estimate"}
    page.keyboard.press(" ")
    wait_position(page, 1.1)
    run_code(page, "player.sounds = {'estimate': tone(380, .5), 'mixture': tone(440, .5)}")  # while it plays
    page.wait_for_function("document.querySelectorAll('.avsep-sounds button').length === 2")
    wait_position(page, state(page)["at"] + 0.2)
    assert state(page)["chosen"] == "estimate"
    shots(page, "player_lab_dark")
    run_code(page, "player.sounds = {'short': np.ones(rate) / 2}")
    page.wait_for_selector("text=of 1.0 s")
    page.wait_for_function("document.querySelector('.avsep-play').getAttribute('aria-label') === 'Play'")
    run_code(page, "player.sounds = {}")
    page.wait_for_selector("text=No sound yet.")
    assert page.locator(".avsep-play").is_disabled()


def test_the_static_twin_in_a_notebook(page, lab) -> None:
    twin = "from avsep_lib.explorer.player_static import static_player\nstatic_player(player.sounds, rate)"
    write_notebook(lab.folder / "twin.ipynb", SETUP.removesuffix("player") + "None", twin, twin)
    open_notebook(page, lab, "twin.ipynb")
    run_all(page)
    assert error_outputs(page) == []
    page.locator(".avsep-play").nth(1).wait_for()
    assert page.locator(".avsep-play").count() == 2
    assert page.locator(".avsep-player audio").count() == 0


def write_page(folder: Path, body: str, policy: str = "") -> str:
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">' if policy else ""
    head = f'<meta charset="utf-8"><meta name="color-scheme" content="light dark">{meta}<title>player</title>'
    style = "<style>body{margin:1rem}</style>"
    path = folder / "page.html"
    path.write_text(f'<!doctype html><html lang="en"><head>{head}{style}</head><body>{body}</body></html>')
    return path.as_uri()


def script_policy() -> str:
    digest = base64.b64encode(hashlib.sha256(player_static.static_script().encode()).digest()).decode()
    return f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; media-src data: file:"


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "files"])
def test_the_static_twin_from_disk(page, tmp_path, embedded, shots) -> None:
    body = player_static.static_player(LONG, RATE, assets=False).data
    if not embedded:
        body = player_static.static_player_files(tmp_path / "audio", LONG, RATE)
    page.goto(write_page(tmp_path, body + player_static.static_assets(), script_policy()))
    assert page.locator("audio").count() == 0 or not page.locator("audio").first.is_visible()
    page.locator(".avsep-play").focus()
    page.keyboard.press(" ")
    wait_position(page, 0.3)
    wait_position(page, switched_to(page, "3", "truth <&>") + 0.2)
    page.keyboard.press(" ")
    shots(page, f"player_static_{embedded}")
    assert not state(page)["playing"]


def test_files_are_the_sounds(tmp_path) -> None:
    player_static.static_player_files(tmp_path / "audio", SOUNDS, RATE)
    found = sorted((tmp_path / "audio").iterdir())
    assert [path.suffix for path in found] == [".flac"] * 3
    decoded, rate = soundfile.read(next(path for path in found if path.name.startswith("mixture")))
    assert rate == RATE
    np.testing.assert_allclose(decoded, SOUNDS["mixture"], atol=ONE_BIT)


def test_a_spectrogram_takes_the_place_of_its_waveform(page, tmp_path, shots) -> None:
    ramp = np.linspace(0, 1, 64)[:, None] * np.ones((1, 90))
    twin = player_static.static_player(SOUNDS, RATE, spectrograms={"estimate": ramp})
    page.goto(write_page(tmp_path, twin.data))
    strip = page.locator(".avsep-strip")
    assert strip.get_attribute("aria-label") == "Waveform of mixture"
    page.click(".avsep-sounds >> text=estimate")
    assert strip.get_attribute("aria-label") == "Spectrogram of estimate"
    until(page, "document.querySelector('.avsep-picture').width === 90")
    corners = (
        "[63, 0].flatMap(y => [...document.querySelector('canvas').getContext('2d').getImageData(5, y, 1, 1).data])"
    )
    low, high = np.reshape(page.evaluate(corners), (2, 4))[:, :3].sum(axis=1)
    assert low < 50  # the lowest frequency is below, and dark as its level
    assert high > 600
    box = strip.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 10)
    assert state(page)["at"] == pytest.approx(1.5, abs=0.05)
    shots(page, "player_spectrogram")


def test_one_player_at_a_time(page, tmp_path) -> None:
    body = 2 * player_static.static_player(LONG, RATE, assets=False).data + player_static.static_assets()
    page.goto(write_page(tmp_path, body))
    for i in (0, 1):
        page.locator(".avsep-play").nth(i).click()
        page.wait_for_function(f"document.querySelectorAll('.avsep-play')[{i}].getAttribute('aria-label') === 'Pause'")
    assert page.locator(".avsep-play").first.get_attribute("aria-label") == "Play"


def test_without_scripts_every_sound_has_a_control_and_its_level(browser, watch, tmp_path) -> None:
    with guarded_context(browser, watch, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(write_page(tmp_path, player_static.static_player(SOUNDS, RATE).data))
        assert [page.locator("audio").nth(i).is_visible() for i in range(3)] == [True] * 3
        assert page.locator(".avsep-level").first.inner_text() == encoded(SOUNDS, RATE)[0]["level"]
    assert watch.refused == []


def test_narrow_and_dark(browser, watch, tmp_path, shots) -> None:
    address = write_page(tmp_path, player_static.static_player(SOUNDS, RATE).data)
    for scheme in ("light", "dark"):
        with guarded_context(browser, watch, viewport={"width": 390, "height": 700}, color_scheme=scheme) as context:
            page = context.new_page()
            page.goto(address)
            page.locator(".avsep-sounds button").nth(1).focus()
            page.keyboard.press("2")
            page.keyboard.press("ArrowRight")
            shots(page, f"player_narrow_{scheme}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert watch.errors == []
