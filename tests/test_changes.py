"""Why something would be made again, what a run changed, and the comparison with the committed figures."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from test_workflow import copy_sources, outputs, package, snakemake  # noqa: F401

from avsep_lib.changes import __main__ as ending
from avsep_lib.changes import verify as verifying
from avsep_lib.changes.artefacts import compare_artefact
from avsep_lib.changes.causes import Cause, Chain, Job, cause_in_words, chains, job_name, why_in_words
from avsep_lib.changes.parameters import differing
from avsep_lib.changes.planned import Planned
from avsep_lib.changes.records import read_records, rerun_jobs
from avsep_lib.changes.route import route
from avsep_lib.changes.shown import as_html, as_text, filled_in
from avsep_lib.changes.snapshot import read_snapshot, snapshot_path, take
from avsep_lib.changes.tolerances import TOLERANCES, tolerance
from avsep_lib.changes.values import compare_tables
from avsep_lib.changes.why import Asked, asked_for, explain
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.paths import project_root
from avsep_lib.workflow import load_plan

ROOT = Path(__file__).resolve().parent.parent

# --- why: a checkout that Snakemake takes for complete, edited ---------------------------------------------------------


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A checkout whose made-up results Snakemake takes for complete."""
    folder = copy_sources(tmp_path_factory.mktemp("why"))
    for name in outputs(folder):
        path = folder / name
        (path.parent if path.suffix else path).mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.write_text(name)
    snakemake(folder, "--touch", "--forceall", "--quiet", "all")
    return folder


