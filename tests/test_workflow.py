"""The workflow as a graph: complete, fresh in a fresh clone, and stale exactly where something changed.

Jobs are not run here (tests/test_smoke.py does that). A copy of the sources gets made-up outputs which Snakemake is told
to accept; then something is edited and a dry run says what it would do again.
"""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from avsep_lib import library
from avsep_lib import publish as publishing
from avsep_lib import remembered as remembered_module
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.files import sha256_file
from avsep_lib.parameters import NOTEBOOKS
from avsep_lib.publish import publish
from avsep_lib.workflow import READS, artifact_files, load_plan, notebook_artifacts, notebook_path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("avsep_lib", "config", "notebooks", "paper", "workflow", "requirements.lock")
RULES = {"dataset", "clips", "encoder", "embed", "sanity", "mixtures", "features", "train", "score", "references"} | {
    "larger_mixtures", "score_larger", "method_costs", "naming", "sgn_features",
    "descriptors", "latents", "probe", "canaries", "selftest", "report", "publish", "all", *(f"notebook_{stem}" for stem in READS)
}  # fmt: skip
# Rules that no separator and no score depends on, and the module behind each.
AFTERWARDS = {
    rule: f"avsep_lib.{rule}" for rule in ("descriptors", "latents", "probe", "canaries", "report", "publish")
} | {"selftest": "avsep_lib.canaries.selftest"}
CANARIES = {"canaries", "selftest"}
READERS = {
    "descriptors": {"notebook_05_fusion_stages", "notebook_11_audit"},
    "latents": {"probe", "notebook_07_linear_probe", "notebook_08_modality_gap", "notebook_11_audit"} | CANARIES,
    "probe": {"notebook_07_linear_probe", "notebook_11_audit"} | CANARIES,
    "selftest": {"notebook_11_audit"},
}
LAST = {"report", "publish", "all"}
WRITE_NOTHING = {"00_start_here", "12_explorer"}  # they read finished results, to look at and to play with
PRESENT = [stem for stem in NOTEBOOKS if notebook_path(stem).exists() or (ROOT / notebook_path(stem)).exists()]


def snakemake(folder, *options, profile="smoke", check=True):
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--cores", "2", *options]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    environment.pop("AVSEP_ROOT", None)
    command += ["--config", f"profile={profile}"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=check)


def stale(folder, profile="smoke"):
    """Rules that a dry run would run again, with the number of jobs."""
    result = snakemake(folder, "--dry-run", "--quiet", "host", "rules", "reason", profile=profile)
    text = result.stdout + result.stderr
    table = re.search(r"^job +count\n[- ]+\n(.*?)\n(?:total|\n)", text, re.MULTILINE | re.DOTALL)
    return {line.split()[0]: int(line.split()[1]) for line in table[1].splitlines()} if table else {}


def copy_sources(folder):
    for name in SOURCES:
        source = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(source, folder / name, ignore=ignored) if source.is_dir() else shutil.copy(source, folder)
    return folder


def outputs(folder):
    rows = snakemake(folder, "--summary").stdout.splitlines()[1:]
    return [row.split("\t")[0] for row in rows]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A checkout without results."""
    return copy_sources(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A checkout whose results Snakemake takes for complete."""
    folder = copy_sources(tmp_path_factory.mktemp("complete"))
    for name in outputs(folder):
        path = folder / name
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        else:
            path.mkdir(parents=True)
    snakemake(folder, "--touch", "--forceall", "--quiet", "all")
    return folder


@pytest.fixture
def edit(complete):
    """Change a file of the complete checkout for one test."""
    before = {}

    def change(name, old, new):
        path = complete / name
        before.setdefault(path, (path.read_text(), path.stat()))
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))
        return complete

    yield change
    for path, (text, stat) in before.items():
        path.write_text(text)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def users_of(module):
    """Notebook rules whose code depends on a library module."""
    path = Path("avsep_lib") / module
    return {f"notebook_{s}" for s in PRESENT if path in library.modules_of_notebook(ROOT / notebook_path(s))}


def test_every_profile_plans_every_rule(fresh):
    for profile in ("smoke", "demo", "demo-full", "paper"):
        assert set(stale(fresh, profile)) == RULES


def test_a_fresh_clone_trains(fresh):
    """No tracked file is an output, or Snakemake would answer that nothing is to be done."""
    assert all(name.startswith("results/smoke/") for name in outputs(fresh))
    tracked = subprocess.run(["git", "ls-files", "results"], cwd=ROOT, capture_output=True, text=True).stdout
    assert tracked == ""
    assert stale(fresh)["train"] == len(load_plan("smoke").runs)


