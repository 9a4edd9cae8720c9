"""Which transitions a user is told about, once each, and never what happened earlier."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, Rejected, Unreachable
from slurper_tui.api.models import Source, Target
from slurper_tui.config import EVENTS, Notify
from slurper_tui.format import as_json
from slurper_tui.monitor.model.job import (
    AccountView,
    Counts,
    Failing,
    JobView,
    PastOutage,
    Phase,
    Problem,
    Snapshot,
    Unstarted,
)
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.verdict import with_log
from slurper_tui.monitor.reports.notices import Kind, Known, Notice, compare, notice_record
from tests.tui.jobs import ACCOUNT, NOW, iso, snapshot, view

FAILING = Failing(412, 5000, 3600.0, NOW)
STALL: dict[str, Any] = {"phase": Phase.STALLED, "stalled_since": NOW - 300}


def told(
    *snapshots: Snapshot, deadline: float | None = None, between: float = 5.0
) -> list[tuple[str, str]]:
    """Return kind and text of all notices of snapshots that follow each other."""
    return [(notice.kind, notice.text) for notice in notices(snapshots, deadline, between)]


def notices(
    snapshots: Sequence[Snapshot], deadline: float | None = None, between: float = 5.0
) -> list[Notice]:
    known: Known | None = None
    found: list[Notice] = []
    for number, one in enumerate(snapshots):
        at = one.taken_at + number * between
        known, new = compare(known, replace(one, taken_at=at), deadline)
        found += new
    return found


def ended(number: int = 1, status: str = "completed", **given: Any) -> JobView:
    given = {"done": 1000, "percent": 100, **given}
    return with_log(view(number, status, **given), None)


def single(before: JobView, after: JobView) -> list[tuple[str, str]]:
    """Tell what changed between two views, each of which is seen twice."""
    return told(*(snapshot(one) for one in (before, before, after, after)))


DONE = "photos-1 → media: completed · 0 failed · 0 not copied · 0 unaccounted"

TRANSITIONS: list[tuple[str, JobView, JobView, tuple[str, str]]] = [
    ("completed", view(), ended(), ("end", "photos-1 → media: completed · 0 failed")),
    ("aborted", view(), ended(status="aborted", done=350), ("end", "photos-1 → media: aborted")),
    ("with losses", view(), ended(failed=10), ("end", "photos-1 → media: completed · 10 failed")),
    (
        "gone",
        view(),
        view(gone=True),
        ("end", "photos-1 → media: gone, the API no longer knows it"),
    ),
    (
        "stalled",
        view(),
        view(**STALL),
        ("stall", "photos-1 → media: stalled: nothing has moved for 5 min"),
    ),
    (
        "failing",
        view(),
        view(failing=FAILING, newest_reasons=(("403 AccessDenied", 9),)),
        (
            "failing",
            "photos-1 → media: failing: 412 of 5,000 objects failed in the last hour (8.2 %)"
            ": 403 AccessDenied",
        ),
    ),
    (
        "an undocumented status with an end",
        view(),
        replace(view(status="errored"), ended=True),
        ("end", "photos-1 → media: errored"),
    ),
]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [case[1:] for case in TRANSITIONS],
    ids=[case[0] for case in TRANSITIONS],
)
def test_a_transition_is_told_once(
    before: JobView, after: JobView, expected: tuple[str, str]
) -> None:
    [(kind, text)] = single(before, after)
    assert kind == expected[0]
    assert text.startswith(expected[1])


@pytest.mark.parametrize("case", TRANSITIONS, ids=[case[0] for case in TRANSITIONS])
def test_what_is_so_at_the_start_is_not_told(
    case: tuple[str, JobView, JobView, tuple[str, str]],
) -> None:
    after = case[2]
    assert not told(snapshot(after), snapshot(after))
    # nor what had changed when earlier runs were over
    earlier = replace(case[1], from_history=True)
    assert not told(snapshot(earlier), snapshot(after), snapshot(after))
    listed = replace(earlier, from_history=False, as_of=None, status=None)
    assert not told(snapshot(earlier), snapshot(listed), snapshot(after))


def test_a_job_that_the_list_already_shows_as_ended_is_old_news() -> None:
    listed = view(1, "completed", counts=Counts(), percent=None, as_of=None)
    assert not told(snapshot(listed), snapshot(listed), snapshot(ended()))


@pytest.mark.parametrize(
    ("before", "between", "after"),
    [
        (view(), [replace(view(), stale=True)], ended()),
        (view(), [replace(view(), from_history=True)], ended()),
    ],
)
def test_a_change_during_an_outage_is_told_afterwards(
    before: JobView, between: list[JobView], after: JobView
) -> None:
    found = told(*(snapshot(one) for one in (before, *between, after)))
    assert [kind for kind, _ in found] == ["end"]


@pytest.mark.parametrize("state", [STALL, {"failing": FAILING}])
def test_a_state_that_an_outage_hides_is_not_told_twice(state: dict[str, Any]) -> None:
    hidden = replace(view(), stale=True)
    views = (view(), view(**state), hidden, view(**state))
    assert len(told(*map(snapshot, views))) == 1


def test_a_state_that_comes_back_is_told_again() -> None:
    views = (view(), view(**STALL), view(), view(**STALL))
    assert [kind for kind, _ in told(*map(snapshot, views))] == ["stall", "stall"]


def test_a_failing_job_that_stalls_and_moves_again_is_not_told_to_fail_again() -> None:
    both = view(failing=FAILING, **STALL)
    views = (view(), view(failing=FAILING), both, view(failing=FAILING))
    assert [kind for kind, _ in told(*map(snapshot, views))] == ["failing", "stall"]


def job(number: int, status: str = "running", **given: Any) -> JobView:
    """Return a job of one migration."""
    given = {"source": "photos", "prefix": f"{number}/", **given}
    return view(number, status, **given) if status == "running" else ended(number, status, **given)


def test_a_migration_ends_once_with_its_sums() -> None:
    found = notices(
        [
            snapshot(job(1), job(2), job(3)),
            snapshot(job(1, "completed"), job(2), job(3)),
            snapshot(job(1, "completed"), job(2, "completed", failed=7), job(3, "completed")),
        ]
    )
    assert [notice.kind for notice in found] == [Kind.JOB, Kind.END]
    assert found[0].text.startswith("photos/1/ → media: completed")
    assert found[1].text.startswith("photos → media: completed · 7 failed")
    assert found[1].jobs == ("job0001", "job0002", "job0003")


def test_planned_jobs_keep_a_migration_going() -> None:
    plan = Unstarted(ACCOUNT, Source("s3", "photos", endpoint="https://s3.example.com"), MEDIA, 2)
    views = [snapshot(one, unstarted=(plan,)) for one in (job(1), job(1, "completed"))]
    assert [kind for kind, _ in told(*views)] == ["job"]


MEDIA = Target("r2", "media")


def test_a_job_that_is_aborted_is_told_although_others_go_on() -> None:
    found = told(snapshot(job(1), job(2)), snapshot(job(1, "aborted"), job(2)))
    assert [kind for kind, _ in found] == ["end"]


def test_a_migration_that_stalls_is_told_once() -> None:
    found = told(
        snapshot(job(1), job(2), job(3)),
        snapshot(job(1, **STALL), job(2), job(3)),
        snapshot(job(1, **STALL), job(2, **STALL), job(3)),
    )
    assert found == [("stall", "photos/1/ → media: stalled: nothing has moved for 5 min")]


def test_jobs_that_stall_together_are_one_notice() -> None:
    found = told(snapshot(job(1), job(2)), snapshot(job(1, **STALL), job(2, **STALL)))
    assert found == [("stall", "photos → media: 2 jobs stalled: nothing has moved for 5 min")]


def test_many_migrations_at_once_are_one_notice() -> None:
    before = snapshot(*(view(number) for number in range(9)))
    after = snapshot(*(ended(number) for number in range(9)))
    [(kind, text)] = told(before, after)
    assert kind == "end"
    assert text.startswith("9 at once: photos-0 → media: completed")
    assert text.endswith("; and 6 more")


def test_a_loss_that_the_log_shows_after_the_end_is_told() -> None:
    unread = ended(counts=Counts(1000, 660, 340, 0))
    log = LogCounts({"importSkippedStorageClass": 340}, whole=True)
    read = with_log(unread, log)
    found = told(snapshot(view()), snapshot(unread), snapshot(read), snapshot(read))
    assert [kind for kind, _ in found] == ["end", "end"]
    assert "340 skipped, reasons not read yet" in found[0][1]
    assert "340 not copied" in found[1][1]
    assert not told(snapshot(unread), snapshot(read)), "old news: it ended before the start"


def test_a_job_made_and_ended_between_two_readings_is_told() -> None:
    new = ended(2)
    new = replace(new, job=replace(new.job, finished_at=iso(NOW + 1)))
    assert [kind for kind, _ in told(snapshot(view()), snapshot(view(), new))] == ["end"]
    unread = replace(snapshot(view()), accounts=(AccountView(ACCOUNT, answered=True),))
    assert not told(unread, snapshot(view(), new)), "the list was not read before"
    assert not told(snapshot(view()), snapshot(view(), ended(2))), "it ended before the start"


def account(error: ApiError | None = None, number: int = 1, **given: Any) -> AccountView:
    problem = None
    if error is not None:
        problem = Problem(error, NOW - 60, last_good=NOW - 90, lasting=given.pop("lasting", True))
    return AccountView(f"account{number}", listed=True, answered=True, problem=problem)


CUT = Unreachable("cannot connect")
DENIED = Rejected("the credentials were rejected", status=403)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CUT, ("outage", "the API has not answered for 1 min: cannot connect")),
        (DENIED, ("token", "the API rejects the credentials: the credentials were rejected")),
    ],
)
def test_an_outage_is_told_once_and_again_when_it_returns(
    error: ApiError, expected: tuple[str, str]
) -> None:
    accounts = (account(), account(error), account(error), account(), account(error))
    found = told(*(snapshot(view(), accounts=(one,)) for one in accounts))
    assert found[0] == expected
    assert [kind for kind, _ in found] == [expected[0]] * 2


@pytest.mark.parametrize(
    "accounts",
    [
        [account(), account(CUT, lasting=False)],
        [replace(account(CUT), answered=False)] * 2,
    ],
    ids=["one failed poll", "never answered in this run"],
)
def test_what_is_no_outage_is_not_told(accounts: list[AccountView]) -> None:
    assert not told(*(snapshot(view(), accounts=(one,)) for one in accounts))


def test_the_end_of_an_outage_is_told_once_with_what_was_done_meanwhile() -> None:
    over = PastOutage(NOW - 7800, NOW, 41_233)
    first, back = account(), replace(account(), past_outage=over)
    other = replace(account(number=2), past_outage=replace(over, moved=None))
    accounts = ((first,), (account(CUT),), (first,), (back,), (back,), (back, other))
    found = told(*(snapshot(view(), accounts=several) for several in accounts))
    assert found == [
        ("outage", "the API has not answered for 1 min: cannot connect"),
        (
            "back",
            "the API is back after 2 h 10 min without an answer: 41,233 objects moved meanwhile",
        ),
        ("back", "account account2 is back after 2 h 10 min without an answer"),
    ]
    assert "back" not in Notify().events


def test_accounts_with_the_same_error_are_one_outage() -> None:
    up = tuple(account(number=number) for number in (1, 2, 3, 4))
    first = (account(CUT), *up[1:])
    down = (account(CUT), account(CUT, 2), account(DENIED, 3), account(DENIED, 4))
    found = told(*(snapshot(view(), accounts=several) for several in (up, first, down, down)))
    assert [kind for kind, _ in found] == ["outage", "token", "token"], "credentials may differ"
    assert found[0][1].startswith("account account1 has not answered")
    assert found[1][1].startswith("account account3 rejects the credentials")


def test_a_missed_deadline_is_told_once_when_it_passes() -> None:
    views = [snapshot(job(1), job(2), ended(3)) for _ in range(5)]
    found = told(*views, deadline=NOW + 12)
    assert found == [
        (
            "deadline",
            "the deadline has passed: 2 jobs have not ended (photos/1/ → media; photos/2/ → media)",
        )
    ]


@pytest.mark.parametrize(
    ("one", "deadline"),
    [(ended(), NOW + 7), (view(), NOW - 5), (view(), NOW + 500)],
    ids=["all ended", "passed before the start", "still to come"],
)
def test_no_deadline_is_missed(one: JobView, deadline: float) -> None:
    assert not told(*[snapshot(one)] * 4, deadline=deadline)


def test_a_record_has_the_sums_and_no_keys() -> None:
    keyed = ended(failed=3)
    assert keyed.job.source is not None
    keyed = replace(keyed, job=replace(keyed.job, source=replace(keyed.job.source, keys=("a",))))
    [notice] = notices([snapshot(view()), snapshot(keyed)])
    record = json.loads(as_json(notice_record(notice)))
    assert record["kind"] == "end"
    assert record["at"] == "2026-03-20T09:46:45Z"
    assert record["jobs"] == ["job0001"]
    assert (record["status"], record["failedObjects"], record["percent"]) == ("completed", 3, 100)
    assert record["source"] == {
        "vendor": "s3",
        "bucket": "photos-1",
        "endpoint": "https://s3.example.com",
    }
    assert list(record)[:5] == ["kind", "text", "at", "accountId", "jobs"]


def test_every_kind_can_be_chosen_in_the_configuration() -> None:
    assert tuple(Kind) == EVENTS


def of_token(expires: float | None) -> Snapshot:
    return snapshot(view(), accounts=(AccountView(ACCOUNT, answered=True, token_expires=expires),))


def test_a_token_that_comes_to_expire_soon_is_told_once() -> None:
    lasting, soon = of_token(NOW + 4 * 86_400), of_token(NOW + 2 * 86_400)
    assert told(lasting, soon, soon, of_token(None), soon) == [
        ("token", "the API token expires 2026-03-22 09:46 UTC")
    ]
    assert told(soon, soon) == []  # it was so before the start
    assert told(of_token(None), soon) == []
    assert len(told(lasting, soon, lasting, soon)) == 2  # a new token, and time goes by
