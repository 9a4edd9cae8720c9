"""Files that the user exports.

Logs, exact keys and receipts go to new files in a given folder; an existing file is never
overwritten. File contents are exact; only file names are sanitised.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from slurper_tui.format import as_json
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import FAILED_TYPE, LogView
from slurper_tui.monitor.reports.records import row_record
from slurper_tui.monitor.reports.wording import rclone_line

MOST_NAMES = 1000
"""The most files of one name in a folder; a number in the name distinguishes them."""

_MOST_BUCKET, _MOST_ID = 40, 12


class Saved(NamedTuple):
    """A file that was written.

    number: how many rows or keys it has.
    rclone: the command that copies the keys, or "" if rclone cannot read the file.
    """

    path: Path
    number: int
    rclone: str = ""


def save_log(folder: Path, job: JobView, view: LogView) -> Saved:
    """Write a log's rows as JSON Lines with the API's own names. Raises OSError."""
    lines = (as_json(row_record(row)) for row in view.rows)
    return Saved(_write(folder, _name("log", job), ".jsonl", lines), len(view.rows))


def save_keys(folder: Path, job: JobView, log_type: str, keys: Sequence[str]) -> Saved:
    """Write one key per line, or a JSON array if some key does not fit on a line.

    Raises OSError.
    """
    name = _name("failed" if log_type == FAILED_TYPE else log_type, job)
    if not all(map(_fits_a_line, keys)):
        rows = ",\n".join(map(as_json, keys))
        return Saved(_write(folder, name, ".json", ("[", rows, "]")), len(keys))
    path = _write(folder, name, ".txt", keys)
    return Saved(path, len(keys), rclone_line(path.name, job))


def save_receipt(folder: Path, name: str, text: str) -> Path:
    """Write a receipt in Markdown. name: the job's or the bucket's name. Raises OSError."""
    harmless = re.sub(r"[^A-Za-z0-9._-]+", "_", name[:_MOST_BUCKET]).strip("._-")
    title = f"receipt-{harmless}" if harmless else "receipt"
    return _write(folder, title, ".md", text.removesuffix("\n").split("\n"))


def _fits_a_line(key: str) -> bool:
    """Return whether a key is not empty, has no line break and can be encoded as UTF-8."""
    if "\n" in key or "\r" in key or not key:
        return False
    return key.isascii() or not any("\ud800" <= char <= "\udfff" for char in key)


def _name(what: str, job: JobView) -> str:
    """Return a file name of kind, bucket and job id: `failed-photos-prod-3fa8b6c2`."""
    bucket = job.job.source.bucket if job.job.source else None
    parts = (what, (bucket or "")[:_MOST_BUCKET], (job.job.id or "")[:_MOST_ID])
    harmless = (re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip("._-") for part in parts)
    return "-".join(part for part in harmless if part)


def _write(folder: Path, name: str, suffix: str, lines: Iterable[str]) -> Path:
    """Write lines to a new file and delete the file again if writing fails. Raises OSError."""
    for number in range(1, MOST_NAMES + 1):
        path = folder / (f"{name}{suffix}" if number == 1 else f"{name}-{number}{suffix}")
        try:
            file = path.open("x", encoding="utf-8", newline="")
        except FileExistsError:
            continue
        try:
            with file:
                file.writelines(line + "\n" for line in lines)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path
    raise FileExistsError(f"there are {MOST_NAMES} files of this name already")
