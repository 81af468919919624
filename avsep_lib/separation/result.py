"""What a separation gives: waveforms, masks, and what was done; to show in a notebook or to save in a folder."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avsep_lib import __version__
from avsep_lib.errors import DataError
from avsep_lib.files import read_json, write_json
from avsep_lib.listening import levels
from avsep_lib.settings import AudioSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULT, PICTURE = "result.json", "masks.png"


@dataclass(frozen=True)
class Separation:
    """A separated recording.

    Attributes
    ----------
    mixture : ndarray, float32, shape (channels, n_samples)
        At the model's sample rate.
    estimates : ndarray, float32, shape (n, channels, n_samples)
    masks : ndarray, float32, shape (n, n_rows, n_columns)
        Soft masks on the warped frequency axis.
    names : list of str
    audio : AudioSettings
    mask : {"soft", "binary"}
        Which masks made the estimates.
    pictures : list of ndarray, uint8, shape (height, width, 3)
        What each source was shown as (for a video: at the middle window).
    run, model_sha256, encoder_key : str
        Which model it was; no key where the run has a visual network of its own.
    source : str
        File name of the recording.
    start_s : float
        Where in it the mixture begins, in seconds.
    warnings : list of str
    """

    mixture: np.ndarray
    estimates: np.ndarray
    masks: np.ndarray
    names: list[str]
    audio: AudioSettings
    mask: str
    pictures: list[np.ndarray]
    run: str
    model_sha256: str
    encoder_key: str
    source: str
    start_s: float
    warnings: list[str]

    @property
    def files(self) -> list[str]:
        """File names of the stems: number and name, without what a file system may refuse."""
        slugs = [re.sub(r"[^\w.-]+", "_", name).strip("._")[:60] for name in self.names]
        return [f"{i}-{slug or 'source'}.wav" for i, slug in enumerate(slugs, start=1)]

    def describe(self) -> dict[str, Any]:
        """What was done and what came out, as plain values: the contents of ``result.json``.

        Levels are those of all channels together, null for silence. Means of masks are weighted with the mixture's
        magnitude on the same grid: `mean_mask` is the share of it a source gets, `overlap` the share that every pair
        of sources gets twice (mean of the smaller mask), `unclaimed` the share that even the largest mask leaves out.
        `residual_db` is the level of mixture minus sum of estimates, relative to the mixture.
        """
        return {
            "written_by": f"avsep_lib {__version__}",
            "mixture": {"file": self.source, "start_s": round(self.start_s, 6), **_level(self.mixture)},
            "run": self.run,
            "model_sha256": self.model_sha256,
            "encoder_key": self.encoder_key,
            "sample_rate": self.audio.sample_rate,
            "seconds": round(self.mixture.shape[1] / self.audio.sample_rate, 6),
            "channels": len(self.mixture),
            "mask": self.mask,
            "stems": "32-bit float WAV at the mixture's own level, not clipped",
            "sources": [
                {"name": name, "file": file, **_level(estimate), "mean_mask": share}
                for name, file, estimate, share in zip(self.names, self.files, self.estimates, self._shares())
            ],
            "residual_db": _ratio_db(self.mixture - self.estimates.sum(axis=0), self.mixture),
            **self._sharing(),
            "warnings": self.warnings,
        }

    def _applied(self) -> np.ndarray:
        return self.masks if self.mask == "soft" else (self.masks > 0.5).astype(np.float32)

    def _weights(self) -> np.ndarray:
        """The mixture's magnitude on the grid of the masks, summing to 1."""
        from avsep_lib.separation.apply import warped_magnitude

        magnitude = warped_magnitude(self.mixture.mean(axis=0), self.audio)[:, : self.masks.shape[-1]]
        return magnitude / magnitude.sum()

    def _shares(self) -> list[float]:
        return [round(float((mask * self._weights()).sum()), 4) for mask in self._applied()]

    def _sharing(self) -> dict[str, float]:
        masks, weights = self._applied(), self._weights()
        pairs = [np.minimum(masks[i], masks[k]) for i in range(len(masks)) for k in range(i)]
        overlap = float(np.mean([(pair * weights).sum() for pair in pairs])) if pairs else 0.0
        return {"overlap": round(overlap, 4), "unclaimed": round(float(((1 - masks.max(axis=0)) * weights).sum()), 4)}

    def figure(self) -> Figure:
        """The mixture's spectrogram, and each source's mask and estimate; see `avsep_lib.plots.separation`."""
        from matplotlib.figure import Figure

        from avsep_lib.plots.separation import height_of, separation_figure
        from avsep_lib.plots.style import WIDTH

        return separation_figure(Figure(figsize=(WIDTH, height_of(len(self.names)))), self)

    def show(self) -> None:
        """In a notebook: the warnings, the picture, and players at true level (channels averaged)."""
        from IPython.display import display

        from avsep_lib.listening import listening_panel

        for warning in self.warnings:
            print(f"note: {warning}")
        display(self.figure())
        sounds = {"mixture": self.mixture} | {f"{name} (estimate)": e for name, e in zip(self.names, self.estimates)}
        display(listening_panel({k: v.mean(axis=0) for k, v in sounds.items()}, self.audio.sample_rate))

    def save(self, out: str | Path, *, force: bool = False) -> Path:
        """Write stems, picture and ``result.json`` into a folder, complete or not at all.

        Parameters
        ----------
        out : path
            New or empty, unless `force`: then what an earlier separation left there is replaced, and nothing else.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        DataError
            When the folder is not empty, or cannot be written.
        """
        out = Path(out)
        check_folder(out, force)
        out = out.resolve()
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out if out.exists() else out.parent))
        except OSError as error:
            raise DataError(f"folder {out} cannot be made ({error}); name another one with --out") from None
        try:
            self._write(folder)
            _move_in(folder, out)
        except OSError as error:
            raise DataError(f"folder {out} cannot be written ({error}); name another one with --out") from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return out

    def _write(self, folder: Path) -> None:
        from scipy.io import wavfile  # libsndfile would write the time of day into a float WAV

        for file, estimate in zip(self.files, self.estimates):
            wavfile.write(folder / file, self.audio.sample_rate, np.ascontiguousarray(estimate.T, dtype=np.float32))
        self.figure().savefig(folder / PICTURE, dpi=200, metadata={"Software": None})
        write_json(folder / RESULT, self.describe())


