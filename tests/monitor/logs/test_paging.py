"""Paging through a log in both orders, while rows are added and expire, without a gap."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.paging import Order, Paging, RowIndex
from tests.monitor.logs.api_log import START, ApiLog, read, row

both_orders = pytest.mark.parametrize("oldest_first", [False, True])


def rows(number: int) -> list[LogRow]:
    return [row(n) for n in range(number)]


def names(rows: list[LogRow]) -> list[str]:
    return sorted(repr(row) for row in rows)


def untimed(number: int) -> list[LogRow]:
    return [row(n, created_at="some day") for n in range(number)]


@settings(deadline=None)
@given(st.integers(0, 700), st.booleans())
def test_every_row_once_and_newest_first(number: int, oldest_first: bool) -> None:
    log, paging = ApiLog(rows(number), oldest_first=oldest_first), Paging()
    assert read(log, paging) == log.rows[::-1]
    assert paging.whole
    expected = Order.OLDEST_FIRST if oldest_first else Order.NEWEST_FIRST
    assert paging.order is (expected if number > 1 else None)


@both_orders
def test_pages_hold_fifty_rows_and_overlap(oldest_first: bool) -> None:
    log = ApiLog(rows(500), oldest_first=oldest_first)
    read(log, Paging())
    assert all(limit <= 50 for _, limit in log.asked)
    if oldest_first:
        assert [offset for offset, _ in log.asked][-5:] == [180, 135, 90, 45, 0]
    else:
        assert [offset for offset, _ in log.asked] == list(range(0, 500, 45))


def test_end_of_a_long_log_sorted_oldest_first_is_found_in_few_requests() -> None:
    log, paging = ApiLog(rows(100_000), oldest_first=True), Paging()
    requests = 0
    while True:
        ask = paging.next_page
        assert ask is not None
        found = paging.take(log.page(*ask))
        requests += 1
        if found.older:
            break
    assert found.older[0] == log.rows[-1]
    assert requests < 35


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 400),
    st.booleans(),
    st.lists(st.integers(0, 40), max_size=12),
)
def test_rows_added_between_pages_leave_no_gap_and_no_duplicate(
    number: int, oldest_first: bool, coming: list[int]
) -> None:
    log, paging = ApiLog(rows(number), oldest_first=oldest_first), Paging()
    waves = iter(coming)

    def between() -> None:
        log.rows += [row(len(log.rows) + n) for n in range(next(waves, 0))]

    collected = read(log, paging, between)
    at_first = collected[-number:]
    assert at_first == log.rows[:number][::-1]
    for _ in range(2):
        paging.refresh()
        collected = read(log, paging) + collected
    assert collected == log.rows[::-1]
    assert paging.whole


@settings(deadline=None, max_examples=60)
@given(st.integers(200, 400), st.booleans(), st.lists(st.integers(0, 70), max_size=8))
def test_rows_that_expire_between_pages_hide_no_other_row(
    number: int, oldest_first: bool, going: list[int]
) -> None:
    log, paging = ApiLog(rows(number), oldest_first=oldest_first), Paging()
    waves = iter(going)

    def between() -> None:
        del log.rows[: min(next(waves, 0), len(log.rows) - 60)]

    collected = read(log, paging, between)
    assert collected[: len(log.rows)] == log.rows[::-1]
    assert len(set(map(id, collected))) == len(collected)


@pytest.mark.parametrize("gone", [46, 300, 2000])
def test_page_without_a_known_row_is_followed_by_a_step_back(gone: int) -> None:
    log, paging = ApiLog(rows(3000)), Paging()
    collected: list[LogRow] = []
    for _ in range(60):
        ask = paging.next_page
        assert ask is not None
        collected += paging.take(log.page(*ask)).older
    tail = collected[-1]
    del log.rows[-gone:]  # the newest rows vanish, so the others move up
    left = log.rows[: log.rows.index(tail)][::-1] if tail in log.rows else log.rows[::-1]
    assert read(log, paging) == left
    assert paging.whole


def test_more_than_a_page_of_rows_between_two_pages_is_read() -> None:
    log, paging = ApiLog(rows(2000)), Paging()
    storms = iter([300, 0, 0, 700, 0, 0, 0, 60])

    def between() -> None:
        log.rows += [row(len(log.rows) + n) for n in range(next(storms, 0))]

    collected = read(log, paging, between)
    assert collected == log.rows[:2000][::-1]
    for _ in range(2):
        paging.refresh()
        collected = read(log, paging) + collected
    assert collected == log.rows[::-1]
    assert paging.whole


def test_rows_that_arrive_faster_than_pages_leave_a_gap() -> None:
    log, paging = ApiLog(rows(500)), Paging()
    read(log, paging)

    def storm() -> None:
        log.rows += [row(len(log.rows) + n) for n in range(400)]

    storm()
    paging.refresh()
    collected = read(log, paging, storm)
    assert collected
    assert paging.gap
    assert not paging.whole


def test_reading_of_a_log_that_always_shifts_ends() -> None:
    paging = Paging()
    pages = iter(range(10_000))
    for number in pages:
        ask = paging.next_page
        if ask is None:
            break
        length = 50 if ask.offset < 1000 else 10
        paging.take([row(number * 50 + n, created_at="?") for n in range(length)])
    assert paging.next_page is None
    assert paging.gap


@both_orders
def test_refresh_finds_new_rows_at_either_end(oldest_first: bool) -> None:
    for number in (0, 1, 2, 49, 50, 51, 95, 96, 300):
        log, paging = ApiLog(rows(number), oldest_first=oldest_first), Paging()
        collected = read(log, paging)
        for coming in (0, 1, 0, 44, 45, 46, 3, 200):
            log.rows += [row(len(log.rows) + n) for n in range(coming)]
            paging.refresh()
            collected = read(log, paging) + collected
        assert collected == log.rows[::-1], (number, oldest_first)


@both_orders
@pytest.mark.parametrize("number", [0, 1, 49, 99, 300])
def test_refreshes_at_any_time_return_no_row_twice(number: int, oldest_first: bool) -> None:
    """Also between the end search and the first row."""
    log, paging = ApiLog(rows(number), oldest_first=oldest_first), Paging()

    def look() -> None:
        if len(log.asked) < 40 and (len(log.asked) % 2 == 0 or not paging.read):
            paging.refresh()

    assert read(log, paging, look) == log.rows[::-1]
    assert paging.whole


def test_rows_added_during_a_refresh_count_once() -> None:
    log, paging, rng = ApiLog(rows(3000)), Paging(), random.Random(0)

    def come() -> None:
        if len(log.asked) < 200:
            log.rows += [row(len(log.rows) + n) for n in range(rng.randrange(45))]
        if len(log.asked) < 300 and rng.random() < 0.2:
            paging.refresh()

    collected = names(read(log, paging, come))
    assert len(set(collected)) == len(collected)


@both_orders
def test_refresh_without_new_rows_is_one_request(oldest_first: bool) -> None:
    log, paging = ApiLog(rows(300), oldest_first=oldest_first), Paging()
    read(log, paging)
    log.asked.clear()
    paging.refresh()
    assert read(log, paging) == []
    assert len(log.asked) == 1


@both_orders
@pytest.mark.parametrize("make", [untimed, lambda n: [row(i, at=START) for i in range(n)]])
@pytest.mark.parametrize("number", [0, 1, 30, 60, 300, 1200])
def test_unusable_times_hide_no_row(
    make: Callable[[int], list[LogRow]], number: int, oldest_first: bool
) -> None:
    every = make(number + 100)
    log, paging = ApiLog(every[:number], oldest_first=oldest_first), Paging()
    collected = read(log, paging)
    assert names(collected) == names(log.rows)
    assert paging.whole
    for coming in range(number, number + 100, 10):
        log.rows += every[coming : coming + 10]
        for _ in range(2):
            paging.refresh()
            collected = read(log, paging) + collected
    assert len(collected) == number + 100
    assert names(collected) == names(every)
    if number:
        assert paging.order is (Order.OLDEST_FIRST if oldest_first else Order.NEWEST_FIRST)
        assert paging.reversed_order is oldest_first
        assert collected[:100] == every[number:][::-1]


def test_known_order_needs_no_times() -> None:
    log = ApiLog(untimed(300), oldest_first=True)
    assert read(log, Paging(Order.OLDEST_FIRST)) == log.rows[::-1]


@both_orders
def test_equal_rows_count_once(oldest_first: bool) -> None:
    twice = [row(n // 2) for n in range(400)]
    log = ApiLog(twice, oldest_first=oldest_first)
    assert read(log, Paging()) == rows(200)[::-1]


def test_rows_that_differ_in_one_field_are_distinct() -> None:
    first = row(1)
    others = [
        row(2, at=START + 1),
        row(1, at=START + 3),
        row(1, message="else"),
        row(1, log_type="importSkippedOversized"),
    ]
    log = ApiLog([first, *others])
    assert len(read(log, Paging())) == 5


def test_row_index_is_bounded() -> None:
    index = RowIndex(most=1000)
    for n in range(50_000):
        index.add(row(n))
    assert index.count == 50_000
    assert len(index) <= 2000
    assert all(row(n) in index for n in range(49_000, 50_000))


@both_orders
def test_newest_rows_are_known_after_a_long_walk(
    oldest_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RowIndex.__init__, "__defaults__", (300,))
    log, paging = ApiLog(rows(5000), oldest_first=oldest_first), Paging()
    assert len(read(log, paging)) == 5000
    log.rows.append(row(5000))
    paging.refresh()
    assert read(log, paging) == [row(5000)]


@both_orders
def test_api_that_ignores_offsets_gets_a_bounded_number_of_requests(oldest_first: bool) -> None:
    page = rows(50) if oldest_first else rows(50)[::-1]
    paging, requests = Paging(), 0
    for _ in range(3):
        while paging.next_page is not None:
            paging.take(page)
            requests += 1
            assert requests < 250
        paging.refresh()
    assert paging.gap


@both_orders
def test_log_that_was_emptied_and_refilled_is_followed(oldest_first: bool) -> None:
    log, paging = ApiLog(rows(300), oldest_first=oldest_first), Paging()
    read(log, paging)
    log.rows[:] = [row(n) for n in range(1000, 1010)]
    paging.refresh()
    assert read(log, paging) == log.rows[::-1]
    log.rows.append(row(1010))
    paging.refresh()
    assert read(log, paging) == [row(1010)]
