"""One file of the Hugging Face hub, for profiles that say ``hub: online``."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from avsep_lib.encoders.sources import Source
from avsep_lib.errors import WeightsError

SECONDS = 5  # for the hub's first answer; its client alone tries for half a minute


def online() -> bool:
    """Does the environment allow hubs? The workflow hands on the profile's `hub` as HF_HUB_OFFLINE."""
    return os.environ.get("HF_HUB_OFFLINE", "1") == "0"


def _client() -> ModuleType:
    """huggingface_hub, open; called for profiles that allow it, whatever the shell around them says."""
    os.environ["HF_HUB_OFFLINE"] = "0"
    import huggingface_hub

    return huggingface_hub


def cached(source: Source) -> Path | None:
    """The file in the local cache of the hub, if it was fetched before."""
    found = _client().try_to_load_from_cache(source.hub, source.file)
    return Path(found) if isinstance(found, str) else None


def check_reachable(source: Source) -> None:
    """WeightsError within seconds unless the file is cached or the hub has it."""
    if cached(source):
        return
    client = _client()
    try:
        client.get_hf_file_metadata(client.hf_hub_url(source.hub, source.file), timeout=SECONDS)
    except Exception as error:  # the client hands on the errors of its HTTP library
        raise WeightsError(f"{source.title} could not be fetched ({_short(error)}). {source.way_out()}") from None


def fetched(source: Source) -> Path:
    """Path of the file in the cache, fetched if need be; WeightsError when that fails."""
    if found := cached(source):
        return found
    check_reachable(source)
    try:
        return Path(_client().hf_hub_download(source.hub, source.file, etag_timeout=SECONDS))
    except Exception as error:
        raise WeightsError(f"{source.title} could not be fetched ({_short(error)}). {source.way_out()}") from None


def _short(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
