from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slurper_tui.api import objects
from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.history.notes import Plans
from slurper_tui.monitor.jobs import create as making
from slurper_tui.monitor.jobs import plan_runner as plan_run
from slurper_tui.monitor.jobs.prefixes import UNLISTED
from slurper_tui.monitor.model.plans import Plan
from slurper_tui.monitor.reports.wording import NOT_DURABLE
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan as JobPlan
from tests.api.odd import envelope, level_of
from tests.cli.logs import plan
from tests.cli.making import KEYS, S3, SECRET, Person
from tests.cli.program import environment, perform

REQUEST: dict[str, Any] = {
    "source": {
        "vendor": "s3",
        "bucket": "photos",
        "endpoint": "https://s3.example.com",
        "region": "eu-1",
    },
    "target": {"bucket": "media", "vendor": "r2"},
    "overwrite": True,
}


def test_flags_make_a_job_and_stdout_has_its_id_alone() -> None:
    person = Person()
    ran = person.run("create", *S3, "--yes")
    [course] = person.account.jobs()
    assert (ran.code, ran.out) == (0, [course.plan.id])
    assert person.posts() == [REQUEST]


def test_the_draft_and_both_prechecks_are_shown_before_anything_is_sent() -> None:
    person = Person()
    ran = person.run("create", *S3, "--prefix", "2024/", "--no-overwrite", "--yes")
    assert ran.err == [
        "slurper-tui:   source     s3 photos",
        "slurper-tui:   endpoint   https://s3.example.com",
        "slurper-tui:   region     eu-1",
        "slurper-tui:   prefix     2024/",
        "slurper-tui:   target     r2 media",
        "slurper-tui:   overwrite  no",
        "slurper-tui: precheck of the source bucket: can be reached",
        "slurper-tui: precheck of the target bucket: can be reached",
        "slurper-tui: target bucket: exists; jurisdiction default, storage class Standard",
        "slurper-tui: target lock: none",
        "slurper-tui: target lifecycle: no rule deletes objects",
        "slurper-tui: target Sippy: off",
    ]
    assert [m for m in person.methods if m != "GET"] == ["PUT", "PUT", "POST"]
    assert person.posts()[0]["overwrite"] is False
    assert person.posts()[0]["source"]["pathPrefix"] == "2024/"


def test_json_uses_the_api_s_field_names() -> None:
    person = Person()
    [line] = person.run("create", *S3, "--yes", "--json").out
    [course] = person.account.jobs()
    made = {"accountId": person.account.account_id, "id": course.plan.id}
    assert json.loads(line) == {**made, **REQUEST}


@pytest.mark.parametrize(
    "text",
    [
        'overwrite = true\n[source]\nvendor = "s3"\nbucket = "other"\nregion = "eu-1"\n'
        'endpoint = "https://s3.example.com"\n[target]\nbucket = "media"\n',
        json.dumps({**REQUEST, "source": {**REQUEST["source"], "bucket": "other"}}),
    ],
)
def test_a_file_makes_a_job_and_flags_win_over_it(text: str) -> None:
    person = Person()
    name = person.file("request", text)
    assert person.run("create", "--file", name, "--source-bucket", "photos", "--yes").code == 0
    assert person.posts() == [REQUEST]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[source]\nvendr = "s3"\n', "source.vendr: no such field; the nearest is source.vendor"),
        ("[sorce]\n", "sorce: no such field; the nearest is source"),
        ("[source]\nbucket = 3\n", "source.bucket: must be a text, not a number"),
        ("[source]\nkeys = ['a', 1]\n", "source.keys[1]: must be a text, not a number"),
        ("source = 3\n", "source: must be a table, not a number"),
        ("overwrite = 'yes'\n", "overwrite: must be true or false, not a text"),
        ("[target]\nvendor = 's3'\n", "target.vendor: a target is always r2"),
        ("[source]\nbucket = \n", "invalid TOML at line 2, column 10"),
        (f"source{'.a' * 500_000} = 1", "a key of more than 600 parts at line 1"),
        (f"source = {'[' * 5000}", "brackets are nested too deeply"),
        ('{"source": }', "invalid JSON at line 1 column 12"),
        ('{"target": {"bucket": "one", "bucket": "two"}}', "bucket: given twice"),
        (
            "[source.secret]\nsecretAccessKey = 's3cret-that-nobody-may-see'\n",
            "source.secret: secrets do not belong here: they are asked for when the job is created",
        ),
    ],
)
def test_an_error_in_a_file_is_one_line_with_file_and_field(text: str, said: str) -> None:
    person = Person()
    name = person.file("request.toml", text)
    ran = person.run("create", "--file", name, "--yes")
    assert (ran.code, ran.err) == (2, [f"slurper-tui: {name}: {said}"])
    assert person.methods == []


