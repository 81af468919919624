"""Say why something would be made again: ``python -m avsep_lib.changes.why fig_ablation_grid --profile demo``."""

from __future__ import annotations

import argparse
import datetime
import difflib
from dataclasses import dataclass
from pathlib import Path

from avsep_lib.changes.causes import Job, cause_in_words, chains
from avsep_lib.changes.planned import Planned, planned
from avsep_lib.cli import run_main
from avsep_lib.errors import ConfigError
from avsep_lib.paths import project_root
from avsep_lib.workflow import READS, Plan, load_plan, notebook_artifacts

SHOWN = 8  # causes; more than that is another lock or a fresh clone


@dataclass(frozen=True)
class Asked:
    """Something that a person can ask about."""

    name: str
    verb: str  # "made" again, "trained" again
    files: tuple[str, ...]  # outputs of the workflow, relative to the checkout


def known(plan: Plan) -> dict[str, list[Asked]]:
    """Everything that can be asked about, by name."""
    results = f"results/{plan.profile.name}"
    names: dict[str, list[Asked]] = {"report": [Asked("report", "made", (f"{results}/report/index.html",))]}
    for stem in READS:
        names[stem] = [Asked(stem, "executed", (f"{results}/notebooks/{stem}.ipynb",))]
        for artefact in notebook_artifacts(stem):
            files = tuple(f"{results}/artifacts/{name}" for name in artefact.files)
            names[artefact.stem] = [Asked(artefact.stem, "made", files)]
    for run in plan.runs:
        model, scores = f"{results}/runs/{run}/model.safetensors", f"{results}/scores/{run}.csv"
        names[run] = [Asked(f"{run} (the model)", "trained", (model,)), Asked(f"{run} (scores)", "scored", (scores,))]
    return names


def asked_for(name: str, plan: Plan) -> list[Asked]:
    """What `name` means: a figure, a table, a run, a notebook, or ``report``; folders and suffixes do not matter.

    Raises
    ------
    ConfigError
        Nothing has this name; the message lists near matches.
    """
    names = known(plan)
    last = name.rstrip("/").rpartition("/")[2]
    stem = Path(last).stem if Path(last).suffix in (".png", ".svg", ".csv", ".md", ".tex", ".json", ".ipynb") else last
    matching = [key for key in names if stem in (key, key.partition("_")[2]) or (stem.isdigit() and key[:2] == stem)]
    if stem in names or len(matching) == 1:
        return names[stem if stem in names else matching[0]]
    near = matching or difflib.get_close_matches(stem, names, n=5, cutoff=0.5)
    told = f"did you mean {', '.join(near)}?" if near else "name a figure, a table, a run_id, a notebook or report"
    raise ConfigError(f"nothing in the profile {plan.profile.name!r} is called {name!r}; {told}")


def explain(asked: Asked, plan: Planned) -> str:
    """Why `asked` would be made again, or that it would not."""
    stale = [plan.stale[file] for file in asked.files if file in plan.stale]
    gone = [file for file in asked.files if file not in plan.stale and not (project_root() / file).exists()]
    if gone and not stale:
        # Snakemake makes a missing file again only for something that needs it.
        profile = gone[0].split("/")[1]
        return (
            f"{gone[0]} is missing, but nothing would be made: what is made from it is up to date. To have it again: "
            f"python workflow/regenerate.py --profile {profile} --target {gone[0]}"
        )
    if not stale:
        return f"{asked.name} is up to date{_made(asked, plan)}."
    return "\n".join([f"{asked.name} would be {asked.verb} again, because", *_because(stale[0], asked)])


def _because(job: Job, asked: Asked) -> list[str]:
    found, lines = chains(job), []
    for chain in found[:SHOWN]:
        lines.append(f"  * {cause_in_words(chain)}")
        way = [step.label for step in chain.jobs]
        way[0] += f" (and {chain.alike} more jobs)" if chain.alike else ""
        lines.append(f"      {' -> '.join([*way, asked.name] if asked.name.startswith(('fig_', 'tab_')) else way)}")
    if len(found) > SHOWN:
        lines.append(f"  * and {len(found) - SHOWN} more causes")
    return lines


def _made(asked: Asked, plan: Planned) -> str:
    ended = plan.fresh.get(asked.files[0])
    if not ended:
        return ""
    return f": made {datetime.datetime.fromtimestamp(ended):%Y-%m-%d %H:%M}, nothing it depends on has changed since"


def main() -> None:
    """Command line; exit code 0 whether up to date or not, 1 when the question makes no sense."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="report", help="figure, table, run_id, notebook or report (default)")
    parser.add_argument("--profile", default="demo", help="file in config/, without suffix")
    given = parser.parse_args()
    plan = load_plan(given.profile)
    asked = asked_for(given.name or "report", plan)
    found = planned(given.profile)
    print("\n".join(explain(item, found) for item in asked))


if __name__ == "__main__":
    run_main(main)
