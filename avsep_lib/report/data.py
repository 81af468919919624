"""The page of data: what every dataset is, its splits, its audit where it is recorded, and the paper's own numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from avsep_lib.about_data import about_dataset
from avsep_lib.config import Profile
from avsep_lib.files import read_json
from avsep_lib.paths import data_root, project_root
from avsep_lib.report.html_tables import html_table
from avsep_lib.report.site import Site
from avsep_lib.settings import to_dict

HEAVIEST = 2_000_000  # bytes of a file that the site copies
PAPER_FILES = ("published.csv", "claims.yaml", "audit.yaml", "deviations.md")
PATH_COLUMNS = ("source", "audio", "frames", "detail")  # of an audit: what may say where files lie
FOLDERS = r"(?:^|(?<=['\"\s]))(?:\.\.)?(?:/[^/'\"]+)+/"  # absolute ones, and those of recordings beside the results


def dataset_entries(profile: Profile, site: Site) -> list[dict[str, Any]]:
    """All datasets of a profile for the template; their small files are copied to ``data/<dataset>/``."""
    return [_entry(profile, name, site) for name in profile.datasets]


def _entry(profile: Profile, name: str, site: Site) -> dict[str, Any]:
    folder = data_root(profile.name, name)
    encoders = profile.encoders_for(name)
    return {
        "name": name,
        "title": profile.title_of(name),
        "about": _without_marks(about_dataset(profile, name)),
        "recorded": profile.is_recorded(name),
        "splits": splits_table(folder / "dataset" / "manifest.csv", name),
        "audit": audit_table(folder / "dataset" / "audit.json", name),
        "encoders": f"image {encoders.image.kind}, audio {encoders.audio.kind}",
        "settings": [] if profile.is_recorded(name) else _settings(profile, name),
        "files": _files(folder, name, site),
    }


def splits_table(manifest: Path, name: str) -> str:
    """Clips, classes and minutes of every split."""
    if not manifest.exists():
        return ""
    clips = pd.read_csv(manifest, dtype={"clip_id": str, "labels": str})
    rows = [["split", "clips", "label sets", "minutes"]]
    for split, part in clips.groupby("split", sort=False):
        rows.append([split, str(len(part)), str(part["labels"].nunique()), f"{part['duration_s'].sum() / 60:.1f}"])
    return html_table(rows, f"Splits of {name}")


def audit_table(path: Path, name: str) -> str:
    """How much of a recorded dataset is used, and why the rest is not; empty for a rendered one."""
    if not path.exists():
        return ""
    audit = read_json(path)
    rows = [["items", "number"], ["listed", str(audit["n_items"])], ["used", str(audit["n_kept"])]]
    rows += [[f"dropped: {why.replace('_', ' ')}", str(n)] for why, n in audit["dropped"].items() if n]
    rows += [[f"kept with a remark: {why.replace('_', ' ')}", str(n)] for why, n in audit.get("kept_with", {}).items()]
    return html_table(rows, f"Audit of {name}")


def _settings(profile: Profile, name: str) -> list[tuple[str, str]]:
    settings = to_dict(profile.datasets[name])
    return [(key.replace("_", " "), _listed(value)) for key, value in settings.items() if value not in ("", None)]


def _listed(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {number}" for key, number in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _files(folder: Path, name: str, site: Site) -> list[tuple[str, str]]:
    """Copies of what a reader may want to look up; what is too heavy for a page stays where it is."""
    wanted = (
        "dataset/manifest.csv",
        "dataset/audit.csv",
        "dataset/audit.json",
        "mixtures/test.csv",
        "mixtures/val.csv",
    )
    links = []
    for path in (folder / part for part in wanted):
        if not path.exists() or path.stat().st_size > HEAVIEST:
            continue
        target = f"data/{name}/{path.name}"
        private = path.name in ("audit.csv", "manifest.csv")
        site.save(without_folders(path).encode(), target) if private else site.copy(path, target)
        links.append((f"{path.parent.name}/{path.name}", target))
    return links


def without_folders(path: Path) -> str:
    """Lines of an audit or manifest without the folders of the machine that made it."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in set(PATH_COLUMNS) & set(table.columns):
        table[column] = table[column].str.replace(FOLDERS, "", regex=True)
    return table.to_csv(index=False)


def _without_marks(text: str) -> str:
    return re.sub(r"[*`]", "", text)


def paper_files(site: Site) -> list[tuple[str, str]]:
    """The paper's numbers and claims as the suite reads them, and what notebooks link to; copied to ``data/paper``."""
    folder = project_root()
    links = [
        (name, site.copy(folder / "paper" / name, f"data/paper/{name}"))
        for name in PAPER_FILES
        if (folder / "paper" / name).exists()
    ]
    report = folder / "tests" / "long_report.md"
    return [*links, ("tests/long_report.md", site.copy(report, "data/long_report.md"))] if report.exists() else links
