"""`report`: receipts from the command line, over a simulated account."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.history.files import FILE
from slurper_tui.monitor.history.opening import open_file
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import RetryLink
from slurper_tui.monitor.model.plans import Draft, Step
from slurper_tui.monitor.model.plans import Plan as Planned
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.cli.program import environment, perform
from tests.monitor.verifications import BAD, verified

FAILED = "importErrorRetryExhaustion"
URL = "https://api.cloudflare.com/client/v4"
BEGUN = 1_790_000_000.0


def plan(name: str, bucket: str = "photos", target: str = "media", **numbers: Any) -> Plan:
    """A job that ended long ago; keys, prefix, endpoint and any number can be given."""
    scope = {name: numbers.pop(name, None) for name in ("keys", "path_prefix", "endpoint")}
    source = Source("s3", bucket, **scope)
    usual = {"created": BEGUN, "objects": 20_000, "seconds": 600.0, "listing": 60.0}
    return Plan(
        **{"id": name, "source": source, "target": Target("r2", target), **usual, **numbers}
    )


def account(*plans: Plan) -> SimulatedAccount:
    return SimulatedAccount(plans=plans)


def link(folder: Path, one: SimulatedAccount, child: str, parent: str, keys: int) -> None:
    """Let an earlier run have noted that one job retries another."""
    store = open_file(folder / "state" / FILE, URL)[0]
    pair = (JobKey(one.account_id, child), JobKey(one.account_id, parent))
    store.notes.keep((), {}, [RetryLink(*pair, keys, (FAILED,))])
    store.close()


def test_the_receipt_of_a_migration_is_interim_before_its_plan_is_over(tmp_path: Path) -> None:
    one = account(plan("job-1", path_prefix="1/", endpoint="https://s3.amazonaws.com"))
    store = open_file(tmp_path / "state" / FILE, URL)[0]
    steps = (Step(1, Draft("s3", "photos", "media", path_prefix="2/")),)
    kept = store.notes.plans.keep(Planned(0, one.account_id, 0.0, steps))
    store.close()
    ran = perform(one, "report", "--migration", "photos", folder=tmp_path)
    assert ran.code == 0
    assert ran.out[2] == "**Not ended: 20,000 of 20,000+ done, 1 job not started yet**"
    assert "photos: the receipt is interim" in ran.err[-1]
    ended = perform(one, "report", "job-1", folder=tmp_path)
    assert ended.out[0] == "# Migration of `photos` to `media`"
    assert perform(one, "create", "--cancel", str(kept.id), folder=tmp_path).code == 0
    assert perform(one, "report", "--migration", "photos", folder=tmp_path).code == 0


def test_the_receipt_of_a_clean_job_is_markdown_and_exit_0() -> None:
    ran = perform(account(plan("job-1")), "report", "job")
    assert (ran.code, ran.err) == (0, ["slurper-tui: reading the log of job job-1"])
    assert ran.out[0] == "# Migration of `photos` to `media`"
    assert ran.out[2] == "**Completed · 0 failed · 0 not copied · 0 unaccounted: all copied**"
    assert "- Started: 2026-09-21T14:13:20Z" in ran.out
    assert "- Ended: 2026-09-21T14:23:20Z" in ran.out
    assert "- Duration: 10 min" in ran.out
    assert "20,000 + 0 + 0 + 0 = 20,000: transferred + skipped + failed + unaccounted is" in (
        "\n".join(ran.out)
    )
    assert ran.out[-1].startswith("Made by slurper-tui ")


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ({"failed": 3}, 4),
        ({"lost": 3}, 4),
        ({"listing_broke": True}, 4),
        ({"not_copied": 3}, 4),
        ({"harmless": 3}, 0),
    ],
)
def test_lost_objects_are_exit_4(numbers: dict[str, Any], code: int) -> None:
    assert perform(account(plan("job-1", **numbers)), "report", "job-1").code == code


def test_an_aborted_job_ends_with_5_and_a_running_one_has_an_interim_receipt() -> None:
    begun = time.time() - 60
    one = account(plan("job-1", created=begun, seconds=9000.0))
    ran = perform(one, "report", "job-1")
    assert ran.code == 0
    assert ran.out[0] == "# Interim receipt: the migration of `photos` to `media` has not ended"
    assert ran.out[2].startswith("**Not ended: ")
    said = "job-1: the receipt is interim: not every job has ended"
    assert f"slurper-tui: {said}" in ran.err
    fields = json.loads("\n".join(perform(one, "report", "job-1", "--json").out))
    assert (fields["interim"], fields["verdict"]["allCopied"]) == (True, False)
    assert perform(one, "abort", "job-1", "--yes").code == 0
    ran = perform(one, "report", "job-1")
    assert ran.code == 5
    assert any("not done" in line for line in ran.out)


def test_a_retry_that_copied_everything_makes_it_all_copied(tmp_path: Path) -> None:
    keys = tuple(f"k{n}" for n in range(1310))
    one = account(
        plan("first", failed=1310),
        plan("again", keys=keys, objects=1310, created=BEGUN + 9000, seconds=60.0),
    )
    assert perform(one, "report", "first", folder=tmp_path).code == 4
    link(tmp_path, one, "again", "first", 1310)
    ran = perform(one, "report", "first", folder=tmp_path)
    assert ran.code == 0
    assert ran.out[2] == "**1,310 failed, of which 1,310 were copied by a retry: all copied**"
    assert (
        "- `again` retries `first` for 1,310 keys: completed, 1,310 transferred, 0 skipped, "
        in ("\n".join(ran.out))
    )


def test_the_same_receipt_twice(tmp_path: Path) -> None:
    one = account(plan("job-1", failed=70, not_copied=8))
    first = perform(one, "report", "job-1", folder=tmp_path)
    again = perform(one, "report", "job-1", folder=tmp_path)
    assert again.out == first.out
    assert again.err == []
    told = [
        json.loads(perform(one, "report", "job-1", "--json", folder=tmp_path).out[0])
        for _ in range(2)
    ]
    assert told[0] == told[1]


def test_as_json_it_is_one_object() -> None:
    ran = perform(account(plan("job-1", failed=70)), "report", "job-1", "--json")
    [line] = ran.out
    told = json.loads(line)
    assert (ran.code, told["failedObjects"], told["unaccounted"]) == (4, 70, 0)
    assert told["reasons"] == [
        {
            "logType": FAILED,
            "reason": "failed after several tries",
            "count": 70,
            "firstSeen": told["reasons"][0]["firstSeen"],
            "lastSeen": told["reasons"][0]["lastSeen"],
        }
    ]
    assert told["jobs"][0]["source"]["bucket"] == "photos"


# Migrations ------------------------------------------------------------------------------------


def test_all_jobs_of_a_migration_have_one_receipt() -> None:
    one = account(
        plan("a", path_prefix="2023/", failed=5),
        plan("b", path_prefix="2024/"),
        plan("c", bucket="other"),
    )
    for name in ("photos", "photos:media"):
        ran = perform(one, "report", "--migration", name)
        assert ran.code == 4
        assert "- Jobs: 2 jobs" in ran.out
        read = [line for line in ran.err if "reading the log of" in line]
        assert read == [
            "slurper-tui: reading the log of 2023/",
            "slurper-tui: reading the log of 2024/",
        ]
        assert "- `a`: all keys that begin with `2023/`" in ran.out
        assert any(line.startswith("| Total") and "40,000" in line for line in ran.out)


def test_the_receipt_of_a_migration_with_a_running_job_is_interim() -> None:
    one = account(plan("a"), plan("b", created=time.time() - 60, seconds=9000.0))
    ran = perform(one, "report", "--migration", "photos")
    assert ran.code == 0
    assert ran.out[0].startswith("# Interim receipt: ")
    assert any("photos: the receipt is interim" in line for line in ran.err)
    ran = perform(one, "report", "a", "b")
    assert ran.code == 0
    assert [line.partition(" ")[2][:7] for line in ran.out if line.startswith("# ")] == [
        "Migrati",
        "Interim",
    ]


def test_a_migration_of_one_job_is_one_too() -> None:
    assert perform(account(plan("a")), "report", "--migration", "photos").code == 0


@pytest.mark.parametrize(
    ("plans", "name", "said"),
    [
        ((plan("a"),), "nothing", "no job copies from 'nothing'"),
        (
            (plan("a"), plan("b", target="archive")),
            "photos",
            "'photos' goes to several targets:",
        ),
        (
            (plan("a"), plan("b", endpoint="https://eu.example.com")),
            "photos",
            "'photos' is the source of several migrations; name their jobs instead:",
        ),
    ],
)
def test_a_migration_that_is_not_clear_is_not_guessed(
    plans: tuple[Plan, ...], name: str, said: str
) -> None:
    ran = perform(account(*plans), "report", "--migration", name)
    assert (ran.code, ran.out) == (2, [])
    assert any(line.startswith(f"slurper-tui: {said}") for line in ran.err)


def test_something_is_to_be_named() -> None:
    ran = perform(account(plan("job-1")), "report")
    said = "report needs a JOB or --migration SOURCE (see slurper-tui report --help)"
    assert (ran.code, ran.err) == (2, [f"slurper-tui: {said}"])


def test_each_name_has_its_receipt_and_the_worst_end_is_told() -> None:
    one = account(plan("a"), plan("b", bucket="logs", target="archive", failed=3))
    ran = perform(one, "report", "a", "--migration", "logs")
    assert ran.code == 4
    heads = [line for line in ran.out if line.startswith("# ")]
    assert heads == ["# Migration of `photos` to `media`", "# Migration of `logs` to `archive`"]
    told = json.loads(perform(one, "report", "a", "b", "--json").out[0])
    assert [[job["id"] for job in receipt["jobs"]] for receipt in told] == [["a"], ["b"]]


# Faults ----------------------------------------------------------------------------------------


def test_an_unknown_job_is_reported() -> None:
    ran = perform(account(plan("job-1")), "report", "x")
    assert (ran.code, ran.err) == (
        2,
        ["slurper-tui: no job's id and no job's BUCKET/PREFIX begins with 'x'"],
    )


def test_a_log_that_is_refused_leaves_no_receipt() -> None:
    one = account(plan("job-1"))
    one.faults.add(Fault(Kind.REFUSAL, status=403, code=10000, message="No", path="*/logs"))
    ran = perform(one, "report", "job-1")
    assert (ran.code, ran.out) == (3, [])
    assert ran.err[-1].startswith("slurper-tui: no receipt: ")
    assert "10000: No" in ran.err[-1]


def test_in_letters_alone_it_is_ascii_and_names_do_no_harm() -> None:
    nasty = plan("job-1", bucket="a`|\x1b[31m\nb", failed=2)
    ran = perform(account(nasty), "report", "job-1", "--ascii")
    assert all(line.isascii() and line.isprintable() for line in ran.out)
    assert ran.out[0] == "# Migration of ``a`|?[31m?b`` to `media`"
    exact = json.loads(perform(account(nasty), "report", "job-1", "--json").out[0])
    assert exact["source"]["bucket"] == "a`|\x1b[31m\nb"


def test_it_sends_nothing_but_get() -> None:
    one, sent = account(plan("job-1", failed=3)), list[str]()
    answer = one.answer

    def seen(request: Any) -> Any:
        sent.append(request.method)
        return answer(request)

    import httpx

    perform(one, "report", "job-1", transport=httpx.MockTransport(seen), environ=environment(one))
    assert set(sent) == {"GET"}


def test_the_demo_has_receipts_too() -> None:
    ended = json.loads(perform(None, "jobs", "--json", "--demo", "--status", "completed").out[0])
    ran = perform(None, "report", ended[0]["id"], "--demo")
    assert ran.code in {0, 4}
    assert ran.out[-1].startswith("Made by slurper-tui ")


def verify(folder: Path, one: SimulatedAccount, *jobs: str, **fields: Any) -> None:
    """Let an earlier run have verified some jobs after their end."""
    store = open_file(folder / "state" / FILE, URL)[0]
    at = {"started_at": BEGUN + 3600, "ended_at": BEGUN + 3700, "account_id": one.account_id}
    store.notes.keep((), {}, (), [verified(*jobs, **{**at, **fields})])
    store.close()


def test_what_an_earlier_run_verified_is_told_by_every_command(tmp_path: Path) -> None:
    one = account(
        plan("job-1", path_prefix="1/", failed=10),
        plan("job-2", path_prefix="2/"),
        plan("job-3", "logs"),
    )
    verify(tmp_path, one, "job-1", "job-2")
    verify(tmp_path, one, "job-3", counts=BAD)
    for words, ids in (
        (("--status", "verified"), ["job-1", "job-2"]),
        (("--status", "completed"), ["job-1", "job-2", "job-3"]),
    ):
        ran = perform(one, "jobs", *words, folder=tmp_path)
        assert sorted(line.split()[0] for line in ran.out) == ids
        assert sum(" verified " in line for line in ran.out) == 2
    told = perform(one, "jobs", "--json", "--migrations", folder=tmp_path)
    sums = {each["source"]["bucket"]: each for each in json.loads(told.out[0])}
    assert sums["photos"]["verified"] == {
        "at": "2026-09-21T15:15:00Z",
        "same": 1000,
        "missing": 0,
        "differs": 0,
        "proven": True,
    }
    assert sums["logs"]["verified"]["missing"] == 37
    assert (sums["photos"]["status"], sums["logs"]["verified"]["proven"]) == ("completed", False)

    ran = perform(one, "report", "--migration", "photos", folder=tmp_path)
    assert (ran.code, ran.out[2]) == (0, "**Verified: all 1,000 objects are in the target**")
    assert "## Verified" in ran.out
    ran = perform(one, "report", "job-3", folder=tmp_path)
    assert ran.code == 4
    assert ran.out[2].startswith("**Not verified: 37 missing · 5 of another size")
    digest = "\n".join(perform(one, "digest", "--since", "2026-09-21", folder=tmp_path).out)
    assert "with 1 other job at 2026-09-21 15:15: verified: all 1,000 objects" in digest
    assert "copy what is missing or differs" in digest


def test_a_job_that_began_after_the_verification_makes_it_no_proof(tmp_path: Path) -> None:
    one = account(
        plan("job-1", path_prefix="1/"), plan("job-2", path_prefix="2/", created=BEGUN + 9000)
    )
    verify(tmp_path, one, "job-1")
    ran = perform(one, "report", "--migration", "photos", folder=tmp_path)
    assert "**1 job was not part of it: verify again.**" in ran.out
    assert "## Not verified" in ran.out
    words = ("report", "--migration", "photos", "--json")
    told = json.loads("".join(perform(one, *words, folder=tmp_path).out))
    assert told["verified"]["proven"] is False
