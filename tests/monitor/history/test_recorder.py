"""`Recorder` with real files, threads, faults and kills."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from slurper_tui.monitor.history import recorder as module
from slurper_tui.monitor.history.opening import open_history
from slurper_tui.monitor.history.recorder import Batch, PendingSamples, Recorder
from slurper_tui.monitor.history.store import BATCH
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.samples import HistoryView, Keeping, Recorded
from tests.monitor.history.samples import (
    ACCOUNT,
    BEGUN,
    DAY,
    URL,
    job,
    key,
    of,
    opened,
    run_of,
    sample,
)
from tests.monitor.history.test_opening import LOCKED_AT_START, aside, locked

ON = HistoryView()
FULL = HistoryView(Keeping.OFF, "the disk is full")
LOCKED = HistoryView(Keeping.OFF, "another program keeps its file locked")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite3"


@asynccontextmanager
async def recording(path: Path | None) -> AsyncGenerator[Recorder, None]:
    recorder = Recorder(*open_history(path, URL))
    try:
        yield recorder
    finally:
        await recorder.close()


async def done(recorder: Recorder) -> None:
    """Wait for the tasks queued so far."""
    await asyncio.wrap_future(recorder._thread.submit(lambda: None))


def written(path: Path) -> list[Recorded]:
    """Read the samples that are in the file."""
    with opened(path) as (store, _):
        return list(store.samples(key()))


async def test_recorded_samples_are_read_and_written(path: Path) -> None:
    samples = run_of(100)
    async with recording(path) as recorder:
        for one in samples:
            recorder.record([job()], of(key(), [one]))
        assert await recorder.samples(key()) == tuple(samples)
        assert await recorder.samples(key(), BEGUN + 5, BEGUN + 20) == tuple(samples[1:5])
        last = await recorder.last_of_each(key(), BEGUN, 100.0)
        assert [one.at - BEGUN for one in last] == [0.0, 95.0, 195.0, 295.0, 395.0, 495.0]
        assert recorder.view == ON
    assert written(path) == samples


async def test_only_the_recorders_thread_uses_the_disk(path: Path) -> None:
    async with recording(path) as recorder:
        names = list[str]()
        recorder._store._connection.set_trace_callback(
            lambda _: names.append(threading.current_thread().name)
        )
        recorder.record([job()], of(key(), run_of(3)))
        await recorder.samples(key())
        await recorder.last_of_each(key(), 0, 5)
        assert set(names) == {"history"}


async def test_closed_recorder_writes_nothing_and_raises_nothing(path: Path) -> None:
    before = set(threading.enumerate())
    async with recording(path) as recorder:
        recorder.record([job()], of(key(), run_of(3)))
    recorder.record([job()], of(key(), run_of(3, begin=100)))
    assert await recorder.samples(key()) == ()
    assert await recorder.last_of_each(key(), 0, 5) == ()
    await recorder.close()
    assert len(written(path)) == 3
    for thread in set(threading.enumerate()) - before:
        thread.join(20.0)
        assert not thread.is_alive()


async def test_view_of_a_recorder_in_memory_stays() -> None:
    store, _ = open_history(None, URL)
    off = HistoryView(Keeping.ASKED_OFF)
    recorder = Recorder(store, off)
    recorder.record([job()], of(key(), run_of(3)))
    assert len(await recorder.samples(key())) == 3
    assert recorder.view == off
    await recorder.close()


async def test_old_samples_are_thinned_on_opening_and_every_hour(path: Path) -> None:
    with opened(path) as (store, _):
        store.write([job()], of(key(), run_of(17_280 * 3)))
    async with recording(path) as recorder:
        now = 3 * DAY
        recorder.record([], of(key(), [sample(now)]))
        while len(await recorder.samples(key())) > 17_280 + 2 * 145 + 2:
            pass
        begun = len(await recorder.samples(key()))
        recorder.record([], of(key(), run_of(719, begin=now + 5)))
        await done(recorder)
        assert len(await recorder.samples(key())) == begun + 719
        recorder.record([], of(key(), [sample(now + 3600)]))
        await done(recorder)
        await done(recorder)
        assert len(await recorder.samples(key())) <= begun + 6


# Disk faults -------------------------------------------------------------------------------------


def fill(recorder: Recorder, pages: int) -> None:
    """Limit the file to `pages` pages, like a full disk."""
    recorder._store._connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()


async def test_samples_wait_while_the_disk_is_full(path: Path) -> None:
    samples = run_of(3000)
    async with recording(path) as recorder:
        recorder.record([job()], of(key(), samples[:10]))
        await done(recorder)
        fill(recorder, 1)
        for begin in range(10, 3000, 100):
            recorder.record([job()], of(key(), samples[begin : begin + 100]))
        assert await recorder.samples(key()) == tuple(samples)
        assert recorder.view == FULL
        step = await recorder.last_of_each(key(), 0.0, 600.0)
        assert [one.at - BEGUN for one in step] == [0, *range(595, 15000, 600)]
        assert len(written(path)) < 1500
        fill(recorder, 10**6)
        recorder.record([job()], of(key(), [sample(20_000)]))
        await done(recorder)
        assert recorder.view == ON
        assert written(path) == [*samples, sample(20_000)]


async def test_waiting_samples_are_written_on_close(path: Path) -> None:
    async with recording(path) as recorder:
        recorder.record([job()], of(key(), run_of(2)))
        await done(recorder)
        fill(recorder, 1)
        recorder.record([job()], of(key(), run_of(2000)))
        await done(recorder)
        assert recorder.view == FULL
        fill(recorder, 10**6)
    assert len(written(path)) == 2000


async def test_samples_wait_while_the_file_is_locked(path: Path) -> None:
    async with recording(path) as recorder:
        recorder.record([job()], of(key(), run_of(3)))
        await done(recorder)
        with locked(path, "BEGIN IMMEDIATE"):
            recorder.record([job()], of(key(), run_of(3, begin=100)))
            assert len(await recorder.samples(key())) == 6
            assert recorder.view == LOCKED
        recorder.record([job()], of(key(), run_of(3, begin=200)))
        assert len(await recorder.samples(key())) == 9
        assert recorder.view == ON


async def test_lasting_lock_does_not_delay_close(path: Path) -> None:
    recorder = Recorder(*open_history(path, URL))
    with locked(path, "BEGIN IMMEDIATE"):
        recorder.record([job()], of(key(), run_of(3)))
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await recorder.close()
        assert loop.time() - begun < module.CLOSE_SECONDS + 1


async def test_deleted_file_is_created_again(path: Path) -> None:
    async with recording(path) as recorder:
        recorder.record([job(), job("job1")], of(key(), run_of(3)))
        await done(recorder)
        for each in list(path.parent.iterdir()):
            each.unlink()
        recorder.record([], of(key(), run_of(3, begin=100)))
        await done(recorder)
        assert recorder.view == ON
    with opened(path) as (store, _):
        assert store.samples(key()) == tuple(run_of(3, begin=100))
        assert [stored.job for stored in store.jobs([ACCOUNT])] == [
            job().job,
            job("job1").job,
        ]


async def test_history_is_off_until_a_new_file_can_be_created(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    async with recording(folder / "h") as recorder:
        recorder.record([job()], of(key(), run_of(3)))
        await done(recorder)
        folder.rename(tmp_path / "moved")
        folder.touch()
        for begin in (100, 200):
            recorder.record([job()], of(key(), run_of(3, begin=begin)))
            await done(recorder)
            reason = "its file cannot be opened: not a directory"
            assert recorder.view == HistoryView(Keeping.OFF, reason)
        folder.unlink()
        recorder.record([job()], of(key(), run_of(3, begin=300)))
        await done(recorder)
        assert recorder.view == ON
    assert len(written(folder / "h")) == 9


# Files that cannot be opened at the start --------------------------------------------------------

EXCLUSIVE = ("PRAGMA locking_mode = EXCLUSIVE", "UPDATE jobs SET closed = 0")


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def unmake(folder: Path) -> None:
    """Delete all files of a folder."""
    for each in list(folder.iterdir()):
        each.unlink()


def birds(path: Path) -> None:
    """Create a database of another program."""
    file = sqlite3.connect(path)
    file.execute("CREATE TABLE birds (name)")
    file.close()


async def test_file_locked_at_the_start_is_not_used_in_this_run(path: Path) -> None:
    with opened(path) as (store, _):
        store.write([job("old")], of(key("old"), run_of(50)))
    with locked(path, *EXCLUSIVE):
        recorder = Recorder(*open_history(path, URL))
    for at in (0, 100, 200):
        recorder.record([job()], of(key(), [sample(at)]))
        await done(recorder)
    assert recorder.view == LOCKED_AT_START
    assert not recorder.on_disk
    assert await recorder.samples(key()) == (sample(0), sample(100), sample(200))
    await recorder.close()
    with opened(path) as (store, _):
        assert [stored.job.id for stored in store.jobs([ACCOUNT])] == ["old"]


async def test_foreign_file_is_not_tried_again(path: Path) -> None:
    birds(path)
    async with recording(path) as recorder:
        unmake(path.parent)
        for at in (0, 100, 200):
            recorder.record([job()], of(key(), [sample(at)]))
        await done(recorder)
        assert recorder.view == HistoryView(Keeping.OFF, "its file is not from slurper-tui")
    assert names(path.parent) == []


async def test_disabled_history_writes_no_file(path: Path) -> None:
    recorder = Recorder(*open_history(path, URL, enabled=False))
    for at in (0, 100, 200):
        recorder.record([job()], of(key(), [sample(at)]))
    await recorder.close()
    assert recorder.view.keeping is Keeping.ASKED_OFF
    assert names(path.parent) == []


def damage(path: Path, *, root: bool) -> None:
    """Overwrite pages of samples. root: the root page instead of later ones."""
    file = sqlite3.connect(path, isolation_level=None)
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    roots = dict(file.execute("SELECT name, rootpage FROM sqlite_schema"))
    file.close()
    with path.open("r+b") as text:
        later = range(max(roots.values()) + 4, path.stat().st_size // 4096 + 1)
        for page in [roots["samples"]] if root else later:
            text.seek((page - 1) * 4096)
            text.write(b"\xa5" * 4096)


async def damaged(path: Path) -> Recorder:
    with opened(path) as (store, _):
        store.write([job()], of(key(), run_of(3000)))
    damage(path, root=False)
    store, view = open_history(path, URL)
    recorder = Recorder(store, view, clock=lambda: 1_795_562_100.0)
    recorder.record([job()], [])
    await done(recorder)
    return recorder


@pytest.mark.parametrize("how", ["write", "read"])
async def test_file_damaged_during_the_run_is_set_aside_without_losing_new_samples(
    path: Path, how: str
) -> None:
    recorder = await damaged(path)
    broken = path.read_bytes()  # noqa: ASYNC240 - nothing else runs
    if how == "read":
        assert await recorder.samples(key()) == ()
    recorder.record([], of(key(), run_of(3, begin=20_000)))
    recorder.record([], of(key(), run_of(3, begin=30_000)))
    await done(recorder)
    name = "history.sqlite3.corrupt-20261124T231500Z"
    assert recorder.view == HistoryView(
        Keeping.ON, f"the history was damaged: it is kept as {name}, a new one was started"
    )
    assert len(await recorder.samples(key())) == 6
    await recorder.close()
    assert name in aside(path.parent)
    assert path.with_name(name).read_bytes() == broken
    with opened(path) as (store, view):
        assert view == ON
        assert store.samples(key()) == (*run_of(3, begin=20_000), *run_of(3, begin=30_000))
        assert store.jobs([ACCOUNT])[0].job == job().job


async def test_only_one_damaged_file_is_set_aside_in_a_run(path: Path) -> None:
    recorder = await damaged(path)
    for number in range(5):
        recorder.record([job()], of(key(), run_of(3, begin=20_000 + 100 * number)))
        await done(recorder)
        damage(path, root=True)
        await recorder.samples(key())
    assert len([name for name in aside(path.parent) if name.endswith("Z")]) == 1
    await recorder.close()


async def test_two_instances_write_one_history(path: Path) -> None:
    async with recording(path) as second, recording(path) as first:
        pass
    async with recording(path) as first, recording(path) as second:
        for number in range(50):
            for recorder in (first, second):
                recorder.record([job()], of(key(), [sample(5.0 * number, number)]))
            second.record([job()], of(key(), [sample(5.0 * number + 2, number)]))
        assert await second.samples(key()) == await first.samples(key())
        assert len(await first.samples(key())) == 100
        assert (first.view.keeping, second.view.keeping) == (Keeping.ON, Keeping.SHARED)
        await first.close()
        second.record([job()], of(key(), [sample(1000.0)]))
        await done(second)
        assert second.view == ON


# Pending samples ---------------------------------------------------------------------------------


def taken(waiting: PendingSamples) -> list[Batch]:
    batches = list[Batch]()
    while batch := waiting.take():
        batches.append(batch)
    return batches


def test_waiting_samples_are_taken_in_limited_batches_oldest_first() -> None:
    waiting = PendingSamples()
    assert waiting.take() is None
    waiting.add([job()], of(key(), run_of(2 * BATCH + 1)))
    first = waiting.take()
    assert first is not None
    waiting.add([job(closed=True), job("job1")], of(key(), run_of(1, begin=10**6)))
    waiting.put_back(first)
    assert waiting.of(key()) == [*run_of(2 * BATCH + 1), *run_of(1, begin=10**6)]
    assert waiting.of(key("job1")) == []
    batches = taken(waiting)
    assert [len(batch.samples) for batch in batches] == [BATCH, BATCH, 2]
    assert batches[0].jobs == (job(closed=True), job("job1"))


def test_too_many_waiting_samples_are_thinned_oldest_first() -> None:
    waiting = PendingSamples(most=1000)
    samples = run_of(5000)
    for one in samples:
        waiting.add([], of(key(), [one]))
    kept = waiting.of(key())
    assert len(kept) <= 1000
    assert kept[-500:] == samples[-500:]
    assert kept[0] == samples[0]
    assert all(b.at - a.at <= 600 for a, b in pairwise(kept))


def test_waiting_samples_over_the_limit_are_dropped_oldest_first() -> None:
    waiting = PendingSamples(most=100)
    sparse = run_of(150, every=600.0)
    waiting.add([], of(key(), sparse))
    assert waiting.of(key()) == sparse[-100:]


# Killed programs ---------------------------------------------------------------------------------

WRITING = """
import asyncio, sys
from pathlib import Path
from slurper_tui.monitor.history.opening import open_history
from slurper_tui.monitor.history.recorder import Recorder
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts
key = JobKey("acc0", "job0")
async def main():
    recorder = Recorder(*open_history(Path(sys.argv[1]), "https://api.example/v4"))
    for number in range(int(sys.argv[2])):
        recorder.record([], [(key, Recorded(1790000400.0 + 5 * number, Counts(9, number), "r"))])
        found = await recorder.samples(key, 1790000400.0 + 5 * number)
        print(number, recorder.view.reason or "-", flush=True)
    await recorder.close()
