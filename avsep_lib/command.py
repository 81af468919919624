"""The command ``avsep``: ``avsep weights ...`` and ``avsep separate ...``; ``avsep --help`` lists them.

Each subcommand is a module with ``add_arguments(parser)`` and ``run(arguments)``, imported only when it is asked for.
The steps of the workflow are not here; they are ``python -m avsep_lib.<step>``.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from avsep_lib.cli import run_main

COMMANDS = {
    "weights": ("avsep_lib.encoders.weights_command", "weights of pretrained encoders: where, check, convert"),
    "separate": ("avsep_lib.separation.command", "separate a mixture of one's own with a trained run"),
}


def parse(words: list[str]) -> argparse.Namespace:
    """Parse a command line; `run` of the result is the function to call with it.

    Only the subcommand that comes first in `words` is imported.
    """
    parser = argparse.ArgumentParser(prog="avsep", description="Audio-visual sound separation.")
    commands = parser.add_subparsers(metavar="command", required=True)
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if words[:1] == [name]:
            found = importlib.import_module(module)
            found.add_arguments(command)
            command.set_defaults(run=found.run)
    return parser.parse_args(words)


def main() -> None:
    """Entry point of ``avsep``; an error a user can mend is one line on stderr and exit code 1."""
    arguments = parse(sys.argv[1:])
    run_main(lambda: arguments.run(arguments))


if __name__ == "__main__":
    main()
