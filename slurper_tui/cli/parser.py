"""The command line: one argparse parser for each command, and the choice of the command.

`split_command` finds the command's name among the options; `parse` runs that command's parser.
Options common to all commands are in `make_parser`. An option with a value must also be listed
in `VALUES`, `WRITING_VALUES` or `_VALUES`, so that its value is not taken for the command.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from slurper_tui.cli.errors import CliError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


PROG = "slurper-tui"

MASK = "\0"
"""Prefix that marks a word after `--`, so that argparse does not take it for an option."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises CliError with a one-line message."""

    def error(self, message: str) -> NoReturn:
        """Raise CliError with the message instead of printing the usage."""
        raise CliError(f"{message.replace(MASK, '')} (see {self.prog} --help)")

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Write and flush the help. Raises CliError on a write error, which argparse ignores."""
        stream = sys.stdout if file is None else file
        if stream is None:
            return
        try:
            stream.write(self.format_help())
            sys.stdout.flush()
        except OSError as error:
            from slurper_tui.cli.output import unwritable  # only after an error

            raise unwritable(error) from None


def make_parser(usage: str, description: str, epilog: str | None = None) -> Parser:
    """Return a parser with the options that every command accepts."""
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
    """Add the --json option. what: its help, which describes the JSON's shape."""
    parser.add_argument("--json", action="store_true", help=what)


def add_timeout(parser: Parser) -> None:
    """Add the --timeout option: seconds to wait under a rate limit."""
    parser.add_argument(
        "--timeout", metavar="S", help="seconds to wait where the API answers 429 (60)"
    )


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Return a formatter as wide as the terminal; argparse's default would import shutil."""
    try:
        width = os.get_terminal_size().columns
    except OSError:
        width = 80
    return argparse.RawDescriptionHelpFormatter(prog, width=max(40, min(width, 100) - 2))


VALUES = frozenset({"--type", "--migration", "--timeout"})
"""Options with a value of the commands that only read, except those in `_VALUES`."""


def monitor() -> Parser:
    """Return the parser of the monitor, the command without a name."""
    parser = make_parser(
        f"{PROG} [JOB]... [OPTION]...\n       {PROG} COMMAND [OPTION]...",
        "Shows every Super Slurper job of an account, live. Lines instead of a screen where "
        "there is no terminal.",
        "commands:\n"
        "  jobs [--json] [--status S]...   one line a job, once\n"
        "  progress JOB [--json]           one job, once\n"
        "  watch [JOB]... [--json]         a plain line whenever something changes\n"
        "  history [JOB] [--json|--csv]    what was recorded; --path: where\n"
        "  digest [--since TIME] [--json]  what happened since somebody last looked\n"
        "  logs JOB [--follow] [--json]    every row of its log\n"
        "  failures JOB [--keys] [--json]  what failed, by reason and prefix\n"
        "  report JOB [--json]             the receipt of an ended job\n"
        "  pause|resume|abort|delete JOB   change a job; abort --all: every job\n"
        "  retry JOB [--draft FILE]        copy again exactly what failed\n"
        "  create, precheck                a new migration; whether its buckets open\n\n"
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
    parser.add_argument("--write", action="store_true", help="allow changing jobs")
    parser.add_argument("--theme", metavar="NAME", help="the colours")
    parser.add_argument("--deadline", metavar="TIME", help='say what will be late: "Fri 18:00"')
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    return parser


def jobs() -> Parser:
    """Return the parser of `jobs`."""
    parser = make_parser(f"{PROG} jobs [OPTION]...", "Prints one line a job, once.")
    add_json(parser, "one JSON array")
    add_timeout(parser)
    parser.add_argument(
        "--status",
        action="append",
        metavar="S",
        default=[],
        help="only jobs of this status: the API's word or the screen's (repeatable)",
    )
    return parser


def progress() -> Parser:
    """Return the parser of `progress`."""
    parser = make_parser(f"{PROG} progress JOB [OPTION]...", "Prints one job, once.")
    parser.add_argument("job", metavar="JOB", help="its id, or the beginning of it")
    add_json(parser, "one JSON object")
    add_timeout(parser)
    return parser


def watch() -> Parser:
    """Return the parser of `watch`."""
    parser = make_parser(
        f"{PROG} watch [JOB]... [OPTION]...",
        "Prints each job once and then a line whenever its status, phase, whole percent or "
        "failed count changes. Ends when every JOB has ended; without JOB it runs until stopped.",
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="ids, or beginnings of ids")
    add_json(parser, "JSON Lines")
    return parser


def history() -> Parser:
    """Return the parser of `history`."""
    parser = make_parser(
        f"{PROG} history [JOB] [OPTION]...",
        "Prints every sample that was recorded, the oldest first. Asks nothing of the API.",
    )
    parser.add_argument("jobs", nargs="?", metavar="JOB", help="its id, or the beginning of it")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="one JSON array")
    forms.add_argument("--csv", action="store_true", help="comma separated, with a header")
    forms.add_argument("--path", action="store_true", help="print where the history is, no more")
    return parser


