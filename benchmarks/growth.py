"""``python -m benchmarks.growth`` (`make growth`): how time and memory of the workflow grow with the number of clips.

A profile of one small dataset is regenerated with 1, 4 and 16 times the clips, by Snakemake and the rules themselves, in a
copy of the checkout whose `logged` notes what each job costs. One core, one thread, every job a process of its own.
Writes ``growth.csv`` (a line per stage and size), ``growth_jobs.csv`` (a line per job) and ``growth.png``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import yaml

from avsep_lib.files import atomic_path
from benchmarks.growth_fit import stages_table
from benchmarks.growth_picture import draw

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("avsep_lib", "benchmarks", "config", "notebooks", "paper", "workflow", "requirements.lock", "pyproject.toml")
FACTORS = (1, 4, 16)  # equal ratios: a constant cost cancels in the exponent, see `growth_fit`
REPEATS = {1: 2, 4: 2}  # what is quick runs more than once, to know how much times scatter
ROLES = {
    "train": 4,
    "val": 2,
    "test": 6,
    "pretrain": 2,
}  # clips of a class at the smallest size; few pixels, many pairs
CLASSES = ["flute", "trumpet", "tuba", "xylophone"]
# Stages by job, as the first part of its log's name. Encoders are trained for a number of steps, whatever the clips.
STAGES = {
    "dataset": "preparation", "clips": "preparation", "embed": "preparation", "sanity": "preparation",
    "mixtures": "preparation", "features": "training set", "train": "one epoch of training", "encoder": "encoders",
    "score": "evaluation", "references": "evaluation", "analysis": "evaluation", "larger_mixtures": "preparation",
    "notebooks": "report", "canaries": "report", "selftest": "report", "report": "report",
}  # fmt: skip
# Three rows of the grid: those that notebooks name.
LEFT_OUT = [
    "resnet18_*",
    "hier_teacher*",
    "flip_*",
    "*-music21-*",
    "*-wild-*",
    "middle_align*",
    "late_align*",
    "hier-s0",
    *("rpca-*", "nmf*", "sop-*", "early-*", "nit-*", "label-*", "pit-*", "mixit-*", "mixpit-*", "wave_u_net-*"),
    *("resunet-*", "mp_net-*", "av_mix-*", "sgn*"),
]
COLUMNS = ["factor", "repeat", "clips", "stage", "job", "cpu_s", "wall_s", "resident_mib", "anonymous_mib"]
ACCOUNT = """
logged() { python -m benchmarks.growth_account "$@"; }
"""


def profile_of(factor: int, name: str) -> dict:
    """A profile with `factor` times the clips, training mixtures and steps (one epoch) of the smallest."""
    return {
        "name": name, "seeds": [0], "leave_out": LEFT_OUT,
        "datasets": {
            "music11": {
                "classes": CLASSES,
                "videos_per_class": {role: n * factor for role, n in ROLES.items()},
                "duets": {"train": 2 * factor, "val": 0, "test": factor},
                "seconds": 3.0, "fps": 2, "frame_size": 64, "sample_rate": 22050, "n_mp4": 0,
            }
        },
        "audio": {"sample_rate": 11625, "n_samples": 32767, "n_fft": 1024, "hop_length": 512, "n_rows": 64},
        "encoders": {
            "image": {"kind": "mini", "steps": 30, "warmup": 5},
            "audio": {"kind": "mini", "n_samples": 32767, "steps": 20, "warmup": 5},
        },
        "mixtures": {"pool_size": 256 * factor},
        "model": {"channels": [8, 16, 32, 64, 512], "frame_size": 64},
        "training": {"steps": 32 * factor, "batch_size": 8, "validations": 1},
        "evaluation": {"n_bootstrap": 200},
    }  # fmt: skip


def copied_checkout(folder: Path) -> Path:
    """A copy of what a regeneration reads, whose jobs are accounted for."""
    ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "own")
    for name in COPIED:
        source = ROOT / name
        shutil.copytree(source, folder / name, ignore=ignored) if source.is_dir() else shutil.copy(source, folder)
    with (folder / "workflow" / "logged.sh").open("a") as stream:
        stream.write(ACCOUNT)
    return folder


def regenerate(checkout: Path, factor: int, repeat: int, targets: list[str]) -> pd.DataFrame:
    """Regenerate the profile of a size up to `targets`; one line per job.

    Raises
    ------
    RuntimeError
        A job failed; its output has been shown.
    """
    name = f"growth-{factor}-{repeat}"
    (checkout / "config" / f"{name}.yaml").write_text(yaml.safe_dump(profile_of(factor, name)))
    ledger = checkout / f"{name}.jsonl"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AVSEP_")} | {
        "PYTHONPATH": str(checkout), "AVSEP_ROOT": str(checkout), "GROWTH_LEDGER": str(ledger), "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    command = [sys.executable, "-m", "snakemake", *(target.format(name=name) for target in targets), "--cores", "1"]
    command += ["--snakefile", "workflow/Snakefile", "--quiet", "all", "--config", f"profile={name}"]
    done = subprocess.run(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"the workflow failed at size {factor}; its output is above")
    jobs = pd.DataFrame([json.loads(line) for line in ledger.read_text().splitlines()])
    clips = len(pd.read_csv(checkout / "results" / name / "data" / "music11" / "clips" / "clips.csv"))
    stages = jobs.job.str.partition("/")[0].map(STAGES)
    shutil.rmtree(checkout / "results" / name)
    return jobs.drop(columns="code").assign(factor=factor, repeat=repeat, clips=clips, stage=stages)


EVALUATED = [
    *(f"results/{{name}}/scores/{run}.csv" for run in ("late-s0", "middle-s0", "hier_align-s0", "references-music11")),
    "results/{name}/analysis/descriptors-music11.csv",
    "results/{name}/analysis/probe-music11.csv",
]


def measure(factors: tuple[int, ...], repeats: dict[int, int], last: list[str], kept: Path) -> pd.DataFrame:
    """One line per job, size and repeat, in `kept` as soon as a size is done.

    The first run of a size goes on to the targets `last`, further ones end with scores and probes.
    """
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        checkout = copied_checkout(Path(folder))
        for factor in factors:
            for repeat in range(repeats.get(factor, 1)):
                tables.append(regenerate(checkout, factor, repeat, EVALUATED if repeat else last))
                found = tables[-1]
                print(f"{factor}x, {found.clips.iloc[0]} clips: {found.cpu_s.sum():.0f} s of one core", flush=True)
                with atomic_path(kept) as path:
                    pd.concat(tables).to_csv(
                        path, columns=COLUMNS, index=False, float_format="%.2f", lineterminator="\n"
                    )
    return pd.concat(tables, ignore_index=True)


def main() -> None:
    """Measure, fit, draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--drawn-again", action="store_true", help="measure nothing: fit and draw growth_jobs.csv")
    arguments = parser.parse_args()
    jobs_file = arguments.out / "growth_jobs.csv"
    if not arguments.drawn_again:
        measure(FACTORS, REPEATS, ["report"], jobs_file)
    table = stages_table(pd.read_csv(jobs_file))
    with atomic_path(arguments.out / "growth.csv") as path:
        table.to_csv(path, index=False, float_format="%.3g", lineterminator="\n")
    draw(table, arguments.out / "growth.png")
    print(table.drop_duplicates("stage")[["stage", "exponent", "low", "high", "verdict"]].to_string(index=False))


if __name__ == "__main__":
    main()
