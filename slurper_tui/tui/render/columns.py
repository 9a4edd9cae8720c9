"""The columns of the job list as data: width, priority, drawing and sorting.

To add a column, add it to `COLUMNS`; if it is not always shown, also to `fit`; if it cannot be
sorted by, exclude it in `SORTS`. `fit` chooses the columns for a width: a wider list has all
columns of a narrower one, whatever the jobs do. `cells` and `header` draw a row,
`sorting` orders the jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
from rich.cells import cell_len

from slurper_tui import format as fmt
from slurper_tui.eta_format import eta_short
from slurper_tui.monitor.estimate.deadline import Outlook, OutlookState, outlook_of
from slurper_tui.monitor.model.job import (
    JobView,
    State,
    Total,
    default_order,
    shown_forecast,
    shown_rate,
)
from slurper_tui.tui.render.glyphs import Look, style_of
from slurper_tui.tui.render.lines import Line, Piece, fill, pad, shorten, width_of

SortValue = float | str | None
GAP = 2

LEAST_NAME = 16
"""Cells that the flexible column keeps before a number is dropped for it."""

NAME_BESIDE_BAR = 49
"""Cells that the name keeps beside a bar: the list has one from 120 columns on.

Where panes share the width, a list has as many columns only from 160 columns on.
"""

NOT_COPIED = "!"
"""The mark behind a number of lost objects of which some were skipped and not copied."""

SIGN_ALONE = 30
"""A table narrower than this many cells shows the sign of a status without its word."""

LEAST_DATED_NAME = 8
"""Cells that a name keeps beside the age of its row; with fewer, the age is left out."""


class DrawContext(msgspec.Struct, frozen=True):
    """What drawing a cell needs besides its job. now: the time of the data.

    Both times in UTC seconds.
    """

    look: Look
    now: float = 0.0
    deadline: float | None = None


class Column(msgspec.Struct, frozen=True):
    """One column.

    width: cells; the flexible column also takes the spare ones.
    gap: blanks before it.
    value: what the rows are sorted by; None if it is unknown.
    priority: when there is no room, the column with the lowest priority is dropped first; 9: never
    dropped.
    leave: the column is shown only if the flexible column keeps this many cells.
    descending: the first order when sorting by it.
    """

    name: str
    title: str
    width: int
    draw: Callable[[JobView, DrawContext, int], Line]
    value: Callable[[JobView], SortValue]
    priority: int = 9
    right: bool = False
    flexible: bool = False
    gap: int = GAP
    leave: int = LEAST_NAME
    descending: bool = False


ALWAYS = ("status", "migration")
"""Columns without which a row says nothing."""

Fitted = tuple[tuple[Column, int], ...]
"""The chosen columns, each with its width in cells."""


def fit(
    width: int, *, accounts: bool = False, deadline: bool = False, only: Collection[str] = ()
) -> Fitted:
    """Choose the most important columns that fit into a table `width` cells wide.

    accounts: there is more than one account.
    deadline: a deadline is set.
    only: names of the columns that the user wants beside `ALWAYS`; empty for all.
    """
    optional = (("account", accounts), ("due", deadline))
    hidden = {name for name, shown in optional if not shown}
    if only:
        hidden.update(c.name for c in COLUMNS if c.name not in (*only, *ALWAYS))
    candidates = [column for column in COLUMNS if column.name not in hidden]
    candidates.sort(key=lambda column: column.priority, reverse=True)
    number = sum(column.priority == 9 for column in candidates)
    # a column that does not fit also drops the less important ones, which keeps the set monotone
    while number < len(candidates) and _needed(candidates[: number + 1], width) <= width:
        number += 1
    chosen = [column for column in COLUMNS if column in candidates[:number]]
    name = width - _needed(chosen, width, name=0)
    return tuple((c, max(1, name if c.flexible else _width(c, width))) for c in chosen)


def numbers_width(*, accounts: bool, deadline: bool) -> int:
    """Return the least width in cells of a table with every number; only the bar is missing."""
    without = {"bar", *(() if accounts else ("account",)), *(() if deadline else ("due",))}
    return _needed([column for column in COLUMNS if column.name not in without], SIGN_ALONE)


def _needed(columns: Sequence[Column], width: int, name: int | None = None) -> int:
    """Return the cells that these columns take.

    name: cells of the flexible column; None for as many as the columns are to leave it.
    """
    if name is None:
        name = max(column.leave for column in columns)
    gaps = sum(column.gap for column in columns) - COLUMNS[0].gap
    return gaps + sum(name if c.flexible else _width(c, width) for c in columns)


def _width(column: Column, table: int) -> int:
    """Return a column's least width; in a narrow table the status is its sign alone."""
    if column.name == "status" and table < SIGN_ALONE:
        return 1
    return column.width