@pytest.fixture
def edit(complete):
    """Change files of the complete checkout for one test."""
    before = {}

    def change(name, old="", new=""):
        path = complete / name
        before.setdefault(path, (path.read_bytes(), path.stat()))
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    def delete(name):
        path = complete / name
        before.setdefault(path, (path.read_bytes(), path.stat()))
        path.unlink()

    change.delete = delete
    yield change
    for path, (content, stat) in before.items():
        path.write_bytes(content)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def why(folder, name):
    environment = os.environ | {"PYTHONPATH": str(folder)}
    environment.pop("AVSEP_ROOT", None)
    command = [sys.executable, "-m", "avsep_lib.changes.why", name, "--profile", "smoke"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_up_to_date_says_so_and_is_quick(complete):
    before = os.times()
    result = why(complete, "fig_ablation_grid")
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 5  # processor time: the wall clock is the other jobs' as well
    assert result.returncode == 0
    assert result.stderr == ""
    assert result.stdout.startswith("fig_ablation_grid is up to date: made 20")


def test_every_cause_is_named_with_its_way(complete, edit):
    """Snakemake itself would stop at the first of them."""
    edit("avsep_lib/tables/text.py", "\n", "\n# edited\n")
    edit("config/smoke.yaml", "\n  steps: 24", "\n  steps: 30")
    edit("workflow/rules/runs.smk", "--row {params.row} {params.teacher}", "--row {params.row}  {params.teacher}")
    result = why(complete, "results/smoke/artifacts/fig_ablation_grid.png")
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert result.returncode == 0
    assert lines[0] == "fig_ablation_grid would be made again, because"
    at = lines.index("* avsep_lib/tables/text.py was edited; notebook 06_ablation imports it")
    assert lines[at + 1] == "notebook 06_ablation -> fig_ablation_grid"
    at = lines.index("* parameter training.steps 24 -> 30")
    assert lines[at + 1].startswith("training of ")
    assert lines[at + 1].endswith(" -> notebook 06_ablation -> fig_ablation_grid")
    assert "* the command of rule score changed (workflow/rules)" in lines


def test_a_run_is_asked_about_by_its_id(complete, edit):
    edit("config/runs.csv", ",music11,0,\n", ",music11,0,alignment_weight=0.5\n")
    row = next(line for line in (complete / "config/runs.csv").read_text().splitlines() if "_weight=0.5" in line)
    run = row.partition(",")[0]
    told = why(complete, run).stdout
    assert f"{run} (the model) would be trained again" in told
    assert "parameter training.alignment_weight 1.0 -> 0.5" in told
    assert f"training of {run} -> scores of {run}" in told


def test_missing_outputs_are_named(complete, edit):
    edit.delete("results/smoke/scores/late-s0.csv")
    told = why(complete, "late-s0").stdout
    assert "results/smoke/scores/late-s0.csv is missing, but nothing would be made" in told
    assert "--target results/smoke/scores/late-s0.csv" in told


def test_a_missing_artefact_is_a_reason(complete, edit):
    edit.delete("results/smoke/artifacts/tab_table6.csv")
    told = why(complete, "table6").stdout
    assert "* results/smoke/artifacts/tab_table6.csv is missing\n      notebook 06_ablation -> tab_table6" in told


def test_the_environments_lock_is_a_cause_of_its_own(complete, edit):
    edit("requirements.lock", "\n", "\n# edited\n")
    told = why(complete, "06").stdout
    assert told.startswith("06_ablation would be executed again")
    assert "the environment's lock changed (requirements.lock)" in told


def test_results_written_by_something_else_are_named(complete, edit):
    edit("results/smoke/scores/hier-s0.csv", "results", "tampered")
    later = time.time() + 2
    os.utime(complete / "results/smoke/scores/hier-s0.csv", (later, later))
    told = why(complete, "fig_ablation_grid").stdout
    assert "results/smoke/scores/hier-s0.csv was written by something else than the workflow" in told


def test_records_of_snakemake_itself_give_the_same_reason(complete, edit):
    """A snapshot, an edit, a run (faked by --touch, which records like a run), and what is told of it."""
    published = complete / "figures/smoke"
    shutil.copytree(complete / "results/smoke/artifacts", published)
    environment = {name: value for name, value in os.environ.items() if name != "AVSEP_ROOT"}

    def run(module):
        command = [sys.executable, "-m", module, "--profile", "smoke"]
        environment["PYTHONPATH"] = str(complete)
        return subprocess.run(command, cwd=complete, env=environment, capture_output=True, text=True, check=True).stdout

    run("avsep_lib.changes.snapshot")
    edit("avsep_lib/tables/switches.py", "\n", "\n# edited\n")
    snakemake(complete, "--touch", "--quiet", "all")
    said = run("avsep_lib.changes")
    entries = json.loads((complete / "results/smoke/changes.json").read_text())["artefacts"]
    shutil.rmtree(published)
    status = {entry["artefact"]: (entry["status"], entry["changed"]) for entry in entries}
    assert status["tab_switches"] == ("rerun", "no")
    assert status["fig_pipeline"] == ("cached", "no")
    (reason,) = (entry["why"] for entry in entries if entry["artefact"] == "tab_switches")
    assert reason.startswith("avsep_lib/tables/switches.py was edited; notebook 06_ablation imports it")
    assert reason.endswith(" (notebook 06_ablation)")
    assert reason in said


@pytest.mark.parametrize(
    ("options", "first", "prepared"),
    [
        ([], "--snakefile", ["orphans", "warm", "check", "take"]),
        (["--target", "report"], "report", ["orphans", "warm", "check", "take"]),
        (["--dry-run"], "--snakefile", ["check"]),
    ],
)
def test_regenerating_takes_a_snapshot_and_can_stop_before_publishing(monkeypatch, options, first, prepared):
    specification = importlib.util.spec_from_file_location("regenerate", ROOT / "workflow/regenerate.py")
    regenerate = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(regenerate)
    called, become = [], []
    monkeypatch.setattr(regenerate, "_hold_the_checkout", lambda: None)
    monkeypatch.setattr(regenerate, "STATE", ROOT / "tests")  # holds no locks
    monkeypatch.setattr("avsep_lib.preflight.check", lambda profile, dry: called.append("check"))
    monkeypatch.setattr("avsep_lib.changes.snapshot.take", lambda profile: called.append("take"))
    monkeypatch.setattr(regenerate, "_end_orphans", lambda: called.append("orphans"))
    monkeypatch.setattr(regenerate, "_warm_starts", lambda: called.append("warm"))
    monkeypatch.setattr(os, "execv", lambda program, words: become.extend(words))  # signals reach Snakemake directly
    monkeypatch.setattr(os, "chdir", lambda folder: None)
    monkeypatch.setattr(sys, "argv", ["regenerate.py", "--profile", "smoke", "--cores", "1", *options])
    regenerate.main()
    assert called == prepared
    assert become[1:4] == ["-m", "snakemake", first]
    assert become[-2:] == ["--config", "profile=smoke"]


def test_unknown_names_list_near_ones(complete):
    result = why(complete, "fig_ablaton_grid")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "did you mean fig_ablation_grid" in result.stderr
    assert "Traceback" not in result.stderr


def test_names_of_all_kinds():
    plan = load_plan("smoke")
    assert asked_for("tab_table6", plan)[0].files[0] == "results/smoke/artifacts/tab_table6.csv"
    assert asked_for("figures/smoke/tab_table6.tex", plan) == asked_for("table6", plan) == asked_for("tab_table6", plan)
    assert asked_for("06", plan) == asked_for("06_ablation.ipynb", plan)
    assert [item.name for item in asked_for("hier-s0", plan)] == ["hier-s0 (the model)", "hier-s0 (scores)"]
    assert asked_for("report", plan)[0].files == ("results/smoke/report/index.html",)
    with pytest.raises(ConfigError, match=r"'zzz'; name a figure"):
        asked_for("zzz", plan)


# --- why: causes, ways and parameters on their own ----------------------------------------------------------------------


def test_chains_start_where_a_cause_acts_first():
    edited, steps = Cause("edited", "requirements.lock"), Cause("parameter", "training.steps 480 -> 600")
    train = [Job(f"train/{run}", "avsep_lib.train", [edited, steps]) for run in ("hier-s0", "late-s0")]
    score = [Job(f"score/{job.name[6:]}", "avsep_lib.score", [edited], [job]) for job in train]
    notebook = Job("notebooks/06_ablation", "notebooks/06_ablation.ipynb", [edited], [*score, *train])
    found = {chain.cause: chain for chain in chains(notebook)}
    assert [job.name for job in found[steps].jobs] == ["train/hier-s0", "notebooks/06_ablation"]
    assert found[steps].alike == 1
    assert found[edited].alike == 4
    assert why_in_words(found[steps]).endswith("480 -> 600 (training of hier-s0 -> notebook 06_ablation)")
    told = explain(Asked("fig_x", "made", ("fig_x.json",)), Planned({"fig_x.json": notebook}, {}))
    assert "training of hier-s0 (and 1 more jobs) -> notebook 06_ablation -> fig_x" in told


def test_missing_outputs_are_counted_when_there_are_many():
    first = Job("dataset/music11", "", [Cause("missing", "")], missing=["a.csv", "b.csv"])
    assert cause_in_words(Chain(first.causes[0], (first,), 0)) == "a.csv, b.csv are missing"
    told = cause_in_words(Chain(first.causes[0], (first,), 95))
    assert told == "outputs of 96 jobs are missing, those of dataset music11 first"


def test_job_names_are_those_of_their_logs():
    assert job_name(["results/demo/logs/notebooks/06.ipynb", "results/demo/logs/notebooks/06.log"]) == "notebooks/06"
    assert Job(job_name(["results/demo/logs/report.log"]), "").label == "report"


def test_parameters_are_compared_by_key():
    def recorded(value):
        return repr(json.dumps(value))

    old = {"training": {"steps": 480, "loss": "a"}, "channels": [8, 16]}
    new = {"training": {"steps": 600, "loss": "a"}, "channels": [8, 32], "extra": True}
    assert differing([recorded(old)], [recorded(new)]) == [
        "channels [8, 16] -> [8, 32]",
        "extra (none) -> true",
        "training.steps 480 -> 600",
    ]
    whole = {"profile": {"training": {"steps": 480}}, "runs": [{"run_id": "a-s0", "seed": 0}]}
    more = {"profile": {"training": {"steps": 600}}, "runs": [{"run_id": "a-s0", "seed": 1}]}
    assert differing([recorded(whole)], [recorded(more)]) == ["runs[a-s0].seed 0 -> 1", "training.steps 480 -> 600"]
    assert differing(["'old words'"], ["'new words'"]) == ["old words -> new words"]
    assert differing([], []) == []


def test_the_way_of_an_import():
    assert route("avsep_lib.train", "avsep_lib/train.py") == ["avsep_lib/train.py"]
    direct = route("notebooks/06_ablation.ipynb", "avsep_lib/tables/text.py")
    assert direct == ["avsep_lib/tables/text.py"]
    behind = route("notebooks/06_ablation.ipynb", "avsep_lib/errors.py")
    assert behind[-1] == "avsep_lib/errors.py"
    assert len(behind) >= 2
    assert route("avsep_lib.train", "avsep_lib/publish.py") == []


def test_the_way_to_a_file_that_a_module_names(package):  # noqa: F811
    assert route("avsep_lib.b", "avsep_lib/look.mplstyle") == ["avsep_lib/a.py", "avsep_lib/look.mplstyle"]
    assert route("avsep_lib.sub.c", "avsep_lib/a.py") == ["avsep_lib/b.py", "avsep_lib/a.py"]


# --- what a run changed --------------------------------------------------------------------------------------------------


TABLE = 'row,found,SDR (dB),mixtures\nLate,-,"2.12 [1.19, 3.15]",88\nMiddle,lower,"1.43 [0.46, 2.39]",88\n'
CLAIM_TABLE = "claim,verdict\nOne is better.,supported\nTwo is not.,inconclusive\n"
SIDECAR = {
    "kind": "table",
    "caption": "What was found.",
    "parameters": {"seed": 1234},
    "hardware": {"cpu": "x"},
    "wall_time_s": 1.0,
}


def picture(path, level):
    Image.new("L", (40, 30), level).save(path)


def write_artefacts(folder, **other):
    """A folder with a table, the claims, and a figure without data."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"tab_a.csv": TABLE, "tab_a.md": "| row |\n| 1.5 |\n", "tab_claims.csv": CLAIM_TABLE} | {
        f"{stem}.json": json.dumps(SIDECAR) for stem in ("tab_a", "tab_claims", "fig_b")
    }
    for name, text in (texts | other).items():
        (folder / name).write_text(text)
    picture(folder / "fig_b.png", 200)
    return folder


def write_record(root, output, job, **values):
    """A record as Snakemake leaves it."""
    path = root / ".snakemake/metadata" / base64.urlsafe_b64encode(output.encode()).decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "rule": job.partition("/")[0],
        "log": [f"results/toy/logs/{job}.log"],
        "input": [],
        "params": [],
        "code": "",
    }
    path.write_text(json.dumps(record | {"input_checksums": {}, "shellcmd": "python -m avsep_lib.train", **values}))
    (root / output).parent.mkdir(parents=True, exist_ok=True)
    (root / output).touch()


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A checkout with published artefacts, and records of a training and of the notebook behind it."""
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    write_artefacts(tmp_path / "figures/toy")
    (tmp_path / "results/toy").mkdir(parents=True)
    record_both(tmp_path, 1.0, 480)
    return tmp_path


def record_both(root, started, steps):
    model, settings = "results/toy/runs/hier-s0/model.safetensors", repr(json.dumps({"training": {"steps": steps}}))
    write_record(root, model, "train/hier-s0", starttime=started, params=[settings])
    for stem in ("tab_a", "tab_claims"):
        made = f"results/toy/artifacts/{stem}.json"
        write_record(root, made, "notebooks/06_ablation", starttime=started + 0.5, input=[model])


def test_what_changed_is_listed_with_its_reason_and_the_rest_counted(toy):
    take("toy")
    record_both(toy, 2.0, 600)
    (toy / "figures/toy/tab_a.csv").write_text(TABLE.replace("2.12", "2.31"))
    (toy / "figures/toy/tab_claims.csv").write_text(CLAIM_TABLE.replace("inconclusive", "supported"))
    report = toy / "figures/toy/report/index.html"
    report.parent.mkdir()
    report.write_text("<p>a</p><!-- what changed: begin -->old<!-- what changed: end --><p>b</p>")
    said = ending.show("toy")
    kept = json.loads((toy / "results/toy/changes.json").read_text())
    entries = {entry["artefact"]: entry for entry in kept["artefacts"]}
    reason = "parameter training.steps 480 -> 600 (training of hier-s0 -> notebook 06_ablation)"
    assert entries["tab_a"] == {
        "artefact": "tab_a",
        "status": "rerun",
        "why": reason,
        "changed": "values",
        "verdict_before": "",
        "verdict_after": "",
    }
    assert (entries["fig_b"]["status"], entries["fig_b"]["changed"]) == ("cached", "no")
    assert entries["tab_claims"]["verdict_before"] == "1 inconclusive, 1 supported"
    assert entries["tab_claims"]["verdict_after"] == "2 supported"
    assert kept["verdicts"] == [{"claim": "Two is not.", "before": "inconclusive", "after": "supported"}]
    assert "2 made again, 2 with other values, 1 cached and the same" in said
    lines = [line.split() for line in said.splitlines()]
    assert ["tab_a", "rerun", "values", "(1)"] in lines
    assert ["tab_claims", "rerun", "values", "(1)"] in lines
    assert said.count(reason) == 1  # once for both
    assert "fig_b" not in said
    assert "verdict: inconclusive -> supported: Two is not." in said
    page = report.read_text()
    assert page.startswith("<p>a</p>")
    assert page.endswith("<p>b</p>")
    assert "480 -&gt; 600" in page
    assert "old" not in page
    assert read_snapshot("toy") is None


def test_a_run_that_changes_nothing_keeps_the_last_changes(toy):
    take("toy")
    record_both(toy, 2.0, 600)
    ending.show("toy")
    kept = (toy / "results/toy/changes.json").read_text()
    assert '"sidecar only"' not in kept  # the published sidecars are still the same bytes
    take("toy")
    assert "3 cached and the same" in ending.show("toy")
    assert (toy / "results/toy/changes.json").read_text() == kept
    assert ending.show("toy") == ""  # no run since


def test_an_interrupted_run_is_compared_with_what_was_published_before_it(toy):
    take("toy")
    first = snapshot_path("toy").read_bytes()
    (toy / "figures/toy/tab_a.csv").write_text(TABLE.replace("2.12", "2.31"))
    take("toy")
    assert snapshot_path("toy").read_bytes() == first


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("tab_a.csv", lambda path: path.write_text(TABLE.replace("1.43", "1.44")), "values"),
        ("tab_a.json", lambda path: path.write_text(json.dumps(SIDECAR | {"wall_time_s": 2.0})), "sidecar only"),
        ("fig_b.png", lambda path: picture(path, 201), "picture"),
        ("tab_new.csv", lambda path: path.write_text(TABLE), "values"),
        ("fig_b.png", lambda path: None, "no"),
    ],
)
def test_kinds_of_change(toy, name, change, expected):
    take("toy")
    path = toy / "figures/toy" / name
    change(path)
    ending.show("toy")
    entries = json.loads((toy / "results/toy/changes.json").read_text())["artefacts"]
    found = {entry["artefact"]: entry for entry in entries}
    assert found[path.stem]["changed"] == expected
    assert found[path.stem]["status"] == ("new" if "new" in name else "cached")