def check_folder(out: Path, force: bool) -> None:
    """DataError unless a result may be written into `out`."""
    if os.path.lexists(out) and not out.is_dir():
        raise DataError(f"{out} is not a folder; name another one with --out")
    try:
        found = list(out.iterdir()) if out.exists() else []
    except OSError as error:
        raise DataError(f"folder {out} cannot be read ({error}); name another one with --out") from None
    if found and not force:
        raise DataError(f"folder {out} is not empty; name another one, or replace what is there with --force")


def _move_in(folder: Path, out: Path) -> None:
    """Put a finished result in its place; ``result.json`` goes first and comes last, so that it vouches for the rest."""
    os.chmod(folder, 0o755)
    if not out.exists():
        os.replace(folder, out)
        return
    if taken := [path.name for path in folder.iterdir() if (out / path.name).is_dir()]:
        raise DataError(f"folder {out} holds a folder named {taken[0]}; name another one with --out")
    for name in _written_before(out):
        (out / name).unlink(missing_ok=True)
    for path in sorted(folder.iterdir(), key=lambda path: path.name == RESULT):
        os.replace(path, out / path.name)


def _written_before(out: Path) -> list[str]:
    """Files of an earlier result, ``result.json`` first; empty when there is none."""
    try:
        stems = [str(source["file"]) for source in read_json(out / RESULT)["sources"]]
    except (DataError, OSError, UnicodeDecodeError, KeyError, TypeError):
        return []
    return [RESULT, PICTURE, *(name for name in stems if Path(name).name == name and name.endswith(".wav"))]


def _level(samples: np.ndarray) -> dict[str, float | None]:
    """RMS and peak over all channels in dBFS; None for silence, which JSON cannot say otherwise."""
    found = levels(samples.reshape(-1))
    rounded = {"rms_dbfs": round(found.rms_dbfs, 2), "peak_dbfs": round(found.peak_dbfs, 2)}
    return {name: value if np.isfinite(value) else None for name, value in rounded.items()}


def _ratio_db(part: np.ndarray, whole: np.ndarray) -> float | None:
    part_db, whole_db = (levels(samples.reshape(-1)).rms_dbfs for samples in (part, whole))
    return round(part_db - whole_db, 2) if np.isfinite(part_db) else None
