"""The command line: an argparse parser with a sub-parser for each entry of `COMMANDS`.

To add a command, add an entry to `COMMANDS`, one to `run._COMMAND_FUNCTIONS`, and a coroutine in
`cli/commands/`. A command that needs no monitor, such as `doctor`, is called in `run.perform`.

Every option is declared once, as an `Argument`. `make_parser` builds the parser for help and
completion; `parse` reads a command line. Options may come before the command's name, and operands
between options, which argparse's own choice of a sub-parser does not allow: `split_command` finds
the name, and the sub-parser gets all other words. `cli.completion` writes the shells' completion
from the same declarations.
"""

from __future__ import annotations

import argparse
import os
import sys

from slurper_tui.cli.errors import CliError

TYPE_CHECKING = False  # importing typing would take 2 ms of --help
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Any, NoReturn, TextIO

    from _typeshed import SupportsWrite


PROG = "slurper-tui"

MONITOR = ""
"""`command` of the parsed options when the command line names no command."""

MASK = "\0"
"""Prefix that marks a word after `--`, so that argparse does not take it for an option."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises CliError with a one-line message."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_formatter, **settings)

    def declare(self, arguments: Iterable[Argument]) -> None:
        """Add the arguments; those that exclude each other form one group."""
        group = None
        for argument in arguments:
            if argument.exclusive:
                group = group or self.add_mutually_exclusive_group()
            (group if argument.exclusive and group else self).add_argument(
                *argument.names, **argument.settings
            )

    def error(self, message: str) -> NoReturn:
        """Raise CliError with the message instead of printing the usage."""
        raise CliError(f"{message.replace(MASK, '')} (see {self.prog} --help)")

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Write the help. Raises CliError on a write error, which argparse ignores."""
        if file is None:
            write_text(self.format_help(), sys.stdout)
        else:
            file.write(self.format_help())


def write_text(text: str, stream: TextIO | None) -> None:
    """Write and flush help. Characters that the stream's encoding lacks become `?`.

    Raises CliError on a write error. stream: None where it is closed.
    """
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except OSError as error:
        from slurper_tui.cli.output import unwritable  # only after an error

        raise unwritable(error) from None


class _Formatter(argparse.HelpFormatter):
    """Wraps each line of a text that is not indented; indented lines are commands or tables."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = []
        for line in text.splitlines():
            whole = not line or line.startswith(" ")
            lines += [line] if whole else super()._fill_text(line, width, indent).splitlines()
        return "\n".join(lines)


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Return a formatter as wide as the terminal; argparse's default would import shutil."""
    try:
        width = os.get_terminal_size().columns
    except OSError:
        width = 80
    return _Formatter(prog, width=max(40, min(width, 100)) - 2)


class Argument:
    """What one `add_argument` gets.

    exclusive: excludes the command's other exclusive arguments. words: what a shell completes.
    """

    def __init__(
        self,
        *names: str,
        exclusive: bool = False,
        words: Collection[str] = (),
        **settings: Any,
    ) -> None:
        self.names = names
        self.settings = settings
        self.exclusive = exclusive
        self.words = words

    @property
    def takes_word(self) -> bool:
        """Whether it is an option and the word after it is always its value."""
        is_flag = self.settings.get("action") == "store_true"
        return self.names[0].startswith("-") and not is_flag and "nargs" not in self.settings


def _flag(name: str, what: str, **settings: Any) -> Argument:
    return Argument(name, action="store_true", help=what, **settings)


def _value(name: str, value: str, what: str) -> Argument:
    return Argument(name, metavar=value, help=what)


def _values(name: str, value: str, what: str) -> Argument:
    return Argument(name, action="append", metavar=value, default=[], help=what)


COMMON = (
    _flag("--demo", "a simulated account; nothing else is needed"),
    _values("--account", "NAME", "an account, by its name or id (repeatable)"),
    _value("--interval", "S", "seconds between rounds, at least 2 (5)"),
    _flag("--utc", "times in UTC", default=None),
    _flag("--ascii", "letters instead of symbols", default=None),
    _value("--config", "FILE", "another configuration file"),
    _flag("--no-history", "record nothing"),
    _value("--log", "FILE", "append requests, answers and decisions"),
)
"""Options of every command."""

