"""Long tests stay out of `make test`, and their report says what failed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = '''
import pandas as pd
import pytest


@pytest.mark.long
def test_kept(long_report):
    """Promises that are kept."""
    long_report.count("promises", 12_345)
    long_report.table("All of them.", pd.DataFrame({"found": ["0.950"]}))


@pytest.mark.long
def test_broken(long_report):
    """Promises that are broken."""
    long_report.count("promises", 10, failed=1)
    raise AssertionError


def test_short():
    pass
'''


def pytest_in(folder, *arguments):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/long", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_long_tests_run_and_report_only_when_asked(tmp_path):
    (tmp_path / "tests" / "long").mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / "tests" / "long" / "conftest.py", tmp_path / "tests" / "long")
    (tmp_path / "tests" / "long" / "test_two.py").write_text(TESTS)

    plain = pytest_in(tmp_path)
    assert "1 passed, 2 deselected" in plain.stdout, plain.stdout + plain.stderr

    asked = pytest_in(tmp_path, "-m", "long", "--long-report", "report.md")
    assert "1 failed, 1 passed, 1 deselected" in asked.stdout, asked.stdout + asked.stderr
    lines = (tmp_path / "report.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| Promises")]
    assert [row[:5] for row in rows] == [
        ["Promises that are kept", "promises", "12,345", "0", "passed"],
        ["Promises that are broken", "promises", "10", "1", "failed"],
    ]
    assert re.match(r"Written by `make test-long` on \d{4}-\d\d-\d\d \d\d:\d\d UTC", lines[2])
    assert "## Promises that are kept" in lines


def test_make_test_long_writes_the_committed_report():
    recipe = (ROOT / "Makefile").read_text().partition("test-long: $(READY)\n")[2].splitlines()[0]
    assert "-m long tests/long " in recipe
    assert " --long-report tests/long_report.md" in recipe
    assert (ROOT / "tests" / "long_report.md").read_text().startswith("# Long tests\n")


def test_a_part_that_is_not_run_again_keeps_its_own_date(tmp_path):
    (tmp_path / "tests" / "long").mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / "tests" / "long" / "conftest.py", tmp_path / "tests" / "long")
    (tmp_path / "tests" / "long" / "test_two.py").write_text(TESTS)
    pytest_in(tmp_path, "-m", "long", "--long-report", "report.md")
    store = tmp_path / "report.json"
    store.write_text(re.sub(r'"date": "\d{4}', '"date": "1999', store.read_text()))

    pytest_in(tmp_path, "-m", "long", "-k", "kept", "--long-report", "report.md")
    rows = [line for line in (tmp_path / "report.md").read_text().splitlines() if line.startswith("| Promises")]
    assert ["1999" in row for row in rows] == [False, True]