def test_a_file_that_is_not_there_is_named() -> None:
    ran = Person().run("create", "--file", "/nowhere/x.toml", "--yes")
    assert (ran.code, ran.err) == (2, ["slurper-tui: /nowhere/x.toml: No such file or directory"])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--source-vendor", "ftp"), "source.vendor (--source-vendor): 'ftp' is not one of s3"),
        (("--source-bucket", ""), "source.bucket (--source-bucket): missing"),
        (("--endpoint", "http://s3.example.com"), "source.endpoint (--endpoint): it must begin"),
        (("--source-jurisdiction", "eu"), "source.jurisdiction (--source-jurisdiction): only r2"),
        (("--target-jurisdiction", "mars"), "target.jurisdiction (--target-jurisdiction): 'mars'"),
        (("--target-bucket", " "), "target.bucket (--target-bucket): missing"),
        (("--target-bucket", "a\tb"), "target.bucket (--target-bucket): it contains the control"),
        (("--prefix", "a\n"), "source.pathPrefix (--prefix): it contains the control character"),
    ],
)
def test_a_field_that_is_wrong_is_named_with_its_flag(flags: tuple[str, ...], said: str) -> None:
    person = Person()
    ran = person.run("create", *S3, *flags, "--yes")
    assert ran.code == 2
    [line] = ran.err
    assert line.startswith(f"slurper-tui: {said}")
    assert person.methods == []


@pytest.mark.parametrize("text", ["a\nb c\n", '["a", "b c"]', "a\0b c\0", "\ufeffa\r\nb c\r\n"])
def test_keys_come_from_a_file_in_each_form_that_failures_writes(text: str) -> None:
    person = Person()
    keys = person.file("keys", text)
    assert person.run("create", *S3, "--keys-file", keys, "--yes").code == 0
    assert person.posts()[0]["source"]["keys"] == ["a", "b c"]


@pytest.mark.parametrize("text", ["2023/\02024/\0", "2023/\r2024/\r", "20\x1b[31m23/\n"])
def test_prefixes_with_control_characters_are_refused(text: str) -> None:
    person = Person()
    ran = person.run("create", *S3, "--prefixes", person.file("prefixes", text), "--yes")
    assert (ran.code, ran.out, person.posts()) == (2, [], [])
    assert "contains the control character U+00" in ran.err[-1]


@pytest.mark.parametrize("flag", ["--file", "--keys-file", "--prefixes", "--secrets"])
def test_a_file_may_begin_with_a_byte_order_mark(flag: str) -> None:
    texts = {
        "--file": json.dumps(REQUEST),
        "--keys-file": '["a/", "b/"]',
        "--prefixes": "a/\nb/\n",
        "--secrets": '[source]\naccess-key-id = "x"\n',
    }
    person = Person()
    name = person.file("given", "\ufeff" + texts[flag])
    given = () if flag == "--file" else S3
    ran = person.run("create", *given, flag, name, "--yes")
    assert ran.code == 0
    sources = [post["source"] for post in person.posts()]
    assert [source.get("pathPrefix") for source in sources] == (
        ["a/", "b/"] if flag == "--prefixes" else [None]
    )
    assert sources[0].get("keys") == (["a/", "b/"] if flag == "--keys-file" else None)


def test_invalid_unicode_is_sent_unchanged() -> None:
    person = Person()
    keys = ("--keys-file", person.file("keys", '["a\\ud800", "b"]'), "--yes")
    odd = {**KEYS, "SLURPER_SOURCE_SECRET_ACCESS_KEY": f"{SECRET}\udcff"}
    for arguments in (keys, (*keys, "--no-precheck")):
        ran = person.run("create", *S3, *arguments, environ=odd)
        assert ran.code == 7, ran.err  # the simulated account takes only text
    assert person.bodies[0]["source"]["keys"] == ["a\ud800", "b"]