_JOBS = Argument("jobs", nargs="*", metavar="JOB", help="the beginning of its id, or BUCKET/PREFIX")
_MIGRATION = _values(
    "--migration",
    "M",
    "every job of a migration: SOURCE, SOURCE/PREFIX or SOURCE:TARGET (repeatable)",
)
SELECTION = (_JOBS, _MIGRATION)
"""Which jobs a command is about."""

_DEADLINE = _value("--deadline", "TIME", 'compare each job with a deadline: "Fri 18:00"')
_NOTICE_DEADLINE = _value("--deadline", "TIME", "notify where jobs have not ended by then")

OF_MONITOR = (
    _MIGRATION,
    _flag("--mouse", "listen to the mouse", default=None),
    _flag("--write", "allow changing jobs"),
    _value("--theme", "NAME", "the colours"),
    _DEADLINE,
    _flag("--version", "print the version and exit"),
)

_ALL = _flag("--all", "every job of the account that can be")
_TIMEOUT = _value("--timeout", "S", "seconds to wait where the API answers 429 (60)")
_TYPE = _values("--type", "T", "only rows of this type, as the API names it (repeatable)")
_YES = _flag("--yes", "do not ask for confirmation")
_CHECK_TARGET = _flag("--check-target", "look the keys up in the target: are they there after all?")
_NO_PRECHECK = _flag("--no-precheck", "do not try the buckets first")
_SECRETS = _value("--secrets", "FILE", "TOML with the keys to the buckets, readable by you alone")
_R2_KEYS = _flag("--r2-keys-from-token", "R2 buckets: with the keys that the API token has")
_END_POINTS = (
    _value("--file", "FILE", "the request as TOML or JSON; flags win"),
    _value("--source-vendor", "V", "s3, gcs or r2"),
    _value("--source-bucket", "NAME", "the bucket to copy from"),
    _value("--endpoint", "URL", "s3: https://... of a service that is not Amazon's"),
    _value("--region", "NAME", "s3: the bucket's region"),
    _value("--source-jurisdiction", "J", "r2: default, eu, us or fedramp"),
    _value("--prefix", "P", "only keys with this prefix"),
    _value("--keys-file", "FILE", "only these keys: one a line, or a JSON array; - is stdin"),
    _value("--target-bucket", "NAME", "the R2 bucket to copy to"),
    _value("--target-jurisdiction", "J", "default, eu, us or fedramp"),
    _SECRETS,
    _R2_KEYS,
)


def _json(shape: str) -> Argument:
    return _flag("--json", shape)


_ANSWERS = (
    "Prints the consequence and asks first. No, or Enter, ends with 0: nothing was sent. "
    "Ends with 2 if it is not possible now or there is no terminal to ask, with 7 if the API "
    "refuses or no poll confirms it within a minute. No request is sent twice."
)

_WHERE_SECRETS = (
    "The keys to the buckets are asked for at the terminal, without echo, or taken from the "
    "variables SLURPER_SOURCE_ACCESS_KEY_ID and SLURPER_SOURCE_SECRET_ACCESS_KEY (GCS: "
    "SLURPER_SOURCE_CLIENT_EMAIL and SLURPER_SOURCE_PRIVATE_KEY), SLURPER_TARGET_ACCESS_KEY_ID "
    "and SLURPER_TARGET_SECRET_ACCESS_KEY, or from --secrets FILE. They are not stored. "
    "--r2-keys-from-token takes those of R2 buckets from the API token: its id and its SHA-256."
)

_LISTED = (
    "--split lists the top of the source: an R2 bucket through the API, one of S3 with the keys to "
    "it (pip install 'slurper-tui[verify]'); objects beside its prefixes become a job of their "
    "keys. --prefixes compares the list with an R2 source in the same way. --count lists every "
    "object, so that the total of each job is exact from the first second; it is kept with its "
    "time, and the job's own total counts again once it has found more."
)

