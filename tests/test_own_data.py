"""One's own recordings through the README's command: real MP4 files, an index and a published list, with planted flaws."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import recordings
import yaml
from test_smoke import checkout, run  # noqa: F401  (checkout is a fixture)

from avsep_lib.config import load_profile, load_runs, profile_runs
from avsep_lib.errors import ConfigError
from avsep_lib.files import write_json
from avsep_lib.parameters import NOTEBOOKS
from avsep_lib.paths import data_root, project_root
from avsep_lib.recorded.description import read_dataset
from avsep_lib.recorded.notes import data_notes
from avsep_lib.recorded.own_profile import write_own_profile
from avsep_lib.workflow import load_plan

# The smoke profile without the switches: what is shown here is the data, not every row.
QUICK = """name: quick
based_on: smoke
leave_out: ["*-s1", "flip_*", "hier_teacher-*", "resnet18_*"]
"""


def make_figures(folder: Path, dataset: Path, *targets: str) -> str:
    """What `make figures PROFILE=quick DATASET=...` runs once the environment exists; the name of the profile."""
    (folder / "config/own").mkdir(exist_ok=True)
    (folder / "config/own/quick.yaml").write_text(QUICK)
    command = ["-m", "avsep_lib.recorded.own_profile", "--profile", "quick", "--dataset", str(dataset)]
    name = run([sys.executable, *command], folder)[0].strip().splitlines()[-1]
    options = ["--profile", name, "--cores", "2"]
    if targets:  # an option without values goes between those of regenerate.py and the targets
        options += ["--keep-going", *(target.format(name=name) for target in targets)]
    run([sys.executable, "workflow/regenerate.py", *options], folder)
    return name


@pytest.fixture(scope="module")
def videos(checkout: Path) -> tuple[Path, recordings.Found]:  # noqa: F811
    """Everything, on a folder of MP4 files; the results and what was planted."""
    found = recordings.write_videos(checkout / "videos")
    return checkout / "results" / make_figures(checkout, found.yaml), found


def audit_of(results: Path) -> pd.DataFrame:
    (path,) = results.glob("data/*/dataset/audit.csv")
    return pd.read_csv(path, keep_default_na=False)


def check_audit(results: Path, found: recordings.Found) -> None:
    """Every item has a line, and the problems are those that were planted."""
    audit = audit_of(results)
    dropped = Counter(audit.reason[audit.status == "dropped"])
    kept_by_policy = {"clipped", "still"}
    assert len(audit) == found.items
    assert dropped == Counter({p: n for p, n in found.problems.items() if p not in kept_by_policy})
    assert (audit.detail[audit.status == "dropped"] != "").all()
    for problem in kept_by_policy & set(found.problems):
        assert audit.detail[audit.status == "kept"].str.contains(problem).sum() == found.problems[problem]


@pytest.mark.slow
def test_the_audit_finds_what_was_planted(videos):
    check_audit(*videos)


@pytest.mark.slow
def test_all_notebooks_ran_on_the_videos(videos):
    results, _ = videos
    executed = sorted(path.stem for path in results.glob("notebooks/*.ipynb"))
    assert executed == sorted(NOTEBOOKS)
    for path in results.glob("notebooks/*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            assert not any(output.output_type == "error" for output in cell.get("outputs", [])), path.name
    assert json.loads((results / "published.json").read_text())["files"]


@pytest.mark.slow
def test_every_table_says_what_was_left_out(videos):
    results, found = videos
    dropped = sum(n for problem, n in found.problems.items() if problem not in ("still", "clipped"))
    said = f"{found.items - dropped} of {found.items} items used"
    tables = sorted(results.glob("artifacts/tab_*.md"))
    assert len(tables) > 20
    for path in tables:
        text = path.read_text()
        assert said in text, path.name
        assert "1 silent" in text
        assert "trained on this dataset's own training clips" in text


@pytest.mark.slow
def test_the_classes_are_those_of_the_folders(videos):
    results, _ = videos
    manifest = pd.read_csv(next(results.glob("data/*/dataset/manifest.csv")))
    solos = manifest[~manifest.labels.str.contains("|", regex=False)]
    assert set(solos.labels) == set(recordings.SPOKEN.values())
    assert set(manifest.labels) - set(solos.labels) == {"flute|xylophone"}
    assert set(manifest.split[~manifest.index.isin(solos.index)]) == {"train"}
    scores = pd.concat(map(pd.read_csv, results.glob("scores/*.csv")))
    assert set(scores.instrument) <= set(recordings.SPOKEN.values())


@pytest.mark.slow
@pytest.mark.parametrize("write", [recordings.write_index, recordings.write_list], ids=["index", "list"])
def test_other_formats_reach_the_data_card(checkout, write):  # noqa: F811
    found = write(checkout / write.__name__)
    name = make_figures(checkout, found.yaml, "results/{name}/notebooks/01_dataset.ipynb")
    check_audit(checkout / "results" / name, found)


@pytest.mark.slow
def test_a_second_run_has_nothing_to_do_and_a_new_video_is_noticed(videos, checkout):  # noqa: F811
    _, found = videos
    target = "results/{name}/data/own_videos/dataset/manifest.csv"
    before = audit_of(checkout / "results" / make_figures(checkout, found.yaml, target))
    sound, pictures = next(recordings.performances(("erhu",), 12))
    recordings._video(checkout / "videos/videos/flute/new.mp4", pictures, sound[::-1].copy())
    after = audit_of(checkout / "results" / make_figures(checkout, found.yaml, target))
    assert set(after.clip_id) - set(before.clip_id) == {"new"}


@pytest.fixture
def own_root(tmp_path, monkeypatch) -> Path:
    """A checkout's configuration, and no more."""
    root = tmp_path / "home" / "checkout"
    shutil.copytree(project_root() / "config", root / "config", ignore=shutil.ignore_patterns("own"))
    monkeypatch.setenv("AVSEP_ROOT", str(root))
    return root


