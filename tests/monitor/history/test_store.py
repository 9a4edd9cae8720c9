from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.monitor.history.codecs import place_text
from slurper_tui.monitor.history.opening import memory_store
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import (
    WHOLE_SECONDS,
    Recorded,
    StoredJob,
    last_of_each,
    step_start,
    superfluous,
)
from tests.monitor.history.samples import (
    ACCOUNT,
    ANY,
    BEGUN,
    DAY,
    URL,
    job,
    key,
    of,
    opened,
    run_of,
    sample,
    sample_lists,
)


def in_order(samples: list[Recorded]) -> list[Recorded]:
    """Only the first sample of each time, oldest first."""
    by_time = {one.at: one for one in reversed(samples)}
    return [by_time[at] for at in sorted(by_time)]


@given(st.lists(ANY, max_size=20))
def test_samples_are_read_as_written(samples: list[Recorded]) -> None:
    with opened(None) as (store, _):
        store.write([job()], of(key(), samples))
        assert list(store.samples(key())) == in_order(samples)
        [stored] = store.jobs([ACCOUNT])
        assert stored == replace(job(), last=samples[-1] if samples else None)
        assert [one for _, one in store.every()] == in_order(samples)


def test_samples_at_both_limits_are_included() -> None:
    with opened(None) as (store, _):
        store.write([job()], of(key(), run_of(10, every=1.2345)))
        whole = store.samples(key())
        found = store.samples(key(), BEGUN + 2 * 1.2345, BEGUN + 5 * 1.2345)
        assert found == whole[2:6]
        assert store.samples(key(), BEGUN + 9 * 1.2345) == whole[9:]
        assert store.samples(key(), BEGUN + 100) == ()
        assert store.samples(key("unknown")) == ()


@given(
    sample_lists(), st.sampled_from([1.0, 2.5, 5.0, 60.0, 600.0, 23_040.0]), st.integers(-100, 9000)
)
def test_last_of_each_equals_the_pure_function(
    samples: list[Recorded], step: float, since: int
) -> None:
    with opened(None) as (store, _):
        other = of(key("job1"), run_of(50, every=3.0))
        store.write([job(), job("job1")], [*of(key(), samples), *other])
        since_then = [one for one in samples if one.at >= BEGUN + since]
        found = store.last_of_each(key(), BEGUN + since, step)
        assert found == last_of_each(since_then, step)
        assert last_of_each(found, step) == found


@pytest.mark.parametrize(
    ("statuses", "found"),
    [("", ""), ("r", ""), ("rrr", ""), ("rrpp", "rp"), ("rppr", "pr"), ("prrp", "rp")],
)
def test_the_last_change_of_status_is_found(statuses: str, found: str) -> None:
    store = memory_store(URL)
    job = StoredJob(ACCOUNT, Job(id="j"))
    samples = [(job.key, Recorded(1e9 + n, Counts(), status)) for n, status in enumerate(statuses)]
    store.write([job], samples)
    place = statuses.rfind(found) if found else 0
    expected = [sample for _, sample in samples[place : place + len(found)]]
    assert [*store.last_change(job.key)] == expected


def test_accounts_and_base_urls_are_separate(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    with opened(path) as (store, _), opened(path, "https://other.example") as (other, _):
        store.write([job(), job(account_id="acc1")], of(key(), run_of(3)))
        other.write([job()], of(key(), run_of(5)))
        assert [stored.account_id for stored in store.jobs([ACCOUNT])] == [ACCOUNT]
        assert store.keys() == (key(), key(account_id="acc1"))
        assert store.keys(["acc1"]) == (key(account_id="acc1"),)
        assert (len(store.samples(key())), len(other.samples(key()))) == (3, 5)
        assert len(list(store.every())) == 3
        assert store.samples(key(account_id="acc1")) == ()


@pytest.mark.parametrize("url", [URL + "/", "https://who:pass@api.example/v4", URL + "?a=b"])
def test_spellings_of_a_base_url_are_equal(tmp_path: Path, url: str) -> None:
    with opened(tmp_path / "h", url) as (store, _):
        store.write([job()], [])
    with opened(tmp_path / "h") as (store, _):
        assert store.keys() == (key(),)
    assert b"who:pass" not in (tmp_path / "h").read_bytes()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://host.example/x/?sig=a@b#c", "https://host.example/x"),
        ("https://host.example/x@y", "https://host.example/x@y"),
        ("http://localhost:9000/", "http://localhost:9000"),
        ("https://user:s3cr3t@host/x", "https://host/x"),
        ("https://user:p@s3cr3t@host/x", "https://host/x"),
        ("https://s3cr3t@host.example", "https://host.example"),
        ("user:s3cr3t@host:9000", "host:9000"),
        ("user:p@s3cr3t@host:9000/x", "host:9000/x"),
        ("https:s3cr3t@host", "host"),
        ("//user:s3cr3t@host/x", "//host/x"),
        ("https://user:s3cr3t/b@host", "https://host"),
        ("https://u.v:12/s3cr3t@host", "https://host"),
        ("https://user:a?s3cr3t#b@host/x?c=s3cr3t", "https://host/x"),
        ("S3://user:\ns3cr3t@host", "S3://host"),
    ],
)
def test_stored_address_has_no_user(url: str, place: str) -> None:
    assert place_text(url) == place
    assert "s3cr3t" not in place


