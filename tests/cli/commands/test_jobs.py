from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from slurper_tui.api.models import DEFAULT_BASE_URL
from slurper_tui.cli.commands.jobs import COLUMNS
from slurper_tui.monitor.history.files import FILE
from slurper_tui.monitor.history.opening import open_file
from slurper_tui.monitor.model.job import State
from slurper_tui.monitor.model.plans import Draft, Plan, Step
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan as Course
from tests.cli.program import environment, perform

NOW = time.time()

FIELDS = [
    *("accountId", "id", "status", "createdAt", "finishedAt", "overwrite", "source", "target"),
    *("objects", "transferredObjects", "skippedObjects", "failedObjects"),
    *("countedObjects", "done", "percent", "perSecond"),
    *("etaSeconds", "etaLowSeconds", "etaHighSeconds", "etaAtLeast", "phase", "verdict"),
    "verified",
]


def records(account: SimulatedAccount, *more: str) -> list[dict[str, Any]]:
    ran = perform(account, "jobs", "--json", *more)
    assert (ran.code, ran.err) == (0, [])
    [line] = ran.out
    parsed: list[dict[str, Any]] = json.loads(line)
    return parsed


def serving(*jobs: dict[str, Any], progress: dict[str, Any] | None = None) -> httpx.MockTransport:
    """A transport for an account with just these jobs."""

    def answer(request: httpx.Request) -> httpx.Response:
        told = request.url.path.endswith("/progress")
        result = {**jobs[0], **(progress or {})} if told else list(jobs)
        return httpx.Response(200, json={"success": True, "errors": [], "result": result})

    return httpx.MockTransport(answer)


def test_a_status_without_jobs_is_reported() -> None:
    ran = perform(SimulatedAccount(jobs=2), "jobs", "--status", "aborted", "--status", "gone")
    assert (ran.code, ran.out) == (0, [])
    assert ran.err == ["slurper-tui: no job's status is aborted or gone"]


@pytest.mark.parametrize(
    ("word", "near"), [("nonsense", ""), ("runing", "; did you mean 'running'?"), ("", "")]
)
def test_an_unknown_status_is_exit_2_and_the_known_ones_are_named(word: str, near: str) -> None:
    ran = perform(SimulatedAccount(jobs=2), "jobs", "--status", "paused", "--status", word)
    assert (ran.code, ran.out) == (2, [])
    [line] = ran.err
    assert line.startswith(f"slurper-tui: --status: there is no status {word!r}{near}; ")
    assert line.endswith(f"the statuses are: failed, {', '.join(State)}")


class Counting:
    """A transport over an account that counts what is asked."""

    def __init__(self, account: SimulatedAccount) -> None:
        self.asked: list[str] = []
        self._account = account

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path.rpartition("/")[2])
        return self._account.answer(request)


@pytest.mark.parametrize(
    "word", ["running", "Paused", "completed", "completed!", "aborted", "stalled", "other"]
)
def test_a_status_asks_only_jobs_that_may_have_it_and_finds_the_same(word: str) -> None:
    account = SimulatedAccount(jobs=60, clock=lambda: NOW)
    statuses = [job.status(NOW) for job in account.jobs()]
    every = records(account)
    plain = word.casefold().rstrip("!")
    live = sum(status in ("running", "paused") for status in statuses)
    ended = sum(status == plain for status in statuses) if plain in ("completed", "aborted") else 0
    counting = Counting(account)
    words = ("jobs", "--json", "--no-history", "--status", word)
    ran = perform(account, *words, transport=counting.transport())
    assert ran.code == 0
    lossy = word == "completed!"
    wanted = {
        job["id"]
        for job in every
        if job["status"] == plain
        and not (lossy and not (job["verdict"]["failed"] or job["verdict"]["unaccounted"]))
    }
    assert {job["id"] for job in json.loads(ran.out[0])} == wanted
    assert counting.asked.count("progress") == live + ended


