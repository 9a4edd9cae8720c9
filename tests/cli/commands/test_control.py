"""`pause`, `resume`, `abort`, `delete`: question, request, output and exit code."""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace as with_fault
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from slurper_tui.api.models import Source, Target
from slurper_tui.cli import prompts
from slurper_tui.cli.commands.control import control
from slurper_tui.cli.context import CommandContext, selection_of
from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.cli.output import Output, ProgressOutput
from slurper_tui.cli.parser import COMMANDS, MONITOR, parse
from slurper_tui.monitor.history.files import FILE
from slurper_tui.monitor.history.opening import open_history
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import What
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.cli.program import Ran, environment, perform
from tests.monitor.bench import EPOCH, Bench, bench, create_elsewhere, make_accounts, now, wall
from tests.monitor.polling.test_poller import control as by_another
from tests.virtual_time import timeless


class Recorded:
    """An account whose requests are written down."""

    def __init__(self, running: int) -> None:
        self.account = SimulatedAccount(jobs=8, running=running)
        self.sent: list[tuple[str, str]] = []
        self.before: Callable[[httpx.Request], None] = lambda request: None
        self.transport = httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.before(request)
        self.sent.append((request.method, request.url.path.partition("/slurper/")[2]))
        return self.account.answer(request)

    def job(self, status: str, place: int = 0) -> str:
        found = [c.plan.id for c in self.account.jobs() if c.status(time.time()) == status]
        return found[place]

    def prefix(self, job: str) -> str:
        [source] = [c.plan.source for c in self.account.jobs() if c.plan.id == job]
        return (source and source.path_prefix) or ""

    def run(self, *words: str, folder: Path | None = None, accounts: str = "") -> Ran:
        more = {"CLOUDFLARE_ACCOUNT_ID": accounts} if accounts else {}
        environ = {**environment(self.account), **more}
        return perform(
            self.account, *words, environ=environ, transport=self.transport, folder=folder
        )

    @property
    def changing(self) -> list[tuple[str, str]]:
        return [one for one in self.sent if one[0] != "GET"]


@pytest.fixture
def recorded() -> Recorded:
    return Recorded(running=2)


# With --yes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "status", "method", "path", "done", "follows"),
    [
        ("pause", "running", "PUT", "/pause", "paused", "it can be resumed later"),
        ("resume", "paused", "PUT", "/resume", "resumed", "remaining objects"),
        ("abort", "running", "PUT", "/abort", "aborted", "it cannot be resumed"),
        ("abort", "paused", "PUT", "/abort", "aborted", "it cannot be resumed"),
        ("delete", "completed", "DELETE", "", "deleted", "the API forgets it"),
    ],
)
def test_yes_replaces_the_question(
    recorded: Recorded, verb: str, status: str, method: str, path: str, done: str, follows: str
) -> None:
    job = recorded.job(status)
    ran = recorded.run(verb, job[:12], "--yes")
    assert ran.code == 0
    assert recorded.changing == [(method, f"jobs/{job}{path}")]
    [line] = ran.out
    assert line.startswith(f"{job} {done} ")
    assert "→" in line
    about, consequence, sent = ran.err
    assert job in about
    assert follows in consequence
    assert sent == f"slurper-tui: {verb} sent, waiting for the API to confirm"


def test_the_consequence_quotes_the_job_s_counts(recorded: Recorded) -> None:
    job = recorded.job("running")
    left = json.loads(recorded.run("progress", job, "--json").out[0])
    ran = recorded.run("abort", job, "--yes")
    told = int(ran.err[1].split(": ")[2].split(" ")[0].replace(",", ""))
    assert told == pytest.approx(left["objects"] - left["done"], rel=0.01)
    assert f"/{left['objects']}" in ran.err[0]


def test_abort_all_names_every_job_and_aborts_them_with_one_request(recorded: Recorded) -> None:
    live = [recorded.job("running"), recorded.job("running", 1)]
    live += [recorded.job("paused"), recorded.job("paused", 1)]
    ran = recorded.run("abort", "--all", "--yes")
    assert ran.code == 0
    assert recorded.changing == [("PUT", "jobs/abortAll")]
    assert {line.split()[0] for line in ran.out} == set(live)
    assert all(" aborted " in line for line in ran.out)
    assert all(any(job in line for line in ran.err) for job in live)
    assert any("aborts all 4 jobs; " in line for line in ran.err)
    again = recorded.run("abort", "--all", "--yes")
    assert (again.code, again.out) == (2, [])
    assert again.err == ["slurper-tui: abort --all: no job of this account runs or is paused"]
    assert len(recorded.changing) == 1


