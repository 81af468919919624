"""The GPU part on a machine without network and workflow tools, at its smallest size and on the CPU: there and back."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import TOY_PROFILE, tiny_config, write_project

from avsep_lib import config as profiles
from avsep_lib.borrowed import budget, bundle, drawn, export, measure, receive, run, stages, start
from avsep_lib.borrowed.clock import Clock, OutOfTime
from avsep_lib.borrowed.jobs import Job, Jobs
from avsep_lib.borrowed.lists import write_expected_lists
from avsep_lib.borrowed.plan import read_plan
from avsep_lib.borrowed.resident import ResidentPool, for_run, resident
from avsep_lib.borrowed.stages import Folders
from avsep_lib.errors import AvsepError, ConfigError, DataError
from avsep_lib.files import read_json, sha256_file
from avsep_lib.latents import Latents
from avsep_lib.models import upconv
from avsep_lib.models.separator import Separator
from avsep_lib.settings import RunConfig
from avsep_lib.train import batch_losses, total_loss, train
from avsep_lib.training_data import open_inputs

RUNS = """run_id,method,fusion,alignment,backbone,dataset,seed,switches
late-s0,hfra,late,no,clip,music11,0,
hier_align-s0,hfra,hierarchical,yes,clip,music11,0,
late-s1,hfra,late,no,clip,music11,1,
hier_align-s1,hfra,hierarchical,yes,clip,music11,1,
hier_teacher-s0,hfra,hierarchical,no,clip,music11,0,bottleneck=teacher
"""
ORDER = ["late-s0", "hier_align-s0", "hier_teacher-s0", "late-s1", "hier_align-s1"]
SECTIONS = {
    "datasets": TOY_PROFILE["datasets"],
    "training": {"steps": 6, "batch_size": 4, "validations": 3, "precision": "bf16-mixed"},
}
TOOLS = ("pydantic", "snakemake", "papermill", "yaml", "av", "nbformat", "mir_eval", "lightning")  # not there


def toy_root(folder: Path) -> Path:
    """Configuration of a toy checkout whose profile may be borrowed for."""
    write_project(folder)
    (folder / "config" / "runs.csv").write_text(RUNS)
    (folder / "config" / "borrowed").mkdir()
    own = SECTIONS | {"borrowed": {"minutes": 30, "least_steps": 3}}
    (folder / "config" / "borrowed" / "toy.yaml").write_text(yaml.safe_dump(own))
    return folder


def command(made: Path, **options) -> int:
    """The one command, in this process; its exit code."""
    given = {"bundle": made / "bundle", "minutes": 9, "out": made / "out", "work": made / "work", "cores": 1} | options
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["run", *words, "--one-process"])
        with pytest.raises(SystemExit) as ended:
            run.main()
    return ended.value.code


def forget_time(patch: pytest.MonkeyPatch, after: int) -> list[str]:
    """Let the clock run out after so many trainings; the runs that were trained, as they come."""
    trained, late, now = [], [0.0], Clock.__dataclass_fields__["now"].default

    def counted(settings: RunConfig, *given, **options):
        done = train(settings, *given, **options)
        trained.append(settings.run_id)
        late[0] = 1e6 if len(trained) == after else 0.0
        return done

    patch.setattr(run, "train", counted)
    patch.setattr(Clock, "left", property(lambda self: 60 * self.minutes - (now() + late[0] - self.began)))
    return trained


@dataclasses.dataclass(frozen=True)
class Borrowed:
    """Folders of the toy checkout and of the machine, and what the two commands said."""

    root: Path
    folder: Path
    codes: tuple[int, int]
    trained: tuple[list[str], list[str]]
    files_after_first: list[Path]

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def at(self) -> Folders:
        plan = read_plan(self.folder / "bundle" / "plan.json")
        return Folders(self.folder / "work" / plan.key[:12])


@pytest.fixture(scope="module")
def borrowed(tmp_path_factory) -> Borrowed:
    """A toy profile, bundled, and run by two commands: the first one's time is up after the first seed."""
    made = tmp_path_factory.mktemp("borrowed")
    root = toy_root(made / "root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVSEP_ROOT", str(root))
        bundle.make_bundle("toy", made / "bundle", None)
    with pytest.MonkeyPatch.context() as patch:
        first = forget_time(patch, after=4)
        code = command(made)
    files = sorted((made / "out").glob("*"))
    with pytest.MonkeyPatch.context() as patch:
        second = forget_time(patch, after=10)
        codes = (code, command(made))
    return Borrowed(root, made, codes, (first, second), files)