def test_ends_that_the_history_knows_are_not_asked_again(tmp_path: Path) -> None:
    account = SimulatedAccount(jobs=60, clock=lambda: NOW)
    statuses = [job.status(NOW) for job in account.jobs()]
    first = perform(account, "jobs", "--json", folder=tmp_path)
    counting = Counting(account)
    again = perform(account, "jobs", "--json", folder=tmp_path, transport=counting.transport())
    assert again.code == 0
    ends = [
        [job for job in json.loads(ran.out[0]) if job["finishedAt"] is not None]
        for ran in (first, again)
    ]
    assert ends[0] == ends[1]
    assert ends[0]
    assert counting.asked.count("progress") == 60 - statuses.count("completed") - statuses.count(
        "aborted"
    )


def test_jobs_as_json_have_the_documented_fields() -> None:
    jobs = records(SimulatedAccount(jobs=60))
    assert len(jobs) == 60
    assert all(list(job) == FIELDS for job in jobs)
    ended = next(job for job in jobs if job["status"] == "completed")
    assert sorted(ended["verdict"]) == ["failed", "notCopied", "text", "unaccounted"]
    assert ended["percent"] == 100
    assert ended["source"]["bucket"]


def test_no_jobs_are_an_empty_array() -> None:
    assert records(SimulatedAccount(jobs=0)) == []
    assert perform(SimulatedAccount(jobs=0), "jobs").out == []


USUAL = ["id", "status", "done/objects", "%", "failed", "/s", "eta", "migration"]


def test_a_pipe_gets_one_line_a_job_with_full_digits_and_whole_names() -> None:
    account = SimulatedAccount(jobs=12)
    lines = perform(account, "jobs").out
    jobs = records(account)
    assert [line.split()[0] for line in lines] == [job["id"][:8] for job in jobs]
    for job, line in zip(jobs, lines, strict=True):
        counts = f"{job['done']}/{job['objects']}"
        assert line.split()[2].rstrip("+") == counts
        source = "/".join(filter(None, (job["source"]["bucket"], job["source"].get("pathPrefix"))))
        assert line.endswith(f"  {source} → {job['target']['bucket']}")
    for id in (line.split()[0] for line in lines):
        assert perform(account, "progress", id).code == 0


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (200, USUAL),
        (100, USUAL),
        (99, [name for name in USUAL if name != "/s"]),
        (80, [name for name in USUAL if name != "/s"]),
        (71, ["id", "status", "done/objects", "%", "failed", "migration"]),
        (63, ["status", "done/objects", "%", "failed", "migration"]),
        (40, ["status", "%", "failed", "migration"]),
    ],
)
def test_a_terminal_gets_a_header_and_the_columns_that_its_width_has_room_for(
    columns: int, names: list[str]
) -> None:
    account = SimulatedAccount(clock=lambda: NOW)
    for more in ((), ("--migrations",)):
        head, *lines = perform(account, "jobs", *more, columns=columns).out
        first = "jobs" if more else "id"
        assert head.split() == [first if name == "id" else name for name in names]
        assert all(len(line) <= columns for line in (head, *lines))
        assert all(line.split()[-2] == "→" for line in lines)


COPIED = {"objects": 12345678, "transferredObjects": 12345678}
COPIED |= {"skippedObjects": 0, "failedObjects": 0}


@pytest.mark.parametrize(("columns", "counts"), [(120, "12345678/12345678"), (71, "12.3M/12.3M")])
def test_numbers_are_abbreviated_where_a_name_would_be_cut_for_them(
    columns: int, counts: str
) -> None:
    job = {
        "id": "f" * 64,
        "status": "running",
        "source": {"bucket": "a-bucket"},
        "target": {"bucket": "another-bucket"},
        **COPIED,
    }
    _, line = perform(SimulatedAccount(), "jobs", transport=serving(job), columns=columns).out
    assert counts in line.split()


def test_long_names_are_cut_to_the_terminal_unless_wide() -> None:
    bucket, prefix = "a-bucket-with-a-long-name", "and/a/prefix/that/is/long/too/"
    job = {
        "id": "f" * 64,
        "status": "running",
        "source": {"bucket": bucket, "pathPrefix": prefix},
        "target": {"bucket": "target"},
        **COPIED,
    }

    def line(*words: str, columns: int | None = 80) -> str:
        account, transport = SimulatedAccount(), serving(job)
        return perform(account, "jobs", *words, transport=transport, columns=columns).out[-1]

    assert len(line()) == 80
    assert "…" in line()
    assert line().endswith("→ target")
    assert "..." in line("--ascii")
    assert line("--ascii").isascii()
    for wide in (line("--wide"), line("--wide", columns=None)):
        assert wide.startswith("f" * 64)
        assert wide.endswith(f"{bucket}/{prefix} → target")
        assert " 12345678/12345678 " in wide