def test_too_many_keys_are_refused_before_anything_is_sent() -> None:
    person = Person()
    keys = person.file("keys", "\n".join(map(str, range(10_001))))
    ran = person.run("create", *S3, "--keys-file", keys, "--yes")
    assert ran.code == 2
    assert "10,001 keys; one job takes at most 10,000" in ran.err[0]


def test_without_a_terminal_and_without_yes_nothing_is_asked_of_the_api() -> None:
    person = Person()
    ran = person.run("create", *S3)
    assert ran.code == 2
    assert ran.err == ["slurper-tui: not a terminal: add --yes to run without asking"]
    assert person.methods == []


def test_a_precheck_that_fails_stops_it_unless_it_is_not_wanted() -> None:
    person = Person()
    denied = [*S3, "--source-bucket", "denied", "--yes"]
    ran = person.run("create", *denied)
    assert ran.code == 7
    start = "slurper-tui: precheck of the source bucket: cannot be reached with these keys; a "
    assert any(line.startswith(start) for line in ran.err)
    assert person.posts() == []
    assert person.run("create", *denied, "--no-precheck").code == 0
    assert len(person.posts()) == 1


def test_precheck_prints_both_answers() -> None:
    person = Person()
    ran = person.run("precheck", *S3)
    assert (ran.code, ran.out[:2]) == (0, ["source  can be reached", "target  can be reached"])
    assert ran.out[2:] == [
        "target  bucket: exists; jurisdiction default, storage class Standard",
        "target  lock: none",
        "target  lifecycle: no rule deletes objects",
        "target  Sippy: off",
    ]
    ran = person.run("precheck", *S3, "--target-bucket", "missing", "--json")
    assert ran.code == 7
    assert json.loads(ran.out[0]) == {
        "source": {"connectivityStatus": "success", "error": None},
        "target": {
            "connectivityStatus": "error",
            "error": None,
            "exists": False,
            **dict.fromkeys(("jurisdiction", "storageClass", "location")),
            **dict.fromkeys(("locked", "deletes", "sippy")),
        },
    }
    assert "POST" not in person.methods


def test_no_free_slot_is_explained_with_the_running_jobs() -> None:
    person = Person(SimulatedAccount(jobs=5, running=3))
    ran = person.run("create", *S3, "--yes")
    assert ran.code == 7
    running = [c.plan.id for c in person.account.jobs() if c.status(time.time()) == "running"]
    assert len(running) == 3
    for job_id in running:
        assert any(job_id in line and "→" in line for line in ran.err)
    assert "refused: 3 jobs run already" in ran.err[-1]


def test_a_refusal_is_reported_with_its_code() -> None:
    person = Person()
    person.account.faults.add(Fault(operation="create", status=400, code=10001, message="no"))
    ran = person.run("create", *S3, "--yes")
    assert (ran.code, ran.out) == (7, [])
    assert ran.err[-1] == "slurper-tui: refused; the API answered 400 (10001: no)"


def test_rejected_credentials_are_exit_3() -> None:
    person = Person()
    person.account.faults.add(Fault(operation="create", status=403, code=10000))
    assert person.run("create", *S3, "--yes").code == 3


NO_KEYS = Fault(
    operation="create",
    status=403,
    code=1,
    message="Preconnectivity failed, please verify tokens and try again",
)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """New keys are given no time to work, though the same number of attempts."""
    for module in (making, plan_run):
        monkeypatch.setattr(module, "FRESH_KEY_WAITS", (0.0,) * 5)


@pytest.mark.usefixtures("at_once")
def test_keys_that_do_not_open_a_bucket_are_not_our_credentials() -> None:
    person = Person()
    person.account.faults.add(NO_KEYS)
    ran = person.run("create", *S3, "--yes")
    assert (ran.code, ran.out) == (7, [])
    assert ran.err[-1].startswith(
        "slurper-tui: no job was created: the bucket keys give no access to a bucket; the API"
    )
    assert ran.err.count(f"slurper-tui: {making.FRESH_KEYS}") == 1
    assert len(person.posts()) == 6
    assert "s3:Get* and s3:List*" in ran.err[-1]
    assert "Preconnectivity failed" in ran.err[-1]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("command", ["create", "precheck"])