@pytest.mark.parametrize("before", ["the list is read again", "the request arrives"])
def test_abort_all_names_a_job_that_came_after_the_question(
    recorded: Recorded, before: str
) -> None:
    lists, created = itertools.count(1), list[str]()

    def come(request: httpx.Request) -> None:
        again = request.url.path.endswith("/jobs") and next(lists) == 2
        arrives = request.url.path.endswith("/abortAll")
        if not created and (again if before == "the list is read again" else arrives):
            created.append(create_elsewhere(recorded.account))

    recorded.before = come
    ran = recorded.run("abort", "--all", "--yes")
    assert (ran.code, recorded.changing) == (0, [("PUT", "jobs/abortAll")])
    [line] = [line for line in ran.out if line.startswith(created[0])]
    assert " aborted colleagues" in line
    assert len(ran.out) == 5
    named = [number for number, line in enumerate(ran.err) if created[0] in line]
    sent = ran.err.index("slurper-tui: abort all sent, waiting for the API to confirm")
    if before == "the list is read again":
        assert named[0] < sent
        assert any("aborts all 5 jobs" in line for line in ran.err)


def test_abort_all_of_several_accounts_needs_one_to_be_named(recorded: Recorded) -> None:
    mine = recorded.account.account_id
    both = f"{mine},another"
    ran = recorded.run("abort", "--all", "--yes", accounts=both)
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert "--account" in ran.err[0]
    assert recorded.sent == []
    assert recorded.run("abort", "--all", "--yes", "--account", mine, accounts=both).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["abort", "--yes"], "abort needs a JOB or --migration SOURCE, or --all"),
        (["abort", "x", "--all", "--yes"], "--all cannot be combined with JOB or --migration"),
        (["pause", "", "--yes"], "must not be empty"),
        (["pause", "--yes"], "pause needs a JOB or --migration SOURCE, or --all"),
        (["delete", "--yes"], "delete needs a JOB or --migration SOURCE"),
        (["pause", "--migration", " "], "--migration needs the name of a source bucket"),
    ],
)
def test_an_ambiguous_job_is_exit_2_before_any_request(
    recorded: Recorded, words: list[str], said: str
) -> None:
    ran = recorded.run(*words)
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert said in ran.err[0]
    assert recorded.sent == []


@pytest.mark.parametrize("words", [["pause", "x"], ["delete", "x"], ["abort", "--all"]])
def test_without_a_terminal_and_without_yes_it_is_exit_2(
    recorded: Recorded, words: list[str]
) -> None:
    ran = recorded.run(*words)
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert "--yes" in ran.err[0]
    assert recorded.sent == []


@pytest.mark.parametrize(
    ("verb", "status", "why"),
    [
        ("pause", "paused", "it is paused already"),
        ("resume", "running", "it is running already"),
        ("resume", "completed", "it has ended"),
        ("abort", "completed", "it has ended"),
        ("delete", "running", "it has not ended"),
    ],
)
def test_an_impossible_action_is_exit_2_with_the_reason(
    recorded: Recorded, verb: str, status: str, why: str
) -> None:
    ran = recorded.run(verb, recorded.job(status), "--yes")
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert f"cannot {verb}: {why}" in ran.err[0]
    assert recorded.changing == []


def test_an_unknown_job_is_exit_2(recorded: Recorded) -> None:
    ran = recorded.run("abort", "nobody", "--yes")
    assert (ran.code, ran.out) == (2, [])
    assert recorded.changing == []


def test_a_refusal_is_exit_7_with_its_code_and_message() -> None:
    recorded = Recorded(running=3)
    ran = recorded.run("resume", recorded.job("paused"), "--yes")
    assert (ran.code, ran.out) == (7, [])
    assert "resume refused: " in ran.err[-1]
    assert "10009: Maximum number of concurrent jobs reached" in ran.err[-1]
    assert len(recorded.changing) == 1


