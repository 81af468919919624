"""How every command of the suite ends: a clear line and exit code 1 for a mistake, a traceback for a bug."""

from __future__ import annotations

import sys
from collections.abc import Callable

from avsep_lib.errors import AvsepError


def run_main(main: Callable[[], None]) -> None:
    """Run a command line's `main`; turn `AvsepError` into one line on stderr and exit code 1."""
    try:
        main()
    except AvsepError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
