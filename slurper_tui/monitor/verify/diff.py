"""Exact lists of the keys that differ, written as text, with NUL or as JSON, and read again.

Text is the outcome, a tab and the key, one a line. With NUL at the end instead of a newline, keys
that have a newline are exact too. JSON Lines also tell the sizes, and have bytes that are not UTF-8
as Python escapes them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui import format as fmt
from slurper_tui.api.models import surrogate_invalid_bytes
from slurper_tui.monitor.model.verification import DIFFERS, Outcome

if TYPE_CHECKING:
    from slurper_tui.monitor.verify.compare import Difference
    from slurper_tui.monitor.verify.headers import HeaderDifference

HEADERS = "headers"
"""Stands for the outcome of objects whose headers differ."""

INEXACT = "not UTF-8"
"""Stands for the outcome of keys that cannot be sent in a request."""

_OUTCOMES = frozenset({*map(str, Outcome), HEADERS})


def in_list_order(
    differences: Callable[[Sequence[Outcome]], Iterator[Difference]],
) -> Iterator[Difference]:
    """Yield every difference, by outcome, then by key.

    differences: yields those of some outcomes in the order of their keys.
    """
    for outcome in Outcome:
        if outcome is not Outcome.SAME:
            yield from differences((outcome,))


class DiffForm(Enum):
    """How a list is written."""

    TEXT = "\n"
    NUL = "\0"
    JSON = ""


def diff_entry(difference: Difference | HeaderDifference, form: DiffForm) -> str:
    """Return one entry of a list, with its end."""
    outcome = str(getattr(difference, "outcome", HEADERS))
    if form is not DiffForm.JSON:
        return f"{outcome}\t{difference.key}{form.value}"
    return fmt.as_json(_record(difference, outcome)) + "\n"


def _record(difference: Difference | HeaderDifference, outcome: str) -> dict[str, object]:
    key = surrogate_invalid_bytes(difference.key)
    record: dict[str, object] = {"outcome": outcome, "key": key}
    if isinstance(difference, tuple):
        values = {name: {"source": a, "target": b} for name, a, b in difference.headers}
        return {**record, "headers": values}
    at = difference.modified
    return {
        **record,
        "size": difference.size,
        "targetSize": difference.actual_size,
        "modified": None if at is None else fmt.iso(at, UTC),
        "logType": difference.log_type,
    }


class DiffKeys(NamedTuple):
    """The keys of a list that are to be copied.

    missing: not in the target. differing: in the target, but not as in the source. left_out:
    numbers of the other entries by outcome.
    """

    missing: tuple[str, ...]
    differing: tuple[str, ...] = ()
    left_out: Mapping[str, int] = {}


def read_diff(text: str) -> DiffKeys | None:
    """Return the keys of a list in any of the forms; None if it tells no outcomes.

    Raises ValueError, with the place, for an entry that tells none although the first one does, and
    for lines of which some end with CRLF and some with LF.
    """
    if text.lstrip().startswith('{"outcome"'):
        return _sorted_out(_of_json(text))
    with_nul = "\0" in text
    entries = text.split("\0") if with_nul else fmt.lines_of(text)
    first = next(filter(None, entries), "")
    if _split(first) is None:
        return None
    return _sorted_out(_of_entries(entries, "entry" if with_nul else "line"))


def is_misread(key: str) -> bool:
    """Return whether a list in text with this key reads as other keys, without a word.

    Most keys with a newline are refused when they are read.
    """
    try:
        found = read_diff(f"{Outcome.MISSING}\t{key}\n")
    except ValueError:
        return False
    return found is None or found.missing != (key,)


def _of_entries(entries: Iterable[str], unit: str) -> Iterator[tuple[str, str]]:
    for number, entry in enumerate(entries, 1):
        if not entry:
            continue
        if (found := _split(entry)) is None:
            raise ValueError(
                f"{unit} {number:,} tells no outcome, as where a key has a newline: write it "
                "with --null"
            )
        yield found


def _split(entry: str) -> tuple[str, str] | None:
    outcome, tab, key = entry.partition("\t")
    return (outcome, key) if tab and key and outcome in _OUTCOMES else None


def _of_json(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            raise ValueError(f"line {number:,}: invalid JSON") from None
        values = (record.get("outcome"), record.get("key")) if isinstance(record, dict) else ()
        match values:
            case (str(outcome), str(key)) if outcome in _OUTCOMES and key:
                yield outcome, key
            case _:
                raise ValueError(f"line {number:,} is no entry of a list of differences")


def _sorted_out(entries: Iterable[tuple[str, str]]) -> DiffKeys:
    missing, differing = dict[str, None](), dict[str, None]()
    left_out = Counter[str]()
    for outcome, key in entries:
        if not fmt.is_utf8(key):
            left_out[INEXACT] += 1
        elif outcome == Outcome.MISSING:
            missing[key] = None
        elif outcome in DIFFERS:
            differing[key] = None
        else:
            left_out[outcome] += 1
    return DiffKeys((*missing,), (*differing,), left_out)
