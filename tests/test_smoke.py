"""The whole suite at its smallest size, in a fresh copy of the checkout, with the network cut."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from avsep_lib.canaries import CHECKS
from avsep_lib.canaries.faults import FAULTS
from avsep_lib.paths import project_root
from avsep_lib.tables.names import NOT_BOUNDED
from avsep_lib.workflow import artifact_files, load_plan

MINUTES = 30  # far above the promise in the README; a hang, not a slow machine, ends here

CANARY = "canary7f3a9c"  # in secrets and in the name of the home folder: must turn up nowhere
SECRETS = (
    "HF_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "GITHUB_TOKEN",
    "WANDB_API_KEY",
    "DATABASE_URL",
    "USER",
    "LOGNAME",
    "MY_OWN",
)


def offline() -> list[str]:
    """Prefix that runs a command without any network interface, where the system allows it."""
    for prefix in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
            return prefix
    return []


def run(command: list[str], folder: Path, *, cut: bool = True) -> tuple[str, float]:
    """Run in `folder` with its own copy of the library; output and seconds; the output is the failure's message."""
    home = folder.parent / CANARY
    home.mkdir(exist_ok=True)
    secrets = {name: f"{CANARY}-{name}" for name in SECRETS}
    environment = {**os.environ, **secrets, "HOME": str(home), "PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "1"}
    environment.pop("AVSEP_ROOT", None)
    started = time.monotonic()
    done = subprocess.run(
        [*(offline() if cut else []), *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=MINUTES * 60,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout, time.monotonic() - started


def regenerate(folder: Path) -> tuple[str, float]:
    """What `make figures PROFILE=smoke` runs once the environment exists."""
    return run([sys.executable, "workflow/regenerate.py", "--profile", "smoke", "--cores", "2"], folder)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A fresh copy of what git tracks or would track; nothing ignored, hence no results."""
    root, copy = project_root(), tmp_path_factory.mktemp("fresh") / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def smoke(checkout) -> Path:
    """The checkout after a complete run."""
    output, seconds = regenerate(checkout)
    print(f"smoke profile: {seconds:.0f} s, network {'cut' if offline() else 'NOT cut: unshare is not allowed here'}")
    (checkout / "smoke.log").write_text(output)
    return checkout


@pytest.mark.slow
def test_the_network_is_cut():
    """Where this is skipped, the other tests here still run, but prove nothing about the network."""
    prefix = offline()
    if not prefix:
        pytest.skip("unshare is not allowed on this system: the smoke run was NOT cut off from the network")
    probe = "import socket; socket.create_connection(('192.0.2.1', 9), timeout=2)"
    assert subprocess.run([*prefix, sys.executable, "-c", probe], capture_output=True).returncode != 0


@pytest.mark.slow
def test_a_fresh_copy_trains_and_publishes_everything(smoke):
    results = smoke / "results/smoke"
    trained = {path.parent.name for path in results.glob("runs/*/model.safetensors")}
    assert trained == set(load_plan("smoke").runs)
    published = json.loads((results / "published.json").read_text())["files"]
    assert set(published) == set(artifact_files())
    for name in published:
        assert (smoke / "figures/smoke" / name).stat().st_size > 0


@pytest.mark.slow
def test_no_secret_user_or_folder_is_in_anything_made(smoke):
    """Environment variables, user, home folder, and where the checkout lies: in no table, sidecar, notebook, log or page."""
    where = [CANARY.encode(), str(smoke).encode(), str(Path.home()).encode() + b"/"]
    folders = ("results", "figures", ".snakemake")
    made = [path for folder in folders for path in (smoke / folder).rglob("*") if path.is_file()]
    assert len(made) > 1000
    found = [(path.relative_to(smoke), word) for path in made for word in where if word in path.read_bytes()]
    own = Path(".snakemake/log")  # Snakemake's own log says where it lies
    assert [(path, word) for path, word in found if path.parent != own or word == where[0]] == []
    assert CANARY not in (smoke / "smoke.log").read_text()


@pytest.mark.slow
def test_pictures_are_pictures(smoke):
    pictures = sorted((smoke / "figures/smoke").glob("*.png"))
    assert pictures
    for path in pictures:
        with Image.open(path) as picture:
            assert min(picture.size) > 200, path.name
            extremes = picture.convert("L").getextrema()
        assert extremes[1] - extremes[0] > 100, f"{path.name} is blank"


@pytest.mark.slow
def test_scores_are_complete_and_ordered(smoke):
    plan, folder = load_plan("smoke"), smoke / "results/smoke/scores"
    files = {
        key: [f"references-{key}"] + [r for r in plan.runs if plan.audio_key(r) == key] for key in plan.tested_keys
    }
    assert {f"{name}.csv" for names in files.values() for name in names} == {path.name for path in folder.glob("*.csv")}
    for names in files.values():
        scores = pd.concat(pd.read_csv(folder / f"{name}.csv") for name in names)
        items = scores[["mixture_id", "source"]].drop_duplicates()
        assert (scores.groupby(["run_id", "mask"]).size() == len(items)).all()
        several = scores[scores.groupby("mixture_id").source.transform("nunique") > 1]  # one alone is infinitely good
        means = several[several["mask"] == "binary"].groupby("method").sdr_db.mean()
        assert means["ideal_binary"] > means["mixture"] + 5
        assert means.drop(["ideal_binary", "ideal_ratio", *NOT_BOUNDED], errors="ignore").max() < means["ideal_binary"]


@pytest.mark.slow
def test_every_canary_sang(smoke):
    checks = json.loads((smoke / "results/smoke/canaries.json").read_text())["checks"]
    assert {check["name"] for check in checks} == {check.__name__ for check in CHECKS}
    assert all(check["passed"] and check["findings"] for check in checks)


@pytest.mark.slow
def test_every_planted_fault_was_caught(smoke):
    found = json.loads((smoke / "results/smoke/canaries_tried.json").read_text())["faults"]
    assert len(found) == len(FAULTS)
    assert not [fault for fault in found if fault["caught"] != "yes" or fault["false_alarm"]]
    table = pd.read_csv(smoke / "figures/smoke/tab_canaries.csv")
    assert (table["caught"] == "yes").all()


@pytest.mark.slow
def test_the_report_loads_nothing_from_elsewhere(smoke):
    pages = sorted((smoke / "results/smoke/report").rglob("*.html"))
    assert len(pages) > 5
    for page in pages:
        text = page.read_text()
        fetched = re.findall(r"<(?:script|img|link|audio|source|iframe)[^>]+(?:src|href)=[\"'](https?:[^\"']+)", text)
        assert not fetched, f"{page.name} fetches {fetched[:3]}"
        assert "default-src 'none'" in text
        if page.name == "index.html":
            for target in re.findall(r'(?:src|href)="([^"#:]+)"', text):
                assert (page.parent / target).exists(), target


@pytest.mark.slow
def test_a_second_run_has_nothing_to_do(smoke):
    before = {path: path.stat().st_mtime_ns for path in (smoke / "results/smoke").rglob("*") if path.is_file()}
    output, seconds = regenerate(smoke)
    assert "Nothing to be done" in output
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert seconds < 20  # 10 s promised, and usually 3


@pytest.mark.slow
def test_a_notebook_runs_alone_through_plain_papermill(smoke, tmp_path):
    papermill = [str(Path(sys.executable).with_name("papermill")), "notebooks/06_ablation.ipynb"]
    run(
        [*papermill, str(tmp_path / "out.ipynb"), "-p", "profile", "smoke", "-p", "n_bootstrap", "50"], smoke, cut=False
    )  # its kernel talks over TCP
    cells = json.loads((tmp_path / "out.ipynb").read_text())["cells"]
    assert any(cell.get("outputs") for cell in cells)


@pytest.mark.slow
def test_a_deleted_table_is_made_again(smoke):
    table = smoke / "results/smoke/artifacts/tab_audit.csv"
    kept = table.read_bytes()
    table.unlink()
    try:
        command = ["-m", "snakemake", "--snakefile", "workflow/Snakefile", "--cores", "2", "--dry-run"]
        planned, _ = run([sys.executable, *command, "--config", "profile=smoke"], smoke)
    finally:
        table.write_bytes(kept)
    assert "notebook_11_audit" in planned
    assert "train" not in re.findall(r"^rule (\w+):", planned, re.MULTILINE)