@pytest.fixture
def here(borrowed, tmp_path, monkeypatch) -> Path:
    """The toy checkout, copied, as the place where results come back."""
    root = Path(shutil.copytree(borrowed.root, tmp_path / "root"))
    monkeypatch.setenv("AVSEP_ROOT", str(root))
    return root


@pytest.fixture
def came(borrowed, tmp_path) -> Path:
    """The files that came back, copied, to be spoilt."""
    return Path(shutil.copytree(borrowed.out, tmp_path / "came"))


def described_again(came: Path, **changes) -> None:
    """Write a provenance that describes the files as they are now, and says other things."""
    told = read_json(came / export.PROVENANCE) | changes
    told["files"] = {name: sha256_file(came / name) for name in told["files"]}
    (came / export.PROVENANCE).write_text(json.dumps(told))


# --- there


def test_two_commands_finish_what_one_begins(borrowed):
    assert borrowed.codes == (run.AGAIN, 0)
    assert borrowed.trained == (ORDER[:4], ORDER[4:])  # nothing twice
    assert read_json(borrowed.at.work / "clock.json")["seconds"] > 0


def test_first_command_leaves_its_complete_seed(borrowed):
    """Of a machine that is gone after it, something is left."""
    names = [path.name for path in borrowed.files_after_first]
    assert export.PROVENANCE in names
    assert not any(name.startswith("latents") for name in names)


def test_every_run_has_the_same_number_of_steps(borrowed):
    told = read_json(borrowed.out / export.PROVENANCE)
    costs = read_json(borrowed.out / export.COSTS)
    histories = pd.read_csv(borrowed.out / export.HISTORIES)
    assert told["runs"] == ORDER
    assert told["seeds"] == [0, 1]
    assert told["complete"]
    assert {cost["steps"] for cost in costs.values()} == {told["steps"]} == {6}
    assert set(histories.groupby("run_id").step.max()) == {6}


def test_few_and_small_files_come_back_and_no_model(borrowed):
    files = sorted(path.name for path in borrowed.out.iterdir())
    assert files == [
        *sorted((export.COSTS, export.DATA, export.HISTORIES)),
        "latents-0.safetensors",
        "provenance.json",
        "scores.csv",
    ]
    export.check_sizes(list(borrowed.out.iterdir()))
    with zipfile.ZipFile(borrowed.out / export.DATA) as archive:
        sounds = [name for name in archive.namelist() if name.endswith(".wav")]
        assert len(sounds) == 1
        assert not any(name.endswith((".jpg", "model.safetensors")) for name in archive.namelist())


def test_more_or_larger_files_are_refused(tmp_path, monkeypatch):
    files = [tmp_path / str(i) for i in range(export.N_FILES + 1)]
    for path in files:
        path.write_bytes(b"12")
    export.check_sizes(files[1:])
    with pytest.raises(AvsepError, match="9 files"):
        export.check_sizes(files)
    monkeypatch.setattr(export, "FILE_BYTES", 1)
    with pytest.raises(AvsepError, match="2 bytes"):
        export.check_sizes(files[1:])


def test_provenance_names_machine_commit_steps_and_floor(borrowed):
    told = read_json(borrowed.out / export.PROVENANCE)
    assert told["plan"]["commit"] == bundle.head()
    assert told["machine"]["device"] == "CPU"
    assert told["encoders"] == {"image": "mini", "audio": "mini"}
    assert "torch" in told["packages"]
    for kind in told["measured"]["kinds"].values():
        assert 0 < kind["floor_s"] < 10 * kind["eager_s"]  # both are measured, and the machine may be busy meanwhile


def test_scores_are_those_of_the_library(borrowed):
    """The same test pairs for all, floor and ceilings beside them."""
    scores = pd.read_csv(borrowed.out / export.SCORES)
    assert set(scores.run_id) == {*ORDER, *scores.run_id[scores.seed == -1]}
    assert (scores.seed == -1).any()
    pairs = {
        run_id: sorted(zip(s.mixture_id, s.clip_id)) for run_id, s in scores[scores["mask"] == "soft"].groupby("run_id")
    }
    assert len(set(map(str, pairs.values()))) == 1


