from __future__ import annotations

import json
import re
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from slurper_tui.api.models import DEFAULT_BASE_URL, Source, Target
from slurper_tui.cli.commands import logs as logs_command
from slurper_tui.monitor.history.files import FILE
from slurper_tui.monitor.history.opening import open_file
from slurper_tui.monitor.jobs import draft as retry
from slurper_tui.monitor.model.verification import Outcome
from slurper_tui.monitor.verify.compare import Difference
from slurper_tui.monitor.verify.diff import DiffForm, diff_entry
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.cli.making import SECRET, Person

S3 = Source("s3", "photos", "2024/", "https://s3.example.com")
PLAN = Plan(
    id="a1" * 32,
    created=time.time() - 9_000,
    objects=1_000,
    seconds=600.0,
    source=S3,
    target=Target("r2", "media", "eu"),
    overwrite=False,
    failed=7,
    not_copied=5,
)


def person(**more: Any) -> Person:
    plan = Plan(**{**{name: getattr(PLAN, name) for name in PLAN.__slots__}, **more})
    return Person(SimulatedAccount(plans=[plan]))


def failed_keys(someone: Person, *flags: str) -> list[str]:
    ran = someone.run("failures", "a1", "--keys", "--json", *flags)
    keys: list[str] = json.loads(ran.out[0])
    return keys


def test_the_draft_is_the_request_of_exactly_the_failed_keys() -> None:
    someone = person()
    file = someone.folder / "draft.json"
    ran = someone.run("retry", "a1", "--draft", str(file), environ={})
    assert (ran.code, ran.out) == (0, [])
    request = json.loads(file.read_text())
    keys = failed_keys(someone, "--type", "importErrorRetryExhaustion")
    assert len(keys) == 7
    assert sorted(request["source"].pop("keys")) == sorted(keys)
    assert request == {
        "source": {"vendor": "s3", "bucket": "photos", "endpoint": "https://s3.example.com"},
        "target": {"bucket": "media", "jurisdiction": "eu", "vendor": "r2"},
        "overwrite": False,
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(someone.methods) == {"GET"}


def test_a_draft_that_was_written_can_be_created() -> None:
    someone = person()
    file = someone.folder / "draft.json"
    someone.run("retry", "a1", "--draft", str(file))
    assert someone.run("create", "--file", str(file), "--yes").code == 0
    assert someone.posts() == [json.loads(file.read_text())]


def test_without_draft_it_is_shown_whole_tried_and_sent() -> None:
    someone = person()
    ran = someone.run("retry", "a1", "--region", "eu-1", "--yes", "--json")
    assert ran.code == 0
    made = json.loads(ran.out[0])
    [post] = someone.posts()
    assert post["source"]["region"] == "eu-1"
    assert "pathPrefix" not in post["source"]
    assert len(post["source"]["keys"]) == 7
    for key in post["source"]["keys"]:
        assert f"slurper-tui:   key        {key}" in ran.err
    assert "slurper-tui: precheck of the source bucket: can be reached" in ran.err
    assert made["id"] == someone.account.jobs()[0].plan.id
    assert made["source"]["keys"] == post["source"]["keys"]


def test_uncopied_keys_are_retried_only_on_request() -> None:
    someone = person()
    file = someone.folder / "draft.json"
    types = {
        row["logType"]
        for line in someone.run("logs", "a1", "--json").out
        if (row := json.loads(line))["logType"].startswith("importSkipped")
    }
    flags = [word for name in sorted(types) for word in ("--type", name)]
    assert someone.run("retry", "a1", *flags, "--draft", str(file)).code == 0
    assert len(json.loads(file.read_text())["source"]["keys"]) == 5


def test_a_type_without_rows_is_reported() -> None:
    ran = person().run("retry", "a1", "--type", "nonsense", "--yes")
    assert ran.code == 2
    assert ran.err[-1] == "slurper-tui: the log has no object in rows of nonsense"


def test_a_dash_is_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    someone = person()
    ran = someone.run("retry", "a1", "--draft", "-")
    assert ran.code == 0
    assert len(json.loads("\n".join(ran.out))["source"]["keys"]) == 7
    assert ran.err == [f"slurper-tui: standard output: 7 keys of job {PLAN.id}"]
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(retry, "MOST_KEYS", 3)
    text = "\n".join(someone.run("retry", "a1", "--draft", "-").out)
    drafts = [json.loads(f"{{{one}") for one in re.split("^{", text, flags=re.M)[1:]]
    assert [len(draft["source"]["keys"]) for draft in drafts] == [3, 3, 1]


def test_more_keys_than_one_job_takes_are_several_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "MOST_KEYS", 3)
    someone = person()
    file = someone.folder / "draft.json"
    assert someone.run("retry", "a1", "--draft", str(file)).code == 0
    files = [Path(f"{file}{end}") for end in ("", ".2", ".3")]
    sizes = [len(json.loads(path.read_text())["source"]["keys"]) for path in files]
    assert sizes == [3, 3, 1]