def digest() -> Parser:
    """Return the parser of `digest`."""
    parser = make_parser(
        f"{PROG} digest [OPTION]...",
        "Tells what happened while nobody looked, and what is to be done, the worst first.",
    )
    parser.add_argument(
        "--since", metavar="TIME", help='"Mon 18:00", "2h" (default: the last absence)'
    )
    add_json(parser, "one JSON object")
    add_timeout(parser)
    return parser


def logs() -> Parser:
    """Return the parser of `logs`."""
    parser = make_parser(
        f"{PROG} logs JOB [OPTION]...",
        "Prints every row of a job's log, the newest first; with --follow the oldest first, and "
        "then whatever comes.",
    )
    parser.add_argument("job", metavar="JOB", help="its id, or the beginning of it")
    _type(parser, "only rows of this type, as the API names it (repeatable)")
    parser.add_argument("--follow", action="store_true", help="wait for more until stopped")
    add_json(parser, "JSON Lines")
    add_timeout(parser)
    return parser


def failures() -> Parser:
    """Return the parser of `failures`."""
    parser = make_parser(
        f"{PROG} failures JOB [OPTION]...",
        "Tells which objects failed or were not copied, by reason and prefix; or their exact keys.",
    )
    parser.add_argument("job", metavar="JOB", help="its id, or the beginning of it")
    _type(parser, "only rows of this type, as the API names it (repeatable)")
    parser.add_argument("--keys", action="store_true", help="the exact keys, one a line")
    parser.add_argument("--null", action="store_true", help="with --keys: NUL between them")
    add_json(parser, "one JSON object; with --keys an array")
    add_timeout(parser)
    return parser


def report() -> Parser:
    """Return the parser of `report`."""
    parser = make_parser(
        f"{PROG} report JOB [OPTION]...\n       {PROG} report --migration SOURCE [OPTION]...",
        "Prints the receipt of an ended job, or of all jobs of one migration, as Markdown.",
    )
    parser.add_argument("jobs", nargs="?", metavar="JOB", help="its id, or the beginning of it")
    parser.add_argument(
        "--migration",
        metavar="SOURCE",
        help="a source bucket, or SOURCE:TARGET where it went to several targets",
    )
    add_json(parser, "one JSON object")
    add_timeout(parser)
    return parser


def _type(parser: Parser, what: str) -> None:
    parser.add_argument("--type", action="append", metavar="T", default=[], help=what)