def test_a_read_only_token_is_exit_3_and_names_the_permission(recorded: Recorded) -> None:
    recorded.account.faults.add(
        Fault(operation="pause", status=403, code=10000, message="Authentication error")
    )
    ran = recorded.run("pause", recorded.job("running"), "--yes")
    assert (ran.code, ran.out) == (3, [])
    assert "10000: Authentication error" in ran.err[-1]
    assert "Workers R2 Storage Write" in ran.err[-1]


def test_where_the_list_cannot_be_read_it_is_exit_7_and_nothing_is_sent(
    recorded: Recorded,
) -> None:
    recorded.account.faults.add(Fault(operation="list", status=503))
    for words in (["abort", "--all"], ["abort", recorded.job("running")]):
        ran = recorded.run(*words, "--yes")
        assert (ran.code, ran.out) == (7, [])
    assert recorded.changing == []


def test_a_request_that_was_not_sent_is_not_called_refused(recorded: Recorded) -> None:
    job = recorded.job("running")
    recorded.account.faults.add(Fault(Kind.CONNECT_ERROR, operation="pause"))
    ran = recorded.run("pause", job, "--yes")
    assert (ran.code, ran.out) == (7, [])
    assert ran.err[-1].startswith("slurper-tui: pause: cannot connect")
    recorded.account.faults.clear()
    recorded.account.faults.add(Fault(Kind.RESET, operation="progress", after=1))
    ran = recorded.run("pause", job, "--yes")
    assert (ran.code, ran.out) == (7, [])
    assert "pause: nothing was sent: the state could not be read again" in ran.err[-1]


def test_foreign_names_are_harmless_in_every_line(recorded: Recorded) -> None:
    odd = "\x1b]0;owned\x07[/red]\u202e\n"
    plan = recorded.account.jobs()[0].plan
    source = plan.source
    assert source is not None
    plan = Plan("odd", plan.created, 100, 1e6, type(source)("s3", odd), plan.target)
    account = SimulatedAccount(plans=[plan])
    ran = perform(account, "abort", "odd", "--yes")
    assert ran.code == 0
    assert "\x1b" not in "".join([*ran.out, *ran.err])
    assert "\u202e" not in "".join([*ran.out, *ran.err])


def test_it_is_noted_as_done_from_here_and_later_looks_find_nothing_new(
    recorded: Recorded, tmp_path: Path
) -> None:
    job = recorded.job("running")
    for words in (["jobs"], ["pause", job, "--yes"], ["jobs"], ["abort", job, "--yes"], ["jobs"]):
        assert recorded.run(*words, folder=tmp_path).code == 0
    told = events(tmp_path, JobKey(recorded.account.account_id, job))
    assert told == [
        (What.ASKED, "pause"),
        (What.HERE, "paused"),
        (What.ASKED, "abort"),
        (What.HERE, "aborted"),
    ]


def events(folder: Path, key: JobKey) -> list[tuple[What, str]]:
    store, _ = open_history(
        folder / "state" / FILE, "https://api.cloudflare.com/client/v4", enabled=True
    )
    try:
        return [(event.what, event.detail) for event in store.notes.events(key, 50)]
    finally:
        store.close()


def test_the_demo_can_be_changed_too() -> None:
    [job, *_] = json.loads(perform(None, "jobs", "--demo", "--json", "--status", "paused").out[0])
    ran = perform(None, "abort", job["id"], "--demo", "--yes")
    assert (ran.code, len(ran.out)) == (0, 1)
    assert ran.out[0].startswith(f"{job['id']} aborted ")


# Several jobs ------------------------------------------------------------------------------------


def migration() -> Recorded:
    """An account with a migration of five jobs, two of them running, and a running job besides."""
    begun = time.time() - 3600
    source, target = Source("s3", "photos"), Target("r2", "media")

    def plan(name: str, seconds: float, bucket: str = "photos") -> Plan:
        prefix = None if bucket == "other" else f"{name}/"
        place = replace(source, bucket=bucket, path_prefix=prefix)
        skips = 30 if name.startswith("end") else 0
        return Plan(name, begun, 10_000, seconds, place, target, listing=60.0, harmless=skips)

    jobs = [plan("run1", 9e5), plan("run2", 9e5), plan("rest", 9e5), plan("end1", 600.0)]
    jobs += [plan("end2", 600.0), plan("alone", 9e5, "other")]
    recorded = Recorded(running=0)
    recorded.account = SimulatedAccount(plans=jobs)
    assert recorded.run("pause", "rest", "--yes").code == 0
    recorded.sent.clear()
    return recorded


