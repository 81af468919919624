"""``python -m avsep_lib.separation``: the same as ``avsep separate``."""

from avsep_lib.cli import run_main
from avsep_lib.separation.command import main

run_main(main)