def test_nothing_changed_means_nothing_to_do(complete):
    started = time.monotonic()
    assert stale(complete) == {}
    assert time.monotonic() - started < 10


def test_touching_a_source_without_changing_it_does_nothing(complete):
    for path in (complete / "avsep_lib").rglob("*.py"):
        path.touch()
    assert stale(complete) == {}


@pytest.mark.parametrize("module", ["plots/scores.py", "tables/text.py", "stats.py"])
def test_editing_what_only_notebooks_use_reruns_only_them(edit, module):
    name = f"avsep_lib/{module}"
    users = users_of(module)
    assert users < {f"notebook_{stem}" for stem in READS}
    jobs = set(stale(edit(name, "\n", "\n# edited\n")))
    elsewhere = {rule for rule, command in AFTERWARDS.items() if Path(name) in library.modules_of(command)}
    readers = set().union(*(READERS.get(rule, set()) for rule in elsewhere))
    assert jobs == users | elsewhere | readers | (LAST if users or elsewhere else set())


def test_editing_scoring_trains_nothing(edit):
    jobs = stale(edit("avsep_lib/score.py", "\n", "\n# edited\n"))
    assert jobs["score"] == len(load_plan("smoke").runs)
    assert "references" in jobs
    assert not {"train", "features", "encoder", "dataset", "mixtures"} & set(jobs)


def test_editing_training_leaves_the_data_alone(edit):
    jobs = set(stale(edit("avsep_lib/train.py", "\n", "\n# edited\n")))
    assert {"train", "score", "canaries"} <= jobs
    assert not {"dataset", "clips", "encoder", "embed", "mixtures", "notebook_01_dataset"} & jobs


def test_one_row_of_the_sheet_trains_one_model(edit):
    jobs = stale(edit("config/runs.csv", ",music11,0,\n", ",music11,0,alignment_weight=0.5\n"))
    assert jobs["train"] == jobs["score"] == 1
    assert not {"features", "encoder", "notebook_01_dataset", "notebook_02_encoders"} & set(jobs)


def test_another_sample_rate_gets_its_own_data_and_leaves_the_rest(edit):
    jobs = stale(edit("config/runs.csv", ",music11,0,\n", ",music11,0,sample_rate=12000\n"))
    assert {name: jobs.get(name) for name in ("clips", "mixtures", "features", "references", "train")} == dict.fromkeys(
        ("clips", "mixtures", "features", "references", "train"), 1
    )
    assert not {"dataset", "encoder", "embed"} & set(jobs)


def test_a_comment_in_the_profile_reruns_nothing(edit):
    assert stale(edit("config/smoke.yaml", "name: smoke", "# a remark\nname: smoke")) == {}


def test_bootstrap_settings_touch_no_training(edit, complete):
    text = re.search(r"n_bootstrap: \d+", (complete / "config/smoke.yaml").read_text())[0]
    jobs = set(stale(edit("config/smoke.yaml", text, "n_bootstrap: 51")))
    assert {"notebook_06_ablation", "publish"} <= jobs
    assert not {"train", "score", "features", "mixtures", "encoder", "dataset"} & jobs


def test_the_lock_is_an_input_of_everything(edit):
    jobs = set(stale(edit("requirements.lock", "\n", "\n# edited\n")))
    assert jobs == RULES


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["profile=nosuch"], ["nosuch", "smoke", "demo"]),
        (["profile=smoke", "cores=3"], ["cores", "profile=NAME"]),
    ],
)
def test_bad_configuration_stops_before_the_first_job(fresh, options, words):
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        "workflow/Snakefile",
        "--cores",
        "1",
        "--config",
        *options,
    ]
    result = subprocess.run(command, cwd=fresh, capture_output=True, text=True)
    assert result.returncode != 0
    assert all(word in result.stderr for word in words)
    assert "Traceback" not in result.stderr
    assert not (fresh / "results").exists()


def test_long_training_jobs_start_first():
    plan = load_plan("demo")
    cost = {run: plan.cost(run) for run in plan.runs}
    assert cost["resnet18_late-s0"] > cost["hier-s0"] > cost["middle-s0"] > cost["late-s0"] > 0


def test_failed_command_shows_the_end_of_its_log_and_its_exit_code(tmp_path):
    script = f"source '{ROOT}/workflow/logged.sh' /nowhere offline; logged logs/a/job.log bash -c 'echo first; echo why; exit 3'"
    (tmp_path / "logs/a").mkdir(parents=True)
    result = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 3
    assert "why" in result.stderr
    assert (tmp_path / "logs/a/job.log").read_text() == "first\nwhy\nexit code 3\n"