def test_a_stopped_training_goes_on_and_ends_the_same(random_features, tmp_path):
    """What a command has time for ends at a validation; the next one goes on there, with the pool on the device."""
    config = tiny_config()
    inputs = resident(open_inputs(config, random_features), torch.device("cpu"))
    whole = train(config, random_features, tmp_path / "whole")
    assert train(config, random_features, tmp_path / "parts", inputs=inputs, stop_after=6) is None
    parts = train(config, random_features, tmp_path / "parts", inputs=for_run(inputs, config))
    assert whole.read_bytes() == parts.read_bytes()
    other = dataclasses.replace(config, seed=1)
    again = train(other, random_features, tmp_path / "other", inputs=for_run(inputs, other))
    assert again.read_bytes() == train(other, random_features, tmp_path / "other alone").read_bytes()


def test_resident_pool_serves_the_same_batches(random_features):
    config = tiny_config()
    inputs = open_inputs(config, random_features)
    held = resident(inputs, torch.device("cpu")).pool
    assert isinstance(held, ResidentPool)
    for name, tensor in inputs.pool.step(3).items():
        assert torch.equal(tensor, held.step(3)[name])


def test_plan_of_another_dataset_or_changed_lists_are_refused(borrowed, tmp_path):
    plan = read_plan(borrowed.folder / "bundle" / "plan.json")
    fake = shutil.copytree(borrowed.folder / "bundle" / "lists", tmp_path / "bundle" / "lists").parent
    shutil.copy(borrowed.folder / "bundle" / "plan.json", fake)
    (fake / "lists" / "test.csv").write_text("other\n")
    clock = Clock(tmp_path / "c.json", 1, 1, 0)
    session = object.__new__(run.Session)
    session.plan, session.bundle, session.at, session.clock = plan, fake, Folders(tmp_path / "work"), clock
    with pytest.raises(DataError, match=r"test\.csv is not the plan's"):
        session.place_lists()
    manifest = pd.read_csv(borrowed.at.manifest)
    session.at.manifest.parent.mkdir(parents=True)
    manifest.iloc[::-1].to_csv(session.at.manifest, index=False)
    with pytest.raises(DataError, match="is not the dataset of the plan"):
        session.check_manifest()


def test_lists_are_known_before_anything_is_rendered(project, tmp_path):
    """The lists of a rendered dataset, from its settings alone."""
    profile = profiles.check_profile(TOY_PROFILE, "toy", "toy")
    write_expected_lists(profile.datasets["music11"], profile.audio, profile.mixtures, tmp_path)
    for name in ("pool.csv", "val.csv", "test.csv", "mixtures.json"):
        assert (tmp_path / name).read_bytes() == (project.data / "mixtures" / name).read_bytes()


