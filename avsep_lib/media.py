"""Files of strangers, opened as sound, video or picture and as nothing else, whatever their names say.

FFmpeg also reads playlists (HLS, DASH, ffconcat), which name other files and addresses for it to open, and Pillow reads
PostScript, which it hands to an interpreter. A recording or picture that is such a thing is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

# Demuxers of self-contained files, by FFmpeg's names.
CONTAINERS = (
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "asf"),
    *(
        "ogg",
        "wav",
        "w64",
        "flac",
        "mp3",
        "aac",
        "aiff",
        "caf",
        "au",
        "ac3",
        "eac3",
        "amr",
        "ape",
        "wv",
        "tta",
        "dv",
        "mxf",
    ),
    *("nut", "rm", "ivf", "h264", "hevc", "gif", "loas"),
)
PICTURES = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # Pillow's names; JPEG includes the MPO of phones


def open_container(path: str | Path) -> Any:
    """`av.open` for reading; a file of another kind is an `av.error.FFmpegError`, as a damaged one is."""
    import av

    return av.open(str(path), options={"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"})


def open_picture(source: str | Path | IO[bytes]) -> Any:
    """`PIL.Image.open`; a file of another kind is a `PIL.UnidentifiedImageError` (an OSError), as a damaged one is."""
    from PIL import Image

    return Image.open(source, formats=PICTURES)
