"""The state of the log page as one frozen value, and the functions that return a changed one.

Every function that changes rows or search text recomputes `matches`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.model.logs import LogView, reason_of
from slurper_tui.tui.state import fold_text

Kind = tuple[str | None, ...]
"""The log type that is shown alone; empty for all types. (None,) shows rows without a type."""


class LogState(msgspec.Struct, frozen=True, eq=False):
    """A log and how it is displayed.

    rows: the filtered rows, newest first.
    cursor: index of the highlighted row.
    following: if the cursor is on the newest row, it stays on the newest.
    fresh: how many rows have arrived since the cursor was last on the newest row.
    wrapped: show rows in full instead of one line each.
    ages: show times as ages.
    only, filter_text: which rows are shown.
    sought: the search text.
    matches: indices of the rows that contain it.
    names: of several jobs, the name of each by its id; filter and search find it.
    """

    view: LogView
    rows: tuple[LogRow, ...] = ()
    cursor: int = 0
    following: bool = True
    fresh: int = 0
    wrapped: bool = False
    ages: bool = False
    only: Kind = ()
    filter_text: str = ""
    sought: str = ""
    matches: tuple[int, ...] = ()
    names: Mapping[str, str] = {}

    @property
    def row(self) -> LogRow | None:
        """The highlighted row; None if there are no rows."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    @property
    def sticks(self) -> bool:
        """Whether the cursor is on the newest row and stays on the newest."""
        return self.following and self.cursor == 0

    @property
    def place(self) -> int | None:
        """The number of the highlighted match, from 1; None if the cursor is not on a match."""
        place = bisect_left(self.matches, self.cursor)
        return place + 1 if self.cursor in self.matches[place : place + 1] else None


def see(state: LogState, view: LogView) -> LogState:
    """Return the state with a newer view; the cursor keeps its row, or stays on the newest."""
    rows = _filtered(view.rows, state)
    cursor, fresh = 0, 0
    if state.row is not None and not state.sticks:
        cursor = _index(rows, state.row, max(0, min(state.cursor, len(rows) - 1)))
        fresh = state.fresh + _index(rows, state.rows[0], len(rows))
    return _matched(replace(state, view=view, rows=rows, cursor=cursor, fresh=fresh))


def _index(rows: tuple[LogRow, ...], row: LogRow, otherwise: int) -> int:
    """Return the index of a row; `otherwise` if it is gone."""
    try:
        return rows.index(row)
    except ValueError:
        return otherwise


def show(state: LogState, *, only: Kind | None = None, filter_text: str | None = None) -> LogState:
    """Change the type or the text filter.

    The cursor keeps its row or goes to the next older one.
    """
    changed = replace(
        state,
        only=state.only if only is None else only,
        filter_text=state.filter_text if filter_text is None else filter_text,
    )
    rows = _filtered(state.view.rows, changed)
    cursor = 0
    if state.row is not None and not state.sticks:
        newer = state.view.rows[: _index(state.view.rows, state.row, 0)]
        ids = set(map(id, newer))
        cursor = max(0, min(sum(id(row) in ids for row in rows), len(rows) - 1))
    return _matched(replace(changed, rows=rows, cursor=cursor, fresh=0))


def seek(state: LogState, text: str) -> LogState:
    """Set the search text; the cursor does not move."""
    return _matched(replace(state, sought=text))


def move_to(state: LogState, row: int) -> LogState:
    """Move the cursor to a row, clamped to the rows; on the newest row `fresh` becomes 0."""
    cursor = max(0, min(row, len(state.rows) - 1))
    return replace(state, cursor=cursor, fresh=state.fresh if cursor else 0)


def to_match(state: LogState, step: int) -> LogState:
    """Move the cursor to the next older (1) or newer (-1) match, wrapping around at the end."""
    if not state.matches:
        return state
    find = bisect_right if step > 0 else bisect_left
    place = find(state.matches, state.cursor) - (step < 0)
    return move_to(state, state.matches[place % len(state.matches)])


def to_first_match(state: LogState) -> LogState:
    """Keep the cursor if it is on a match, else move it to the next older match."""
    return state if state.place else to_match(state, 1)


def follow(state: LogState) -> LogState:
    """Toggle following; switching it on moves the cursor to the newest row."""
    if state.sticks:
        return replace(state, following=False)
    return replace(state, following=True, cursor=0, fresh=0)


def kinds(state: LogState) -> list[tuple[str | None, int]]:
    """Return the log types among the loaded rows with their counts, the most frequent first."""
    counted = Counter(row.log_type for row in state.view.rows)
    return sorted(counted.items(), key=lambda kind: (-kind[1], kind[0] or ""))


def next_kind(state: LogState) -> LogState:
    """Show the next type alone, or all types after the last one."""
    choices: list[Kind] = [(), *((type,) for type, _ in kinds(state))]
    place = choices.index(state.only) if state.only in choices else 0
    return show(state, only=choices[(place + 1) % len(choices)])


def _filtered(rows: tuple[LogRow, ...], state: LogState) -> tuple[LogRow, ...]:
    """Return the rows of the shown type that contain every word, and no word after a `!`."""
    if state.only:
        rows = tuple(row for row in rows if row.log_type in state.only)
    terms = fold_text(state.filter_text).split()
    excluded = [term[1:] for term in terms if term.startswith("!") and term != "!"]
    needed = [term for term in terms if term == "!" or not term.startswith("!")]

    def shown(row: LogRow) -> bool:
        text = fold_text(text_of_row(row, state.names))
        return all(term in text for term in needed) and not any(term in text for term in excluded)

    return tuple(filter(shown, rows)) if terms else rows


def _matched(state: LogState) -> LogState:
    pattern = pattern_of(state.sought)
    if pattern is None:
        return replace(state, matches=())
    texts = (text_of_row(row, state.names) for row in state.rows)
    return replace(state, matches=tuple(n for n, text in enumerate(texts) if pattern.search(text)))


def pattern_of(text: str) -> re.Pattern[str] | None:
    """Return a pattern that matches the text in any case and Unicode normal form; None for ""."""
    pattern = ""
    for char in unicodedata.normalize("NFC", text):
        decomposed = unicodedata.normalize("NFD", char)
        pattern += re.escape(char) if decomposed == char else f"(?:{char}|{decomposed})"
    return re.compile(pattern, re.IGNORECASE) if text else None


def text_of_row(row: LogRow, names: Mapping[str, str] = {}) -> str:
    """Return the searchable text of a row: the API's fields, our wording of its reason, its job.

    Very long texts are bounded to the part that can be displayed. names: of the jobs, by id.
    """
    name = names.get(row.job or "")
    texts = (row.log_type, reason_of(row.log_type), row.object_key, row.message, name)
    return "\n".join(fmt.bounded(text) for text in texts if text)