def cells(
    view: JobView, columns: Fitted, context: DrawContext, name: Callable[[int], Line] | None = None
) -> Line:
    """Draw one row, every cell exactly as wide as its column.

    name: draws the migration cell in the given number of cells; None draws source and target. The
    age of data that is not fresh stands in place of the ETA, or else at the end of this cell.
    """
    row: list[Piece] = []
    in_eta = shown_forecast(view) is None and any(c.name == "eta" for c, _ in columns)
    for column, width in columns:
        if row:
            row.append(Piece(" " * column.gap))
        if column.flexible:
            age = () if in_eta else _age(view, context)
            room = width - width_of(age)
            age, room = (age, room) if room >= LEAST_DATED_NAME else ((), width)
            drawn = name(room) if name else column.draw(view, context, room)
            row += [*fill(drawn, room), *age]
        else:
            row += fill(column.draw(view, context, width), width, right=column.right)
    return tuple(row)


def header(columns: Fitted, look: Look, sort: str | None, inverted: bool) -> Line:
    """Draw the titles; the sorted column is highlighted and has an arrow for the direction."""
    row: list[Piece] = []
    marked = False
    for column, width in columns:
        if row:
            row.append(Piece(" " * (column.gap - marked)))
        title = pad(shorten(column.title, width, look.ellipsis), width, right=column.right)
        marked = column.name == sort
        if not marked:
            row.append(Piece(title, "heading"))
            continue
        arrow = look.to_ascii("▾" if column.descending != inverted else "▴")
        # the arrow follows the title directly, one cell into the gap
        title = title.rstrip()
        row.append(Piece(pad(title + arrow, width + 1), "sorted"))
    return tuple(row)


def sorting(sort: str | None, inverted: bool) -> tuple[Callable[[JobView], tuple[Any, ...]], bool]:
    """Return the key by which jobs in the default order are sorted, and whether in reverse.

    Unknown values are last in both directions. sort: a column; None for the default order.
    """
    column = next((c for c in COLUMNS if c.name == sort), None)
    if column is None:
        return default_order, inverted
    value, reverse = column.value, column.descending != inverted

    def key(view: JobView) -> tuple[bool, float, str]:
        found = value(view)
        unknown = (found is None) != reverse
        return (unknown, 0.0, found) if isinstance(found, str) else (unknown, found or 0.0, "")

    return key, reverse


def source_text(view: JobView, look: Look) -> str:
    """Return the source bucket and prefix: `photos/2024/`."""
    source = view.job.source
    if source is None:
        return look.sanitise(None)
    prefix = f"/{look.sanitise(source.path_prefix)}" if source.path_prefix else ""
    return look.sanitise(source.bucket) + prefix


