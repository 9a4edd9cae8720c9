"""How one job or one migration ended, for a change ticket: the same for the same history."""

from __future__ import annotations

import msgspec


class Receipt(msgspec.Struct, frozen=True):
    """What is told of it."""
