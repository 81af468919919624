"""A finished run of a profile, ready to separate."""

from __future__ import annotations

from avsep_lib.config import Profile, find_run, resolve
from avsep_lib.encoders.base import AudioEncoder, load_audio_encoder
from avsep_lib.inputs import require, require_data
from avsep_lib.methods.hfra import HFRA


def load_teacher(profile: Profile, dataset: str) -> AudioEncoder:
    """The frozen audio encoder of a dataset; DataError when it is not there yet."""
    (weights,) = require_data(profile.name, dataset, "encoders/audio/model.safetensors")
    return load_audio_encoder(profile.encoders_for(dataset).audio, weights.parent)


def load_trained(profile: Profile, run_id: str) -> HFRA:
    """A run by id, with the frozen audio encoder where it hears through it.

    Raises
    ------
    ConfigError, DataError, WeightsError
        Unknown run; a run that is not finished; a checkpoint that cannot be read.
    """
    run = find_run(profile, run_id)
    (path,) = require(profile.name, f"runs/{run_id}/model.safetensors")
    hears = resolve(profile, run).model.bottleneck == "teacher"
    return HFRA.load(path, load_teacher(profile, run.dataset) if hears else None)
