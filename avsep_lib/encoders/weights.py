"""Weights on disk: safetensors only, loaded strictly, with errors that say which file belongs where."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from avsep_lib.encoders.kinds import COUNTER, Selection
from avsep_lib.errors import DataError, WeightsError
from avsep_lib.files import atomic_path, canonical_json, read_json, sha256_file, sha256_text


def best_device() -> torch.device:
    """Where a pretrained encoder runs: the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def save_weights(path: str | Path, module: nn.Module) -> None:
    """Write a module's state as safetensors, atomically; equal states give equal bytes."""
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(state, temporary)


def read_weights(path: str | Path, way_out: str) -> dict[str, torch.Tensor]:
    """Read a safetensors file.

    Raises
    ------
    WeightsError
        If the file is missing, truncated or no safetensors file; the message ends with `way_out`.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path} is missing. {way_out}")
    if path.suffix != ".safetensors":
        raise WeightsError(f"{path} is not a safetensors file, and pickles are not opened here. {way_out}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path} is truncated or not a safetensors file ({error}). {way_out}") from None


def load_strict(module: nn.Module, state: dict[str, torch.Tensor], path: str | Path, way_out: str) -> None:
    """Load `state` into `module`; a key too many, too few or of another shape is a `WeightsError`."""
    wanted = module.state_dict()
    missing = sorted(set(wanted) - set(state))
    extra = sorted(set(state) - set(wanted))
    reshaped = sorted(name for name in set(wanted) & set(state) if wanted[name].shape != state[name].shape)
    for names, problem in ((missing, "lacks"), (extra, "has the unknown tensor"), (reshaped, "has another shape for")):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise WeightsError(f"{path} was made for another model: it {problem} {names[0]!r}{more}. {way_out}")
    _check_finite(state, path, way_out)
    module.load_state_dict(state, strict=True)


def _check_finite(state: dict[str, torch.Tensor], path: str | Path, way_out: str) -> None:
    """WeightsError for the first tensor with a value that no network can have."""
    for name, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise WeightsError(f"{path} is damaged: {name} holds NaN or infinity. {way_out}")


def load_selected(module: nn.Module, path: Path, selection: Selection, way_out: str) -> None:
    """Load the chosen tensors of a file into `module`, strictly.

    Parameters
    ----------
    module : nn.Module
    path : Path
        Safetensors file.
    selection : Selection
        From `avsep_lib.encoders.kinds.select`.
    way_out : str
        Last words of a message.

    Raises
    ------
    WeightsError
        The file cannot be read, or holds values that are not finite.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(stored) for name, stored in selection.names.items()}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} cannot be read ({error}). {way_out}") from None
    load_state(module, state, path, way_out)


def load_state(module: nn.Module, state: dict[str, torch.Tensor], path: str | Path, way_out: str) -> None:
    """Load chosen tensors strictly; a batch norm's counter that is not among them keeps its value."""
    _check_finite(state, path, way_out)
    counters = {name: tensor for name, tensor in module.state_dict().items() if name.endswith(COUNTER)}
    module.load_state_dict(counters | state, strict=True)


def read_config(folder: Path, modality: str, way_out: str) -> dict:
    """Read a trained encoder's config.json and check that it is one for `modality`; WeightsError otherwise.

    It is written last, so a folder without it was left by an interrupted training.
    """
    path = folder / "config.json"
    try:
        config = read_json(path)
    except DataError as error:
        raise WeightsError(f"{folder} holds no finished encoder ({error}). {way_out}") from None
    if config.get("modality") != modality or config["settings"]["kind"] != "mini":
        found = f"{config.get('modality')} encoder of kind {config['settings']['kind']!r}"
        raise WeightsError(f"{path} describes an {found}, an {modality} encoder of kind 'mini' is needed. {way_out}")
    return config


def content_key(weights: str | Path, config: dict) -> str:
    """SHA-256 over the bytes of the weights and the configuration: what an embedding depends on besides its input."""
    return sha256_text(sha256_file(weights) + canonical_json(config))