asyncio.run(main())
"""


def test_written_samples_survive_a_kill(path: Path) -> None:
    words = [sys.executable, "-c", WRITING, str(path), "1000000"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline() for _ in range(200)]
        program.kill()
        lines += program.stdout.readlines()
    reported = len([line for line in lines if line.endswith("\n")])
    kept = written(path)
    assert len(kept) - reported in {0, 1}
    assert [sample.counts.transferred for sample in kept] == list(range(len(kept)))


def test_file_size_limit_does_not_end_the_program(path: Path) -> None:
    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    words = [sys.executable, "-c", WRITING, str(path), "300"]
    ran = subprocess.run(words, capture_output=True, text=True, preexec_fn=small, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0] == "0 -"
    assert lines[-1] == "299 its file cannot be read or written"
    assert 0 < len(written(path)) < 300


HANGING = """
import asyncio, sys, time
from pathlib import Path
from slurper_tui.monitor.history.opening import open_history
from slurper_tui.monitor.history.recorder import Recorder
async def main():
    recorder = Recorder(*open_history(Path(sys.argv[1]), "https://api.example/v4"))
    recorder._thread.submit(lambda: time.sleep(3600))
    reading = asyncio.create_task(recorder.samples(("a", "b")))
    await asyncio.sleep(0)
    await recorder.close()
asyncio.run(main(), debug=False)  # no warning about slow callbacks
print("ended")
"""


def test_hanging_disk_does_not_keep_the_process_alive(path: Path) -> None:
    words = [sys.executable, "-X", "dev", "-c", HANGING, str(path)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "ended\n", "")


async def test_cancelled_read_does_not_disturb_later_ones(path: Path) -> None:
    async with recording(path) as recorder:
        begun = threading.Event()
        held = recorder._thread.submit(lambda: begun.wait(20))
        reading = asyncio.create_task(recorder.samples(key()))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        begun.set()
        assert await asyncio.wrap_future(held)
        recorder.record([job()], of(key(), run_of(3)))
        assert len(await recorder.samples(key())) == 3


async def test_invalid_sample_turns_the_history_off_without_an_exception(path: Path) -> None:
    async with recording(path) as recorder:
        recorder.record([job()], [(key(), sample(float("nan")))])
        await done(recorder)
        assert recorder.view.keeping is Keeping.OFF
        assert await recorder.samples(JobKey("", "")) == ()
