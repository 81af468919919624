"""Reading ``model.safetensors``: a run's weights, its configuration and the classes it was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch.overrides import TorchFunctionMode

from avsep_lib.errors import WeightsError
from avsep_lib.settings import RunConfig, from_dict

Module = TypeVar("Module", bound=torch.nn.Module)


@dataclass(frozen=True)
class Checkpoint:
    """What a run left.

    Attributes
    ----------
    config : RunConfig
    tensors : dict of str to Tensor
        Finite all of them.
    classes : tuple of str
        Of the training clips, sorted; empty in runs that read no labels.
    """

    config: RunConfig
    tensors: dict[str, torch.Tensor]
    classes: tuple[str, ...]


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Everything in a checkpoint.

    Raises
    ------
    WeightsError
        Missing, truncated, not finite, or not a checkpoint of this suite.
    """
    path = Path(path)
    metadata, tensors = _read(path, tensors=True)
    if broken := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        raise WeightsError(f"checkpoint {path}: {broken[0]} holds NaN or infinity; delete it and train again")
    config, classes = _config(metadata, path)
    return Checkpoint(config, tensors, classes)


def read_config(path: str | Path) -> RunConfig:
    """The configuration alone; WeightsError as `read_checkpoint`."""
    return _config(_read(Path(path), tensors=False)[0], Path(path))[0]


def built(checkpoint: Checkpoint, path: str | Path, build: Callable[[], Module]) -> Module:
    """The network of a checkpoint, with its weights.

    Parameters
    ----------
    checkpoint : Checkpoint
    path : path
        Where it was read, for the message.
    build : callable
        Makes the network of its configuration with any weights. Called twice, first without memory for them: a damaged
        configuration may ask for more than the machine has.

    Raises
    ------
    WeightsError
        The tensors are not those of the configuration.
    """
    try:
        with torch.device("meta"), _Unfilled():
            build().load_state_dict(checkpoint.tensors, strict=True, assign=True)
        network = build()
        network.load_state_dict(checkpoint.tensors, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"checkpoint {path} does not fit its own configuration: {error}") from None
    return network


class _Unfilled(TorchFunctionMode):
    """Leaves normal initial values out: without memory there are none, and PyTorch imports its compiler for them (1 s)."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.Tensor.normal_, torch.nn.init.normal_):
            return args[0] if args else kwargs["tensor"]
        if func is torch.randn:
            return torch.empty(*args, **kwargs)
        return func(*args, **kwargs)


def _read(path: Path, *, tensors: bool) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    if not path.exists():
        raise WeightsError(f"checkpoint {path} is missing; `make figures` trains it")
    try:
        if not path.is_file():
            raise OSError("no regular file")
        with safe_open(path, framework="pt") as file:
            names = file.keys() if tensors else ()
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"checkpoint {path} cannot be read ({error}); delete it and train again") from None


def _config(metadata: dict[str, str], path: Path) -> tuple[RunConfig, tuple[str, ...]]:
    """Configuration, and the classes that methods outside the family note with it."""
    if "config" not in metadata:
        raise WeightsError(f"checkpoint {path} holds no configuration; it was not written by avsep_lib.train")
    try:
        values = json.loads(metadata["config"])
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"checkpoint {path}: its configuration is no JSON ({error}); train again") from None
    classes = values.pop("classes", []) if isinstance(values, dict) else []
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise WeightsError(f"checkpoint {path}: its list of classes is none; train again")
    return from_dict(RunConfig, values, f"{path} (configuration)"), tuple(classes)