def test_a_migration_is_paused_by_one_question_that_names_the_states() -> None:
    recorded = migration()
    ran = recorded.run("pause", "--migration", "photos", "--yes")
    assert ran.code == 0
    assert sorted(recorded.changing) == [("PUT", "jobs/run1/pause"), ("PUT", "jobs/run2/pause")]
    assert sorted(ran.out) == [
        "run1 paused photos/run1/ → media",
        "run2 paused photos/run2/ → media",
    ]
    said = [line.removeprefix("slurper-tui: ") for line in ran.err]
    assert "left as they are: 3 jobs (1 paused, 2 completed)" in said
    assert any(line.startswith("pause 2 jobs (2 running): ") for line in said)
    assert "run1: pause sent, waiting for the API to confirm" in said
    again = recorded.run("pause", "--migration", "photos", "--yes")
    assert (again.code, again.out) == (2, [])
    assert again.err == ["slurper-tui: cannot pause any of 5 jobs (3 paused, 2 completed)"]


def test_all_jobs_of_the_account_are_paused_and_resumed() -> None:
    recorded = migration()
    ran = recorded.run("pause", "--all", "--yes")
    assert ran.code == 0
    assert {path for _, path in recorded.changing} == {
        f"jobs/{name}/pause" for name in ("run1", "run2", "alone")
    }
    assert "slurper-tui: left as they are: 1 job (1 paused)" in ran.err
    recorded.sent.clear()
    ran = recorded.run("resume", "--all", "--yes")
    assert len(recorded.changing) == 4
    # An account may run three jobs: the fourth request is refused, and is not sent again.
    assert (ran.code, len(ran.out)) == (7, 3)
    assert sum("resume refused: 10009" in line for line in ran.err) == 1
    assert any(line.startswith("slurper-tui: resume 4 jobs (4 paused): ") for line in ran.err)


@pytest.mark.parametrize("words", [("pause", "--all"), ("pause", "--migration", "photos")])
def test_pause_and_resume_read_no_log_of_an_ended_job(words: tuple[str, ...]) -> None:
    recorded = migration()
    ended = [c for c in recorded.account.jobs() if c.status(time.time()) == "completed"]
    assert any(course.plan.harmless for course in ended)
    for verb in ("pause", "resume"):
        recorded.run(verb, *words[1:], "--yes")
    assert recorded.changing
    assert [path for _, path in recorded.sent if "/logs" in path] == []


def test_each_named_job_is_reported_and_the_worst_end_is_told() -> None:
    recorded = migration()
    fault = Fault(operation="pause", status=403, code=10000, message="no", path="jobs/run2/pause")
    recorded.account.faults.add(fault)
    ran = recorded.run("pause", "run1", "photos/run2", "end1", "--yes")
    assert ran.code == 3
    assert ran.out == ["run1 paused photos/run1/ → media"]
    assert "slurper-tui: end1: cannot pause: it has ended" in ran.err
    assert any(line.startswith("slurper-tui: run2: pause refused: 10000: no") for line in ran.err)
    assert len(recorded.changing) == 2


def test_the_word_to_abort_several_jobs_is_their_bucket_or_else_the_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded, questions = migration(), list[str]()

    async def typed(question: str, out: Output) -> str:
        questions.append(question)
        return ""

    monkeypatch.setattr(prompts, "can_ask", lambda: True)
    monkeypatch.setattr(prompts, "typed", typed)
    assert recorded.run("abort", "--migration", "photos").code == 0
    assert recorded.run("abort", "run1", "alone").code == 0
    assert recorded.run("pause", "run1", "run2").code == 0
    account = recorded.account.account_id
    assert questions == [
        "to abort these 3 jobs, type photos:",
        f"to abort these 2 jobs, type {account}:",
        "pause these 2 jobs? [y/N]",
    ]
    assert recorded.changing == []


