"""The doors for pictures, sounds and videos of unknown origin: which formats are read, and how large they may be.

FFmpeg and Pillow know formats that are no media but programs or lists of other files (EPS is run by Ghostscript, a
playlist makes FFmpeg open what it names). Only containers of sound and picture are opened here, and only files.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from avsep_lib.errors import DataError

RATES = (1_000, 1_000_000)  # Hz of a sound; anything else is a damaged header
MOST_PIXELS = 100_000_000  # of a picture; as RGB it takes 0.3 GB
PICTURES = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # Pillow's names; JPEG includes the MPO of some phones
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,wav,w64,aiff,caf,au,flac,mp3,aac,ac3,"
    "eac3,amr,dv,mxf,ape,tta,wv,h264,hevc,m4v,ivf"
)  # formats, as FFmpeg calls them
# What Pillow raises for a broken picture, besides OSError: SyntaxError for a PNG, struct.error for a cut TIFF...
# MemoryError, when a part claims to be larger than memory.
BROKEN_PICTURE = (
    *(OSError, ValueError, SyntaxError, struct.error, IndexError, KeyError, TypeError, OverflowError),
    MemoryError,
)


@contextlib.contextmanager
def open_picture(source: Path | IO[bytes]) -> Iterator[Any]:
    """Open a picture with Pillow.

    Raises
    ------
    OSError
        No file, no picture of a format in `PICTURES`, or more than `MOST_PIXELS`; also what goes wrong while the block
        decodes it. FileNotFoundError stays what it is.
    """
    from PIL import Image

    try:
        if isinstance(source, Path) and source.exists() and not source.is_file():  # a pipe would make us wait for ever
            raise OSError(f"{'a folder' if source.is_dir() else 'no regular file'}, not a picture")
        with Image.open(source, formats=PICTURES) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise OSError(
                    f"{picture.width} x {picture.height} pixels are more than {MOST_PIXELS / 1e6:.0f} million"
                )
            yield picture
    except FileNotFoundError:
        raise
    except (*BROKEN_PICTURE, Image.DecompressionBombError) as error:
        raise OSError(str(error) or type(error).__name__) from None


def open_media(path: Path) -> Any:
    """An open PyAV container of a file; raises as ``av.open`` does, also for playlists and their like."""
    import av

    return av.open(
        f"file:{path}",
        options={"format_whitelist": CONTAINERS, "protocol_whitelist": "file"},
        metadata_errors="replace",  # titles are not read here, and may be in any encoding
    )


def check_rate(rate: int, path: Path) -> None:
    """DataError for a sample rate that no sound has; resampling from it would need any amount of memory."""
    if not RATES[0] <= rate <= RATES[1]:
        raise DataError(
            f"{path} states {rate} samples per second; its header is damaged, replace the file or drop its row"
        )