def test_an_account_without_jobs_is_reported_and_its_array_is_empty() -> None:
    ran = perform(SimulatedAccount(jobs=0), "jobs")
    assert (ran.code, ran.out) == (0, [])
    assert ran.err == ["slurper-tui: no Super Slurper jobs here yet"]


def test_columns_can_be_chosen() -> None:
    account = SimulatedAccount(jobs=3)
    jobs = records(account)
    names = ",".join(COLUMNS)
    head, *lines = perform(account, "jobs", "--columns", names, columns=40).out
    assert head.split() == [column.head for column in COLUMNS.values()]
    head, *lines = perform(account, "jobs", "--columns", "Source, failed", columns=40).out
    assert head.split() == ["source", "failed"]
    assert lines[0].split()[0].startswith(jobs[0]["source"]["bucket"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--columns", "id,faild"], "there is no column 'faild'; did you mean 'failed'?; the"),
        (["--columns", ""], "there is no column ''; the columns are: id, jobs, account, status,"),
        (["--columns", "id", "--json"], "--columns is for lines: --json has every field"),
    ],
)
def test_an_unknown_column_is_exit_2_with_the_nearest(words: list[str], said: str) -> None:
    ran = perform(SimulatedAccount(jobs=1), "jobs", *words)
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert said in ran.err[0]


def test_migrations_are_one_line_each() -> None:
    account = SimulatedAccount(clock=lambda: NOW)
    jobs = records(account)
    pairs = {(job["source"]["bucket"], job["target"]["bucket"]) for job in jobs}
    lines = perform(account, "jobs", "--migrations").out
    assert sorted(line.split()[-3:] for line in lines) == sorted(
        [source, "→", target] for source, target in pairs
    )
    assert sum(int(line.split()[0]) for line in lines) == len(jobs)


def test_migrations_as_json_have_the_sums_and_the_jobs() -> None:
    account = SimulatedAccount(clock=lambda: NOW)
    jobs = records(account)
    migrations = records(account, "--migrations")
    sums = [name for name in FIELDS if name != "id"]
    assert all(list(one) == [*sums, "jobs", "superseded", "unstarted"] for one in migrations)
    assert sorted(job["id"] for one in migrations for job in one["jobs"]) == sorted(
        job["id"] for job in jobs
    )
    one = next(one for one in migrations if one["source"]["bucket"] == "thumbs")
    counted = [job for job in one["jobs"] if job["id"] not in one["superseded"]]
    assert one["objects"] == sum(job["objects"] for job in counted)
    assert "pathPrefix" not in one["source"]
    running = records(account, "--migrations", "--status", "running")
    assert {one["status"] for one in running} == {"running"}


def test_a_migration_of_a_plan_counts_the_jobs_to_come(tmp_path: Path) -> None:
    account = SimulatedAccount(jobs=4, clock=lambda: NOW)
    perform(account, "jobs", folder=tmp_path)
    store = open_file(tmp_path / "state" / FILE, DEFAULT_BASE_URL)[0]
    drafts = [Draft("s3", "photos-prod", "media", path_prefix=f"{n}/") for n in range(2)]
    plan = Plan(0, account.account_id, 0.0, tuple(map(Step, (1, 2), drafts)))
    store.notes.plans.keep(plan)
    store.close()
    ran = perform(account, "jobs", "--migrations", folder=tmp_path)
    [line] = [line for line in ran.out if "photos-prod" in line]
    number = sum(job["source"]["bucket"] == "photos-prod" for job in records(account))
    assert line.split()[0] == f"{number}+2"
    told = json.loads(perform(account, "jobs", "--migrations", "--json", folder=tmp_path).out[0])
    assert [one["unstarted"] for one in told if one["source"]["bucket"] == "photos-prod"] == [2]


