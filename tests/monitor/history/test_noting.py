"""`HistoryNotes` with real files, threads, faults and kills."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from slurper_tui.monitor.history import recorder as module
from slurper_tui.monitor.history.opening import open_history
from slurper_tui.monitor.history.recorder import HistoryNotes, Recorder
from slurper_tui.monitor.model.events import Event, RetryLink, What
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Plan, Step, StepState
from tests.monitor.history.noted import COUNTS, TIE, VERIFICATION, draft, event, plan
from tests.monitor.history.samples import ACCOUNT, URL, job, key, of, opened, run_of, sample
from tests.monitor.history.test_opening import aside, locked
from tests.monitor.history.test_recorder import done, fill, unmake

WAITING, SENDING, STARTED = StepState.WAITING, StepState.SENDING, StepState.STARTED
OTHER_TIE = RetryLink(key("job2"), key(), 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite3"


class Kept:
    """A recorder and its notes."""

    def __init__(self, path: Path | None) -> None:
        self.recorder = Recorder(*open_history(path, URL))
        self.notes = self.recorder.notes


@asynccontextmanager
async def keeping(path: Path | None) -> AsyncGenerator[Kept, None]:
    kept = Kept(path)
    try:
        yield kept
    finally:
        await kept.recorder.close()


async def note_all(notes: HistoryNotes) -> Plan:
    """Record one note of each kind; return the stored plan."""
    notes.note([event(0), event(1, What.HERE)])
    notes.keep_counts(key(), COUNTS)
    await notes.link(TIE)
    await notes.keep_verification(VERIFICATION)
    return await notes.keep_plan(plan())


async def assert_all(notes: HistoryNotes, *plans: Plan) -> None:
    assert await notes.events(key()) == (event(0), event(1, What.HERE))
    assert await notes.counts([ACCOUNT]) == {key(): COUNTS}
    assert await notes.links([ACCOUNT]) == (TIE,)
    assert await notes.verifications([ACCOUNT]) == (VERIFICATION,)
    assert await notes.plans([ACCOUNT]) == plans


def sending(kept: Plan, number: int = 1, state: StepState = SENDING) -> Step:
    return replace(kept.steps[number - 1], state=state)


async def test_notes_are_read_in_this_run_and_the_next(path: Path) -> None:
    async with keeping(path) as first:
        kept = await note_all(first.notes)
        await assert_all(first.notes, kept)
        assert first.notes.durable
        assert first.recorder.on_disk
    async with keeping(path) as second:
        await assert_all(second.notes, kept)


async def test_notes_in_memory_are_readable_but_not_durable() -> None:
    async with keeping(None) as memory:
        kept = await note_all(memory.notes)
        await assert_all(memory.notes, kept)
        assert kept.id == 1
        assert await memory.notes.move(kept.id, 1, WAITING, sending(kept))
        assert not memory.notes.durable


async def test_notes_use_only_the_recorders_thread(path: Path) -> None:
    async with keeping(path) as one:
        names = list[str]()
        one.recorder._store._connection.set_trace_callback(
            lambda _: names.append(threading.current_thread().name)
        )
        kept = await note_all(one.notes)
        await one.notes.move(kept.id, 1, WAITING, sending(kept))
        await assert_all(one.notes, *await one.notes.plans([ACCOUNT]))
        assert set(names) == {"history"}


async def test_closed_notes_write_nothing_and_raise_nothing(path: Path) -> None:
    async with keeping(path) as one:
        kept = await note_all(one.notes)
    late = await note_all(one.notes)
    assert (late.id, one.notes.durable) == (-1, False)
    assert await one.notes.move(kept.id, 1, WAITING, sending(kept)) is False
    assert await one.notes.plans([ACCOUNT]) == ()
    with opened(path) as (store, _):
        assert store.notes.plans.all() == (kept,)


async def test_verifications_of_two_programs_are_merged(path: Path) -> None:
    theirs = replace(VERIFICATION, started_at=VERIFICATION.started_at + 5.0)
    async with keeping(path) as one, keeping(path) as other:
        await one.notes.keep_verification(VERIFICATION)
        assert await other.notes.verifications([ACCOUNT]) == (VERIFICATION,)
        await other.notes.keep_verification(theirs)
        assert await one.notes.verifications([ACCOUNT]) == (VERIFICATION, theirs)


# Disk faults -------------------------------------------------------------------------------------


async def test_notes_wait_while_the_disk_is_full(path: Path) -> None:
    async with keeping(path) as one:
        theirs = await one.notes.keep_plan(plan())
        fill(one.recorder, 1)
        big = plan(draft(None, tuple(f"{n:0>200}" for n in range(1000))), made_at=5)
        one.notes.note([event(n) for n in range(500)])
        await one.notes.link(TIE)
        one.notes.keep_counts(key(), LogCounts({f"{n:0>200}": n for n in range(500)}))
        await one.notes.keep_verification(VERIFICATION)
        kept = await one.notes.keep_plan(big)
        await done(one.recorder)
        assert one.notes.durable is False
        assert await one.notes.plans([ACCOUNT]) == (theirs, kept)
        assert len(await one.notes.events(key(), 500)) == 500
        assert len((await one.notes.counts([ACCOUNT]))[key()].by_type) == 500
        assert await one.notes.links([ACCOUNT]) == (TIE,)
        assert await one.notes.verifications([ACCOUNT]) == (VERIFICATION,)
        assert await one.notes.verifications(["acc9"]) == ()
        assert await one.notes.move(kept.id, 1, WAITING, sending(kept)) is True
        assert await one.notes.move(kept.id, 1, WAITING, sending(kept)) is False
        with opened(path) as (store, _):
            assert store.notes.plans.all() == (theirs,)
        fill(one.recorder, 10**6)
        one.recorder.record([job()], of(key(), [sample(0)]))
        await done(one.recorder)
        assert one.notes.durable is True
        assert await one.notes.move(kept.id, 1, SENDING, sending(kept, 1, STARTED)) is True
    with opened(path) as (store, _):
        assert [each.steps[0].state for each in store.notes.plans.all()] == [WAITING, STARTED]
        assert (len(store.notes.events(key(), 500)), store.notes.links()) == (500, (TIE,))
        assert len(store.notes.counts()[key()].by_type) == 500


async def test_no_step_changes_while_the_file_is_locked(path: Path) -> None:
    async with keeping(path) as one:
        kept = await one.notes.keep_plan(plan())
        with locked(path, "BEGIN IMMEDIATE"):
            assert await one.notes.move(kept.id, 1, WAITING, sending(kept)) is False
            one.notes.note([event(0)])
            await one.notes.link(OTHER_TIE)
            assert await one.notes.events(key()) == (event(0),)
            assert await one.notes.links([ACCOUNT]) == (OTHER_TIE,)
            assert one.notes.durable is False
        assert await one.notes.plans([ACCOUNT]) == (kept,)
        assert await one.notes.move(kept.id, 1, WAITING, sending(kept)) is True
    with opened(path) as (store, _):
        assert (store.notes.events(key(), 5), store.notes.links()) == ((event(0),), (OTHER_TIE,))


async def test_plan_of_a_deleted_file_cannot_change(path: Path) -> None:
    async with keeping(path) as one:
        kept = await one.notes.keep_plan(plan())
        unmake(path.parent)
        assert await one.notes.move(kept.id, 1, WAITING, sending(kept)) is False
        await note_all(one.notes)
        assert one.notes.durable
    with opened(path) as (store, _):
        assert store.notes.links() == (TIE,)


@pytest.mark.parametrize("waited", [False, True])
async def test_plan_of_a_replaced_file_moves_no_plan_of_the_new_file(
    path: Path, waited: bool
) -> None:
    """Both plans are number 1 of their file; `waited`: the first was written later."""
    async with keeping(path) as one:
        if waited:
            with locked(path, "BEGIN IMMEDIATE"):
                old = await one.notes.keep_plan(plan())
            one.recorder.write_soon()
            await done(one.recorder)
        else:
            old = await one.notes.keep_plan(plan())
        assert one.notes.number_of(old.id) == 1
        unmake(path.parent)
        new = await one.notes.keep_plan(plan(made_at=5))
        assert (one.notes.number_of(old.id), one.notes.number_of(new.id)) == (None, 1)
        assert await one.notes.move(old.id, 1, WAITING, sending(old)) is False
        assert await one.notes.plans([ACCOUNT]) == (new,)
        assert await one.notes.move(new.id, 1, WAITING, sending(new)) is True
    with opened(path) as (store, _):
        [kept] = store.notes.plans.all()
        assert (kept.made_at, kept.steps[0].state) == (new.made_at, SENDING)


async def test_plan_that_waits_gets_its_number_when_it_is_written(path: Path) -> None:
    async with keeping(path) as one:
        await one.notes.keep_plan(plan())
        with locked(path, "BEGIN IMMEDIATE"):
            waiting = await one.notes.keep_plan(plan(made_at=5))
            assert (waiting.id, one.notes.number_of(waiting.id)) == (-1, None)
        one.recorder.write_soon()
        await done(one.recorder)
        assert one.notes.number_of(waiting.id) == 2
        assert (await one.notes.plans([ACCOUNT]))[1] == waiting


async def test_notes_wait_while_no_new_file_can_be_created(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    async with keeping(folder / "h") as one:
        one.recorder.record([job()], of(key(), run_of(3)))
        await done(one.recorder)
        folder.rename(tmp_path / "moved")
        folder.touch()
        kept = await note_all(one.notes)
        await assert_all(one.notes, kept)
        assert one.notes.durable is False
        folder.unlink()
        one.recorder.record([job()], of(key(), run_of(1)))
        await done(one.recorder)
        assert one.notes.durable is True
        await assert_all(one.notes, kept)
    with opened(folder / "h") as (store, _):
        assert store.notes.plans.all() == (replace(kept, id=1),)


async def test_damaged_file_is_set_aside_and_new_notes_are_written(path: Path) -> None:
    async with keeping(path) as one:
        await note_all(one.notes)
        with path.open("r+b") as text:
            await one.recorder.run(one.recorder._store.make_room)
            for page in range(7, 15):
                text.seek((page - 1) * 4096)
                text.write(b"\xa5" * 4096)
        one.recorder._store._connection.execute("PRAGMA cache_size = 0").fetchall()
        one.recorder._store._connection.execute("PRAGMA shrink_memory").fetchall()
        assert await one.notes.events(key()) == ()
        kept = await note_all(one.notes)
        await done(one.recorder)
        await assert_all(one.notes, kept)
        assert (len(aside(path.parent)) > 0, one.notes.durable) == (True, True)
        assert "damaged" in one.recorder.view.reason


async def test_waiting_events_are_limited(path: Path) -> None:
    async with keeping(path) as one:
        one.notes.note([event(0)])
        await done(one.recorder)
        fill(one.recorder, 1)
        for begin in range(0, 2 * module.MOST, 1000):
            one.notes.note([event(n, whose=key("j")) for n in range(begin, begin + 1000)])
        await done(one.recorder)
        found = await one.notes.events(key("j"), 10**6)
        assert (len(found), found[-1].at) == (module.MOST, event(2 * module.MOST - 1).at)


# Several programs --------------------------------------------------------------------------------

RACING = """
import asyncio, sys
from pathlib import Path
from msgspec.structs import replace
from slurper_tui.monitor.history.opening import open_history
from slurper_tui.monitor.history.recorder import Recorder
from slurper_tui.monitor.model.plans import StepState
async def main():
    recorder = Recorder(*open_history(Path(sys.argv[1]), "https://api.example/v4"))
    notes = recorder.notes
    [plan] = await notes.plans(["acc0"])
    print("ready", flush=True)
    sys.stdin.readline()
    for step in plan.steps:
        after = replace(step, state=StepState.SENDING)
        if await notes.move(plan.id, step.number, StepState.WAITING, after):
            print(step.number, flush=True)
    print("end", flush=True)
    if sys.argv[2] == "close":
        await recorder.close()
