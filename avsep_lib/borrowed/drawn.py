"""What can be drawn from received results: notebooks that read nothing but tables, scores, histories and latents."""

from __future__ import annotations

from collections.abc import Iterable

from avsep_lib.paths import received_root, results_root
from avsep_lib.workflow import READS, artifact_files, load_plan, notebook_artifacts

# Groups of files (workflow/rules/notebooks.smk) of which a borrowed machine brings back what notebooks read of them.
BROUGHT = {"dataset", "embeddings", "mixtures", "runs", "scores", "references", "descriptors"}
OF_LATENTS = {"latents", "probe"}  # probes are fitted here
TRACKED = {"published", "published_sgn", "paper_profile", "audit"}
TRIED_HERE = {"canaries"}  # the table says that none could be tried
NEEDS = {
    "clips": "the clips",
    "features": "features and a network",
    "larger": "scores of larger mixtures",
    "method_costs": "networks to time",
    "naming": "networks whose outputs can be named",
    "sgn_features": "an SGN",
}
FITTED_HERE = "probe"  # rule


def is_received(profile: str) -> bool:
    """Whether the results of a profile came from another machine."""
    return (received_root(profile) / "sections.json").exists()


def _brought(profile: str) -> set[str]:
    plan = load_plan(profile)
    latents = results_root(profile) / "analysis" / f"latents-{plan.profile.main_dataset}.safetensors"
    return BROUGHT | TRACKED | TRIED_HERE | (OF_LATENTS if latents.exists() else set())


def left_out(profile: str) -> dict[str, str]:
    """Notebooks that cannot be drawn from received results, and what they lack."""
    brought = _brought(profile) if is_received(profile) else set().union(*READS.values())
    lacking = {stem: [group for group in groups if group not in brought] for stem, groups in READS.items()}
    return {stem: " and ".join(NEEDS.get(g, g) for g in groups) for stem, groups in lacking.items() if groups}


def count_artifacts(stems: Iterable[str]) -> int:
    """Figures and tables of some notebooks."""
    return sum(len(notebook_artifacts(stem)) for stem in stems)


def drawn_notebooks(profile: str) -> list[str]:
    """The other notebooks; all of them where nothing was received."""
    missing = left_out(profile)
    return [stem for stem in READS if stem not in missing]


def targets_and_rules(profile: str) -> tuple[list[str], list[str]]:
    """What Snakemake makes of received results: the artefacts that can be drawn, by their notebooks and the probe alone.

    Both are empty where nothing was received: everything, by all rules.
    """
    if not is_received(profile):
        return [], []
    stems = drawn_notebooks(profile)
    targets = [f"results/{profile}/artifacts/{name}" for name in artifact_files(tuple(stems))]
    return targets, [FITTED_HERE, *(f"notebook_{stem}" for stem in stems)]
