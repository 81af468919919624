"""The offline page: the paper's claims first, then every figure and table of a profile, its runs, and the checks.

``python -m avsep_lib.report --profile demo`` writes ``results/demo/report/index.html``. Nothing on the page is fetched
from anywhere: a content security policy forbids it, pictures and notebooks lie beside the page.
"""

from __future__ import annotations

import argparse
import re
import shutil
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from avsep_lib.cli import run_main
from avsep_lib.config import load_profile, profile_runs
from avsep_lib.files import read_json, write_text
from avsep_lib.library import Artifact
from avsep_lib.parameters import NOTEBOOKS
from avsep_lib.paths import results_root
from avsep_lib.report_evidence import CLAIMS_TABLE, claim_entries, run_entries
from avsep_lib.workflow import notebook_artifacts

POLICY = "default-src 'none'; img-src 'self' data:; media-src data:; style-src 'unsafe-inline'; font-src data:; "
TEMPLATE = Path(__file__).with_name("report.html.j2")
CODE_DIGITS = 12


@dataclass(frozen=True)
class Section:
    """One notebook on the page."""

    stem: str
    title: str
    artefacts: list[dict[str, Any]]


def notebook_title(path: Path) -> str:
    """First heading of a notebook."""
    for cell in read_json(path)["cells"]:
        if cell["cell_type"] == "markdown":
            source = "".join(cell["source"])
            return source.lstrip("# ").splitlines()[0].strip()
    return path.stem


def export_notebook(source: Path, target: Path) -> None:
    """Executed notebook to a page that loads nothing from the network."""
    import nbformat
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        require_js_url="",
        mathjax_url="",
        jquery_url="",
        mermaid_js_url="",
        jupyter_widgets_base_url="",
    )
    page, _ = exporter.from_notebook_node(nbformat.read(source, as_version=4))
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}script-src \'unsafe-inline\'">'
    back = f'<p style="margin:1rem 2rem"><a href="../index.html">Back to all figures and tables</a> · {escape(source.name)}</p>'
    page = page.replace("<head>", f"<head>{policy}", 1)
    write_text(target, page.replace("<main>", f"{back}<main>", 1))


def artefact_entry(folder: Path, artefact: Artifact) -> dict[str, Any]:
    """What the template shows of one figure or table."""
    sidecar = read_json(folder / f"{artefact.stem}.json")
    entry = {
        "stem": artefact.stem,
        "kind": sidecar["kind"],
        "caption": sidecar["caption"],
        "inputs": len(sidecar["inputs"]),
        "code": sidecar["code"]["sha256"][:CODE_DIGITS],
        "commit": (sidecar["commit"] or "no git")[:CODE_DIGITS],
        "machine": f"{sidecar['hardware']['cpu']}, {sidecar['hardware']['cores']} cores",
        "files": sorted(sidecar["outputs"]),
    }
    if sidecar["kind"] == "table":
        entry["html"] = table_html(folder / f"{artefact.stem}.md")
    return entry


def table_html(path: Path) -> str:
    """The pipe table of a Markdown file, already rounded by `save_table`, as an HTML table; a note below is not in it."""
    lines = [_cells(line) for line in path.read_text().splitlines() if line.startswith("|")]
    frame = pd.DataFrame(lines[2:], columns=lines[0])
    return frame.to_html(index=False, border=0, classes="data", escape=True)


def _cells(line: str) -> list[str]:
    """Cells of a line of a Markdown table; an escaped pipe belongs to its cell."""
    cells = re.split(r"(?<!\\)\|", line.strip())[1:-1]
    return [cell.strip().replace(r"\|", "|") for cell in cells]


def sections(profile: str) -> list[Section]:
    """All notebooks of a profile with what they saved."""
    folder = results_root(profile)
    return [
        Section(
            stem,
            notebook_title(folder / "notebooks" / f"{stem}.ipynb"),
            [artefact_entry(folder / "artifacts", a) for a in notebook_artifacts(stem)],
        )
        for stem in NOTEBOOKS
    ]


def build_report(profile: str) -> Path:
    """Write the page, its pictures and the notebook pages; ``index.html`` comes last.

    Raises
    ------
    DataError
        When an artefact, an executed notebook or a run is missing.
    """
    folder = results_root(profile)
    out = folder / "report"
    shutil.rmtree(out, ignore_errors=True)
    (out / "assets").mkdir(parents=True)
    content = sections(profile)
    for section in content:
        export_notebook(folder / "notebooks" / f"{section.stem}.ipynb", out / "notebooks" / f"{section.stem}.html")
        for entry in section.artefacts:
            for name in [*entry["files"], f"{entry['stem']}.json"]:
                shutil.copyfile(folder / "artifacts" / name, out / "assets" / name)
    loaded = load_profile(profile)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string(TEMPLATE.read_text()).render(
        policy=POLICY,
        profile=profile,
        claims=claim_entries(folder / "artifacts" / f"{CLAIMS_TABLE}.csv"),
        claims_table=CLAIMS_TABLE,
        sections=content,
        runs=run_entries(loaded, out),
        checks=read_json(folder / "canaries.json")["checks"],
        n_runs=len(profile_runs(loaded)),
        seeds=loaded.seeds,
    )
    write_text(out / "index.html", page)
    return out / "index.html"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", required=True)
    print(build_report(parser.parse_args().profile))


if __name__ == "__main__":
    run_main(main)
