"""Completion for bash, zsh and fish: the scripts, and the words that they ask for.

`script` writes a shell's script from the parser's declarations, with shtab. The script runs
`slurper-tui completion jobs` (or `migrations` or `buckets`) when such a word is completed; `words`
answers from the history, read-only and without the network. A word is offered only if no shell
gives any of its characters a meaning.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from slurper_tui.cli.connect import base_urls, demo_store
from slurper_tui.cli.parser import COMMANDS, COMMON, OF_MONITOR, make_parser
from slurper_tui.config import ConfigError, Flags, load
from slurper_tui.format import safe
from slurper_tui.monitor.history.files import FILE
from slurper_tui.monitor.history.opening import read_store
from slurper_tui.monitor.history.schema import HistoryError
from slurper_tui.monitor.model.logs import LOG_TYPES

if TYPE_CHECKING:
    from slurper_tui.cli.context import Process
    from slurper_tui.monitor.model.samples import StoredJob

_SAFE_WORD = re.compile(r"[A-Za-z0-9._/][A-Za-z0-9._/-]{0,255}")
"""Words of these characters mean themselves in every shell, and are no options."""

_LONGEST_DESCRIPTION = 60

_BY_METAVAR = {"JOB": "jobs", "M": "migrations", "FILE": "files"}
_JURISDICTIONS = ("default", "eu", "us", "fedramp")
_FIXED: Mapping[str, Sequence[str]] = {
    "--type": LOG_TYPES,
    "--status": (
        *("running", "listing", "stalled", "failing", "paused", "completed", "aborted"),
        *("gone", "failed"),
    ),
    "--source-vendor": ("s3", "gcs", "r2"),
    "--source-jurisdiction": _JURISDICTIONS,
    "--target-jurisdiction": _JURISDICTIONS,
}
"""The usual values of an option; others are allowed."""

_BY_OPTION = dict.fromkeys(("--source-bucket", "--target-bucket", "--bucket"), "buckets")
"""What completes the value of an option or an operand: a kind of words, or files."""

# The functions get what is typed so far; each line of `completion KIND` is a word, a tab and a
# description, which bash cannot show.
_PREAMBLE = {
    "bash": """\
_slurper_tui_words() {
  local word rest
  while IFS=$'\\t' read -r word rest; do
    [[ $word == "$2"* ]] && printf '%s\\n' "$word"
  done < <(command slurper-tui completion "$1" 2>/dev/null </dev/null)
}
_slurper_tui_jobs() { _slurper_tui_words jobs "$1"; }
_slurper_tui_migrations() { _slurper_tui_words migrations "$1"; }
_slurper_tui_buckets() { _slurper_tui_words buckets "$1"; }
""",
    "zsh": """\
_slurper_tui_words() {
  local -a found
  found=(${(f)"$(command slurper-tui completion $1 2>/dev/null </dev/null)"})
  found=(${found/$'\\t'/:})
  _describe $1 found
}
_slurper_tui_jobs() { _slurper_tui_words jobs }
_slurper_tui_migrations() { _slurper_tui_words migrations }
_slurper_tui_buckets() { _slurper_tui_words buckets }
""",
    "fish": """\
function _slurper_tui_words
  command slurper-tui completion $argv[1] 2>/dev/null </dev/null
end
""",
}

KINDS = ("jobs", "migrations", "buckets")


def script(shell: str) -> str:
    """Return the script for `bash`, `zsh` or `fish`."""
    import shtab  # 27 ms, which the words need not wait for

    whole, parsers = make_parser()
    declared = [*COMMON, *OF_MONITOR, *(a for c in COMMANDS.values() for a in c.arguments)]
    fixed = {argument.names[0]: argument.words for argument in declared if argument.words}
    fixed |= _FIXED
    for name, parser in parsers.items():
        parser.description = COMMANDS[name].summary
    for parser in (whole, *parsers.values()):
        for action in parser._actions:  # shtab reads the same
            name = (action.option_strings or [action.dest])[0]
            if name in fixed:
                action.choices = list(fixed[name])
            kind = _BY_OPTION.get(name) or _BY_METAVAR.get(str(action.metavar))
            if kind is not None:
                complete = shtab.FILE if kind == "files" else _completer(kind)
                setattr(action, "complete", complete)  # noqa: B010  # shtab's attribute
    return shtab.complete(whole, shell, preamble=_PREAMBLE[shell])


def _completer(kind: str) -> Mapping[str, str]:
    """Return what shtab writes for each shell to complete words of a kind."""
    function = f"_slurper_tui_{kind}"
    return {"bash": function, "zsh": function, "fish": f"(_slurper_tui_words {kind})"}


def words(kind: str, options: argparse.Namespace, process: Process) -> Iterator[str]:
    """Yield the known words of a kind, each with a tab and a description.

    Yields nothing where the configuration or the history cannot be read.
    """
    try:
        jobs = _stored_jobs(options, process)
    except (ConfigError, HistoryError, OSError, ValueError, sqlite3.Error):
        return
    described: dict[str, str] = {}
    for job in reversed(jobs):  # the newest first
        for word, description in _words_of(kind, job):
            if _SAFE_WORD.fullmatch(word):
                described.setdefault(word, description)
    for word, description in described.items():
        yield f"{word}\t{safe(description, ascii_only=True)[:_LONGEST_DESCRIPTION]}"


def _stored_jobs(options: argparse.Namespace, process: Process) -> Sequence[StoredJob]:
    """Return the jobs of the accounts in use, or of the demo.

    Raises ConfigError, HistoryError, OSError and sqlite3.Error.
    """
    if options.demo:
        with closing(demo_store()) as store:
            return store.jobs(())
    if process.state is None:
        return ()
    flags = Flags(accounts=options.account, file=options.config)
    config = load(flags, process.environ, process.config_file)
    with closing(read_store(process.state / FILE, base_urls(config), unlocked=True)) as store:
        return store.jobs(config.accounts)


def _words_of(kind: str, stored: StoredJob) -> Iterable[tuple[str, str]]:
    """Yield the words of a kind that a job gives, with their descriptions."""
    job = stored.job
    source, target = job.source_bucket, job.target_bucket
    if kind == "jobs" and job.id:
        status = (stored.last.status if stored.last else None) or job.status or ""
        yield job.id, f"{job.place} to {target or '?'}, {status}"
        yield job.place, f"job {job.id[:8]}, {status}"
    elif kind == "migrations" and source:
        yield source, f"migration to {target or '?'}"
    elif kind == "buckets":
        yield source, "source"
        yield target, "target"
