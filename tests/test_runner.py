"""The notebook runner: strict parameters, private kernels, failures that survive and explain themselves."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest

from avsep_lib import runner
from avsep_lib.errors import ConfigError
from avsep_lib.parameters import NOTEBOOKS, notebook_parameters

PARAMETERS = 'profile: str = "demo"\nseed: int = 1234\nn_bootstrap: int = 2000'
SETUP = (
    "from avsep_lib.parameters import notebook_parameters\n"
    'p = notebook_parameters("06_ablation", profile=profile, seed=seed, n_bootstrap=n_bootstrap)'
)


@pytest.fixture
def notebook(tmp_path):
    """Write ``06_ablation.ipynb`` with the given cells after parameters and setup."""

    def write(*cells):
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nb = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
        nb.cells = [nbformat.v4.new_code_cell(source) for source in (PARAMETERS, SETUP, *cells)]
        nb.cells[0].metadata["tags"] = ["parameters"]
        path = tmp_path / "06_ablation.ipynb"
        nbformat.write(nb, path)
        return path

    return write


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_set_hub", lambda profile: None)

    def execute(path, minutes=1.0, name="run", **parameters):
        log, output = tmp_path / f"logs/{name}.ipynb", tmp_path / f"out/{name}.ipynb"
        runner.run_notebook(path, parameters, log, output, minutes)
        return log, output

    return execute


def printed(path):
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for cell in cells if cell.cell_type == "code" for o in cell.outputs)


def test_success_is_copied_to_the_output(run, notebook):
    log, output = run(notebook("import sys; print(sys.executable, seed, p.n_bootstrap)"), seed=7)
    assert log.read_bytes() == output.read_bytes()
    assert printed(output).split() == [sys.executable, "7", "2000"]


def test_a_failure_keeps_the_log_and_removes_an_old_output(run, notebook, tmp_path):
    path = notebook("x = 1", "raise ValueError('clip c17 is silent')")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/run.ipynb").write_text("from an earlier run")
    with pytest.raises(runner.NotebookError) as caught:
        run(path, seed=1)
    message = str(caught.value)
    assert "06_ablation.ipynb" in message
    assert "ValueError: clip c17 is silent" in message
    assert "raise ValueError" in message
    assert "logs/run.ipynb" in message
    assert "clip c17 is silent" in (tmp_path / "logs/run.ipynb").read_text()
    assert not (tmp_path / "out/run.ipynb").exists()


def test_the_time_budget_ends_a_notebook(run, notebook, tmp_path):
    path = notebook("import time; time.sleep(60)")
    with pytest.raises(
        runner.NotebookError, match=r"cell 4 \(import time.*\n.*budget of 0.05 minutes.*notebook_minutes"
    ):
        run(path, minutes=0.05)
    assert not (tmp_path / "out/run.ipynb").exists()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"typo": 5}, ["06_ablation", "typo", "n_bootstrap"]),
        ({"seed": 1000.0}, ["seed", "float"]),
        ({"profile": 3}, ["profile", "int"]),
        ({"n_bootstrap": 39}, ["n_bootstrap"]),
    ],
)
def test_parameters_are_checked_before_the_kernel_starts(run, notebook, tmp_path, parameters, words):
    with pytest.raises(ConfigError) as caught:
        run(notebook("1"), **parameters)
    assert all(word in str(caught.value) for word in words)
    assert not (tmp_path / "logs").exists()


def test_unknown_notebook_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"99_x.*06_ablation"):
        notebook_parameters("99_x")


def test_every_model_has_defaults_and_a_meaning_for_each_parameter():
    for stem, model in NOTEBOOKS.items():
        assert notebook_parameters(stem) == model()
        assert all(field.description for field in model.model_fields.values())


def test_kernels_running_at_once_do_not_collide(run, notebook, tmp_path):
    path = notebook("import time; time.sleep(1); print(seed)")
    command = [sys.executable, "-m", "avsep_lib.runner", str(path)]

    def one(seed):
        options = ["--log", f"logs/{seed}.ipynb", "--output", f"out/{seed}.ipynb", "--minutes", "1"]
        parameters = ["--parameters", json.dumps({"seed": seed, "profile": "smoke"})]
        return subprocess.run([*command, *options, *parameters], cwd=tmp_path, capture_output=True, text=True)

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(one, range(3)))
    assert [result.returncode for result in results] == [0, 0, 0], results[0].stderr
    assert [printed(tmp_path / f"out/{seed}.ipynb").strip() for seed in range(3)] == ["0", "1", "2"]


def test_a_users_kernelspec_does_not_shadow_the_environment(run, notebook, tmp_path, monkeypatch):
    spec = tmp_path / "jupyter/kernels/python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text('{"argv": ["/bin/false"], "display_name": "x", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    _, output = run(notebook("import sys; print(sys.executable)"))
    assert printed(output).strip() == sys.executable


def test_socket_paths_stay_short(tmp_path, monkeypatch):
    monkeypatch.setattr(runner.tempfile, "gettempdir", lambda: "/x" * 60)
    assert runner._short_folder() == "/tmp"


def test_command_line_fails_in_a_few_lines(tmp_path, notebook):
    path = notebook("raise KeyError('hier')")
    command = [sys.executable, "-m", "avsep_lib.runner", str(path), "--log", "l.ipynb", "--output", "o.ipynb"]
    given = ["--parameters", '{"profile": "smoke"}']
    result = subprocess.run([*command, *given], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert "KeyError: 'hier'" in result.stderr
    assert "Traceback" not in result.stderr
    broken = subprocess.run([*command, "--parameters", "seed=1"], cwd=tmp_path, capture_output=True, text=True)
    assert broken.returncode == 1
    assert "JSON" in broken.stderr


def test_plain_papermill_catches_a_typo_too(tmp_path, notebook):
    papermill = [sys.executable, "-m", "papermill", str(notebook("print(p.seed)")), "out.ipynb", "-k", "python3"]
    environment = os.environ | {"JUPYTER_PREFER_ENV_PATH": "1"}
    run = {"cwd": tmp_path, "capture_output": True, "text": True, "env": environment}
    good = subprocess.run([*papermill, "-p", "seed", "3"], **run)
    assert good.returncode == 0, good.stderr
    assert printed(tmp_path / "out.ipynb").strip() == "3"
    bad = subprocess.run([*papermill, "-p", "typo", "5"], **run)
    assert bad.returncode != 0
    assert "unknown parameter 'typo'" in bad.stderr
