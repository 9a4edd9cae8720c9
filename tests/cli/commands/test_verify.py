"""The `verify` command over a simulated account, whose buckets hold what its jobs copied."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from slurper_tui import new_file
from slurper_tui.api.models import Source, Target
from slurper_tui.cli.commands import verify as verify_command
from slurper_tui.cli.output import Output, OutputClosed
from slurper_tui.monitor.history.workfile import WorkFile
from slurper_tui.monitor.model.verification import CannotVerify, VerifyOptions
from slurper_tui.monitor.reports.verifications import Verifications
from slurper_tui.monitor.verify import buckets, manifest, verifier
from slurper_tui.monitor.verify.diff import read_diff
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan, incident_key
from slurper_tui.simulated.objects import Contents
from tests.api.odd import envelope
from tests.cli.making import Person
from tests.cli.program import Ran
from tests.patience import PATIENCE

PLAN = Plan(
    id="a1" * 32,
    created=time.time() - 9_000,
    objects=400,
    seconds=60.0,
    source=Source("s3", "photos", "2024/", "https://s3.example.com"),
    target=Target("r2", "media", "eu"),
    overwrite=False,
    failed=3,
    not_copied=2,
    lost=4,
    resized=3,
    emptied=2,
    changed=5,
)
CLEAN: dict[str, Any] = dict.fromkeys(
    ("failed", "not_copied", "lost", "resized", "emptied", "changed"), 0
)


def plan(**more: Any) -> Plan:
    return Plan(**{**{name: getattr(PLAN, name) for name in PLAN.__slots__}, **more})


def person(**more: Any) -> Person:
    return Person(SimulatedAccount(plans=[plan(**more)]))


def special(kind: str) -> list[str]:
    return sorted(key for key, its in Contents(PLAN).special.items() if its == kind)


INCIDENTS = sorted(incident_key(PLAN, number) for number in range(5))
DIFFERENT = {
    "missing": special("lost"),
    "size": special("resized"),
    "empty": special("emptied"),
    "changed": special("changed"),
    "expected": INCIDENTS,
}
"""The keys of PLAN that are not the same, by outcome."""


def listed(ran: Ran) -> dict[str, list[str]]:
    """The keys of a list of differences on stdout, by outcome."""
    found: dict[str, list[str]] = {}
    for line in ran.out:
        outcome, _, key = line.partition("\t")
        found.setdefault(outcome, []).append(key)
    return found


# The result --------------------------------------------------------------------------------------


def test_every_difference_is_counted_by_class_and_the_exit_code_is_4() -> None:
    someone = person()
    ran = someone.run("verify", "a1", "--yes")
    assert ran.code == 4
    assert ran.out[0].startswith("not verified: 4 missing")
    found = (re.fullmatch(r" *(\d+)  (\D+)", line) for line in ran.out)
    rows = {match[2]: int(match[1]) for match in found if match}
    assert rows == {
        "same": 400 - 4 - 3 - 2 - 5 - 5,
        "missing in the target": 4,
        "size differs": 3,
        "empty in the target only": 2,
        "changed in the source since the job began": 5,
        "missing, as the log says": 5,
    }
    assert any(line.startswith("the MD5 was compared for ") for line in ran.out)
    assert any(line.startswith("not compared: the bytes of the content") for line in ran.out)
    assert any(line.startswith("2024/01/  ") for line in ran.out)
    assert set(someone.methods) == {"GET"}


def test_a_target_that_holds_everything_is_verified_with_0() -> None:
    someone = person(**CLEAN)
    ran = someone.run("verify", "a1", "--yes")
    assert (ran.code, ran.out[0]) == (0, "verified: all 400 objects are in the target")
    assert not any("retry" in line for line in ran.err)
    [job] = json.loads(someone.run("jobs", "--json").out[0])
    told = job["verified"]
    assert (told["same"], told["missing"], told["differs"], told["proven"]) == (400, 0, 0, True)
    assert " verified " in someone.run("jobs").out[0]
    report = someone.run("report", "a1")
    assert report.code == 0
    assert "**Verified: all 400 objects are in the target**" in report.out


def test_what_a_log_explains_is_missing_all_the_same() -> None:
    ran = person(**CLEAN | {"failed": 3}).run("verify", "a1", "--yes")
    assert (ran.code, ran.out[0]) == (
        4,
        "not verified: 3 missing as the log says, of 400 objects",
    )


def test_json_has_every_count_and_no_key() -> None:
    ran = person().run("verify", "a1", "--yes", "--json", "--headers", "40", "--seed", "7")
    assert ran.code == 4
    record = json.loads(ran.out[0])
    assert record["outcomes"] == {
        **dict.fromkeys(("etag", "extra", "unjudged"), 0),
        **{outcome: len(keys) for outcome, keys in DIFFERENT.items()},
        "same": 381,
    }
    assert (record["verified"], record["problem"], record["objects"]) == (False, None, 400)
    assert (record["headers"]["seed"], record["headers"]["compared"]) == (7, 40)
    assert record["jobs"] == [PLAN.id]
    assert sum(each["objects"] for each in record["byPrefix"]) == 400
    for keys in DIFFERENT.values():
        assert not any(key in ran.out[0] for key in keys)


def test_the_result_is_kept_and_shown_by_other_commands() -> None:
    someone = person()
    assert someone.run("verify", "a1", "--yes").code == 4
    report = someone.run("report", "a1")
    assert report.code == 4
    told = "4 missing · 3 of another size · 2 empty in the target · 5 changed in the source since"
    assert any(line.startswith(f"**Not verified: {told}") for line in report.out)
    [job] = json.loads(someone.run("jobs", "--json").out[0])
    numbers = (job["verified"][name] for name in ("same", "missing", "differs", "proven"))
    assert [*numbers] == [381, 4 + 5, 3 + 2 + 5, False]
    assert any(told in line for line in someone.run("digest", "--since", "1h").out)
    kept = b"".join(file.read_bytes() for file in someone.folder.rglob("history.sqlite3*"))
    assert b'"missing":4' in kept
    assert not any(key.encode() in kept for keys in DIFFERENT.values() for key in keys)


def test_headers_that_differ_are_named_and_are_exit_4() -> None:
    source = Source("s3", "backups", "w/", "https://s3.example.com")
    someone = person(**CLEAN, source=source)
    ran = someone.run("verify", "a1", "--yes", "--headers", "400", "--diff", "-")
    assert ran.code == 4
    keys = [line.removeprefix("headers\t") for line in ran.out]
    assert len(keys) == len(ran.out) > 0
    said = "\n".join(ran.err)
    assert "headers of 400 objects in a random sample" in said
    assert f"  {keys[0]}  Content-Type 'application/zstd', " in said
    assert someone.run("verify", "a1", "--yes", "--prefix", "w/01/").code == 0


def test_a_prefix_limits_it_and_is_no_proof_of_everything() -> None:
    someone = person(**CLEAN)
    ran = someone.run("verify", "a1", "--yes", "--prefix", "2024/01/", "--prefix", "2024/03/1")
    assert ran.code == 0
    assert ran.out[0].startswith("nothing is missing and nothing differs below 2024/01/ and 1 more")
    ran = someone.run("verify", "a1", "--yes", "--prefix", "2023/")
    assert (ran.code, ran.out) == (2, [])
    assert ran.err[-1].endswith("--prefix: the jobs copy nothing with such a prefix")
    ran = someone.run("verify", "a1", "--yes", "--prefix", "2024/none/")
    assert (ran.code, ran.out[0].endswith(": no object was expected")) == (7, True)


def test_a_side_that_cannot_be_listed_to_its_end_is_7() -> None:
    someone = person()
    someone.account.faults.add(Fault(operation="objects", status=403, code=10003, message="no"))
    ran = someone.run("verify", "a1", "--yes")
    assert (ran.code, ran.out) == (3, [])
    assert "10003: no" in ran.err[-1]
    someone = person(**CLEAN)
    fault = Fault(operation="objects", status=400, code=10001, message="no", after=2)
    someone.account.faults.add(fault)  # of the headers alone
    ran = someone.run("verify", "a1", "--yes", "--headers", "400", "--workers", "1")
    assert (ran.code, ran.out[0]) == (7, "verified: all 400 objects are in the target")
    assert any(line.startswith("no headers could be compared: ") for line in ran.out)


def test_jobs_of_one_migration_are_verified_together() -> None:
    other = plan(id="b2" * 32, source=Source("s3", "photos", "2023/", "https://s3.example.com"))
    alien = plan(id="c3" * 32, target=Target("r2", "archive"))
    someone = Person(SimulatedAccount(plans=[PLAN, other, alien]))
    ran = someone.run("verify", "--migration", "photos:media", "--yes", "--json")
    record = json.loads(ran.out[0])
    assert (ran.code, record["objects"], len(record["jobs"])) == (4, 800, 2)
    ran = someone.run("verify", "a1", "c3", "--yes")
    assert (ran.code, ran.err[-1]) == (
        2,
        "slurper-tui: verify takes jobs of one source and one target",
    )


# Cost and questions ------------------------------------------------------------------------------


def test_the_cost_is_told_before_the_first_listing() -> None:
    someone = person()
    someone.account.faults.add(Fault(operation="objects", status=403, code=10003, message="no"))
    ran = someone.run("verify", "a1", "--yes", "--headers", "10")
    assert "10003: no" in ran.err[-1]  # the first listing, after all that follows
    said = "\n".join(ran.err[:-1])
    for words in (
        "expected: S3 bucket photos",
        "target: R2 bucket media, through the API: about ",
        "Class A operations of R2; 10 more for headers, Class A",
        "R2's price: less than 0.01 USD",
        "logs: about 1 request to the API first",
        "time: about ",
        "It only lists",
    ):
        assert words in said


def test_without_a_terminal_or_yes_nothing_is_asked_for() -> None:
    someone = person()
    ran = someone.run("verify", "a1")
    assert (ran.code, someone.methods) == (2, [])
    assert ran.err[-1].endswith("not a terminal: add --yes to run without asking")


def test_progress_is_told_on_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_command, "PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr(buckets, "DEMO_PAUSE", 0.05)  # so that it takes longer than a progress
    ran = person(**CLEAN | {"objects": 8_000}).run("verify", "a1", "--yes", "--workers", "1")
    told = re.compile(
        r"slurper-tui: \d,000 of 8,000 keys \(\d+ %\), [\d,]+/s, about \d+ s left, "
        r"at 2024/\S+: no fault so far"
    )
    assert any(told.fullmatch(line) for line in ran.err), ran.err


def test_the_progress_of_a_live_job_says_what_counts_as_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (verify_command, verifier):
        monkeypatch.setattr(module, "PROGRESS_SECONDS", 0.0)
    ran = person(seconds=20_000.0).run("verify", "a1", "--yes")
    assert any(
        re.search(r"\d missing.*; what is not copied yet counts as missing$", line)
        for line in ran.err
    )


def test_a_pipe_as_manifest_is_waited_for_with_a_word(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(manifest, "_STOP_SECONDS", 0.01)
    os.mkfifo(pipe := tmp_path / "pipe")
    someone, told = person(), threading.Event()
    note = Output.note

    def heard(out: Output, text: str) -> None:
        note(out, text)
        if text == "the manifest: nothing to read yet, waiting for what writes to it":
            told.set()

    monkeypatch.setattr(Output, "note", heard)

    def write() -> None:
        assert told.wait(PATIENCE)
        pipe.write_text("2024/nothing\n")

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    ran = someone.run("verify", "a1", "--yes", "--manifest", str(pipe))
    writer.join(PATIENCE)
    assert ran.code == 4
    assert ran.out[0].startswith("not verified: 1 missing")


def test_an_interrupted_run_goes_on_and_says_so() -> None:
    someone = person(objects=2_500)
    fault = Fault(operation="objects", status=400, code=10001, message="stop", after=4)
    someone.account.faults.add(fault)
    first = someone.run("verify", "a1", "--yes", "--workers", "1")
    assert first.code == 7
    assert "10001: stop" in first.out[0]
    someone.account.faults.clear()
    ran = someone.run("verify", "a1", "--yes", "--workers", "1", "--diff", "-")
    assert any("goes on: an earlier run was interrupted" in line for line in ran.err)
    anew = someone.run("verify", "a1", "--yes", "--anew", "--diff", "-")
    assert not any("goes on" in line for line in anew.err)
    assert ran.out == anew.out
    assert len(ran.out) == 19


def test_a_work_file_that_cannot_be_used_is_named_in_one_line() -> None:
    someone = person()
    someone.run("verify", "a1", "--yes")
    [file] = someone.folder.rglob("verify-*.sqlite3")
    file.unlink()
    file.mkdir()
    ran = someone.run("verify", "a1", "--yes")
    words = f"slurper-tui: the work file {file} cannot be used: Is a directory"
    assert (ran.code, ran.out, ran.err[-1]) == (2, [], words)


def test_a_damaged_work_file_is_told_before_it_begins_anew() -> None:
    someone = person()
    whole = someone.run("verify", "a1", "--yes", "--diff", "-")
    [file] = someone.folder.rglob("verify-*.sqlite3")
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("UPDATE shards SET compared = 'many'")
    ran = someone.run("verify", "a1", "--yes", "--diff", "-")
    assert (ran.code, ran.out) == (4, whole.out)
    assert "begins anew: what an earlier run had compared was damaged" in "\n".join(ran.err)


@pytest.mark.parametrize(
    "damage", ["key = x'ff'", "key = 'text'", "size = 'large'", "modified = x'00'"]
)
def test_a_difference_that_was_damaged_meanwhile_is_told_in_one_line(
    damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(work: WorkFile, result: bytes) -> None:
        finish(work, result)
        with closing(sqlite3.connect(str(work.path))) as connection:
            connection.executescript(f"UPDATE OR IGNORE differences SET {damage}")

    finish = WorkFile.finish
    monkeypatch.setattr(WorkFile, "finish", spoil)
    ran = person().run("verify", "a1", "--yes", "--diff", "-")
    assert ran.code == 2
    assert ran.err[-1].startswith("slurper-tui: the work file cannot be used: its file is damaged")


@pytest.mark.parametrize("when", ["while it compares", "while the list is written"])
def test_a_work_file_that_fails_later_is_named_in_one_line(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(WorkFile, "checkpoint" if "compares" in when else "differences", full)
    someone = person()
    ran = someone.run("verify", "a1", "--yes", "--diff", str(someone.folder / "diff"))
    assert ran.code == 2
    assert ran.err[-1].startswith("slurper-tui: the work file cannot be used: ")
    assert not (someone.folder / "diff").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--headers", "0"], "--headers must be a whole number from 1 to 100,000, not '0'"),
        (["--workers", "x"], "--workers must be a whole number from 1 to 64, not 'x'"),
        (["--seed", "1"], "--seed needs --headers"),
        (["--headers", "5", "--manifest", "m"], "--headers needs the source"),
        (["--null"], "--null needs --diff"),
        (["--json", "--diff", "-"], "cannot both be written to standard output"),
        (["--diff", "."], ".: it exists already and is not overwritten"),
        (["--diff", ""], "--diff needs the name of a file"),
        (["--diff", "/no/folder/x"], "cannot write it: there is no folder /no/folder"),
        (["--diff", "/dev/fd/x/y"], "/dev/fd/x/y: cannot write it"),
    ],
)
def test_options_that_do_not_fit_are_exit_2_before_any_request(words: list[str], said: str) -> None:
    someone = person()
    ran = someone.run("verify", "a1", "--yes", *words)
    assert (ran.code, len(ran.err), someone.methods) == (2, 1, [])
    assert said in ran.err[0]


def test_every_option_reaches_the_verification(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[VerifyOptions]()

    async def prepare(self: Verifications, keys: object, options: VerifyOptions, *_: object) -> Any:
        seen.append(options)
        raise CannotVerify("seen")

    monkeypatch.setattr(Verifications, "prepare", prepare)
    words = "--headers 5 --seed 7 --workers 9 --region eu-west-1 --anew --prefix 2024/ --yes"
    ran = person().run("verify", "a1", *words.split())
    assert (ran.code, ran.err) == (2, ["slurper-tui: seen"])
    [options] = seen
    assert (options.headers, options.seed, options.workers) == (5, 7, 9)
    assert (options.region, options.anew, options.prefixes) == ("eu-west-1", True, ("2024/",))


# Lists of keys -----------------------------------------------------------------------------------


def test_the_list_has_exactly_the_keys_by_outcome_and_is_private() -> None:
    someone = person()
    file = someone.folder / "diff"
    ran = someone.run("verify", "a1", "--yes", "--diff", str(file))
    found: dict[str, list[str]] = {}
    for line in file.read_text().splitlines():
        outcome, _, key = line.partition("\t")
        found.setdefault(outcome, []).append(key)
    assert found == DIFFERENT
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"slurper-tui retry {PLAN.id} --keys-from {file}" in ran.err[-1]
    for place, said in (
        (file, "it exists already and is not overwritten"),
        (someone.folder / "no" / "diff", f"cannot write it: there is no folder {file.parent}/no"),
        (someone.folder / ("x" * 300), "cannot write it: File name too long"),
        ("/proc/diff", "cannot write it: No such file or directory"),
    ):
        again = someone.run("verify", "a1", "--yes", "--diff", str(place))
        assert (again.code, again.err) == (2, [f"slurper-tui: {place}: {said}"])


def test_a_list_that_cannot_be_written_costs_no_result_and_leaves_no_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    someone = person()
    file = someone.folder / "diff"

    def full(number: int) -> Any:
        os.close(number)
        return open("/dev/full", "wb", buffering=0)

    monkeypatch.setattr(new_file, "open", lambda number, mode: full(number), raising=False)
    ran = someone.run("verify", "a1", "--yes", "--diff", str(file))
    assert ran.code == 2
    assert ran.out[0].startswith("not verified: 4 missing")
    assert ran.err[-1].endswith(f"{file}: cannot write it: No space left on device")
    assert not any("copies them again" in line for line in ran.err)
    assert not file.exists()
    assert not [*someone.folder.glob("*.part")]


@pytest.mark.parametrize("words", [[], ["--json"], ["--diff", "-"]])
def test_a_reader_that_goes_away_does_not_change_the_exit_code(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(self: Output, text: str) -> None:
        raise OutputClosed

    monkeypatch.setattr(Output, "line", closed)
    monkeypatch.setattr(Output, "exact", closed)
    assert person().run("verify", "a1", "--yes", *words).code == 4


def test_a_key_that_would_be_read_as_other_keys_is_left_out_of_a_list_in_text() -> None:
    someone = person(**CLEAN)
    file = someone.folder / "manifest"
    odd = "2024/b\nmissing\t2024/c\n"
    file.write_text("\0".join(["2024/a", odd]))
    words = ("verify", "a1", "--yes", "--manifest", str(file), "--diff")
    ran = someone.run(*words, "-")
    assert [line for line in ran.out if line.startswith("missing")] == ["missing\t2024/a"]
    said = "1 key is left out, which would be read as other keys: use --null or --json"
    assert f"slurper-tui: {said}" in ran.err
    someone.run(*words, str(someone.folder / "exact"), "--null")
    found = read_diff((someone.folder / "exact").read_text())
    assert found is not None
    assert found.missing == ("2024/a", odd)


def test_the_list_can_be_nul_or_json_or_on_standard_output() -> None:
    someone = person()
    assert listed(someone.run("verify", "a1", "--yes", "--diff", "-")) == DIFFERENT
    [text] = someone.run("verify", "a1", "--yes", "--diff", "-", "--null").out
    assert text.split("\0")[0] == f"missing\t{DIFFERENT['missing'][0]}"
    file = someone.folder / "diff.json"
    someone.run("verify", "a1", "--yes", "--diff", str(file), "--json")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert {
        outcome: [r["key"] for r in records if r["outcome"] == outcome] for outcome in DIFFERENT
    }
    assert all(r["size"] and r["targetSize"] == 0 for r in records if r["outcome"] == "empty")
    assert all(r["logType"] for r in records if r["outcome"] == "expected")


def test_keys_that_are_not_utf_8_are_in_the_json_list_alone() -> None:
    someone = person(**CLEAN)
    for bucket, *rows in (("photos", {"key": "2024/\xff"}, {"key": "2024/a"}), ("media",)):
        info = {"is_truncated": False}
        text = json.dumps(envelope(rows, result_info=info), ensure_ascii=False)
        where = f"buckets/{bucket}/objects"
        fault = Fault(Kind.BODY, path=where, status=200, body=text.encode("latin-1"))
        someone.account.faults.add(fault)
    plain = someone.run("verify", "a1", "--yes", "--diff", "-")
    assert plain.out == ["missing\t2024/a"]
    said = "1 key contains bytes that are not UTF-8, and cannot be written exactly: left out"
    assert f"slurper-tui: {said}; --json has them" in plain.err
    file = someone.folder / "diff.json"
    someone.run("verify", "a1", "--yes", "--diff", str(file), "--json")
    assert "2024/\\udcff" in file.read_text()
    ran = someone.run("retry", "a1", "--keys-from", str(file), "--yes")
    assert f"slurper-tui: {file}: 1 key is left out: 1 not UTF-8" in ran.err
    assert [post["source"]["keys"] for post in someone.posts()] == [["2024/a"]]


def test_what_the_list_names_is_copied_again() -> None:
    someone = person()
    file = someone.folder / "diff"
    someone.run("verify", "a1", "--yes", "--diff", str(file))
    assert someone.run("retry", "a1", "--keys-from", str(file), "--yes").code == 0
    missing, differing = someone.posts()
    assert missing["source"]["keys"] == DIFFERENT["missing"]
    different = [*DIFFERENT["size"], *DIFFERENT["empty"], *DIFFERENT["changed"]]
    assert sorted(differing["source"]["keys"]) == sorted(different)
    assert (missing["overwrite"], differing["overwrite"]) == (False, True)


# Manifests ---------------------------------------------------------------------------------------


def keys_of_source() -> list[str]:
    contents = Contents(PLAN)
    return sorted([*(contents.key(n) for n in range(contents.regular)), *contents.incidents()])


def test_a_manifest_takes_the_place_of_the_source() -> None:
    someone = person()
    file = someone.file("list", "\n".join(["2023/other", *keys_of_source(), "2024/more"]))
    ran = someone.run("verify", "a1", "--yes", "--manifest", file, "--diff", "-", environ={})
    assert ran.code == 4
    found = listed(ran)
    assert found == {
        "missing": sorted([*DIFFERENT["missing"], "2024/more"]),
        "expected": INCIDENTS,
    }
    said = "\n".join(ran.err)
    assert f"expected: manifest {file}: no requests" in said
    assert "only the key was compared, without a size" in said


def test_a_manifest_on_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    (tmp_path / "list").write_text("\n".join(keys_of_source()))
    before, file = os.dup(0), os.open(tmp_path / "list", os.O_RDONLY)
    try:
        os.dup2(file, 0)
        ran = person().run("verify", "a1", "--yes", "--manifest", "-", environ={})
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(file)
    assert ran.code == 4
    assert "expected: manifest standard input" in ran.out
    ran = person().run("verify", "a1", "--manifest", "-")
    assert (ran.code, len(ran.err)) == (2, 1)
    assert "standard input is the manifest: add --yes" in ran.err[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it names no object"),
        ('{"key": 7}', "line 1: the key is not a text"),
        ("2023/a\n", "has no key that the jobs were to copy: none begins with 2024/"),
        ('"other","2024/a"\n', "lists the bucket other, the jobs copy photos"),
    ],
)
def test_a_manifest_with_a_mistake_is_one_line_and_exit_2(text: str, said: str) -> None:
    someone = person()
    file = someone.file("list", text)
    ran = someone.run("verify", "a1", "--yes", "--manifest", file)
    assert (ran.code, ran.out) == (2, [])
    assert file in ran.err[-1]
    assert said in ran.err[-1]


# Keys to the buckets -----------------------------------------------------------------------------


def test_missing_keys_to_the_source_are_exit_3_and_named() -> None:
    ran = person().run("verify", "a1", "--yes", environ={})
    assert ran.code == 3
    assert "SLURPER_SOURCE_ACCESS_KEY_ID, SLURPER_SOURCE_SECRET_ACCESS_KEY" in ran.err[-1]
    assert "TARGET" not in ran.err[-1]


def test_half_a_pair_of_keys_is_exit_3() -> None:
    keys = {
        "SLURPER_SOURCE_ACCESS_KEY_ID": "a",
        "SLURPER_SOURCE_SECRET_ACCESS_KEY": "b",
        "SLURPER_TARGET_ACCESS_KEY_ID": "c",
    }
    ran = person().run("verify", "a1", "--yes", environ=keys)
    assert (ran.code, ran.err[-1]) == (
        3,
        "slurper-tui: SLURPER_TARGET_SECRET_ACCESS_KEY is missing",
    )
