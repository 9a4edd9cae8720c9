"""One measured row of the budget."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured row. measured: what the budget bounds, a ratio where there is a reference."""

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
    """A row without a reference."""
    return Figure(name, what, "", unit, value, None, value, budget)
