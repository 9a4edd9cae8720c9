"""`idle`: 0 only where it is certain that no job uses a bucket."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from slurper_tui.api.models import DEFAULT_BASE_URL, Source, Target
from slurper_tui.monitor.history.files import FILE
from slurper_tui.monitor.history.opening import open_file
from slurper_tui.monitor.model.plans import Draft, Step, StepState
from slurper_tui.monitor.model.plans import Plan as Planned
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.cli.program import perform

DAY = 86_400.0


def job(name: str, source: str, target: str, *, ended: bool = False) -> Plan:
    begun = time.time() - (2 * DAY if ended else 60)
    ends = Source("s3", source, f"{name}/"), Target("r2", target)
    return Plan(name, begun, 1000, 60.0 if ended else 9e5, *ends, listing=5.0)


def account(*more: Plan) -> SimulatedAccount:
    return SimulatedAccount(
        plans=[job("j1", "photos", "media"), job("j2", "old", "media", ended=True), *more]
    )


@pytest.mark.parametrize(
    ("bucket", "code", "role"),
    [
        ("photos", 1, "source"),
        ("media", 1, "target"),
        ("both", 1, "source and target"),
        ("old", 0, ""),
        ("photo", 0, ""),
        ("PHOTOS", 0, ""),
    ],
)
def test_a_running_job_uses_its_source_and_its_target(bucket: str, code: int, role: str) -> None:
    ran = perform(account(job("j3", "both", "both")), "idle", "--bucket", bucket)
    assert (ran.code, ran.err) == (code, [])
    assert [line.rpartition(" (")[2] for line in ran.out] == ([f"{role})"] if code else [])


def test_the_jobs_are_named_one_a_line_and_as_json() -> None:
    of = account(job("j3", "media", "cold"))
    perform(of, "pause", "j1", "--yes")
    ran = perform(of, "idle", "--bucket", "media")
    assert sorted(ran.out) == [
        "j1 paused photos/j1/ → media (target)",
        "j3 running media/j3/ → cold (source)",
    ]
    [first, _] = sorted(json.loads(of_json(of, "media")), key=lambda record: record["id"])
    assert first == {
        "accountId": of.account_id,
        "id": "j1",
        "status": "paused",
        "source": {"vendor": "s3", "bucket": "photos", "pathPrefix": "j1/"},
        "target": {"vendor": "r2", "bucket": "media", "jurisdiction": "default"},
        "role": "target",
    }
    assert of_json(of, "nothing") == "[]"


def of_json(account: SimulatedAccount, bucket: str) -> str:
    [line] = perform(account, "idle", "--bucket", bucket, "--json").out
    return line


def test_ended_jobs_are_not_asked() -> None:
    of, paths = account(), []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return of.answer(request)

    perform(of, "idle", "--bucket", "nothing", transport=httpx.MockTransport(answer))
    assert [path.split("/")[-2] for path in paths if path.endswith("/progress")] == ["j1"]


def test_an_undocumented_status_without_an_end_is_a_use() -> None:
    ran = perform(edited(status="errored", finishedAt=None), "idle", "--bucket", "photos")
    assert (ran.code, ran.out) == (1, ["j1 errored photos/j1/ → media (source)"])


def edited(**fields: Any) -> SimulatedAccount:
    """An account whose answers give j1 these fields; without a value for None."""
    of = account()
    of.faults.add(Fault(Kind.EDITED, edit=lambda envelope: _edited(envelope, fields)))
    return of


def _edited(envelope: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    rows = envelope["result"] if isinstance(envelope["result"], list) else [envelope["result"]]
    for row in rows:
        if row["id"] == "j1":
            row.update(fields)
    return envelope


def _longer(envelope: Any) -> Any:
    return {**envelope, "result_info": {"total_count": 99}}


UNCERTAIN = {
    "no connection": [Fault(Kind.CONNECT_ERROR)],
    "503": [Fault(status=503)],
    "a page of a proxy": [Fault(Kind.HTML, status=403)],
    "truncated": [Fault(Kind.TRUNCATED)],
    "a foreign result": [Fault(Kind.WRONG_TYPES)],
    "429": [Fault(status=429, code=971, retry_after=3600)],
    "rows are missing": [Fault(Kind.EDITED, operation="list", edit=_longer)],
    "the second page fails": [Fault(status=500, path="jobs", after=1)],
    "the second reading fails": [Fault(Kind.RESET, path="jobs", after=2)],
}


@pytest.mark.parametrize("name", UNCERTAIN)
def test_a_failed_or_incomplete_list_is_never_0(name: str) -> None:
    of = account()
    of.faults.add(*UNCERTAIN[name])
    for words in ((), ("--json",)):
        ran = perform(of, "idle", "--bucket", "nothing", "--timeout", "1", *words)
        assert (ran.code, ran.out) == (7, []), name


@pytest.mark.parametrize(
    "fields", [{"source": None}, {"target": {}}, {"source": {"bucket": None}}, {"id": None}]
)
def test_a_live_job_without_its_buckets_or_id_makes_it_uncertain(fields: dict[str, Any]) -> None:
    ran = perform(edited(**fields), "idle", "--bucket", "nothing")
    assert (ran.code, ran.out) == (7, [])
    assert ran.err[-1].startswith("slurper-tui: whether 'nothing' is idle is not known: ")


@pytest.mark.parametrize("kind", [Kind.NULL, Kind.EMPTY])
def test_one_empty_list_is_no_proof(kind: Kind) -> None:
    of = account()
    of.faults.add(Fault(kind, operation="list", times=1))
    ran = perform(of, "idle", "--bucket", "photos")
    assert ran.code in (1, 7)
    assert (ran.code == 1) == bool(ran.out)


def test_a_job_that_does_not_answer_is_a_use_by_the_list() -> None:
    of = account()
    of.faults.add(Fault(status=500, operation="progress"))
    assert perform(of, "idle", "--bucket", "photos").code == 1


def test_rejected_credentials_are_exit_3() -> None:
    of = account()
    of.faults.add(Fault(status=403, code=9109))
    assert perform(of, "idle", "--bucket", "photos").code == 3


@pytest.mark.parametrize(
    "words", ["idle", "idle --bucket ''", "idle --bucket s3://a", "idle --bucket a/"]
)
def test_without_a_bucket_it_is_wrong_usage(words: str) -> None:
    ran = perform(account(), *(word.strip("'") for word in words.split()))
    assert (ran.code, ran.out, "--bucket" in ran.err[0]) == (2, [], True)


# The plans in the history -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE plans SET log_types = 'x'",
        "UPDATE plans SET made_at = -1",
        "UPDATE steps SET state = 'perhaps'",
        "UPDATE steps SET draft = '{'",
    ],
)
def test_a_plan_with_a_damaged_row_makes_it_uncertain(damage: str, tmp_path: Path) -> None:
    of = account()
    plan_in(tmp_path, of)
    with closing(sqlite3.connect(tmp_path / "state" / FILE)) as file, file:
        file.execute(damage)
    ran = perform(of, "idle", "--bucket", "next", folder=tmp_path)
    assert (ran.code, ran.out) == (7, [])
    assert "the plans cannot be read (damaged or locked)" in ran.err[-1]


def plan_in(folder: Path, of: SimulatedAccount, state: StepState = StepState.WAITING) -> None:
    """Store a plan with one step from `next` to `media`."""
    perform(of, "jobs", folder=folder)
    store = open_file(folder / "state" / FILE, DEFAULT_BASE_URL)[0]
    steps = (Step(1, Draft("s3", "next", "media", path_prefix="2/"), state),)
    store.notes.plans.keep(Planned(0, of.account_id, 0.0, steps))
    store.close()


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (StepState.WAITING, 1),
        (StepState.UNDECIDED, 1),
        (StepState.REFUSED, 1),
        (StepState.STARTED, 0),
        (StepState.CANCELLED, 0),
    ],
)
def test_a_planned_job_is_a_use(state: StepState, code: int, tmp_path: Path) -> None:
    of = account()
    plan_in(tmp_path, of, state)
    ran = perform(of, "idle", "--bucket", "next", folder=tmp_path)
    assert (ran.code, ran.err) == (code, [])
    assert ran.out == (["— planned next/2/ → media (source)"] if code else [])


def test_plans_that_cannot_be_read_make_it_uncertain(tmp_path: Path) -> None:
    of = account()
    plan_in(tmp_path, of)
    (tmp_path / "state" / FILE).write_bytes(b"no database" * 1000)
    ran = perform(of, "idle", "--bucket", "next", folder=tmp_path)
    assert (ran.code, ran.out) == (7, [])
    assert "the plans cannot be read" in ran.err[-1]


def test_without_the_history_the_plans_are_left_out_with_a_note(tmp_path: Path) -> None:
    of = account()
    plan_in(tmp_path, of)
    ran = perform(of, "idle", "--bucket", "next", "--no-history", folder=tmp_path)
    note = "slurper-tui: with --no-history the plans of the history are not looked at"
    assert (ran.code, ran.out, ran.err) == (0, [], [note])
