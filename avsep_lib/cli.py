"""What all commands of the suite share: JSON arguments, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from avsep_lib.errors import AvsepError, storage_error
from avsep_lib.files import read_json
from avsep_lib.text_files import parse_json


def json_argument(text: str) -> Any:
    """Argument type: JSON written out (the workflow does), or the path of a JSON file (people do)."""
    try:
        return parse_json(text) if text.lstrip().startswith(("{", "[")) else read_json(Path(text))
    except (ValueError, AvsepError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither JSON nor a readable JSON file: {error}") from None


def run_main(main: Callable[[], None]) -> None:
    """Run a command line's `main`: what a user can mend becomes one line on stderr and exit code 1, a bug its traceback.

    That is every `AvsepError`, a system that does not let files be written, and one that has no memory left.
    """
    try:
        main()
    except AvsepError as error:
        _end(error)
    except MemoryError as error:
        _end(f"MemoryError: {error or 'no memory left'}; close other programs, or use fewer processes (CORES=1)")
    except OSError as error:
        if not (told := storage_error(error)):
            raise
        _end(told)


def _end(error: AvsepError | str) -> NoReturn:
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    print(text, file=sys.stderr)
    sys.exit(1)
