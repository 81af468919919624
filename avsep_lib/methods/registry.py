"""From the name of a method to its code, and from a checkpoint to something that separates."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from avsep_lib.methods.checkpoint import read_config
from avsep_lib.methods.settings import FAMILY, UNTRAINED, method_module

if TYPE_CHECKING:
    from avsep_lib.encoders.base import AudioEncoder
    from avsep_lib.methods.base import MaskMethod
    from avsep_lib.methods.closed_form import ClosedForm
    from avsep_lib.methods.network import Network


def network_class(method: str) -> type[Network]:
    """The network of a method that learns."""
    return importlib.import_module(method_module(method)).NETWORK


def closed_form_class(method: str) -> type[ClosedForm]:
    """The class of a method that learns nothing."""
    return importlib.import_module(method_module(method)).METHOD


def load_method(path: str | Path, teacher: AudioEncoder | None = None) -> MaskMethod:
    """Load a run's ``model.safetensors``, whatever its method.

    Raises
    ------
    WeightsError
        Missing, truncated, or no checkpoint of this suite.
    """
    config = read_config(path)
    if config.method == FAMILY:
        from avsep_lib.methods.hfra import HFRA

        return HFRA.load(path, teacher)
    if config.method in UNTRAINED:
        return closed_form_class(config.method)(config)
    from avsep_lib.methods.learnt import Learnt

    return Learnt.load(path)