def test_modules_need_no_workflow_tools(tmp_path):
    """What runs there, imported in a Python that cannot find what such a machine lacks."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nclass Lacks:\n    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {TOOLS}:\n            raise ImportError('blocked: ' + name)\n"
        "sys.meta_path.insert(0, Lacks())\n"
    )
    source = Path(stages.__file__).read_text()
    names = {"avsep_lib.borrowed.run", *(word.strip('",') for word in source.split() if word.startswith('"avsep_lib.'))}
    assert {
        "avsep_lib.embedded",
        "avsep_lib.features",
        "avsep_lib.score",
        "avsep_lib.descriptors",
    } < names
    code = "import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in sorted(names))
    checkout = Path(bundle.avsep_lib.__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(checkout)])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_start_unpacks_wheels_once_and_runs_the_code_of_the_bundle(tmp_path, monkeypatch):
    """Not the code of a checkout in the working directory, and with the packages from the wheels."""
    made = tmp_path / "bundle"
    package = made / "avsep_lib" / "borrowed"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "run.py").write_text("import sys, carried\nprint(carried.WORD, *sys.argv[1:])\n")
    shutil.copy(start.__file__, made / "__main__.py")
    (made / "wheels").mkdir()
    with zipfile.ZipFile(made / "wheels" / "carried-1-py3-none-any.whl", "w") as archive:
        archive.writestr("carried.py", "WORD = 'carried'\n")
    words = ["--minutes", "9", "--work", str(tmp_path / "work"), "--out", "out"]
    for _ in range(2):
        done = subprocess.run([sys.executable, str(made), *words], capture_output=True, text=True, cwd=Path.cwd())
        assert done.stdout.split() == ["carried", "--bundle", str(made), *words], done.stderr
        (made / "wheels" / "broken.txt").touch()
    monkeypatch.setattr(start, "HERE", made)
    (tmp_path / "work" / "site" / "carried.py").unlink()
    start.unpack_wheels(tmp_path / "work" / "site")
    assert not (tmp_path / "work" / "site" / "carried.py").exists()  # unpacked already


def test_jobs_report_failures_and_do_nothing_twice(tmp_path):
    clock = Clock(tmp_path / "clock.json", 5, 5, 0)
    jobs = Jobs(tmp_path / "logs", clock)
    good = Job("good", "timeit", ("-n1", "-r1", f"open({str(tmp_path / 'good')!r}, 'a').write('x')"), tmp_path / "good")
    jobs.run(good)
    jobs.run(good)
    assert (tmp_path / "good").read_text() == "x"
    with pytest.raises(AvsepError, match="ZeroDivisionError"):
        jobs.run(Job("bad", "timeit", ("-n1", "1 / 0"), tmp_path / "bad"))
    jobs.start(Job("slow", "timeit", ("-n1", "import time; time.sleep(60)"), tmp_path / "slow"))
    (process,) = jobs.running.values()
    clock.minutes = 0
    with pytest.raises(OutOfTime):
        jobs.wait(*jobs.running)
    jobs.stop()
    assert process.poll() is not None
    assert not jobs.running


# --- time


def test_clock_counts_all_commands(tmp_path):
    now = [0.0]
    clock = Clock(tmp_path / "clock.json", 9, 25, 0, now=lambda: now[0])
    now[0] = 9 * 60.0
    assert clock.left == 0
    assert not clock.is_last
    assert clock.left_in_all == 16 * 60
    clock.save()
    second = Clock.start(tmp_path / "clock.json", 9, 25)
    assert second.used == 540
    assert not second.is_last
    third = Clock(tmp_path / "clock.json", 9, 25, 18 * 60, now=lambda: now[0])
    assert third.is_last
    assert third.left == 7 * 60


def test_budget_gives_all_runs_equal_steps_and_gives_up_seeds_first(borrowed):
    plan = read_plan(borrowed.folder / "bundle" / "plan.json")
    many = tuple(dataclasses.replace(r, config=run.with_steps(r.config, 10_000)) for r in plan.runs)
    plan = dataclasses.replace(plan, runs=many, least_steps=300)
    step_s = {budget.kind_of(r): 0.1 for r in plan.runs}
    both = budget.choose(plan, step_s, 5 * (0.1 * 302 + 1), overhead_s=1)
    assert both == budget.Budget(
        300, [0, 1], False, round(5 * (0.1 * 300 + 1), 1)
    )  # a multiple of the three validations
    one = budget.choose(plan, step_s, 5 * (0.1 * 299 + 1), overhead_s=1)
    assert one.seeds == [0]
    assert one.steps == 504
    assert budget.better(one, both) == budget.better(both, None) == both  # seeds before steps
    with pytest.raises(AvsepError, match="too few"):
        budget.choose(plan, step_s, 1.0, overhead_s=1)


@pytest.mark.parametrize(("compilation_s", "pays"), [(1.0, True), (40.0, False), (1000.0, False)])
def test_compiling_must_earn_its_time_back(borrowed, tmp_path, compilation_s, pays):
    """Of 100 ms a step, 40 are saved; every one of five runs spends a third of a compilation, two kinds a whole one."""
    plan = read_plan(borrowed.folder / "bundle" / "plan.json")
    long = tuple(dataclasses.replace(r, config=run.with_steps(r.config, 10_000)) for r in plan.runs)
    session = object.__new__(run.Session)
    session.plan, session.device = dataclasses.replace(plan, runs=long), torch.device("cpu")
    session.at, session.given = Folders(tmp_path), SimpleNamespace(compile="auto")
    session.clock = SimpleNamespace(left_in_all=105.0, seconds=0.0)
    kind = {"eager_s": 0.1, "compiled_s": 0.06, "compilation_s": compilation_s}
    session.measured = lambda: {"kinds": {budget.kind_of(r): kind for r in plan.runs}}
    chosen = session.budget()
    assert chosen.compiled is pays
    assert chosen == session.budget()  # kept for the next command
    assert chosen.steps % 3 == 0
    assert 5 * chosen.steps * (0.06 if pays else 0.1) < 100


# --- the GPU's side of the code, without a GPU


@pytest.mark.parametrize("fusion", ["late", "hierarchical"])
def test_order_on_gpus_gives_the_same_gradients_and_compiles(fusion, monkeypatch):
    """The order that GPUs take, and its compiled form, on the CPU in double precision."""
    config = dataclasses.replace(tiny_config(), model=dataclasses.replace(tiny_config().model, fusion=fusion))
    torch.manual_seed(0)
    model = Separator(config.model).double()
    batch = {name: value.double() for name, value in measure.random_batch(config, "cpu").items()}

    def gradients(forward) -> torch.Tensor:
        model.zero_grad()
        total_loss(batch_losses(forward, batch, config), config).backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    here = gradients(model)
    monkeypatch.setattr(upconv, "in_blocks", lambda x: False)
    torch.testing.assert_close(gradients(model), here, rtol=1e-9, atol=1e-12)
    torch.compiler.reset()
    torch.testing.assert_close(
        gradients(torch.compile(model, backend="aot_eager", fullgraph=True)), here, rtol=1e-9, atol=1e-12
    )


def test_a_compiled_run_trains_as_an_uncompiled_one(random_features, tmp_path, monkeypatch):
    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model: compiler(model, backend="eager"))
    config = tiny_config(steps=4)
    monkeypatch.setattr(upconv, "in_blocks", lambda x: False)
    plain = train(config, random_features, tmp_path / "plain")
    assert plain.read_bytes() == train(config, random_features, tmp_path / "compiled", compiled=True).read_bytes()


@pytest.mark.parametrize("fusion", ["late", "middle", "hierarchical"])
def test_no_tensor_of_a_step_stays_on_the_cpu(fusion):
    """Tensors that only claim to be on a GPU refuse others that do not."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    config = dataclasses.replace(tiny_config(), model=dataclasses.replace(tiny_config().model, fusion=fusion))
    with FakeTensorMode():
        with torch.device("cuda"):
            model = Separator(config.model)
        batch = measure.random_batch(config, "cuda")
        assert total_loss(batch_losses(model, batch, config), config).device.type == "cuda"
        with torch.no_grad():
            assert model.eval()(batch["mixture"].log(), batch["visual"], batch["teacher"]).masks.device.type == "cuda"