def test_keys_that_begin_to_work_need_no_second_command(command: str) -> None:
    person = Person()
    operation = "create" if command == "create" else "targetPrecheck"
    person.account.faults.add(replace(NO_KEYS, operation=operation, times=3))
    ran = person.run(command, *S3, *(["--yes"] if command == "create" else []))
    assert ran.code == 0
    assert f"slurper-tui: {making.FRESH_KEYS}" in ran.err
    assert len(person.account.jobs()) == (command == "create")


@pytest.mark.parametrize("vendor", ["s3", "r2"])
def test_the_keys_of_r2_buckets_are_those_of_the_token_where_asked(vendor: str) -> None:
    person = Person()
    source = S3 if vendor == "s3" else (*S3[2:4], *S3[-2:], "--source-vendor", "r2")
    ran = person.run("create", *source, "--r2-keys-from-token", "--yes")
    assert ran.code == 0
    token = person.account.token
    of_token = {
        "accessKeyId": hashlib.sha256(token.encode()).hexdigest()[:32],
        "secretAccessKey": hashlib.sha256(token.encode()).hexdigest(),
    }
    [body] = person.bodies
    assert body["target"]["secret"] == of_token
    assert (body["source"]["secret"] == of_token) is (vendor == "r2")
    assert not any(value in line for line in ran.err for value in of_token.values())
    given = person.file("secrets", '[target]\naccess-key-id = "a"\nsecret-access-key = "b"\n')
    person.run("create", *source, "--r2-keys-from-token", "--secrets", given, "--yes")
    assert person.bodies[1]["target"]["secret"] == {"accessKeyId": "a", "secretAccessKey": "b"}


@pytest.mark.parametrize("command", ["create", "precheck", "retry"])
def test_a_global_key_has_no_r2_keys(command: str) -> None:
    account = SimulatedAccount(jobs=None if command == "retry" else 0)
    pair = {"CLOUDFLARE_EMAIL": account.email, "CLOUDFLARE_API_KEY": account.key}
    lossy = "d4d65c60" if command == "retry" else ""
    ran = perform(
        account,
        *([command, lossy] if lossy else [command, *S3]),
        "--r2-keys-from-token",
        *([] if command == "precheck" else ["--yes"]),
        environ={**environment(account, **KEYS, **pair), "CLOUDFLARE_API_TOKEN": ""},
    )
    assert ran.code == 3
    assert "a global API key has no R2 keys: they belong to an API token" in ran.err[-1]


@pytest.mark.usefixtures("at_once")
def test_a_plan_goes_on_with_other_keys_to_the_buckets() -> None:
    person = Person()
    person.account.faults.add(NO_KEYS)
    name = person.file("prefixes", "a/\nb/\n")
    ran = person.run("create", *S3, "--prefixes", name, "--yes")
    assert (ran.code, ran.out) == (7, [])
    assert "2 waiting; `slurper-tui create --go-on 1` continues" in ran.err[-1]
    person.account.faults.clear()
    ran = person.run("create", "--go-on", "--yes")
    assert (ran.code, len(ran.out)) == (0, 2)
    assert [post["source"]["pathPrefix"] for post in person.posts()] == [*["a/"] * 7, "b/"]


def test_an_answer_that_never_came_is_looked_for_in_the_list() -> None:
    person = Person()
    person.account.faults.add(Fault(Kind.RESET, operation="create", times=1))
    ran = person.run("create", *S3, "--yes")
    assert (ran.code, ran.out) == (0, [person.account.jobs()[0].plan.id])
    assert len(person.posts()) == 1


def test_no_answer_and_no_such_job_is_undecided_and_not_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(making, "SEARCH_WAITS", (0.0,))
    person = Person()
    person.account.faults.add(Fault(Kind.HTML, operation="create", status=504))
    ran = person.run("create", *S3, "--yes")
    assert (ran.code, ran.out, len(person.posts())) == (7, [], 1)
    assert ran.err[-1].startswith("slurper-tui: sent, no answer: look in the list")
    assert "may still come" in ran.err[-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('["a", ', "it begins like a JSON array, and is none"),
        ('["a", 1]', "not every item of the array is a text"),
        ("", "source.keys (--keys-file): the list is empty: nothing would be copied"),
    ],
)
def test_keys_that_are_none_are_refused(text: str, said: str) -> None:
    person = Person()
    ran = person.run("create", *S3, "--keys-file", person.file("keys", text), "--yes")
    assert ran.code == 2
    assert ran.err[-1].endswith(said)
    assert person.methods == []


