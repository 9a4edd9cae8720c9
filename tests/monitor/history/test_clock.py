"""Correction of samples recorded with a wrong clock: their order, values and times."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.api.models import Job
from slurper_tui.cli.connect import ABSENCE, OpenHistory
from slurper_tui.monitor.estimate.series import Series
from slurper_tui.monitor.history.opening import memory_store, open_file
from slurper_tui.monitor.history.store import Dated, Store, fitted
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.events import Event, What
from slurper_tui.monitor.model.job import Counts, JobView
from slurper_tui.monitor.model.samples import HistoryView, Recorded, StoredJob, default_since
from slurper_tui.monitor.reports.digest import make_digest
from tests.monitor.history.noted import VERIFICATION
from tests.monitor.history.samples import ACCOUNT, BEGUN, DAY, URL, job, key, of, sample

CREATED = "2026-09-21T00:00:00Z"
KEY = key()


class Machine:
    """Runs the program again and again on one history, with a clock that may be wrong.

    true: seconds that have really passed since BEGUN. off: by how much the clock is ahead.
    """

    def __init__(self) -> None:
        self.store = memory_store(URL)
        self.true, self.off, self.polls = 0.0, 0.0, 0
        self.last: Recorded | None = None

    @property
    def wall(self) -> float:
        return BEGUN + self.true + self.off

    def start(self) -> float | None:
        """Begin a run; return the seconds of absence that it would show; None if short."""
        healed = self.store.heal(self.wall)
        jobs = self.store.jobs([])
        opened = OpenHistory(self.store, HistoryView(), jobs, self.wall)
        self.series = Series()
        self.series.seed(self.store.samples(KEY), Moment(self.true, self.wall), BEGUN - 3600.0)
        self.healed = healed
        return None if opened.away_since is None else self.wall - opened.away_since

    def poll(self, span: float, *, jumped: bool = False) -> None:
        self.true += span
        self.last = self.series.add(
            Counts(10**6, self.polls, 0, 0),
            "running",
            Moment(self.true, self.wall),
            period=5.0,
            created_at=BEGUN - 3600.0,
            clock_jumped=jumped or self.healed,
        )
        self.healed = False
        self.polls += 1
        self.store.write([job()], of(KEY, [self.last]))

    def assert_in_order(self) -> None:
        """Everything that was recorded is kept, in the order in which it was recorded."""
        samples = self.store.samples(KEY)
        assert [one.counts.done for one in samples] == list(range(self.polls))
        [stored] = self.store.jobs([])
        assert stored.last == samples[-1]
        digest = make_digest(
            [(JobView(ACCOUNT, Job(KEY.job_id), status="running"), samples)],
            default_since([samples], self.wall),
            self.wall,
        )
        assert not [c for job in digest.jobs for c in job.changes if "fell" in c.text]


SPANS = st.lists(st.floats(2.0, 100.0), min_size=1, max_size=8)
AWAY = st.floats(1.0, 5 * DAY).filter(lambda span: abs(span - ABSENCE) > 0.01)
STEPS = st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(-1e5, 1e5)), max_size=8)


@given(st.lists(st.tuples(AWAY, st.floats(-1e9, 1e9), STEPS), max_size=6))
def test_no_sample_is_lost_or_reordered_by_any_clock(
    runs: list[tuple[float, float, list[tuple[float, float]]]],
) -> None:
    machine = Machine()
    for away, off, steps in runs:
        machine.true, machine.off = machine.true + away, off
        machine.start()
        machine.poll(1.0)
        for span, set_by in steps:
            machine.off += set_by
            machine.poll(span, jumped=abs(set_by) > 5.0)
        machine.assert_in_order()
        while machine.store.thin(machine.wall):
            pass
        done = [one.counts.done or 0 for one in machine.store.samples(KEY)]
        assert done == sorted(done)
        if len(done) < machine.polls:
            return  # what is old has been thinned


WRONG = st.one_of(
    st.floats(91 * DAY, 2000 * DAY),  # years ahead
    st.just(-BEGUN),  # never set: it begins with 1970
    st.just(946_684_800.0 - BEGUN),  # or with 2000
    st.just(1_704_067_200.0 - BEGUN),  # or with the day on which the system was built
)


@example([(1.0, 1_704_067_200.0 - BEGUN, [2.0]), (1.0, 91 * DAY, [2.0])], 1.0)
@example([(1.0, 1_704_067_200.0 - BEGUN, [2.0])] * 2, 1.0)
@given(st.lists(st.tuples(AWAY, st.none() | WRONG, SPANS), max_size=6), AWAY)
def test_times_are_right_after_a_wrong_clock_is_corrected(
    runs: list[tuple[float, float | None, list[float]]], away: float
) -> None:
    machine = Machine()
    for pause, wrong, spans in (*runs, (1.0, None, [5.0, 5.0])):
        machine.true += pause
        machine.off = 0.0 if wrong is None else wrong - machine.true * (wrong < 0)
        machine.start()
        for span in spans:
            machine.poll(span)
            assert machine.last is not None
            if wrong is None:
                assert machine.last.at == machine.wall
        machine.assert_in_order()
        samples = machine.store.samples(KEY)
        assert wrong is not None or all(one.at <= machine.wall + 0.001 for one in samples)
        rates = [b.counts.done or 0 for a, b in pairwise(samples) if b.at - a.at < 1]
        assert all(b.after_gap for a, b in pairwise(samples) if b.at - a.at < 1), rates
    machine.true += away
    shown = machine.start()
    assert (shown is None) == (away <= ABSENCE)
    assert shown is None or shown == pytest.approx(away)


# Files that an earlier version left --------------------------------------------------------------


def poisoned(path: Path) -> Store:
    """The clock is once set a year ahead, then runs on from there."""
    store = open_file(path, URL)[0]
    far = 400 * DAY
    samples = [sample(0.0, 0), *(replace(sample(far + n, n + 1), after_gap=True) for n in range(3))]
    store.write([job()], of(KEY, samples))
    store.notes.keep([Event(KEY, BEGUN + far, What.ELSEWHERE, "paused")], {})
    ahead = replace(VERIFICATION, started_at=BEGUN + far, ended_at=BEGUN + far + 90.5)
    store.notes.keep((), {}, (), [ahead])
    return store


def test_samples_in_the_future_are_corrected_on_opening(tmp_path: Path) -> None:
    store, now = poisoned(tmp_path / "history"), BEGUN + 7200.0
    assert store.heal(now)
    samples = store.samples(KEY)
    assert [one.counts.done for one in samples] == [0, 1, 2, 3]
    assert samples[0].at == BEGUN
    assert [now - one.at for one in samples[1:]] == pytest.approx([2.001, 1.001, 0.001], abs=1e-6)
    [stored] = store.jobs([])
    assert stored.last == samples[-1]
    [event] = store.notes.events(KEY, 9)
    assert now - 1 < event.at < now
    [result] = store.notes.verifications()
    assert now - 1 < result.started_at < now
    assert result.ended_at - result.started_at == pytest.approx(90.5)
    assert not store.heal(now)
    store.close()


@pytest.mark.parametrize("now", [5.0, 1_500_000_000.0, BEGUN - 5 * DAY])
def test_nothing_is_moved_if_the_present_clock_is_behind(now: float) -> None:
    store = memory_store(URL)
    samples = [sample(5.0 * n, n) for n in range(9)]
    store.write([job()], of(KEY, samples))
    assert not store.heal(now)
    assert store.samples(KEY) == tuple(samples)


def test_clock_some_days_behind_moves_no_watched_samples() -> None:
    """Samples watched for days do not fit into the seconds since the last sample."""
    store = memory_store(URL)
    watched = [sample(600.0 * n, n) for n in range(800)]
    store.write([job()], of(KEY, watched))
    assert not store.heal(BEGUN + 2 * DAY)
    assert store.samples(KEY) == tuple(watched)


def test_samples_without_room_are_squeezed_and_marked_as_gaps() -> None:
    store = memory_store(URL)
    store.write([job()], of(KEY, [sample(0.0, 0)]))
    store.write([], of(KEY, [replace(sample(5.0 * n, n), after_gap=n == 1) for n in range(1, 9)]))
    back = replace(sample(3.0, 9), after_gap=True, set_back=True)
    store.write([], of(KEY, [back]))
    found = store.samples(KEY)
    assert [each.counts.done for each in found] == list(range(10))
    assert found[-1].at == back.at
    assert all(each.after_gap for each in found[1:])


def test_impossible_times_do_not_count_as_absence() -> None:
    stored = StoredJob(ACCOUNT, Job("a", "running", CREATED), Recorded(5.0, Counts(), "running"))
    store = memory_store(URL)
    assert OpenHistory(store, HistoryView(), [stored], BEGUN).away_since is None
    later = replace(stored, last=sample(0.0))
    opened = OpenHistory(store, HistoryView(), [stored, later], BEGUN + 900.0)
    assert opened.away_since == BEGUN


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.booleans()), min_size=1),
    st.integers(0, 10**8),
    st.integers(0, 10**8),
)
def test_fitted_times_keep_every_watched_span(
    spans: list[tuple[int, bool]], floor: int, end: int
) -> None:
    at, block = 10**9, list[Dated]()
    for span, gap in spans:
        at += span
        block.append(Dated(at, gap))
    times = fitted(block, floor, end)
    watched = sum(b.at - a.at if not b.after_gap else 1 for a, b in pairwise(block))
    assert (times is None) == (end - watched <= floor)
    if times is not None:
        assert times[-1] == end
        assert floor < times[0]
        for (a, b), (before, after) in zip(pairwise(block), pairwise(times), strict=True):
            assert after > before
            assert b.after_gap or after - before == b.at - a.at
