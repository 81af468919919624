"""The one command of a borrowed machine; give it again until it says that everything is done.

``python3 <bundle> --minutes 9 --out FOLDER`` renders, teaches the small encoders, measures, trains, scores and leaves a few
files in FOLDER. What is finished is kept in ``--work`` and not done again; a training goes on from its last validation.
A fresh machine has none of it and begins anew. Exit code 0: done; 75: time is up, give the command again.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from avsep_lib.borrowed import measure
from avsep_lib.borrowed.budget import Budget, better, choose, kind_of
from avsep_lib.borrowed.clock import Clock, OutOfTime
from avsep_lib.borrowed.export import complete_runs, export
from avsep_lib.borrowed.jobs import Jobs
from avsep_lib.borrowed.lists import CLIP_COLUMNS, expected_clips
from avsep_lib.borrowed.plan import Plan, PlannedRun, read_plan
from avsep_lib.borrowed.resident import for_run, resident
from avsep_lib.borrowed.stages import Folders, Stages
from avsep_lib.cli import run_main
from avsep_lib.encoders import load_audio_encoder
from avsep_lib.errors import AvsepError, DataError
from avsep_lib.files import read_json, sha256_file, write_json
from avsep_lib.latents import Latents, write_latents_of
from avsep_lib.manifest import read_manifest
from avsep_lib.methods.hfra import HFRA
from avsep_lib.provenance import hardware, package_versions, python_version
from avsep_lib.settings import RunConfig
from avsep_lib.train import train
from avsep_lib.training_data import Inputs, open_inputs

AGAIN = 75  # exit code: time is up
FINISH_S = {"cuda": 75.0, "cpu": 5.0}  # kept free in the last command: latents, the last scores, the files
LATENTS_S = {"cuda": 30.0, "cpu": 2.0}  # of them, for latents and files
SAVE_S = {"cuda": 10.0, "cpu": 1.0}  # kept free in every command
RECOMPILED = 0.3  # share of the first compilation that a run's own takes, from the compiler's cache


class Session:
    """One command: its plan, its clock, its jobs."""

    def __init__(self, plan: Plan, bundle: Path, given: argparse.Namespace) -> None:
        self.plan, self.bundle, self.given = plan, bundle, given
        self.at = Folders(given.work / plan.key[:12])
        self.at.work.mkdir(parents=True, exist_ok=True)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.clock = Clock.start(self.at.work / "clock.json", given.minutes, plan.minutes)
        self.jobs = Jobs(self.at.work / "logs", self.clock, given.one_process)
        self.stages = Stages(plan, self.at, given.cores)
        self.say(f"profile {plan.profile}, {len(plan.runs)} runs, on {self._device_name()}, {given.cores} cores")
        if self.clock.used:
            self.say(f"goes on after {self.clock.used / 60:.1f} minutes of earlier commands")
        else:
            self.say("begins: nothing of this plan is on this machine yet")

    def say(self, text: str) -> None:
        """One line with the time of this command."""
        print(f"[{self.clock.seconds:5.0f} s] {text}", flush=True)

    def _device_name(self) -> str:
        return torch.cuda.get_device_name() if self.device.type == "cuda" else "CPU"

    # --- before training

    def prepare(self) -> None:
        """Dataset, encoders, embeddings, lists, features; the machine is measured while the processor renders."""
        render, stages = self.stages.render(), self.stages
        self.jobs.start(render)
        self.measured()
        self.jobs.wait(render)
        self.check_manifest()
        self.jobs.run(stages.decode())
        self.place_lists()
        self.jobs.start(stages.describe(), stages.references())
        self.jobs.run(stages.encoder("image"), stages.encoder("audio"))
        self.jobs.run(stages.embed("images"), stages.embed("audio"))
        self.jobs.start(stages.sanity())
        self.jobs.run(stages.features())

    def check_manifest(self) -> None:
        """DataError unless the dataset that was rendered is the one that the lists were made for."""
        found = read_manifest(self.at.manifest)[CLIP_COLUMNS].reset_index(drop=True)
        expected = expected_clips(self.plan.clips)
        if not (found.astype(str) == expected.astype(str)).all(axis=None):
            raise DataError(f"{self.at.manifest} is not the dataset of the plan; delete {self.at.work}")

    def place_lists(self) -> None:
        """Copy the lists from the bundle; DataError when they are not the plan's."""
        target = self.at.data / "mixtures"
        for name, expected in self.plan.lists.items():
            if sha256_file(self.bundle / "lists" / f"{name}.csv") != expected:
                raise DataError(f"{self.bundle}/lists/{name}.csv is not the plan's; make the bundle again")
        if not (target / "mixtures.json").exists():
            shutil.copytree(self.bundle / "lists", target, dirs_exist_ok=True)

    # --- measuring

    def measured(self) -> dict[str, Any]:
        """Ceilings of the machine, and per kind of run its work, its floor and the seconds of a step; measured once."""
        path = self.at.work / "measured.json"
        if path.exists():
            return read_json(path)
        full = {} if self.device.type == "cuda" else {"n_bytes": 2**26, "n": 256}
        ceilings = measure.machine(self.device, **full)
        first = {kind_of(run): run.config for run in reversed(self.plan.runs)}
        kinds = {kind: self._measured_kind(config, ceilings) for kind, config in first.items()}
        self._try_compiling(first, kinds)
        for kind, found in kinds.items():
            self.say(f"{kind}: {told_kind(found)}")
        write_json(path, {"ceilings": ceilings, "kinds": kinds})
        return read_json(path)

    @property
    def _repeats(self) -> int:
        return 20 if self.device.type == "cuda" else 2

    def _measured_kind(self, config: RunConfig, ceilings: dict[str, float]) -> dict[str, Any]:
        work = measure.step_work(config)
        step_s, _ = measure.step_seconds(config, compiled=False, repeats=self._repeats)
        return {**work, "floor_s": measure.floor_seconds(work, ceilings), "eager_s": step_s}

    def _try_compiling(self, first: dict[str, RunConfig], kinds: dict[str, dict[str, Any]]) -> None:
        """Measure the compiled step of the most frequent kind; the others are taken to gain as much (`estimated`)."""
        if self.given.compile == "no" or (self.given.compile == "auto" and self.device.type != "cuda"):
            return
        tried = Counter(kind_of(run) for run in self.plan.runs).most_common(1)[0][0]
        try:
            step_s, first_s = measure.step_seconds(first[tried], compiled=True, repeats=self._repeats)
        except Exception as error:  # the compiler raises what it likes; the eager step is as right, and slower
            print(not_compiled(error), flush=True)
            return
        gain = step_s / kinds[tried]["eager_s"]
        for kind, found in kinds.items():
            found |= {"compiled_s": gain * found["eager_s"], "compilation_s": first_s, "estimated": kind != tried}

    # --- training

    def budget(self) -> Budget:
        """Steps and seeds, chosen once, when the features are there."""
        path = self.at.work / "budget.json"
        if not path.exists():
            kinds = self.measured()["kinds"]
            seconds = self.clock.left_in_all - FINISH_S[self.device.type]
            own = SAVE_S[self.device.type]
            eager = choose(self.plan, {kind: m["eager_s"] for kind, m in kinds.items()}, seconds, own)
            compiled = None
            if all("compiled_s" in m for m in kinds.values()):
                first_s = max(m["compilation_s"] for m in kinds.values())
                seconds -= (1 - RECOMPILED) * first_s * (len(kinds) - 1)  # of one kind it is in the cache already
                own += RECOMPILED * first_s
                with contextlib.suppress(AvsepError):  # no time to compile
                    compiled = choose(self.plan, {k: m["compiled_s"] for k, m in kinds.items()}, seconds, own, True)
            chosen = compiled if compiled and self.given.compile == "yes" else better(eager, compiled)
            write_json(path, dataclasses.asdict(chosen))
        budget = Budget(**read_json(path))
        how = "compiled" if budget.compiled else "not compiled"
        self.say(f"{budget.steps} steps for every run, seeds {budget.seeds}, {how}: about {budget.seconds:.0f} s")
        return budget

    def train(self) -> None:
        """Train what fits, run after run, and score what is trained beside it."""
        budget, inputs = self.budget(), None
        for run in self.plan.of_seeds(budget.seeds):
            if not (self.at.run(run.run_id) / "model.safetensors").exists():
                inputs = inputs or self.open_inputs(run)
                self.train_run(run, budget, inputs)
            self.jobs.start(self.stages.score(run))
            self.jobs.poll()

    def open_inputs(self, run: PlannedRun) -> Inputs:
        """The pool on the device, for all runs."""
        return resident(open_inputs(run.config, self.at.data / "features"), self.device)

    def train_run(self, run: PlannedRun, budget: Budget, inputs: Inputs) -> None:
        """Train one run to its end, or to the last validation that this command has time for (`OutOfTime`)."""
        steps, compiled = budget.steps, budget.compiled
        config = with_steps(run.config, steps)
        out, kind = self.at.run(run.run_id), self.measured()["kinds"][kind_of(run)]
        reached = read_json(out / "reached.json")["step"] if (out / "reached.json").exists() else 0
        every = max(steps // config.training.validations, 1)
        kept = (FINISH_S if self.clock.is_last else SAVE_S)[self.device.type]
        step_s = kind["compiled_s"] if compiled else kind["eager_s"]
        kept += RECOMPILED * kind["compilation_s"] if compiled else 0.0
        fitting = int((self.clock.left - kept) / step_s) // every * every
        if fitting < every:
            raise OutOfTime
        stop = reached + fitting
        given = dict(inputs=for_run(inputs, config), stop_after=stop if stop < steps else None)
        try:
            done = train(config, self.at.data / "features", out, compiled=compiled, **given)
        except AvsepError:
            raise
        except Exception as error:
            if not compiled:
                raise
            print(not_compiled(error), flush=True)
            done = train(config, self.at.data / "features", out, **given)
        self.clock.save()
        if done is None:
            write_json(out / "reached.json", {"step": stop})
            raise OutOfTime
        (out / "reached.json").unlink(missing_ok=True)

    # --- after training

    def finish(self) -> None:
        """Wait for scores and tables, then let every trained network of the grid hear the same sounds."""
        self.jobs.wait(*self.jobs.running, keep=LATENTS_S[self.device.type])
        self.write_latents()

    def write_latents(self) -> None:
        """Latents of the grid's complete seeds, unless they are there."""
        runs = [run for run in complete_runs(self.plan, self.at) if run.run_id in self.plan.grid]
        held = set(Latents.open(self.at.latents).runs.index) if self.at.latents.exists() else set()
        if held.issuperset(run.run_id for run in runs):
            return
        trained = {}
        for run in runs:
            method = HFRA.load(self.at.run(run.run_id) / "model.safetensors")
            method.model.to(self.device)
            trained[run.run_id] = (run.row, method)
        if trained:
            teacher = load_audio_encoder(self.plan.audio_encoder, self.at.encoder("audio"))
            write_latents_of(trained, teacher, self.at.data, self.plan.audio, self.at.latents)
            self.say("latents written")

    def export(self, complete: bool) -> list[Path]:
        """The files for the way back."""
        budget = self.at.work / "budget.json"
        machine = hardware() | {"device": self._device_name()}
        told = {
            "complete": complete,
            "steps": read_json(budget)["steps"] if budget.exists() else None,
            "machine": machine,
            "packages": package_versions() | {"python": python_version()},
            "measured": self.measured() if (self.at.work / "measured.json").exists() else {},
            "encoders": {name: dataclasses.asdict(of)["kind"] for name, of in self.stages.settings.items()},
            "seconds": round(self.clock.used + self.clock.seconds, 1),
            "job_seconds": self.jobs.seconds,
        }
        return export(self.plan, self.at, self.given.out, told)

    def run(self) -> bool:
        """Everything that this command has time for; True when nothing is left to do."""
        try:
            self.prepare()
            self.train()
            self.finish()
            return True
        except OutOfTime:
            if self.clock.is_last:
                self._last_things()
            return False
        finally:
            self.jobs.stop()
            self.clock.save()

    def _last_things(self) -> None:
        """Time is up for good: what is scored comes back, the latents of it, too."""
        self.say("no time is left for another command: finishing with what is trained")
        with contextlib.suppress(OutOfTime):
            self.jobs.wait(*self.jobs.running, keep=LATENTS_S[self.device.type])
        self.write_latents()


def not_compiled(error: Exception) -> str:
    """Said loudly: what follows is right, and slower."""
    return f"NOT COMPILED: torch.compile failed ({type(error).__name__}: {str(error)[:300]})"


def told_kind(kind: dict[str, Any]) -> str:
    """One line about a kind of run."""
    compiled = f", compiled {1e3 * kind['compiled_s']:.1f} ms" if "compiled_s" in kind else ""
    return f"a step takes {1e3 * kind['eager_s']:.1f} ms{compiled}, at least {1e3 * kind['floor_s']:.2f} ms"


def with_steps(config: RunConfig, steps: int) -> RunConfig:
    """The configuration with another number of steps."""
    return dataclasses.replace(config, training=dataclasses.replace(config.training, steps=steps))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help=argparse.SUPPRESS)  # given by the bundle's start
    parser.add_argument("--minutes", type=float, required=True, help="of this command")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files that come back")
    parser.add_argument("--work", type=Path, required=True, help="folder that is kept between commands")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--compile", choices=("auto", "yes", "no"), default="auto")
    parser.add_argument("--one-process", action="store_true", help="run the jobs in this process (tests)")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        torch.set_num_threads(max(given.cores // 2, 1))  # the rest is for the jobs beside it
    session = Session(read_plan(given.bundle / "plan.json"), given.bundle, given)
    done = session.run()
    files = session.export(done)
    for path in files:
        print(f"{path}: {path.stat().st_size / 2**20:.2f} MiB")
    spent = "the plan's time is spent" if session.clock.is_last else "give the same command again on this machine"
    session.say("done" if done else f"time is up: {spent}")
    sys.exit(0 if done else AGAIN)


if __name__ == "__main__":
    run_main(main)
