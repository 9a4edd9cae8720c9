"""Which jobs are one migration."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.reports.migrations import SLOTS, migration_of, migrations
from tests.monitor.families.jobs import job, tied
from tests.tui.jobs import view


def test_two_jobs_of_the_same_buckets_are_a_migration_and_one_is_not() -> None:
    jobs = [job(1), view(2), job(3), view(4)]
    [found] = migrations(jobs)
    assert found.jobs == (jobs[0], jobs[2])
    assert found.key == migration_of(jobs[0])
    assert (found.key.source, found.key.target) == ("photos", "media")
    assert found.view.job.id is None
    assert migrations([job(1)]) == ()
    assert migrations([]) == ()


@pytest.mark.parametrize(
    "other",
    [
        {"account": "another"},
        {"target": "archive"},
        {"vendor": "gcs"},
        {"endpoint": "https://other.example.com"},
        {"jurisdiction": "eu"},
        {"target_jurisdiction": "eu"},
    ],
)
def test_another_account_vendor_endpoint_place_or_target_is_another_migration(
    other: dict[str, str],
) -> None:
    given = {key: value for key, value in other.items() if key in ("account", "target")}
    two = job(2, **given)
    source, target = two.job.source, two.job.target
    assert source is not None
    assert target is not None
    place = other.get("target_jurisdiction")
    of_source = {k: v for k, v in other.items() if k in ("vendor", "endpoint", "jurisdiction")}
    changed = replace(
        two.job, source=replace(source, **of_source), target=replace(target, jurisdiction=place)
    )
    assert migrations([job(1), replace(two, job=changed)]) == ()
    assert len(migrations([job(1), job(2)])) == 1


def test_what_is_the_default_may_be_said_or_not() -> None:
    one, two = job(1), job(2)
    said = replace(two.job, target=Target("r2", "media", "default"))
    assert len(migrations([one, replace(two, job=said)])) == 1


@pytest.mark.parametrize("source", [None, Source("s3"), Source("s3", "")])
def test_jobs_whose_bucket_is_not_known_are_no_migration(source: Source | None) -> None:
    jobs = [replace(one, job=replace(one.job, source=source)) for one in (job(1), job(2))]
    assert migrations(jobs) == ()


def test_the_slots_are_those_of_the_account() -> None:
    jobs = [job(1), job(2, "paused"), view(3), view(4, account="another"), job(5, "completed")]
    [found] = migrations(jobs)
    assert (found.running, SLOTS) == (2, 3)


def test_a_migration_that_has_not_changed_is_the_same_value() -> None:
    jobs = [job(1), job(2), view(3, source="logs"), view(4, source="logs")]
    first, second = migrations(jobs)
    before = {one.key: one for one in (first, second)}
    again = migrations(list(jobs), (), before)
    assert (again[0], again[1]) == (first, second)
    assert again[0] is first
    changed = [*jobs[:3], replace(jobs[3], rate=7.0)]
    third, fourth = migrations(changed, (), before)
    assert third is first
    assert fourth is not second
    assert fourth.rate == pytest.approx(68.2)
    tie = tied(jobs[1], jobs[0])
    assert migrations(jobs, (tie,), before)[0].retries == {jobs[1].key: jobs[0].key}
