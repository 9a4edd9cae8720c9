"""The hand that gives the budget out: who may go at once, who waits, who never waits."""

from __future__ import annotations

import pytest

from slurper_tui.monitor.polling.account_tracker import AccountTrack
from slurper_tui.monitor.polling.budget import BURST, LAZY_BURST, Pacing
from slurper_tui.monitor.polling.scheduler import Ask, Rank


def asks(rank: Rank, number: int) -> list[Ask]:
    account = AccountTrack("a")
    return [Ask(rank, 0.0, account) for _ in range(number)]


def chosen(pacing: Pacing, wanted: list[Ask], now: float = 0.0, *, eager: bool = False) -> int:
    """How many may go. They are sent."""
    granted = pacing.choose(wanted, now, 5.0, 0, eager=eager)
    for _ in granted:
        pacing.budget.sent(now)
    return len(granted)


@pytest.mark.parametrize(
    ("rank", "most"),
    [
        (Rank.DUE, BURST),
        (Rank.VISIBLE, BURST),
        (Rank.LAZY, LAZY_BURST),
        # A first reading of the lists leaves room for the highlighted job, and no more than that.
        (Rank.FIRST_LIST, 840),
        (Rank.ASKED_FOR, 900),
    ],
)
def test_so_many_may_go_at_once(rank: Rank, most: int) -> None:
    assert chosen(Pacing(), asks(rank, 1000)) == most


def test_the_order_of_the_asks_is_kept_and_the_first_ones_go() -> None:
    mixed = asks(Rank.DUE, 90) + asks(Rank.LAZY, 50)
    granted = Pacing().choose(mixed, 0.0, 5.0, 0, eager=False)
    assert granted == mixed[:100]


def test_what_was_used_up_comes_back_at_an_even_pace() -> None:
    pacing = Pacing()
    assert chosen(pacing, asks(Rank.DUE, 1000)) == BURST
    a_minute = [chosen(pacing, asks(Rank.DUE, 1000), 5.0 * n) for n in range(1, 13)]
    rate = pacing.ordinary_rate(60.0, 5.0)
    assert sum(a_minute) == pytest.approx(60 * rate, abs=1)
    assert max(a_minute) - min(a_minute) <= 1


def test_ended_jobs_use_a_quarter_of_the_budget_at_most() -> None:
    pacing = Pacing()
    for window in range(12):
        times = [window * 300.0 + second for second in range(0, 300, 5)]
        assert sum(chosen(pacing, asks(Rank.LAZY, 1000), at) for at in times) <= 225


def test_what_is_queued_already_counts_as_sent() -> None:
    assert len(Pacing().choose(asks(Rank.ASKED_FOR, 1000), 0.0, 5.0, 890, eager=False)) == 10


def test_who_looks_once_takes_all_there_is_and_no_more() -> None:
    pacing = Pacing()
    assert chosen(pacing, asks(Rank.DUE, 2000), eager=True) == 900
    assert chosen(pacing, asks(Rank.DUE, 2000), 299.0, eager=True) == 0


def test_nothing_goes_while_the_api_says_wait() -> None:
    pacing = Pacing()
    pacing.budget.block(0.0, 60.0)
    assert chosen(pacing, asks(Rank.ASKED_FOR, 5), 59.0) == 0
    assert chosen(pacing, asks(Rank.ASKED_FOR, 5), 60.0) == 5
