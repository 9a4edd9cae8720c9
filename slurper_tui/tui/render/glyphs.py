"""The characters of the screen, in Unicode and in ASCII, and the sign and style of each status."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import NamedTuple

import msgspec
from rich.cells import cell_len

from slurper_tui.api.models import escape_invalid_bytes
from slurper_tui.format import bounded, safe
from slurper_tui.monitor.model.job import SIGNS, JobView, State


class Status(NamedTuple):
    """How a state is drawn: its sign, its ASCII sign and its style."""

    sign: str
    plain: str
    style: str


_STYLES: Mapping[State, str] = {
    State.RUNNING: "primary",
    State.LISTING: "primary",
    State.STALLED: "warning",
    State.FAILING: "error",
    State.PAUSED: "secondary",
    State.VERIFIED: "success",
    State.COMPLETED: "success",
    State.COMPLETED_UNREAD: "neutral",
    State.COMPLETED_WITH_LOSS: "warning",
    State.ABORTED: "error",
    State.WAITING: "accent",
    State.OTHER: "neutral",
    State.GONE: "muted",
}

STATUS: Mapping[State, Status] = {
    state: Status(*SIGNS[state], style) for state, style in _STYLES.items()
}

_PLAIN_WORDS = str.maketrans(
    {
        "—": "-",
        "\N{EN DASH}": "-",
        "·": "-",
        "…": "..",
        "→": "->",
        "←": "<-",
        "≥": ">=",
        "\N{MULTIPLICATION SIGN}": "x",
        "“": '"',
        "”": '"',
        "▲": "!",
        "»": ">",
        "▾": "v",
        "▴": "^",
        "▌": ">",
        "●": "*",
        "○": "o",
        "▸": ">",
        "↻": "@",
        "▐": "|",
        "─": "-",
        "│": "|",
        "↑": "^",
        "↓": "v",
    }
)
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_PARTS = {"transferred": "█", "skipped": "▓", "failed": "▒", "remaining": "░"}
_PLAIN_PARTS = {"transferred": "#", "skipped": "+", "failed": "x", "remaining": "-"}


class Look(msgspec.Struct, frozen=True):
    """How everything is drawn: the terminal's characters, the time zone, the accounts' names.

    ascii_only: only the 95 printable ASCII characters.
    zone: None for local time.
    names: account id to the name in the configuration file.
    """

    ascii_only: bool = False
    zone: tzinfo | None = None
    names: Mapping[str, str] = {}

    def to_ascii(self, text: str) -> str:
        """Replace the signs in our own text if the terminal shows ASCII only."""
        return text.translate(_PLAIN_WORDS) if self.ascii_only else text

    def sanitise(self, text: str | None) -> str:
        """Return API text sanitised and bounded in length, or a dash for None.

        A combining mark at the beginning gets a dotted circle as its base.
        """
        if text is None:
            return self.to_ascii("—")
        shown = safe(escape_invalid_bytes(bounded(text)), ascii_only=self.ascii_only)
        alone = not shown.isascii() and not cell_len(shown[0])
        return f"◌{shown}" if alone else shown

    def sentence(self, text: str) -> str:
        """Return our own text that quotes API text, for this terminal and sanitised."""
        return self.sanitise(self.to_ascii(text))

    @property
    def ellipsis(self) -> str:
        """The character for the omitted middle of a name."""
        return self.to_ascii("…")

    def sign(self, state: State) -> str:
        """Return the sign of a state, at most two cells wide."""
        status = STATUS[state]
        return status.plain if self.ascii_only else status.sign

    def part(self, name: str) -> str:
        """Return the character for a part of the divided bar."""
        return (_PLAIN_PARTS if self.ascii_only else _PARTS)[name]

    def bar(self, part: int, whole: int, width: int) -> str:
        """Return a bar of `width` cells, filled in eighths (whole cells in ASCII), rounded down."""
        part = max(0, min(part, whole))
        if self.ascii_only:
            full = part * width // whole if whole > 0 else 0
            return "#" * full + "-" * (width - full)
        steps = part * width * 8 // whole if whole > 0 else 0
        full, eighths = divmod(steps, 8)
        return ("█" * full + _EIGHTHS[eighths])[:width].ljust(width)


def style_of(view: JobView) -> str:
    """Return the style of a job's status.

    A completed job with unknown counts is not shown as a success, a long stall is shown as an
    error, and so is a job that did not list its whole source.
    """
    if view.state is State.COMPLETED_WITH_LOSS and view.verdict and view.verdict.listing_broke:
        return "error"
    if view.state is State.STALLED and view.stalled_badly:
        return "error"
    if view.state is State.COMPLETED and (view.counts.done is None or view.verdict is None):
        return "muted"
    return STATUS[view.state].style
