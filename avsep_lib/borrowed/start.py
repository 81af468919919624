"""Start of a bundle, standard library only: ``python3 <bundle> --minutes 9 --out FOLDER``.

`avsep_lib.borrowed.bundle` copies this file to ``__main__.py`` of the bundle. It unpacks the wheels (once for each working
folder) and becomes `avsep_lib.borrowed.run` with the bundle's own code first on the path.
"""

import os
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLACE = "--work"


def working_folder(arguments: list[str]) -> Path:
    """Where everything is kept between commands: ``--work``, or a folder of the machine's temporary ones."""
    for i, word in enumerate(arguments):
        if word == PLACE and i + 1 < len(arguments):
            return Path(arguments[i + 1])
        if word.startswith(f"{PLACE}="):
            return Path(word.partition("=")[2])
    return Path(tempfile.gettempdir()) / "avsep-borrowed"


def unpack_wheels(target: Path) -> None:
    """The bundle's wheels as a folder of packages; pip is not needed, because none of them has scripts or data."""
    wheels = sorted((HERE / "wheels").glob("*.whl"))
    done = target / "unpacked.txt"
    names = "\n".join(wheel.name for wheel in wheels)
    if done.exists() and done.read_text() == names:
        return
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
    target.mkdir(parents=True, exist_ok=True)
    done.write_text(names)


def main() -> None:
    """Unpack, then become the run."""
    arguments = sys.argv[1:]
    work = working_folder(arguments)
    unpack_wheels(work / "site")
    if not any(word.split("=")[0] == PLACE for word in arguments):
        arguments += [PLACE, str(work)]
    paths = [str(HERE), str(work / "site"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "HF_HUB_OFFLINE": "1"}
    environment["PYTHONSAFEPATH"] = "1"  # a checkout in the working directory must not come before the bundle
    command = [sys.executable, "-m", "avsep_lib.borrowed.run", "--bundle", str(HERE), *arguments]
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)


if __name__ == "__main__":
    main()
