"""Open one published pickle and keep its tensors. Runs as a process of its own; see `avsep_lib.encoders.convert`.

A pickle can run any code when it is opened. Nothing else in the project opens one without PyTorch's restricted
unpickler, and no other module imports this one: `convert` starts it, when a person has said ``--trust-pickle`` and named the
SHA-256.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from safetensors.torch import save_file

from avsep_lib.cli import run_main
from avsep_lib.encoders.kinds import clap_model, layout_of, select
from avsep_lib.errors import WeightsError

RESTRICTED = "opened with PyTorch's restricted unpickler: no code in it was run"
TORCHSCRIPT = "a TorchScript archive, opened with torch.jit.load"
FULL = "opened with the full unpickler, because the restricted one refused it"


def read_tensors(stream: BinaryIO, path: Path) -> tuple[dict[str, torch.Tensor], str]:
    """All tensors of a checkpoint, and in words how it had to be opened.

    Raises
    ------
    WeightsError
        The file is truncated, or holds no tensors by name.
    """
    try:
        content, how = _opened(stream)
    except (RuntimeError, OSError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} is truncated or no checkpoint ({_first_line(error)}); fetch it again") from None
    state = content
    for key in ("state_dict", "model"):  # beside epoch, optimiser and the like
        state = state[key] if isinstance(state, dict) and isinstance(state.get(key), dict) else state
    tensors = {k: v for k, v in state.items() if torch.is_tensor(v)} if isinstance(state, dict) else {}
    if not tensors:
        raise WeightsError(f"{path} holds no tensors by name, but a {type(content).__name__}; it is no checkpoint")
    return tensors, how


def _opened(stream: BinaryIO) -> tuple[Any, str]:
    """The content, opened with the least power that is enough."""
    if _is_torchscript(stream):
        return _openai_names(torch.jit.load(stream, map_location="cpu").state_dict()), TORCHSCRIPT
    try:
        with torch.serialization.safe_globals(_numbers()):
            return torch.load(stream, map_location="cpu", weights_only=True), RESTRICTED
    except pickle.UnpicklingError as error:
        stream.seek(0)
        content = torch.load(stream, map_location="cpu", weights_only=False)
        return content, f"{FULL} ({_first_line(error)})"


def _is_torchscript(stream: BinaryIO) -> bool:
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(stream) as archive:
        found = any(name.endswith("/constants.pkl") for name in archive.namelist())
        stream.seek(0)
        return found
    stream.seek(0)
    return False


def _openai_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """OpenAI's archive as open_clip names it, when it is one."""
    if "visual.conv1.weight" not in state:
        return state
    from open_clip.model import build_model_from_openai_state_dict

    return build_model_from_openai_state_dict(dict(state), cast_dtype=torch.float32).state_dict()


def _numbers() -> list:
    """What LAION's checkpoints hold besides tensors: numpy's numbers, under the names of numpy 1 and 2."""
    scalar = importlib.import_module("numpy._core.multiarray").scalar
    named = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    return [*named, np.dtype, *(type(np.dtype(kind)) for kind in ("f8", "f4", "i8"))]


def chosen(tensors: dict[str, torch.Tensor], kind: str, text: bool, path: Path) -> tuple[dict, list[str]]:
    """The float32 tensors that an encoder of `kind` takes, under its own names, and the names left out.

    `text` also keeps the text tower of a CLAP checkpoint.
    """
    way_out = "`avsep weights where` lists the files that fit"
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    layouts = [layout_of(kind, clap_model(shapes) or "HTSAT-tiny")] + ([layout_of("clap_text")] if text else [])
    selections = [select(shapes, layout, path, way_out) for layout in layouts]
    names = {name: stored for selection in selections for name, stored in selection.names.items()}
    left_out = sorted(set(tensors) - set(names.values()))
    return {name: _plain(tensors[stored]) for name, stored in names.items()}, left_out


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach().float() if tensor.is_floating_point() else tensor.detach()
    return tensor.contiguous().clone()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:160]


def main() -> None:
    """Command line; the last line of its output is JSON for `convert`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--kind", required=True)
    parser.add_argument("--sha256", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--text", action="store_true")
    given = parser.parse_args()
    with given.file.open("rb") as stream:
        # Once more, on the very handle that is unpickled: the file may have been replaced since.
        if hashlib.file_digest(stream, "sha256").hexdigest() != given.sha256:
            raise WeightsError(f"{given.file} changed while it was converted; start again")
        stream.seek(0)
        tensors, how = read_tensors(stream, given.file)
    state, left_out = chosen(tensors, given.kind, given.text, given.file)
    save_file(state, given.out, {"kind": given.kind, "source": given.file.name, "source_sha256": given.sha256})
    print(json.dumps({"how": how, "tensors": len(state), "left_out": left_out}))


if __name__ == "__main__":
    run_main(main)
