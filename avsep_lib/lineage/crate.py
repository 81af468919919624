"""The record of a run as an RO-Crate: ``ro-crate-metadata.json``, plain JSON-LD, beside the published figures.

It follows the profile Process Run Crate (https://w3id.org/ro/wfrun/process/0.5): one ``CreateAction`` per job with what it
read (``object``), wrote (``result``), which command it was (``description``), and when. ``sha256`` of every file is a term
of that profile's context. Library modules and results that jobs read together are one ``Collection``. Names that begin with ``#`` are
files of the checkout or of ``results/<profile>``, which are not published themselves. Facts about the run as a whole are
``PropertyValue`` entities of the root. Only ``startTime`` and ``endTime`` depend on the clock. ``identifier`` of the root
is a hash of everything else in the record, so that an edit of the record itself is noticed.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_lib.errors import DataError
from avsep_lib.files import canonical_json, read_json, sha256_text, write_text
from avsep_lib.lineage.jobs import Job
from avsep_lib.provenance import DIGITS

CRATE = "ro-crate-metadata.json"
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
LICENCE = "https://spdx.org/licenses/MIT"
TIMES = ("startTime", "endTime")
TOGETHER = 4  # files of one kind that a job reads; more are one entity, which other jobs share


@dataclass(frozen=True)
class Made:
    """The job that made a file, and the paths that it read."""

    name: str
    read: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """What a crate says."""

    published: dict[str, str]  # SHA-256 of the files beside it, by name
    files: dict[str, str]  # SHA-256 of the files behind them, by path relative to the checkout
    jobs: dict[str, Made]  # by output path
    facts: dict[str, Any]
    intact: bool  # as it was written


def crate(profile: str, published: Mapping[str, str], jobs: Iterable[Job], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The record as JSON-LD.

    Parameters
    ----------
    profile : str
    published : mapping of str to str
        SHA-256 by name of the files beside the record.
    jobs : iterable of Job
    facts : mapping
        About the run as a whole, by name; values are text or numbers.
    """
    jobs = list(jobs)
    folder = f"results/{profile}/artifacts/"
    files = {_id(path, folder): digest for job in jobs for path, digest in (job.inputs | job.outputs).items()}
    kinds = {name: "File" for name in published} | {name: "CreativeWork" for name in files if name.startswith("#")}
    entities = [
        {"@id": name, "@type": kinds[name], "sha256": (files | dict(published))[name]} for name in sorted(kinds)
    ]
    collections = {entity["@id"]: entity for job in jobs for entity in _collections(job, folder)}
    values = [{"@id": f"#fact/{n}", "@type": "PropertyValue", "name": n, "value": v} for n, v in sorted(facts.items())]
    tools = {rule: {"@id": f"#rule/{rule}", "@type": "SoftwareApplication", "name": rule} for rule in _rules(jobs)}
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Figures and tables of the profile {profile}",
        "description": "Made by the workflow of this repository; every job, what it read and what it wrote.",
        "license": {"@id": LICENCE},
        "datePublished": _time(max((job.ended for job in jobs), default=0.0)),
        "conformsTo": {"@id": PROFILE},
        "hasPart": [{"@id": name} for name in sorted(published)],
        "mentions": [{"@id": f"#job/{job.name}"} for job in jobs],
        "additionalProperty": [{"@id": value["@id"]} for value in values],
    }
    about = {"@id": CRATE, "@type": "CreativeWork", "about": {"@id": "./"}}
    about["conformsTo"] = {"@id": "https://w3id.org/ro/crate/1.1"}
    words = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    licence = {"@id": LICENCE, "@type": "CreativeWork", "name": "MIT License"}
    actions = [_action(job, folder) for job in jobs]
    graph = [about, root, words, licence, *values, *tools.values(), *actions, *collections.values(), *entities]
    root["identifier"] = _seal(graph)
    return {"@context": CONTEXT, "@graph": graph}