@pytest.mark.parametrize(("hub", "flag"), [("offline", "1"), ("online", "0")])
def test_hubs_are_closed_unless_the_profile_opens_them(hub, flag):
    script = f"source '{ROOT}/workflow/logged.sh' /nowhere {hub}; echo $HF_HUB_OFFLINE $TRANSFORMERS_OFFLINE"
    result = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == [flag, flag]


# --- two regenerations at once, and what a killed one leaves -----------------------------------------------------------


def regenerate(folder, *options):
    command = [sys.executable, "workflow/regenerate.py", "--profile", "smoke", "--cores", "1", *options]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_second_regeneration_says_so_and_stops(complete):
    holder = "import fcntl, os, sys; f = os.open('.snakemake/regenerate.lock', os.O_RDWR | os.O_CREAT); "
    holder += "fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", holder], cwd=complete, **pipes) as first:
        assert first.stdout.readline() == "held\n"
        second = regenerate(complete, "--dry-run")
        first.communicate("")
    assert second.returncode != 0
    assert "Another `make figures` is running" in second.stderr


def test_a_stale_lock_is_explained_and_cleared(complete):
    locks = complete / ".snakemake/locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.output.lock").write_text("results/smoke/published.json\n")
    result = regenerate(complete, "--quiet", "all")
    assert result.returncode == 0, result.stderr
    assert "left a lock behind" in result.stdout
    assert not list(locks.glob("*"))


# --- library closures ---------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three modules: b imports a inside a function, sub.c relatively."""
    files = {
        "__init__.py": '"""Doc."""',
        "a.py": 'STYLE = "look.mplstyle"',
        "look.mplstyle": "font.size: 9",
        "b.py": "def f():\n    from avsep_lib import a\n    return a",
        "other.py": "import json",
        "lazy.py": 'TABLE = {"x": "avsep_lib.other", "y": "avsep_lib.nowhere"}',
        "sub/__init__.py": "",
        "sub/c.py": "from ..b import f\nfrom . import d",
        "sub/d.py": "",
    }
    for name, text in files.items():
        (tmp_path / "avsep_lib" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "avsep_lib" / name).write_text(text)
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    cached = [function for function in vars(library).values() if hasattr(function, "cache_clear")]
    for function in cached:
        function.cache_clear()
    yield tmp_path
    for function in cached:
        function.cache_clear()


def names(paths):
    return {str(path.relative_to("avsep_lib")) for path in paths}


def test_closure_follows_every_kind_of_import(package):
    assert names(library.modules_of("avsep_lib.b")) == {"__init__.py", "a.py", "b.py", "look.mplstyle"}
    expected = {"__init__.py", "a.py", "b.py", "look.mplstyle", "sub/__init__.py", "sub/c.py", "sub/d.py"}
    assert names(library.modules_of("avsep_lib.sub.c")) == expected
    assert names(library.modules_of("avsep_lib.lazy")) == {"__init__.py", "lazy.py", "other.py"}
    with pytest.raises(ConfigError, match="nosuch"):
        library.modules_of("avsep_lib.nosuch")


@pytest.fixture
def remembered(package, monkeypatch):
    """What this process reads, and what it finds remembered from another one."""
    (package / ".snakemake").mkdir()
    monkeypatch.setattr(remembered_module.atexit, "register", lambda function: None)
    parsed = []
    named = library._named
    monkeypatch.setattr(library, "_named", lambda text, *place: parsed.append(place[1]) or named(text, *place))

    def another_process():
        """Names that modules of `b` need, and the files that were parsed for them."""
        library._remembered().keep()
        for function in (f for f in vars(library).values() if hasattr(f, "cache_clear")):
            function.cache_clear()
        parsed.clear()
        found = names(library.modules_of("avsep_lib.b"))
        return found, sorted(Path(place).name for place in parsed)

    return another_process


def test_a_source_is_parsed_once_until_it_changes(remembered, package):
    needed = {"__init__.py", "a.py", "b.py", "look.mplstyle"}
    assert remembered() == (needed, ["__init__.py", "a.py", "b.py"])
    assert remembered() == (needed, [])
    (package / "avsep_lib/b.py").write_text("from avsep_lib import other")
    assert remembered() == ({"__init__.py", "b.py", "other.py"}, ["b.py", "other.py"])
    (package / "avsep_lib/new.py").write_text("")  # what a source names is remembered, not whether it exists
    (package / "avsep_lib/b.py").write_text("import avsep_lib.new, avsep_lib.later")
    assert remembered()[0] == {"__init__.py", "b.py", "new.py"}
    (package / "avsep_lib/later.py").write_text("x = 1")
    assert remembered() == ({"__init__.py", "b.py", "new.py", "later.py"}, ["later.py"])


