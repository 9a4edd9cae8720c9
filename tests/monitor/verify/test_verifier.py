"""A verification: shards, progress, pause and stop, and going on after a fault or a kill."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import stat
import time
import tracemalloc
from collections.abc import AsyncGenerator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurper_tui.api.errors import ApiError
from slurper_tui.api.objects import ListedObject, ListingCost, ObjectHeaders
from slurper_tui.monitor.history.schema import ForeignFile
from slurper_tui.monitor.history.workfile import Busy, WorkFile
from slurper_tui.monitor.model.verification import (
    CannotVerify,
    HeaderSample,
    Outcome,
    Verification,
    VerifyOptions,
)
from slurper_tui.monitor.verify import shards
from slurper_tui.monitor.verify import verifier as engine
from slurper_tui.monitor.verify.compare import NO_MD5S, Difference
from slurper_tui.monitor.verify.headers import LARGE, wilson
from slurper_tui.monitor.verify.plan import VerifyProgress
from slurper_tui.monitor.verify.scope import JobScope, Scope
from slurper_tui.monitor.verify.verifier import Verifier
from tests.monitor.verify.buckets import (
    CREATED,
    STARTED,
    MemoryBucket,
    an_object,
    by_key,
    fails_at,
    objects,
    scope,
)

FOLDERS = [f"{folder}/{number:02}" for folder in "abcdefgh" for number in range(5)]


def verifier(
    expected: MemoryBucket,
    actual: MemoryBucket,
    *,
    of: Scope | None = None,
    work: WorkFile | None = None,
    objects: int | None = None,
    workers: int = 1,
    **options: Any,
) -> Verifier:
    return Verifier(
        expected,
        actual,
        of or scope(),
        VerifyOptions(workers=workers, **options),
        work=work,
        objects=objects,
        clock=lambda: STARTED,
    )


async def run(made: Verifier) -> list[VerifyProgress]:
    return [progress async for progress in made.run()]


async def compared(made: Verifier) -> tuple[Verification, list[Difference]]:
    """Run to the end, close, and return what was found."""
    await run(made)
    result, differences = made.result(), [*made.differences()]
    await made.close()
    return result, differences


async def test_each_outcome_is_counted_and_its_key_told() -> None:
    source = [
        an_object("same"),
        an_object("missing"),
        an_object("logged"),
        an_object("size", 9),
        an_object("etag", etag="0" * 32),
        an_object("empty"),
        an_object("changed", 9, modified=CREATED + 1),
        an_object("new", modified=STARTED + 1),
    ]
    target = [
        *objects("same", "size", "etag", "changed", "extra"),
        an_object("empty", 0),
    ]
    made = verifier(
        MemoryBucket(source, "source"),
        MemoryBucket(target, "target"),
    )
    await made.explain({"logged": "importSkippedStorageClass", "same": "importSkipped"})
    result, differences = await compared(made)
    assert by_key(differences) == {
        "missing": "missing",
        "logged": "expected",
        "size": "size",
        "etag": "etag",
        "empty": "empty",
        "changed": "changed",
        "new": "unjudged",
        "extra": "extra",
    }
    assert result.tally.counts == dict.fromkeys(Outcome, 1)
    assert (result.expected, result.actual) == ("source", "target")
    assert (result.tally.faults, result.tally.expected) == (5, 8)
    assert result.whole
    assert not result.verified


async def test_the_keys_that_a_log_explains_are_not_held_in_memory() -> None:
    made = verifier(MemoryBucket(objects("0", "7/500", "x")), MemoryBucket(()))
    tracemalloc.start()
    try:
        for page in range(20):
            await made.explain({f"{page}/{row}": "importSkipped" for row in range(1000)})
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 200_000  # the keys alone would take 1.2 MB
    await made.explain({"0": "importSkipped"})
    _, differences = await compared(made)
    assert by_key(differences) == {"0": "expected", "7/500": "expected", "x": "missing"}


@pytest.mark.parametrize("workers", [1, 3])
async def test_what_the_jobs_leave_out_is_not_compared(workers: int) -> None:
    source = MemoryBucket(objects("a/1", "a/2", "b/1", "b/2", "c/1"))
    target = MemoryBucket(objects("a/1", "b/2", "b/3", "z"))
    jobs = JobScope("1", "a/"), JobScope("2", keys=("b/2", "c/1", "gone"))
    result, differences = await compared(verifier(source, target, of=scope(*jobs), workers=workers))
    assert by_key(differences) == {"a/2": "missing", "c/1": "missing"}
    assert result.tally.expected == 4
    assert {prefix for prefix, after in source.asked} == {"a/", ""}


@pytest.mark.parametrize("side", [0, 1])
async def test_a_side_that_ignores_the_prefix_adds_no_keys(side: int) -> None:
    class Whole(MemoryBucket):
        def pages(
            self, prefix: str = "", after: str | None = None
        ) -> AsyncGenerator[Sequence[ListedObject], None]:
            return super().pages("", None)

    held = objects("a", "b/1", "b/2", "c/1"), objects("b/1")
    sides = [(Whole if at == side else MemoryBucket)(each) for at, each in enumerate(held)]
    result, differences = await compared(verifier(*sides, of=scope(JobScope("1", "b/"))))
    assert by_key(differences) == {"b/2": "missing"}
    assert result.tally.expected == 2


async def test_single_keys_are_found_by_jumping() -> None:
    many = objects(*(f"k{number:04}" for number in range(2000)))
    source, target = MemoryBucket(many, page=10), MemoryBucket(many, page=10)
    job = JobScope("1", keys=("k0003", "k0005", "k1500", "k9"))
    result, differences = await compared(verifier(source, target, of=scope(job)))
    assert result.tally.counts == {Outcome.SAME: 3}
    assert not differences
    assert source.requests == 3


async def test_shards_cover_the_gaps_between_the_folders() -> None:
    source, target = (
        MemoryBucket(objects(*FOLDERS, "bb", "d")),
        MemoryBucket(objects(*FOLDERS, "e")),
    )
    made = verifier(source, target, workers=4)
    result, differences = await compared(made)
    assert by_key(differences) == {"bb": "missing", "d": "missing", "e": "extra"}
    assert result.tally.of(Outcome.SAME) == len(FOLDERS)
    starts = {after for prefix, after in source.asked}
    assert starts >= {None, *(f"{folder}/" for folder in "bcdefgh")}


@pytest.mark.parametrize("name", ["img-{:06}", "a/b/{:06}.jpg", "{}", "{0:x}/{0}"])
async def test_workers_without_a_shard_take_parts_of_the_others(name: str) -> None:
    keys = [name.format(number) for number in range(300)]
    source, target = MemoryBucket(objects(*keys)), MemoryBucket(objects(*keys[1:], "~"))
    made = verifier(source, target, workers=4)
    seen = await run(made)
    result, differences = made.result(), [*made.differences()]
    await made.close()
    assert by_key(differences) == {keys[0]: "missing", "~": "extra"}
    assert result.tally.of(Outcome.SAME) == 299
    assert seen[-1].shards >= 4
    assert seen[-1].shards == seen[-1].shards_done
    assert seen[-1].compared == 300


async def test_a_side_with_a_fixed_pace_is_not_divided() -> None:
    cost = ListingCost(3, per_second=2.0)
    source = MemoryBucket(objects(*(f"{n:03}" for n in range(60))), cost=cost)
    made = verifier(source, MemoryBucket(()), workers=4)
    seen = await run(made)
    await made.close()
    assert seen[-1].shards == 1


async def test_the_result_is_by_the_first_part_of_the_key_most_faults_first() -> None:
    source = MemoryBucket(objects("x/a/1", "x/a/2", "x/b/1", "x/b/2", "x/top"))
    target = MemoryBucket(objects("x/a/1", "x/a/2", "x/b/2", "x/top"))
    made = verifier(source, target, of=scope(JobScope("1", "x/")))
    result, _ = await compared(made)
    assert [(part, tally.faults, tally.expected) for part, tally in result.by_prefix] == [
        ("x/b/", 1, 2),
        ("x/", 0, 1),
        ("x/a/", 0, 2),
    ]


async def test_a_fault_ends_the_run_and_the_next_goes_on_from_the_last_key(tmp_path: Path) -> None:
    path = tmp_path / "work"
    source, target = MemoryBucket(objects(*FOLDERS)), MemoryBucket(objects(*FOLDERS[:-1], "a/99"))
    source_cut = MemoryBucket(objects(*FOLDERS), before_page=fails_at(7))
    made = verifier(source_cut, target, work=WorkFile(path))
    result, differences = await compared(made)
    assert result.problem == "bucket: the listing was cut off"
    assert not result.whole
    assert by_key(differences) == {"a/99": "extra"}
    again = verifier(source, target, work=WorkFile(path))
    plan = await again.plan()
    assert plan.begun_at == STARTED
    assert plan.resumes > 0
    result, differences = await compared(again)
    assert source.asked[0][1] is not None
    assert by_key(differences) == {"a/99": "extra", FOLDERS[-1]: "missing"}
    assert result.tally.of(Outcome.SAME) == len(FOLDERS) - 1
    assert result.whole


@pytest.mark.parametrize(("number", "agreeing"), [(10, 0), (9, 0), (10, 1)])
async def test_etags_of_which_not_one_agrees_are_no_md5s(number: int, agreeing: int) -> None:
    keys = [f"a/{n}" for n in range(number)]
    source = [an_object(key, etag=f"{n:032x}") for n, key in enumerate(keys)]
    same = objects(*(f"b/{n}" for n in range(agreeing)))
    made = verifier(MemoryBucket([*source, *same]), MemoryBucket([*objects(*keys), *same]))
    result, differences = await compared(made)
    doubted = number == 10 and not agreeing
    assert result.tally.of(Outcome.ETAG) == len(differences) == (0 if doubted else number)
    assert result.tally.of(Outcome.SAME) == (number if doubted else agreeing)
    assert result.tally.not_compared == ({NO_MD5S: number} if doubted else {})
    assert result.by_prefix[0][1].faults == (0 if doubted else number)


async def test_the_pace_of_the_last_verification_tells_how_long_the_next_takes(
    tmp_path: Path,
) -> None:
    sides = MemoryBucket(objects(*FOLDERS)), MemoryBucket(objects(*FOLDERS))
    result, _ = await compared(verifier(*sides, work=WorkFile(tmp_path / "work")))
    assert result.pace is not None
    again = verifier(*sides, work=WorkFile(tmp_path / "work"), objects=1000)
    plan = await again.plan()
    assert (plan.measured, plan.seconds) == (True, 1000 / result.pace)
    await again.close()


@pytest.mark.parametrize("anew", [True, False])
async def test_a_run_begins_anew_after_the_end_of_the_last_or_if_asked_to(
    tmp_path: Path, anew: bool
) -> None:
    path = tmp_path / "work"
    source = MemoryBucket(objects("a", "b"), before_page=fails_at(2) if anew else lambda _: None)
    await compared(verifier(source, MemoryBucket(()), work=WorkFile(path)))
    target = MemoryBucket(objects("a", "b"))
    made = verifier(MemoryBucket(objects("a", "b")), target, work=WorkFile(path), anew=anew)
    assert (await made.plan()).begun_at is None
    result, differences = await compared(made)
    assert not differences
    assert result.verified


async def test_another_scope_or_another_side_does_not_go_on(tmp_path: Path) -> None:
    path = tmp_path / "work"
    source = MemoryBucket(objects(*FOLDERS), before_page=fails_at(3))
    await compared(verifier(source, MemoryBucket(()), work=WorkFile(path)))
    for of, name in ((scope(prefixes=("a",)), "bucket"), (scope(), "another")):
        made = verifier(MemoryBucket((), name), MemoryBucket(()), of=of, work=WorkFile(path))
        assert (await made.plan()).begun_at is None
        await made.close()


async def test_a_pause_sends_nothing_until_it_goes_on() -> None:
    source, target = MemoryBucket(objects(*FOLDERS)), MemoryBucket(objects(*FOLDERS))
    made = verifier(source, target)
    seen, at_rest = list[VerifyProgress](), None
    async for progress in made.run():
        seen.append(progress)
        if len(seen) == 1:
            made.pause()
        elif progress.paused and at_rest is None:
            at_rest = source.requests
        elif progress.paused:
            assert source.requests == at_rest
            made.resume()
    assert seen[-1].done
    assert seen[-1].compared == len(FOLDERS)
    assert any(progress.paused for progress in seen)
    await made.close()


async def test_a_stopped_run_says_so_and_can_go_on(tmp_path: Path) -> None:
    path = tmp_path / "work"
    hangs = HangingBucket(objects(*FOLDERS), at=4)
    made = verifier(hangs, MemoryBucket(objects(*FOLDERS)), work=WorkFile(path))
    async for _ in made.run():
        if hangs.hanging:
            made.stop()
    result = made.result()
    await made.close()
    assert result.problem == "it was stopped before its end"
    assert 0 < result.tally.expected < len(FOLDERS)
    source = MemoryBucket(objects(*FOLDERS))
    again = verifier(source, MemoryBucket(objects(*FOLDERS)), work=WorkFile(path))
    result, _ = await compared(again)
    assert result.verified
    assert result.tally.of(Outcome.SAME) == len(FOLDERS)
    assert source.requests < -(-len(FOLDERS) // 3)


class HangingBucket(MemoryBucket):
    """A bucket whose listing stops to answer at one page."""

    def __init__(self, listed: Sequence[ListedObject], at: int) -> None:
        super().__init__(listed)
        self.hanging = False
        self._at = at

    async def pages(
        self, prefix: str = "", after: str | None = None
    ) -> AsyncGenerator[Sequence[ListedObject], None]:
        async for page in super().pages(prefix, after):
            if self.requests == self._at:
                self.hanging = True
                await asyncio.Event().wait()
            yield page


@pytest.mark.parametrize("side", [0, 1])
async def test_a_listing_without_order_is_sorted_in_a_file(side: int, tmp_path: Path) -> None:
    mixed = objects(*FOLDERS, "a/00")
    random.Random(1).shuffle(mixed)
    buckets = [MemoryBucket(objects(*FOLDERS[1:], "zz")), MemoryBucket(mixed, in_order=False)]
    sides = buckets if side else buckets[::-1]
    made = verifier(*sides, work=WorkFile(tmp_path / "work"), workers=2)
    result, differences = await compared(made)
    outcomes = by_key(differences)
    missing, extra = ("zz", FOLDERS[0]) if side else (FOLDERS[0], "zz")
    assert outcomes == {missing: "missing", extra: "extra"}
    assert result.tally.of(Outcome.SAME) == len(FOLDERS) - 1
    assert result.whole


async def test_a_fault_while_a_side_is_sorted_trusts_nothing_of_before(tmp_path: Path) -> None:
    path = tmp_path / "work"
    mixed = objects("b", "c", "z", "d", "e", "a")
    # It is cut off while it is listed again, to be sorted.
    cut = MemoryBucket(mixed, in_order=False, before_page=fails_at(4))
    result, _ = await compared(verifier(cut, MemoryBucket(()), work=WorkFile(path)))
    assert result.problem is not None
    again = MemoryBucket(mixed, in_order=False)
    result, differences = await compared(verifier(again, MemoryBucket(()), work=WorkFile(path)))
    assert [one.key for one in differences] == ["a", "b", "c", "d", "e", "z"]
    assert result.tally.of(Outcome.MISSING) == 6
    assert result.whole


async def test_what_an_earlier_run_has_compared_is_no_pace(tmp_path: Path) -> None:
    path = tmp_path / "work"
    cut = MemoryBucket(objects(*FOLDERS), before_page=fails_at(9))
    await compared(verifier(cut, MemoryBucket(objects(*FOLDERS)), work=WorkFile(path)))
    hangs = HangingBucket(objects(*FOLDERS), at=1)
    made = verifier(hangs, MemoryBucket(objects(*FOLDERS)), work=WorkFile(path), objects=24)
    seen = list[VerifyProgress]()
    async for progress in made.run():
        seen.append(progress)
        if progress.compared and len(seen) > 2:
            made.stop()
    await made.close()
    assert seen[-1].compared == 24
    assert [one.per_second for one in seen] == [None] * len(seen)
    assert seen[-1].eta is None


async def test_the_same_verifier_runs_again_after_a_fault() -> None:
    source = MemoryBucket(objects(*FOLDERS), before_page=fails_at(5))
    made = verifier(source, MemoryBucket(objects(*FOLDERS)), anew=True)
    await run(made)
    assert made.problem is not None
    seen = await run(made)
    assert made.problem is None
    assert made.result().verified
    assert seen[-1].compared == len(FOLDERS)
    assert source.requests < 2 * len(FOLDERS) / 3
    await made.close()


async def test_a_verifier_that_is_closed_while_it_runs_stops(tmp_path: Path) -> None:
    hangs = HangingBucket(objects(*FOLDERS), at=4)
    made = verifier(hangs, MemoryBucket(objects(*FOLDERS)), work=WorkFile(tmp_path / "work"))
    progress = made.run()
    while not hangs.hanging:
        await anext(progress)
    with pytest.raises(Busy):
        WorkFile(tmp_path / "work")
    await made.close()
    await progress.aclose()
    WorkFile(tmp_path / "work").close()  # Busy no more


@pytest.mark.parametrize("workers", [1, 2])
async def test_many_single_keys_are_looked_up_side_by_side(workers: int) -> None:
    keys = (*(f"{number:04}" for number in range(0, 1000, 2)), "\ud800")
    source = MemoryBucket(objects(*(f"{number:04}" for number in range(1000))))
    target = MemoryBucket(objects(*keys[3:-1]))
    made = verifier(source, target, of=scope(JobScope("1", keys=keys)), workers=workers)
    seen = await run(made)
    assert [one.key for one in made.differences()] == [*keys[:3]]
    assert made.result().tally.expected == 500
    assert seen[-1].shards == (1 if workers == 1 else 6)
    await made.close()


async def test_single_keys_of_a_listing_without_order() -> None:
    mixed = MemoryBucket(objects("c", "x", "b", "a"), in_order=False, page=4)
    target = MemoryBucket(objects("a"))
    made = verifier(mixed, target, of=scope(JobScope("1", keys=("a", "b", "c"))))
    result, differences = await compared(made)
    assert by_key(differences) == {"b": "missing", "c": "missing"}
    assert result.tally.expected == 3


async def test_the_result_tells_whether_a_manifest_was_compared() -> None:
    for page in (0, 1000):
        listed = MemoryBucket(objects("a"), cost=ListingCost(page))
        result, _ = await compared(verifier(listed, MemoryBucket(objects("a"))))
        assert (result.verified, result.manifest) == (True, page == 0)


async def test_the_plan_tells_requests_price_and_time_and_sends_nothing() -> None:
    source = MemoryBucket((), "source", cost=ListingCost(page=1000, seconds=0.2))
    target = MemoryBucket((), "target", cost=ListingCost(1000, per_second=2.0, in_r2=True))
    made = verifier(source, target, objects=1_000_000, headers=1000, workers=2)
    plan = await made.plan()
    assert (plan.expected.requests, plan.actual.requests) == (1003, 1003)
    assert plan.expected.usd == 0.0
    assert plan.actual.usd == pytest.approx(1003 * 4.50 / 10**6)
    assert plan.usd == pytest.approx(1003 * 4.50 / 10**6 + 1000 * 0.36 / 10**6)
    listed = MemoryBucket((), "target", cost=ListingCost(1000, in_r2=True, lists_headers=True))
    dearer = await verifier(source, listed, objects=1_000_000, headers=1000, workers=2).plan()
    assert dearer.usd == pytest.approx(((dearer.actual.requests or 0) + 1000) * 4.50 / 10**6)
    assert plan.seconds == pytest.approx(500, rel=0.01)
    assert not plan.measured
    assert source.requests == target.requests == 0
    both = await verifier(target, target, objects=1_000_000).plan()
    assert both.seconds == pytest.approx(1000, rel=0.01), "they share the pace of the API"
    unknown = await verifier(source, target).plan()
    assert (unknown.actual.requests, unknown.usd, unknown.seconds) == (None, None, None)


async def test_a_manifest_sends_no_requests_and_costs_nothing() -> None:
    manifest = MemoryBucket(objects("a"), cost=ListingCost(page=0))
    made = verifier(manifest, MemoryBucket(objects("a")), objects=1, workers=3)
    plan = await made.plan()
    assert (plan.expected.requests, plan.expected.usd) == (0, 0.0)
    result, _ = await compared(made)
    assert result.verified


async def test_the_progress_tells_share_position_and_the_end() -> None:
    source, target = MemoryBucket(objects(*FOLDERS)), MemoryBucket(objects(*FOLDERS))
    made = verifier(source, target, objects=len(FOLDERS))
    seen = await run(made)
    await made.close()
    assert not seen[0].done
    last = seen[-1]
    assert (last.done, last.share, last.position) == (True, 1.0, FOLDERS[-1])
    assert last.tally.of(Outcome.SAME) == len(FOLDERS)
    assert last.requests == (source.requests, target.requests)
    assert (last.shards, last.shards_done) == (1, 1)


async def test_the_progress_tells_the_pace_and_the_rest_of_the_time() -> None:
    hangs = HangingBucket(objects(*FOLDERS), at=4)
    made = verifier(hangs, MemoryBucket(objects(*FOLDERS)), objects=3 * len(FOLDERS))
    seen = list[VerifyProgress]()
    async for progress in made.run():
        seen.append(progress)
        if hangs.hanging and progress.per_second is not None:
            made.stop()
    await made.close()
    told = [(one, one.per_second) for one in seen if one.per_second and not one.done]
    assert told
    for one, pace in told:
        assert one.eta == pytest.approx((3 * len(FOLDERS) - one.compared) / pace)


async def test_an_hour_in_which_the_program_was_stopped_is_no_part_of_its_pace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sides = MemoryBucket(objects(*FOLDERS)), MemoryBucket(objects(*FOLDERS))
    made, stopped, monotonic = verifier(*sides), list[float](), time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + sum(stopped))
    async for _ in made.run():
        if not stopped:
            stopped.append(3600.0)
    result = made.result()
    await made.close()
    assert result.pace is not None
    assert result.pace > len(FOLDERS) / 60.0


async def test_a_clock_that_is_set_back_meanwhile_leaves_no_negative_time() -> None:
    sides = MemoryBucket(objects("a")), MemoryBucket(objects("a"))
    times = iter([STARTED, *[STARTED - 3600.0] * 9])
    made = Verifier(*sides, scope(), VerifyOptions(workers=1), clock=lambda: next(times))
    result, _ = await compared(made)
    assert result.verified
    assert (result.started_at, result.ended_at) == (STARTED, STARTED)


@pytest.mark.parametrize("ended", [True, False])
async def test_the_result_tells_whether_a_job_had_not_ended(ended: bool) -> None:
    job = JobScope("job", created_at=CREATED, ended=ended)
    made = verifier(MemoryBucket(objects("a")), MemoryBucket(objects("a")), of=scope(job))
    result, _ = await compared(made)
    assert result.live is not ended


async def test_the_work_file_is_private_and_used_by_one_program(tmp_path: Path) -> None:
    path = tmp_path / "new" / "work"
    work = WorkFile(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(Busy):
        WorkFile(path)
    work.close()
    WorkFile(path).close()


async def test_a_damaged_work_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "work"
    path.write_bytes(b"x" * 5000)
    result, _ = await compared(
        verifier(MemoryBucket(objects("a")), MemoryBucket(objects("a")), work=WorkFile(path))
    )
    assert result.verified


@pytest.mark.parametrize(
    "damage",
    [
        "run SET begun = 'text'",
        "run SET begun = x'ff'",
        "run SET result = 9000000000000",
        "shards SET prefix = 'text'",
        "shards SET last = x'ff'",
        "shards SET after = 5",
        "shards SET wanted = x'ff'",
        "shards SET wanted = '[5]'",
        "shards SET wanted = '7'",
        "shards SET compared = 'many'",
        "sampled SET key = x'ff'",
        "sampled SET priority = 'first'",
        "totals SET number = 'many'",
        "totals SET what = x'00'",
        "parts SET part = x'ff'",
        "parts SET number = 'many'",
        "headers SET found = 'text'",
    ],
)
async def test_values_that_are_never_written_make_it_begin_anew(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "CHECKPOINT_SECONDS", 0.0)
    path = tmp_path / "work"
    source, target = objects(*FOLDERS), objects(*FOLDERS[3:])
    made = verifier(MemoryBucket(source), MemoryBucket(target), work=WorkFile(path), headers=2)
    async for progress in made.run():
        if progress.compared:
            made.stop()
    await made.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            f"INSERT OR IGNORE INTO headers VALUES (x'61', x'5b5d'); UPDATE OR IGNORE {damage}"
        )
    again = verifier(MemoryBucket(source), MemoryBucket(target), work=WorkFile(path), headers=2)
    asked = await again.plan()
    assert asked.begun_at is None
    assert asked.replaced or damage.startswith("run SET begun = x")
    result, differences = await compared(again)
    assert [one.key for one in differences] == FOLDERS[:3]
    assert result.tally.of(Outcome.SAME) == len(FOLDERS) - 3


async def test_a_work_file_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "work"
    WorkFile(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE parts; PRAGMA user_version = 99")
    sides = MemoryBucket(objects("a")), MemoryBucket(objects("a"))
    result, _ = await compared(verifier(*sides, work=WorkFile(path)))
    assert result.verified


def test_a_file_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "work"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE mine (value); INSERT INTO mine VALUES (1)")
    before = path.read_bytes()
    with pytest.raises(ForeignFile):
        WorkFile(path)
    assert path.read_bytes() == before


async def test_a_checkpoint_that_fails_is_not_counted_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "work"
    monkeypatch.setattr(shards, "CHECKPOINT_SECONDS", 0.0)
    work, calls = WorkFile(path), list[int]()
    checkpoint = work.checkpoint

    def full(*args: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise sqlite3.OperationalError("database or disk is full")
        checkpoint(*args)

    monkeypatch.setattr(work, "checkpoint", full)
    made = verifier(MemoryBucket(objects(*FOLDERS)), MemoryBucket(objects("a/00")), work=work)
    with pytest.raises(CannotVerify, match="disk is full"):
        await run(made)
    await made.close()
    again = verifier(
        MemoryBucket(objects(*FOLDERS)), MemoryBucket(objects("a/00")), work=WorkFile(path)
    )
    result, differences = await compared(again)
    assert result.tally.counts == {Outcome.SAME: 1, Outcome.MISSING: len(FOLDERS) - 1}
    assert [one.key for one in differences] == FOLDERS[1:]


@given(
    st.sets(st.text(st.sampled_from("ab/é\U0001f600"), min_size=1, max_size=5), max_size=30),
    st.sets(st.text(st.sampled_from("ab/é\U0001f600"), min_size=1, max_size=5), max_size=30),
    st.integers(1, 4),
    st.lists(st.integers(1, 12), max_size=4),
    st.sampled_from([0.0, 60.0]),
)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_runs_that_are_cut_off_find_together_what_one_run_finds(
    monkeypatch: pytest.MonkeyPatch,
    expected: set[str],
    actual: set[str],
    workers: int,
    cuts: list[int],
    checkpoint_seconds: float,
) -> None:
    monkeypatch.setattr(shards, "DIVIDE_AFTER", 1)
    monkeypatch.setattr(shards, "CHECKPOINT_SECONDS", checkpoint_seconds)
    monkeypatch.setattr(engine, "PROGRESS_SECONDS", 5.0)

    async def all_runs() -> tuple[Verification, list[Difference]]:
        work = WorkFile()
        work.close = lambda: None  # type: ignore[method-assign]  # the memory is used again
        for at in [*cuts, 0]:
            source = MemoryBucket(objects(*expected), before_page=fails_at(at))
            target = MemoryBucket(objects(*actual), page=2)
            found = await compared(verifier(source, target, work=work, workers=workers))
            if found[0].whole:
                return found
        raise AssertionError("the last run has no fault")

    result, differences = asyncio.run(all_runs())
    assert [one.key for one in differences] == sorted(expected ^ actual)
    assert result.tally.of(Outcome.SAME) == len(expected & actual)
    assert result.tally.of(Outcome.MISSING) == len(expected - actual)


# Headers -----------------------------------------------------------------------------------------

BARE = ObjectHeaders()


async def test_the_headers_of_a_sample_are_compared_after_the_keys() -> None:
    large = an_object("h/large", LARGE + 1)
    source = MemoryBucket([*objects(*FOLDERS), large], "source", told={})
    target = MemoryBucket([*objects(*FOLDERS[:30]), large], "target", told={"h/large": BARE})
    made = verifier(source, target, workers=3, headers=10, seed=7)
    heads = [progress.heads for progress in await run(made)]
    result, differing = made.result(), made.differing_headers()
    await made.close()
    assert result.headers is not None
    assert (result.headers.seed, result.headers.compared, result.headers.large) == (7, 10, 1)
    assert result.headers.by_header == {"Content-Type": 1}
    # The large object is all there are of its kind; of 30 others, 9 were compared.
    assert result.headers.low == pytest.approx(1 / 31)
    assert result.headers.high == pytest.approx((1 + 30 * wilson(0, 9)[1]) / 31)
    assert [(each.key, each.headers) for each in differing] == [
        ("h/large", (("Content-Type", "text/html", None),))
    ]
    assert heads[-1] == (10, 10)
    assert sorted(source.heads) == sorted(target.heads)
    assert {*source.heads} <= {*FOLDERS[:30], "h/large"}
    assert result.tally.of(Outcome.MISSING) == len(FOLDERS) - 30


@pytest.mark.parametrize("stop", [2, 5, 9])
async def test_a_sample_is_the_same_after_a_fault_in_the_middle(stop: int, tmp_path: Path) -> None:
    async def sampled(*stops: int) -> tuple[list[str], HeaderSample | None]:
        source = MemoryBucket(objects(*FOLDERS), "source", before_page=fails_at(*stops))
        for _ in range(len(stops) + 1):
            target = MemoryBucket(objects(*FOLDERS), "target", told={FOLDERS[0]: BARE})
            work = WorkFile(tmp_path / f"work{len(stops)}")
            made = verifier(source, target, work=work, headers=8, seed=3)
            result, _ = await compared(made)
        return sorted(target.heads), result.headers

    assert await sampled(stop) == await sampled()


async def test_another_sample_begins_anew_and_the_same_goes_on(tmp_path: Path) -> None:
    async def resumes(**options: Any) -> tuple[int, int]:
        source = MemoryBucket(objects(*FOLDERS), "source", before_page=fails_at(6))
        target = MemoryBucket(objects(*FOLDERS), "target")
        work = WorkFile(tmp_path / "work")
        made = verifier(source, target, work=work, **options)
        found = (await made.plan()).resumes
        await run(made)
        result = made.result()
        await made.close()
        return found, 0 if result.headers is None else result.headers.seed

    assert await resumes(headers=8, seed=3) == (0, 0)
    assert (await resumes(headers=8))[0] > 0
    assert (await resumes(headers=9))[0] == 0


async def test_a_side_that_tells_no_headers_is_named_and_the_keys_are_compared() -> None:
    def refuse(number: int) -> None:
        raise ApiError("no HEAD here")

    target = MemoryBucket(objects(*FOLDERS), "target", before_head=refuse)
    result, _ = await compared(verifier(MemoryBucket(objects(*FOLDERS)), target, headers=8))
    assert result.headers is not None
    assert (result.headers.problem, result.headers.compared) == ("no HEAD here", 0)
    assert (result.problem, result.tally.of(Outcome.SAME)) == (None, len(FOLDERS))


async def test_a_stop_while_headers_are_compared_can_be_gone_on_with(tmp_path: Path) -> None:
    def stop(number: int) -> None:
        if number == 10:
            made.stop()

    source = MemoryBucket(objects(*FOLDERS), "source", before_head=stop)
    target = MemoryBucket(objects(*FOLDERS), "target")
    made = verifier(source, target, work=WorkFile(tmp_path / "work"), headers=40)
    result, _ = await compared(made)
    assert (result.problem, result.headers) == ("it was stopped before its end", None)
    pages = source.requests
    result, _ = await compared(
        verifier(source, target, work=WorkFile(tmp_path / "work"), headers=40)
    )
    assert result.headers is not None
    assert (result.problem, result.headers.compared) == (None, 40)
    assert source.requests == pages


async def test_no_header_is_asked_for_during_a_pause() -> None:
    def pause(number: int) -> None:
        if number == 10:
            made.pause()

    source = MemoryBucket(objects(*FOLDERS), "source", before_head=pause)
    made = verifier(source, MemoryBucket(objects(*FOLDERS), "target"), headers=40)
    async for _ in made.run():
        if made.paused:
            assert len(source.heads) < 20
            made.resume()
    assert len(source.heads) == 40
    await made.close()