def test_no_draft_is_written_over_and_then_none_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "MOST_KEYS", 3)
    someone = person()
    file = someone.folder / "draft.json"
    there = Path(f"{file}.2")
    there.write_text("mine")
    ran = someone.run("retry", "a1", "--draft", str(file))
    assert (ran.code, len(ran.err)) == (2, 1)
    assert ran.err == [f"slurper-tui: {there}: it exists already and is not overwritten"]
    assert there.read_text() == "mine"
    assert not file.exists()


def test_a_draft_that_cannot_be_written_is_one_line() -> None:
    ran = person().run("retry", "a1", "--draft", "/nowhere/draft.json")
    assert ran.code == 2
    assert ran.err == [
        "slurper-tui: /nowhere/draft.json: cannot write it: No such file or directory"
    ]


def test_several_jobs_are_started_as_a_plan_and_each_is_tied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "MOST_KEYS", 3)
    someone = person()
    ran = someone.run("retry", "a1", "--yes")
    assert (ran.code, len(ran.out)) == (0, 3)
    assert [len(post["source"]["keys"]) for post in someone.posts()] == [3, 3, 1]
    assert {course.plan.id for course in someone.account.jobs()[:3]} == set(ran.out)
    assert links(someone) == dict.fromkeys(ran.out, PLAN.id)


def test_a_retry_is_tied_to_its_job() -> None:
    someone = person()
    ran = someone.run("retry", "a1", "--yes")
    assert links(someone) == {ran.out[0]: PLAN.id}


def test_a_second_retry_names_the_first_and_is_sent_with_again_alone() -> None:
    someone = person(overwrite=True)
    [first] = someone.run("retry", "a1", "--yes").out
    ran = someone.run("retry", "a1", "--yes")
    assert (ran.code, ran.out, len(someone.posts())) == (2, [], 1)
    assert any(f"job {first}" in line and "is a retry of 7" in line for line in ran.err)
    assert "--again" in ran.err[-1]
    assert "newer objects in the target are lost" in ran.err[-1]
    draft = someone.run("retry", "a1", "--draft", str(someone.folder / "draft.json"))
    assert draft.code == 0
    assert any(f"job {first}" in line for line in draft.err)
    ran = someone.run("retry", "a1", "--yes", "--again")
    assert (ran.code, len(someone.posts())) == (0, 2)
    assert any(f"job {first}" in line for line in ran.err)


def test_a_retry_of_other_rows_is_no_second_one() -> None:
    someone = person()
    assert someone.run("retry", "a1", "--yes").code == 0
    tier = next(
        row["logType"]
        for line in someone.run("logs", "a1", "--json").out
        if (row := json.loads(line))["logType"].startswith("importSkipped")
    )
    assert someone.run("retry", "a1", "--yes", "--type", tier).code == 0


def test_a_retry_that_no_history_knows_is_known_by_its_keys() -> None:
    someone = person()
    [first] = someone.run("retry", "a1", "--yes", "--no-history").out
    ran = someone.run("retry", "a1", "--yes", "--no-history")
    assert (ran.code, len(someone.posts())) == (2, 1)
    assert any(f"job {first}" in line and "7 of these keys" in line for line in ran.err)


def links(someone: Person) -> dict[str, str]:
    store = open_file(someone.folder / "state" / FILE, DEFAULT_BASE_URL)[0]
    kept = store.notes.links()
    store.close()
    return {link.child.job_id: link.parent.job_id for link in kept}


