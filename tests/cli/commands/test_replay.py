"""`history --export` and `replay`: the same percents, states and events at the same times."""

from __future__ import annotations

import asyncio
import json
import resource
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from slurper_tui.cli.commands.history import connect
from slurper_tui.monitor.history.recording import read_recording, recording_lines
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts, Snapshot
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.polling.clock import GAP, LATER, LONGEST_STEP, ReplayClock
from slurper_tui.monitor.polling.history_sync import StoredHistory
from slurper_tui.monitor.polling.poller import Monitor
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.cli.program import Ran, perform
from tests.monitor.bench import EPOCH, bench, wall
from tests.monitor.inline_history import InlineHistory
from tests.virtual_time import timeless

Seen = dict[JobKey, list[tuple[float, object]]]
SECONDS = 400


def note(seen: Seen, snapshot: Snapshot) -> None:
    """Add what has changed of each job since it was last seen."""
    for view in snapshot.jobs:
        if view.as_of is None:
            continue
        changes = seen.setdefault(view.key, [])
        now = (view.state, view.status, view.percent, view.counts)
        if not changes or changes[-1][1] != now:
            changes.append((round(view.as_of, 3), now))


def plans() -> list[Plan]:
    """Two jobs that end while they are watched, one with failures, and one that goes on."""
    return [
        Plan("ends", EPOCH - 60, 3000, 200.0),
        Plan("fails", EPOCH - 30, 5000, 150.0, failed=40),
        Plan("goes-on", EPOCH - 900, 90_000, 9000.0),
    ]


async def events_of(history: InlineHistory, keys: list[JobKey]) -> list[object]:
    return [event for key in keys for event in await history.notes.events(key)]


@timeless
async def test_a_replay_shows_what_was_shown_at_the_same_times() -> None:
    account, original, watched = (
        SimulatedAccount(0, wall, plans=plans(), token="t0ken"),
        Seen(),
        InlineHistory(),
    )
    async with bench([account], history=StoredHistory(watched)) as b:
        end = wall() + SECONDS
        async for snapshot in b.snapshots:
            note(original, snapshot)
            if snapshot.taken_at > end:
                break
    samples = list(watched.store.every())
    text = recording_lines(watched.store.jobs(()), samples, names=False)

    connection = connect(read_recording(line.encode() for line in text), float("inf"))
    assert connection.replay is not None
    clock, replayed, history = connection.replay.clock, Seen(), InlineHistory()
    connection.open()
    monitor = Monitor(connection.clients, StoredHistory(history, shown=False), timer=clock)
    async with aclosing(monitor.snapshots()) as snapshots:
        async for snapshot in snapshots:
            note(replayed, snapshot)
            if snapshot.taken_at >= clock.end:
                break
    await connection.close()

    assert replayed == original
    assert len(original) == 3
    keys = sorted(original)
    events = await events_of(history, keys)
    assert events == await events_of(watched, keys)
    assert len(events) >= 2


def replay(folder: Path, *words: str) -> Ran:
    """A command without credentials whose every request fails the test."""

    def nobody(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"asked {request.url}")

    transport, environ = httpx.MockTransport(nobody), {"LANG": "C.UTF-8"}
    return perform(None, *words, environ=environ, transport=transport, folder=folder)


def test_in_a_pipe_it_prints_the_lines_of_watch_and_ends_with_0(tmp_path: Path) -> None:
    file = tmp_path / "recording.jsonl"
    assert replay(tmp_path, "history", "--demo", f"--export={file}").code == 0
    written = file.read_bytes()
    ran = replay(tmp_path, "replay", str(file))
    assert (ran.code, ran.err) == (0, [])
    assert any("bucket-1/prefix-1/ → bucket-2 running" in line for line in ran.out)
    assert not (tmp_path / "state").exists()
    assert file.read_bytes() == written
    again = replay(tmp_path, "history", "--demo", f"--export={file}")
    assert (again.code, again.err) == (
        2,
        [f"slurper-tui: --export: {file} cannot be written: File exists"],
    )


def test_an_export_that_a_full_disk_ends_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "recording.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        ran = replay(tmp_path, "history", "--demo", f"--export={file}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ran.code == 2
    assert ran.err == [f"slurper-tui: --export: {file} cannot be written: File too large"]
    assert not file.exists()


def test_a_name_too_long_for_a_file_is_that_of_a_job(tmp_path: Path) -> None:
    ran = replay(tmp_path, "replay", "x" * 300)
    assert (ran.code, ran.err) == (2, ["slurper-tui: nothing was recorded so far"])


