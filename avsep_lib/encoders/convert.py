"""Published pickles to safetensors, once, by hand: ``avsep weights convert``. The workflow never comes here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avsep_lib.encoders.files import SAFE, digest, read_header
from avsep_lib.encoders.kinds import clap_model, layout_of, select
from avsep_lib.encoders.sources import PUBLISHED
from avsep_lib.errors import WeightsError
from avsep_lib.files import atomic_path

if TYPE_CHECKING:
    from torch import nn

KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR", "SYSTEMROOT")  # of the environment; no keys, tokens or proxies
CLOSED = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Conversion:
    """What came of a conversion."""

    out: Path
    sha256: str
    how: str  # the pickle was opened
    tensors: int
    left_out: tuple[str, ...]


def check_trust(file: Path, trust: bool, sha256: str) -> None:
    """Refuse before the file is opened.

    Raises
    ------
    WeightsError
        No file, no trust, or another SHA-256 than the one that was named; the message gives the one found.
    """
    if not file.is_file():
        raise WeightsError(f"{file} is missing; `avsep weights where` lists what to fetch")
    if file.suffix == SAFE:
        raise WeightsError(f"{file} is a safetensors file already; name it in the profile as it is")
    found = digest(file)
    known = next((f" ({name})" for start, name in PUBLISHED.items() if found.startswith(start)), "")
    if not trust:
        raise WeightsError(
            f"{file} is a pickle, which may run any code when it is opened. Its SHA-256 is {found}{known}. If that is "
            f"what its publisher names, run again with --trust-pickle --sha256 {found}"
        )
    if sha256.lower() != found:
        raise WeightsError(
            f"{file} has the SHA-256 {found}{known}, and --sha256 says {sha256 or 'nothing'}; fetch it again from its "
            "publisher, or name the right one. It was not opened"
        )


def convert(file: Path, kind: str, out: Path, *, trust: bool, sha256: str, text: bool = False) -> Conversion:
    """Open `file` in a process of its own and write the tensors of `kind` to `out`, a safetensors file.

    Parameters
    ----------
    file : Path
        LAION's ``.pt``, open_clip's ``.bin`` or ``.pt``, OpenAI's TorchScript ``.pt``, torchvision's ``.pth``.
    kind : str
        ``clip``, ``clap`` or ``resnet18``.
    out : Path
    trust, sha256
        Both must be given; see `check_trust`.
    text : bool
        Keep CLAP's text tower as well.

    Raises
    ------
    WeightsError
        Not trusted, not readable, or not of this kind. `out` is written whole or not at all.
    """
    if out.suffix != SAFE:
        raise WeightsError(f"--out {out} must end in {SAFE}")
    if text and kind != "clap":
        raise WeightsError(f"--text is for --kind clap, not {kind}; CLIP's text tower is always kept")
    check_trust(file, trust, sha256)
    try:
        with atomic_path(out) as temporary:
            report = _unpickled(file.resolve(), kind, sha256.lower(), temporary.resolve(), text)
            verify(temporary, kind, text)
    except OSError as error:
        raise WeightsError(f"{out} cannot be written ({error.strerror}); choose another --out") from None
    return Conversion(out, digest(out), report["how"], report["tensors"], tuple(report["left_out"]))


def _unpickled(file: Path, kind: str, sha256: str, out: Path, text: bool) -> dict:
    """Start `avsep_lib.encoders.unpickle` with an empty home, no secrets in its environment and hubs closed."""
    command = [sys.executable, "-I", "-W", "ignore", "-m", "avsep_lib.encoders.unpickle"]
    options = ["--file", file, "--kind", kind, "--sha256", sha256, "--out", out, *(["--text"] if text else [])]
    with tempfile.TemporaryDirectory() as home:
        environment = {name: os.environ[name] for name in KEPT if name in os.environ} | CLOSED | {"HOME": home}
        done = subprocess.run(
            [*command, *map(str, options)], env=environment, cwd=home, capture_output=True, text=True, check=False
        )
    report = _last_line(done.stdout)
    if done.returncode or not report.startswith("{"):
        words = _last_line(done.stderr).removeprefix("WeightsError: ") or f"exit code {done.returncode}"
        raise WeightsError(words if words.startswith(str(file)) else f"{file} could not be converted: {words}")
    return json.loads(report)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


def verify(path: Path, kind: str, text: bool) -> None:
    """Load a converted file strictly into its network; WeightsError when it does not fit."""
    from avsep_lib.encoders.weights import load_selected

    again = "Convert it again"
    shapes, _ = read_header(path, again)
    model = clap_model(shapes) or "HTSAT-tiny"
    for part in (kind, "clap_text") if text else (kind,):
        layout = layout_of(part, model)
        load_selected(_network(part, model), path, select(shapes, layout, path, again), again)


def _network(kind: str, model: str) -> nn.Module:
    """The network of a kind, randomly initialised."""
    if kind == "clip":
        import open_clip

        from avsep_lib.encoders.clip import MODEL

        return open_clip.CLIP(**open_clip.get_model_config(MODEL))
    if kind == "clap":
        from avsep_lib.encoders.towers import clap_tower

        return clap_tower(model)
    if kind == "clap_text":
        from avsep_lib.encoders.clap_text import TextTower

        return TextTower()
    from avsep_lib.models.visual import DilatedResNet18, Trunk

    return Trunk(DilatedResNet18(1))