asyncio.run(main())
"""


def racer(path: Path, how: str = "close") -> subprocess.Popen[str]:
    words = [sys.executable, "-c", RACING, str(path), how]
    program = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    return program


def planned(path: Path, number: int) -> None:
    with opened(path) as (store, _):
        store.notes.plans.keep(plan(*(draft(f"{n}/") for n in range(number))))


def states(path: Path) -> list[StepState]:
    with opened(path) as (store, _):
        [kept] = store.notes.plans.all()
        return [step.state for step in kept.steps]


def test_each_step_is_changed_by_one_of_several_programs(path: Path) -> None:
    planned(path, 60)
    several = [racer(path) for _ in range(3)]
    for each in several:
        assert each.stdin is not None
        each.stdin.write("go\n")
    outputs = [each.communicate()[0].split() for each in several]
    moved = sorted(int(number) for words in outputs for number in words[:-1])
    assert moved == list(range(1, 61))
    assert states(path) == [SENDING] * 60


def test_changes_reported_before_a_kill_are_on_disk(path: Path) -> None:
    planned(path, 2000)
    program = racer(path)
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write("go\n")
    lines = [program.stdout.readline() for _ in range(30)]
    program.kill()
    lines += program.stdout.readlines()
    program.wait()
    program.stdin.close()
    program.stdout.close()
    reported = len([line for line in lines if line.endswith("\n") and line != "end\n"])
    now = states(path)
    assert now.count(SENDING) - reported in {0, 1}
    assert now == [SENDING] * now.count(SENDING) + [WAITING] * now.count(WAITING)


HANGING = """
import asyncio, sys, time
from pathlib import Path
from slurper_tui.monitor.history.opening import open_history
from slurper_tui.monitor.history.recorder import Recorder
async def main():
    recorder = Recorder(*open_history(Path(sys.argv[1]), "https://api.example/v4"))
    notes = recorder.notes
    recorder._thread.submit(lambda: time.sleep(3600))
    notes.note([])
    asking = asyncio.create_task(notes.plans(["acc0"]))
    await asyncio.sleep(0)
    await recorder.close()
asyncio.run(main(), debug=False)  # no warning about slow callbacks
print("ended")
"""


def test_hanging_disk_does_not_keep_the_process_alive(path: Path) -> None:
    words = [sys.executable, "-X", "dev", "-c", HANGING, str(path)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "ended\n", "")


async def test_cancelled_change_does_not_disturb_later_ones(path: Path) -> None:
    async with keeping(path) as one:
        kept = await one.notes.keep_plan(plan())
        begun = threading.Event()
        held = one.recorder._thread.submit(lambda: begun.wait(20))
        moving = asyncio.create_task(one.notes.move(kept.id, 1, WAITING, sending(kept)))
        await asyncio.sleep(0)
        moving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await moving
        begun.set()
        assert await asyncio.wrap_future(held)
        assert await one.notes.move(kept.id, 2, WAITING, sending(kept, 2)) is True


async def test_duplicate_event_is_stored_once(path: Path) -> None:
    twice = Event(key(), 1.5, What.ASKED, "abort")
    async with keeping(path) as first, keeping(path) as second:
        first.notes.note([twice, twice])
        second.notes.note([twice])
        assert await second.notes.events(key()) == (twice,)
        assert await first.notes.events(key()) == (twice,)