def test_doubtful_values_are_reported() -> None:
    person = Person()
    ran = person.run("create", *S3, "--prefix", "/2024/", "--yes")
    assert ran.code == 0
    said = "slurper-tui: warning: source.pathPrefix: keys rarely begin with a slash"
    assert ran.err[0] == said


def test_of_several_accounts_one_has_to_be_named() -> None:
    person = Person()
    ran = person.run("create", *S3, "--yes", environ={**KEYS, "CLOUDFLARE_ACCOUNT_ID": "a,b"})
    assert (ran.code, ran.err) == (2, ["slurper-tui: 2 accounts: choose one with --account NAME"])


def test_prefixes_make_one_job_each_in_their_order() -> None:
    person = Person()
    name = person.file("prefixes", "2022/\n\n2023/\r\n2024/\n")
    ran = person.run("create", *S3, "--prefixes", name, "--yes", "--json")
    assert ran.code == 0
    told = [json.loads(line) for line in ran.out]
    assert [job["source"]["pathPrefix"] for job in told] == ["2022/", "2023/", "2024/"]
    assert [post["source"]["pathPrefix"] for post in person.posts()] == ["2022/", "2023/", "2024/"]
    ids = {course.plan.id for course in person.account.jobs()}
    assert {job["id"] for job in told} == ids
    assert any("the plan is saved" in line and "create --go-on 1" in line for line in ran.err)
    assert any(line.startswith("slurper-tui: the source was not listed") for line in ran.err)


@pytest.mark.usefixtures("at_once")
def test_plan_that_waits_for_the_history_is_named_without_its_temporary_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> Plan:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Plans, "keep", fail)
    person = Person()
    person.account.faults.add(NO_KEYS)
    name = person.file("prefixes", "a/\nb/\n")
    ran = person.run("create", *S3, "--prefixes", name, "--yes")
    assert ran.code == 7
    assert f"slurper-tui: plan without a number: 2 jobs; {NOT_DURABLE}" in ran.err
    assert ran.err[-1] == f"slurper-tui: plan without a number: 2 waiting; {NOT_DURABLE}"


def test_gaps_are_reported_and_overlaps_refused() -> None:
    person = Person()
    gap = person.file("prefixes", "2021/\n2022/\n2024/\n")
    ran = person.run("create", *S3, "--prefixes", gap, "--yes")
    assert ran.code == 0
    assert "slurper-tui: warning: '2023/' is missing between its neighbours" in ran.err
    twice = person.file("twice", "2024/\n2024/01/\n2024/\n")
    ran = person.run("create", *S3, "--prefixes", twice, "--yes")
    assert ran.code == 2
    assert ran.err == [
        f"slurper-tui: {twice}: '2024/' is listed 2 times; '2024/01/' is within '2024/': its "
        "objects would be copied twice"
    ]


def test_uncovered_and_running_prefixes_of_earlier_jobs_are_reported() -> None:
    person = Person()
    for prefix in ("thumbs/", "2022/"):
        assert person.run("create", *S3, "--prefix", prefix, "--yes").code == 0
    name = person.file("prefixes", "2022/01/\n")
    ran = person.run("create", *S3, "--prefixes", name, "--yes")
    assert any("'thumbs/', a prefix of an earlier job," in line for line in ran.err)
    assert any("which has not ended, copies objects under '2022/01/'" in line for line in ran.err)


def test_prefixes_that_are_none_or_go_with_others_are_refused() -> None:
    person = Person()
    empty = person.file("empty", "\n\n")
    ran = person.run("create", *S3, "--prefixes", empty, "--yes")
    assert (ran.code, ran.err) == (2, [f"slurper-tui: {empty} contains no prefix"])
    ran = person.run("create", *S3, "--prefixes", empty, "--prefix", "a/", "--yes")
    assert ran.err == ["slurper-tui: --prefixes cannot be combined with --prefix or --keys-file"]


