import io
from datetime import UTC

import pytest
from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, NotFound, RateLimited, Rejected, Unreachable
from slurper_tui.api.models import Job
from slurper_tui.cli.errors import CliError
from slurper_tui.cli.output import Output, ProgressOutput
from slurper_tui.monitor.model.job import AccountView, BudgetView, JobView, Problem, Snapshot

DOWN = Problem(Unreachable("cannot connect"), since=0.0, retry_at=3600.0)


class Reported:
    """A ProgressOutput and its new lines."""

    def __init__(self, *, once: bool = False, patience: float | None = None) -> None:
        self._err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        out = Output(None, self._err, ascii_only=False)
        self._progress_output = ProgressOutput(out, UTC, once=once, patience=patience)

    def after(self, snapshot: Snapshot) -> list[str]:
        self._progress_output.update(snapshot)
        assert isinstance(self._err.buffer, io.BytesIO)
        lines = self._err.buffer.getvalue().decode().splitlines()
        self._err.buffer.seek(0)
        self._err.buffer.truncate()
        return [line.removeprefix("slurper-tui: ") for line in lines]


def seen(
    *accounts: Problem | None,
    job: ApiError | None = None,
    gone: bool = False,
    budget: BudgetView | None = None,
) -> Snapshot:
    views = [
        AccountView(str(n), answered=True, problem=p) for n, p in enumerate(accounts or [None])
    ]
    jobs = (JobView("0", Job(id="j"), problem=job, gone=gone),)
    return Snapshot(0.0, 5.0, tuple(views), jobs, budget or BudgetView())


def test_a_problem_is_a_line_when_it_begins_and_a_line_when_it_ends() -> None:
    told = Reported()
    assert told.after(seen()) == []
    assert told.after(seen(DOWN)) == ["the account: cannot connect; next try at 01:00:00"]
    assert told.after(seen(DOWN)) == []
    assert told.after(seen()) == ["the account: answers again"]
    assert told.after(seen()) == []


def test_of_several_accounts_the_one_in_trouble_is_named() -> None:
    assert Reported().after(seen(None, DOWN)) == ["account 1: cannot connect; next try at 01:00:00"]


def test_a_job_that_fails_with_its_account_does_not_answer_in_between() -> None:
    told, error = Reported(), Unreachable("reset")
    assert told.after(seen(job=error)) == ["job j: reset"]
    assert len(told.after(seen(DOWN, job=error))) == 1
    assert told.after(seen(job=error)) == ["the account: answers again"]
    assert told.after(seen()) == ["job j: answers again"]


def test_a_job_that_is_gone_never_answers_again() -> None:
    told = Reported()
    assert told.after(seen(job=NotFound("no such job"))) == ["job j: no such job"]
    assert told.after(seen(job=NotFound("no such job"), gone=True)) == []
    assert told.after(seen(gone=True)) == []


def expiring(*expiries: float | None) -> Snapshot:
    views = [AccountView(str(n), answered=True, token_expires=at) for n, at in enumerate(expiries)]
    return Snapshot(0.0, 5.0, tuple(views))


def test_a_token_that_expires_soon_is_told_once() -> None:
    day, told = 86_400.0, Reported()
    assert told.after(expiring(3 * day)) == []
    assert told.after(expiring(2 * day)) == ["the API token expires 1970-01-03 00:00 UTC"]
    assert told.after(expiring(2 * day)) == []
    assert told.after(expiring(None)) == []
    assert told.after(expiring(3600.0, None)) == ["account 0: the API token expires 01:00 UTC"]


def test_a_pause_that_the_api_has_ordered() -> None:
    told = Reported()
    blocked = BudgetView(blocked_until=60.0, blocked_by=RateLimited("rate limited"))
    [line] = told.after(seen(budget=blocked))
    assert line == (
        "the request budget: rate limited (429): next request at 00:01:00 (rate limited); "
        "all tools of this user share it"
    )
    assert told.after(seen()) == ["the request budget: available again"]


@pytest.mark.parametrize(
    ("until", "told"),
    [(3_600.0, "01:00:00"), (86_400.0, "1970-01-02 00:00:00"), (90_000.0, "1970-01-02 01:00:00")],
)
def test_a_time_of_another_day_has_its_date(until: float, told: str) -> None:
    blocked = BudgetView(blocked_until=until, blocked_by=RateLimited("rate limited"))
    [line] = Reported().after(replace(seen(None), budget=blocked))
    assert f" next request at {told} (rate limited); " in line
    [line] = Reported().after(seen(replace(DOWN, retry_at=until)))
    assert line.endswith(f"; next try at {told}")


def test_one_shot_commands_report_waiting_for_the_budget() -> None:
    waiting = BudgetView(used=900, waiting=12)
    assert Reported(once=True).after(seen(budget=waiting)) == [
        "the request budget: 900 of 1200 requests in five minutes are used; 12 more are waiting"
    ]
    assert Reported().after(seen(budget=waiting)) == []
    [line] = Reported().after(seen(budget=BudgetView(used=900, stretch=2.5)))
    assert line.endswith("; jobs are polled 2.5 times less often")


def test_rejected_by_every_account_is_the_end() -> None:
    problem = Problem(Rejected("rejected"), since=0.0)
    accounts = tuple(AccountView(name, problem=problem) for name in "ab")
    with pytest.raises(CliError, match="the API rejects these credentials: rejected; ") as caught:
        Reported().after(Snapshot(0.0, 5.0, accounts))
    assert caught.value.code == 3


def test_a_history_that_is_off_is_reported_once_and_its_return_too() -> None:
    told, off = Reported(), "history off: the disk is full"

    def noted(note: str) -> list[str]:
        return told.after(replace(seen(), history_note=note))

    assert noted("") == []
    assert (noted(off), noted(off)) == ([off], [])
    assert noted("history shared: another one") == ["history on again"]
    assert noted("") == []


def blocked(now: float, until: float) -> Snapshot:
    budget = BudgetView(blocked_until=until, blocked_by=RateLimited("the API answered 429"))
    return replace(seen(budget=budget), taken_at=now)


def test_waits_under_a_rate_limit_add_up_to_the_patience() -> None:
    told = Reported(once=True, patience=60.0)
    assert len(told.after(blocked(1000.0, 1040.0))) == 1
    told.after(blocked(1000.3, 1040.0))
    told.after(replace(seen(), taken_at=1041.0))
    told.after(blocked(1041.0, 1060.0))
    with pytest.raises(CliError) as stopped:
        told.after(blocked(1060.5, 1080.0))
    assert stopped.value.code == 7
    assert stopped.value.line == (
        "the API limits the rate of requests (the API answered 429): next request "
        "at 00:18:00, a wait of more than --timeout 60 s"
    )


def test_a_wait_that_is_too_long_is_not_begun() -> None:
    with pytest.raises(CliError, match="00:21:40"):
        Reported(once=True, patience=60.0).after(blocked(1000.0, 1300.0))
    Reported(once=True, patience=301.0).after(blocked(1000.0, 1300.0))
    Reported().after(blocked(1000.0, 1e6))


def test_an_endless_id_is_cut() -> None:
    [line] = Reported().after(
        replace(seen(), jobs=(JobView("0", Job(id="x" * 70_000), problem=NotFound("no")),))
    )
    assert line == f"job {'x' * 128}...: no"
