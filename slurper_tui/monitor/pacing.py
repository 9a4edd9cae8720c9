"""Which of the asks that are due may go now.

In any 300 s at most 900 requests leave: 100 at once, one a round for the highlighted job, and the
rest at an even pace. The hard limit of `Budget` stands behind that whatever happens.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurper_tui.monitor.budget import GRANTED, WINDOW, Budget, Pace
from slurper_tui.monitor.model.job import BudgetView
from slurper_tui.monitor.plan import Ask, Rank

BURST = 100
LAZY_BURST = 25
LAZY_SHARE = 0.25
"""Ended jobs that nobody looks at may use at most a quarter of the budget."""

_LAZY_RATE = (GRANTED * 0.75 * LAZY_SHARE - LAZY_BURST) / WINDOW


class Pacing:
    """Hands the budget out, the most urgent ask first."""

    def __init__(self) -> None:
        self.budget = Budget()
        self._pace = Pace.full(BURST, 0.0, 0.0)
        self._lazy = Pace.full(LAZY_BURST, _LAZY_RATE, 0.0)

    def choose(
        self, asks: Sequence[Ask], now: float, interval: float, queued: int, *, eager: bool
    ) -> list[Ask]:
        """The asks that may go now, in their order. queued: those chosen but not yet sent."""
        room = self.budget.available(now) - queued
        if eager:
            return list(asks[: max(0, room)])
        reserve = min(int(WINDOW / interval), max(0, room) // 4)
        self._pace.refill(now, self.ordinary_rate(now, interval))
        self._lazy.refill(now, _LAZY_RATE)
        chosen = []
        for ask in asks:
            kept_back = 0 if ask.rank is Rank.ASKED_FOR else reserve
            if room > kept_back and self._grants(ask):
                chosen.append(ask)
                room -= 1
        return chosen

    def ordinary_rate(self, now: float, interval: float) -> float:
        """Requests per second left for all but the highlighted job."""
        return max(0.0, self.budget.per_second(now) - BURST / WINDOW - 1 / interval)

    def view(self, now: float, wall: float, interval: float, demand: float) -> BudgetView:
        """The budget as others see it. demand: requests per second that would keep every pace."""
        rate = self.ordinary_rate(now, interval)
        stretch = demand / rate if rate > 0 else float(demand > 0) * 99.0
        blocked = self.budget.blocked_until - now
        return BudgetView(
            used=self.budget.used(now),
            limit=GRANTED,
            stretch=round(max(1.0, min(stretch, 99.0)), 1),
            blocked_until=wall + blocked if blocked > 0 else None,
            short=self.budget.is_short(now),
        )

    def _grants(self, ask: Ask) -> bool:
        """Draw the tokens that an ask costs, if there are any."""
        if ask.rank is Rank.ASKED_FOR:
            return True
        if ask.rank is not Rank.FIRST_LIST and self._pace.tokens < 1:
            return False
        if ask.rank is Rank.LAZY:
            if self._lazy.tokens < 1:
                return False
            self._lazy.take()
        self._pace.take()
        return True