def migration(view: JobView, context: DrawContext, width: int) -> Line:
    """Return source and target.

    If they do not fit, both are cut in the middle, the longer one more.
    """
    look = context.look
    arrow, dots = look.to_ascii(" → "), look.ellipsis
    source = source_text(view, look)
    target = look.sanitise(view.job.target.bucket if view.job.target else None)
    room = max(2, width - cell_len(arrow))
    for_target = min(cell_len(target), max(room - cell_len(source), room * 2 // 5))
    return (
        Piece(shorten(source, room - for_target, dots)),
        Piece(arrow, "faint"),
        Piece(shorten(target, for_target, dots)),
    )


_TIMED = (State.STALLED, State.FAILING, State.PAUSED)
"""States in which the list shows the time since they began."""


def state_age(view: JobView, now: float) -> str:
    """Return for how long a job has been in a state that should not last: `5m`; else "".

    Seconds are not shown, so that a row without news is not drawn at every poll.
    """
    if view.since is None or view.state not in _TIMED or now - view.since < 60:
        return ""
    return fmt.age(now - view.since)


def _status(view: JobView, context: DrawContext, width: int) -> Line:
    """Return the sign and the word of the status, and the time in it if there is room."""
    look, style = context.look, style_of(view)
    sign = look.sign(view.state)[:width]
    word = shorten(look.sanitise(view.word), max(0, width - len(sign) - 1), look.ellipsis)
    status = Piece(sign + (f" {word}" if width > 1 else ""), style)
    age = state_age(view, context.now)
    fits = age and cell_len(status.text) + 1 + len(age) <= width
    return (status, Piece(f" {age}", "muted")) if fits else (status,)


def short_id(text: str, look: Look, width: int = 9) -> str:
    """Return the beginning of an opaque id, which is the part that people type."""
    clean = look.sanitise(text)
    return clean if cell_len(clean) <= width else shorten(clean, width, look.ellipsis)


def account_name(account_id: str, look: Look, width: int = 12) -> str:
    """Return the account's name in the configuration file, or else the beginning of its id."""
    return short_id(look.names.get(account_id, account_id), look, width)


def _done(view: JobView, context: DrawContext, width: int) -> Line:
    """Return done and total; an ended job with everything done shows its count in full."""
    done, objects = view.counts.done, view.counts.objects
    if done is None and objects is None:
        return _unknown(context)
    more = "+" if view.total_at_least else ""
    whole = fmt.count(done) + more
    if not view.live and done == objects and len(whole) <= width:
        return (Piece(whole),)
    total = context.look.to_ascii(f"/{fmt.short_count(objects)}{more}")
    return (Piece(context.look.to_ascii(fmt.short_count(done))), Piece(total, "muted"))


def _account(view: JobView, context: DrawContext, width: int) -> Line:
    return (Piece(account_name(view.account_id, context.look, width), "muted"),)


def _bar(view: JobView, context: DrawContext, width: int) -> Line:
    whole = 0 if view.total is Total.INCOMPLETE else view.counts.objects or 0
    bar = context.look.bar(view.counts.done or 0, whole, width)
    return (Piece(bar, "bar" if view.live else "bar-ended"),)


def _unknown(context: DrawContext) -> Line:
    return (Piece(context.look.to_ascii(fmt.DASH), "faint"),)


def _percent(view: JobView, context: DrawContext, _width: int) -> Line:
    if view.percent is None:
        return _unknown(context)
    return (Piece(fmt.percent(view.percent, provisional=view.provisional)),)


def lost(view: JobView) -> int | None:
    """Return the objects that failed or are known not to be copied; None when unknown."""
    failed, left = view.counts.failed, view.not_copied_at_least
    return left or None if failed is None else failed + left


def lost_text(view: JobView) -> tuple[str, str]:
    """Return the lost objects and their style: `904`, or `340!` if some were not copied."""
    style = "error" if view.counts.failed else "warning"
    mark = NOT_COPIED if view.not_copied_at_least else ""
    number = lost(view)
    return fmt.short_count(number) + mark, style if number else "faint"


def _failed(view: JobView, context: DrawContext, _width: int) -> Line:
    """Return the lost objects; the last cell is for the mark of those that were not copied."""
    if lost(view) is None:
        return (*_unknown(context), Piece(" "))
    text, style = lost_text(view)
    return (Piece(text if text.endswith(NOT_COPIED) else f"{text} ", style),)


def _rate(view: JobView, context: DrawContext, _width: int) -> Line:
    rate = fmt.rate(shown_rate(view))
    return _unknown(context) if rate == fmt.DASH else (Piece(rate),)


def _eta(view: JobView, context: DrawContext, _width: int) -> Line:
    forecast = shown_forecast(view)
    if forecast is not None:
        text = eta_short(forecast.low_seconds, forecast.high_seconds, at_least=forecast.at_least)
        return _unknown(context) if text == fmt.DASH else (Piece(context.look.to_ascii(text)),)
    if age := _age(view, context):
        return (Piece(age[0].text.strip(), age[0].style),)
    return _unknown(context)


def _eta_value(view: JobView) -> float | None:
    """Return seconds until the middle of the forecast range, or until the lower bound."""
    forecast = shown_forecast(view)
    if forecast is None:
        return None
    return forecast.low_seconds if forecast.at_least else forecast.seconds


def is_dated(view: JobView) -> bool:
    """Return whether the row shows its age: a poll was missed, or the data is from the history."""
    return view.as_of is not None and (view.missed > 0 or view.from_history)


DEADLINE_STYLES = {
    OutlookState.DONE: "success",
    OutlookState.ON_TRACK: "success",
    OutlookState.UNKNOWN: "muted",
    OutlookState.AT_RISK: "warning",
    OutlookState.WILL_MISS: "error",
}


def outlook_short(outlook: Outlook) -> str:
    """Return the outcome of a deadline in at most eight cells; "" if done in time."""
    if outlook.state is OutlookState.DONE:
        return f"late {fmt.age(outlook.low)}" if outlook.low else ""
    if outlook.state is OutlookState.UNKNOWN:
        return fmt.DASH
    if outlook.state is OutlookState.WILL_MISS:
        return "passed" if outlook.passed else f"late {fmt.age(outlook.low or 0.0)}"
    return "at risk" if outlook.state is OutlookState.AT_RISK else "on track"


def _due(view: JobView, context: DrawContext, _width: int) -> Line:
    """Return `on track`, `at risk`, `late 3h` or `passed`, at most eight cells.

    Nothing is returned without a deadline, or for a job that was done in time.
    """
    if context.deadline is None:
        return ()
    outlook = outlook_of(view, context.deadline, context.now)
    unknown = outlook.state is OutlookState.UNKNOWN
    word = "" if unknown and not view.live else outlook_short(outlook)
    return (Piece(context.look.to_ascii(word), DEADLINE_STYLES[outlook.state]),) if word else ()


def _age(view: JobView, context: DrawContext) -> Line:
    """Return `  45s old` for data that is not fresh, else nothing."""
    if view.as_of is None or not is_dated(view):
        return ()
    age = fmt.age(context.now - view.as_of)
    return (Piece(f"  {age} old", "warning" if view.stale else "muted"),)


def _name_value(view: JobView) -> str:
    job = view.job
    names = (job.source_bucket, job.prefix) if job.source else ()
    return "/".join((*names, job.target_bucket)).casefold()


COLUMNS: tuple[Column, ...] = (
    Column("status", "Status", 13, _status, lambda v: v.word),
    Column("account", "Account", 9, _account, lambda v: v.account_id, 5),
    Column("migration", "Migration", LEAST_NAME, migration, _name_value, flexible=True),
    Column("done", "Done", 12, _done, lambda v: v.counts.done, 7, right=True, descending=True),
    Column("bar", "", 10, _bar, lambda v: v.percent, 2, leave=NAME_BESIDE_BAR),
    Column("percent", "%", 4, _percent, lambda v: v.percent, right=True, gap=1, descending=True),
    Column("failed", "Fail ", 6, _failed, lost, 8, right=True, gap=1, descending=True),
    Column("rate", "/s", 4, _rate, shown_rate, 3, right=True, leave=20),
    Column("eta", "ETA", 8, _eta, _eta_value, 6, right=True, gap=1),
    Column("due", "Due", 8, _due, lambda _: None, 4, gap=2),
)

SORTS: tuple[str | None, ...] = (
    None,
    *(c.name for c in COLUMNS if c.name not in ("bar", "account", "due")),
)
"""The columns that `<` and `>` step through; None is the default order."""
