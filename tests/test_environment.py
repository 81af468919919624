"""One environment, said once: the lock; environment.yml and the hooks agree with it."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from environment_versions import canonical, locked_versions, pinned  # noqa: E402

LOCK = (ROOT / "requirements.lock").read_text()
NAMED = "jupyterlab papermill pytorch torchaudio matplotlib scikit-learn ipywidgets laion_clap open_clip_torch mir_eval"


def conda_packages():
    """Name and version (None when free) of everything environment.yml lists."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    words = [item for item in listed if isinstance(item, str)]
    words += next(item["pip"] for item in listed if isinstance(item, dict))
    return {name: version for name, _, version in (re.split(r"(=+|$)", word, maxsplit=1) for word in words)}


def test_environment_yml_agrees_with_the_lock():
    packages, locked = conda_packages(), locked_versions(LOCK)
    assert set(NAMED.split()) | {"python", "pip", "make", "portaudio", "pyaudio"} == set(packages)
    for name in NAMED.split():
        assert packages[name] == locked[canonical(name)], f"{name}: run tools/environment_versions.py"
    assert packages["python"] == "3.12"


def test_a_changed_lock_changes_environment_yml():
    text = "  - pytorch=1.0\n  - pip\n      - mir_eval==0.7\n"
    wanted = "  - pytorch=9.1\n  - pip\n      - mir_eval==0.8.2\n"
    assert pinned(text, {"torch": "9.1", "mir-eval": "0.8.2"}) == wanted


def test_lock_is_hashed_and_complete():
    requirements = re.findall(r"^([\w.-]+)==\S+(?: ;[^\\\n]*)? \\\n((?:    --hash=.*\n?)+)", LOCK, re.MULTILINE)
    assert len(requirements) == len(re.findall(r"^[\w.-]+==", LOCK, re.MULTILINE)) > 100
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {canonical(re.match(r"[\w.-]+", text)[0]) for text in declared}
    assert names <= set(locked_versions(LOCK))


def test_installed_versions_are_the_locked_ones():
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    locked = locked_versions(LOCK, python)
    for name in ("torch", "numpy", "matplotlib", "papermill", "snakemake", "mir_eval", "laion_clap"):
        assert importlib.metadata.version(name).split("+")[0] == locked[canonical(name)].split("+")[0]


def test_the_lock_keeps_numpy_1_for_as_long_as_laion_clap_asks_for_it():
    """See CONTRIBUTING.md, "numpy": the day one of these fails, the decision is due again."""
    declared = [text for text in importlib.metadata.requires("laion_clap") if canonical(text).startswith("numpy")]
    assert len(declared) == 1
    assert "<2" in declared[0], f"laion_clap declares {declared[0]} now: move the lock to numpy 2"
    assert locked_versions(LOCK)["numpy"].split(".")[:2] == ["1", "26"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "numpy>=1.26,<3" in project["dependencies"], "the code itself runs on both"


def test_no_tracked_file_names_a_host_or_a_machine():
    patterns = ["index-url", "https?://[^ ]*(/simple|pypi|mirror|proxy)", "/(root|home)/"]
    files = ["requirements.lock", "Makefile", "environment.yml", "binder/postBuild", ".ci/run", "pyproject.toml"]
    for name in files:
        text = (ROOT / name).read_text()
        assert not [pattern for pattern in patterns if re.search(pattern, text)], name


@pytest.mark.parametrize("name", [".ci/run", "binder/postBuild"])
def test_hooks_stop_at_the_first_error(name):
    path = ROOT / name
    assert os.access(path, os.X_OK)
    assert "set -euo pipefail" in path.read_text()
    subprocess.run(["bash", "-n", path], check=True)


def test_ci_runs_the_readmes_test_command():
    assert "make test" in (ROOT / ".ci/run").read_text().splitlines()


def test_makefile_picks_an_interpreter_that_runs(tmp_path):
    """A shim that exists but fails is passed over; an old Python is refused in words."""
    for name, body in {
        "python3.12": "exit 127",
        "python3.11": f'exec "{sys.executable}" "$@"',
        "python3": "exit 1",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    command = ["make", "--no-print-directory", "--eval", "show:\n\t@echo chosen=$(PYTHON)", "show"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "PYTHON"))}
    environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    shown = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "chosen=python3.11" in shown.stdout
    refused = ["make", "env", f"VENV={tmp_path / 'venv'}", f"PYTHON={tmp_path / 'python3.12'}"]
    result = subprocess.run(refused, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode != 0
    assert "Python 3.11 or 3.12" in result.stderr
    assert not (tmp_path / "venv").exists()


def test_importing_the_package_is_quick_and_light():
    code = "import sys, time; t = time.perf_counter(); import avsep_lib; s = time.perf_counter() - t; print(s, 'torch' in sys.modules)"
    seconds, torch = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert float(seconds) < 0.3
    assert torch == "False"
