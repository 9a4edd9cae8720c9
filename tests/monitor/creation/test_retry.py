import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.monitor.creation.checks import faults
from slurper_tui.monitor.creation.retry import NoRetry, retry_drafts
from slurper_tui.monitor.draft import MOST_KEYS, Draft

S3 = Source("s3", "photos", "2024/", "https://s3.example.com")
JOB = Job("j1", source=S3, target=Target("r2", "media", "eu"), overwrite=False)


def test_a_draft_repeats_the_job_with_these_keys_alone() -> None:
    assert retry_drafts(JOB, ["b", "a"], "eu-1") == (
        Draft(
            "s3",
            "photos",
            "media",
            keys=("b", "a"),
            endpoint="https://s3.example.com",
            region="eu-1",
            target_jurisdiction="eu",
            overwrite=False,
        ),
    )


def test_an_r2_source_keeps_its_jurisdiction_and_a_gcs_one_has_none() -> None:
    r2 = replace(JOB, source=Source("r2", "thumbs", jurisdiction="fedramp"))
    assert retry_drafts(r2, ["a"])[0].source_jurisdiction == "fedramp"
    gcs = replace(JOB, source=Source("gcs", "logs"))
    assert retry_drafts(gcs, ["a"])[0] == Draft(
        "gcs", "logs", "media", keys=("a",), target_jurisdiction="eu", overwrite=False
    )


@given(st.lists(st.integers(0, 30_000).map(str), min_size=1, max_size=50), st.integers(0, 25_000))
def test_drafts_hold_every_key_once_in_order_and_none_too_many(few: list[str], many: int) -> None:
    keys = [*few, *(f"k{number}" for number in range(many))]
    drafts = retry_drafts(JOB, keys)
    assert [key for draft in drafts for key in draft.keys or ()] == list(dict.fromkeys(keys))
    assert all(len(draft.keys or ()) == MOST_KEYS for draft in drafts[:-1])
    assert all(not faults(draft) and draft.path_prefix is None for draft in drafts)


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (replace(JOB, source=None), "does not say the source bucket"),
        (replace(JOB, source=Source("s3")), "does not say the source bucket"),
        (replace(JOB, source=Source(None, "photos")), "does not say the source's vendor"),
        (replace(JOB, source=Source("ftp", "photos")), "a vendor that can be copied from"),
        (replace(JOB, target=None), "does not say the target bucket"),
        (replace(JOB, overwrite=None), "does not say whether it overwrites"),
    ],
)
def test_what_the_api_does_not_say_cannot_be_repeated(job: Job, words: str) -> None:
    with pytest.raises(NoRetry, match=words):
        retry_drafts(job, ["a"])


def test_without_keys_there_is_nothing_to_retry() -> None:
    with pytest.raises(NoRetry, match="no keys"):
        retry_drafts(JOB, ["", ""])


def test_only_s3_has_a_region() -> None:
    with pytest.raises(NoRetry, match="only an s3 source has a region"):
        retry_drafts(replace(JOB, source=Source("r2", "a")), ["a"], "eu-1")