def test_removed_artefacts_and_first_runs(toy):
    shutil.rmtree(toy / ".snakemake")
    take("toy")
    record_both(toy, 2.0, 600)
    for path in (toy / "figures/toy").glob("fig_b.*"):
        path.unlink()
    said = ending.show("toy")
    assert "fig_b" in said
    assert "no notebook of today saves it" in said
    assert "made here for the first time" in said


def test_records_tell_edits_commands_inputs_and_missing_outputs(toy):
    output = "results/toy/runs/late-s0/model.safetensors"
    sources = {"avsep_lib/train.py": "sha256:1", "requirements.lock": "sha256:2"}
    write_record(toy, output, "train/late-s0", starttime=1.0, code="a", input=["x", "y"], input_checksums=sources)
    before = read_records("toy")
    sources = sources | {"avsep_lib/train.py": "sha256:3"}
    write_record(toy, output, "train/late-s0", starttime=2.0, code="b", input=["x", "z"], input_checksums=sources)
    job = rerun_jobs(before, read_records("toy"))[output]
    assert [cause.what for cause in job.causes] == [
        "avsep_lib/train.py",
        "the command of rule train changed (workflow/rules)",
        "z is a new input",
        "y is no longer an input",
    ]
    assert rerun_jobs(before, before) == {}
    (toy / output).unlink()
    assert read_records("toy")["train/late-s0"]["missing"] == [output]
    (toy / ".snakemake/metadata/bm90IGpzb24=").write_text("not json")
    assert "train/late-s0" in read_records("toy")


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_section_is_plain_html():
    entry = {"artefact": "tab_<a>", "status": "rerun", "why": "a & b", "changed": "values"}
    found = {"profile": "toy", "since": "now", "counts": {"rerun": 1}, "artefacts": [entry], "verdicts": []}
    text = as_html(found)
    tags = Tags(text)
    assert tags.open == []
    assert "tab_&lt;a&gt;" in text
    assert "a &amp; b" in text
    assert {tag for tag, _ in tags.seen} <= {"p", "div", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert all("style" not in attributes for _, attributes in tags.seen)
    assert filled_in("no marks", found) == "no marks"
    assert as_text(found).splitlines()[-1] == "(1) a & b"


# --- verify: planted differences -----------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    return write_artefacts(tmp_path / "committed"), write_artefacts(tmp_path / "here")


def differences(folders, **options):
    return list(map(str, verifying.verify(*folders, **options)[0]))


def test_equal_folders_have_no_difference(folders):
    assert differences(folders) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("2.12", "2.13", "row Late, column SDR (dB): committed '2.12 [1.19, 3.15]', here '2.13 [1.19, 3.15]'"),
        ("lower", "higher", "row Middle, column found: committed 'lower', here 'higher'"),
        ('"2.12 [1.19, 3.15]"', "", "row Late, column SDR (dB): committed '2.12 [1.19, 3.15]', here no value"),
        ('"2.12 [1.19, 3.15]"', "nan", "here no value"),
        (",88\nMiddle", ",87\nMiddle", "row Late, column mixtures: committed '88', here '87'"),
        ("mixtures\n", "pairs\n", "column mixtures: committed there, here missing"),
        ("Late,", "Later,", "column row: committed 'Late', here 'Later'"),
        (",88\nMiddle", "\nMiddle", "row Late, column mixtures: committed '88', here no value"),
        ("Middle,", "Hier,-,1,88\nMiddle,", "row Hier: committed not there, here there"),
    ],
)
def test_planted_differences_are_printed_with_both_values_and_their_place(folders, old, new, told):
    assert old in TABLE
    (folders[1] / "tab_a.csv").write_text(TABLE.replace(old, new, 1))
    found = differences(folders)
    assert len(found) == (2 if "pairs" in new else 1)
    assert found[0].startswith("tab_a.csv: ")
    assert told in found[0]


