"""`wait`: quiet until jobs have ended, then their ends and an exit code."""

from __future__ import annotations

import asyncio
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.models import DEFAULT_BASE_URL, Source, Target
from slurper_tui.cli.commands.jobs import wait
from slurper_tui.cli.context import CommandContext, resolve, selection_of
from slurper_tui.cli.errors import CliError
from slurper_tui.cli.output import Output, ProgressOutput
from slurper_tui.cli.parser import parse
from slurper_tui.monitor.history.files import FILE
from slurper_tui.monitor.history.opening import open_file
from slurper_tui.monitor.model.plans import Draft, Step
from slurper_tui.monitor.model.plans import Plan as Planned
from slurper_tui.monitor.polling import account_group
from slurper_tui.monitor.session import Session
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.cli.program import Ran, perform
from tests.monitor.bench import EPOCH, bench, create_elsewhere, now, wall
from tests.patience import PATIENCE
from tests.server import serve
from tests.virtual_time import timeless

PROGRAM = (sys.executable, "-m", "slurper_tui")


def plan(name: str, seconds: float, created: float, **numbers: Any) -> Plan:
    source, target = Source("s3", "photos", f"{name}/"), Target("r2", "media")
    return Plan(name, created, 1000, seconds, source, target, listing=5.0, **numbers)


def ended(name: str, **numbers: Any) -> Plan:
    return plan(name, 60.0, time.time() - 3600, **numbers)


def waits(*jobs: Plan, words: str = "j1", folder: Path | None = None) -> Ran:
    return perform(SimulatedAccount(plans=jobs), "wait", *words.split(), folder=folder)


@pytest.mark.parametrize(
    ("numbers", "words", "code"),
    [
        ({}, "j1", 0),
        ({"failed": 3}, "j1", 4),
        ({"failed": 3}, "j1 --max-failed 2", 4),
        ({"failed": 3}, "j1 --max-failed 3", 0),
        ({"lost": 3}, "j1 --max-failed 9", 4),
    ],
)
def test_the_state_is_read_first_so_an_ended_job_is_an_end_at_once(
    numbers: dict[str, int], words: str, code: int
) -> None:
    ran = waits(ended("j1", **numbers), words=words)
    assert (ran.code, len(ran.out)) == (code, 1)
    lost = "".join(
        f" {number} {'unaccounted' if what == 'lost' else what}" for what, number in numbers.items()
    )
    assert " photos/j1/ → media completed" in ran.out[0]
    assert ran.out[0].endswith(f"%{lost}")


def test_failures_are_added_up_over_the_jobs() -> None:
    jobs = [ended("j1", failed=3), ended("j2", failed=2)]
    assert waits(*jobs, words="--migration photos --max-failed 4").code == 4
    ran = waits(*jobs, words="--migration photos --max-failed 5 --json")
    assert ran.code == 0
    assert sorted(json.loads(line)["failedObjects"] for line in ran.out) == [2, 3]


def test_a_lost_job_is_exit_5() -> None:
    account = SimulatedAccount(plans=[plan("j1", 9e5, time.time() - 60), ended("j2", failed=1)])
    assert perform(account, "abort", "j1", "--yes").code == 0
    ran = perform(account, "wait", "j1", "j2")
    assert (ran.code, len(ran.out)) == (5, 2)
    [aborted] = [line for line in ran.out if " aborted " in line]
    assert re.search(r" \d+ not done$", aborted)


def test_without_a_live_job_there_is_nothing_to_wait_for() -> None:
    ran = waits(ended("j1", failed=3), words="")
    assert (ran.code, ran.out) == (0, [])
    assert ran.err == ["slurper-tui: no job is running, paused or planned: nothing to wait for"]


@pytest.mark.parametrize(
    ("numbers", "words", "code", "end"),
    [
        ({"harmless": 7}, "j1", 0, "100%"),
        ({"not_copied": 7}, "j1", 4, "100% 7 not copied"),
        ({"harmless": 7, "failed": 2}, "j1 --max-failed 2", 0, "100% 2 failed"),
        ({"not_copied": 7, "failed": 2}, "j1 --max-failed 2", 4, "100% 2 failed 7 not copied"),
    ],
)
def test_skipped_objects_are_judged_by_the_log(
    numbers: dict[str, int], words: str, code: int, end: str
) -> None:
    ran = waits(ended("j1", **numbers), words=words)
    assert (ran.code, ran.err) == (code, [])
    assert ran.out[0].endswith(f" 1000/1000 {end}")


def test_skipped_objects_whose_log_cannot_be_read_are_exit_4_and_said() -> None:
    account = SimulatedAccount(plans=[ended("j1", harmless=7)])
    account.faults.add(Fault(operation="logs", status=400, code=10001, message="no"))
    ran = perform(account, "wait", "j1")
    assert ran.code == 4
    assert ran.out[0].endswith(" 1000/1000 100% 7 skipped, reasons not read yet")
    assert ran.err == [
        "slurper-tui: job j1: completed · 0 failed · "
        "7 skipped, reasons not read yet · 0 unaccounted"
    ]


