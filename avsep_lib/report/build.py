"""Build the site of a profile: every page, its pictures, sounds and data; ``index.html`` comes last."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_lib.config import Profile, load_profile, profile_runs
from avsep_lib.files import read_json, write_text
from avsep_lib.methods.settings import UNTRAINED
from avsep_lib.parameters import NOTEBOOKS
from avsep_lib.paths import project_root, results_root
from avsep_lib.report import changes, data, glossary, runs
from avsep_lib.report.artefacts import artefact_entry
from avsep_lib.report.canaries import canary_entries
from avsep_lib.report.claims import CLAIMS_TABLE, claim_entries, verdict_counts
from avsep_lib.report.notebooks import Notebook, read_notebook
from avsep_lib.report.one_file import ONE_FILE, write_one_file
from avsep_lib.report.pictures import described
from avsep_lib.report.reproduce import reproduction
from avsep_lib.report.site import Site, environment
from avsep_lib.report.summary import sentences
from avsep_lib.report.weights import Weight, megabytes, weigh
from avsep_lib.workflow import notebook_artifacts, notebook_path

MENU = (
    ("index.html", "Results"),
    ("listening.html", "Listen"),
    (runs.PAGE, "Runs"),
    ("data.html", "Data"),
)
GLOSSARY = Path("notebooks") / "glossary.md"
DATA_CARD = "01_dataset"
WEIGHTS = "<!-- weights -->"


@dataclass(frozen=True)
class Section:
    """One notebook on the first page."""

    stem: str
    title: str
    page: str
    artefacts: list[dict[str, Any]]


def build_report(profile: str) -> Path:
    """Write the site of a profile to ``results/<profile>/report``.

    Returns
    -------
    Path
        Its first page.

    Raises
    ------
    DataError
        When an artefact, an executed notebook, a run or the canaries are missing.
    """
    words = ((glossary.PAGE, "Glossary"),) if (project_root() / GLOSSARY).exists() else ()
    site = Site(profile, results_root(profile), results_root(profile) / "report", MENU + words)
    shutil.rmtree(site.out, ignore_errors=True)
    site.out.mkdir(parents=True)
    loaded = load_profile(profile)
    books = read_notebooks(site)
    shown = sections(site, loaded, books)
    notebook_pages(site, books, shown)
    other_pages(site, loaded, books)
    glossary.glossary_page(project_root() / GLOSSARY, site, set(books))
    index_page(site, loaded, books, shown)
    write_one_file(site.out)
    for weight in (weights := weigh(site.out)):
        print(weight)
    _fill_footer(site, weights)
    return site.out / "index.html"


def reported_notebooks() -> list[str]:
    """Notebooks of the workflow that the checkout has, in order."""
    return [stem for stem in NOTEBOOKS if (project_root() / notebook_path(stem)).exists()]


def read_notebooks(site: Site) -> dict[str, Notebook]:
    """All executed notebooks."""
    stems, folder = reported_notebooks(), site.results / "artifacts"
    books = {}
    for stem in stems:
        captions = {
            artefact.stem: described(
                read_json(folder / f"{artefact.stem}.json")["caption"], folder / f"{artefact.stem}.csv"
            )
            for artefact in notebook_artifacts(stem)
            if artefact.stem.startswith("fig_")
        }
        books[stem] = read_notebook(site.results / "notebooks" / f"{stem}.ipynb", site, stems, captions)
    return books


def notebook_pages(site: Site, books: dict[str, Notebook], shown: list[Section]) -> None:
    """Write the pages of all executed notebooks."""
    listed, artefacts = list(books.values()), {section.stem: section.artefacts for section in shown}
    for i, book in enumerate(listed):
        site.write(
            book.page,
            "notebook",
            book.title,
            book=book,
            artefacts=artefacts[book.stem],
            before=listed[i - 1] if i else None,
            after=listed[i + 1] if i + 1 < len(listed) else None,
        )


def other_pages(site: Site, profile: Profile, books: dict[str, Notebook]) -> None:
    """Write the pages of sounds, runs and data."""
    from avsep_lib.explorer import player_static  # loads ipywidgets
    from avsep_lib.report import listening  # loads torch

    site.write(
        "listening.html",
        "listening",
        "What the separation sounds like",
        scripts=(player_static.static_script(),),
        player_style=player_static.static_style(),
        player_script=player_static.static_script(),
        examples=listening.listening_entries(profile, site),
        metrics=[name for _, name in listening.METRICS],
        mask=listening.MASK,
    )
    site.write(
        runs.PAGE,
        "runs",
        "Runs behind the numbers",
        groups=runs.run_groups(profile, site),
        size=(runs.WIDTH, runs.HEIGHT),
    )
    site.write(
        "data.html",
        "data",
        "The data, and the paper’s numbers",
        card=DATA_CARD if DATA_CARD in books else "",
        datasets=data.dataset_entries(profile, site),
        paper=data.paper_files(site),
    )


def sections(site: Site, profile: Profile, books: dict[str, Notebook]) -> list[Section]:
    """All notebooks with what they saved."""
    ids = {run.run_id: run for run in profile_runs(profile)}
    words = {name: runs.run_address(run) for name, run in ids.items()} | {s: b.page for s, b in books.items()}
    return [
        Section(
            stem,
            book.title,
            book.page,
            [artefact_entry(site, artefact, book, ids, words) for artefact in notebook_artifacts(stem)],
        )
        for stem, book in books.items()
    ]


def n_trained(profile: Profile) -> int:
    """Runs that learn; the others' checkpoints hold a configuration and no weights."""
    return sum(run.method not in UNTRAINED for run in profile_runs(profile))


def index_page(site: Site, profile: Profile, books: dict[str, Notebook], shown: list[Section]) -> None:
    """Write the first page."""
    folder = site.results / "artifacts"

    def place(stem: str, number: str) -> str:
        return books[stem].place_of(number) if stem in books else f"notebooks/{stem}.html"

    claims = claim_entries(folder / f"{CLAIMS_TABLE}.csv", place)
    site.write(
        "index.html",
        "index",
        "Where should vision meet sound, and does a borrowed audio representation help?",
        claims=claims,
        counts=verdict_counts(claims),
        claims_table=CLAIMS_TABLE,
        summary=sentences(claims, folder),
        sections=[section for section in shown if section.artefacts],
        notebooks=[(book.page, stem, book.title) for stem, book in books.items()],
        changes=changes.changes_html(site.results),
        checks=canary_entries(site.results / "canaries.json"),
        reproduction=reproduction(folder, site.profile),
        n_models=n_trained(profile),
        seeds=profile.seeds,
        datasets=[profile.title_of(name) for name in profile.datasets],
        weights_mark=WEIGHTS,
        one_file=ONE_FILE,
    )


def _fill_footer(site: Site, weights: list[Weight]) -> None:
    """Put the table of weights into the first page, which had to be written to be weighed."""
    path = site.out / "index.html"
    rows = [(w.what, megabytes(w.n_bytes), megabytes(w.budget), w.fits) for w in weights]
    table = environment().get_template("parts.html.j2").module.weights(rows)
    write_text(path, path.read_text().replace(WEIGHTS, str(table), 1))