_WHERE_LISTING_KEYS = (
    "They are asked for at the terminal, or taken from SLURPER_SOURCE_ACCESS_KEY_ID, "
    "SLURPER_SOURCE_SECRET_ACCESS_KEY, SLURPER_TARGET_ACCESS_KEY_ID and "
    "SLURPER_TARGET_SECRET_ACCESS_KEY, or from --secrets FILE. They are not stored."
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


class Command:
    """A command's texts and arguments.

    summary: its line in the list of commands. usage: the words after its name, one text for each
    form. example: command lines without the program's name. needs_job: SELECTION, or --all, must
    name a job.
    """

    def __init__(
        self,
        summary: str,
        *arguments: Argument,
        usage: Sequence[str] = ("[OPTION]...",),
        description: str,
        example: Sequence[str],
        epilog: str = "",
        needs_job: bool = False,
    ) -> None:
        self.summary = summary
        self.arguments = arguments
        self.usage = usage
        self.description = description
        self.needs_job = needs_job
        self.example = example
        self.notes = epilog

    @property
    def epilog(self) -> str:
        """The text after the options: the examples, then the notes."""
        lines = "\n".join(f"  {PROG} {line}" for line in self.example)
        return f"{'example' if len(self.example) == 1 else 'examples'}:\n{lines}" + (
            f"\n\n{self.notes}" if self.notes else ""
        )


_OF_JOBS = ("JOB... [OPTION]...", "--migration SOURCE [OPTION]...")
_OF_ANY_JOBS = ("[JOB]... [OPTION]...", "--migration SOURCE [OPTION]...")
_OF_CHANGED = ("JOB... [--yes]", "--migration SOURCE [--yes]", "--all [--yes]")

SHELLS = ("bash", "zsh", "fish")

TOPICS: Mapping[str, str] = {
    "keys": "the keys of every screen, their ids, and the signs",
    "json": "the fields of every command's --json",
    "config": "variables, the configuration file, the history",
    "forecast": "how totals, rates, finish times and charts are calculated",
    "metrics": "the metrics for Prometheus, the dashboard, the alert rules",
    "notify": "being told of ends, failures, stalls, outages: bell, command, webhook",
    "safety": "what can change a job, secrets, what is written",
    "verify": "what a verification compares, manifests, lists of keys",
}
"""Topics of `help`, each a text file in `slurper_tui/help/`, and what they are about."""

_TOPICS = "; ".join(f"{topic}: {about}" for topic, about in TOPICS.items())

COMMANDS: Mapping[str, Command] = {
    "jobs": Command(
        "one line a job, once; --status S: only some",
        _json("one JSON array"),
        _flag("--migrations", "one line a migration, with the sums of its jobs"),
        _flag("--wide", "whole ids, names and numbers"),
        _value("--columns", "A,B,...", "only these columns; a wrong one lists all"),
        _TIMEOUT,
        _values(
            "--status",
            "S",
            "only jobs of this status, the API's word or the screen's; failed: with failed "
            "objects (repeatable)",
        ),
        description="Prints one line a job, once: on a terminal in columns below a header, in a "
        "pipe with whole names and full digits.",
        epilog="completed! means that objects failed, were not copied or are unaccounted for; "
        "completed? that it is not known why objects were skipped until the monitor, `watch` or "
        "`wait` has read the log. A total with + may still grow, a percentage with ~ may still "
        "fall.",
        example=(
            "jobs --status running",
            "jobs --migrations",
            "jobs --columns id,done,failed,verdict",
            "jobs --json",
        ),
    ),
    "progress": Command(
        "everything about a job, once",
        *SELECTION,
        _json("one JSON object; an array for several jobs"),
        _TIMEOUT,
        usage=_OF_JOBS,
        description="Prints everything about each job, once.",
        needs_job=True,
        example=("progress 4903",),
    ),
    "watch": Command(
        "a plain line whenever something changes",
        *SELECTION,
        _NOTICE_DEADLINE,
        _flag("--json", "JSON Lines", exclusive=True),
        _flag("--plain", "sentences for a screen reader, without symbols", exclusive=True),
        usage=_OF_ANY_JOBS,
        description="Prints each job once and then a line whenever its status, phase, whole "
        "percent or failed count changes. Ends when every named job has ended; without a name it "
        "runs until stopped.",
        example=("watch 6b57", "watch --migration avatars", "watch --plain"),
    ),
    "wait": Command(
        "wait until jobs have ended, and print how they ended",
        *SELECTION,
        Argument("--timeout", dest="limit", metavar="S", help="wait at most S seconds"),
        _value("--max-failed", "N", "end with 0 though N objects failed, over all jobs (0)"),
        _NOTICE_DEADLINE,
        _flag("--progress", "meanwhile print each change to stderr, as watch does"),
        _json("JSON Lines, one job each"),
        usage=_OF_ANY_JOBS,
        description="Prints nothing until every named job has ended, then a line for each. "
        "Without a name it waits for every job of the account that is running, paused or planned, "
        "and for those that begin meanwhile. Outages are waited for too.",
        epilog="Ends with 0 if every job completed and nothing is missing, 4 if objects failed or "
        "are unaccounted for, 5 if a job was aborted or is gone, 6 if the time is over, 3 if the "
        "credentials are rejected, 7 if the API refuses the account from the start.",
        example=("wait 6b57 --timeout 3600", "wait --migration avatars --progress"),
    ),
    "idle": Command(
        "whether no job uses a bucket: the gate before a clean-up",
        Argument("--bucket", metavar="NAME", required=True, help="the source or target bucket"),
        _json("one JSON array of the jobs that use it"),
        _TIMEOUT,
        usage=("--bucket NAME [OPTION]...",),
        description="Prints the running, paused and planned jobs that copy from or to a bucket.",
        epilog="Ends with 0 if there is none, 1 if there is one, 7 if that is not certain: a list "
        "was not read whole, or the plans in the history cannot be read.",
        example=("idle --bucket media",),
    ),
    "metrics": Command(
        "Prometheus metrics, in a file or over HTTP; dashboard and alerts",
        Argument(
            "--textfile",
            metavar="PATH",
            exclusive=True,
            help="write them to PATH once, for the textfile collector of node_exporter",
        ),
        Argument(
            "--listen",
            metavar="ADDR",
            exclusive=True,
            help="serve them until stopped: 127.0.0.1:PORT, or a port of 127.0.0.1",
        ),
        Argument(
            "--dashboard", action="store_true", exclusive=True, help="print a Grafana dashboard"
        ),
        Argument("--rules", action="store_true", exclusive=True, help="print alert rules"),
        _flag("--follow", "with --textfile: write after every round, until stopped"),
        _TIMEOUT,
        usage=("--textfile PATH [--follow]", "--listen ADDR", "--dashboard", "--rules"),
        description="Writes or serves the numbers of every job, migration and account for "
        "Prometheus. Needs the extra: pip install 'slurper-tui[metrics]'.",
        epilog=f"What each metric means, and how to set it up: {PROG} help metrics",
        example=(
            "metrics --textfile slurper.prom",
            "metrics --dashboard",
            "metrics --rules",
        ),
    ),
    "history": Command(
        "every recorded sample; --path: the file",
        _JOBS,
        _flag("--json", "one JSON array", exclusive=True),
        _flag("--csv", "comma separated, with a header", exclusive=True),
        _flag("--path", "print only the path of the history", exclusive=True),
        Argument(
            "--export",
            nargs="?",
            metavar="FILE",
            const="-",
            exclusive=True,
            help="write what `replay` shows to a new FILE, or to stdout",
        ),
        _flag("--names", "with --export: the names of buckets, prefixes and endpoints too"),
        usage=("[JOB] [OPTION]...",),
        description="Prints every sample that was recorded, the oldest first. Asks nothing of "
        "the API.",
        epilog="--export writes neutral names, such as bucket-1/prefix-1, unless --names is given. "
        f"The format: {PROG} help json",
        example=(
            "history --csv",
            "history 4903 --json",
            "history --export=today.jsonl",
        ),
    ),
    "replay": Command(
        "the screen over a recorded history: a file of history --export, or a job",
        Argument(
            "recording",
            nargs="?",
            metavar="FILE|JOB",
            help="a file of history --export, or a job of the history here; without: all of it",
        ),
        _value("--speed", "X", "recorded seconds for each second (1; in a pipe: no waiting)"),
        _flag("--json", "in a pipe: JSON Lines", exclusive=True),
        _flag("--plain", "in a pipe: sentences for a screen reader", exclusive=True),
        _value("--theme", "NAME", "the colours"),
        _flag("--mouse", "listen to the mouse", default=None),
        usage=("[FILE|JOB] [--speed X]",),
        description="Shows a recorded history as it was. Uses no network, changes nothing and "
        "records nothing. In a pipe it prints the lines of `watch` and ends with 0.",
        epilog="Keys: p plays and pauses, ] and [ change the speed, . goes to the next answer, n "
        "to the next change of a status; in the palette at 14:10. It only goes forward. A time "
        "without answers passes in 2 s. There are no logs in a recording, so why objects were "
        "skipped stays unknown.",
        example=("replay recording.jsonl", "replay 4903"),
    ),
    "digest": Command(
        "what changed since the last look, or --since TIME",
        _value("--since", "TIME", '"Mon 18:00", "2h" (default: the last absence)'),
        _json("one JSON object"),
        _TIMEOUT,
        description="Prints what changed during an absence, and what to do, the worst first.",
        example=("digest --since 2h",),
    ),
    "logs": Command(
        "every row of a job's log; --follow: new rows too",
        *SELECTION,
        _TYPE,
        _flag("--follow", "follow the log until stopped"),
        _json("JSON Lines"),
        _TIMEOUT,
        usage=_OF_JOBS,
        description="Prints every row of the jobs' logs, the newest first; with --follow the "
        "oldest first, and then new rows.",
        needs_job=True,
        example=("logs d4d6 --type importErrorRetryExhaustion",),
    ),
    "failures": Command(
        "what failed, by reason and prefix; --keys: the exact keys",
        *SELECTION,
        _TYPE,
        _flag("--keys", "the exact keys, one a line"),
        _flag("--null", "with --keys: NUL between them"),
        _CHECK_TARGET,
        _YES,
        _json("one JSON object; with --keys an array"),
        _TIMEOUT,
        usage=_OF_JOBS,
        description="Prints which objects failed or were not copied, by reason and prefix; or "
        "their exact keys.",
        epilog="--check-target asks first, with the number of requests, and tells by reason how "
        "many are in the target, since when, and which are not; with --keys it leaves out those "
        "that are there. What is older than the job counts as not copied.",
        needs_job=True,
        example=(
            "failures d4d6",
            "failures d4d6 --keys",
            "failures d4d6 --check-target --yes",
        ),
    ),
    "report": Command(
        "the receipt of a job, interim until it has ended",
        *SELECTION,
        _json("one JSON object; an array for several receipts"),
        _TIMEOUT,
        usage=_OF_JOBS,
        description="Prints the receipt of a job, or of all jobs of one migration, as Markdown. Of "
        "what has not ended, the receipt is interim: marked so, without a verdict, exit code 0.",
        example=(
            "report d4d6",
            "report --migration avatars",
        ),
        needs_job=True,
    ),
    "pause": Command(
        "pause running jobs; --all: of the account",
        *(*SELECTION, _ALL, _YES),
        usage=_OF_CHANGED,
        description="Pauses running jobs.",
        example=("pause 4903 --yes", "pause --migration photos-prod --yes", "pause --all --yes"),
        epilog=_ANSWERS,
        needs_job=True,
    ),
    "resume": Command(
        "resume paused jobs; --all: of the account",
        *(*SELECTION, _ALL, _YES),
        usage=_OF_CHANGED,
        description="Resumes paused jobs.",
        example=("resume bfcd --yes",),
        epilog=_ANSWERS,
        needs_job=True,
    ),
    "abort": Command(
        "stop jobs for good; --all: every job of the account",
        *(*SELECTION, _ALL, _YES),
        usage=_OF_CHANGED,
        description="Stops jobs for good. Copies in progress finish.",
        example=("abort 4903 --yes",),
        epilog="The source bucket's name has to be typed; for --all the account's id.\n" + _ANSWERS,
        needs_job=True,
    ),
    "delete": Command(
        "remove ended jobs from the API's list",
        *(*SELECTION, _YES),
        usage=("JOB... [--yes]", "--migration SOURCE [--yes]"),
        description="Removes ended jobs from the API's list. Nothing in the target is deleted.",
        example=("delete 6b57 --yes",),
        epilog=_ANSWERS,
        needs_job=True,
    ),
    "retry": Command(
        "copy again exactly what failed, or write it to --draft FILE",
        *SELECTION,
        Argument(
            "--type",
            action="append",
            metavar="T",
            default=[],
            exclusive=True,
            help="rows of this type instead, as the API names it (repeatable)",
        ),
        Argument(
            "--keys-from",
            metavar="FILE",
            exclusive=True,
            help="the missing and different keys in the list of `verify --diff`; - is stdin",
        ),
        _value("--draft", "FILE", "write the request there instead of sending it; - is stdout"),
        _value("--region", "NAME", "s3: the source's region, which the API does not return"),
        _SECRETS,
        _R2_KEYS,
        _NO_PRECHECK,
        _YES,
        _flag("--again", "retry although an earlier retry is known"),
        _flag("--check-target", "leave out what is in the target after all; asks, with the price"),
        _json("one JSON object for each job"),
        usage=_OF_JOBS,
        description="Makes a job of exactly the keys that failed in another, or that `verify` "
        "found missing or different; what differs is copied with overwrite.",
        example=("retry d4d6 --draft retry.json",),
        epilog=_WHERE_SECRETS,
        needs_job=True,
    ),
    "verify": Command(
        "whether the target holds every object, key by key",
        *SELECTION,
        _value("--manifest", "FILE", "expect the objects that it lists; - is stdin"),
        _values("--prefix", "P", "only keys with this prefix (repeatable)"),
        _value("--headers", "N", "compare the headers of a random sample of N objects too"),
        _value("--seed", "S", "with --headers: the sample that had this seed"),
        _value("--workers", "N", "parts of the listings that are read at the same time (4)"),
        _value("--diff", "FILE", "write the keys that differ to a new FILE; - is stdout"),
        _flag("--null", "with --diff: NUL instead of a newline after each key"),
        _value("--region", "NAME", "s3: the source's region"),
        _SECRETS,
        _R2_KEYS,
        _flag("--anew", "do not go on with a run that was interrupted"),
        _YES,
        _json("one JSON object; --diff writes JSON Lines"),
        usage=_OF_JOBS,
        description="Compares the target with the source, or with a list of the objects that it "
        "should hold. Only lists: nothing is changed. First tells how many requests that takes, "
        "and asks.",
        epilog="Ends with 0 if every expected object is there, 4 if one is missing or differs, 7 "
        "if a side was not listed to its end or no object was expected, 3 if its keys are "
        "refused.\n\n"
        "An S3 or GCS source needs its keys (GCS: HMAC keys), R2 buckets are listed through the "
        "API unless their keys are given. " + _WHERE_LISTING_KEYS + "\n\n"
        f"What is compared, and the formats of a manifest: {PROG} help verify",
        example=(
            "verify 09ba --prefix audit/01/ --yes --diff different.txt",
            "verify 767f --prefix raw/01/01/ --headers 20 --yes --json",
        ),
        needs_job=True,
    ),
    "create": Command(
        "a new migration, or one for each prefix of a list",
        *_END_POINTS,
        _flag("--no-overwrite", "keep objects that the target has already"),
        _NO_PRECHECK,
        _value("--prefixes", "FILE", "one job for each prefix in it, one a line; - is stdin"),
        _flag("--split", "one job for each prefix at the top of the source, or below --prefix"),
        _flag("--count", "list the source first, for an exact total; asks, with the price"),
        Argument(
            "--go-on", nargs="?", metavar="N", const="", help="start the remaining jobs of plan N"
        ),
        _values(
            "--send-again",
            "N",
            "with --go-on: send step N again, which was refused or not answered (repeatable)",
        ),
        _value("--cancel", "N", "cancel the jobs of plan N that are not started"),
        _YES,
        _json("one JSON object for each job"),
        description="Starts a migration, or one for each prefix of a list as slots become free.",
        example=(
            "create --file migration.toml --prefixes prefixes.txt --yes",
            "create --file r2.toml --split --yes",
        ),
        epilog=f"{_LISTED}\n\n{_FILE}\n\n{_WHERE_SECRETS}",
    ),
    "precheck": Command(
        "whether both buckets of a migration can be reached",
        *_END_POINTS,
        _json("one JSON object"),
        description="Checks that both buckets can be reached with their keys.",
        example=("precheck --file migration.toml",),
        epilog=f"{_FILE}\n\n{_WHERE_SECRETS}",
    ),
    "config": Command(
        "the configuration: path, show, init or check",
        Argument(
            "action",
            metavar="path|show|init|check",
            choices=("path", "show", "init", "check"),
            words=("path", "show", "init", "check"),
            help="the file; every value and where it comes from; write a first file; find mistakes",
        ),
        usage=("path|show|init|check [--config FILE]",),
        description="Prints the path of the configuration file, or every setting with where its "
        "value comes from (secrets as ***); writes a first file, never over another; or prints one "
        "line for each mistake in the file.",
        epilog="check ends with 2 if there is a mistake.",
        example=("config show", "config check"),
    ),
    "doctor": Command(
        "what is configured, reachable and supported here",
        _json("one JSON object"),
        description="Checks the configuration, the credential, the accounts, the clock, the "
        "request budget, the network, the history and the terminal. Changes nothing.",
        epilog="Ends with 0 if nothing failed, else as the first failure would end the "
        "program: 2 configuration, 3 credentials, 7 the API cannot be reached or refuses.",
        example=("doctor", "doctor --json"),
    ),
    "completion": Command(
        "completion of commands, options, jobs and buckets for a shell",
        Argument(
            "shell",
            metavar="SHELL",
            choices=(*SHELLS, "jobs", "migrations", "buckets"),
            words=SHELLS,
            help="bash, zsh or fish; or jobs, migrations, buckets: the words that it completes",
        ),
        usage=("SHELL",),
        description="Prints a script that completes commands and options, and from the history the "
        "ids and names of jobs and buckets.",
        example=("completion bash", "completion jobs"),
        epilog="bash, in ~/.bashrc:\n"
        f"  source <({PROG} completion bash)\n"
        "zsh, in a folder of $fpath:\n"
        f"  {PROG} completion zsh > _{PROG}\n"
        "fish, in ~/.config/fish/completions:\n"
        f"  {PROG} completion fish > {PROG}.fish",
    ),
    "help": Command(
        f"of a command, or of a topic: {', '.join(TOPICS)}",
        Argument("topic", nargs="?", metavar="COMMAND|TOPIC", words=TOPICS, help=_TOPICS),
        _flag("--man", "the manual page, for man: all commands and options"),
        usage=("[COMMAND|TOPIC]", "--man"),
        description="Prints the help of a command or a topic, or what the status words mean (help "
        "failing); without a word, the help of the program.",
        example=(
            "help failures",
            "help keys",
            "help --man",
        ),
    ),
}

_DESCRIPTION = (
    "Shows every Super Slurper job of an account, live. Lines instead of a screen where there is "
    "no terminal."
)
EPILOG = (
    "A JOB is the beginning of an id, or BUCKET/PREFIX; without one, every job is shown.\n\n"
    "environment:\n"
    "  CLOUDFLARE_API_TOKEN, or CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY\n"
    "  CLOUDFLARE_ACCOUNT_ID           one id, or several with commas between\n"
    "  CLOUDFLARE_BASE_URL             another address of the API, with its path\n\n"
    "exit codes:\n"
    "  0 done  1 idle: in use  2 usage  3 credentials  4 objects failed\n"
    "  5 a job aborted or gone  6 timed out  7 the API failed  70 a bug\n"
    "  129 130 131 143 ended by a signal"
)


def make_parser(declared: Collection[str] = COMMANDS) -> tuple[Parser, dict[str, Parser]]:
    """Return the whole parser, and its sub-parsers by command.

    declared: the commands whose arguments are added; adding all of them takes 4 ms.
    """
    whole = Parser(
        prog=PROG,
        usage=f"{PROG} [JOB]... [OPTION]...\n       {PROG} COMMAND [OPTION]...",
        description=_DESCRIPTION,
        epilog=EPILOG,
    )
    whole.declare((*COMMON, *OF_MONITOR))
    commands = whole.add_subparsers(
        prog=PROG,
        title="commands",
        dest="command",
        metavar="COMMAND",
        help=f"its options, such as --json: {PROG} COMMAND --help",
    )
    parsers = {}
    for name, command in COMMANDS.items():
        parsers[name] = commands.add_parser(name, help=command.summary, **_texts_of(name))
        if name in declared:
            parsers[name].declare((*COMMON, *command.arguments))
    return whole, parsers


def make_command_parser(name: str) -> Parser:
    """Return the parser of one command; those of the others would take 2 ms."""
    parser = Parser(prog=f"{PROG} {name}", **_texts_of(name))
    parser.declare((*COMMON, *COMMANDS[name].arguments))
    return parser


def _texts_of(name: str) -> dict[str, Any]:
    command = COMMANDS[name]
    usage = "\n       ".join(f"{PROG} {name} {form}" for form in command.usage)
    return {"usage": usage, "description": command.description, "epilog": command.epilog}


class _MonitorParser(Parser):
    """Parses a command line without a command; its help is that of the whole program."""

    def __init__(self) -> None:
        super().__init__(prog=PROG)
        self.declare((*COMMON, *OF_MONITOR, _JOBS))
        # Where there is no terminal, it prints lines like `watch`.
        self.set_defaults(json=False, plain=False)

    def format_help(self) -> str:
        """Return the help of the program with its list of commands."""
        return make_parser(declared=())[0].format_help()


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; `command` is MONITOR or a command's name. Raises CliError."""
    name, rest = split_command(arguments)
    parser = _MonitorParser() if name == MONITOR else make_command_parser(name)
    # argparse cannot mix options and operands after `--`, so the words there are masked.
    end = rest.index("--") if "--" in rest else len(rest)
    options = parser.parse_intermixed_args(rest[:end] + [MASK + word for word in rest[end + 1 :]])
    for option, value in vars(options).items():
        setattr(options, option, _unmasked(value))
    options.command = name
    if name != MONITOR and COMMANDS[name].needs_job:
        _check_selection(options, parser)
    if name == "metrics":
        _check_metrics(options, parser)
    return options


def _check_selection(options: argparse.Namespace, parser: Parser) -> None:
    """Raise CliError unless there is a JOB or --migration, or --all alone."""
    named = bool(options.jobs or options.migration)
    every: bool | None = getattr(options, "all", None)
    if every and named:
        parser.error("--all cannot be combined with JOB or --migration")
    if not every and not named:
        more = "" if every is None else ", or --all"
        parser.error(f"{options.command} needs a JOB or --migration SOURCE{more}")


def _check_metrics(options: argparse.Namespace, parser: Parser) -> None:
    """Raise CliError unless it is said where the metrics go, or which file is printed."""
    if not (options.textfile or options.listen or options.dashboard or options.rules):
        parser.error("metrics needs --textfile PATH or --listen ADDR, --dashboard or --rules")
    if options.follow and not options.textfile:
        parser.error("--follow goes with --textfile")


def _unmasked(value: object) -> object:
    if isinstance(value, list):
        return [_unmasked(item) for item in value]
    return value.removeprefix(MASK) if isinstance(value, str) else value


def split_command(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Split the arguments into (command, the rest); options may precede the command.

    Raises CliError when the first word resembles a command's name.
    """
    every = [*COMMON, *OF_MONITOR, *(a for c in COMMANDS.values() for a in c.arguments)]
    valued = {name for argument in every if argument.takes_word for name in argument.names}
    is_value = False
    for place, word in enumerate(arguments):
        if is_value:
            is_value = False
        elif word == "--":
            break
        elif word.startswith("-") and word != "-":
            is_value = word in valued
        elif word in COMMANDS:
            return word, [*arguments[:place], *arguments[place + 1 :]]
        else:
            _refuse_likely_command(word)
            break
    return MONITOR, list(arguments)


_OTHER_WORDS = {
    **dict.fromkeys(("list", "ls", "status", "ps", "show", "get"), "jobs"),
    **dict.fromkeys(("errors", "failed", "failure"), "failures"),
    **dict.fromkeys(("start", "new", "split", "plan", "plans"), "create"),
    **dict.fromkeys(("stop", "cancel", "kill"), "abort"),
    **dict.fromkeys(("remove", "rm"), "delete"),
    **dict.fromkeys(("tail", "log"), "logs"),
    "receipt": "report",
    "continue": "resume",
    "unpause": "resume",
    "monitor": "watch",
    "check": "precheck",
}
"""Names that other programs have for a command, and ours."""


def _refuse_likely_command(word: str) -> None:
    """Raise CliError for a word that is meant as a command; other words may be beginnings of ids.

    A monitor of one job is started with the beginning of its id alone.
    """
    other = _OTHER_WORDS.get(word)
    near = other or nearest(word, COMMANDS, cutoff=0.7)
    if near:
        raise CliError(f"unknown command {word!r}; the nearest is {near!r} (see {PROG} --help)")


def nearest(word: str, known: Collection[str], cutoff: float) -> str | None:
    """Return the known word that resembles this one most; None if none reaches the cutoff."""
    import difflib  # 4 ms, only when something is wrong

    return next(iter(difflib.get_close_matches(word, known, 1, cutoff=cutoff)), None)
