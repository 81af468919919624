"""The whole check of a profile: files, sidecars, records; origins of some artefacts; a rebuild of fewer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from avsep_lib.errors import AvsepError, DataError
from avsep_lib.files import read_json
from avsep_lib.lineage.crate import CRATE, Record, read_crate
from avsep_lib.lineage.folders import Folder, check_folder, missing_parts
from avsep_lib.lineage.jobs import Hashes
from avsep_lib.lineage.origins import Origins, origins
from avsep_lib.lineage.rebuild import rebuild
from avsep_lib.lineage.record import record_folder
from avsep_lib.paths import figures_root, project_root, results_root


@dataclass
class Verified:
    """What was found; sentences."""

    findings: list[str] = field(default_factory=list)  # something is not what it should be
    unchecked: list[str] = field(default_factory=list)  # something could not be checked
    remarks: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Place:
    """A folder of artefacts with the record that belongs to it."""

    name: str
    folder: Folder
    record: Record | None


def verify(profile: str, n: int, seed: int, n_rebuilt: int, say: Callable[[str], None] = print) -> Verified:
    """Check the artefacts of a profile, in ``figures`` and in ``results``.

    Parameters
    ----------
    profile : str
    n : int
        Artefacts whose origins are computed again, chosen by chance; 0: all.
    seed : int
        Of the choice.
    n_rebuilt : int
        How many of them are made again; each in a notebook of its own, as far as there are that many.
    say : callable
        Gets every line as soon as it is known.

    Raises
    ------
    DataError
        There is nothing to check.
    """
    result = Verified()
    places = _places(profile, result)
    if not places:
        raise DataError(f"figures/{profile} and results/{profile}/artifacts hold no artefact; run `make figures` first")
    for place in places:
        folder = place.folder
        result.findings += [f"{place.name}: {text}" for text in folder.findings]
        result.counts["files"] += folder.n_files
        say(f"{place.name}: {folder.n_files} files, {len(folder.sidecars)} sidecars, {len(folder.findings)} findings")
    chosen = _chosen(places[0].folder, n, seed)
    say(f"origins of {len(chosen)} of {len(places[0].folder.sidecars)}: {', '.join(chosen)}")
    computed = _origins(profile, places, chosen, result)
    _rebuilds(places, computed, n_rebuilt, result, say)
    for title, lines in (("FOUND", result.findings), ("not checked", result.unchecked), ("note", result.remarks)):
        for line in lines:
            say(f"  {title}: {line}")
    say(_summary(result))
    return result


def _places(profile: str, result: Verified) -> list[Place]:
    """The published folder and that of the results, as far as they are here."""
    figures, results = figures_root(profile), results_root(profile) / "artifacts"
    found = []
    if any(figures.glob("*_*.json")):
        record = _record(figures / CRATE, profile, result)
        found.append(Place(_name(figures), check_folder(figures, record.published if record else None), record))
    if any(results.glob("*_*.json")):
        record = _record(record_folder(profile) / CRATE, profile, result)
        listed = results.parent / "published.json"
        files = read_json(listed)["files"] if listed.exists() else None
        if files is None:
            result.unchecked.append(f"{_name(listed)} is missing: edits of sidecars there are not noticed")
        found.append(Place(_name(results), check_folder(results, files), record))
    return found


def _record(path: Path, profile: str, result: Verified) -> Record | None:
    """A record of a run, once it is known to be as it was written."""
    name = _name(path)
    if not path.exists():
        result.unchecked.append(f"{name} is missing: edits of sidecars, and what lies behind inputs, are not checked")
        return None
    try:
        record = read_crate(path, profile)
    except AvsepError as error:
        result.findings.append(" ".join(str(error).split()))
        return None
    if not record.intact:
        result.findings.append(f"{name} is not as it was written (edited by hand)")
    if lost := record.facts.get("inputs that are not what their job wrote"):
        result.findings.append(f"{name}: {lost} inputs are not what the job before them wrote")
    return record


def _name(path: Path) -> str:
    return path.relative_to(project_root()).as_posix()


def _chosen(folder: Folder, n: int, seed: int) -> list[str]:
    stems = sorted(folder.sidecars)
    return stems if not 0 < n < len(stems) else random.Random(seed).sample(stems, n)


def _origins(profile: str, places: list[Place], chosen: list[str], result: Verified) -> list[tuple[Place, Origins]]:
    """Origins of the chosen artefacts, by the sidecars of the first folder, or of the second where that is another run."""
    hashes, computed, of_other_run = Hashes(), [], []
    for stem in chosen:
        place = places[0]
        if len(places) > 1 and places[1].folder.sidecars.get(stem) not in (None, place.folder.sidecars[stem]):
            of_other_run.append(stem)
            place = places[1]
        found = origins(stem, place.folder.sidecars[stem], place.record, hashes)
        computed.append((place, found))
        result.findings += [f"{stem}: {text}" for text in found.changed]
        result.remarks += [f"{stem}: {text}" for text in found.other]
        result.counts["inputs computed again"] += found.n_same + len(found.changed)
        result.counts["files behind them"] += found.n_behind
    if of_other_run:
        others = f"{len(of_other_run)} of {len(chosen)} sidecars in {places[0].name} are of another run than those here"
        result.unchecked.append(f"{others}; checked are those of {places[1].name}")
    absent = {path for _, found in computed for path in found.absent}
    if absent:
        result.unchecked.append(
            f"{len(absent)} files that these artefacts rest on are not here, such as {min(absent)}; "
            f"`make figures PROFILE={profile}` makes them"
        )
    for place in places:
        older = [missing_parts(sidecar) for sidecar in place.folder.sidecars.values()]
        if lacking := sorted({part for parts in older for part in parts}):
            n_older = sum(map(bool, older))
            result.unchecked.append(f"{place.name}: {n_older} sidecars do not say {', '.join(lacking)} (older format)")
    return computed


def _rebuilds(
    places: list[Place], computed: list[tuple[Place, Origins]], n: int, result: Verified, say: Callable[[str], None]
) -> None:
    """Make artefacts again: the first chosen ones that can be, of different notebooks."""
    able, notebooks = [], set()
    for place, found in computed:
        notebook = place.folder.sidecars[found.stem].get("made_by", {}).get("notebook")
        if found.complete and notebook not in notebooks:
            able.append((place, found))
            notebooks.add(notebook)
    if len(able) < n:
        result.unchecked.append(f"{n - len(able)} of {n} rebuilds: none of the chosen can be made from what is here")
    for place, found in able[:n]:
        say(f"making {found.stem} again from {place.name}/{found.stem}.json")
        try:
            rebuilt = rebuild(found.stem, place.folder.path, place.folder.sidecars)
        except DataError as error:
            result.findings.append(str(error))
            continue
        for one in rebuilt:
            say(f"  {one.stem}: {one.how}")
            result.counts["artefacts made again"] += 1
            # What was made by other code need not come out equal.
            lines = result.findings if not found.other else result.unchecked
            lines += [] if one.equal else [f"{one.stem}, made again: {one.how}"]


def _summary(result: Verified) -> str:
    told = ", ".join(f"{number:,} {what}" for what, number in result.counts.items())
    return f"{told}; {len(result.findings)} findings, {len(result.unchecked)} could not be checked."
