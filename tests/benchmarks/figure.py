"""One measured row of the budget."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One row. measured: the value that the budget bounds; a ratio if there is a reference."""

    name: str
    what: str
    beside: str
    unit: str
    ours: float
    reference: float | None
    measured: float
    budget: float

    @property
    def ok(self) -> bool:
        return self.measured <= self.budget


def absolute(name: str, what: str, unit: str, value: float, budget: float) -> Figure:
    """Return a row without a reference."""
    return Figure(name, what, "", unit, value, None, value, budget)
