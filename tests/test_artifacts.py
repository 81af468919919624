"""Figures and tables: complete sidecars, the same bytes for the same data, nothing on a mistake."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from avsep_lib import artifacts
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.files import sha256_file


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    (tmp_path / "scores.csv").write_text("sdr_db\n1.0\n")
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    return tmp_path


def draw(values=(1.0, 3.0, 2.0)):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    ax.plot(values, label="SDR")
    ax.legend()
    return ax


def save(ax, name="curve", **changes):
    options = {"profile": "smoke", "inputs": ["scores.csv"], "parameters": {"seed": 1}, "caption": "A curve."}
    return artifacts.save_figure(ax, name, **options | changes)


def test_figure_and_sidecar(root):
    data = pd.DataFrame({"step": [0, 1], "sdr_db": [1.0, 2.5]})
    sidecar = save(draw(), data=data)
    folder = root / "results/smoke/artifacts"
    assert sidecar == (folder / "fig_curve.json").relative_to(root)
    record = json.loads((root / sidecar).read_text())
    assert set(record["outputs"]) == {"fig_curve.png", "fig_curve.svg", "fig_curve.csv"}
    for name, digest in record["outputs"].items():
        assert sha256_file(folder / name) == digest
    assert record["inputs"] == {"scores.csv": sha256_file(root / "scores.csv")}
    assert record["parameters"] == {"seed": 1}
    assert "avsep_lib.artifacts" in record["code"]["modules"]
    assert record["packages"]["numpy"]
    assert record["python"]
    assert record["hardware"]["cores"] >= 1
    assert record["wall_time_s"] >= 0
    pd.testing.assert_frame_equal(pd.read_csv(folder / "fig_curve.csv"), data)


def test_pictures_depend_on_the_drawing_only(root):
    hashes = []
    for values in ((1, 3, 2), (1, 3, 2), (1, 3, 4)):
        record = json.loads((root / save(draw(values))).read_text())
        hashes.append(record["outputs"])
    assert hashes[0] == hashes[1]
    assert all(hashes[0][name] != hashes[2][name] for name in hashes[0])


def test_figure_axes_and_arrays_of_axes_are_accepted(root):
    from matplotlib.figure import Figure

    grid = Figure().subplots(2, 2)
    for number, thing in enumerate((grid, grid[0, 0], grid[0, 0].figure)):
        save(thing, f"grid_{number}")
    pictures = {sha256_file(p) for p in (root / "results/smoke/artifacts").glob("*.png")}
    assert len(pictures) == 1


def test_table_formats(root):
    frame = pd.DataFrame({"method": ["late & early", "hier_align"], "sdr_db": [1.23456, None], "n": [3, 4]})
    options = {"profile": "smoke", "inputs": [], "parameters": {}, "caption": "50 % of it."}
    artifacts.save_table(frame, "ablation", **options)
    folder = root / "results/smoke/artifacts"
    assert "1.23456" in (folder / "tab_ablation.csv").read_text()
    markdown = (folder / "tab_ablation.md").read_text()
    assert "1.23 " in markdown
    assert "–" in markdown
    assert "| 3 " in markdown
    latex = (folder / "tab_ablation.tex").read_text()
    assert r"\toprule" in latex
    assert r"late \& early" in latex
    assert r"hier\_align" in latex
    assert r"\caption{50 \% of it.}" in latex
    assert r"\label{tab:ablation}" in latex
    assert "{lrr}" in latex


def test_named_index_becomes_a_column(root):
    frame = pd.DataFrame({"row": ["late"], "sdr_db": [1.0]}).set_index("row")
    artifacts.save_table(frame, "indexed", profile="smoke", inputs=[], parameters={}, caption="Rows.")
    assert (root / "results/smoke/artifacts/tab_indexed.csv").read_text().startswith("row,sdr_db\nlate,1.0")


@pytest.mark.parametrize(
    ("changes", "error", "word"),
    [
        ({"name": "Fig 1"}, ConfigError, "Fig 1"),
        ({"caption": " "}, ConfigError, "caption"),
        ({"inputs": ["gone.csv"]}, DataError, "gone.csv"),
    ],
)
def test_a_mistake_writes_nothing(root, changes, error, word):
    with pytest.raises(error, match=word):
        save(draw(), **{"name": "curve"} | changes)
    assert not [path for path in root.rglob("*") if path.name.startswith(("fig_", "tab_"))]


def test_a_failing_writer_leaves_no_file(root):
    class Broken:
        def savefig(self, path, **_):
            path.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save(Broken())
    assert list((root / "results/smoke/artifacts").iterdir()) == []


def test_importing_artifacts_is_light():
    code = "import sys, avsep_lib.artifacts; print([m for m in ('matplotlib', 'pandas', 'torch') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
