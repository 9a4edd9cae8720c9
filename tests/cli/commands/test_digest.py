from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

from slurper_tui.cli.commands.report import digest_json, print_digest
from slurper_tui.cli.output import Output
from slurper_tui.monitor.reports.digest import ChangeKind, Digest, make_digest
from tests.monitor.reports.digests import SINCE, a_quiet_night, an_eventful_night, job, sample
from tests.tui.jobs import ACCOUNT, NOW, harmless, view

FIELDS = [
    *("id", "accountId", "before", "after", "moved", "perSecond", "verdict"),
    *("observedSeconds", "events"),
]
SAMPLE = [
    *("at", "status", "objects", "transferredObjects", "skippedObjects", "failedObjects"),
]


def lines(digest: Digest, *, ascii_only: bool = False) -> list[str]:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    print_digest(digest, Output(stream, None, ascii_only=ascii_only), as_json=False)
    stream.seek(0)
    return stream.read().splitlines()


def record(digest: Digest) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(digest_json(digest))
    return parsed


def test_lines_have_the_period_each_job_s_changes_and_the_advice() -> None:
    said = lines(an_eventful_night())
    assert sum(line.startswith("  finish ") for line in said) == 1
    plain = [line.replace("\N{EN DASH}", "-") for line in said]
    assert [line for line in plain if not line.startswith("  finish ")] == [
        "Away 14 h 20 min, since Thu 19:26",
        "unobserved: Thu 19:26-Fri 09:46",
        "aborted  import → media: +100 at <0.1/s",
        "  aborted · 0 failed · 400 not done · at 04:46",
        "completed !  thumbs → media: +490 at <0.1/s",
        "  completed · 10 failed · 10 unaccounted · at 00:46",
        "stalled  logs → media: +38,000 at 0.7/s",
        "paused  backups → cold: +10,000 at 0.2/s",
        "  from running to paused between Thu 19:26 and Fri 09:46",
        "running  videos → media: +698,904 at 14/s",
        "  904 more failed, 904 in all",
        "running  photos → media: +812,004 at 16/s",
        "completed  avatars → media: +500 at <0.1/s",
        "  completed · 0 failed · 0 unaccounted · at 04:46",
        "40 other jobs ended before, 5 with losses: nothing new",
        "to do now:",
        "  import → media: aborted, 400 not done: start it again if needed",
        "  thumbs → media: completed: 10 failed, 10 unaccounted: see what failed",
        "  logs → media: stalled for 12 min: watch it, or pause and resume it",
        "  backups → cold: paused since 09:46 or earlier: resume it when ready",
        "  videos → media: 904 failed so far: read its log",
    ]


def test_a_quiet_night_is_short() -> None:
    assert lines(a_quiet_night()) == [
        "The last 14 h 20 min, since Thu 19:26",
        "2 other jobs ended before: nothing new",
        "nothing to do now",
    ]


def test_ascii_lines_have_the_same_text() -> None:
    said = lines(an_eventful_night(), ascii_only=True)
    assert all(line.isascii() for line in said)
    assert "unobserved: Thu 19:26-Fri 09:46" in said


def test_json_has_exactly_the_documented_fields() -> None:
    digest = an_eventful_night()
    told_digest = record(digest)
    assert list(told_digest) == ["since", "until", "jobs"]
    assert datetime.fromisoformat(told_digest["since"]).timestamp() == SINCE
    assert told_digest["until"] == "2026-03-20T09:46:40+00:00"
    assert len(told_digest["jobs"]) == 7
    for job_record in told_digest["jobs"]:
        assert list(job_record) == FIELDS
        assert list(job_record["before"]) == list(job_record["after"]) == SAMPLE
        assert job_record["accountId"] == ACCOUNT


def test_json_has_the_verdict_and_events_of_an_end() -> None:
    ended = next(j for j in record(an_eventful_night())["jobs"] if j["id"] == "job0005")
    assert ended["before"]["transferredObjects"] == 500
    assert ended["after"] == {
        "at": "2026-03-20T09:46:40+00:00",
        "status": "completed",
        "objects": 1000,
        "transferredObjects": 980,
        "skippedObjects": 0,
        "failedObjects": 10,
    }
    assert (ended["moved"], ended["observedSeconds"]) == (490, 20)
    assert ended["verdict"] == {
        "text": "completed · 10 failed · 10 unaccounted",
        "failed": 10,
        "notCopied": 0,
        "unaccounted": 10,
    }
    unobserved, change = ended["events"]
    assert list(unobserved) == ["kind", "since", "until", "words"]
    assert (unobserved["kind"], unobserved["since"]) == ("unobserved", "2026-03-19T19:26:40+00:00")
    assert change == {
        "kind": "status",
        "at": "2026-03-20T00:46:40+00:00",
        "words": "from running to completed at 00:46",
    }


def test_json_is_null_where_nothing_is_known() -> None:
    [never] = record(make_digest([(view(1), ())], SINCE, NOW, UTC))["jobs"]
    unknown = ("before", "after", "moved", "perSecond", "verdict")
    assert [never[name] for name in unknown] == [None] * 5


def test_every_kind_of_event_has_its_times() -> None:
    events = [event for j in record(an_eventful_night())["jobs"] for event in j["events"]]
    assert {event["kind"] for event in events} <= {str(kind) for kind in ChangeKind}
    assert all(("at" in event) != ("since" in event and "until" in event) for event in events)


def test_foreign_text_is_harmless_and_whole_in_json() -> None:
    evil = "a\x1b[31m\u202eb"
    samples = (sample(SINCE, 9, 1, "running"), sample(NOW, 9, 2, evil, after_gap=True))
    digest = make_digest([job(1, samples, source=evil)], SINCE, NOW, UTC)
    assert all(harmless(line) for line in lines(digest))
    assert digest_json(digest).isascii()
    assert record(digest)["jobs"][0]["after"]["status"] == evil