def dataset(folder: Path, text: str, name: str = "garden.yaml") -> Path:
    (folder / "videos").mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_a_profile_is_written_for_a_dataset(own_root):
    path = dataset(own_root, "format: videos\nroot: videos\ntitle: Garden\nencoders: {image: {steps: 9}}\n")
    profile = load_profile(write_own_profile("smoke", path))
    assert profile.name == "smoke-garden"
    assert list(profile.datasets) == ["garden"]
    assert profile.main_dataset == "garden"
    assert profile.title_of("garden") == "Garden"
    assert profile.encoders_for("garden").image.steps == 9
    runs = {run.run_id: run for run in profile_runs(profile)}
    assert {run.dataset for run in runs.values()} == {"garden"}
    listed = {run.run_id for run in load_runs() if run.dataset == "music11"}
    assert set(runs) < listed, "rows keep the ids that they have on the dataset whose place this is"
    assert load_plan("smoke-garden").min_seconds("garden") == pytest.approx(32_767 / 11_625)


def test_rows_of_another_role_are_named_after_the_dataset(own_root):
    profile = load_profile(
        write_own_profile("smoke", dataset(own_root, "format: videos\nroot: videos\nin_place_of: wild\n"))
    )
    runs = {run.run_id: run.row for run in profile_runs(profile)}
    assert runs["late-garden-s0"] == "late"
    assert profile.dataset_in("wild") == "garden"
    assert profile.dataset_in("music21") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("format: videos\nroot: nowhere\n", "there is no folder .*nowhere"),
        ("format: index\nroot: videos\n", "needs lists"),
        ("format: index\nroot: videos\nlists: {all: gone.csv}\n", "there is no file .*gone.csv"),
        ("format: videos\nroot: videos\nfsp: 8\n", "unknown key 'fsp'"),
        ("format: tapes\nroot: videos\n", "'tapes' is not one of"),
        ("root: videos\n", "the key format"),
        ("format: videos\nroot: videos\npolicy: {silent: keep}\n", "policy.silent is 'keep'"),
        ("format: videos\nroot: videos\nname: My Garden\n", "lower-case letters"),
        ("format: videos\nroot: videos\nname: music21\n", "give it another name"),
        ("format: [videos\n", "not valid YAML"),
    ],
)
def test_a_dataset_file_that_is_wrong_stops_before_the_first_job(own_root, text, words):
    with pytest.raises(ConfigError, match=words):
        write_own_profile("smoke", dataset(own_root, text))
    assert not list((own_root / "config").glob("own/*.yaml")), "nothing half-written is left behind"


def test_what_was_left_out_stands_in_a_sentence(own_root):
    name = write_own_profile("smoke", dataset(own_root, "format: videos\nroot: videos\ntitle: Garden\n"))
    assert data_notes("smoke") == data_notes(name) == "", "rendered data, and data that are not audited yet"
    audit = {"n_kept": 211, "n_items": 230, "dropped": {"missing": 12, "no_audio": 7, "silent": 0}}
    write_json(data_root(name, "garden") / "dataset" / "audit.json", audit)
    note = data_notes(name)
    assert note.startswith("Garden: 211 of 230 items used; dropped by policy: 12 missing, 7 no audio.")
    assert note.endswith("trained on this dataset's own training clips.")


def test_the_templates_are_readable_once_their_folders_exist(own_root):
    for path in sorted((own_root / "config" / "datasets").glob("*.yaml")):
        data = yaml.safe_load(path.read_text())
        (path.parent / data["root"]).mkdir(parents=True, exist_ok=True)
        for files in data.get("lists", {}).values():
            for name in [files] if isinstance(files, str) else files:
                (path.parent / name).parent.mkdir(parents=True, exist_ok=True)
                (path.parent / name).touch()
        assert read_dataset(str(path), own_root, "test").format == data["format"]