def test_a_step_that_stays_undecided_is_exit_7_and_only_a_word_sends_it_again() -> None:
    person = Person()
    fault = Fault(operation="create", status=400, code=10001, message="no", times=1)
    person.account.faults.add(fault)
    name = person.file("prefixes", "a/\nb/\n")
    ran = person.run("create", *S3, "--prefixes", name, "--yes")
    assert ran.code == 7
    assert ran.err[-1] == (
        "slurper-tui: plan 1: 1 started, 1 refused; "
        "`slurper-tui create --go-on 1 --send-again 1` sends again, "
        "`slurper-tui create --cancel 1` cancels the rest"
    )
    again = person.run("create", "--go-on", "--yes")
    assert again.code == 7
    assert len(person.posts()) == 2
    last = person.run("create", "--go-on", "--send-again", "1", "--yes")
    assert (last.code, len(last.out)) == (0, 1)
    assert [post["source"]["pathPrefix"] for post in person.posts()] == ["a/", "b/", "a/"]


def test_a_plan_can_be_cancelled_and_then_nothing_is_left_to_go_on_with() -> None:
    person = Person()
    person.account.faults.add(Fault(operation="create", status=403, code=10000))
    name = person.file("prefixes", "a/\nb/\n")
    assert person.run("create", *S3, "--prefixes", name, "--yes").code == 3
    ran = person.run("create", "--cancel", "1")
    assert (ran.code, ran.err) == (0, ["slurper-tui: plan 1: 2 cancelled"])
    ran = person.run("create", "--go-on", "--yes")
    assert (ran.code, ran.err) == (0, ["slurper-tui: no plan has jobs left to start"])
    ran = person.run("create", "--cancel", "1")
    assert ran.code == 2
    assert ran.err == ["slurper-tui: there is no open plan '1'"]


def test_cancelling_a_plan_releases_its_undecided_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan_run, "DOUBT_SECONDS", 0.0)
    person = Person()
    person.account.faults.add(Fault(Kind.HTML, operation="create", status=502, times=1))
    person.account.faults.add(Fault(operation="create", status=403, code=10000))
    name = person.file("prefixes", "a/\nb/\n")
    ran = person.run("create", *S3, "--prefixes", name, "--yes")
    assert (ran.code, "1 undecided, 1 refused" in ran.err[-1]) == (7, True)
    said = "`slurper-tui create --cancel 1` again also drops what is undecided"
    first, second = person.run("create", "--cancel", "1"), person.run("create", "--cancel", "1")
    assert first.err == [f"slurper-tui: plan 1: 1 undecided, 1 cancelled; {said}"]
    assert second.err == ["slurper-tui: plan 1: 2 cancelled"]
    assert len(person.posts()) == 2


def test_of_several_plans_one_has_to_be_named() -> None:
    person = Person()
    person.account.faults.add(Fault(operation="create", status=403, code=10000))
    name = person.file("prefixes", "a/\nb/\n")
    for _ in range(2):
        person.run("create", *S3, "--prefixes", name, "--yes")
    ran = person.run("create", "--go-on", "--yes")
    assert ran.code == 2
    assert ran.err[-1].startswith("slurper-tui: 2 plans are open, so give a number: 1 (")


def test_without_a_history_a_plan_is_reported_as_not_durable() -> None:
    person = Person()
    name = person.file("prefixes", "a/\nb/\n")
    ran = person.run("create", *S3, "--prefixes", name, "--yes", "--no-history")
    assert ran.code == 0
    assert any("when this program ends are forgotten" in line for line in ran.err)


def test_flags_that_say_nothing_together_are_refused() -> None:
    person = Person()
    assert person.run("create", *S3, "--send-again", "1").code == 2
    assert person.run("create", "--go-on", "--cancel", "1").code == 2
    for kept in (("--go-on", "1"), ("--cancel", "1")):
        for new in (("--target-bucket", "x"), ("--prefixes", "x"), ("--no-overwrite",)):
            ran = person.run("create", *kept, *new)
            said = f"{new[0]} is for new jobs: {kept[0]} takes a plan as it is"
            assert (ran.code, ran.err) == (2, [f"slurper-tui: {said}"])
    assert person.methods == []


