"""What is asked of a log, and what a page of it brings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from slurper_tui.api.models import PAGE_SIZE, LogRow

OVERLAP = 5
"""Rows that a page has in common with the one before it, so that rows which come meanwhile, or
go, leave no gap."""


class PageAsk(NamedTuple):
    """Which page."""

    offset: int
    limit: int = PAGE_SIZE


class Found(NamedTuple):
    """Rows that were not known, newest first.

    older: they follow on those that are known. newer: they go before them.
    """

    older: tuple[LogRow, ...] = ()
    newer: tuple[LogRow, ...] = ()


class Errand(Protocol):
    """Something that pages are read for, one after the other, until it is `over`.

    torn: rows may have been missed.
    """

    over: bool
    torn: bool

    @property
    def ask(self) -> PageAsk:
        """The page that is wanted next."""
        ...

    def take(self, rows: Sequence[LogRow]) -> Found:
        """Make what can be made of that page."""
        ...
