"""Give the packages of environment.yml the versions of requirements.lock (part of `make lock`)."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Names that differ between conda and the Python index.
CONDA_NAMES = {"pytorch": "torch"}


def canonical(name: str) -> str:
    """A package name as indexes compare them."""
    return re.sub(r"[-_.]+", "-", CONDA_NAMES.get(name, name)).lower()


def locked_versions(text: str, python: str = "3.12") -> dict[str, str]:
    """Version of every package in a lock; where Pythons differ, that of `python`."""
    versions = {}
    for name, version, marker in re.findall(r"^([\w.-]+)==([^\s;]+)(?: ; ([^\\\n]+))?", text, re.MULTILINE):
        if not re.search(rf"python_full_version < '{re.escape(python)}'", marker):
            versions[canonical(name)] = version
    return versions


def pinned(text: str, versions: dict[str, str]) -> str:
    """`text` with every ``name=version`` and ``name==version`` brought to the lock; others stay."""

    def version(match: re.Match) -> str:
        wanted = versions.get(canonical(match["name"]), match["version"])
        return f"{match['head']}{match['name']}{match['equals']}{wanted}"

    return re.sub(
        r"^(?P<head>\s*- )(?P<name>[\w.-]+)(?P<equals>==?)(?P<version>\S+)", version, text, flags=re.MULTILINE
    )


if __name__ == "__main__":
    path = ROOT / "environment.yml"
    path.write_text(pinned(path.read_text(), locked_versions((ROOT / "requirements.lock").read_text())))
