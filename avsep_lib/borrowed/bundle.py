"""Make a bundle: ``python -m avsep_lib.borrowed.bundle --profile paper`` writes ``build/borrowed``.

It holds the library as committed, the plan (``plan.json``: everything resolved), the lists of mixtures, and the wheels that
a bare machine with torch lacks, by name and version from ``requirements.lock``. What the profile changes there stands in
``config/borrowed/<profile>.yaml``: sections of the profile, and ``borrowed`` with `minutes` and `least_steps`.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

import avsep_lib
from avsep_lib.borrowed.lists import write_expected_lists
from avsep_lib.borrowed.plan import FORMAT, Plan, PlannedRun, plan_json
from avsep_lib.cli import run_main
from avsep_lib.config import Profile, check_profile, profile_data, profile_runs, resolve
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.files import canonical_json, read_json, write_text
from avsep_lib.paths import project_root
from avsep_lib.workflow import GRID, data_key

LIMIT = 64 * 2**20  # bytes that such machines take in, the checkout's tracked files among them
# Not on a machine that has torch, its companions and the usual scientific packages. lightning_fabric is in
# pytorch-lightning; pretty_midi is there for its SoundFont and never imported.
WHEELS = [
    "open-clip-torch",
    "ftfy",
    "wcwidth",
    "laion-clap",
    "torchlibrosa",
    "librosa",
    "audioread",
    "pooch",
    "platformdirs",
    "decorator",
    "soundfile",
    "cffi",
    "pycparser",
    "soxr",
    "tinysoundfont",
    "pretty-midi",
]
PLATFORMS = [f"manylinux_2_{n}_x86_64" for n in (28, 27, 24, 17)] + ["manylinux2014_x86_64", "manylinux1_x86_64"]


def borrowed_sections(profile: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sections that a borrowed machine replaces, and its own: `minutes`, `least_steps`.

    Raises
    ------
    ConfigError
        No such file, or one that is no mapping or lacks `borrowed`.
    """
    path = project_root() / "config" / "borrowed" / f"{profile}.yaml"
    if not path.exists():
        raise ConfigError(f"{path} is missing: it says what profile {profile!r} changes on a borrowed machine")
    data = yaml.safe_load(path.read_text())
    own = data.pop("borrowed", None) if isinstance(data, dict) else None
    if not isinstance(own, dict) or set(own) != {"minutes", "least_steps"}:
        raise ConfigError(f"{path}: key `borrowed` must hold minutes and least_steps, nothing else")
    return data, own


def with_sections(profile: str, sections: dict[str, Any], place: str) -> Profile:
    """The profile with some of its sections replaced, checked."""
    return check_profile(profile_data(profile) | sections, place, profile)


def make_plan(
    profile: str, sections: dict[str, Any], minutes: float, least_steps: int, commit: str, lists: Path
) -> Plan:
    """Resolve everything; the lists of mixtures are written to the folder `lists`.

    Raises
    ------
    ConfigError
        Sections that do not fit; another number of datasets than one, or one that is not rendered; runs on other data
        than the dataset's own; encoders that are not trained there.
    """
    suite = with_sections(profile, sections, f"config/borrowed/{profile}.yaml")
    if len(suite.datasets) != 1 or suite.is_recorded(suite.main_dataset):
        raise ConfigError(f"profile {profile!r} on a borrowed machine: name exactly one dataset, to be rendered there")
    dataset, encoders = suite.main_dataset, suite.encoders_for(suite.main_dataset)
    if {encoders.image.kind, encoders.audio.kind} != {"mini"}:
        raise ConfigError(
            f"profile {profile!r} on a borrowed machine: encoders must be of kind mini, weights do not travel"
        )
    runs = sorted(profile_runs(suite), key=lambda run: suite.seeds.index(run.seed))
    if foreign := [run.run_id for run in runs if data_key(run) != dataset]:
        raise ConfigError(f"run {foreign[0]!r} needs data of its own; leave it out in config/borrowed/{profile}.yaml")
    write_expected_lists(suite.datasets[dataset], suite.audio, suite.mixtures, lists)
    return Plan(
        format=FORMAT,
        profile=profile,
        sections=canonical_json(sections),
        commit=commit,
        dataset=dataset,
        clips=suite.datasets[dataset],
        audio=suite.audio,
        image_encoder=encoders.image,
        audio_encoder=encoders.audio,
        frame_size=suite.model.frame_size,
        lists=read_json(lists / "mixtures.json")["sha256"],
        runs=tuple(PlannedRun(run.row, resolve(suite, run)) for run in runs),
        grid=tuple(run.run_id for run in runs if run.row in GRID),
        minutes=float(minutes),
        least_steps=least_steps,
    )