def test_rows_in_another_order_are_one_difference(folders):
    header, late, middle = TABLE.splitlines()
    (folders[1] / "tab_a.csv").write_text("\n".join([header, middle, late]) + "\n")
    (found,) = differences(folders)
    assert found == "tab_a.csv: order of the rows: committed Late, Middle, here Middle, Late"


def test_missing_and_extra_files_and_other_verdicts(folders):
    (folders[1] / "tab_a.md").unlink()
    (folders[1] / "tab_extra.csv").write_text(TABLE)
    (folders[1] / "tab_claims.csv").write_text(CLAIM_TABLE.replace("inconclusive", "contradicted"))
    assert differences(folders) == [
        "tab_a.md: file: committed there, here missing",
        "tab_claims.csv: row Two is not., column verdict: committed 'inconclusive', here 'contradicted'",
        "tab_extra.csv: file: committed not there, here there",
    ]


def test_captions_parameters_and_layout_count_but_times_do_not(folders):
    sidecar = SIDECAR | {"caption": "Other.", "parameters": {"seed": 1, "n": 2}, "wall_time_s": 9, "commit": "abc"}
    (folders[1] / "tab_a.json").write_text(json.dumps(sidecar))
    (folders[1] / "tab_claims.json").write_text(json.dumps(SIDECAR | {"commit": "abc"}))
    assert [line.split(":")[1].strip() for line in differences(folders)] == ["caption", "parameter n", "parameter seed"]
    (folders[1] / "tab_a.json").write_text(json.dumps(SIDECAR))
    (folders[1] / "tab_a.md").write_text("| ROW |\n| 1.5 |\n")
    assert differences(folders) == ["tab_a.md: line 1: committed '| row |', here '| ROW |'"]
    (folders[1] / "tab_a.md").write_text("|  row  |\n| 1.52 |\n")  # numbers are the CSV file's business
    assert differences(folders) == []


