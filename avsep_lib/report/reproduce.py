"""How a reader makes the same page again: command, commit, versions, machine, all from the sidecars."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from avsep_lib.files import read_json
from avsep_lib.report.artefacts import short_commit


def reproduction(folder: Path, profile: str) -> dict[str, Any]:
    """Command, commits, versions and machines of a profile's artefacts.

    Parameters
    ----------
    folder : Path
        ``results/<profile>/artifacts``.
    profile : str
    """
    sidecars = [record for record in map(read_json, sorted(folder.glob("*_*.json"))) if "commit" in record]
    commits = Counter(short_commit(record["commit"]) for record in sidecars)
    versions = sidecars[0]["packages"] | {"Python": sidecars[0]["python"]} if sidecars else {}
    machines = {f"{r['hardware']['cpu']}, {r['hardware']['cores']} cores" for r in sidecars}
    return {
        "command": f"make figures PROFILE={profile}",
        "commits": commits.most_common(),
        "versions": sorted(versions.items(), key=lambda item: item[0].lower()),
        "machines": sorted(machines),
        "n": len(sidecars),
    }
