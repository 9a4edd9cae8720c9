"""Files that the person asks for: logs and exact keys, in the current folder, never written over.

What is written is exact; only names of files and what is said about them are made harmless.

What is copied, and which terminals are known not to take it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import to_builtins
from msgspec.structs import replace

from slurper_tui.api.models import LogRow, surrogate_invalid_bytes
from slurper_tui.format import as_json
from slurper_tui.monitor.logs.failures import rclone_line
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import FAILED_TYPE, LogView
from slurper_tui.monitor.reports.records import job_record

HOW_IN_TMUX = "set -g set-clipboard on"


def can_copy(text: str) -> bool:
    """Whether UTF-8 holds the text: a key may have half surrogate pairs or other bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def terminal_copies(environ: Mapping[str, str]) -> bool:
    """Say whether the terminal may take OSC 52; tmux and screen keep it back unless told."""
    term = environ.get("TERM", "")
    inside = "TMUX" in environ or "STY" in environ or term.startswith(("tmux", "screen"))
    refuses = term == "linux" or environ.get("TERM_PROGRAM") == "Apple_Terminal"
    return not inside and not refuses


def id_text(view: JobView) -> str:
    """The job's id, exactly."""
    return view.job.id or ""


def json_text(view: JobView) -> str:
    """The job as JSON, exactly; whatever is not ASCII is escaped, so that nothing can be lost."""
    return as_json(job_record(view), indent=2, default=str)


MOST_NAMES = 1000
"""So many files of one name are told apart by a number."""

_MOST_BUCKET, _MOST_ID = 40, 12


class Saved(NamedTuple):
    """A file that was written. number: rows or keys. rclone: what fetches the keys; "" for nothing
    that rclone could read.
    """

    path: Path
    number: int
    rclone: str = ""


def save_log(folder: Path, job: JobView, view: LogView) -> Saved:
    """Write a log's rows as JSON Lines with the API's own names. Raises OSError."""
    lines = (as_json(row_record(row)) for row in view.rows)
    return Saved(_write(folder, _name("log", job), ".jsonl", lines), len(view.rows))


def row_record(row: LogRow) -> dict[str, object]:
    r"""A row with the API's own names, and what it holds beyond those that are known.

    A byte of the key that is not UTF-8 is an escaped half surrogate pair, `\udce9` for 0xe9.
    """
    key = row.object_key and surrogate_invalid_bytes(row.object_key)
    known = to_builtins(replace(row, object_key=key))
    extra = known.pop("extra")
    return {**extra, **known}


def save_keys(folder: Path, job: JobView, log_type: str, keys: Sequence[str]) -> Saved:
    """Write keys one a line, or as a JSON array where a line could not hold them.

    Raises OSError.
    """
    name = _name("failed" if log_type == FAILED_TYPE else log_type, job)
    if not all(map(_fits_a_line, keys)):
        return Saved(_write(folder, name, ".json", _array(keys)), len(keys))
    path = _write(folder, name, ".txt", keys)
    return Saved(path, len(keys), rclone_line(path.name, job))


def save_receipt(folder: Path, name: str, text: str) -> Path:
    """Write a receipt in Markdown. name: of the job or the bucket. Raises OSError."""
    harmless = re.sub(r"[^A-Za-z0-9._-]+", "_", name[:_MOST_BUCKET]).strip("._-")
    title = f"receipt-{harmless}" if harmless else "receipt"
    return _write(folder, title, ".md", text.removesuffix("\n").split("\n"))


def _fits_a_line(key: str) -> bool:
    """Nothing in it ends a line, and UTF-8 can tell it."""
    if "\n" in key or "\r" in key or not key:
        return False
    return key.isascii() or not any("\ud800" <= char <= "\udfff" for char in key)


def _array(keys: Sequence[str]) -> Iterator[str]:
    """A JSON array, a key a line."""
    yield "["
    for number, key in enumerate(keys, 1):
        yield as_json(key) + ("," if number < len(keys) else "")
    yield "]"


def _name(what: str, job: JobView) -> str:
    """`failed-photos-prod-3fa8b6c2`: what it holds, of which job."""
    bucket = job.job.source.bucket if job.job.source else None
    parts = (what, (bucket or "")[:_MOST_BUCKET], (job.job.id or "")[:_MOST_ID])
    harmless = (re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip("._-") for part in parts)
    return "-".join(part for part in harmless if part)


def _write(folder: Path, name: str, suffix: str, lines: Iterable[str]) -> Path:
    """Write lines into a new file; what could not be written whole is taken away again."""
    path = _create(folder, name, suffix)
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(line + "\n" for line in lines)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path


def _create(folder: Path, name: str, suffix: str) -> Path:
    """Make an empty file that was not there. Raises OSError."""
    for number in range(1, MOST_NAMES + 1):
        path = folder / (f"{name}{suffix}" if number == 1 else f"{name}-{number}{suffix}")
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"there are {MOST_NAMES} files of this name already")
