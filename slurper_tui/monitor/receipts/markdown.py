"""Foreign text in Markdown: nothing in it can break a line or a table, or be taken for markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC

from slurper_tui import format as fmt

_HARMLESS = re.compile(r"(?:[A-Za-z0-9 ,()!·%+—-]|:(?= |$))*")
"""Words and numbers in which no renderer finds a mark, an address, a name or a sign."""


def code(text: str) -> str:
    """A text as it is, between backticks; what could steer a terminal is a visible stand-in."""
    shown = fmt.safe(text)
    if not shown:
        return '""'
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    odd = shown[0] in "` " or shown[-1] in "` "
    return f"{fence} {shown} {fence}" if odd else f"{fence}{shown}{fence}"


def words(text: str) -> str:
    """A text that is mostly our own: plain where nothing in it could be markup."""
    return text if _HARMLESS.fullmatch(text) and text.strip() == text else code(text)


def cell(text: str) -> str:
    """A text in a table. A bar would end the cell, even behind a backslash: it is a broken one."""
    return words(text).replace("|", "¦")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> Iterator[str]:
    """Lines of a table that can be read as they are. left: columns of words, before the numbers."""
    widths = [max(3, *(len(row[place]) for row in (head, *rows))) for place in range(len(head))]
    rule = [":--".ljust(w, "-") if n < left else "--:".rjust(w, "-") for n, w in enumerate(widths)]
    yield _row(head, widths, left)
    yield f"| {' | '.join(rule)} |"
    yield from (_row(row, widths, left) for row in rows)


def _row(row: Sequence[str], widths: Sequence[int], left: int) -> str:
    cells = zip(row, widths, strict=True)
    aligned = (c.ljust(w) if n < left else c.rjust(w) for n, (c, w) in enumerate(cells))
    return f"| {' | '.join(aligned)} |"


def utc(at: float | None) -> str:
    """A time to the second: `2026-03-19T15:46:20Z`."""
    return fmt.DASH if at is None else fmt.iso(at, UTC).replace("+00:00", "Z")
