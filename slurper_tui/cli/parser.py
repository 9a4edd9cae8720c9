"""The command line as argparse understands it: which command, and one parser for each."""

import argparse
import os
from collections.abc import Callable, Sequence
from typing import NoReturn

from slurper_tui.cli.exit_codes import Stop

PROG = "slurper-tui"
MONITOR = ""
"""The name of the command without a name."""

_VALUES = frozenset(
    {"--account", "--interval", "--theme", "--config", "--log", "--status", "--deadline", "--since"}
)
_LATER = (
    *("wait", "logs", "failures", "pause", "resume", "abort", "delete"),
    *("retry", "create", "precheck", "report", "replay", "doctor", "help"),
)


class Parser(argparse.ArgumentParser):
    """argparse, with its complaints in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise Stop with the message instead of printing the usage."""
        raise Stop(f"{message} (see {self.prog} --help)")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; `command` is MONITOR or a command's name. Raises Stop."""
    name, rest = split_command(arguments)
    options = _PARSERS[name]().parse_intermixed_args(rest)
    options.command = name
    return options


def split_command(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Take the command out of the arguments, wherever the options left it.

    Raises Stop when the first word is no command but meant as one.
    """
    place = _first_word(arguments)
    if place is None:
        return MONITOR, list(arguments)
    word = arguments[place]
    if word in _PARSERS:
        return word, [*arguments[:place], *arguments[place + 1 :]]
    _refuse_likely_command(word)
    return MONITOR, list(arguments)


def _first_word(arguments: Sequence[str]) -> int | None:
    """Where the first word stands that is neither an option nor an option's value."""
    skip = False
    for place, text in enumerate(arguments):
        if skip:
            skip = False
        elif text == "--":
            return None
        elif text.startswith("-") and text != "-":
            skip = text in _VALUES
        else:
            return place
    return None


def _refuse_likely_command(word: str) -> None:
    """Any word may be the beginning of a job's id, but hardly one that nearly is a command."""
    import difflib  # 4 ms, only when something is wrong

    known = [name for name in _PARSERS if name]
    if word in _LATER:
        near = difflib.get_close_matches(word, known, 1, cutoff=0.0)
    else:
        near = difflib.get_close_matches(word, known, 1, cutoff=0.7)
    if near:
        raise Stop(f"unknown command {word!r}; the nearest is {near[0]!r} (see {PROG} --help)")


def _monitor() -> Parser:
    parser = _parser(
        f"{PROG} [JOB]... [OPTION]...\n       {PROG} COMMAND [OPTION]...",
        "Shows every Super Slurper job of an account, live. Lines instead of a screen where "
        "there is no terminal.",
        "commands:\n"
        "  jobs [--json] [--status S]...   one line a job, once\n"
        "  progress JOB [--json]           one job, once\n"
        "  watch [JOB]... [--json]         a plain line whenever something changes\n"
        "  history [JOB] [--json|--csv]    what was recorded; --path: where\n"
        "  digest [--since TIME] [--json]  what happened since somebody last looked\n\n"
        "A JOB is an id or the beginning of one.\n\n"
        "environment:\n"
        "  CLOUDFLARE_API_TOKEN, or CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY\n"
        "  CLOUDFLARE_ACCOUNT_ID           one id, or several with commas between\n"
        "  CLOUDFLARE_BASE_URL             another address of the API, its path included\n\n"
        "exit codes:\n"
        "  0 done  2 usage  3 credentials  4 objects failed  5 a job aborted or gone\n"
        "  7 the API failed  70 a bug  129 130 131 143 ended by a signal",
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="only these jobs")
    parser.add_argument("--mouse", action="store_true", default=None, help="listen to the mouse")
    parser.add_argument("--theme", metavar="NAME", help="the colours")
    parser.add_argument("--deadline", metavar="TIME", help='say what will be late: "Fri 18:00"')
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    return parser


def _jobs() -> Parser:
    parser = _parser(f"{PROG} jobs [OPTION]...", "Prints one line a job, once.")
    _json(parser, "one JSON array")
    parser.add_argument(
        "--status",
        action="append",
        metavar="S",
        default=[],
        help="only jobs of this status: the API's word or the screen's (repeatable)",
    )
    return parser


def _progress() -> Parser:
    parser = _parser(f"{PROG} progress JOB [OPTION]...", "Prints one job, once.")
    parser.add_argument("job", metavar="JOB", help="its id, or the beginning of it")
    _json(parser, "one JSON object")
    return parser


def _watch() -> Parser:
    parser = _parser(
        f"{PROG} watch [JOB]... [OPTION]...",
        "Prints each job once and then a line whenever its status, phase, whole percent or "
        "failed count changes. Ends when every JOB has ended; without JOB it runs until stopped.",
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="ids, or beginnings of ids")
    _json(parser, "JSON Lines")
    return parser


def _history() -> Parser:
    parser = _parser(
        f"{PROG} history [JOB] [OPTION]...",
        "Prints every sample that was recorded, the oldest first. Asks nothing of the API.",
    )
    parser.add_argument("jobs", nargs="?", metavar="JOB", help="its id, or the beginning of it")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="one JSON array")
    forms.add_argument("--csv", action="store_true", help="comma separated, with a header")
    forms.add_argument("--path", action="store_true", help="print where the history is, no more")
    return parser


def _digest() -> Parser:
    parser = _parser(
        f"{PROG} digest [OPTION]...",
        "Tells what happened while nobody looked, and what is to be done, the worst first.",
    )
    parser.add_argument(
        "--since", metavar="TIME", help='"Mon 18:00", "2h" (default: the last absence)'
    )
    _json(parser, "one JSON object")
    return parser


_PARSERS: dict[str, Callable[[], Parser]] = {
    MONITOR: _monitor,
    "jobs": _jobs,
    "progress": _progress,
    "watch": _watch,
    "history": _history,
    "digest": _digest,
}


def _parser(usage: str, description: str, epilog: str | None = None) -> Parser:
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


def _json(parser: Parser, what: str) -> None:
    parser.add_argument("--json", action="store_true", help=what)


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Help as wide as the terminal; argparse itself would import shutil to find out."""
    try:
        width = os.get_terminal_size().columns
    except OSError:
        width = 80
    return argparse.RawDescriptionHelpFormatter(prog, width=max(40, min(width, 100) - 2))