def test_work_of_a_step_grows_with_the_batch():
    work = [measure.step_work(tiny_config(batch_size=n)) for n in (4, 8)]
    assert work[1]["flop"] == pytest.approx(2 * work[0]["flop"], rel=1e-6)
    assert work[0]["bytes"] < work[1]["bytes"] < 2 * work[0]["bytes"]  # weights do not grow
    ceilings = {"bf16_flop_per_s": 1e3, "copy_bytes_per_s": 1e12}
    assert measure.floor_seconds(work[0], ceilings) == work[0]["flop"] / 1e3


# --- here again


def test_received_results_are_laid_out_as_the_workflow_does(borrowed, here, came):
    told = receive.receive("toy", came)
    results = here / "results" / "toy"
    for run_id in ORDER:
        assert (results / "scores" / f"{run_id}.csv").read_bytes() == borrowed.at.scores(run_id).read_bytes()
        for name in ("history.csv", "cost.json"):
            assert (results / "runs" / run_id / name).read_bytes() == (borrowed.at.run(run_id) / name).read_bytes()
    references = "references-music11"
    assert (results / "scores" / f"{references}.csv").read_bytes() == borrowed.at.scores(references).read_bytes()
    suite = profiles.load_profile("toy")
    assert suite.training.steps == told["steps"] == 6
    assert suite.seeds == [0, 1]
    found, whole = (
        Latents.open(p) for p in (results / "analysis" / "latents-music11.safetensors", borrowed.at.latents)
    )
    assert found.runs.equals(whole.runs)
    for name in whole.runs.index:
        np.testing.assert_allclose(found.vectors(name, "solos"), whole.vectors(name, "solos"), rtol=1e-3, atol=1e-6)