def test_status_is_the_word_of_the_api_or_ours() -> None:
    account = SimulatedAccount()
    every = records(account)
    completed = [job for job in every if job["status"] == "completed"]
    lossy = [job for job in completed if job["verdict"]["failed"] or job["verdict"]["unaccounted"]]
    assert records(account, "--status", "completed") == completed
    assert records(account, "--status", "completed!") == lossy
    assert records(account, "--status", "Completed !") == lossy
    both = records(account, "--status", "paused", "--status", "aborted")
    assert {job["status"] for job in both} == {"paused", "aborted"}
    assert perform(account, "jobs", "--json", "--status", "gone").out == ["[]"]
    failures = [job["id"] for job in every if job["failedObjects"]]
    assert [job["id"] for job in records(account, "--status", "failed")] == failures
    assert len(failures) > len(lossy)


def test_a_job_that_does_not_answer_has_nulls_and_exit_7() -> None:
    account = SimulatedAccount(jobs=3)
    ids = [job["id"] for job in records(account)]
    account.faults.add(Fault(Kind.HTML, path=f"jobs/{ids[0]}/progress"))
    ran = perform(account, "jobs", "--json")
    assert ran.code == 7
    jobs = {job["id"]: job for job in json.loads(ran.out[0])}
    assert jobs[ids[0]]["objects"] is None
    assert jobs[ids[0]]["status"] is not None
    assert jobs[ids[1]]["objects"] is not None
    assert len(ran.err) == 1
    assert "<" not in ran.err[0]


@pytest.mark.parametrize("kind", [Kind.HTML, Kind.RESET, Kind.TRUNCATED, Kind.GARBAGE])
def test_a_list_that_cannot_be_read_is_exit_7(kind: Kind) -> None:
    account = SimulatedAccount(jobs=3)
    account.faults.add(Fault(kind))
    for words in (["jobs"], ["jobs", "--json"], ["progress", "4f"], ["progress", "4f", "--json"]):
        ran = perform(account, *words)
        assert ran.code == 7
        assert ran.out == []
        assert ran.err
        assert "Traceback" not in "".join(ran.err)


def test_a_whole_id_needs_no_list() -> None:
    account = SimulatedAccount(jobs=60)
    account.faults.add(Fault(Kind.HTML, path="jobs"))
    job_id = account.jobs()[40].plan.id
    ran = perform(account, "progress", job_id, "--json")
    assert ran.code == 7
    assert json.loads(ran.out[0])["id"] == job_id
    assert json.loads(ran.out[0])["objects"] is not None
    assert len(ran.err) == 1
    unknown = perform(account, "progress", "0" * 64, "--json")
    assert (unknown.code, unknown.out) == (7, [])


def test_jobs_of_a_page_that_can_be_read_have_their_counts() -> None:
    account = SimulatedAccount(jobs=60)
    account.faults.add(Fault(Kind.HTML, path="jobs", after=1))
    ran = perform(account, "jobs", "--json")
    jobs = json.loads(ran.out[0])
    assert (ran.code, len(jobs), len(ran.err)) == (7, 50, 1)
    assert all(job["objects"] is not None for job in jobs)


def test_rejected_credentials_are_exit_3_in_the_words_of_the_api() -> None:
    account = SimulatedAccount(jobs=3)
    ran = perform(account, "jobs", environ=environment(account, CLOUDFLARE_API_TOKEN="wrong"))
    assert (ran.code, ran.out, len(ran.err)) == (3, [], 1)
    assert "10000: Authentication error" in ran.err[0]
    assert "wrong" not in ran.err[0]


def test_one_rejected_account_of_two_is_exit_7() -> None:
    account = SimulatedAccount(jobs=2)
    ran = perform(account, "jobs", "--account", account.account_id, "--account", "other")
    assert ran.code == 7
    assert len(ran.out) == 2
    assert len(ran.err) == 1
    assert "account other: " in ran.err[0]


def test_progress_takes_any_unambiguous_beginning() -> None:
    account = SimulatedAccount()
    wanted = records(account)[3]["id"]
    for beginning in (wanted, wanted[:10]):
        ran = perform(account, "progress", beginning, "--json")
        assert ran.code == 0
        record = json.loads(ran.out[0])
        assert (list(record), record["id"]) == (FIELDS, wanted)