_SOURCE = (
    ("--source-vendor", "V", "s3, gcs or r2"),
    ("--source-bucket", "NAME", "the bucket to copy from"),
    ("--endpoint", "URL", "s3: https://... of a service that is not Amazon's"),
    ("--region", "NAME", "s3: the bucket's region"),
    ("--source-jurisdiction", "J", "r2: default, eu, us or fedramp"),
    ("--prefix", "P", "only keys that begin so"),
    ("--keys-file", "FILE", "only these keys: one a line, or a JSON array; - is stdin"),
)
_TARGET = (
    ("--target-bucket", "NAME", "the R2 bucket to copy to"),
    ("--target-jurisdiction", "J", "default, eu, us or fedramp"),
)
_SECRETS = (("--secrets", "FILE", "TOML with the keys to the buckets, readable by you alone"),)
_RETRY = (
    ("--draft", "FILE", "write the request there instead of sending it; - is stdout"),
    ("--region", "NAME", "s3: the source's region, which the API does not tell"),
)
_SPLIT = (("--prefixes", "FILE", "one job for each prefix in it, one a line; - is stdin"),)

WRITING_VALUES = frozenset(
    name for options in (_SOURCE, _TARGET, _SECRETS, _RETRY, _SPLIT) for name, _, _ in options
) | {"--file", "--cancel", "--send-again"}
"""Options with a value of the commands that start jobs."""

_WHERE_SECRETS = (
    "The keys to the buckets are asked for at the terminal, without echo, or taken from the\n"
    "variables SLURPER_SOURCE_ACCESS_KEY_ID and SLURPER_SOURCE_SECRET_ACCESS_KEY (GCS:\n"
    "SLURPER_SOURCE_CLIENT_EMAIL and SLURPER_SOURCE_PRIVATE_KEY), SLURPER_TARGET_ACCESS_KEY_ID\n"
    "and SLURPER_TARGET_SECRET_ACCESS_KEY, or from --secrets FILE. They are never kept."
)


_FILE = (
    "A file for --file is the API's create request without its secrets, as TOML or JSON:\n"
    "  overwrite = true\n"
    "  [source]\n"
    '  vendor = "s3"\n'
    '  bucket = "photos"\n'
    '  endpoint = "https://..."    # also: region, jurisdiction, pathPrefix, keys\n'
    "  [target]\n"
    '  bucket = "media"            # also: jurisdiction'
)


_ANSWERS = (
    "Says what follows and asks first. A no, or a plain Enter, ends with 0: nothing was done.\n"
    "Ends with 2 where it cannot work now or nobody answers, with 7 where the API refuses or\n"
    "no poll shows it within a minute. Nothing is ever sent twice."
)


def _change(verb: str, what: str) -> Callable[[], Parser]:
    def make() -> Parser:
        parser = make_parser(f"{PROG} {verb} JOB [--yes]", what, _ANSWERS)
        parser.add_argument("job", metavar="JOB", help="its id, or the beginning of it")
        _yes(parser)
        return parser

    return make


def _abort() -> Parser:
    parser = make_parser(
        f"{PROG} abort JOB [--yes]\n       {PROG} abort --all [--yes]",
        "Stops a job, or every job of an account, for good. Objects in flight finish.",
        f"The source bucket's name has to be typed; for --all the account's id.\n{_ANSWERS}",
    )
    parser.add_argument("jobs", nargs="?", metavar="JOB", help="its id, or the beginning of it")
    parser.add_argument("--all", action="store_true", help="every job of the account")
    _yes(parser)
    return parser


def _retry() -> Parser:
    parser = make_parser(
        f"{PROG} retry JOB [OPTION]...",
        "Makes a job of exactly the keys that failed in another.",
        _WHERE_SECRETS,
    )
    parser.add_argument("job", metavar="JOB", help="its id, or the beginning of it")
    parser.add_argument(
        "--type",
        action="append",
        metavar="T",
        default=[],
        help="rows of this type instead, as the API names it (repeatable)",
    )
    _add(parser, *_RETRY, *_SECRETS)
    _no_precheck(parser)
    _yes(parser)
    parser.add_argument(
        "--again", action="store_true", help="although an earlier retry of it is known"
    )
    add_json(parser, "one JSON object for each job")
    return parser