def test_receiving_again_touches_nothing(here, came):
    receive.receive("toy", came)
    paths = [path for path in (here / "results").rglob("*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in paths}
    receive.receive("toy", came)
    assert before == {path: path.stat().st_mtime_ns for path in paths}


def test_only_what_can_be_drawn_is_asked_for(here, came):
    assert drawn.drawn_notebooks("toy") == list(drawn.READS)
    assert not drawn.is_received("toy")
    receive.receive("toy", came)
    missing = drawn.left_out("toy")
    assert {"01_dataset", "03_training", "09_qualitative"} < set(missing)
    assert missing["03_training"] == "features and a network"
    assert set(drawn.drawn_notebooks("toy")) | set(missing) == set(drawn.READS)
    (here / "results" / "toy" / "analysis" / "latents-music11.safetensors").unlink()
    assert "08_modality_gap" in drawn.left_out("toy")
    assert "06_ablation" in drawn.drawn_notebooks("toy")


def test_snakemake_is_given_targets_and_their_rules_only(borrowed, here, came, monkeypatch):
    assert drawn.targets_and_rules("toy") == ([], [])
    receive.receive("toy", came)
    checkout = Path(bundle.avsep_lib.__file__).parent.parent
    shutil.copytree(checkout / "notebooks", here / "notebooks", ignore=shutil.ignore_patterns(".*"))
    targets, rules = drawn.targets_and_rules("toy")
    assert "results/toy/artifacts/tab_table6.csv" in targets
    assert not any("data_card" in target for target in targets)
    assert rules[0] == "probe"
    assert "notebook_06_ablation" in rules
    assert not {"train", "score", "dataset"} & set(rules)


def spoil_a_byte(came: Path) -> None:
    path = came / export.SCORES
    path.write_bytes(path.read_bytes()[:-2] + b"9\n")


def drop_a_file(came: Path) -> None:
    (came / export.HISTORIES).unlink()


def drop_a_pair(came: Path) -> None:
    path = came / export.SCORES
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:]))
    described_again(came)


def rename_a_column(came: Path) -> None:
    path = came / export.SCORES
    path.write_text(path.read_text().replace("sir_db", "sir", 1))
    described_again(came)


def lose_a_number(came: Path) -> None:
    scores = pd.read_csv(came / export.SCORES)
    scores.loc[scores.index[scores.status == "ok"][0], "sdr_db"] = np.nan
    scores.to_csv(came / export.SCORES, index=False)
    described_again(came)


def other_steps(came: Path) -> None:
    costs = read_json(came / export.COSTS)
    costs["late-s1"]["steps"] = 3
    (came / export.COSTS).write_text(json.dumps(costs))
    described_again(came)


def other_commit(came: Path) -> None:
    plan = read_json(came / export.PROVENANCE)["plan"] | {"commit": "0" * 40}
    described_again(came, plan=plan)


def other_profile(came: Path) -> None:
    described_again(came, plan=read_json(came / export.PROVENANCE)["plan"] | {"profile": "demo"})


def other_lists(came: Path) -> None:
    plan = read_json(came / export.PROVENANCE)["plan"]
    described_again(came, plan=plan | {"lists": plan["lists"] | {"test": "0" * 64}})


def fewer_runs(came: Path) -> None:
    described_again(came, runs=ORDER[:-1])


def climb_out(came: Path) -> None:
    with zipfile.ZipFile(came / export.DATA, "a") as archive:
        archive.writestr("../../escaped.txt", "x")
    described_again(came)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_a_byte, r"scores\.csv is not what provenance\.json describes"),
        (drop_a_file, r"histories\.csv is missing"),
        (drop_a_pair, "other test pairs than today's, or not all of them"),
        (rename_a_column, "columns .* expected"),
        (lose_a_number, "a row that is not silent has no number"),
        (other_steps, "'late-s1' was trained for 3 steps, the others for 6"),
        (other_commit, "commit 000000000000, which today's code does not descend from"),
        (other_profile, "results of profile 'demo', not of 'toy'"),
        (other_lists, "the test list of the results is not today's"),
        (fewer_runs, "'hier_align-s1' is in config/runs.csv or in the results, not in both"),
        (climb_out, "would lie outside"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(here, came, spoil, message):
    spoil(came)
    with pytest.raises(DataError, match=message):
        receive.receive("toy", came)
    assert not (here / "results").exists()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("config/toy.yaml", "n_maps: 4", "n_maps: 5", "'late-s0' has another configuration today"),
        ("config/toy.yaml", "pool_size: 12", "pool_size: 13", "the pool list of the results is not today's"),
        ("config/borrowed/toy.yaml", "steps: 6", "steps: 9", "has changed since the bundle was made"),
        ("config/runs.csv", "late-s1,hfra,late,no", "late_new-s1,hfra,late,no", "not in both"),
    ],
)
def test_results_of_other_settings_are_refused(here, came, file, old, new, message):
    path = here / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        receive.receive("toy", came)