def test_progress_in_words() -> None:
    account = SimulatedAccount(jobs=1)
    ran = perform(account, "progress", records(account)[0]["id"])
    names = [line.split()[0] for line in ran.out]
    assert names[:4] == ["id", "account", "status", "phase"]
    assert {"transferred", "skipped", "failed", "remaining", "eta", "finish"} <= set(names)


def test_no_job_and_several_are_exit_2() -> None:
    account = SimulatedAccount()
    none = perform(account, "progress", "zzz")
    assert (none.code, none.out) == (2, [])
    assert "'zzz'" in none.err[0]
    ids = [job["id"] for job in records(account)]
    letter = next(i[0] for i in ids if sum(j[0] == i[0] for j in ids) > 1)
    many = perform(account, "progress", letter)
    assert (many.code, many.out) == (2, [])
    fitting = [i for i in ids if i.startswith(letter)]
    assert many.err[0] == f"slurper-tui: {len(fitting)} jobs begin with {letter!r}:"
    assert sorted(line.split()[1] for line in many.err[1:]) == sorted(fitting)
    assert perform(account, "progress", "").code == 2


def test_a_whole_id_is_preferred_to_a_longer_one() -> None:
    jobs = [{"id": "ab", "status": "completed"}, {"id": "abc", "status": "completed"}]
    ran = perform(SimulatedAccount(), "progress", "ab", "--json", transport=serving(*jobs))
    assert json.loads(ran.out[0])["id"] == "ab"


def test_several_jobs_are_several_sheets_or_an_array() -> None:
    account = SimulatedAccount(jobs=4)
    ids = [job["id"] for job in records(account)][:2]
    sheets = perform(account, "progress", *ids).out
    assert [line.split()[1] for line in sheets if line.startswith("id ")] == ids
    assert sheets.count("") == 1
    told = json.loads(perform(account, "progress", *ids, "--json").out[0])
    assert [job["id"] for job in told] == ids
    one = json.loads(perform(account, "progress", "--migration", "logs-eu", "--json").out[0])
    assert [job["source"]["bucket"] for job in one] == ["logs-eu"]


NASTY = "a\x1b[31m\x9b2J\u202ebucket\nx"


@pytest.mark.parametrize("words", [["jobs"], ["progress", "id"], ["jobs", "--ascii"]])
def test_no_escape_reaches_a_pipe(words: list[str]) -> None:
    job = {
        "id": "id\x1b]0;x\x07",
        "status": "running\x1b[1m",
        "source": {"bucket": NASTY, "pathPrefix": NASTY},
        "target": {"bucket": NASTY},
    }
    ran = perform(SimulatedAccount(), *words, transport=serving(job))
    text = "".join(ran.out + ran.err)
    assert ran.out
    assert text.isprintable()
    assert "\u202e" not in text


def test_json_is_exact_and_plain_ascii() -> None:
    job = {"id": "1", "source": {"bucket": NASTY}, "target": {"bucket": "日本"}}
    ran = perform(SimulatedAccount(), "jobs", "--json", transport=serving(job))
    assert ran.out[0].isascii()
    assert ran.out[0].isprintable()
    assert json.loads(ran.out[0])[0]["source"]["bucket"] == NASTY


def test_letters_alone_where_the_locale_has_no_more() -> None:
    account = SimulatedAccount(jobs=8)
    ran = perform(account, "jobs", environ=environment(account, LANG="C"))
    assert all(line.isascii() for line in ran.out)
    assert all(" -> " in line for line in ran.out)
    other = perform(account, "jobs", encoding="latin-1")
    assert all(line.isascii() for line in other.out)


def test_waiting_for_the_api_is_reported(tmp_path: Path) -> None:
    account = SimulatedAccount(jobs=2)
    account.faults.add(Fault(Kind.REFUSAL, status=429, code=971, retry_after=1, times=1))
    ran = perform(account, "jobs")
    assert ran.code == 0
    assert len(ran.out) == 2
    assert "request budget" in ran.err[0]
    assert "next request at" in ran.err[0]


