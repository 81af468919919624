"""What must stand below every table of a recorded dataset: how much of it was used, and what taught its encoders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from avsep_lib.files import read_json
from avsep_lib.paths import results_root

if TYPE_CHECKING:
    from avsep_lib.config import Profile


def noted_files(profile: str) -> list[Path]:
    """Audits of the recorded datasets of a profile: what `data_notes` reads."""
    return sorted(results_root(profile).glob("data/*/dataset/audit.json"))


def data_notes(profile: str) -> str:
    """Sentences about the recorded datasets of a profile; empty when none of its datasets was audited."""
    audits = {path.parent.parent.name: path for path in noted_files(profile)}
    if not audits:
        return ""
    from avsep_lib.config import load_profile

    chosen = load_profile(profile)
    return " ".join(
        f"{chosen.title_of(name)}: {_used(read_json(path))} {_taught(chosen, name)}".strip()
        for name, path in audits.items()
        if name in chosen.datasets
    )


def _used(audit: dict) -> str:
    """For example ``211 of 230 items used; dropped by policy: 12 missing, 7 silent.``"""
    used = f"{audit['n_kept']} of {audit['n_items']} items used"
    dropped = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in audit["dropped"].items() if count)
    return f"{used}; dropped by policy: {dropped}." if dropped else f"{used}, none dropped."


def _taught(profile: Profile, dataset: str) -> str:
    """Which encoders are small ones, and that the dataset's own training split taught them."""
    encoders = profile.encoders_for(dataset)
    mini = [name for name, encoder in (("image", encoders.image), ("audio", encoders.audio)) if encoder.kind == "mini"]
    if not mini:
        return ""
    return f"Small stand-ins for CLIP and CLAP ({' and '.join(mini)}), trained on this dataset's own training clips."