def test_time_is_over_in_an_outage_too() -> None:
    account = SimulatedAccount(plans=[ended("j1")])
    account.faults.add(Fault(Kind.CONNECT_ERROR))
    ran = perform(account, "wait", "j1", "--timeout", "0.5")
    assert (ran.code, ran.out) == (6, [])
    assert ran.err[-1] == "slurper-tui: waited for 0.5 s; the state of the jobs is not known"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("j1 --timeout soon", "--timeout must be a number of seconds above 0, not 'soon'"),
        ("j1 --max-failed -1", "--max-failed"),
        ("j1 --max-failed 1.5", "--max-failed must be a whole number of objects, not '1.5'"),
        ("zz", "no job's id and no job's BUCKET/PREFIX begins with 'zz'"),
    ],
)
def test_wrong_usage_is_exit_2(words: str, said: str) -> None:
    ran = waits(ended("j1"), words=words)
    assert (ran.code, ran.out) == (2, [])
    assert said in ran.err[0]


def test_a_migration_has_not_ended_before_its_plan(tmp_path: Path) -> None:
    account = SimulatedAccount(plans=[ended("j1")])
    perform(account, "jobs", folder=tmp_path)
    store = open_file(tmp_path / "state" / FILE, DEFAULT_BASE_URL)[0]
    steps = (Step(1, Draft("s3", "photos", "media", path_prefix="2/")),)
    store.notes.plans.keep(Planned(0, account.account_id, 0.0, steps))
    store.close()
    for words in ((), ("--migration", "photos")):
        ran = perform(account, "wait", *words, "--timeout", "2", folder=tmp_path)
        assert ran.code == 6
        assert ran.err == [
            "slurper-tui: waiting for 1 planned job too: the monitor or create --go-on starts them",
            "slurper-tui: waited for 2 s; 1 planned job not started",
        ]
    assert perform(account, "wait", "j1", "--timeout", "60", folder=tmp_path).code == 0


# In virtual time ----------------------------------------------------------------------------------


@asynccontextmanager
async def waiting(
    account: SimulatedAccount,
    *words: str,
    err: io.StringIO | None = None,
    interval: float = 5.0,
) -> AsyncIterator[tuple[CommandContext, io.StringIO]]:
    options = parse(["wait", *words])
    selection = selection_of(options)
    async with bench([account], selection=selection, interval=interval) as b:
        told = io.StringIO()
        out = Output(told, err or io.StringIO(), ascii_only=False)
        session = Session(lambda: b.monitor, selection, resolve)
        yield CommandContext(options, session, out, ProgressOutput(out), None, (), {}), told


@timeless
async def test_it_is_quiet_until_the_last_job_has_ended_and_survives_an_outage() -> None:
    plans = [plan("j1", 300.0, EPOCH), plan("j2", 900.0, EPOCH)]
    account = SimulatedAccount(clock=wall, plans=plans, token="t0ken")
    account.faults.add(Fault(Kind.CONNECT_ERROR, after=20, times=30))
    async with waiting(account, "--migration", "photos") as (context, told):
        assert await wait(context) == 0
        assert 900 <= now() <= 1100
        assert [line.split()[1] for line in told.getvalue().splitlines()] == [
            "photos/j2/",
            "photos/j1/",
        ]


@timeless
async def test_a_job_of_the_migration_that_comes_later_is_waited_for_too() -> None:
    account = SimulatedAccount(clock=wall, plans=[plan("j1", 600.0, EPOCH)], token="t0ken")
    async with waiting(account, "--migration", "photos", "--max-failed", "999") as (context, told):
        ends = asyncio.create_task(wait(context))
        await asyncio.sleep(300)
        create_elsewhere(account, "photos")
        created = now()
        assert await ends == 0
        last = max(job.finished(wall()) or 0.0 for job in account.jobs())
        assert last > EPOCH + created
        assert now() >= last - EPOCH
        assert len(told.getvalue().splitlines()) == 2


@timeless
async def test_time_is_over_with_exit_6_and_the_jobs_that_are_left() -> None:
    plans = [plan("j1", 9e5, EPOCH - 60), plan("j2", 60.0, EPOCH - 3600)]
    account = SimulatedAccount(clock=wall, plans=plans, token="t0ken")
    async with waiting(account, "--migration", "photos", "--timeout", "600") as (context, told):
        said = "waited for 600 s; not ended: photos/j1/ -> media"
        with pytest.raises(CliError, match=f"^{said}$") as caught:
            await wait(context)
        assert caught.value.code == 6
        assert now() == pytest.approx(600, abs=5)
        assert told.getvalue() == ""


HOURS = 3600.0


