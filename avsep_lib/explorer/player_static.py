"""The player of `avsep_lib.explorer.player` for pages without a kernel: reports, executed notebooks, files sent by mail.

The HTML holds one row per sound with its levels and the browser's own control; where scripts run, the rows become one
player. A page needs `static_assets` once. Nothing is fetched; sounds are part of the page (`static_player`) or small
files beside it (`static_player_files`). A script may play such a file but not read it when the page is opened from
disk, so its switch is that of two media elements: within some tens of milliseconds (55 measured), where embedded sounds
switch on the sample.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsep_lib.errors import DataError
from avsep_lib.explorer.player import HERE, Sounds, checked_rate, encoded, seconds
from avsep_lib.files import atomic_path

if TYPE_CHECKING:
    from IPython.display import HTML


def static_script() -> str:
    """Text of the module script, for a page with a Content-Security-Policy of its own."""
    return (HERE / "player.js").read_text()


def static_style() -> str:
    """Text of the style sheet."""
    return (HERE / "player.css").read_text()


def static_assets() -> str:
    """Style and script, needed once per page and below its players."""
    return f'<style>{static_style()}</style><script type="module">{static_script()}</script>'


def static_player(
    sounds: Sounds,
    sample_rate: int,
    *,
    spectrograms: Sounds | None = None,
    title: str = "Player",
    assets: bool = True,
) -> HTML:
    """A player with its sounds inside.

    Parameters
    ----------
    sounds : mapping of str to ndarray, shape (n_samples,)
    sample_rate : int
        Hz.
    spectrograms : mapping of str to ndarray, shape (rows, columns), optional
        As for `avsep_lib.explorer.player.ABPlayer`.
    title : str
        Name of the player for a screen reader.
    assets : bool
        Whether `static_assets` comes with it.

    Raises
    ------
    DataError
        No sound, or one that is not a finite, non-empty vector.
    """
    from IPython.display import HTML

    def address(track: dict[str, Any]) -> str:
        return f"data:audio/flac;base64,{base64.b64encode(track['flac']).decode()}"

    return HTML(_page(sounds, sample_rate, spectrograms, title, address) + static_assets() * assets)


def static_player_files(
    folder: Path,
    sounds: Sounds,
    sample_rate: int,
    *,
    spectrograms: Sounds | None = None,
    title: str = "Player",
    link: str | None = None,
) -> str:
    """A player of files, without `static_assets`.

    Parameters
    ----------
    folder : Path
        Where the FLAC files go, named after sound and content; made when missing.
    sounds, sample_rate, spectrograms, title
        As for `static_player`.
    link : str, optional
        The folder as the page sees it; its name by default, for a page beside the folder.

    Raises
    ------
    DataError
        As for `static_player`.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def address(track: dict[str, Any]) -> str:
        words = re.sub(r"[^a-z0-9]+", "-", track["name"].lower()).strip("-")[:40]
        name = f"{words or 'sound'}-{hashlib.sha256(track['flac']).hexdigest()[:10]}.flac"
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(track["flac"])
        return f"{folder.name if link is None else link}/{name}"

    return _page(sounds, sample_rate, spectrograms, title, address)


def _page(
    sounds: Sounds,
    sample_rate: int,
    spectrograms: Sounds | None,
    title: str,
    address: Callable[[dict[str, Any]], str],
) -> str:
    if not sounds:
        raise DataError("static player: no sound given")
    rate = checked_rate(sample_rate)
    rows = "".join(_row(track, address(track)) for track in encoded(sounds, rate, spectrograms))
    length = f"{seconds(sounds, rate):.6f}"
    label = html.escape(title)
    attributes = f'role="group" aria-label="{label}" data-static data-rate="{rate}" data-seconds="{length}"'
    return f'<div class="avsep-player" {attributes}><ul>{rows}</ul></div>'


def _row(track: dict[str, Any], address: str) -> str:
    name, level = html.escape(track["name"]), html.escape(track["level"])
    packed = {key: base64.b64encode(track[key]).decode() for key in ("peaks", "png") if track[key]}
    data = " ".join(f'data-{key}="{value}"' for key, value in ({"name": name, "level": level} | packed).items())
    words = f'<span class="avsep-name">{name}</span> <span class="avsep-level">{level}</span>'
    control = f'<audio controls preload="none" src="{html.escape(address)}" aria-label="{name}"></audio>'
    return f"<li {data}>{words}{control}</li>"