def test_no_secret_is_left_in_the_history_or_in_the_log() -> None:
    person = Person()
    name = person.file("prefixes", "a/\nb/\n")
    log = person.folder / "log"
    person.run("create", *S3, "--prefixes", name, "--yes", "--log", str(log))
    left = [path for path in person.folder.rglob("*") if path.is_file()]
    assert log in left
    assert any(
        path.suffix in (".db", ".sqlite", ".sqlite3") or "state" in str(path) for path in left
    )
    for value in KEYS.values():
        assert [path for path in left if value.encode() in Path(path).read_bytes()] == []


R2 = ("--source-vendor", "r2", "--source-bucket", "photos", "--target-bucket", "media")


def bucket_owner(*prefixes: str, objects: int = 2500, more: Sequence[JobPlan] = ()) -> Person:
    """A person whose bucket `photos` has objects below these prefixes."""
    plans = [
        plan(f"old{n}", source=Source("r2", "photos", prefix), objects=objects)
        for n, prefix in enumerate(prefixes)
    ]
    return Person(SimulatedAccount(plans=[*plans, *more], slots=20))


def made_from(person: Person) -> list[str | None]:
    return [post["source"].get("pathPrefix") for post in person.posts()]


def test_an_r2_source_is_split_by_the_prefixes_that_it_really_has() -> None:
    person = bucket_owner("2022/", "2024/", "odd name/")
    ran = person.run("create", *R2, "--split", "--yes")
    assert ran.code == 0
    assert made_from(person) == ["2022/", "2024/", "odd name/"]
    assert "slurper-tui: R2 bucket photos (simulated): 3 prefixes" in ran.err
    assert not any("was not listed" in line or "is missing" in line for line in ran.err)


def test_the_split_is_made_below_a_prefix() -> None:
    person = bucket_owner("2024/")
    ran = person.run("create", *R2, "--split", "--prefix", "2024/", "--yes", "--no-precheck")
    assert ran.code == 0
    assert made_from(person)[:2] == ["2024/01/", "2024/02/"]


def test_objects_beside_the_prefixes_become_a_job_of_their_keys() -> None:
    keys = ("index.html", "robots.txt")
    beside = plan(
        "old9", source=Source("s3", "old", keys=keys), target=Target("r2", "photos"), objects=2
    )
    person = bucket_owner("2022/", "2024/", more=[beside])
    ran = person.run("create", *R2, "--split", "--yes")
    assert ran.code == 0
    assert made_from(person) == ["2022/", "2024/", None]
    assert person.posts()[-1]["source"]["keys"] == [*keys]
    assert "2 prefixes and 2 objects beside them" in "\n".join(ran.err)


def test_of_many_objects_beside_the_prefixes_the_first_ones_are_shown() -> None:
    keys = tuple(f"{number:03}.html" for number in range(50))
    beside = plan(
        "old9", source=Source("s3", "old", keys=keys), target=Target("r2", "photos"), objects=50
    )
    person = bucket_owner("2022/", "2024/", more=[beside])
    ran = person.run("create", *R2, "--split", "--yes")
    assert person.posts()[-1]["source"]["keys"] == [*keys]
    shown = [line.split()[-1] for line in ran.err if line.startswith("slurper-tui:   key ")]
    assert shown == [*keys[:20]]
    assert "slurper-tui:   and 30 more keys" in ran.err


def test_gaps_of_a_list_are_what_the_source_really_holds() -> None:
    person = bucket_owner("2022/", "2024/", "thumbs/")
    name = person.file("prefixes", "2022/\n2O24/\n")
    ran = person.run("create", *R2, "--prefixes", name, "--yes")
    assert ran.code == 0
    warnings = [line for line in ran.err if "warning" in line]
    assert warnings == [
        "slurper-tui: warning: '2O24/' matches nothing in the source",
        "slurper-tui: warning: '2024/' is in the source, and within none of these",
        "slurper-tui: warning: 'thumbs/' is in the source, and within none of these",
    ]