@timeless
@pytest.mark.parametrize(
    ("numbers", "end", "code"), [({}, "completed", 0), ({"failed": 7}, "completed!", 4)]
)
async def test_an_outage_of_two_hours_is_waited_for(
    numbers: dict[str, int], end: str, code: int
) -> None:
    job = plan("j1", 2 * HOURS, EPOCH, **numbers)
    account = SimulatedAccount(clock=wall, plans=[job], token="t0ken")
    err = io.StringIO()
    async with waiting(account, "j1", err=err, interval=60.0) as (context, told):
        ends = asyncio.create_task(wait(context))
        await asyncio.sleep(HOURS)
        account.faults.add(Fault(Kind.CONNECT_ERROR))
        await asyncio.sleep(2 * HOURS)  # the job ends meanwhile
        assert (ends.done(), told.getvalue()) == (False, "")
        account.faults.clear()
        back = now()
        assert await ends == code
        assert now() <= back + 240
    assert [line.split()[4] for line in told.getvalue().splitlines()] == [end]
    said = err.getvalue().splitlines()
    assert ["next try" in said[0], said[-1]] == [True, "slurper-tui: the account: answers again"]


@timeless
@pytest.mark.parametrize("end", ["aborted", "gone"])
async def test_a_job_that_is_aborted_or_deleted_elsewhere_has_ended(end: str) -> None:
    account = SimulatedAccount(clock=wall, plans=[plan("j1", 9e5, EPOCH)], token="t0ken")
    async with waiting(account, "j1") as (context, told):
        ends = asyncio.create_task(wait(context))
        await asyncio.sleep(600)
        with unlocked_client(account) as client:
            await client.abort_job(account.account_id, "j1")
            if end == "gone":
                await client.delete_job(account.account_id, "j1")
        assert await ends == 5
        assert now() <= 600 + 240
        assert told.getvalue().split()[4] == end


@timeless
async def test_progress_goes_to_stderr_in_the_lines_of_watch() -> None:
    plans = [plan("j1", 300.0, EPOCH), plan("j2", 60.0, EPOCH)]
    account = SimulatedAccount(clock=wall, plans=plans, token="t0ken")
    err = io.StringIO()
    words = ("--migration", "photos", "--progress")
    async with waiting(account, *words, err=err) as (context, told):
        assert await wait(context) == 0
    lines = [line.split() for line in err.getvalue().splitlines()]
    assert len(lines) > 20
    assert {(line[1], line[2], line[3]) for line in lines} == {
        ("photos/j1/", "->", "media"),
        ("photos/j2/", "->", "media"),
    }
    percents = [line[6] for line in lines if line[1] == "photos/j1/"]
    assert percents == [*dict.fromkeys(percents)]  # only changes
    assert [line[4] for line in lines[-1:]] == ["completed"]
    assert len(told.getvalue().splitlines()) == 2  # stdout has the ends alone


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (Fault(status=403, code=9109, message="No"), 3, "the API rejects these credentials: "),
        (Fault(status=404, code=7003, message="No such account"), 7, "the API refuses: "),
    ],
)
def test_what_waiting_cannot_change_ends_it(fault: Fault, code: int, said: str) -> None:
    account = SimulatedAccount(plans=[ended("j1")])
    account.faults.add(fault)
    ran = perform(account, "wait", "j1")
    assert (ran.code, ran.out) == (code, [])
    assert ran.err[-1].startswith(f"slurper-tui: {said}")
    assert fault.message in ran.err[-1]


def test_a_server_that_dies_and_returns_is_waited_for(tmp_path: Path) -> None:
    account = SimulatedAccount(plans=[plan("j1", 9e5, time.time() - 60)])
    with serve(account) as server:
        environ = {"LANG": "C.UTF-8", "HOME": str(tmp_path), **server.environment()}
        command = (*PROGRAM, "wait", "j1", "--interval", "2", "--progress")
        with running(command, environ) as program:
            assert program.stderr is not None
            assert b" photos/j1/ " in program.stderr.readline()
            server.kill()
            assert b"the account: " in after_progress(program.stderr)
            server.restart()
            assert b"the account: answers again" in after_progress(program.stderr)
            perform(account, "abort", "j1", "--yes")
            out, _ = program.communicate(timeout=PATIENCE)
            assert (program.returncode, out.split()[4]) == (5, b"aborted")


def after_progress(stream: IO[bytes]) -> bytes:
    """Return the next line that is no line of --progress."""
    return next(line for line in stream if line.startswith(b"slurper-tui: "))


@contextmanager
def running(
    command: Sequence[str], environ: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program; end it with the test."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe) as program:
        try:
            yield program
        finally:
            program.kill()


@contextmanager
def unlocked_client(account: SimulatedAccount) -> Iterator[SlurperClient]:
    """A client that may change jobs of the account."""
    client = SlurperClient(token_credentials(account.token), transport=account.transport())
    client.unlock()
    yield client


def test_a_token_that_expires_soon_is_told_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_group, "FIRST_LOOK", 0.0)
    account = SimulatedAccount(plans=[plan("j1", 36_000.0, time.time() - 60)])
    account.token_expires = time.time() + 3600
    words = ("--timeout", "2.5", "--interval", "2")
    for command, told in (("wait", 1), ("jobs", 0)):
        ran = perform(account, command, *(("j1", *words) if command == "wait" else ()))
        assert sum("the API token expires" in line for line in ran.err) == told, ran.err