def test_a_log_with_fewer_names_than_failures_is_reported() -> None:
    someone = person()
    more = Fault(
        Kind.EDITED,
        operation="progress",
        edit=lambda told: {**told, "result": {**told["result"], "failedObjects": 1_310}},
    )
    someone.account.faults.add(more)
    file = someone.folder / "draft.json"
    ran = someone.run("retry", "a1", "--draft", str(file))
    assert ran.code == 0
    assert "slurper-tui: the log lists 7 of 1,310 failures" in ran.err


def test_losses_that_a_retry_does_not_cover_are_reported() -> None:
    file = "draft.json"
    running = person(seconds=90_000.0, failed=700, objects=100_000, listing_broke=True)
    ran = running.run("retry", "a1", "--draft", str(running.folder / file))
    assert ran.code == 0
    assert "slurper-tui: the job has not ended: more objects may still fail" in ran.err
    broken = person(listing_broke=True)
    ran = broken.run("retry", "a1", "--draft", str(broken.folder / file))
    assert ran.err[:-1] == [
        "slurper-tui: source listing broke: the total is incomplete, "
        "and objects that were not listed have no row"
    ]


def test_reading_a_long_log_reports_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs_command, "REPORTED_ROWS", 50)
    someone = person(failed=100)
    ran = someone.run("retry", "a1", "--draft", str(someone.folder / "x"))
    assert [line for line in ran.err if "rows so far" in line] == [
        "slurper-tui: the log: 50 rows so far",
        "slurper-tui: the log: 107 rows so far",
    ]


def test_a_job_that_does_not_tell_its_source_cannot_be_retried() -> None:
    someone = person()
    bare = Fault(
        Kind.EDITED,
        operation="get",
        edit=lambda told: {
            **told,
            "result": {n: v for n, v in told["result"].items() if n != "source"},
        },
    )
    someone.account.faults.add(bare)
    ran = someone.run("retry", "a1", "--draft", str(someone.folder / "x"))
    assert ran.code == 2
    assert ran.err == [
        f"slurper-tui: job {PLAN.id}: the API does not say the source bucket of this job: no retry"
    ]


def test_details_that_cannot_be_read_are_the_api_s_fault() -> None:
    someone = person()
    someone.account.faults.add(Fault(operation="get", status=404, code=10007, message="gone"))
    ran = someone.run("retry", "a1", "--draft", str(someone.folder / "x"))
    assert ran.code == 7
    assert "10007: gone" in ran.err[-1]


def test_a_log_that_is_refused_leaves_nothing_to_retry() -> None:
    someone = person()
    someone.account.faults.add(Fault(operation="logs", status=400, code=10001, message="no"))
    ran = someone.run("retry", "a1", "--draft", str(someone.folder / "x"))
    assert ran.code == 7
    assert ran.err[-1] == (
        "slurper-tui: the log was not read to its end, so what failed is not known"
    )


def test_a_region_where_there_is_none_is_refused() -> None:
    someone = person(source=Source("gcs", "logs"))
    ran = someone.run("retry", "a1", "--region", "eu-1", "--yes")
    assert ran.code == 2
    assert ran.err[-1].endswith("only an s3 source has a region, and this one is gcs")


def test_no_terminal_is_exit_2_before_the_log_is_read() -> None:
    someone = person()
    assert someone.run("retry", "a1").code == 2
    assert someone.methods == []


def test_a_draft_holds_no_secret() -> None:
    someone = person()
    file = someone.folder / "draft.json"
    someone.run("retry", "a1", "--draft", str(file))
    text = file.read_text()
    assert SECRET not in text
    assert "secret" not in text


# Several jobs ------------------------------------------------------------------------------------


def migration() -> Person:
    """A migration of three jobs, two of them with failed objects, and a job of other buckets."""
    other = {"source": replace(S3, bucket="logs"), "target": Target("r2", "archive")}
    more: list[dict[str, Any]] = [
        {"id": "b2", "source": replace(S3, path_prefix="2023/"), "failed": 3},
        {"id": "c3", "source": replace(S3, path_prefix="2022/"), "failed": 0, "not_copied": 0},
        {"id": "d4", "failed": 2, **other},
    ]
    fields = {name: getattr(PLAN, name) for name in PLAN.__slots__}
    plans = [Plan(**{**fields, **numbers}) for numbers in [{}, *more]]
    return Person(SimulatedAccount(plans=plans))