def _create() -> Parser:
    parser = make_parser(
        f"{PROG} create [OPTION]...",
        "Starts a migration, or one for each prefix of a list as slots become free.",
        f"{_FILE}\n\n{_WHERE_SECRETS}",
    )
    _end_points(parser)
    parser.add_argument("--no-overwrite", action="store_true", help="leave what is there already")
    _no_precheck(parser)
    _add(parser, *_SPLIT)
    parser.add_argument(
        "--go-on", nargs="?", metavar="N", const="", help="start what is left of plan N"
    )
    parser.add_argument(
        "--send-again",
        action="append",
        metavar="N",
        default=[],
        help="with --go-on: send step N again, which was refused or not answered (repeatable)",
    )
    parser.add_argument("--cancel", metavar="N", help="start no more of plan N")
    _yes(parser)
    add_json(parser, "one JSON object for each job")
    return parser


def _precheck() -> Parser:
    parser = make_parser(
        f"{PROG} precheck [OPTION]...",
        "Tells whether both buckets can be reached with their keys.",
        f"{_FILE}\n\n{_WHERE_SECRETS}",
    )
    _end_points(parser)
    add_json(parser, "one JSON object")
    return parser


def _end_points(parser: Parser) -> None:
    parser.add_argument("--file", metavar="FILE", help="the request as TOML or JSON; flags win")
    _add(parser, *_SOURCE, *_TARGET, *_SECRETS)


def _add(parser: Parser, *options: tuple[str, str, str]) -> None:
    for name, value, what in options:
        parser.add_argument(name, metavar=value, help=what)


def _no_precheck(parser: Parser) -> None:
    parser.add_argument("--no-precheck", action="store_true", help="do not try the buckets first")


def _yes(parser: Parser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


PARSERS: dict[str, Callable[[], Parser]] = {
    "pause": _change("pause", "Pauses a running job."),
    "resume": _change("resume", "Resumes a paused job."),
    "abort": _abort,
    "delete": _change("delete", "Lets the API forget an ended job; nothing is undone."),
    "retry": _retry,
    "create": _create,
    "precheck": _precheck,
}


MONITOR = ""
"""Key of the monitor, which has no command name."""

_VALUES = frozenset(
    {
        *("--account", "--interval", "--theme", "--config", "--log", "--status", "--deadline"),
        *("--since", *VALUES, *WRITING_VALUES),
    }
)
_LATER = ("wait", "replay", "doctor", "help")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; `command` is MONITOR or a command's name. Raises CliError."""
    name, rest = split_command(arguments)
    options = _PARSERS[name]().parse_intermixed_args(_masked(rest))
    for option, value in vars(options).items():
        setattr(options, option, _unmasked(value))
    options.command = name
    return options


def _masked(arguments: Sequence[str]) -> list[str]:
    """Prefix the words after `--` with `MASK`; an argument cannot contain NUL itself."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return [*arguments[:place], *(f"{MASK}{word}" for word in arguments[place + 1 :])]


def _unmasked(value: object) -> object:
    if isinstance(value, list):
        return [_unmasked(item) for item in value]
    return value.removeprefix(MASK) if isinstance(value, str) else value


def split_command(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Split the arguments into (command, the rest); options may precede the command.

    Raises CliError when the first word resembles a command's name.
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
    """Return the index of the first word that is neither an option nor an option's value."""
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
    """Raise CliError for a word that is almost a command; other words may be job id prefixes."""
    import difflib  # 4 ms, only when something is wrong

    known = [name for name in _PARSERS if name]
    if word in _LATER:
        near = difflib.get_close_matches(word, known, 1, cutoff=0.0)
    else:
        near = difflib.get_close_matches(word, known, 1, cutoff=0.7)
    if near:
        raise CliError(f"unknown command {word!r}; the nearest is {near[0]!r} (see {PROG} --help)")


_PARSERS: dict[str, Callable[[], Parser]] = {
    MONITOR: monitor,
    "jobs": jobs,
    "progress": progress,
    "watch": watch,
    "history": history,
    "digest": digest,
    "logs": logs,
    "failures": failures,
    "report": report,
    **PARSERS,
}