# In virtual time ----------------------------------------------------------------------------------


class ControlRun:
    """One command over a bench, and its output."""

    def __init__(self, b: Bench, options: argparse.Namespace) -> None:
        self.b = b
        self.out, self.err = io.StringIO(), io.StringIO()
        out = Output(self.out, self.err, ascii_only=False)
        accounts = [account.account_id for account in b.accounts]
        self.context = CommandContext(
            options, b.session, out, ProgressOutput(out), None, accounts, {}
        )

    async def run(self) -> ExitCode:
        return await control(self.context)

    @property
    def changing(self) -> int:
        return sum(request.method != "GET" for request in self.b.requests)


@asynccontextmanager
async def control_run(
    *words: str, accounts: list[SimulatedAccount] | None = None
) -> AsyncIterator[ControlRun]:
    options = parse(words)
    async with bench(accounts, selection=selection_of(options)) as b:
        yield ControlRun(b, options)


def running(account: SimulatedAccount) -> str:
    return next(c.plan.id for c in account.jobs() if c.status(wall()) == "running")


SILENT = [
    Fault(Kind.READ_TIMEOUT),
    Fault(Kind.RESET),
    Fault(Kind.HTML, status=502),
    Fault(Kind.HTML, status=200),
]


@pytest.mark.parametrize("fault", SILENT, ids=lambda f: f"{f.kind}-{f.status}")
@timeless
async def test_no_answer_but_a_poll_that_shows_it_is_exit_0(fault: Fault) -> None:
    [account] = make_accounts(1, jobs=8)
    async with control_run("abort", running(account), "--yes", accounts=[account]) as d:
        account.faults.add(with_fault(fault, operation="abort", happens=True))
        assert await d.run() is ExitCode.OK
        assert "sent, waiting for the API to confirm (no answer to it: " in d.err.getvalue()
        assert " aborted " in d.out.getvalue()
        assert d.changing == 1


@pytest.mark.parametrize("fault", SILENT, ids=lambda f: f"{f.kind}-{f.status}")
@timeless
async def test_no_answer_and_no_poll_that_shows_it_is_exit_7_after_a_minute(fault: Fault) -> None:
    [account] = make_accounts(1, jobs=8)
    job = running(account)
    async with control_run("abort", job, "--yes", accounts=[account]) as d:
        account.faults.add(with_fault(fault, operation="abort", happens=False))
        begun = now()
        with pytest.raises(CliError, match="no poll has shown it within 60 s") as caught:
            await d.run()
        assert caught.value.code is ExitCode.API
        assert now() - begun == pytest.approx(60, abs=3)
        assert "sent, waiting for the API to confirm" in d.err.getvalue()
        assert (d.changing, d.out.getvalue()) == (1, "")
        polls = [at for at in d.b.polls(job) if at > begun]
        gaps = [later - earlier for earlier, later in itertools.pairwise(polls[3:])]
        assert gaps == pytest.approx([2.0] * len(gaps))


@timeless
async def test_a_delayed_effect_is_waited_for() -> None:
    [account] = make_accounts(1, jobs=8)
    async with control_run("pause", running(account), "--yes", accounts=[account]) as d:
        account.faults.add(Fault(Kind.READ_TIMEOUT, operation="pause", happens=False))
        other = asyncio.create_task(pause_later(d.b, d.context.options.jobs[0], 30))
        assert await d.run() is ExitCode.OK
        await other
        assert 30 <= now() <= 34
        assert d.changing == 1


async def pause_later(b: Bench, job_id: str, seconds: float) -> None:
    await asyncio.sleep(seconds)
    b.account.faults.clear()
    await by_another(b, "pause", job_id)


def answers(monkeypatch: pytest.MonkeyPatch, word: str, after: float) -> None:
    """A person at the terminal who thinks for so many virtual seconds."""

    async def typed(question: str, out: Output) -> str:
        await asyncio.sleep(after)
        return word

    monkeypatch.setattr(prompts, "can_ask", lambda: True)
    monkeypatch.setattr(prompts, "typed", typed)


