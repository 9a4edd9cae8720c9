"""The screen and the command line use the same sentences for failures, actions and new jobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

import pytest

from slurper_tui.api.errors import Conflict, Fault, Refused
from slurper_tui.monitor.jobs.create import Check, CreateResult, Prechecks
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Action, ActionRequest, RequestState
from slurper_tui.monitor.model.logs import (
    BROKE_TYPE,
    FAILED_TYPE,
    FailureGroup,
    FailuresView,
    LogCounts,
    cause_of,
)
from slurper_tui.monitor.model.plans import Draft, Plan, PlanView, Step, StepState
from slurper_tui.simulated.account import Fault as Disturbance
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.job_text import requests_words
from slurper_tui.tui.render.lines import text_of
from slurper_tui.tui.screens.plans import plan_rows
from slurper_tui.tui.screens.send import check_lines, made_lines
from slurper_tui.tui.widgets.failure_tree import failed_line, summary
from tests.cli.logs import row, telling
from tests.cli.making import S3, Person
from tests.cli.program import environment, perform
from tests.tui.jobs import view

LOOK = Look(zone=UTC)
WIDTH = 200
TIER = "importSkippedStorageClass"

Face = Callable[[], str]


def failures_on_screen(rows: dict[str, int], failed: int, skipped: int) -> Face:
    groups = [FailureGroup(t, cause_of(t), n) for t, n in rows.items() if t != BROKE_TYPE]
    counts = LogCounts(rows, whole=True)
    key = JobKey("account", "job1")
    log = FailuresView(key, tuple(groups), counts, failed_objects=failed, skipped_objects=skipped)
    lines = [failed_line(log, WIDTH), *summary(log, LOOK, WIDTH)]
    return lambda: "\n".join(map(text_of, lines))


def failures_in_lines(rows: dict[str, int], failed: int, skipped: int) -> Face:
    told = [row(t, f"{t}/{n}") for t, number in rows.items() for n in range(number)]

    def lines() -> str:
        transport = telling(*told, failed=failed, skipped=skipped)
        return "\n".join(perform(SimulatedAccount(), "failures", "job1", transport=transport).out)

    return lines


def failures(rows: dict[str, int], failed: int, skipped: int) -> tuple[Face, Face]:
    return (
        failures_on_screen(rows, failed, skipped),
        failures_in_lines(rows, failed, skipped),
    )


def refused_pause_on_screen() -> str:
    error = Refused("the API answered 400", status=400, faults=(Fault(10042, "not just now"),))
    request = ActionRequest(Action.PAUSE, 0.0, RequestState.REFUSED, error)
    return requests_words(Action.PAUSE, ["photos"], [request], LOOK)


def refused_pause_in_lines() -> str:
    account = SimulatedAccount(jobs=1, running=1)
    account.faults.add(
        Disturbance(operation="pause", status=400, code=10042, message="not just now")
    )
    job = next(course.plan.id for course in account.jobs())
    return "\n".join(perform(account, "pause", job, "--yes", environ=environment(account)).err)


def prechecks_on_screen() -> str:
    checks = Prechecks(Check("error"), Check("success"))
    return "\n".join(map(text_of, check_lines(checks, Draft("s3", "photos", "media"), LOOK, WIDTH)))


def prechecks_in_lines() -> str:
    return "\n".join(Person().run("precheck", *S3, "--source-bucket", "denied").out)


def no_slot_on_screen() -> str:
    error = Conflict("the API answered 409", status=409)
    made = CreateResult(error=error, running=(view(1), view(2), view(3)))
    return "\n".join(map(text_of, made_lines(made, LOOK, WIDTH)))


def no_slot_in_lines() -> str:
    return "\n".join(Person(SimulatedAccount(jobs=3, running=3)).run("create", *S3, "--yes").err)


def plan_on_screen() -> str:
    steps = (
        Step(1, Draft("s3", "photos", "media", "a/"), StepState.REFUSED, message="no"),
        Step(2, Draft("s3", "photos", "media", "b/"), StepState.STARTED, job_id="1"),
    )
    plan = PlanView(Plan(1, "account", 0.0, steps), has_secrets=True)
    return "\n".join(text_of(one.line) for one in plan_rows([plan], LOOK, 0.0, WIDTH))


def plan_in_lines() -> str:
    person = Person()
    person.account.faults.add(
        Disturbance(operation="create", status=400, code=10001, message="no", times=1)
    )
    name = person.file("prefixes", "a/\nb/\n")
    return "\n".join(person.run("create", *S3, "--prefixes", name, "--yes").err)


@pytest.mark.parametrize(
    ("faces", "sentences"),
    [
        (failures({FAILED_TYPE: 7}, 5, 0), ["the log lists 7 failures, the job counts 5"]),
        (failures({FAILED_TYPE: 2}, 5, 0), ["the log lists 2 of 5 failures"]),
        (failures({}, 0, 0), ["nothing failed"]),
        (
            failures({TIER: 7}, 0, 5),
            ["skipped 5, but the log lists more", "7 not copied (7 archive tier)"],
        ),
        (failures({FAILED_TYPE: 1}, 1, 3), ["skipped 3: 3 already there"]),
        (
            failures({FAILED_TYPE: 1, BROKE_TYPE: 1}, 1, 0),
            ["source listing broke: the total is incomplete"],
        ),
        (
            (refused_pause_on_screen, refused_pause_in_lines),
            ["pause refused: 10042: not just now"],
        ),
        (
            (prechecks_on_screen, prechecks_in_lines),
            ["cannot be reached with these keys", "can be reached"],
        ),
        ((no_slot_on_screen, no_slot_in_lines), ["refused: 3 jobs run already"]),
        ((plan_on_screen, plan_in_lines), ["1 started, 1 refused"]),
    ],
)
def test_screen_and_command_line_use_the_same_sentence(
    faces: tuple[Face, Face], sentences: list[str]
) -> None:
    for face in faces:
        told = face()
        assert [sentence for sentence in sentences if sentence not in told] == [], told
