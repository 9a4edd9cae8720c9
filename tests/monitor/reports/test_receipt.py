"""Receipts of jobs that ended on the simulated account."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from msgspec.structs import replace

from slurper_tui.api.errors import NotFound, Rejected, Unreachable
from slurper_tui.format import utc
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, What
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.logs import FailuresView, LogCounts
from slurper_tui.monitor.model.samples import Recorded, SpanKind
from slurper_tui.monitor.model.selection import Selection
from slurper_tui.monitor.reports.receipt import Reading, Receipt
from slurper_tui.monitor.reports.receipt_markdown import markdown
from slurper_tui.monitor.reports.records import record
from slurper_tui.simulated.account import Fault, Kind
from slurper_tui.simulated.jobs import Plan
from tests.monitor.bench import EPOCH, bench
from tests.monitor.inline_history import InlineHistory
from tests.monitor.reports.ended import (
    FAILED,
    account,
    elsewhere,
    key_of,
    link_of,
    past,
    plan,
    receipt_of,
    watch_to_end,
)
from tests.virtual_time import timeless

LONG_AGO = EPOCH - 40_000


@timeless
async def test_receipt_of_an_observed_job_is_complete() -> None:
    history = InlineHistory()
    mixed = plan(failed=36, not_copied=14, harmless=100, lost=7)
    async with bench(account(mixed), history=past(history)) as b:
        await watch_to_end(b)
        receipt = await receipt_of(b)
    [job] = receipt.jobs
    assert receipt.counts == Counts(36_000, 35_843, 114, 36)
    assert (receipt.verdict.failed, receipt.not_copied, receipt.verdict.unaccounted) == (36, 14, 7)
    assert receipt.verdict.text.startswith("completed · 36 failed · 14 not copied (")
    assert receipt.reasons[0].log_type == FAILED
    assert sum(reason.count for reason in receipt.reasons) == 50
    assert receipt.reasons[0].first_seen is not None
    assert (receipt.begun, receipt.ended) == (EPOCH + 1, EPOCH + 3601)
    assert job.average == pytest.approx(35_993 / 3600)
    assert job.best == pytest.approx(36_000 / 3600 * 1.2, rel=0.2)
    assert job.spans(SpanKind.PAUSED) == job.spans(SpanKind.STALLED) == ()
    assert sum(until - since for since, until in receipt.unobserved) < 10
    assert (receipt.all_copied, receipt.lost_job, receipt.logs_read) == (False, False, True)


@timeless
async def test_pauses_and_unobserved_times_are_listed() -> None:
    history = InlineHistory()
    accounts = account(plan(objects=10_000, seconds=7200.0))
    async with bench(accounts, history=past(history), interval=15.0) as b:
        await b.seconds(900)
        async with elsewhere(b) as client:
            await client.pause_job(*key_of(b))
            await b.seconds(600)
            await client.resume_job(*key_of(b))
        await b.seconds(900)
    await asyncio.sleep(20_000)
    async with bench(accounts, history=past(history)) as b:
        receipt = await receipt_of(b)
    [job] = receipt.jobs
    [pause] = job.spans(SpanKind.PAUSED)
    assert pause.seconds == pytest.approx(600, abs=30)
    assert job.seconds is not None
    assert job.running_seconds == pytest.approx(job.seconds - pause.seconds)
    assert receipt.unobserved[-1][1] == receipt.ended


@timeless
async def test_stall_is_listed_with_its_length() -> None:
    history = InlineHistory()
    stalling = plan(objects=10_000, seconds=7200.0, stall_every=5000.0, stall_for=1800.0)
    async with bench(account(stalling), history=past(history), interval=20.0) as b:
        await watch_to_end(b)
        receipt = await receipt_of(b)
    [stall] = receipt.jobs[0].spans(SpanKind.STALLED)
    assert stall.seconds == pytest.approx(1800, abs=60)
    assert f"Stalled: {utc(stall.since)} to {utc(stall.until)} (30 min)" in markdown(receipt)


@timeless
async def test_the_same_history_gives_the_same_receipt_however_late() -> None:
    history = InlineHistory()
    accounts = account(plan(failed=120, not_copied=3))
    async with bench(accounts, history=past(history), interval=20.0) as b:
        history.notes.note([Event(key_of(b), EPOCH + 5, What.CREATED)])
        await watch_to_end(b)
        await b.seconds(100)
        first = await receipt_of(b)
        logs = [r for r in b.requests if r.path.endswith("/logs")]
        again = await receipt_of(b)
        assert logs == [r for r in b.requests if r.path.endswith("/logs")]
    for seconds in (90_000, 10_000_000):
        await asyncio.sleep(seconds)
        async with bench(accounts, history=past(history)) as b:
            await b.rounds(1)
            later = await receipt_of(b)
            await b.rounds(1)
            last = await receipt_of(b)
        for other in (again, later, last):
            assert markdown(other, "1.0") == markdown(first, "1.0")
            assert record(other, "1.0") == record(first, "1.0")


@timeless
async def test_thinned_history_gives_the_same_receipt() -> None:
    history = InlineHistory()
    accounts = account(plan(seconds=9000.0, failed=12))
    async with bench(accounts, history=past(history), interval=15.0) as b:
        await b.seconds(1200)
        async with elsewhere(b) as client:
            await client.pause_job(*key_of(b))
            await b.seconds(900)
            await client.resume_job(*key_of(b))
        await watch_to_end(b)
        first = await receipt_of(b)
        kept = len(history.store.samples(key_of(b)))
        await asyncio.sleep(300)
        await b.rounds(1)
        assert record(await receipt_of(b)) == record(first)
    while history.store.thin(EPOCH + 300_000):
        pass
    assert len(history.store.samples(key_of(b))) < kept / 4
    async with bench(accounts, history=past(history)) as b:
        await b.rounds(1)
        assert markdown(await receipt_of(b)) == markdown(first)


@timeless
async def test_unread_log_is_read_and_its_counts_are_stored() -> None:
    history, progress = InlineHistory(), list[FailuresView]()
    async with bench(account(plan(created=LONG_AGO, failed=120)), history=past(history)) as b:
        await b.rounds(1)
        early = LogCounts({FAILED: 5}, whole=True, read_at=LONG_AGO + 60)
        history.notes.keep_counts(key_of(b), early)
        receipt = await receipt_of(b, progress=progress)
        assert [reason.count for reason in receipt.reasons] == [120]
        assert progress[-1].counts.whole
        assert history.store.notes.counts()[key_of(b)].by_type[FAILED] == 120
        progress.clear()
        assert (await receipt_of(b, progress=progress)) == receipt
        assert progress == []


@timeless
async def test_drafts_show_what_is_known_before_the_logs_are_read() -> None:
    jobs = [
        plan(f"job-{n}", created=LONG_AGO, failed=1200, prefix=f"{n}/", not_copied=4)
        for n in (1, 2, 3)
    ]
    drafts = list[Receipt]()
    async with bench(account(*jobs), history=past(InlineHistory())) as b:
        await b.rounds(1)
        receipts = (await b.session.services()).receipts
        keys = [key_of(b, f"job-{n}") for n in (1, 2, 3)]
        receipt = await receipts.receipt(keys, on_draft=drafts.append)
        places = [(d.reading.number, d.reading.logs) for d in drafts if d.reading]
        again = list[Receipt]()
        later = await receipts.receipt(keys, on_draft=again.append)
    assert [*dict.fromkeys(places)] == [(1, 3), (2, 3), (3, 3)]
    assert len(places) == len(drafts)
    assert (drafts[0].counts, drafts[0].reasons) == (receipt.counts, ())
    assert "12 skipped, reasons not read yet" in drafts[0].headline
    assert not any(draft.logs_read or draft.all_copied for draft in drafts)
    named = [sum(r.count for r in d.reasons if r.log_type == FAILED) for d in drafts]
    assert named == sorted(named)
    assert named.index(3600) > 1
    assert "is not known: the logs are still being read." in markdown(drafts[0])
    assert "The logs are still being read." in markdown(drafts[-1])
    assert receipt.reading is None
    assert "still being read" not in markdown(receipt)
    assert (again, markdown(later)) == ([], markdown(receipt))


@timeless
async def test_a_log_that_was_read_just_at_the_end_is_read_again() -> None:
    history = InlineHistory()
    async with bench(account(plan(failed=120)), history=past(history), interval=20.0) as b:
        await watch_to_end(b)
        early = LogCounts({FAILED: 119}, whole=True, read_at=EPOCH + 3602)
        history.notes.keep_counts(key_of(b), early)
        receipt = await receipt_of(b)
    assert [reason.count for reason in receipt.reasons] == [120]


@timeless
async def test_receipt_without_a_history_is_unobserved() -> None:
    async with bench(account(plan(created=LONG_AGO))) as b:
        await b.rounds(1)
        receipt = await receipt_of(b)
    assert receipt.unobserved == ((LONG_AGO, LONG_AGO + 3600),)
    assert receipt.jobs[0].best is None
    assert receipt.all_copied
    assert "- Not observed: " in markdown(receipt)
    view = receipt.jobs[0].view
    draft = replace(receipt, reading=Reading(view, FailuresView(view.key), 1, 1))
    assert not draft.all_copied
    assert "all copied" not in markdown(draft)


@timeless
async def test_receipt_of_a_live_job_is_interim_and_has_no_verdict() -> None:
    history = InlineHistory()
    accounts = account(plan(failed=360), plan("job-2", created=LONG_AGO))
    async with bench(accounts, history=past(history)) as b:
        await b.seconds(1200)
        receipt = await receipt_of(b)
        [job] = receipt.jobs
        both = await receipt_of(b, "job-1", "job-2")
    assert receipt.interim
    assert (receipt.verdict.text, receipt.verdict.unaccounted) == ("not ended", None)
    assert (receipt.all_copied, receipt.lost_job) == (False, False)
    assert [reason.log_type for reason in receipt.reasons] == [FAILED]
    assert job.seconds == pytest.approx(1200, abs=30)
    assert job.average == pytest.approx(10, rel=0.2)
    assert receipt.observed
    lines = markdown(receipt).split("\n")
    assert lines[0] == "# Interim receipt: the migration of `photos` to `media` has not ended"
    assert re.fullmatch(r"\*\*Not ended: [\d,]+ of [\d,]+\+? done, \d+ failed so far\*\*", lines[2])
    text = "\n".join(lines)
    assert f"- Ended: not yet; these numbers are of {utc(receipt.as_of or 0)}" in text
    assert re.search(r"- Duration: \d+ min so far", text)
    assert "| Remaining " in text
    assert "Unaccounted" not in text
    fields = record(receipt)
    assert (fields["interim"], fields["unaccounted"], fields["finishedAt"]) == (True, None, None)
    assert both.interim
    assert "- Jobs: 2 jobs, 1 of them not ended" in markdown(both)
    assert re.search(
        r"  - (running|listing), not ended, since 2026-.*Z \(\d+ min\)", markdown(both)
    )


@timeless
async def test_receipt_is_interim_while_a_plan_has_jobs_to_start() -> None:
    history = InlineHistory()
    async with bench(account(plan(created=LONG_AGO)), history=past(history)) as b:
        await b.rounds(1)
        receipts = (await b.session.services()).receipts
        receipt = await receipts.receipt([key_of(b, "job-1")], unstarted=2)
        ended = await receipts.receipt([key_of(b, "job-1")])
    assert (receipt.interim, receipt.all_copied, receipt.verdict.clean) == (True, False, False)
    assert receipt.headline == "not ended: 36,000 of 36,000+ done, 2 jobs not started yet"
    assert "; 2 jobs of the plan not started yet" in markdown(receipt)
    assert (ended.interim, record(ended)["interim"]) == (False, False)


@timeless
async def test_aborted_job_has_a_number_of_objects_not_done() -> None:
    history = InlineHistory()
    async with bench(account(plan()), history=past(history)) as b:
        await b.seconds(1200)
        async with elsewhere(b) as client:
            await client.abort_job(*key_of(b))
        await watch_to_end(b)
        receipt = await receipt_of(b)
    assert (receipt.lost_job, receipt.verdict.clean) == (True, False)
    assert "not done" in receipt.headline
    assert "Not done" in markdown(receipt)


# Retries ---------------------------------------------------------------------------------------


def retried(again: int = 0, *, lost: int = 0) -> list[Plan]:
    """A job with 1,310 failed objects, and a retry in which this number of them failed again."""
    first = plan(created=LONG_AGO, objects=20_000, failed=1310)
    second = plan(
        "job-2",
        created=LONG_AGO + 9000,
        objects=1310,
        seconds=60.0,
        failed=again,
        lost=lost,
        keys=tuple(f"key-{n}" for n in range(1310)),
    )
    return [first, second]


@timeless
async def test_failures_copied_by_a_retry_are_all_copied() -> None:
    history = InlineHistory()
    async with bench(account(*retried()), history=past(history)) as b:
        await b.rounds(2)
        await history.notes.link(link_of(b, "job-2", keys=1310))
        receipt = await receipt_of(b)
    assert receipt.headline == "1,310 failed, of which 1,310 were copied by a retry: all copied"
    assert receipt.counts == Counts(20_000, 20_000, 0, 0)
    assert (receipt.verdict.clean, [job.view.job.id for job in receipt.jobs]) == (
        True,
        ["job-1", "job-2"],
    )
    result = markdown(receipt)
    assert (
        "- `job-2` retries `job-1` for 1,310 keys: completed, 1,310 transferred, 0 skipped, "
        "0 failed" in result
    )
    assert f"| failed after several tries | {FAILED} | 1,310 |" in result


@timeless
async def test_failures_of_a_retry_remain() -> None:
    history = InlineHistory()
    async with bench(account(*retried(10)), history=past(history)) as b:
        await b.rounds(2)
        await history.notes.link(link_of(b, "job-2", keys=1310))
        receipt = await receipt_of(b)
    assert receipt.headline == (
        "1,310 failed, of which 1,300 were copied by a retry: "
        "completed · 10 failed after retries · 0 unaccounted"
    )
    assert (receipt.verdict.clean, receipt.counts.failed) == (False, 10)


@timeless
async def test_a_retry_that_the_monitor_does_not_follow_is_asked_for() -> None:
    history = InlineHistory()
    accounts = account(*retried())
    async with bench(
        accounts, history=past(history), eager=True, selection=Selection(("job-1",))
    ) as b:
        await b.until(lambda s: s.complete)
        await history.notes.link(link_of(b, "job-2", keys=1310))
        receipt = await receipt_of(b)
        alone = markdown(await receipt_of(b, "job-2"))
    assert [job.view.job.id for job in receipt.jobs] == ["job-1", "job-2"]
    assert receipt.all_copied
    assert "- Job: `job-2`, 1,310 keys by name, a retry of `job-1`" in alone


@timeless
async def test_retries_of_retries_come_too_and_lost_ones_are_named() -> None:
    history = InlineHistory()
    third = plan("job-3", created=LONG_AGO + 12_000, objects=10, seconds=20.0, keys=("a",) * 10)
    async with bench(account(*retried(10), third), history=past(history)) as b:
        await b.rounds(2)
        for link in (
            link_of(b, "job-2", keys=1310),
            link_of(b, "job-3", "job-2"),
            link_of(b, "deleted", "job-3", keys=3),
        ):
            await history.notes.link(link)
        receipt = await receipt_of(b)
    assert [job.view.job.id for job in receipt.jobs] == ["job-1", "job-2", "job-3"]
    assert receipt.headline == "1,310 failed, of which 1,310 were copied by 2 retries: all copied"
    assert [link.child.job_id for link in receipt.lost] == ["deleted"]
    assert "`deleted` is no longer known" in markdown(receipt)


@timeless
async def test_jobs_of_one_migration_have_one_receipt() -> None:
    history = InlineHistory()
    jobs = [
        plan("job-1", created=LONG_AGO, objects=1000, failed=10, prefix="a/"),
        plan("job-2", created=LONG_AGO + 9000, objects=500, prefix="b/"),
    ]
    async with bench(account(*jobs), history=past(history)) as b:
        await b.rounds(2)
        receipt = await receipt_of(b, "job-2", "job-1")
    assert receipt.counts == Counts(1500, 1490, 0, 10)
    assert [job.view.job.id for job in receipt.jobs] == ["job-1", "job-2"]
    assert receipt.unobserved == (
        (LONG_AGO, LONG_AGO + 3600),
        (LONG_AGO + 9000, LONG_AGO + 12_600),
    )
    result = markdown(receipt)
    assert "- `job-2`: all keys that begin with `b/`" in result
    assert "  - 1,000 objects: 990 transferred + 0 skipped + 10 failed + 0 unaccounted" in result


@timeless
async def test_in_whichever_order_jobs_are_named_their_receipt_is_the_same() -> None:
    async with bench(account(plan("job-1", prefix="a/"), plan("job-2", prefix="b/"))) as b:
        await b.seconds(300)
        async with elsewhere(b) as client:
            for name in ("job-1", "job-2"):
                await client.abort_job(*key_of(b, name))
        b.monitor.refresh_all()
        await b.until(lambda s: all(v.status == "aborted" for v in s.jobs))
        await b.seconds(100)
        one, other = await receipt_of(b, "job-1", "job-2"), await receipt_of(b, "job-2", "job-1")
    assert markdown(one) == markdown(other)
    assert one.headline.startswith("2 of 2 aborted (a/, b/)")
    assert record(one) == record(other)


@timeless
async def test_the_log_of_a_job_that_was_done_all_over_again_is_not_read() -> None:
    history = InlineHistory()
    jobs = [
        plan("job-1", created=LONG_AGO, objects=9000, failed=900),
        plan("job-2", created=LONG_AGO + 9000, objects=9000),
    ]
    async with bench(account(*jobs), history=past(history)) as b:
        await b.rounds(2)
        receipt = await receipt_of(b, "job-1", "job-2")
        asked = {r.path.split("/")[1] for r in b.requests if r.path.endswith("/logs")}
    assert asked == {"job-2"}
    assert (receipt.logs_read, receipt.all_copied) == (True, True)
    assert "superseded by a later job and not counted" in markdown(receipt)


class HalfBlind(InlineHistory):
    """A history that has seen the first job alone in some minutes."""

    async def samples(
        self, key: JobKey, since: float = 0.0, until: float | None = None
    ) -> tuple[Recorded, ...]:
        seen = await super().samples(key, since, until)
        if key.job_id == "job-1":
            return seen
        kept = [sample for sample in seen if not EPOCH + 600 < sample.at < EPOCH + 1200]
        back = next(n for n, sample in enumerate(kept) if sample.at >= EPOCH + 1200)
        kept[back] = replace(kept[back], after_gap=True)
        return tuple(kept)


@timeless
async def test_unobserved_job_beside_an_observed_one() -> None:
    history = HalfBlind()
    jobs = account(plan("job-1", prefix="a/"), plan("job-2", prefix="b/"))
    async with bench(jobs, history=past(history), interval=20.0) as b:
        await watch_to_end(b, "job-1", "job-2")
        receipt = await receipt_of(b, "job-1", "job-2")
    [gap] = [(since, until) for since, until in receipt.unobserved if until - since >= 60]
    assert gap == pytest.approx((EPOCH + 600, EPOCH + 1200), abs=20)
    result = markdown(receipt)
    assert "Observed from beginning to end" not in result
    assert result.count("- Not observed: ") == 1


# Faults ----------------------------------------------------------------------------------------


@timeless
async def test_transient_errors_are_retried_and_a_lasting_one_is_raised() -> None:
    history = InlineHistory()
    async with bench(account(plan(created=LONG_AGO, failed=60)), history=past(history)) as b:
        await b.rounds(1)
        b.account.faults.add(Fault(Kind.HTML, path="*/logs", times=3))
        assert (await receipt_of(b)).logs_read
    other = InlineHistory()
    async with bench(account(plan(created=LONG_AGO, failed=60)), history=past(other)) as b:
        await b.rounds(1)
        b.account.faults.add(Fault(Kind.CONNECT_ERROR, path="*/logs"))
        with pytest.raises(Unreachable):
            await receipt_of(b)


@timeless
async def test_rejection_and_unknown_job_are_raised() -> None:
    history = InlineHistory()
    async with bench(account(plan(created=LONG_AGO)), history=past(history)) as b:
        await b.rounds(1)
        with pytest.raises(NotFound):
            await receipt_of(b, "nobody")
        b.account.faults.add(Fault(Kind.REFUSAL, status=403, code=10000, path="*/logs"))
        with pytest.raises(Rejected):
            await receipt_of(b)


@timeless
async def test_a_job_that_is_gone_keeps_its_last_values() -> None:
    history = InlineHistory()
    async with bench(account(plan(failed=36)), history=past(history), interval=20.0) as b:
        await watch_to_end(b)
        async with elsewhere(b) as client:
            await client.delete_job(*key_of(b))
        b.monitor.refresh_all()
        await b.until(lambda s: s.jobs[0].gone)
        receipt = await receipt_of(b)
    assert (receipt.lost_job, receipt.logs_read, receipt.counts.failed) == (True, False, 36)
    assert "The log of a job could not be read" in markdown(receipt)


@timeless
async def test_the_record_is_whole_and_goes_into_json() -> None:
    history = InlineHistory()
    async with bench(account(*retried(10)), history=past(history)) as b:
        await b.rounds(2)
        await history.notes.link(link_of(b, "job-2", keys=1310))
        receipt = await receipt_of(b)
    result = json.loads(json.dumps(record(receipt, "9.9")))
    assert (result["objects"], result["transferredObjects"], result["failedObjects"]) == (
        20_000,
        19_990,
        10,
    )
    assert result["version"] == "9.9"
    assert result["verdict"]["allCopied"] is False
    assert [job["id"] for job in result["jobs"]] == ["job-1", "job-2"]
    assert result["jobs"][1]["retryOf"] == {"id": "job-1", "keys": 1310, "logTypes": [FAILED]}
    assert result["reasons"][0]["logType"] == FAILED
    assert result["jobs"][0]["perSecond"] == round(20_000 / 3600, 3)
    assert result["createdAt"] == utc(LONG_AGO)
