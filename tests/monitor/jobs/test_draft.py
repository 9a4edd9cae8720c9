"""Request bodies, key lists and the drafts of retries."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.api.models import Job, Secret, Source, Target, encode
from slurper_tui.monitor.jobs.draft import (
    BodyError,
    NoKeys,
    NoRetry,
    body,
    draft_of,
    each_once,
    earlier_retries,
    keys_of,
    retry_drafts,
)
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import RetryLink
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.plans import (
    MOST_KEYS,
    Draft,
    Plan,
    Secrets,
    Step,
    StepState,
    faults,
    new_job,
)
from tests.monitor.model.test_drafts import drafts

PAIR = Secret(access_key_id="a", secret_access_key="b")


@given(drafts)
def test_draft_survives_conversion_to_a_body_and_back(draft: Draft) -> None:
    expected = replace(draft, endpoint=draft.endpoint or None)
    assert draft_of(json.loads(json.dumps(body(draft)))) == expected


@given(drafts)
def test_a_body_is_the_create_request_without_its_secrets(draft: Draft) -> None:
    sent = json.loads(encode(new_job(draft, Secrets(PAIR, PAIR))))
    assert sent["source"].pop("secret") == sent["target"].pop("secret")
    assert body(draft) == sent


def test_names_may_be_written_with_dashes_and_underscores() -> None:
    given = {"source": {"path-prefix": "a/", "Vendor": "s3"}, "target": {"bucket": "m"}}
    assert draft_of(given) == Draft("s3", "", "m", path_prefix="a/")


def test_an_empty_endpoint_is_none() -> None:
    assert draft_of({"source": {"endpoint": ""}}) == draft_of({})


@pytest.mark.parametrize(
    "text",
    [
        '{"target": {"bucket": "a", "bucket": "b"}}',
        '{"target": {}, "target": {}}',
        '{"source": {"keys": [], "keys": []}}',
        '{"source": {"secret": {"x": "hush", "x": "hush"}}}',
    ],
)
def test_a_property_that_is_named_twice_is_refused(text: str) -> None:
    with pytest.raises(BodyError, match="given twice") as caught:
        json.loads(text, object_pairs_hook=each_once)
    assert "hush" not in str(caught.value)


def test_missing_fields_are_accepted_by_the_parser() -> None:
    assert draft_of({}) == Draft("", "", "")
    assert draft_of({"source": {"keys": None, "region": None}, "overwrite": None}) == draft_of({})


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"surce": {}}, "surce: no such field; the nearest is source"),
        ({"source": {"prefix": 1}}, "source.prefix: no such field; the nearest is"),
        ({"source": {"key": []}}, "source.key: no such field; the nearest is source.keys"),
        ({"source": []}, "source: must be a table, not an array"),
        ({"source": {"keys": "a"}}, "source.keys: must be an array of texts, not a text"),
        ({"source": {"keys": [True]}}, "source.keys[0]: must be a text, not a truth value"),
        ({"overwrite": 1}, "overwrite: must be true or false, not a number"),
        ({"target": {"vendor": "s3"}}, "target.vendor: a target is always r2"),
        ({"source": {"pathPrefix": "", "path_prefix": ""}}, "source.pathPrefix: given twice"),
        ({"source": {"secret": {"x": "hush"}}}, "source.secret: secrets do not belong here"),
        ({"target": {"secret": "hush"}}, "target.secret: secrets do not belong here"),
    ],
)
def test_body_error_is_one_line_that_names_the_field(given: dict[str, object], line: str) -> None:
    with pytest.raises(BodyError) as caught:
        draft_of(given)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", ()),
        ("a\n b \n\n", ("a", " b ")),
        ("a\r\nb\r\n\n", ("a", "b")),
        ("a\r\n\nb", ("a", "b")),
        ("a\r\nb\r", ("a", "b")),
        ("a\nb\r", ("a", "b\r")),
        ("a\r\0b\0", ("a\r", "b")),
        ("a\nb\0c", ("a\nb", "c")),
        ("[a]\0b\0", ("[a]", "b")),
        ('["a", "b\\ud800"]', ("a", "b\ud800")),
        ("[]", ()),
        ("[prod]/a\nb\n", ("[prod]/a", "b")),
    ],
)
def test_keys_are_parsed_exactly(text: str, keys: tuple[str, ...]) -> None:
    assert keys_of(text) == keys


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]", "begins like a JSON array"),
        ("\n\r\na\r\nb\nc\r\n", "line 4 ends with LF, the first one with CRLF"),
        ("a\nb\r\n", "line 2 ends with CRLF, the first one with LF"),
        ('[\n  "a",\n', "begins like a JSON array"),
        ("[" * 9999, "begins like a JSON array"),
        ('["a", 1]', "not every item"),
    ],
)
def test_text_that_is_no_list_of_keys_is_refused(text: str, message: str) -> None:
    with pytest.raises(NoKeys, match=message):
        keys_of(text)


@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1), min_size=1))
def test_keys_survive_nul_separation(keys: list[str]) -> None:
    assert keys_of("".join(f"{key}\0" for key in keys)) == tuple(keys)


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


def test_empty_fields_of_the_job_are_omitted() -> None:
    empty = Source("s3", "photos", "", "", "", "")
    job = replace(JOB, source=empty, target=Target("r2", "media", ""))
    [draft] = retry_drafts(job, ["a"])
    assert draft == Draft("s3", "photos", "media", keys=("a",), overwrite=False)
    assert faults(draft) == ()


def test_an_r2_source_keeps_its_jurisdiction_and_a_gcs_one_has_none() -> None:
    r2 = replace(JOB, source=Source("r2", "thumbs", jurisdiction="fedramp"))
    assert retry_drafts(r2, ["a"])[0].source_jurisdiction == "fedramp"
    gcs = replace(JOB, source=Source("gcs", "logs"))
    assert retry_drafts(gcs, ["a"])[0] == Draft(
        "gcs", "logs", "media", keys=("a",), target_jurisdiction="eu", overwrite=False
    )


@given(st.lists(st.integers(0, 30_000).map(str), min_size=1, max_size=50), st.integers(0, 25_000))
def test_retry_drafts_have_each_key_once_in_order(few: list[str], many: int) -> None:
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
def test_job_with_a_missing_field_cannot_be_retried(job: Job, words: str) -> None:
    with pytest.raises(NoRetry, match=words):
        retry_drafts(job, ["a"])


def test_retry_without_keys_is_refused() -> None:
    with pytest.raises(NoRetry, match="no keys"):
        retry_drafts(JOB, ["", ""])


def test_only_s3_has_a_region() -> None:
    with pytest.raises(NoRetry, match="only an s3 source has a region"):
        retry_drafts(replace(JOB, source=Source("r2", "a")), ["a"], "eu-1")


FAILED, TIER = "importErrorRetryExhaustion", "importSkippedStorageClass"
RETRIED = JobKey("acc", "j1")


def listed(id: str, created: str, keys: tuple[str, ...] | None, bucket: str = "photos") -> JobView:
    source = replace(S3, bucket=bucket, keys=keys)
    return JobView("acc", replace(JOB, id=id, created_at=created, source=source), status="running")


JOBS = (
    listed("j1", "2026-03-02T00:00:00Z", ("k1", "k2")),
    listed("j0", "2026-03-01T00:00:00Z", ("k1", "k2")),
    listed("j2", "2026-03-03T00:00:00Z", ("k2", "k3")),
    listed("j3", "2026-03-03T00:00:00Z", ("k4",)),
    listed("j4", "2026-03-03T00:00:00Z", None),
    listed("j5", "2026-03-03T00:00:00Z", ("k1",), "other"),
)


def planned(*states: StepState, log_types: tuple[str, ...] = (FAILED,)) -> Plan:
    draft = Draft("s3", "photos", "media", keys=("k1",))
    steps = tuple(Step(number, draft, state) for number, state in enumerate(states, 1))
    return Plan(7, "acc", 0.0, steps, RETRIED, log_types)


@pytest.mark.parametrize(
    ("links", "plans", "views", "named"),
    [
        ((), (), (), ()),
        ((RetryLink(JobKey("acc", "c"), RETRIED, 2),), (), (), ("job c (no longer listed)",)),
        (
            (RetryLink(JobKey("acc", "j3"), RETRIED, 2, (FAILED,)),),
            (),
            JOBS[:4:3],
            ("job j3 (running)",),
        ),
        ((RetryLink(JobKey("acc", "c"), RETRIED, 2, (TIER,)),), (), (), ()),
        ((RetryLink(JobKey("acc", "c"), JobKey("acc", "j9"), 2),), (), (), ()),
        ((), (planned(*StepState),), (), tuple(f"step {n} of plan 7" for n in range(1, 6))),
        ((), (planned(StepState.CANCELLED),), (), ()),
        ((), (planned(StepState.WAITING, log_types=(TIER,)),), (), ()),
        ((), (replace(planned(StepState.WAITING), retry_of=None),), (), ()),
        ((), (), JOBS, ("job j2 (running) was given 1 of these keys",)),
    ],
)
def test_earlier_retries_of_the_same_objects_are_named(
    links: tuple[RetryLink, ...],
    plans: tuple[Plan, ...],
    views: tuple[JobView, ...],
    named: tuple[str, ...],
) -> None:
    clauses = earlier_retries(RETRIED, ("k1", "k2"), (FAILED,), links, plans, views)
    assert len(clauses) == len(named)
    assert all(clause.startswith(begin) for clause, begin in zip(clauses, named, strict=True))
