"""`failures`: by reason and prefix, as JSON, and the exact keys."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurper_tui.api.models import Source, Target
from slurper_tui.cli.main import run
from slurper_tui.monitor.model.logs import FAILED_TYPE
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import log_rows
from tests.cli.logs import account, plan, row, telling
from tests.cli.program import environment, make_process, perform
from tests.cli.test_processes import PROGRAM, environ
from tests.patience import PATIENCE
from tests.server import serve
from tests.terminal.pty_program import PROGRAM as PROGRAM_FILE
from tests.terminal.pty_program import PtyProgram
from tests.terminal.pty_program import environment as terminal_environment

BROKE = "migrationErrorFailedContinuation"
TIER = "importSkippedStorageClass"
NASTY = ["a\nb", "ü/ö", "x\x1b[31m", " spaces ", "[/foo]", "\u202ex", "日本"]


def failed_keys(one: SimulatedAccount, log_type: str = FAILED_TYPE) -> list[str]:
    rows = log_rows(one.jobs()[0], 9e9, 10**6, 0)
    return [row.object_key or "" for row in rows if row.log_type == log_type]


def record(one: SimulatedAccount, *more: str) -> dict[str, Any]:
    ran = perform(one, "failures", "job1", "--json", *more)
    assert (ran.code, ran.err) == (0, [])
    [line] = ran.out
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def raw(
    transport: httpx.MockTransport, *words: str, encoding: str = "utf-8", code: int = 0
) -> tuple[bytes, str]:
    """The very bytes on stdout, and what stderr says."""
    nobody = SimulatedAccount()
    with tempfile.TemporaryDirectory() as folder:
        process = make_process(
            environment(nobody), Path(folder), transport=transport, encoding=encoding
        )
        assert run(["failures", "job1", *words], process) == code
        assert isinstance(process.out, io.TextIOWrapper)
        assert isinstance(process.err, io.TextIOWrapper)
        written, said = process.out.buffer, process.err.buffer
        assert isinstance(written, io.BytesIO)
        assert isinstance(said, io.BytesIO)
        return written.getvalue(), said.getvalue().decode(encoding)


def test_the_log_is_held_against_the_counters() -> None:
    ran = perform(account(plan(failed=131, not_copied=40, harmless=500)), "failures", "job1")
    assert (ran.code, ran.err) == (0, [])
    assert ran.out[:3] == [
        "the log lists 131 of 131 failures",
        "skipped 540: 500 already there",
        "40 not copied (15 archive tier, 9 empty, 6 to be restored first, 10 others)",
    ]
    short = perform(
        SimulatedAccount(),
        *("failures", "job1"),
        transport=telling(row(FAILED_TYPE, "a"), row(FAILED_TYPE, "b"), failed=1310),
    )
    assert short.out[0] == "the log lists 2 of 1,310 failures"


@pytest.mark.parametrize("rows", [[], [row(FAILED_TYPE, "a"), row(TIER, "b")]])
def test_skips_are_not_harmless_where_the_log_does_not_name_every_failure(
    rows: list[dict[str, Any]],
) -> None:
    for failed in (0, 2) if not rows else (2,):
        ran = perform(
            SimulatedAccount(),
            *("failures", "job1"),
            transport=telling(*rows, failed=failed, skipped=7),
        )
        assert ran.out[1] == f"skipped 7: {7 - len(rows[1:])} for unknown reasons"


def test_reasons_and_then_prefixes() -> None:
    rows = [
        *(row(FAILED_TYPE, f"2024/01/{n}", message="503 Slow Down") for n in range(5)),
        *(row(FAILED_TYPE, f"2024/02/{n}", message="403") for n in range(3)),
        *(row(TIER, f"old/{n}", createdAt="?", message=None) for n in range(12)),
    ]
    ran = perform(
        SimulatedAccount(),
        *("failures", "job1", "--utc"),
        transport=telling(*rows, failed=8, skipped=12),
    )
    assert ran.out == [
        "the log lists 8 of 8 failures",
        "skipped 12: 0 already there",
        "12 not copied (12 archive tier)",
        "",
        " 8  failed after several tries (importErrorRetryExhaustion)",
        "      2026-03-19T15:46:20+00:00",
        ' 5    message "503 Slow Down"',
        ' 3    message "403"',
        " 5    2024/01/  such as 2024/01/0",
        " 3    2024/02/  such as 2024/02/0",
        "",
        "12  not copied: archive tier (importSkippedStorageClass)",
        "      ?",
        "12    old/  such as old/0",
        "",
        "to fetch them:",
        "  slurper-tui failures job1 --keys >FILE",
        "  rclone copy --files-from-raw FILE 'SRC:my photos' DST:media",
    ]


def test_an_id_that_begins_with_a_dash_can_be_pasted() -> None:
    ran = perform(account(plan("-Zk3", failed=3)), "failures", "--", "-Zk3")
    command = "slurper-tui failures --keys >FILE -- -Zk3"
    assert f"  {command}" in ran.out
    keys = perform(account(plan("-Zk3", failed=3)), *command.replace(">FILE ", "").split()[1:])
    assert (keys.code, len(keys.out)) == (0, 3)


def test_a_broken_listing_is_explained() -> None:
    ran = perform(account(plan(failed=3, listing_broke=True)), "failures", "job1")
    assert ran.out.count("source listing broke: the total is incomplete") == 1
    fine = perform(account(plan(failed=3)), "failures", "job1")
    assert "source listing broke: the total is incomplete" not in fine.out


def test_no_failure_prints_one_line() -> None:
    ran = perform(account(plan()), "failures", "job1")
    assert (ran.code, ran.out, ran.err) == (0, ["nothing failed"], [])


def test_the_groups_as_json() -> None:
    one = account(plan(failed=131, not_copied=40))
    told = record(one)
    assert list(told) == ["id", "failedObjects", "named", "reasons"]
    assert (told["id"], told["failedObjects"], told["named"]) == ("job1", 131, 131)
    names = ["logType", "copied", "count", "firstSeen", "lastSeen", "keys"]
    assert all(list(reason) == names for reason in told["reasons"])
    assert not any(reason["copied"] for reason in told["reasons"])
    assert told["reasons"][0]["logType"] == FAILED_TYPE
    assert told["reasons"][0]["keys"] == failed_keys(one)
    assert told["reasons"][0]["firstSeen"] < told["reasons"][0]["lastSeen"]
    assert sum(reason["count"] for reason in told["reasons"]) == 171
    assert all(reason["count"] == len(reason["keys"]) for reason in told["reasons"])


def test_types_narrow_every_form() -> None:
    one = account(plan(failed=31, not_copied=140))
    assert [r["logType"] for r in record(one, "--type", TIER)["reasons"]] == [TIER]
    ran = perform(one, "failures", "job1", "--type", TIER)
    assert not any(FAILED_TYPE in line for line in ran.out)
    assert any(f"--keys --type {TIER} >FILE" in line for line in ran.out)
    ran = perform(one, "failures", "job1", "--keys", "--type", TIER)
    assert ran.out == failed_keys(one, TIER)
    ran = perform(one, "failures", "job1", "--keys", "--type", TIER, "--type", FAILED_TYPE)
    assert Counter(ran.out) == Counter(failed_keys(one, TIER) + failed_keys(one))


def test_a_type_that_no_row_has_is_one_line_and_no_error() -> None:
    for words in ([], ["--keys"], ["--json"]):
        ran = perform(account(plan(failed=3)), "failures", "job1", "--type", "nonsense", *words)
        assert (ran.code, ran.err) == (0, ["slurper-tui: no row's type is nonsense"])


def test_exact_keys_of_failed_objects_one_a_line() -> None:
    one = account(plan(failed=131, not_copied=40))
    ran = perform(one, "failures", "job1", "--keys")
    assert (ran.code, ran.out) == (0, failed_keys(one))
    assert ran.err == [
        "slurper-tui: with these lines in FILE, "
        "rclone copy --files-from-raw FILE SRC:photos DST:media fetches them"
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_keys_are_exact_to_the_byte_whatever_the_locale(encoding: str) -> None:
    rows = [row(FAILED_TYPE, key) for key in NASTY]
    written, said = raw(telling(*rows), "--keys", "--null", encoding=encoding)
    assert written == b"".join(key.encode() + b"\0" for key in NASTY)
    assert said == ""
    written, said = raw(telling(*rows), "--keys", encoding=encoding)
    assert written == b"".join(key.encode() + b"\n" for key in NASTY)
    assert said.splitlines()[0] == (
        "slurper-tui: 1 key contains a newline, so one key a line is ambiguous: use --null"
    )


def test_half_a_surrogate_pair_is_no_crash() -> None:
    half = telling(row(FAILED_TYPE, "a\ud800b"), failed=1)
    assert raw(half, "--keys", "--null")[0] == b"a\xed\xa0\x80b\0"
    assert json.loads(raw(half, "--keys", "--json")[0]) == ["a\ud800b"]
    assert raw(half)[0].decode().isprintable() is False  # newlines alone
    assert raw(half, "--json")[0].isascii()


def test_keys_as_an_array_serve_as_the_keys_of_a_source() -> None:
    rows = [row(FAILED_TYPE, key) for key in NASTY]
    written, said = raw(telling(*rows), "--keys", "--json")
    assert json.loads(written) == NASTY
    assert (said, written.count(b"\n")) == ("", 1)
    assert raw(telling(failed=0), "--keys", "--json")[0] == b"[]\n"


def test_more_keys_than_one_job_takes_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slurper_tui.cli.commands.logs.MOST_KEYS", 100)
    ran = perform(account(plan(failed=131)), "failures", "job1", "--keys", "--json")
    assert ran.err == ["slurper-tui: 131 keys; one job takes at most 100"]
    assert len(json.loads(ran.out[0])) == 131


def test_a_key_counts_once_and_a_row_without_one_is_no_key() -> None:
    rows = [row(FAILED_TYPE, "a"), row(FAILED_TYPE, "a", message="again"), row(FAILED_TYPE)]
    assert raw(telling(*rows), "--keys", code=4)[0] == b"a\n"
    assert raw(telling(*rows))[0].startswith(b"the log lists 2 of 3 failures\n")


FORMS = [("--keys",), ("--keys", "--null"), ("--keys", "--json")]


@pytest.mark.parametrize("words", FORMS)
@pytest.mark.parametrize(
    ("rows", "failed", "more", "said"),
    [
        ([row(FAILED_TYPE, "a")], 1310, (), "the log lists 1 of 1,310 failures"),
        ([], 3, (), "the log lists 0 of 3 failures"),
        ([row(FAILED_TYPE, "a"), row(FAILED_TYPE)], 1, (), "1 of the rows has no key"),
        ([row(FAILED_TYPE, "a"), row(BROKE)], 1, (), "source listing broke"),
        ([row(TIER, "a")], 3, ("--type", TIER), "the log lists 0 of 3 failures"),
    ],
)
def test_incomplete_keys_are_exit_4(
    words: tuple[str, ...],
    rows: list[dict[str, Any]],
    failed: int,
    more: tuple[str, ...],
    said: str,
) -> None:
    written, told = raw(telling(*rows, failed=failed), *words, *more, code=4)
    assert said in told
    assert (b"a" in written) == bool(rows)
    assert raw(telling(row(FAILED_TYPE, "a"), failed=1), *words, code=0)[1].count("log") == 0


@pytest.mark.parametrize("words", FORMS)
def test_keys_that_are_not_utf8_are_named_and_left_out(words: tuple[str, ...]) -> None:
    rows = [row(FAILED_TYPE, f"KEY{n}") for n in range(25)]
    rows += [row(FAILED_TYPE, key) for key in ("plain", "caf\ufffd", "\ud800\udce9")]
    bytes_of = {f"KEY{n}".encode() + b'"': b'caf%c/a"' % (0xE0 + n) for n in range(25)}
    written, told = raw(telling(*rows, failed=28, bytes_of=bytes_of), *words, code=4)
    keys = json.loads(written) if "--json" in words else re.split("[\0\n]", written.decode())[:-1]
    assert keys == ["plain", "caf\ufffd", "\U000100e9"]
    assert "25 keys contain bytes that are not UTF-8" in told
    assert r"caf\xe0/a" in told
    assert "and 5 more" in told
    assert "the log lists" not in told


@settings(max_examples=30)
@given(key=st.binary(min_size=1, max_size=30), other=st.text(st.characters(codec=None)))
def test_no_key_is_changed_whatever_its_bytes(key: bytes, other: str) -> None:
    plain = bytes(b for b in key if b >= 0x20 and b not in b'"\\')
    rows = [row(FAILED_TYPE, "KEY0"), row(FAILED_TYPE, other)]
    transport = telling(*rows, failed=2, bytes_of={b"KEY0": plain})
    try:
        expected, code = {plain.decode(), other}, 0
    except UnicodeDecodeError:
        expected, code = {other}, 4
    if len(expected) < 2:
        code = 4
    assert set(json.loads(raw(transport, "--keys", "--json", code=code)[0])) == expected


def test_contradictory_options_are_exit_2_before_any_request() -> None:
    one = account(plan())
    one.faults.add(Fault(Kind.HTML))
    for words in (["--null"], ["--null", "--json"], ["--keys", "--null", "--json"]):
        ran = perform(one, "failures", "job1", *words)
        assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
        assert "--null" in ran.err[0]


def test_no_job_is_exit_2() -> None:
    ran = perform(account(plan()), "failures", "nobody")
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert perform(account(plan()), "failures").code == 2


def test_an_unreadable_log_prints_nothing() -> None:
    for status, code, exit in ((404, 10007, 7), (403, 9109, 3)):
        one = account(plan(failed=200))
        fault = Fault(Kind.REFUSAL, status=status, code=code, path="jobs/job1/logs", after=2)
        one.faults.add(fault)
        for words in ([], ["--keys"], ["--json"]):
            ran = perform(one, "failures", "job1", *words)
            assert (ran.code, ran.out, len(ran.err)) == (exit, [], 1)
            assert str(code) in ran.err[0]


def test_no_escape_reaches_a_pipe() -> None:
    nasty = "".join(NASTY)
    rows = [row(FAILED_TYPE, f"{nasty}/{nasty}", createdAt=nasty, message=nasty)]
    written, _ = raw(telling(*rows))
    assert all(line.isprintable() for line in written.decode().splitlines())


def test_the_keys_reach_a_file_of_a_real_program(tmp_path: Path) -> None:
    one = account(plan(failed=60))
    with serve(one) as server:
        done = subprocess.run(
            [*PROGRAM, "failures", "job1", "--keys", "--null"],
            env=environ(tmp_path, **{**server.environment(), "LANG": "C"}),
            capture_output=True,
            timeout=PATIENCE,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode().split("\0")[:-1] == failed_keys(one)
        assert {seen.method for seen in server.requests} == {"GET"}


def test_a_terminal_is_not_steered_by_keys(tmp_path: Path) -> None:
    source = Source("s3", "photos", keys=("plain", "x\x1b[31m\x1b]0;title\x07", "\u202ey"))
    one = account(plan(objects=3, failed=3, source=source))
    with serve(one) as server:
        env = terminal_environment(tmp_path, **server.environment())
        with PtyProgram([PROGRAM_FILE, "failures", "job1", "--keys"], env) as program:
            assert program.ended() == 0
            program.see("2 keys contain characters that no terminal shows")
            assert "plain" in program.text
            assert b"\x1b[31m" not in program.raw
            assert b"title\x07" not in program.raw
            assert "\u202e".encode() not in program.raw


# Several jobs ------------------------------------------------------------------------------------


def two_jobs() -> SimulatedAccount:
    """A migration of two prefixes, with 3 and 2 failed objects, and a job of other buckets."""
    other = {"source": Source("s3", "logs"), "target": Target("r2", "archive")}
    return account(
        plan("job1", failed=3),
        plan("job2", failed=2, not_copied=4, source=Source("s3", "photos", "2023/")),
        plan("job3", failed=1, **other),
    )


def test_the_failures_of_a_migration_are_told_by_reason_prefix_and_job() -> None:
    ran = perform(two_jobs(), "failures", "--migration", "photos")
    assert (ran.code, ran.err) == (0, [])
    assert ran.out[0] == "the log lists 5 of 5 failures"
    assert "  2024/: 3 of 3 failures" in ran.out
    assert any(line.startswith("  2023/: 2 of 2 failures; ") for line in ran.out)
    assert f"5  failed after several tries ({FAILED_TYPE})" in ran.out
    assert ran.out[-2:] == [
        "  slurper-tui failures --keys --migration photos >FILE",
        "  rclone copy --files-from-raw FILE SRC:photos DST:media",
    ]


def test_the_keys_of_a_migration_are_one_list() -> None:
    one = two_jobs()
    ran = perform(one, "failures", "--migration", "photos", "--keys")
    assert ran.code == 0
    each = [perform(one, "failures", job, "--keys").out for job in ("job1", "job2")]
    assert sorted(ran.out) == sorted([*each[0], *each[1]])
    assert len(ran.out) == 5
    mixed = perform(one, "failures", "job1", "job3", "--keys")
    said = "slurper-tui: --keys takes jobs of one source and one target"
    assert (mixed.code, mixed.out, mixed.err) == (2, [], [said])


def test_several_jobs_as_json_are_an_array() -> None:
    one = two_jobs()
    told = json.loads(perform(one, "failures", "job1", "job3", "--json").out[0])
    assert [(job["id"], job["failedObjects"], job["named"]) for job in told] == [
        ("job1", 3, 3),
        ("job3", 1, 1),
    ]
    alone = record(one)
    assert told[0] == alone


def test_a_log_that_cannot_be_read_is_named_and_the_others_are_told() -> None:
    one = two_jobs()
    one.faults.add(Fault(Kind.REFUSAL, status=403, code=10000, message="no", path="jobs/job2/logs"))
    ran = perform(one, "failures", "job1", "job2")
    assert ran.code == 7
    assert "  2024/: 3 of 3 failures" in ran.out
    assert any("the log of job job2 could not be read to its end" in line for line in ran.err)
    keys = perform(one, "failures", "job1", "job2", "--keys")
    assert (keys.code, len(keys.out)) == (4, 3)
    one.faults.add(Fault(Kind.REFUSAL, status=403, code=10000, message="no", path="jobs/job1/logs"))
    none = perform(one, "failures", "job1", "job2")
    assert (none.code, none.out) == (3, [])


LOSSY: dict[str, Any] = {"failed": 6, "not_copied": 4, "there": 3}


def checked(*words: str, **numbers: int) -> Any:
    return perform(
        account(plan(**{**LOSSY, **numbers})), "failures", "job1", "--check-target", *words
    )


def test_failed_keys_that_are_in_the_target_after_all_are_told_by_reason() -> None:
    ran = checked("--yes")
    assert ran.code == 0
    price = ran.err[0]
    assert price.startswith(
        "slurper-tui: looking up 10 keys: at most 10 requests to the API, about"
    )
    assert price.endswith("each is a Class A operation of R2")
    found = [re.search(r"(\d+) in the target after all: \S+ \SB, written ", t) for t in ran.out]
    absent = [re.search(r"^ +(\d+) not in the target$", line) for line in ran.out]
    assert sum(int(one[1]) for one in found if one) == 3
    assert sum(int(one[1]) for one in absent if one) == 7


def test_with_keys_only_those_that_are_not_there_are_printed() -> None:
    one = account(plan(**LOSSY))
    every = perform(one, "failures", "job1", "--keys").out
    ran = perform(one, "failures", "job1", "--keys", "--check-target", "--yes")
    there = [*set(every) - set(ran.out)]
    assert set(ran.out) < set(every)
    keys = "1 key is" if len(there) == 1 else f"{len(there)} keys are"
    assert f"slurper-tui: {keys} left out: in the target after all" in ran.err
    told = json.loads(checked("--yes", "--json").out[0])
    assert sorted(there) == sorted(
        each["key"]
        for reason in told["reasons"]
        for each in reason["inTarget"]
        if reason["logType"] == FAILED_TYPE
    )


def test_the_json_has_every_key_with_what_the_target_holds() -> None:
    told = json.loads(checked("--yes", "--json").out[0])
    for reason in told["reasons"]:
        there = [each["key"] for each in reason["inTarget"]]
        assert sorted([*there, *reason["notInTarget"]]) == sorted(reason["keys"])
        assert all(each["size"] and each["lastModified"] for each in reason["inTarget"])
        assert reason["olderInTarget"] == []
    without = record(account(plan(**LOSSY)))
    assert "inTarget" not in without["reasons"][0]


def test_a_target_that_cannot_be_listed_is_exit_7_in_one_line() -> None:
    one = account(plan(**LOSSY))
    one.faults.add(Fault(operation="objects", status=404, code=10006))
    ran = perform(one, "failures", "job1", "--check-target", "--yes")
    assert (ran.code, ran.out) == (7, [])
    assert ran.err[-1].startswith("slurper-tui: the target could not be listed: ")


def test_without_a_terminal_the_price_must_be_accepted_beforehand() -> None:
    one = account(plan(**LOSSY))
    one.faults.add(Fault(Kind.HTML))
    ran = perform(one, "failures", "job1", "--check-target")
    assert (ran.code, ran.out) == (2, [])
    assert ran.err == [
        "slurper-tui: --check-target: not a terminal: add --yes to run without asking"
    ]


def test_without_a_key_nothing_is_looked_up() -> None:
    ran = checked("--yes", failed=0, not_copied=0, there=0)
    assert ran.code == 0
    assert not any("looking up" in line for line in ran.err)
