"""What the parsers of all commands have in common."""

import argparse
import os
import sys
from typing import NoReturn

from slurper_tui.cli.exit_codes import Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _typeshed import SupportsWrite

PROG = "slurper-tui"

MASK = "\0"
"""Stands before a word that is no option, however it begins."""


class Parser(argparse.ArgumentParser):
    """argparse, with its complaints in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise Stop with the message instead of printing the usage."""
        raise Stop(f"{message.replace(MASK, '')} (see {self.prog} --help)")

    def print_help(self, file: "SupportsWrite[str] | None" = None) -> None:
        """Write the help at once; argparse itself would not say that it could not be written."""
        stream = sys.stdout if file is None else file
        if stream is None:
            return
        try:
            stream.write(self.format_help())
            sys.stdout.flush()
        except OSError as error:
            from slurper_tui.cli.output import unwritable  # only when something is wrong

            raise unwritable(error) from None


def make_parser(usage: str, description: str, epilog: str | None = None) -> Parser:
    """A parser with the options that every command takes."""
    parser = Parser(
        prog=PROG,
        usage=usage,
        description=description,
        epilog=epilog,
        allow_abbrev=False,
        formatter_class=_formatter,
    )
    add = parser.add_argument
    add("--demo", action="store_true", help="a simulated account; nothing else is needed")
    add("--account", action="append", metavar="ID", default=[], help="an account (repeatable)")
    add("--interval", metavar="S", help="seconds between rounds, at least 2 (5)")
    add("--utc", action="store_true", default=None, help="times in UTC")
    add("--ascii", action="store_true", default=None, help="letters instead of symbols")
    add("--config", metavar="FILE", help="another configuration file")
    add("--no-history", action="store_true", help="record nothing")
    add("--log", metavar="FILE", help="append what was asked, answered and decided")
    return parser


def add_json(parser: Parser, what: str) -> None:
    """Let a command speak JSON. what: its shape."""
    parser.add_argument("--json", action="store_true", help=what)


def add_timeout(parser: Parser) -> None:
    """Let a command say how long it may wait while the API limits the rate of requests."""
    parser.add_argument(
        "--timeout", metavar="S", help="seconds to wait where the API answers 429 (60)"
    )


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Help as wide as the terminal; argparse itself would import shutil to find out."""
    try:
        width = os.get_terminal_size().columns
    except OSError:
        width = 80
    return argparse.RawDescriptionHelpFormatter(prog, width=max(40, min(width, 100) - 2))
