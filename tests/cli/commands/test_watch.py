from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from slurper_tui.api.models import DEFAULT_BASE_URL
from slurper_tui.cli.commands.jobs import watch as watch_jobs
from slurper_tui.cli.context import CommandContext, resolve
from slurper_tui.cli.output import Output, ProgressOutput
from slurper_tui.cli.parser import parse
from slurper_tui.monitor.history.files import FILE
from slurper_tui.monitor.history.opening import open_file
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.plans import Draft, Step
from slurper_tui.monitor.model.plans import Plan as Planned
from slurper_tui.monitor.model.selection import Selection
from slurper_tui.monitor.reports.wording import spoken
from slurper_tui.monitor.session import Session
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.cli.program import Ran, environment, perform
from tests.monitor.bench import bench, make_accounts, now, wall
from tests.tui.jobs import view
from tests.virtual_time import timeless

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d \S+ (→|->) \S+ \S+ \d+/\d+\+? (~?\d+%|—)"
    r"( \d+ (failed|not copied|not done|unaccounted))*( [\d,]+ skipped, reasons not read yet)?"
    r"( \S+/s)?( ETA .+)?"
)


class OneJob:
    """An account with one job, which tells its next state with every look at its progress."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states = list(states)

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        job = {"id": "j1", "source": {"bucket": "a"}, "target": {"bucket": "b"}, **self.states[0]}
        if request.url.path.endswith("/progress") and len(self.states) > 1:
            del self.states[0]
        result: object = job if request.url.path.endswith("/progress") else [job]
        return httpx.Response(200, json={"success": True, "errors": [], "result": result})


def state(status: str, done: int, failed: int = 0, objects: int = 100) -> dict[str, Any]:
    counts = {"transferredObjects": done - failed, "skippedObjects": 0, "failedObjects": failed}
    return {"id": "j1", "status": status, "objects": objects, **counts}


def watch(job: OneJob, *more: str) -> Ran:
    words = ("watch", "j1", "--interval", "2", *more)
    return perform(SimulatedAccount(), *words, transport=job.transport())


def test_lines_only_when_something_changes() -> None:
    job = OneJob(state("running", 10), state("running", 10), state("completed", 100))
    ran = watch(job)
    assert ran.code == 0
    assert [line.split(" ", 1)[1] for line in ran.out] == [
        "a → b running 10/100 ~10%",
        "a → b completed 100/100 100%",
    ]
    assert all(LINE.fullmatch(line) for line in ran.out)


@timeless
async def test_a_line_has_what_failed_the_rate_and_the_eta() -> None:
    account = make_accounts(1, jobs=1, running=1)[0]
    [job] = account.jobs()
    async with bench([account]) as b:
        told = io.StringIO()
        out = Output(told, io.StringIO(), ascii_only=False)
        session = Session(lambda: b.monitor, Selection((job.plan.id,)), resolve)
        context = CommandContext(
            parse(["watch", job.plan.id]), session, out, ProgressOutput(out), None, (), {}
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1800):
                await watch_jobs(context)
    *_, line = told.getvalue().splitlines()
    assert re.search(r" \d+/\d+ \d+% \d+ failed \d+/s ETA \d.*(h|min)$", line), line


def test_what_is_missing_at_the_end_is_in_the_line() -> None:
    [line] = watch(OneJob(state("completed", 90, failed=3))).out
    assert line.endswith("completed! 90/100 90% 3 failed 10 unaccounted")


@pytest.mark.parametrize("more", [(), ("--ascii",)], ids=["", "ascii"])
def test_a_screen_reader_gets_sentences_of_what_changed(more: tuple[str, ...]) -> None:
    job = OneJob(
        state("running", 10),
        state("running", 10),
        state("running", 36, failed=4),
        state("completed", 99, failed=4),
    )
    ran = watch(job, "--plain", *more)
    assert [re.sub(", done in [a-z0-9. ]+ (minute|hour|day)s?", "", line) for line in ran.out] == [
        "a to b: about 10 percent.",
        "a to b: about 36 percent, 4 failed.",
        "a to b: completed, but objects are missing, 99 percent, 4 failed, 1 unaccounted for.",
    ]


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        (view(prefix="2024/"), "photos-1/2024 to media: 35 percent."),
        (view(failed=4), "photos-1 to media: 35 percent, 4 failed."),
        (view(status="aborted"), "photos-1 to media: aborted, 35 percent."),
        (view(status="paused"), "photos-1 to media: paused, 35 percent."),
        (view(percent=None), "photos-1 to media: nothing known yet."),
    ],
)
def test_the_name_and_the_status_are_spoken(job: JobView, sentence: str) -> None:
    assert spoken(replace(job, forecast=None, verdict=None)) == sentence


def test_the_demo_is_spoken_without_symbols_or_abbreviations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slurper_tui.cli.commands.jobs.DEMO_ROUNDS", 1)
    ran = perform(SimulatedAccount(), "watch", "--plain", "--demo")
    assert len(ran.out) >= 5
    for line in ran.out:
        name, _, rest = line.partition(": ")
        assert re.fullmatch(r"\S+ to \S+", name), line
        assert re.fullmatch(r"[a-z0-9., :]+\.", rest), line
        assert not re.search(r"\b(eta|min|h|s|obj|pct)\b", rest, re.IGNORECASE), line


def test_plain_and_json_exclude_each_other() -> None:
    ran = watch(OneJob(state("completed", 100)), "--json", "--plain")
    assert ran.code == 2
    assert ran.out == []


def test_json_lines() -> None:
    ran = watch(OneJob(state("running", 10), state("completed", 100)), "--json")
    assert [json.loads(line)["percent"] for line in ran.out] == [10, 100]


def test_times_in_utc_and_ascii() -> None:
    ran = watch(OneJob(state("completed", 100)), "--utc", "--ascii")
    [line] = ran.out
    assert line.isascii()
    assert "+00:00 a -> b completed" in line


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (state("completed", 100, failed=3), 4),
        (state("completed", 90), 4),
        (state("aborted", 50), 5),
        (state("Aborted", 50), 5),
        (state("COMPLETED", 100), 0),
        (state("errored", 50) | {"finishedAt": "2026-11-20T08:00:00Z"}, 5),
        (state("Failed", 50) | {"finishedAt": "2026-11-20T08:00:00Z"}, 5),
    ],
)
def test_a_bad_end_has_its_exit_code(end: dict[str, Any], code: int) -> None:
    assert watch(OneJob(end)).code == code


@pytest.mark.parametrize(
    ("numbers", "code", "word"),
    [
        ({"not_copied": 30}, 4, "completed!"),
        ({"harmless": 340}, 0, "completed"),
        ({"harmless": 340, "failed": 3}, 4, "completed!"),
    ],
)
def test_the_end_of_a_job_that_skipped_objects_waits_for_its_log(
    numbers: dict[str, Any], code: int, word: str
) -> None:
    plan = Plan("j1", time.time() - 9000, 1000, 60.0, **numbers)
    ran = perform(SimulatedAccount(plans=[plan]), "watch", "j1", "--interval", "2")
    assert ran.code == code
    assert f" {word} 1000/1000 100%" in ran.out[-1]


def test_a_log_that_cannot_be_read_is_exit_4_and_said() -> None:
    plan = Plan("j1", time.time() - 9000, 1000, 60.0, harmless=340)
    account = SimulatedAccount(plans=[plan])
    account.faults.add(Fault(operation="logs", status=404))
    ran = perform(account, "watch", "j1", "--interval", "2")
    assert ran.code == 4
    assert " completed? 1000/1000 100% 340 skipped, reasons not read yet" in ran.out[-1]
    assert "job j1: completed - 0 failed - 340 skipped, reasons not read yet" in ran.err[
        -1
    ].replace("·", "-")


@timeless
@pytest.mark.parametrize("moves", [0, 1])
async def test_an_undocumented_status_is_an_end_when_nothing_changes_for_ten_minutes(
    moves: int,
) -> None:
    account = make_accounts(1, jobs=3, running=1)[0]
    job_id = next(job.plan.id for job in account.jobs() if job.status(wall()) == "running")

    def errored(envelope: Any) -> object:
        done = 10 + moves * (now() < 300) * round(now())
        counts = {"transferredObjects": done, "skippedObjects": 0, "failedObjects": 0}
        return {**envelope, "result": {"status": "errored", "objects": 10**6, **counts}}

    account.faults.add(Fault(Kind.EDITED, path=f"jobs/{job_id}/progress", edit=errored))
    async with bench([account]) as b:
        told, said = io.StringIO(), io.StringIO()
        out = Output(told, said, ascii_only=False)
        session = Session(lambda: b.monitor, Selection((job_id,)), resolve)
        context = CommandContext(
            parse(["watch", job_id]), session, out, ProgressOutput(out), None, (), {}
        )
        assert await watch_jobs(context) == 5
        assert now() == pytest.approx(600 + moves * 300, abs=20)
    assert "(errored, no change for 10 min: treated as its end)" in told.getvalue().splitlines()[-1]
    [line] = said.getvalue().splitlines()
    assert "'errored' is not a documented status" in line


def test_the_demo_ends_after_three_rounds_without_a_terminal() -> None:
    for words in (["watch"], []):
        ran = perform(None, "--demo", "--interval", "2", *words, environ={"LANG": "C.UTF-8"})
        assert (ran.code, ran.err) == (0, [])
        assert len(ran.out) > 4
        assert all(LINE.fullmatch(line) for line in ran.out)


def test_no_job_is_exit_2_but_a_broken_list_is_tried_again() -> None:
    account = SimulatedAccount()
    assert perform(account, "watch", "zzz").code == 2
    account.faults.add(Fault(Kind.HTML, times=1))
    ran = perform(account, "watch", "zzz")
    assert ran.code == 2
    # A snapshot may arrive between the answer and the end, and then says that it answers.
    failure, *between, end = ran.err
    assert "; next try at " in failure
    assert between in ([], ["slurper-tui: the account: answers again"])
    assert "'zzz'" in end


def test_a_named_job_is_printed_while_another_account_fails() -> None:
    account = SimulatedAccount(jobs=8)
    page = httpx.Client(
        transport=account.transport(), headers={"Authorization": f"Bearer {account.token}"}
    ).get(f"https://api.cloudflare.com/client/v4/accounts/{account.account_id}/slurper/jobs")
    ended = next(j["id"] for j in page.json()["result"] if j["status"] == "completed")
    both = {**environment(account), "CLOUDFLARE_ACCOUNT_ID": f"{account.account_id},{'0' * 32}"}
    ran = perform(account, "watch", ended[:8], "--interval", "2", environ=both)
    assert ran.code in (0, 4)
    assert len(ran.out) == 1


def test_rejected_credentials_are_exit_3() -> None:
    account = SimulatedAccount()
    account.faults.add(Fault(Kind.REFUSAL, status=403, code=9109, message="no access"))
    ran = perform(account, "watch")
    assert (ran.code, ran.out, len(ran.err)) == (3, [], 1)
    assert "9109: no access" in ran.err[0]


KEEP = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"


@pytest.mark.parametrize(
    ("words", "kinds"), [(["j1"], ["end"]), (["--migration", "a"], ["job"])], ids=["job", "all"]
)
def test_the_end_of_the_job_that_was_asked_for_is_told_though_others_are_planned(
    tmp_path: Path, words: list[str], kinds: list[str]
) -> None:
    written = tmp_path / "written"
    command = json.dumps([sys.executable, "-c", KEEP, str(written)])
    (tmp_path / "config.toml").write_text(
        f'[notify]\nevents = ["end", "job", "deadline"]\ncommand = {command}'
    )
    account = SimulatedAccount()
    job = OneJob(*[state("running", 10)] * 3, *[state("completed", 100)] * 2)
    perform(account, "jobs", transport=job.transport(), folder=tmp_path)
    store = open_file(tmp_path / "state" / FILE, DEFAULT_BASE_URL)[0]
    steps = (Step(1, Draft("s3", "a", "b", path_prefix="2/")),)
    store.notes.plans.keep(Planned(0, account.account_id, 0.0, steps))
    store.close()
    command_line = (*words, "--interval", "2", "--timeout", "8")
    ran = perform(account, "wait", *command_line, transport=job.transport(), folder=tmp_path)
    assert ran.code == (0 if words == ["j1"] else 6)
    told = [json.loads(line) for line in written.read_text().splitlines()]
    assert [event["kind"] for event in told] == kinds
    assert told[0]["text"].startswith("a → b: completed · 0 failed")
