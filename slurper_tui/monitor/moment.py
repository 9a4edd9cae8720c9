"""Now, on both clocks."""

from __future__ import annotations

from typing import NamedTuple


class Moment(NamedTuple):
    """One instant. mono: monotonic seconds, for spans. wall: UTC seconds, for people."""

    mono: float
    wall: float
