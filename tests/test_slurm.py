"""The SLURM profile: it plans what a local run plans, every rule says what it needs, jobs run in the other environment.

No SLURM is needed here; tests/long/test_slurm_node.py runs the smoke profile through a real one.
"""

import importlib.util
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_workflow import RULES, copy_sources

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from environment_versions import locked_versions  # noqa: E402
from slurm_one_node import PROGRAMS, slurm_conf  # noqa: E402

PROFILE = ROOT / "workflow/profiles/slurm/config.yaml"
SETTINGS = yaml.safe_load(PROFILE.read_text())
CONTROLLER = ROOT / ".venv-controller/bin/python"
LOCKS = [(ROOT / name).read_text() for name in ("requirements.lock", "requirements-controller.lock")]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A checkout without results."""
    return copy_sources(tmp_path_factory.mktemp("slurm"))


def snakemake(folder, *options, python=sys.executable, config=()):
    command = [str(python), "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--cores", "2", *options]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    environment.pop("AVSEP_ROOT", None)
    command += ["--config", "profile=smoke", *config]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run(command, cwd=folder, env=environment, **pipes)


@pytest.fixture(scope="module")
def planned(fresh, tmp_path_factory):
    """What a dry run with the profile says; without the controller's environment, all of it but the plug-in's own."""
    options, python, profile = [], CONTROLLER, PROFILE.parent
    if not CONTROLLER.exists():
        python, profile = sys.executable, tmp_path_factory.mktemp("profile")
        kept = {key: value for key, value in SETTINGS.items() if key != "executor" and not key.startswith("slurm-")}
        (profile / "config.yaml").write_text(yaml.safe_dump(kept))
    options += ["--dry-run", "--workflow-profile", str(profile), "--max-threads", "2"]
    return snakemake(fresh, *options, python=python, config=[f"python={sys.executable}", "gpu=0"]).stdout


def counted(text):
    table = re.search(r"^job +count\n[- ]+\n(.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    assert table, text[-2000:]
    return {line.split()[0]: int(line.split()[1]) for line in table[1].splitlines()}


def test_the_profile_plans_the_same_jobs(fresh, planned):
    local = snakemake(fresh, "--dry-run", "--quiet", "rules", "host", "reason").stdout
    assert counted(planned) == counted(local)
    assert counted(planned).keys() >= RULES


def test_every_rule_says_what_it_needs(planned):
    blocks = re.findall(r"^ *(?:local)?rule (\w+):\n(.*?)(?=^ *(?:\[|local|rule)|\Z)", planned, re.M | re.S)
    assert {name for name, _ in blocks} >= RULES
    for name, block in blocks:
        if name != "all":
            needs = dict(re.findall(r"(\w+)=(\d+)", re.search(r"resources: (.*)", block)[1]))
            assert 500 <= int(needs["mem_mb"]) <= 6000, name
            assert 10 <= int(needs["runtime"]) <= 240, name
            assert needs.get("gpu", "0") == "0", f"{name} asks for a GPU that nobody promised"


def test_jobs_of_seconds_share_a_submission_and_training_never_does(planned):
    assert SETTINGS["groups"].keys() == (RULES | {"recordings"}) - {"train", "all"}
    submissions = re.findall(r"Group job (\w+)", planned)
    assert submissions.count("report") == 1
    assert submissions.count("data") == submissions.count("encoders") == 3  # one per dataset
    assert 1 < submissions.count("scores") < counted(planned)["score"]


def test_more_memory_and_time_at_a_second_attempt_and_at_the_papers_size():
    text = (ROOT / "workflow/rules/resources.smk").read_text()

    def resources(rows):
        names = {"PLAN": type("P", (), {"profile": type("Q", (), {"audio": type("A", (), {"n_rows": rows})})})}
        exec(text, names)
        return names

    demo, paper = resources(64), resources(256)
    assert demo["memory"]("score")("w", 2) == 2 * demo["memory"]("score")("w", 1)
    assert demo["minutes"]("score")("w", 2) == 2 * demo["minutes"]("score")("w", 1) == 20
    assert paper["memory"]("train")("w", 1) > 2 * demo["memory"]("train")("w", 1)
    assert paper["minutes_of_training"]("w", 1) == 24 * 60
    assert {name for name in demo["MEASURED"] if name != "notebook"} == {
        name for name in RULES | {"recordings"} if name != "all" and not name.startswith("notebook_")
    }


def test_jobs_run_with_the_interpreter_that_is_named(fresh, tmp_path):
    """The one that plans has no torch; what it hands on must reach the command of a job."""
    other = tmp_path / "python"
    other.write_text(f"#!/bin/sh\necho $* > {tmp_path}/called; exit 3\n")
    other.chmod(0o755)
    result = snakemake(fresh, "results/smoke/data/music11/dataset/manifest.csv", config=[f"python={other}", "gpu=0"])
    assert result.returncode != 0
    assert (tmp_path / "called").read_text().startswith("-m avsep_lib.embedded")


LACKING = (
    "scipy",
    "torch",
    "sklearn",
    "matplotlib",
    "librosa",
    "soundfile",
    "PIL",
    "av",
    "safetensors",
    "papermill",
    "IPython",
)
WITHOUT = """
import builtins
usual, lacking = builtins.__import__, {lacking}