words = st.text(st.characters(exclude_characters=":/@?#", exclude_categories=["Cs"]), min_size=1)


@given(words, st.text(st.sampled_from("a:/@?#.1")), st.sampled_from(["https://", "//", ""]))
def test_stored_address_has_no_password(user: str, password: str, scheme: str) -> None:
    assert place_text(f"{scheme}{user}:{password}@host:9000/x") == f"{scheme}host:9000/x"


def test_jobs_are_stored_without_keys_and_secrets(tmp_path: Path) -> None:
    source = Source(
        bucket="from",
        keys=("s3cret-key",),
        endpoint="https://who:s3cret@minio.example/x?sig=s3cret",
        extra={"secretAccessKey": "s3cret"},
    )
    secretive = Job(
        "job0", source=source, target=Target(extra={"a": "s3cret"}), extra={"b": "s3cret"}
    )
    with opened(tmp_path / "h") as (store, _):
        store.write([StoredJob(ACCOUNT, secretive)], of(key(), run_of(3)))
        [stored] = store.jobs([ACCOUNT])
        written = [path.read_bytes() for path in tmp_path.iterdir()]
    assert stored.job == Job(
        "job0", source=Source(bucket="from", endpoint="https://minio.example/x"), target=Target()
    )
    assert not any(b"s3cret" in text for text in written)


def test_duplicate_sample_is_stored_once(tmp_path: Path) -> None:
    with opened(tmp_path / "h") as (one, _), opened(tmp_path / "h") as (other, _):
        for store in (one, other, one):
            store.write([job()], of(key(), run_of(10)))
        assert other.samples(key()) == tuple(run_of(10))


def test_jobs_are_replaced_by_their_newest_state() -> None:
    with opened(None) as (store, _):
        store.write([job()], of(key(), run_of(2)))
        ended = replace(job(), job=replace(job().job, status="completed"), closed=True)
        store.write([ended], [])
        assert store.jobs([ACCOUNT]) == (replace(ended, last=run_of(2)[-1]),)
        store.write([replace(ended, gone=True)], [])
        assert store.jobs([ACCOUNT]) == ()
        assert store.samples(key()) == tuple(run_of(2))
        store.write([ended], [])
        assert len(store.jobs([ACCOUNT])) == 1


def test_sample_of_an_unlisted_job_is_stored() -> None:
    with opened(None) as (store, _):
        store.write([StoredJob(ACCOUNT, Job())], [*of(key(), run_of(2)), *of(key(""), run_of(3))])
        assert store.jobs([ACCOUNT]) == (StoredJob(ACCOUNT, Job("job0"), last=run_of(2)[-1]),)


def test_unusual_text_and_numbers_are_stored() -> None:
    half = "\ud800"
    odd = StoredJob(half, Job(half, status=half + "x", source=Source(bucket=half)))
    recorded = Recorded(BEGUN, Counts(2**70, 1, 0, 0), half + "\x00\x1b")
    with opened(None) as (store, _):
        store.write([odd], of(odd.key, [recorded]))
        [stored] = store.jobs(["?"])
        assert (stored.job.id, stored.job.status) == ("?", "?x")
        assert stored.last == Recorded(BEGUN, Counts(2**63 - 1, 1, 0, 0), "?\x00\x1b")
        assert store.samples(odd.key) == (stored.last,)


@pytest.mark.parametrize("nonsense", ["'{'", "CAST(x'ff00' AS TEXT)", "''", "3", "x'22'"])
def test_invalid_row_is_skipped(tmp_path: Path, nonsense: str) -> None:
    with opened(tmp_path / "h") as (store, _):
        store.write([job(), job("job1")], [])
        broken = sqlite3.connect(tmp_path / "h", isolation_level=None)
        broken.execute(f"UPDATE jobs SET job = {nonsense} WHERE job_id = 'job0'")
        broken.close()
        assert store.jobs([ACCOUNT]) == (job("job1"),)


