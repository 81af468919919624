"""The command ``avsep``: what it lists, what it imports, and how it ends."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from avsep_lib.command import COMMANDS, parse
from avsep_lib.paths import project_root


def avsep(*words: object) -> subprocess.CompletedProcess:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "avsep_lib.command", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_is_installed_under_its_name() -> None:
    project = tomllib.loads((project_root() / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"avsep": "avsep_lib.command:main"}


def test_help_lists_every_command_and_imports_none() -> None:
    done = avsep("--help")
    assert done.returncode == 0
    for name, (_, summary) in COMMANDS.items():
        assert name in done.stdout
        assert summary in " ".join(done.stdout.split())
    code = (
        "import sys; from avsep_lib.command import parse; parse(['weights', 'where']);"
        "sys.exit(','.join({'torch', 'pandas', 'avsep_lib.separation'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("words", [[], ["nosuch"], ["weights"], ["weights", "nosuch"], ["weights", "convert", "a.pt"]])
def test_wrong_words_are_a_usage_message(words: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(words)
    assert stopped.value.code == 2
    assert "usage: avsep" in capsys.readouterr().err


def test_where_names_file_repository_size_place_and_setting() -> None:
    done = avsep("weights", "where")
    assert done.returncode == 0
    for words in (
        "open_clip_model.safetensors (605 MB) of timm/vit_base_patch32_clip_224.openai", "encoders.image.weights",
        "630k-audioset-best.pt", "lukewys/laion_clap", "encoders.audio.weights", "HTSAT-base",
        "resnet18-f37072fd.pth (47 MB)", "model.backbone_weights", "vocab.json and merges.txt", "encoders.audio.tokenizer",
        "weights/clap-htsat-tiny.safetensors",
    ):  # fmt: skip
        assert words in done.stdout


def test_an_error_is_one_line_and_exit_code_one(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"\x80\x04.")
    for words, message in (
        (("check", tmp_path / "none.safetensors"), "is missing"),
        (("check", tmp_path), "is missing or no file"),
        (("check", tmp_path / "a.pt"), "was not opened"),
        (
            ("convert", tmp_path / "a.pt", "--kind", "clap", "--out", tmp_path / "b.safetensors"),
            "--trust-pickle --sha256",
        ),
    ):
        done = avsep("weights", *words)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("WeightsError: ")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt"]