def test_results_that_were_trained_here_are_not_overwritten(here, came):
    model = here / "results" / "toy" / "runs" / "late-s0" / "model.safetensors"
    model.parent.mkdir(parents=True)
    model.touch()
    with pytest.raises(DataError, match="holds runs that were trained here"):
        receive.receive("toy", came)


def test_latents_travel_in_parts_that_are_small_enough(borrowed, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "PART_BYTES", 100_000)
    parts = export.write_latent_parts(borrowed.at.latents, tmp_path)
    assert len(parts) > 2
    assert all(path.stat().st_size < 150_000 for path in parts)
    export.merge_latent_parts(parts, tmp_path / "whole.safetensors")
    found, expected = Latents.open(tmp_path / "whole.safetensors"), Latents.open(borrowed.at.latents)
    for name in expected.runs.index:
        half = expected.vectors(name, "mixtures").astype(np.float16)
        assert np.array_equal(found.vectors(name, "mixtures"), half.astype(np.float32))


# --- the bundle


@pytest.mark.parametrize("profile", ["paper", "smoke"])
def test_committed_plans_keep_the_size_of_their_profile(profile, tmp_path):
    sections, own = bundle.borrowed_sections(profile)
    plan = bundle.make_plan(profile, sections, own["minutes"], own["least_steps"], "commit", tmp_path)
    suite = profiles.check_profile(profiles.profile_data(profile), profile, profile)
    rows = [r.row for r in plan.of_seeds(plan.seeds[:1])]
    assert plan.audio == suite.audio
    assert rows[:6] == ["late", "late_align", "middle", "middle_align", "hier", "hier_align"]
    for planned in plan.runs:
        assert planned.config.model.channels == suite.model.channels
        assert planned.config.training.batch_size == suite.training.batch_size
        assert planned.config.training.validations <= 8
        assert planned.config.model.mid_condition == "own"
    assert pd.read_csv(tmp_path / "pool.csv").mixture_id.nunique() == suite.mixtures.pool_size
    groups = sum(r.config.seed in plan.seeds for r in plan.runs if r.run_id in plan.grid)
    assert groups == 6 * len(plan.seeds)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"encoders": {"image": {"kind": "clip", "weights": "w"}, "audio": {"kind": "mini", "n_samples": 16383}}},
            "kind mini",
        ),
        ({"datasets": {}}, "datasets"),
        ({"leave_out": ["nothing*"]}, "fits no run"),
    ],
)
def test_plans_that_cannot_be_run_there_are_refused(here, changes, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        bundle.make_plan("toy", SECTIONS | changes, 1, 1, "commit", tmp_path / "lists")


def test_runs_on_data_of_their_own_are_refused(here, tmp_path):
    (here / "config" / "runs.csv").write_text(RUNS + "flip_solos-s0,hfra,late,no,clip,music11,0,use_duets=false\n")
    with pytest.raises(ConfigError, match="'flip_solos-s0' needs data of its own"):
        bundle.make_plan("toy", SECTIONS, 1, 1, "commit", tmp_path / "lists")


def test_wheels_are_named_by_the_lock():
    entries = bundle.locked(bundle.WHEELS)
    assert entries.count("--hash=sha256:") >= len(bundle.WHEELS)
    assert "open-clip-torch==" in entries.replace("_", "-")
    with pytest.raises(DataError, match=r"requirements\.lock has no nothing"):
        bundle.locked(["nothing"])


def test_a_folder_that_is_no_bundle_is_not_cleared(here, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    with pytest.raises(DataError, match="no bundle and not empty"):
        bundle.make_bundle("toy", tmp_path / "mine", None)
    assert (tmp_path / "mine" / "letter.txt").exists()