def test_pictures_without_data(folders):
    picture(folders[1] / "fig_b.png", 190)
    assert differences(folders) == ["fig_b.png: pixels: committed 0, here 10.00 of 255 away on average"]
    found, remarks, classes = verifying.verify(*folders, machine="other")
    assert found == []
    assert "reported only" in remarks[0]
    assert classes == [False] * 3
    Image.new("L", (41, 30), 200).save(folders[1] / "fig_b.png")
    assert "size in pixels: committed (40, 30), here (41, 30)" in differences(folders)[0]


def test_durations_are_never_compared():
    cost = "row,seconds per run,device,parameters (M)\nLate,31.5,cpu,2.03\n"
    assert compare_tables("tab_table6_cost.csv", cost, cost.replace("31.5", "99").replace("cpu", "gpu")) == []
    assert len(compare_tables("tab_table6_cost.csv", cost, cost.replace("2.03", "2.04"))) == 1


@pytest.mark.parametrize(
    ("old", "new", "n_differences"),
    [
        ("2.12", "3.10", 0),  # inside the committed interval
        ("2.12", "3.20", 1),
        ("1.19", "-0.70", 0),  # an end within one width
        ("1.19", "-0.90", 1),
        ("3.15", "5.20", 1),
        ("88\nMiddle", "87\nMiddle", 1),  # a count
        ("lower", "higher", 1),  # a word
    ],
)
def test_another_machine_has_the_printed_interval(old, new, n_differences):
    assert len(compare_tables("tab_a.csv", TABLE, TABLE.replace(old, new, 1), strict=False)) == n_differences
    assert len(compare_tables("tab_a.csv", TABLE, TABLE.replace(old, new, 1))) == 1