def git_of_code(*arguments: str) -> subprocess.CompletedProcess:
    """Run git in the checkout that this code lies in; OSError where there is no git."""
    checkout = Path(avsep_lib.__file__).resolve().parent.parent
    return subprocess.run(["git", "-C", str(checkout), *arguments], capture_output=True)


def _git(*arguments: str) -> bytes:
    try:
        done = git_of_code(*arguments)
        done.check_returncode()
    except (OSError, subprocess.CalledProcessError) as error:
        raise DataError(f"git {arguments[0]} failed ({error}); a bundle is made from a commit of a checkout") from None
    return done.stdout


def head() -> str:
    """The commit that the code comes from."""
    return _git("rev-parse", "HEAD").decode().strip()


def unpack_code(out: Path) -> None:
    """The library as committed; what is not committed is said and stays behind."""
    with tarfile.open(fileobj=io.BytesIO(_git("archive", "HEAD", "avsep_lib", "LICENSE"))) as archive:
        archive.extractall(out, filter="data")
    shutil.copy(out / "avsep_lib" / "borrowed" / "start.py", out / "__main__.py")
    if changed := _git("status", "--porcelain", "--", "avsep_lib").decode().splitlines():
        print(f"{len(changed)} uncommitted changes below avsep_lib are NOT in the bundle: {changed[0].strip()} ...")


def locked(names: list[str]) -> str:
    """The entries of ``requirements.lock`` for some packages, hashes included; DataError for one that is not there."""
    blocks = re.split(r"\n(?=\S)", (project_root() / "requirements.lock").read_text())
    entries = {re.split(r"[=\s]", block, maxsplit=1)[0].replace("_", "-").lower(): block for block in blocks}
    if missing := [name for name in names if name not in entries]:
        raise DataError(f"requirements.lock has no {missing[0]}")
    return "\n".join(entries[name].rstrip() for name in names) + "\n"


def download_wheels(python: str, out: Path) -> None:
    """Fetch the wheels with pip, as configured on this machine, for a Python of that version on Linux."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as stream:
        stream.write(locked(WHEELS))
        stream.flush()
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:", "--implementation", "cp"]
        command = [sys.executable, "-m", "pip", "download", *options, *platforms, "--python-version", python]
        if subprocess.run([*command, "-d", str(out), "-r", stream.name]).returncode:
            raise DataError("pip could not fetch the wheels; --no-wheels makes a bundle without them")
    for wheel in out.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            if any(".data/" in name for name in archive.namelist()):
                raise DataError(f"{wheel.name} has scripts or data, which unpacking does not place")


def folder_bytes(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def make_bundle(profile: str, out: Path, python: str | None) -> Plan:
    """Write the bundle anew; `python` is the version the wheels are for, None for none.

    Raises
    ------
    DataError
        `out` holds something else; git or pip fails. ConfigError as `make_plan`. Nothing is left behind then.
    """
    if out.exists() and not (out / "plan.json").exists() and any(out.iterdir()):
        raise DataError(f"{out} is no bundle and not empty; name another folder with --out")
    sections, own = borrowed_sections(profile)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    try:
        unpack_code(out)
        plan = make_plan(profile, sections, own["minutes"], own["least_steps"], head(), out / "lists")
        if python:
            download_wheels(python, out / "wheels")
        write_text(out / "plan.json", plan_json(plan))
    except BaseException:
        shutil.rmtree(out)
        raise
    return plan


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--out", type=Path, default=Path("build/borrowed"))
    parser.add_argument("--python", default="3.12", help="version of Python there (default: 3.12)")
    parser.add_argument("--no-wheels", action="store_true")
    given = parser.parse_args()
    plan = make_bundle(given.profile, given.out, None if given.no_wheels else given.python)
    size, tree = folder_bytes(given.out), sum(map(int, _sizes()))
    print(f"{given.out}: {size / 2**20:.1f} MiB, {len(plan.runs)} runs of {plan.dataset}, commit {plan.commit[:12]}")
    print(f"with the tracked files of the checkout {(size + tree) / 2**20:.1f} of {LIMIT / 2**20:.0f} MiB")
    if size + tree > LIMIT:
        raise DataError("too large to be sent along with the checkout; send the bundle alone")
    print(f"there: python3 {given.out} --minutes 9 --out FOLDER   (again, until it says done)")


def _sizes() -> list[str]:
    lines = _git("ls-tree", "-r", "-l", "HEAD").decode().splitlines()
    return [size for size in (line.split()[3] for line in lines) if size.isdigit()]


if __name__ == "__main__":
    run_main(main)