@pytest.mark.parametrize("command", ["jobs", "progress", "digest", "failures", "logs", "report"])
def test_a_lasting_rate_limit_ends_one_shot_commands(command: str) -> None:
    account = SimulatedAccount(jobs=2)
    account.faults.add(Fault(Kind.REFUSAL, status=429, code=971, message="slow", retry_after=1))
    job = [] if command in ("jobs", "digest") else [account.jobs()[0].plan.id]
    ran = perform(account, command, *job, "--timeout", "0.5")
    assert ran.code == 7
    assert ran.err[-1].startswith("slurper-tui: the API limits the rate of requests (")
    assert "971: slow" in ran.err[-1]
    assert ran.err[-1].endswith("more than --timeout 0.5 s")


@pytest.mark.parametrize("command", ["failures", "logs", "report"])
def test_a_lasting_rate_limit_ends_the_reading_of_a_log(command: str) -> None:
    account, now = SimulatedAccount(), time.time()
    ended = [course for course in account.jobs() if course.status(now) == "completed"]
    job = next(course.plan.id for course in ended if course.counters(now).failed)
    account.faults.add(Fault(Kind.REFUSAL, operation="logs", status=429, code=971))
    ran = perform(account, command, job)
    assert ran.code == 7
    assert "more than --timeout 60 s" in ran.err[-1]


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon", ""])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    ran = perform(SimulatedAccount(jobs=1), "jobs", "--timeout", text)
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert "--timeout must be a number of seconds above 0" in ran.err[0]


@pytest.mark.parametrize("words", [["jobs"], ["progress", "a"]])
def test_no_json_holds_a_number_that_json_lacks(words: list[str]) -> None:
    job = '{"id":"a","status":"completed","source":{"bucket":"b","z":NaN,"y":[1e999,-1e999]}}'

    def answer(request: httpx.Request) -> httpx.Response:
        result = job if request.url.path.endswith("/progress") else f"[{job}]"
        return httpx.Response(200, content=f'{{"success":true,"result":{result}}}')

    account = SimulatedAccount(jobs=0)
    ran = perform(account, *words, "--json", transport=httpx.MockTransport(answer))
    assert '"z": null, "y": [null, null]' in ran.out[0]
    for line in ran.out:
        json.loads(line, parse_constant=pytest.fail)


def test_a_proxy_error_does_not_blame_the_credentials() -> None:
    account = SimulatedAccount(jobs=1)
    account.faults.add(Fault(Kind.HTML, status=403))
    ran = perform(account, "jobs")
    assert (ran.code, ran.out) == (7, [])
    said = "a firewall or proxy before the API answered 403 with an HTML page"
    assert ran.err == [f"slurper-tui: the account: {said}"]


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (
            "failing",
            [r"failing      since \S+", r"failures     \S+ of \S+ objects failed in the .*"],
        ),
        ("stalled", [r"stalled      since \S+", r"if resumed   \S.* at \S+/s"]),
    ],
)
def test_progress_shows_the_time_in_a_state_and_what_follows(status: str, lines: list[str]) -> None:
    [found] = json.loads("".join(perform(None, "--demo", "jobs", "--status", status, "--json").out))
    shown = perform(None, "--demo", "progress", found["id"]).out
    for line in lines:
        assert any(re.fullmatch(line, one) for one in shown), shown
    assert found["status"] == "running"
    assert found["phase"] == ("stalled" if status == "stalled" else "settled")


def test_what_a_log_said_is_remembered_and_no_log_is_read(tmp_path: Path) -> None:
    ended: dict[str, Any] = {"created": time.time() - 9000, "objects": 1000, "seconds": 60.0}
    plans = [Course("lossy", **ended, not_copied=30), Course("unread", **ended, harmless=340)]
    account = SimulatedAccount(plans=plans)
    assert perform(account, "watch", "lossy", folder=tmp_path).code == 4
    counting = Counting(account)
    ran = perform(account, "jobs", folder=tmp_path, transport=counting.transport())
    assert {line.split()[0]: line.split()[1] for line in ran.out} == {
        "lossy": "completed!",
        "unread": "completed?",
    }
    assert "logs" not in counting.asked
    for status, job_id in (("completed !", "lossy"), ("completed?", "unread")):
        found = perform(account, "jobs", "--json", "--status", status, folder=tmp_path)
        assert [job["id"] for job in json.loads(found.out[0])] == [job_id]
    sheet = perform(account, "progress", "unread", folder=tmp_path).out
    assert any("340 skipped, reasons not read yet" in line for line in sheet)