@pytest.mark.parametrize("damage", [lambda text: text[:-5], lambda text: text.replace("avsep_lib.a", "avsep_lib.o", 1)])
def test_damaged_memory_of_sources_is_no_memory(remembered, package, damage):
    needed, parsed = remembered()
    assert remembered() == (needed, [])
    path = package / ".snakemake/names_in_sources"
    path.write_text(damage(path.read_text()))
    library._remembered().used = {}  # nothing to write over it
    assert remembered() == (needed, parsed)


def write_notebook(path, *cells):
    cells = [{"cell_type": "code", "source": text, "metadata": {}} for text in cells]
    path.write_text(json.dumps({"cells": cells}))
    return path


def test_notebook_closure_and_artifacts(package):
    notebook = write_notebook(
        package / "n.ipynb",
        "%matplotlib inline\nfrom avsep_lib import a",
        'artifacts.save_figure(ax, "gain", caption="Gain " "per class.", data=frame)\nsave_table(t, "t1", caption="T.")',
    )
    assert names(library.modules_of_notebook(notebook)) == {"__init__.py", "a.py", "look.mplstyle"}
    figure, table = library.artifacts_of_notebook(notebook)
    assert figure.files == ("fig_gain.png", "fig_gain.svg", "fig_gain.csv", "fig_gain.json")
    assert figure.caption == "Gain per class."
    assert table.files == ("tab_t1.csv", "tab_t1.md", "tab_t1.tex", "tab_t1.json")


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("save_figure(ax, name, caption='c')", "literals"),
        ("save_figure(ax, 'a')", "literals"),
        ("save_table(t, 'a', caption='c')\nsave_table(t, 'a', caption='c')", "twice"),
        ("def", "does not parse"),
    ],
)
def test_artifacts_the_workflow_could_not_know_are_refused(package, code, word):
    with pytest.raises(ConfigError, match=word):
        library.artifacts_of_notebook(write_notebook(package / "n.ipynb", code))


def test_closure_of_the_real_training_is_light():
    """Training may not depend on the dataset, the notebooks' tools or the schema library."""
    text = " ".join(map(str, library.modules_of("avsep_lib.train")))
    assert not [word for word in ("embedded/", "plots", "config.py", "report", "artifacts", "stats") if word in text]


# --- publishing ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def published(tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    source = tmp_path / "results/smoke/artifacts"
    source.mkdir(parents=True)
    (source / "fig_a.png").write_text("picture")
    write_sidecar(source, GIVEN)
    files = {"06_ablation": ["fig_a.png", "fig_a.json"]}
    return functools.partial(publish, "smoke", files, {"06_ablation": GIVEN}), source, tmp_path / "figures/smoke"


GIVEN = {"profile": "smoke", "seed": 1234, "n_bootstrap": 200}


def write_sidecar(source, parameters):
    outputs = {"fig_a.png": sha256_file(source / "fig_a.png")}
    (source / "fig_a.json").write_text(json.dumps({"outputs": outputs, "parameters": parameters}))


def test_publishing_mirrors_and_repeats_without_effect(published):
    run, _, target = published
    target.mkdir(parents=True)
    (target / "fig_old.png").write_text("no notebook makes this any more")
    (target / "README.md").write_text("kept")
    assert run() == {"figures and tables": 1, "files copied": 2, "files removed": 1}
    assert sorted(path.name for path in target.iterdir()) == ["README.md", "fig_a.json", "fig_a.png"]
    assert run() == {"figures and tables": 1, "files copied": 0, "files removed": 0}
    (target / "fig_a.png").unlink()
    assert run()["files copied"] == 1


def test_publishing_refuses_what_its_sidecar_does_not_describe(published):
    run, source, target = published
    (source / "fig_a.png").write_text("painted over")
    with pytest.raises(DataError, match="fig_a"):
        run()
    (source / "fig_a.png").unlink()
    with pytest.raises(DataError, match="fig_a"):
        run()
    assert not target.exists()


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        (GIVEN | {"n_bootstrap": 50}, "n_bootstrap = 50 instead of 200"),
        (GIVEN | {"candidate": "x"}, "candidate = 'x' instead of None"),
        ({"profile": "smoke", "seed": 1234}, "n_bootstrap = None instead of 200"),
    ],
)
def test_what_if_runs_are_not_published(published, parameters, told):
    run, source, target = published
    write_sidecar(source, parameters)
    words = f"fig_a was made by notebook 06_ablation with {told}.*Delete results/smoke/artifacts/fig_a.json and run"
    with pytest.raises(DataError, match=words):
        run()
    assert not target.exists()
    write_sidecar(source, GIVEN)
    assert run()["figures and tables"] == 1