def test_where_the_source_cannot_be_listed_gaps_are_guessed_and_that_is_said() -> None:
    person = bucket_owner("2022/", "2024/")
    person.account.faults.add(Fault(operation="objects", status=404, code=10006))
    name = person.file("prefixes", "2022/\n2024/\n")
    ran = person.run("create", *R2, "--prefixes", name, "--yes")
    assert ran.code == 0
    said = "\n".join(ran.err)
    assert "warning: gaps are guessed, for the source cannot be listed: " in said
    assert "'2023/' is missing between its neighbours" in said
    assert UNLISTED in said
    split = person.run("create", *R2, "--split", "--yes")
    assert (split.code, split.out) == (7, [])
    assert "cannot be listed" in split.err[-1]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (level_of("a/", "a/b/", "c/"), "not split: 'a/b/' is within 'a/'"),
        (level_of("a\x1b[1m/", "c/"), "contains the control character U+001B"),
        (level_of("a\xff/", "c/"), "contains the control character U+D800"),
        (level_of("a/", "c/", key="k\xff"), "key 1 is not UTF-8: k\\xff"),
        (level_of("", ""), "there are no prefixes at the top of the source"),
        (b"<html>", "the source cannot be listed: the API answered 200 with an HTML page"),
        (b'{"success": tr', "the source cannot be listed: "),
        (json.dumps(envelope(None)).encode(), "answered without a list of objects"),
    ],
)
def test_an_odd_listing_of_the_source_starts_nothing(
    body: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "FIRST_WAIT", 0.0)
    person = bucket_owner("2022/", "2024/")
    person.account.faults.add(Fault(Kind.BODY, operation="objects", status=200, body=body))
    ran = person.run("create", *R2, "--split", "--yes")
    assert ran.code in (2, 7)
    assert said in ran.err[-1]
    assert person.bodies == []


def test_counted_objects_are_the_total_and_kept_with_their_source() -> None:
    person = bucket_owner("2022/", "2024/", objects=1500)
    ran = person.run("create", *R2, "--split", "--count", "--yes")
    assert ran.code == 0
    said = "\n".join(ran.err)
    assert "counting the objects takes about 5 requests, " in said
    assert "3,000 objects counted in R2 bucket photos" in said
    assert re.search(r"job 1 +2022/  1,500 objects", said)
    told = json.loads("\n".join(person.run("jobs", "--json").out))
    new = [job for job in told if not job["id"].startswith("old")]
    counted = {job["source"]["pathPrefix"]: job["countedObjects"] for job in new}
    assert counted == {"2022/": 1500, "2024/": 1500}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*R2, "--split", "--prefixes", "x"), "--split and --prefixes cannot be combined"),
        ((*R2, "--split", "--keys-file", "x"), "--split cannot be combined with --keys-file"),
        ((*R2, "--count", "--keys-file", "x"), "--count cannot be combined with --keys-file"),
    ],
)
def test_what_cannot_be_split_is_refused(words: tuple[str, ...], said: str) -> None:
    person = bucket_owner("2022/")
    ran = person.run("create", *words, "--yes")
    assert (ran.code, ran.err[-1], person.bodies) == (2, f"slurper-tui: {said}", [])


def test_a_source_without_prefixes_is_not_split() -> None:
    person = Person(SimulatedAccount(plans=[]))
    ran = person.run("create", *R2, "--split", "--yes")
    assert ran.code == 2
    assert "there are no prefixes at the top of the source to split it by" in ran.err[-1]


def test_an_s3_source_is_split_with_the_keys_to_it() -> None:
    plans = [plan(f"old{n}", source=Source("s3", "photos", f"{n}/")) for n in (2022, 2024)]
    person = Person(SimulatedAccount(plans=plans))
    ran = person.run("create", *S3, "--split", "--count", "--yes")
    assert ran.code == 0
    assert made_from(person) == ["2022/", "2024/"]
    assert "20,000 objects counted in S3 bucket photos" in "\n".join(ran.err)
    nothing = person.run("create", *S3, "--split", "--yes", environ={})
    assert nothing.code == 3
    assert "SLURPER_SOURCE_ACCESS_KEY_ID" in nothing.err[-1]


def test_a_list_of_an_s3_source_is_compared_only_where_it_is_listed_anyway() -> None:
    plans = [plan(f"old{n}", source=Source("s3", "photos", f"{n}/")) for n in (2022, 2024)]
    person = Person(SimulatedAccount(plans=plans))
    name = person.file("prefixes", "2022/\n")
    plain = person.run("create", *S3, "--prefixes", name, "--yes")
    assert any(UNLISTED in line for line in plain.err)
    counted = person.run("create", *S3, "--prefixes", name, "--count", "--yes")
    assert "slurper-tui: warning: '2024/' is in the source, and within none of these" in counted.err
    assert not any(UNLISTED in line for line in counted.err)