def test_a_retry_of_a_migration_is_a_job_for_each_job_with_failures() -> None:
    someone = migration()
    ran = someone.run("retry", "--migration", "photos", "--yes")
    assert (ran.code, len(ran.out)) == (0, 2)
    assert sorted(len(post["source"]["keys"]) for post in someone.posts()) == [3, 7]
    assert all(len({key[:5] for key in post["source"]["keys"]}) == 1 for post in someone.posts())
    assert sum("the plan is saved: " in line for line in ran.err) == 2
    assert any("of job b2" in line for line in someone.run("retry", "b2", "--draft", "-").err)
    again = someone.run("retry", "--migration", "photos", "--yes")
    assert (again.code, again.out) == (2, [])
    assert "give --again" in again.err[-1]


def test_keys_that_a_retry_has_copied_are_left_out_and_counted() -> None:
    copied = tuple(failed_keys(person())[:3])
    fields = {name: getattr(PLAN, name) for name in PLAN.__slots__}
    numbers: dict[str, Any] = {
        "id": "e5",
        "created": PLAN.created + 3_000,
        "objects": 3,
        "failed": 0,
    }
    source = Source("s3", "photos", None, S3.endpoint, keys=copied)
    done = Plan(**{**fields, **numbers, "not_copied": 0, "source": source})
    someone = Person(SimulatedAccount(plans=[PLAN, done]))
    said = "slurper-tui: 3 keys are left out: copied by a retry"
    ran = someone.run("failures", "--migration", "photos", "--keys")
    assert (ran.code, len(ran.out)) == (0, 4)
    assert not {*copied} & {*ran.out}
    assert said in ran.err
    ran = someone.run("retry", "--migration", "photos", "--draft", "-")
    assert len(json.loads("\n".join(ran.out))["source"]["keys"]) == 4
    assert said in ran.err


def test_drafts_of_several_jobs_are_several_files() -> None:
    someone = migration()
    ran = someone.run("retry", "a1", "b2", "c3", "--draft", str(someone.folder / "d.json"))
    assert ran.code == 0
    files = [someone.folder / "d.json", someone.folder / "d.json.2"]
    numbers = [len(json.loads(file.read_text())["source"]["keys"]) for file in files]
    assert sorted(numbers) == [3, 7]
    assert someone.posts() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a1", "d4"], "retry takes jobs of one source and one target"),
        (["c3"], "the log lists no failed object"),
    ],
)
def test_jobs_that_cannot_be_retried_together_are_exit_2(words: list[str], said: str) -> None:
    someone = migration()
    ran = someone.run("retry", *words, "--yes")
    assert (ran.code, ran.out) == (2, [])
    assert said in ran.err[-1]
    assert someone.posts() == []


# Keys that a verification found ------------------------------------------------------------------


def missing_and_different(form: DiffForm = DiffForm.TEXT) -> str:
    found = [
        Difference(Outcome.MISSING, "2024/a"),
        Difference(Outcome.MISSING, "2024/b c"),
        Difference(Outcome.SIZE, "2024/short", 5, 3),
        Difference(Outcome.EMPTY, "2024/empty", 5, 0),
        Difference(Outcome.ETAG, "2024/other", 5, 5),
        Difference(Outcome.CHANGED, "2024/changed", 5, 5, 1.8e9),
        Difference(Outcome.EXPECTED, "2024/failed", 5, log_type="importErrorRetryExhaustion"),
        Difference(Outcome.EXTRA, "2024/more", None, 5),
    ]
    return "".join(diff_entry(each, form) for each in found)


@pytest.mark.parametrize("form", DiffForm)
def test_the_keys_of_a_verification_are_copied_and_overwritten_only_where_they_differ(
    form: DiffForm,
) -> None:
    someone = person()
    file = someone.file("diff", missing_and_different(form))
    ran = someone.run("retry", "a1", "--keys-from", file, "--yes")
    assert (ran.code, len(ran.out)) == (0, 2)
    missing, differing = someone.posts()
    assert missing["source"]["keys"] == ["2024/a", "2024/b c"]
    assert missing["overwrite"] is False
    assert differing["source"]["keys"] == [
        *("2024/short", "2024/empty", "2024/other", "2024/changed"),
    ]
    assert differing["overwrite"] is True
    assert (f"slurper-tui: {file}: 2 keys are left out: 1 expected, 1 extra") in ran.err
    assert any("as the log says are copied without --keys-from" in line for line in ran.err)
    assert any("4 objects differ: copied with overwrite" in line for line in ran.err)
    assert links(someone) == dict.fromkeys(ran.out, PLAN.id)
    again = someone.run("retry", "a1", "--keys-from", file, "--yes")
    assert (again.code, len(someone.posts())) == (2, 2)
    assert "give --again" in again.err[-1]