def _id(path: str, folder: str) -> str:
    """Published files are named as they lie beside the record, others by their path in the checkout."""
    return path.removeprefix(folder) if path.startswith(folder) else f"#{path}"


def _rules(jobs: list[Job]) -> list[str]:
    return sorted({job.rule for job in jobs})


def _groups(job: Job) -> dict[str, list[str]]:
    """What a job read, by what many jobs read together: library modules, and each kind of result; the rest under ''."""
    groups: dict[str, list[str]] = {}
    for path in job.inputs:
        parts = path.split("/")
        kind = parts[0] if parts[0] == "avsep_lib" else parts[2] if parts[0] == "results" and len(parts) > 3 else ""
        groups.setdefault(kind, []).append(path)
    few = [kind for kind, paths in groups.items() if kind and len(paths) < TOGETHER]
    rest = [path for kind in ("", *few) for path in groups.pop(kind, [])]
    return groups | ({"": sorted(rest)} if rest else {})


def _collections(job: Job, folder: str) -> list[dict[str, Any]]:
    """Files that a job read together, each group as one entity named by its content."""
    grouped = {kind: [_id(path, folder) for path in paths] for kind, paths in _groups(job).items() if kind}
    return [
        {
            "@id": f"#together/{kind}-{sha256_text(canonical_json(names))[:DIGITS]}",
            "@type": "Collection",
            "hasPart": [{"@id": name} for name in names],
        }
        for kind, names in grouped.items()
    ]


def _action(job: Job, folder: str) -> dict[str, Any]:
    alone = [_id(path, folder) for path in _groups(job).get("", [])]
    together = [entity["@id"] for entity in _collections(job, folder)]
    return {
        "@id": f"#job/{job.name}",
        "@type": "CreateAction",
        "name": job.name,
        "description": job.command,
        "instrument": {"@id": f"#rule/{job.rule}"},
        "object": [{"@id": name} for name in alone + together],
        "result": [{"@id": _id(path, folder)} for path in job.outputs],
        "startTime": _time(job.started),
        "endTime": _time(job.ended),
    }


def write_crate(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record with one entity per line: small, and git shows which entities changed."""
    lines = ",\n".join(json.dumps(entity, sort_keys=True, separators=(",", ":")) for entity in record["@graph"])
    write_text(path, f'{{"@context":{json.dumps(record["@context"])},"@graph":[\n{lines}\n]}}\n')


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(round(seconds), datetime.UTC).isoformat()


def _seal(graph: list[dict[str, Any]]) -> str:
    """Hash of all entities without the root's own identifier."""
    return sha256_text(canonical_json([{k: v for k, v in e.items() if k != "identifier"} for e in graph]))


def read_crate(path: Path, profile: str) -> Record:
    """What a record says.

    Raises
    ------
    DataError
        It is missing or not a record.
    """
    try:
        graph = {entity["@id"]: entity for entity in read_json(path)["@graph"]}
        hashes = {name: entity["sha256"] for name, entity in graph.items() if "sha256" in entity}
        jobs = {}
        for action in (entity for entity in graph.values() if entity["@type"] == "CreateAction"):
            read = [part for thing in action["object"] for part in _parts(graph[thing["@id"]])]
            made = Made(action["name"], tuple(_path(part, profile) for part in read))
            jobs |= {_path(result["@id"], profile): made for result in action["result"]}
        return Record(
            published={name: digest for name, digest in hashes.items() if not name.startswith("#")},
            files={_path(name, profile): digest for name, digest in hashes.items()},
            jobs=jobs,
            facts={e["name"]: e["value"] for e in graph.values() if e["@type"] == "PropertyValue"},
            intact=graph["./"]["identifier"] == _seal(list(graph.values())),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no record of a run ({error!r}); `make figures` writes it") from None


def _parts(entity: dict[str, Any]) -> list[str]:
    return [part["@id"] for part in entity["hasPart"]] if entity["@type"] == "Collection" else [entity["@id"]]


def _path(name: str, profile: str) -> str:
    return name[1:] if name.startswith("#") else f"results/{profile}/artifacts/{name}"