def test_write_is_atomic() -> None:
    with opened(None) as (store, _):
        nonsense = Recorded(float("nan"), Counts(), None)
        with pytest.raises(ValueError, match="NaN"):
            store.write([job()], [*of(key(), run_of(3)), (key(), nonsense)])
        assert store.keys() == ()
        store.write([job()], of(key(), run_of(3)))
        assert len(store.samples(key())) == 3


# Thinning ------------------------------------------------------------------------------------


def thin_all(store: Store, now: float) -> int:
    """Thin until nothing is left to thin; return the number of calls."""
    goes = 1
    while store.thin(now):
        goes += 1
    return goes


@given(sample_lists(unknown=False), st.integers(-100, 10**5))
def test_only_samples_older_than_a_day_are_thinned(samples: list[Recorded], later: int) -> None:
    now = BEGUN + DAY + later
    cut = step_start(now - WHOLE_SECONDS)
    old = [one for one in samples if one.at < cut]
    young = [one for one in samples if one.at >= cut]
    gone = superfluous(old, None, young[0] if young else None)
    with opened(None) as (store, _):
        store.write([job()], of(key(), samples))
        thin_all(store, now)
        kept = [one for one in samples if one not in gone]
        assert list(store.samples(key())) == kept
        thin_all(store, now)
        assert list(store.samples(key())) == kept


@given(sample_lists(unknown=False), st.lists(st.integers(1, 40_000), max_size=8))
def test_repeated_thinning_equals_thinning_once(samples: list[Recorded], spans: list[int]) -> None:
    with opened(None) as (often, _), opened(None) as (once, _):
        now, rest = BEGUN + DAY, list(samples)
        for span in spans:
            now += span
            often.write([job()], of(key(), [one for one in rest if one.at <= now]))
            rest = [one for one in rest if one.at > now]
            thin_all(often, now)
        once.write([job()], of(key(), samples))
        often.write([job()], of(key(), rest))
        for store in (often, once):
            thin_all(store, BEGUN + 40 * DAY)
        assert often.samples(key()) == once.samples(key())


def test_late_samples_are_thinned_too() -> None:
    with opened(None) as (store, _):
        store.write([job()], of(key(), run_of(1000)))
        thin_all(store, BEGUN + 3 * DAY)
        before = len(store.samples(key()))
        store.write([job()], of(key(), run_of(1000, begin=2.0)))
        assert len(store.samples(key())) == before + 1000
        thin_all(store, BEGUN + 3 * DAY)
        assert len(store.samples(key())) <= before + 1


def test_long_histories_are_thinned_in_several_calls() -> None:
    with opened(None) as (store, _):
        for number in range(3):
            store.write([job(f"job{number}")], of(key(f"job{number}"), run_of(17_280)))
        assert thin_all(store, BEGUN + 3 * DAY) > 1
        assert [len(store.samples(key(f"job{number}"))) for number in range(3)] == [145] * 3
        assert thin_all(store, BEGUN + 3 * DAY) == 1


def test_file_of_a_long_job_stays_small(tmp_path: Path) -> None:
    days, hour = 6, 3600
    with opened(tmp_path / "h") as (store, _):
        sizes = list[int]()
        for begin in range(0, days * int(DAY), hour):
            store.write([job()], of(key(), run_of(hour // 5, begin=float(begin))))
            thin_all(store, BEGUN + begin + hour)
            sizes.append(sum(file.stat().st_size for file in tmp_path.iterdir()))
        two_days = 2 * 24
        assert max(sizes[two_days:]) < 1.5 * max(sizes[:two_days])
        assert max(sizes) < 7 * 2**20
        kept = store.samples(key())
        assert kept[0].at == BEGUN
        assert len(kept) < 17_280 + 720 + (days - 1) * 144


def test_free_pages_are_returned_to_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path / "h") as (store, _):
        store.write([job()], of(key(), run_of(50_000)))
        thin_all(store, BEGUN + 30 * DAY)
        store.write([job()], of(key(), run_of(1, begin=DAY)))
    assert (tmp_path / "h").stat().st_size < 2**20


def test_store_in_memory_is_in_place_and_not_shared() -> None:
    store = memory_store(URL)
    assert store.is_in_place
    assert not store.is_shared
    store.close()


def test_widths_are_those_of_stored_values() -> None:
    with opened(None) as (store, _):
        assert store.widest() == (0, 0, 0, 0, 0)
        store.write([], [*of(key(), [sample(0, 12345)]), *of(key("job1"), [sample(0, 1, None)])])
        assert store.widest() == (7, 7, 5, 1, 1)
        assert store.widest(key=key("job1")) == (0, 7, 1, 1, 1)