def test_a_plain_list_of_keys_is_copied_as_the_job_copies() -> None:
    someone = person(overwrite=True)
    file = someone.file("keys", "2024/a\n2024/missing\tb\n")
    ran = someone.run("retry", "a1", "--keys-from", file, "--draft", "-")
    request = json.loads("\n".join(ran.out))
    assert (request["source"]["keys"], request["overwrite"]) == (
        ["2024/a", "2024/missing\tb"],
        True,
    )
    assert set(someone.methods) == {"GET"}


def test_each_key_goes_to_the_job_that_was_to_copy_it() -> None:
    someone = migration()
    file = someone.file("diff", "missing\t2023/x\nsize\t2022/y\nmissing\t2024/z\n")
    ran = someone.run("retry", "--migration", "photos", "--keys-from", file, "--yes")
    assert (ran.code, len(ran.out)) == (0, 3)
    assert sorted(post["source"]["keys"] for post in someone.posts()) == [
        ["2022/y"],
        ["2023/x"],
        ["2024/z"],
    ]
    assert sorted(links(someone).values()) == sorted([PLAN.id, "b2", "c3"])


def test_the_counts_of_a_migration_stay_as_they_are_after_a_repair() -> None:
    someone = person()
    names = ("transferred", "skipped", "failed", "objects")
    [before] = json.loads(someone.run("jobs", "--migrations", "--json").out[0])
    file = someone.file("diff", "missing\t2024/a\nsize\t2024/b\n")
    assert someone.run("retry", "a1", "--keys-from", file, "--yes").code == 0
    [after] = json.loads(someone.run("jobs", "--migrations", "--json").out[0])
    assert [before.get(name) for name in names] == [after.get(name) for name in names]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("missing\t2023/a\n", "1 keys are of none of the jobs, such as 2023/a"),
        ("extra\t2024/a\n", " has no key that is missing or different"),
        ("", " has no key that is missing or different"),
        ("missing\t2024/a\nb\n", "line 2 tells no outcome, as where a key has a newline"),
        ('{"outcome": "missing", "key": "2024/a"}\n{"outcome": "mis', "line 2: invalid JSON"),
        ('{"outcome": "missing"}\n', "line 1 is no entry of a list of differences"),
        ("[1]", "not every item of the array is a text"),
    ],
)
def test_a_list_that_cannot_be_copied_is_one_line_and_exit_2(text: str, said: str) -> None:
    someone = person()
    file = someone.file("diff", text)
    ran = someone.run("retry", "a1", "--keys-from", file, "--yes")
    assert (ran.code, ran.out) == (2, [])
    assert ran.err[-1].startswith(f"slurper-tui: {file}")
    assert said in ran.err[-1]
    assert someone.posts() == []


def test_a_list_and_a_type_cannot_be_combined() -> None:
    ran = person().run("retry", "a1", "--keys-from", "x", "--type", "y", "--yes")
    assert (ran.code, ran.out) == (2, [])
    assert "not allowed with argument" in ran.err[-1]


def test_keys_that_are_in_the_target_after_all_can_be_left_out() -> None:
    someone = person(failed=7, not_copied=0, there=3)
    file = someone.folder / "draft.json"
    ran = someone.run("retry", "a1", "--check-target", "--yes", "--draft", str(file))
    assert ran.code == 0
    assert "slurper-tui: 3 keys are left out: in the target after all" in ran.err
    assert len(json.loads(file.read_text())["source"]["keys"]) == 4
    assert set(someone.methods) == {"GET"}


def test_where_all_is_there_nothing_is_retried() -> None:
    ran = person(failed=2, not_copied=0, there=2).run("retry", "a1", "--check-target", "--yes")
    assert ran.code == 0
    assert ran.err[-1] == "slurper-tui: every object is in the target after all"