def test_a_job_that_completes_while_the_person_thinks_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers(monkeypatch, "y", after=30)

    async def main() -> None:
        plan = Plan("soon", EPOCH - 1000, 600, 1010.0, listing=5.0)
        account = SimulatedAccount(clock=wall, plans=[plan], token="t0ken")
        async with control_run("pause", "soon", accounts=[account]) as d:
            with pytest.raises(
                CliError, match=r"^nothing was sent: it completed meanwhile$"
            ) as caught:
                await d.run()
            assert caught.value.code is ExitCode.USAGE
            assert (d.changing, d.out.getvalue()) == (0, "")

    timeless(main)()


def test_a_change_by_another_during_the_question_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers(monkeypatch, "photos-prod", after=30)

    async def main() -> None:
        [account] = make_accounts(1, jobs=8)
        job = next(
            c.plan.id
            for c in account.jobs()
            if c.plan.source and c.plan.source.bucket == "photos-prod"
        )
        async with control_run("abort", job, accounts=[account]) as d:
            other = asyncio.create_task(abort_later(d.b, job, 10))
            with pytest.raises(CliError, match=r"^nothing was sent: it was aborted meanwhile$"):
                await d.run()
            await other
            assert d.changing == 0

    timeless(main)()


async def abort_later(b: Bench, job_id: str, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await by_another(b, "abort", job_id)


@timeless
async def test_a_pause_after_the_end_is_reported() -> None:
    plan = Plan("soon", EPOCH - 1000, 600, 1010.0, listing=5.0)
    account = SimulatedAccount(clock=wall, plans=[plan], token="t0ken")
    account.faults.add(Fault(Kind.READ_TIMEOUT, operation="pause", happens=False))
    async with control_run("pause", "soon", "--yes", accounts=[account]) as d:
        with pytest.raises(CliError, match="pause came too late: completed meanwhile"):
            await d.run()
        assert d.changing == 1


# Reading commands ---------------------------------------------------------------------------------


WRITING = {"pause", "resume", "abort", "delete", "retry", "create", "precheck"}


def reading() -> list[str]:
    """Every command that is not one of the writing ones; "" is the monitor."""
    return sorted({MONITOR, *COMMANDS} - WRITING)


MANIFEST = "expected.txt"


def words_for(name: str, job: str, prefix: str) -> list[list[str]]:
    """Command lines of a reading command that end by themselves. prefix: of few of its objects."""
    lines = {
        MONITOR: [[job], ["--write", job], ["--help"], ["--version"]],
        "jobs": [["jobs"], ["jobs", "--json"]],
        "progress": [["progress", job]],
        "watch": [["watch", job]],
        "wait": [["wait", job]],
        "idle": [["idle", "--bucket", "nothing"]],
        "metrics": [["metrics", "--textfile", "slurper.prom"], ["metrics", "--rules"]],
        "history": [["history"], ["history", job, "--json"], ["history", "--export"]],
        "replay": [["replay"], ["replay", job]],
        "digest": [["digest"]],
        "logs": [["logs", job]],
        "failures": [["failures", job], ["failures", job, "--keys"]],
        "report": [["report", job]],
        "verify": [["verify", job, "--manifest", MANIFEST, "--prefix", prefix, "--yes"]],
        "doctor": [["doctor"], ["doctor", "--json"]],
        "config": [["config", "path"], ["config", "show"], ["config", "check"]],
        "completion": [["completion", "bash"]],
        "help": [["help"], ["help", "keys"]],
    }
    assert name in lines, f"{name!r} is new: say here how it is run"
    return lines[name]


@pytest.mark.parametrize("name", reading())
def test_a_reading_command_leaves_nothing_but_get_requests(
    name: str, recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = recorded.job("completed")
    prefix = f"{recorded.prefix(job)}nothing/"
    (tmp_path / MANIFEST).write_text(f"{prefix}a key\n")
    for words in words_for(name, job, prefix):
        recorded.run(*words, folder=tmp_path)
    assert {method for method, _ in recorded.sent} <= {"GET"}
    asks_nothing = name in ("history", "replay", "config", "completion", "help")
    assert bool(recorded.sent) is not asks_nothing


@pytest.mark.parametrize("verb", ["pause", "resume", "abort", "delete"])
def test_every_command_has_its_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert perform(None, verb, "--help").code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "--yes" in told
    assert "nothing was sent" in told