def test_publishing_asks_for_what_the_workflow_gives(monkeypatch):
    asked = {}
    monkeypatch.setattr(sys, "argv", ["publish", "--profile", "smoke"])
    monkeypatch.setattr(
        publishing, "publish", lambda *arguments: asked.update(zip(("profile", "files", "given"), arguments)) or {}
    )
    monkeypatch.setattr(publishing, "publish_records", lambda profile: 0)
    publishing.main()
    assert list(asked["given"]) == list(asked["files"]) == list(NOTEBOOKS)
    assert [name for names in asked["files"].values() for name in names] == artifact_files()
    assert asked["given"]["06_ablation"]["n_bootstrap"] == load_plan("smoke").profile.evaluation.n_bootstrap
    assert asked["given"]["09_qualitative"]["candidate"] == "hier_align-s0"


def test_the_way_out_of_a_what_if_run_brings_the_workflows_artefacts_back(complete):
    """What the error says: deleting the sidecar reruns its notebook; deleting the executed copy would not."""
    results, artifacts = complete / "results/smoke", artifact_files(("06_ablation",))
    spoilt = [results / "artifacts" / name for name in artifacts]
    executed, report, published = (
        results / name for name in ("notebooks/06_ablation.ipynb", "report/index.html", "published.json")
    )
    kept = {path: (path.read_bytes(), path.stat()) for path in (*spoilt, executed, report, published)}
    try:
        for path in spoilt:  # as after a run by hand, and the `make figures` that stopped at publishing
            path.write_text("what if")
        report.touch()
        published.unlink()
        executed.unlink()
        assert set(stale(complete)) == {"publish", "all"}
        next(path for path in spoilt if path.suffix == ".json").unlink()
        assert {"notebook_06_ablation", "report", "publish"} <= set(stale(complete))
    finally:
        for path, (content, stat) in kept.items():
            path.write_bytes(content)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_the_papers_profile_is_an_input_of_the_notebook_that_draws_it(edit):
    assert set(stale(edit("config/paper.yaml", "\n", "\n# edited\n"))) == {"notebook_10_pipeline"} | LAST


# --- the tracked notebooks ----------------------------------------------------------------------------------------------


def parameters_cell(stem):
    cells = json.loads((ROOT / notebook_path(stem)).read_text())["cells"]
    (cell,) = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    return "".join(cell["source"])


def test_every_notebook_has_a_model_and_declared_inputs():
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == sorted(NOTEBOOKS) == sorted(READS)


@pytest.mark.parametrize("stem", PRESENT)
def test_parameters_cell_is_the_signature(stem):
    import ast

    found = {}
    for node in ast.parse(parameters_cell(stem)).body:
        assert isinstance(node, ast.AnnAssign), "literals with annotations only"
        found[node.target.id] = (ast.unparse(node.annotation), ast.literal_eval(node.value))
    model = NOTEBOOKS[stem].model_fields
    assert found == {name: (field.annotation.__name__, field.default) for name, field in model.items()}


@pytest.mark.parametrize("stem", PRESENT)
def test_every_artifact_has_a_caption_and_every_notebook_an_artifact(stem):
    artifacts = notebook_artifacts(stem)
    assert bool(artifacts) == (stem not in WRITE_NOTHING)
    for artifact in artifacts:
        assert len(artifact.caption.split()) >= 4, f"{artifact.stem}: {artifact.caption!r} says too little"


def test_artifact_names_are_unique():
    assert len(artifact_files()) == len(set(artifact_files()))


@pytest.mark.parametrize("tool", ["tools/strip_notebooks.py", "tools/notebooks_readme.py", "tools/readme.py"])
def test_derived_files_are_up_to_date(tool):
    result = subprocess.run([sys.executable, tool, "--check"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("arguments", [["check", "."], ["format", "--check", "."]])
def test_lint(arguments):
    result = subprocess.run([sys.executable, "-m", "ruff", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:]


def test_snakemake_finds_nothing_to_lint_but_per_rule_environments(fresh):
    text = snakemake(fresh, "--lint", check=False).stderr
    lints = [line for line in text.splitlines() if line.startswith("    * ")]
    assert [line for line in lints if "conda environment or container" not in line] == []


def test_jobs_of_small_encoders_take_one_thread():
    assert load_plan("demo").encoders_are_small
    assert not load_plan("paper").encoders_are_small