def test_another_machine_and_columns_of_data():
    data = "method,sdr_db,sdr_db_low,sdr_db_high,p_value,rho,n_silent\nlate,2.0,1.0,3.0,0.01,0.5,0\n"

    def loose(old, new):
        return compare_tables("fig_x.csv", data, data.replace(old, new, 1), strict=False)

    assert loose("2.0", "2.9") == loose("0.01", "0.9") == loose("0.5", "0.7") == loose(",0\n", ",9\n") == []
    assert loose("1.0", "-0.5") == []
    assert [len(loose(*pair)) for pair in (("2.0", "3.1"), ("1.0", "-2.0"), ("3.0", "5.5"), ("0.5", "0.9"))] == [1] * 4
    assert len(loose("0.01", "")) == 1


def test_every_kind_of_tolerance_is_known():
    assert {line.kind for line in TOLERANCES} == {"exact", "duration", "number"}
    assert TOLERANCES[-1].fits("any", "row", "column")
    assert tolerance("tab_table6.csv", "Late", "mixtures").kind == "exact"
    assert tolerance("tab_training_run.csv", "time", "value").kind == "duration"
    assert tolerance("tab_training_run.csv", "run", "value").kind == "number"


def test_the_class_comes_from_the_sidecars(folders):
    (folders[1] / "tab_a.csv").write_text(TABLE.replace("2.12", "2.60"))
    assert len(differences(folders)) == 1
    (folders[1] / "tab_a.json").write_text(json.dumps(SIDECAR | {"hardware": {"cpu": "another"}}))
    assert differences(folders) == []
    assert len(differences(folders, machine="same")) == 1
    assert compare_artefact(*folders, "tab_a", strict=True)[0]