def found(name, *rest, **more):
    if name.partition(".")[0] in lacking:
        raise ModuleNotFoundError(name)
    return usual(name, *rest, **more)

builtins.__import__ = found
"""


def test_what_plans_needs_no_more_than_its_own_environment(fresh):
    """The controller has no SciPy; once a constant was imported from a module that renders."""
    names = {name.replace("-", "_").lower() for name in locked_versions(LOCKS[1])}
    assert not names & {*LACKING, "scikit_learn", "pillow"}
    rules = (ROOT / "workflow/rules").glob("*.smk")
    imports = [line for file in rules for line in file.read_text().splitlines() if line.startswith("from avsep_lib")]
    assert imports
    code = [WITHOUT.format(lacking=LACKING), *imports, "load_plan('smoke').everything_json()"]
    command = [sys.executable, "-c", "\n".join(code)]
    done = subprocess.run(
        command, cwd=fresh, env=os.environ | {"PYTHONPATH": str(fresh)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-800:]


def test_an_unknown_config_key_is_refused(fresh):
    result = snakemake(fresh, "--dry-run", config=["interpreter=python"])
    assert result.returncode != 0
    assert "unknown --config keys ['interpreter']" in result.stdout


@pytest.mark.parametrize(
    ("options", "gpu", "limit"),
    [([], "gpu=0", None), (["--gpus", "0"], "gpu=0", "gpu=0"), (["--gpus", "4"], "gpu=1", "gpu=4")],
)
def test_regenerate_becomes_the_controllers_snakemake(monkeypatch, options, gpu, limit):
    specification = importlib.util.spec_from_file_location("regenerate", ROOT / "workflow/regenerate.py")
    regenerate = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(regenerate)
    become = []
    monkeypatch.delenv("AVSEP_WARM", raising=False)
    for name in ("_hold_the_checkout", "_prepare"):
        monkeypatch.setattr(regenerate, name, lambda *_, **__: None)
    monkeypatch.setattr(regenerate, "STATE", ROOT / "tests")  # holds no locks
    monkeypatch.setattr(os, "execv", lambda program, words: become.extend([program, *words]))
    monkeypatch.setattr(os, "chdir", lambda folder: None)
    words = ["--profile", "smoke", "--cores", "8", "--executor", "slurm", "--controller", "/c/python", "--jobs", "3"]
    monkeypatch.setattr(sys, "argv", ["regenerate.py", *words, *options])
    regenerate.main()
    assert become[:4] == ["/c/python", "/c/python", "-m", "snakemake"]
    assert not os.environ.get("AVSEP_WARM"), "on a cluster no process that SLURM did not start may run a job"
    assert become[become.index("--workflow-profile") + 1] == "workflow/profiles/slurm"
    assert become[become.index("--max-threads") + 1] == "8"
    assert become[-3:] == ["profile=smoke", f"python={sys.executable}", gpu]
    assert "--jobs" in become
    limits = become[become.index("--resources") + 1 :]
    assert limits[: limits.index("at_once=1")] == ([limit] if limit else [])


def test_both_locks_name_the_same_versions():
    """Another Snakemake, or values written another way, would make a cluster repeat what this machine has done."""
    worker, controller = map(locked_versions, LOCKS)
    shared = (worker.keys() & controller.keys()) - {"numpy"}
    assert {"snakemake", "pandas", "pydantic", "pyyaml"} <= shared
    assert {name: worker[name] for name in shared} == {name: controller[name] for name in shared}


def test_the_controllers_lock_is_hashed_and_small():
    names = re.findall(r"^([\w.-]+)==", LOCKS[1], re.MULTILINE)
    hashed = re.findall(r"^([\w.-]+)==\S+(?: ;[^\\\n]*)? \\\n(?:    --hash=.*\n?)+", LOCKS[1], re.MULTILINE)
    assert set(names) == set(hashed) >= {"snakemake-executor-plugin-slurm", "snakemake"}
    assert not {"torch", "jupyterlab"} & set(names)


def test_slurm_conf_keeps_to_its_folder():
    lines = slurm_conf(Path("/somewhere/x"), "node1", 4, 2000, (7001, 7002)).splitlines()
    settings = dict(line.split("=", 1) for line in lines)
    paths = [value for value in "=".join(settings.values()).split("=") if value.startswith("/")]
    assert len(paths) == 7
    assert all(path.startswith("/somewhere/x/") for path in paths)
    assert settings["SlurmctldHost"] == "node1(127.0.0.1)"
    assert (settings["SlurmctldPort"], settings["SlurmdPort"]) == ("7001", "7002")
    assert settings["NodeName"] == "node1 NodeAddr=127.0.0.1 CPUs=4 RealMemory=2000 State=UNKNOWN"
    assert "cgroup" not in " ".join(lines)


def test_one_node_says_what_is_missing(tmp_path):
    words = [sys.executable, str(ROOT / "tools/slurm_one_node.py"), "true"]
    result = subprocess.run(words, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert result.returncode != 0
    assert ("apt-get install" if os.geteuid() == 0 else "root") in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="a SLURM of one node needs root")
@pytest.mark.skipif(not all(map(shutil.which, PROGRAMS)), reason="SLURM is not installed")
def test_one_node_runs_a_job_watches_its_memory_and_leaves_nothing():
    greedy = f"{sys.executable} -c 'import time; taken = bytearray(400 * 2**20); time.sleep(60)'"
    jobs = f"srun hostname; echo $SLURM_CONF; sbatch --wait --mem 100 --output /dev/null --wrap {shlex.quote(greedy)}; echo ended $?"
    words = [sys.executable, str(ROOT / "tools/slurm_one_node.py"), "bash", "-c", jobs]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    host, conf, *_, ended = done.stdout.splitlines()
    assert host == socket.gethostname()
    assert ended.startswith("ended ")
    assert ended != "ended 0"
    assert not Path(conf).exists()
    assert str(Path(conf).parent) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_a_login_nodes_own_gpus_are_not_asked_for(tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho GPU 0; echo GPU 1\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "GPUS"))}
    environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    show = ["make", "--no-print-directory", "--eval", "show:\n\t@echo gpus=$(GPUS)", "show"]
    said = {
        executor: subprocess.run(
            [*show, f"EXECUTOR={executor}"], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        for executor in ("local", "slurm")
    }
    assert (said["local"].stdout.strip(), said["slurm"].stdout.strip()) == ("gpus=2", "gpus=")