def test_the_end_of_each_of_many_jobs_is_shown(tmp_path: Path) -> None:
    keys = [JobKey("a" * 32, f"job-{n}") for n in range(40)]
    samples = [
        (key, Recorded(EPOCH + 14 * reading + place / 3, Counts(12, reading), status))
        for reading in range(1, 13)
        for status in ["running" if reading < 12 else "completed"]
        for place, key in enumerate(keys)
    ]
    file = tmp_path / "recording.jsonl"
    file.write_text("\n".join(recording_lines((), samples, names=False)), encoding="utf-8")
    ran = replay(tmp_path, "replay", "--json", str(file))
    shown = [json.loads(line) for line in ran.out]
    assert (ran.code, ran.err) == (0, [])
    assert sorted(job["id"] for job in shown if job["status"] == "completed") == sorted(
        key.job_id for key in keys
    )


def test_an_export_of_nothing_is_told(tmp_path: Path) -> None:
    ran = replay(tmp_path, "history", "--export=-")
    assert (ran.code, len(ran.out)) == (0, 1)
    assert ran.err == ["slurper-tui: nothing was recorded so far"]


def test_a_damaged_line_ends_it_with_its_number(tmp_path: Path) -> None:
    file = tmp_path / "recording.jsonl"
    file.write_text('{"slurper_tui_recording":1}\n{"at"', encoding="utf-8")
    ran = replay(tmp_path, "replay", str(file))
    assert (ran.code, ran.out) == (2, [])
    assert ran.err[0].startswith(f"slurper-tui: {file}: line 2 is damaged: ")


@pytest.mark.parametrize("job", [(), ("4903",)])
def test_without_a_history_there_is_nothing_to_replay(tmp_path: Path, job: tuple[str, ...]) -> None:
    ran = replay(tmp_path, "replay", *job)
    assert (ran.code, ran.err) == (2, ["slurper-tui: nothing was recorded so far"])


# The clock --------------------------------------------------------------------------------------


async def passing(clock: ReplayClock, seconds: float) -> float:
    """Return the recorded seconds that pass in virtual seconds."""
    before, woken = clock.wall(), asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, woken.set)
    while not woken.is_set():
        await clock.wait(woken, float("inf"), busy=False)
    return clock.wall() - before


@timeless
async def test_time_passes_at_its_speed_and_stops_at_the_end() -> None:
    clock = ReplayClock([EPOCH + at for at in range(0, 600, 5)], speed=2.0)
    assert await passing(clock, 10) == pytest.approx(20)
    clock.set_speed(1)
    assert await passing(clock, 10) == pytest.approx(50)
    clock.set_playing(False)
    assert await passing(clock, 10) == 0
    clock.set_playing(True)
    clock.set_speed(-1)
    assert await passing(clock, 1000) == pytest.approx(595 + LATER - 70)
    assert clock.wall() == clock.end


@timeless
async def test_it_goes_to_the_next_answer_and_to_the_next_change() -> None:
    times = [EPOCH + at for at in range(0, 600, 5)]
    clock = ReplayClock(times, [EPOCH + 100])
    clock.go_to(clock.next_step())
    assert await passing(clock, 1) == 5
    clock.go_to(clock.next_mark())
    await passing(clock, 1)
    assert (clock.wall(), clock.playing) == (EPOCH + 100, False)
    assert await passing(clock, 100) == 0


@timeless
async def test_answers_that_never_pause_are_many_steps() -> None:
    clock = ReplayClock([EPOCH + at / 3 for at in range(3000)], [EPOCH + 500])
    assert clock.next_step() == EPOCH + LONGEST_STEP
    assert clock.next_mark() == pytest.approx(EPOCH + 500, abs=LONGEST_STEP)
    assert await passing(clock, 10) == 10


@pytest.mark.parametrize(
    ("speed", "slower", "faster"),
    [(1.0, 1.0, 2.0), (0.5, 0.5, 1.0), (45.0, 30.0, 60.0), (7200.0, 3600.0, 7200.0)],
)
def test_a_key_never_makes_it_slower_instead_of_faster(
    speed: float, slower: float, faster: float
) -> None:
    for step, expected in ((-1, slower), (1, faster)):
        clock = ReplayClock([EPOCH], speed=speed)
        clock.set_speed(step)
        assert clock.speed == expected


@timeless
async def test_a_time_without_answers_passes_in_two_seconds() -> None:
    clock = ReplayClock([EPOCH, EPOCH + 50_000], speed=1.0)
    assert GAP < 50_000
    assert await passing(clock, 2.5) == pytest.approx(50_000.5)


@timeless
async def test_time_stands_still_while_a_request_is_under_way() -> None:
    clock, woken = ReplayClock([EPOCH, EPOCH + 50], speed=60.0), asyncio.Event()
    asyncio.get_running_loop().call_later(5, woken.set)
    await clock.wait(woken, float("inf"), busy=True)
    assert clock.wall() == EPOCH