def test_leftovers_of_notebooks_are_missing(folders):
    (found,) = differences(folders, written={"tab_a", "fig_b"})
    assert found == "tab_claims: figure or table: committed there, here saved by no notebook of today"


def test_folders_without_artefacts_are_an_error(folders, tmp_path):
    with pytest.raises(DataError, match="holds no figure"):
        verifying.verify(tmp_path / "nowhere", folders[1])


def run_verify(folders):
    command = [sys.executable, "-m", "avsep_lib.changes.verify", "--against", str(folders[0])]
    return subprocess.run([*command, "--artifacts", str(folders[1])], cwd=ROOT, capture_output=True, text=True)


def test_the_command_ends_with_an_exit_code(folders):
    result = run_verify(folders)
    assert (result.returncode, result.stderr) == (0, "")
    assert "3 figures and tables compared: 3 as made on the same kind of machine" in result.stdout
    (folders[1] / "tab_a.csv").write_text(TABLE.replace("2.12", "2.13"))
    result = run_verify(folders)
    assert result.returncode == 1
    assert "1 difference" in result.stdout


def test_the_reference_is_what_is_committed(toy):
    with verifying.committed_figures("toy") as (folder, words):
        assert folder == toy / "figures/toy"
        assert "no commit holds it" in words
    git = ["git", "-C", str(toy), "-c", "user.name=n", "-c", "user.email=e"]
    for arguments in (["init", "-q"], ["add", "figures"], ["commit", "-qm", "c"]):
        subprocess.run([*git, *arguments], check=True)
    (toy / "figures/toy/tab_a.csv").write_text("overwritten by make figures")
    with verifying.committed_figures("toy") as (folder, words):
        assert (folder / "tab_a.csv").read_text() == TABLE
        assert words.startswith("figures/toy of commit ")


def test_the_committed_figures_agree_with_themselves():
    with verifying.committed_figures("demo") as (folder, _):
        if not verifying.stems_in(folder):
            pytest.skip("this checkout has no committed figures")
        found, remarks, _ = verifying.verify(folder, project_root() / folder)
    assert found == remarks == []


def test_the_verdicts_of_a_first_run_are_no_changes(toy):
    claims = toy / "figures/toy/tab_claims.csv"
    text = claims.read_text()
    claims.unlink()
    take("toy")
    claims.write_text(text)
    said = ending.show("toy")
    assert "verdict:" not in said
    assert json.loads((toy / "results/toy/changes.json").read_text())["verdicts"] == []
