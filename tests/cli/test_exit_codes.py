"""The exit code of every command in every situation that they have in common."""

from __future__ import annotations

import tempfile
import time
from typing import Any

import pytest

from slurper_tui.api.models import Source, Target
from slurper_tui.cli.parser import COMMANDS
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.cli.making import KEYS, S3
from tests.cli.program import Ran, environment, perform

OFFLINE = ("history", "replay", "completion", "help", "config")
"""Commands that ask nothing of the API."""

NAMED = {
    **{name: (name, "JOB") for name in ("progress", "watch", "wait", "logs", "failures", "report")},
    **{name: (name, "JOB", "--yes") for name in ("pause", "resume", "abort", "delete")},
    "retry": ("retry", "JOB", "--yes"),
    "verify": ("verify", "JOB", "--yes"),
}
"""Commands that take a JOB."""

ONLINE = {
    **NAMED,
    "jobs": ("jobs",),
    "digest": ("digest",),
    "create": ("create", *S3, "--yes"),
    "precheck": ("precheck", *S3),
    "idle": ("idle", "--bucket", "media"),
    "metrics": ("metrics", "--textfile", "FILE"),
    "doctor": ("doctor",),
}
"""Commands that ask the API, each with a whole command line."""

END_BY_THEMSELVES = {name: words for name, words in ONLINE.items() if name != "watch"}
"""Commands that do not go on when no list can be read."""


def plan(name: str, prefix: str, seconds: float = 60.0, **numbers: Any) -> Plan:
    source, target = Source("s3", "photos", prefix), Target("r2", "media")
    created = time.time() - 9000
    return Plan(name, created, 1000, seconds, source, target, listing=5.0, **numbers)


def account() -> SimulatedAccount:
    """An account with a job for each end, and one that runs."""
    jobs = [
        plan("clean", "1/"),
        plan("failed", "2/", failed=3),
        plan("skipped", "3/", not_copied=3),
        plan("harmless", "4/", harmless=3),
        plan("lost", "5/", lost=3),
        plan("aborted", "6/", seconds=9e5, failed=3),
        plan("running", "7/", seconds=9e5),
    ]
    made = SimulatedAccount(plans=jobs)
    assert perform(made, "abort", "aborted", "--yes").code == 0
    return made


def ran(of: SimulatedAccount, *words: str, job: str = "clean", **environ: str) -> Ran:
    """Run a command line in which JOB is a job and FILE a new file."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"JOB": job, "FILE": f"{folder}/metrics"}
        given = [places.get(word, word) for word in words]
        return perform(of, *given, environ=environment(of, **{**KEYS, **environ}))


def test_every_command_is_in_these_tables() -> None:
    assert {*OFFLINE, *ONLINE} == {*COMMANDS}


@pytest.mark.parametrize("name", ONLINE)
def test_missing_credentials_are_exit_3(name: str) -> None:
    given = {"CLOUDFLARE_ACCOUNT_ID": "a", "LANG": "C.UTF-8", **KEYS}
    end = perform(SimulatedAccount(jobs=1), *ONLINE[name], environ=given)
    assert end.code == 3
    assert any("CLOUDFLARE_API_TOKEN" in line for line in (*end.out, *end.err))


@pytest.mark.parametrize("name", ONLINE)
def test_rejected_credentials_are_exit_3(name: str) -> None:
    of = account()
    of.faults.add(Fault(status=403, code=9109, message="No"))
    end = ran(of, *ONLINE[name])
    assert end.code == 3
    assert any("9109" in line for line in (*end.out, *end.err))


@pytest.mark.parametrize("name", END_BY_THEMSELVES)
def test_an_account_that_the_api_does_not_know_is_exit_7(name: str) -> None:
    of = account()
    of.faults.add(Fault(status=404, code=7003, message="No such account"))
    assert ran(of, *END_BY_THEMSELVES[name]).code == 7


@pytest.mark.parametrize("name", [n for n in END_BY_THEMSELVES if n != "wait"])
def test_an_api_that_is_not_reached_is_exit_7(name: str) -> None:
    of = account()
    of.faults.add(Fault(Kind.CONNECT_ERROR))
    assert ran(of, *END_BY_THEMSELVES[name]).code == 7


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize(("job", "said"), [("nothing", "no job's id"), ("", "must not be empty")])
def test_a_job_that_is_not_there_is_exit_2(name: str, job: str, said: str) -> None:
    end = ran(account(), *NAMED[name], job=job)
    assert (end.code, end.out) == (2, [])
    assert said in end.err[-1]


@pytest.mark.parametrize("name", NAMED)
def test_several_jobs_that_begin_so_are_exit_2_and_all_are_named(name: str) -> None:
    of = SimulatedAccount(plans=[plan("twin-1", "1/"), plan("twin-2", "2/")])
    end = ran(of, *NAMED[name], job="twin")
    assert (end.code, end.out) == (2, [])
    assert {line.split()[1] for line in end.err[-2:]} == {"twin-1", "twin-2"}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("words", [("--no-such-option",), ("--interval", "1"), ("--interval", "x")])
def test_wrong_options_are_exit_2(name: str, words: tuple[str, ...]) -> None:
    given = {"completion": ("completion", "bash"), "config": ("config", "show")}
    line = {**ONLINE, **given}.get(name, (name,))
    if name in ("completion", "help", "config") and words[0] == "--interval":
        pytest.skip("it polls nothing")
    end = ran(account(), *line, *words)
    assert end.code == 2
    assert name == "doctor" or (end.out, len(end.err)) == ([], 1)  # doctor prints it as a check


ENDS = {"clean": 0, "failed": 4, "lost": 4, "aborted": 5, "skipped": 4, "harmless": 0}
CHECKED = [(name, job) for job in ("clean", "failed", "aborted") for name in ("watch", "wait")]


@pytest.mark.parametrize(("name", "job"), [*CHECKED, *(("report", job) for job in ENDS)])
def test_the_end_of_a_job_is_judged_alike(name: str, job: str) -> None:
    end = ran(account(), name, job)
    assert (end.code, bool(end.out)) == (ENDS[job], True)


@pytest.mark.parametrize("name", ["wait", "report"])
def test_the_worst_end_counts(name: str) -> None:
    assert ran(account(), name, "failed", "clean", "aborted").code == 5


@pytest.mark.parametrize("job", ["failed", "lost", "aborted", "running"])
@pytest.mark.parametrize("name", ["progress", "logs", "failures"])
def test_what_is_only_shown_is_exit_0(name: str, job: str) -> None:
    assert ran(account(), name, job).code == 0


@pytest.mark.parametrize(("bucket", "code"), [("media", 1), ("photos", 1), ("unused", 0)])
def test_a_bucket_in_use_is_exit_1(bucket: str, code: int) -> None:
    assert ran(account(), "idle", "--bucket", bucket).code == code


def test_a_time_that_is_over_is_exit_6() -> None:
    assert ran(account(), "wait", "running", "--timeout", "0.5").code == 6
