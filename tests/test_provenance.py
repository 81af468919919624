"""Provenance: hand edits of every kind are noticed, origins are computed again, and a sidecar is enough for a rebuild."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import shutil
from pathlib import Path

import pytest
from conftest import write_project
from provenance_tools import EDITS, edit_a_sidecar, flip_a_byte, noticed

from avsep_lib import reads
from avsep_lib.errors import DataError
from avsep_lib.files import read_json, sha256_file, write_json
from avsep_lib.lineage import jobs, licences, sbom
from avsep_lib.lineage.crate import CRATE, TIMES, read_crate
from avsep_lib.lineage.folders import check_folder, missing_parts
from avsep_lib.lineage.lock import differences, read_lock
from avsep_lib.lineage.record import write_records
from avsep_lib.lineage.verify import verify
from avsep_lib.paths import project_root
from avsep_lib.publish import publish, publish_records
from avsep_lib.recipe import made_by, notebook_hash
from avsep_lib.remembered import Remembered
from avsep_lib.runner import run_notebook

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = "01_dataset"
PARAMETERS = {"profile": "toy", "dataset": "music11"}
SCORES, CLIPS, UNNAMED = (f"results/toy/{name}" for name in ("scores/late-s0.csv", "clips.csv", "data/spans.csv"))
SETUP = """import pandas as pd
from avsep_lib import artifacts, parameters
from avsep_lib.paths import project_root, results_root
p = parameters.notebook_parameters("01_dataset", profile=profile, dataset=dataset)
scores = results_root(profile) / "scores" / "late-s0.csv"
(results_root(profile) / "data" / "spans.csv").read_text()
table = pd.read_csv(scores)"""
SAVE = """about = dict(profile=profile, inputs=[scores], parameters=p.model_dump())
artifacts.save_table(table, "scores", caption="Scores.", **about)
artifacts.save_figure(table.plot(), "curve", caption="A curve.", data=table, **about)"""
MODULES = [f"avsep_lib/{name}.py" for name in ("cli", "errors", "files", "paths")]
FILES = ["tab_scores.csv", "tab_scores.md", "tab_scores.tex", "tab_scores.json"]
FILES += ["fig_curve.png", "fig_curve.svg", "fig_curve.csv", "fig_curve.json"]


def write_notebook(root: Path, *cells: str) -> None:
    first = {
        "cell_type": "code",
        "metadata": {"tags": ["parameters"]},
        "source": 'profile = "demo"\ndataset = "music11"',
    }
    more = [{"cell_type": "code", "metadata": {}, "source": text} for text in cells]
    listed = [cell | {"outputs": [], "execution_count": None, "id": f"c{i}"} for i, cell in enumerate([first, *more])]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = root / "notebooks" / f"{NOTEBOOK}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cells": listed, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))


def write_job(root: Path, name: str, read: list[str], written: str) -> None:
    """A record as Snakemake leaves it."""
    record = {"rule": name.partition("/")[0], "log": [f"results/toy/logs/{name}.log"], "shellcmd": f"make {name}"}
    record |= {"input": read, "params": [], "code": "", "starttime": 1e9, "endtime": 1e9 + 5}
    record["input_checksums"] = {path: f"sha256:{sha256_file(root / path)}" for path in read}
    path = root / ".snakemake/metadata" / base64.urlsafe_b64encode(written.encode()).decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))


def publish_toy() -> int:
    """Figures, tables and records; the number of files copied."""
    counts = publish("toy", {NOTEBOOK: FILES}, {NOTEBOOK: PARAMETERS})
    return counts["files copied"] + publish_records("toy")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A toy checkout: clips, scores made of them, and one notebook that was run and published."""
    root = write_project(tmp_path_factory.mktemp("provenance")).root
    (root / "avsep_lib").symlink_to(ROOT / "avsep_lib")
    shutil.copy(ROOT / "requirements.lock", root)
    (root / "results/toy/scores").mkdir(parents=True)
    (root / CLIPS).write_text("clip\none\n")
    (root / SCORES).write_text("clip,sdr_db\n1,1.25\n2,3.5\n")
    (root / "results/toy/data").mkdir()
    (root / UNNAMED).write_text("start\n0\n")
    write_notebook(root, SETUP, SAVE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVSEP_ROOT", str(root))
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("PYTHONHASHSEED", "0")
        patch.chdir(root)
        results = root / "results/toy"
        run_notebook(
            Path("notebooks") / f"{NOTEBOOK}.ipynb", PARAMETERS, results / "log.ipynb", results / "out.ipynb", 5
        )
        write_job(root, "score/late-s0", [CLIPS, "requirements.lock"], SCORES)
        for name in FILES:
            write_job(root, f"notebooks/{NOTEBOOK}", [SCORES, *MODULES], f"results/toy/artifacts/{name}")
        publish_toy()
    return root


@pytest.fixture
def toy(finished, tmp_path, monkeypatch):
    """A copy that a test may spoil."""
    root = Path(shutil.copytree(finished, tmp_path / "toy", symlinks=True))
    monkeypatch.setenv("AVSEP_ROOT", str(root))
    return root


def checked(n: int = 0, n_rebuilt: int = 0):
    lines: list[str] = []
    return verify("toy", n, 1, n_rebuilt, say=lines.append), lines


def test_a_sidecar_says_how_to_make_its_artefact(toy):
    sidecar = read_json(toy / "figures/toy/tab_scores.json")
    recipe = sidecar["made_by"]
    assert recipe["notebook"] == f"notebooks/{NOTEBOOK}.ipynb"
    assert recipe["notebook_sha256"] == notebook_hash(recipe["notebook"])
    assert recipe["command"].startswith("python -m avsep_lib.runner notebooks/01_dataset.ipynb --parameters ")
    assert '"dataset":"music11"' in recipe["command"]
    assert recipe["environment"]["PYTHONHASHSEED"] == "0"
    assert recipe["datasets"] == ["music11"]
    assert recipe["runs"] == []  # this notebook deals with none
    assert {"settings_sha256", "lock_sha256"} <= set(recipe)
    assert re.fullmatch("[0-9a-f]{12}", sidecar["code"]["modules"]["avsep_lib.artifacts"])
    assert missing_parts(sidecar) == []


def test_a_sidecar_names_what_was_opened_and_not_only_what_was_listed(toy):
    assert set(read_json(toy / "figures/toy/tab_scores.json")["inputs"]) == {SCORES, UNNAMED}
    (toy / UNNAMED).write_text("start\n1\n")
    assert any(f"tab_scores: input {UNNAMED} is another one" in finding for finding in checked()[0].findings)


def test_only_results_that_are_read_are_remembered(toy):
    folder = toy / "results/toy"
    reads.watch()
    (folder / "clips.csv").read_text()
    (folder / "new.csv").write_text("1")
    (folder / "artifacts/tab_scores.csv").read_text()
    (toy / "config/runs.csv").read_text()
    reads.note([folder / "scores/late-s0.csv", folder / "gone.csv"])
    assert reads.read_results("toy") == [folder / "clips.csv", folder / "scores/late-s0.csv"]


def test_prose_and_outputs_of_a_notebook_are_no_code(toy):
    path = toy / "notebooks" / f"{NOTEBOOK}.ipynb"
    before, book = notebook_hash(f"notebooks/{NOTEBOOK}.ipynb"), json.loads(path.read_text())
    book["cells"].append({"cell_type": "markdown", "metadata": {}, "source": "More.", "id": "m"})
    book["cells"][1] |= {"execution_count": 3, "outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}]}
    path.write_text(json.dumps(book))
    assert notebook_hash(f"notebooks/{NOTEBOOK}.ipynb") == before
    book["cells"][1]["source"] += "\ntable = table * 2"
    path.write_text(json.dumps(book))
    assert notebook_hash(f"notebooks/{NOTEBOOK}.ipynb") != before


def test_settings_of_a_notebook_without_runs_do_not_know_the_runs(toy):
    names = ("tab_scores", "settings_sha256")
    before = made_by(names[0], "toy", PARAMETERS)[names[1]]
    with (toy / "config/runs.csv").open("a") as stream:
        stream.write("middle-s0,hfra,middle,no,clip,music11,0,\n")
    assert made_by(names[0], "toy", PARAMETERS)[names[1]] == before
    profile = toy / "config/toy.yaml"
    profile.write_text(profile.read_text().replace("pool_size: 12", "pool_size: 13"))
    assert made_by(names[0], "toy", PARAMETERS)[names[1]] != before


def test_nothing_is_found_where_nothing_was_edited(toy):
    result, lines = checked()
    assert (result.findings, result.unchecked, result.remarks) == ([], [], [])
    assert result.counts["files"] == 2 * len(FILES) + 1  # both folders, and the bill of materials
    assert result.counts["files behind them"] == 2 * 2  # clips and lock, behind the scores of two artefacts
    assert lines[-1].endswith("0 findings, 0 could not be checked.")


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_hand_edits_are_noticed(toy, edit):
    for seed in range(4):
        folder = toy / f"figures/copy{seed}"
        shutil.copytree(toy / "figures/toy", folder)
        assert noticed(folder, "toy") == []
        told = edit(folder, random.Random(seed))
        assert noticed(folder, "toy"), told


@pytest.mark.parametrize("suffix", [".csv", ".md", ".tex", ".png", ".svg", ".json"])
def test_one_byte_is_named(toy, suffix):
    told = flip_a_byte(toy / "figures/toy", random.Random(2), (suffix,))
    result, lines = checked()
    name = told.partition(",")[0]
    assert any(f"figures/toy: {name}" in finding for finding in result.findings)
    assert [line for line in lines if "FOUND" in line and name in line]


def test_an_edited_sidecar_of_the_results_is_noticed(toy):
    told = edit_a_sidecar(toy / "results/toy/artifacts", random.Random(0))
    assert any(told.partition(",")[0] in finding for finding in checked()[0].findings)


def test_a_changed_input_is_named(toy):
    (toy / SCORES).write_text("clip,sdr_db\n1,9.25\n2,3.5\n")
    findings = checked()[0].findings
    assert any(f"tab_scores: input {SCORES} is another one" in finding for finding in findings)


def test_a_change_further_back_is_named(toy):
    (toy / CLIPS).write_text("clip\ntwo\n")
    assert any(f"tab_scores: {CLIPS}, further back, is another one" in f for f in checked()[0].findings)


def test_a_job_that_read_something_else_than_its_maker_wrote_is_counted(toy):
    write_job(toy, "train/late-s0", ["config/toy.yaml"], CLIPS)  # so that somebody has made the clips
    path = toy / ".snakemake/metadata" / base64.urlsafe_b64encode(SCORES.encode()).decode()
    record = json.loads(path.read_text())
    record["input_checksums"][CLIPS] = "sha256:" + "0" * 64
    path.write_text(json.dumps(record))
    publish_toy()
    assert any("1 inputs are not what the job before them wrote" in f for f in checked()[0].findings)


def test_other_code_is_a_remark_that_names_the_module(toy):
    path = toy / "figures/toy/tab_scores.json"
    sidecar = read_json(path)
    sidecar["code"]["modules"]["avsep_lib.files"] = "0" * 12
    for folder in ("figures/toy", "results/toy/artifacts"):
        write_json(toy / folder / "tab_scores.json", sidecar)
    result, _ = checked()
    assert any("made by other code: avsep_lib.files" in remark for remark in result.remarks)


def test_results_that_are_not_here_are_counted(toy):
    shutil.rmtree(toy / "results")
    result, lines = checked(n_rebuilt=1)
    assert result.findings == []
    assert any("3 files that these artefacts rest on are not here" in text for text in result.unchecked)
    assert any("1 of 1 rebuilds" in text for text in result.unchecked)
    assert any("not checked" in line for line in lines)


def test_results_of_another_run_are_no_finding(toy):
    """`make verify` leaves results beside figures of another machine."""
    (toy / SCORES).write_text("clip,sdr_db\n1,9.25\n2,3.5\n")
    for stem in ("tab_scores", "fig_curve"):
        path = toy / f"results/toy/artifacts/{stem}.json"
        sidecar = read_json(path)
        sidecar["inputs"][SCORES] = sha256_file(toy / SCORES)
        write_json(path, sidecar)
    listed = read_json(toy / "results/toy/published.json")
    listed["files"] |= {p.name: sha256_file(p) for p in (toy / "results/toy/artifacts").iterdir()}
    write_json(toy / "results/toy/published.json", listed)
    shutil.rmtree(toy / "results/toy/run")
    result, _ = checked()
    assert result.findings == []
    assert any("2 of 2 sidecars in figures/toy are of another run" in text for text in result.unchecked)


def test_older_sidecars_are_told_and_not_a_crash(toy):
    for path in [p for f in ("figures/toy", "results/toy/artifacts") for p in (toy / f).glob("*_*.json")]:
        sidecar = read_json(path)
        del sidecar["made_by"]
        sidecar["code"]["modules"] = sorted(sidecar["code"]["modules"])
        write_json(path, sidecar)
    for path in (toy / "figures/toy" / CRATE, toy / "results/toy/published.json"):
        path.unlink()
    shutil.rmtree(toy / "results/toy/run")
    (toy / "figures/toy/sbom.json").unlink()
    result, _ = checked(n_rebuilt=1)
    assert result.findings == []
    assert any("2 sidecars do not say" in text and "hash of every module" in text for text in result.unchecked)
    assert any("rebuilds" in text for text in result.unchecked)


def test_an_artefact_is_made_again_from_its_sidecar(toy, monkeypatch):
    before = {path: path.read_bytes() for path in (toy / "results").rglob("*") if path.is_file()}
    result, lines = checked(n_rebuilt=1)
    assert result.findings == []
    assert result.counts["artefacts made again"] == 2
    assert sum("equal byte for byte" in line for line in lines) == 2
    assert {path: path.read_bytes() for path in (toy / "results").rglob("*") if path.is_file()} == before


def test_a_rebuild_notices_what_the_files_alone_cannot_say(toy):
    """A number, its sidecar, the record and its seal all edited alike."""
    for folder in (toy / "figures/toy", toy / "results/toy/artifacts"):
        table = folder / "tab_scores.csv"
        table.write_text(table.read_text().replace("1.25", "8.25"))
        sidecar = read_json(folder / "tab_scores.json")
        sidecar["outputs"]["tab_scores.csv"] = sha256_file(table)
        write_json(folder / "tab_scores.json", sidecar)
    shutil.rmtree(toy / "results/toy/run")
    publish_toy()
    assert checked()[0].findings == []
    result, _ = checked(n_rebuilt=1)
    assert any("tab_scores, made again: 2 of 3 files equal" in f and "8.25" in f for f in result.findings)


def test_an_input_that_no_sidecar_names_is_noticed(toy):
    (toy / "results/toy/secret.csv").write_text("1\n")
    write_notebook(toy, SETUP + '\n(results_root(profile) / "secret.csv").read_text()', SAVE)
    for folder in (toy / "figures/toy", toy / "results/toy/artifacts"):
        for stem in ("tab_scores", "fig_curve"):
            sidecar = read_json(folder / f"{stem}.json")
            sidecar["made_by"]["notebook_sha256"] = notebook_hash(sidecar["made_by"]["notebook"])
            write_json(folder / f"{stem}.json", sidecar)
    publish_toy()
    findings = checked(n_rebuilt=1)[0].findings
    assert len(findings) == 1
    assert "cannot be made again from its sidecar" in findings[0]
    assert "secret.csv" in findings[0]


def test_a_sidecar_cannot_name_a_notebook_from_elsewhere(toy):
    for folder in (toy / "figures/toy", toy / "results/toy/artifacts"):
        for stem in ("tab_scores", "fig_curve"):
            sidecar = read_json(folder / f"{stem}.json")
            sidecar["made_by"]["notebook"] = "notebooks/../../evil.ipynb"
            write_json(folder / f"{stem}.json", sidecar)
    publish_toy()
    assert any("is no notebook of this checkout" in f for f in checked(n_rebuilt=1)[0].findings)


def test_the_record_of_an_unchanged_run_is_not_written_again(toy):
    listed = read_json(toy / "results/toy/published.json")["files"]
    before = (toy / "figures/toy" / CRATE).stat().st_mtime_ns
    assert publish_toy() == 0
    assert (toy / "figures/toy" / CRATE).stat().st_mtime_ns == before
    assert not write_records("toy", listed)
    write_job(toy, "score/late-s0", [CLIPS], SCORES)  # another input
    path = toy / ".snakemake/metadata" / base64.urlsafe_b64encode(SCORES.encode()).decode()
    path.write_text(path.read_text().replace("1000000000.0", "1000000100.0"))
    assert write_records("toy", listed)


@pytest.fixture
def hashing(tmp_path, monkeypatch):
    """The hash of a file and of a folder as another process finds them, and the files whose content it has read."""
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    monkeypatch.setattr("avsep_lib.remembered.atexit.register", lambda function: None)
    monkeypatch.setattr(jobs, "SETTLED_NS", 0)
    for name in (".snakemake", "config", "folder/below"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("file", "folder/a", "folder/below/b"):
        (tmp_path / name).write_text(name)
    read = []
    monkeypatch.setattr(jobs, "sha256_file", lambda path: read.append(path.name) or sha256_file(path))

    def another_process() -> tuple[str, str, list[str]]:
        read.clear()
        remembered = Remembered("hashes")
        hashes = jobs.Hashes(remembered)
        found = hashes["file"], hashes["folder"]
        remembered.keep()
        looked_into = sorted(read)
        assert found == (jobs.Hashes()["file"], jobs.Hashes()["folder"])
        return *found, looked_into

    return another_process


def edit_unseen(path: Path) -> None:
    """Other bytes of the same length, and the time of modification set back."""
    before = path.stat()
    path.write_text(path.read_text().swapcase())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def test_a_result_is_hashed_once_until_it_changes(hashing, tmp_path):
    first = hashing()
    assert first[2] == ["a", "b", "file"]
    assert hashing() == (*first[:2], [])
    edit_unseen(tmp_path / "folder/below/b")
    second = hashing()
    assert second[0] == first[0]
    assert second[1] != first[1]
    edit_unseen(tmp_path / "file")
    assert hashing()[0] != first[0]
    (tmp_path / "folder/below/b").rename(tmp_path / "folder/b")
    assert hashing()[1] not in (first[1], second[1])
    (tmp_path / "folder/b").unlink()
    assert hashing()[1] not in (first[1], second[1])


def test_a_result_of_this_moment_is_hashed_again(hashing, monkeypatch):
    """The clock of a file system is coarse: a second edit may leave the times as they are."""
    monkeypatch.setattr(jobs, "SETTLED_NS", 10**12)
    assert hashing()[2] == ["a", "b", "file"]
    assert hashing()[2] == ["a", "b", "file"]


def test_the_record_names_jobs_files_and_facts(toy):
    record = read_crate(toy / "figures/toy" / CRATE, "toy")
    assert record.intact
    assert set(record.published) == {*FILES, "sbom.json"}
    assert record.jobs[SCORES].name == "score/late-s0"
    assert set(record.jobs[SCORES].read) == {CLIPS, "requirements.lock"}
    assert set(record.jobs["results/toy/artifacts/tab_scores.csv"].read) == {SCORES, *MODULES}
    assert (
        sum(line.startswith('{"@id":"#together/') for line in (toy / "figures/toy" / CRATE).read_text().splitlines())
        == 1
    )
    assert record.facts["jobs"] == 2
    assert record.facts["inputs that are not what their job wrote"] == 0
    graph = read_json(toy / "figures/toy" / CRATE)["@graph"]
    named = {entity["@id"] for entity in graph}
    assert len(named) == len(graph)
    for entity in graph:
        for value in entity.values():
            for link in value if isinstance(value, list) else [value]:
                assert not isinstance(link, dict) or link["@id"] in named or link["@id"].startswith("https://"), link
    assert [e["name"] for e in graph if set(TIMES) & set(e)] == ["notebooks/01_dataset", "score/late-s0"]
    with pytest.raises(DataError, match="no record of a run"):
        read_crate(toy / "figures/toy/tab_scores.json", "toy")


def test_a_folder_without_a_record_is_checked_by_its_sidecars(toy):
    (toy / "figures/toy/sbom.json").unlink()
    assert check_folder(toy / "figures/toy").findings == []
    flip_a_byte(toy / "figures/toy", random.Random(0))
    assert len(check_folder(toy / "figures/toy").findings) == 1


# --- what is installed ------------------------------------------------------------------------------------------------


def test_installed_versions_are_those_of_the_lock():
    assert differences()[0] == []


def test_another_version_and_a_missing_package_are_told(monkeypatch, tmp_path):
    (tmp_path / "config").mkdir()
    lines = "numpy==0.0.1 \\\n    --hash=sha256:0\nnot-there==1.0 \\\nav==9 ; python_full_version < '3' \\\n"
    (tmp_path / "requirements.lock").write_text(lines)
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    wrong, beside = differences()
    assert "not-there 1.0 is locked and not installed" in wrong
    assert any(text.startswith("numpy is ") and text.endswith("locked is 0.0.1") for text in wrong)
    assert any(text.startswith("torch ") for text in beside)
    assert not any(text.startswith("av ") for text in wrong)


def test_the_bill_of_materials_is_cyclonedx():
    """Against the parts of the schema of CycloneDX 1.6 that it uses."""
    import jsonschema

    bill = sbom.bill_of_materials()
    assert bill == sbom.bill_of_materials()
    jsonschema.validate(bill, CYCLONEDX)
    spoilt = json.loads(json.dumps(bill))
    spoilt["components"][1]["licenses"] = [{"license": "MIT"}]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spoilt, CYCLONEDX)
    refs = [entry["bom-ref"] for entry in bill["components"]]
    assert len(refs) == len(set(refs)) > 200
    assert all(set(entry["dependsOn"]) <= set(refs) for entry in bill["dependencies"])
    libraries = {e["bom-ref"]: e["version"] for e in bill["components"] if e["type"] == "library"}
    locked = {line.name: line.version for line in read_lock((ROOT / "requirements.lock").read_text()) if line.here}
    assert {name: version for name, version in libraries.items() if name in locked} == locked
    (font,) = (entry for entry in bill["components"] if entry["type"] == "data")
    assert font["hashes"][0]["content"] in (ROOT / "THIRD_PARTY.md").read_text()


TEXT = {"type": "string", "minLength": 1}
LICENSES = {
    "oneOf": [
        {"type": "array", "minItems": 1, "maxItems": 1, "items": {
            "type": "object", "required": ["expression"], "additionalProperties": False, "properties": {"expression": TEXT}
        }},
        {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["license"], "additionalProperties": False, "properties": {"license": {
                "type": "object", "oneOf": [{"required": ["id"]}, {"required": ["name"]}],
                "additionalProperties": False, "properties": {"id": TEXT, "name": TEXT},
            }}
        }},
    ]
}  # fmt: skip
COMPONENT = {
    "type": "object", "required": ["type", "name"], "additionalProperties": False,
    "properties": {
        "type": {"enum": ["application", "library", "platform", "data"]},
        "bom-ref": TEXT, "name": TEXT, "version": TEXT, "licenses": LICENSES,
        "purl": {"type": "string", "pattern": r"^pkg:pypi/[a-z0-9-]+@[^\s+]+$"},
        "hashes": {"type": "array", "items": {
            "type": "object", "required": ["alg", "content"], "additionalProperties": False,
            "properties": {"alg": {"enum": ["SHA-256"]}, "content": {"type": "string", "pattern": "^[a-f0-9]{64}$"}},
        }},
    },
}  # fmt: skip
CYCLONEDX = {
    "type": "object", "required": ["bomFormat", "specVersion"], "additionalProperties": False,
    "properties": {
        "$schema": {"enum": ["http://cyclonedx.org/schema/bom-1.6.schema.json"]},
        "bomFormat": {"enum": ["CycloneDX"]}, "specVersion": {"enum": ["1.6"]},
        "version": {"type": "integer", "minimum": 1},
        "metadata": {
            "type": "object", "additionalProperties": False,
            "properties": {"component": COMPONENT, "properties": {"type": "array", "items": {
                "type": "object", "required": ["name"], "additionalProperties": False,
                "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
            }}},
        },
        "components": {"type": "array", "uniqueItems": True, "items": COMPONENT},
        "dependencies": {"type": "array", "uniqueItems": True, "items": {
            "type": "object", "required": ["ref"], "additionalProperties": False,
            "properties": {"ref": TEXT, "dependsOn": {"type": "array", "uniqueItems": True, "items": TEXT}},
        }},
    },
}  # fmt: skip


class Told:
    """A distribution that says what it is told to."""

    files = ()

    def __init__(self, **fields):
        from email.message import Message

        self.metadata = Message()
        for name, value in fields.items():
            for one in value if isinstance(value, list) else [value]:
                self.metadata[name.replace("_", "-")] = one


@pytest.mark.parametrize(
    ("fields", "name", "said_by"),
    [
        ({"License_Expression": "MIT OR Apache-2.0", "License": "BSD"}, "MIT OR Apache-2.0", "expression"),
        ({"License": "BSD-3-Clause"}, "BSD-3-Clause", "field"),
        ({"License": "Apache 2.0 License"}, "Apache-2.0", "field"),
        ({"License": "BSD", "Classifier": ["License :: OSI Approved :: BSD License"]}, "BSD License", "classifier"),
        ({"License": "Copyright (c) 2005, someone", "Classifier": ["License :: OSI Approved :: MIT License"]}, "MIT", "classifier"),
        ({"License": "BSD"}, "BSD", "field"),
        ({"License": "UNKNOWN"}, "unknown", "nobody"),
        ({"Classifier": ["License :: OSI Approved"]}, "unknown", "nobody"),
        ({}, "unknown", "nobody"),
    ],
)  # fmt: skip
def test_licences_are_what_the_metadata_says(fields, name, said_by):
    assert licences.licence_of(Told(**fields)) == licences.Licence(name, said_by)


def test_third_parties_are_those_of_the_lock(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import third_party

    text = (project_root() / "THIRD_PARTY.md").read_text()
    assert third_party.text(text, None) == text, "run `make third-party`"
    rows = third_party.rows_of(text)
    locked = read_lock((ROOT / "requirements.lock").read_text())
    assert [(line.name, line.version) for line in locked] == list(rows)
    unknown = [name for (name, _), (licence, _) in rows.items() if licence == licences.UNKNOWN]
    assert f"{len(unknown)} unknown ({', '.join(unknown)})" in text
    assert "TimGM6mb" in text
    assert third_party.text(text.replace("| MIT |", "| GPL |", 1), None) == text
