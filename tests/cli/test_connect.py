"""The history of a connection: recorded, damaged, and that of the demo."""

from __future__ import annotations

import argparse
import json
import sqlite3
from pathlib import Path

import pytest

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.models import Job
from slurper_tui.api.scrub import Scrubber
from slurper_tui.cli.connect import Connection, Login, fill_for_demo, history_of, make_connection
from slurper_tui.cli.errors import CliError
from slurper_tui.config import Config, Flags, load
from slurper_tui.monitor.history.files import FILE
from slurper_tui.monitor.history.opening import memory_store, open_file
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts, State
from slurper_tui.monitor.model.samples import HistoryView, Keeping, Recorded, StoredJob
from slurper_tui.monitor.model.selection import ALL_JOBS
from slurper_tui.monitor.session import snapshot_from_history
from slurper_tui.simulated.account import SimulatedAccount, together
from tests.cli.program import Ran, environment, perform
from tests.monitor.history.samples import ACCOUNT, key
from tests.monitor.history.test_damage import DAMAGE, damage, fill, tables
from tests.monitor.verifications import verified

URL, NOW = "https://api.example/v4", 1_790_000_000.0
LOGIN = Login(SlurperClient(token_credentials("t"), URL), ("acc0",), URL, "a token")
CONNECTION = Connection([LOGIN], LOGIN.accounts, URL)
OPTIONS = argparse.Namespace(no_history=False)


async def test_the_history_is_off_for_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    open_file(tmp_path / FILE, URL)[0].close()
    file = sqlite3.connect(tmp_path / FILE)
    file.execute("ALTER TABLE jobs DROP COLUMN closed")
    file.close()
    opened = history_of(CONNECTION, OPTIONS, tmp_path, NOW)
    assert (opened.jobs, opened.away_since) == ((), None)
    history = opened.stored().recorder
    assert history.view == HistoryView(Keeping.OFF, "no such column: closed")
    sample = Recorded(NOW, Counts(9, 1, 0, 0), "running")
    history.record([StoredJob("acc0", Job("job0"))], [(JobKey("acc0", "job0"), sample)])
    assert await history.samples(JobKey("acc0", "job0")) == (sample,)
    await opened.close()


async def test_recorded_jobs_are_remembered(tmp_path: Path) -> None:
    store, _ = open_file(tmp_path / FILE, URL)
    sample = Recorded(NOW - 3600.0, Counts(9, 1, 0, 0), "running")
    store.write([StoredJob("acc0", Job("job0"))], [(JobKey("acc0", "job0"), sample)])
    store.close()
    opened = history_of(CONNECTION, OPTIONS, tmp_path, NOW)
    assert ([job.last for job in opened.jobs], opened.away_since) == ([sample], sample.at)
    await opened.close()


async def test_the_first_picture_shows_what_was_verified(tmp_path: Path) -> None:
    store, _ = open_file(tmp_path / FILE, URL)
    jobs = [StoredJob("acc0", Job(f"job{n}", status="completed"), closed=True) for n in (1, 2)]
    sample = Recorded(NOW - 3600.0, Counts(1000, 1000, 0, 0), "completed")
    store.write(jobs, [(job.key, sample) for job in jobs])
    store.notes.keep((), {}, (), [verified("job1", account_id="acc0")])
    store.close()
    opened = history_of(CONNECTION, OPTIONS, tmp_path, NOW)
    first = snapshot_from_history(opened.jobs, ["acc0"], ALL_JOBS, 5.0, NOW)
    await opened.close()
    assert first is not None
    assert {view.key.job_id: view.state for view in first.jobs} == {
        "job1": State.VERIFIED,
        "job2": State.COMPLETED,
    }


COMMANDS = ("jobs", "history --json", "history", "history --csv", "digest", "create --go-on")


@pytest.mark.parametrize("name", DAMAGE)
def test_no_command_crashes_on_damaged_rows(tmp_path: Path, name: str) -> None:
    account = SimulatedAccount(account_id=ACCOUNT, jobs=1)
    columns = tables()
    store = memory_store(URL)
    for number, _ in enumerate(columns):
        fill(store, key(f"bad{number}"))
    connection = store._connection
    for number, (table, column) in enumerate(columns):
        damage(connection, table, column, key(f"bad{number}"), DAMAGE[name])
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE).write_bytes(connection.serialize())
    for command in COMMANDS:
        environ = environment(account, CLOUDFLARE_BASE_URL=URL)
        ran = perform(account, *command.split(), environ=environ, folder=tmp_path)
        assert ran.code != 70, (command, ran.err)
        assert not any("damaged" in line for line in ran.err)


def test_a_demo_at_a_clock_of_1970_records_no_time_before_it(tmp_path: Path) -> None:
    store = open_file(tmp_path / "history.sqlite3", "https://example.test")[0]
    fill_for_demo(store, SimulatedAccount(0, lambda: 60.0), 60.0)
    times = [row.at for _, row in store.every()]
    store.close()
    assert times
    assert min(times) > 0


@pytest.mark.parametrize("command", ["jobs", "digest", "doctor"])
def test_the_demo_has_no_other_account(command: str) -> None:
    id = SimulatedAccount().account_id
    environ = {"CLOUDFLARE_ACCOUNT_ID": "of-the-real-api"}
    other = perform(None, command, "--demo", "--account", f"{id},nobody", environ=environ)
    assert other.code == 2
    assert f"the demo has one account alone, {id}" in "\n".join(other.out + other.err)
    assert perform(None, command, "--demo", "--account", id, environ=environ).code == 0
    assert perform(None, command, "--demo", environ=environ).code == 0


async def test_the_secrets_of_a_demo_are_scrubbed_too() -> None:
    scrubber = Scrubber()
    demo = make_connection(Config(), {}, demo=True, scrubber=scrubber)
    demo.open()
    assert demo.demo is not None
    assert demo.demo.token not in scrubber.clean(f"Bearer {demo.demo.token}")
    await demo.close()


TWO = (
    '[accounts.prod]\nid = "0a"\ntoken_env = "PROD"\n'
    '[accounts.eu]\nid = "0b"\ntoken_env = "PROD"\n'
    '[accounts.far]\nid = "0c"\ntoken_env = "PROD"\nbase_url = "https://far.example/v4"\n'
    '[accounts.other]\nid = "0d"\ntoken_command = ["false"]\n'
)


def connected(folder: Path, text: str, *flags: str, **environ: str) -> Connection:
    (folder / "config.toml").write_text(text)
    config = load(Flags(accounts=flags), environ, folder / "config.toml")
    return make_connection(config, environ, demo=False)


def test_accounts_of_one_credential_and_address_share_a_client(tmp_path: Path) -> None:
    connection = connected(tmp_path, TWO, PROD="t0ken-0123456789")
    assert connection.accounts == ("0a", "0b", "0c", "0d")
    clients = connection.clients
    assert clients["0a"] is clients["0b"]
    assert len({*clients.values()}) == 3
    users = [clients[id].user for id in ("0a", "0c", "0d")]
    assert users[0] == users[1] != users[2], "another address has the same user's budget"
    assert [(login.accounts, login.words) for login in connection.logins] == [
        (("0a", "0b"), "token_env of prod, eu"),
        (("0c",), "token_env of far"),
        (("0d",), "token_command of other"),
    ]
    assert connection.names["0c"] == "far"


def test_the_environment_is_an_account_without_a_name(tmp_path: Path) -> None:
    environ = {
        "CLOUDFLARE_ACCOUNT_ID": "prod,0e",
        "PROD": "t0ken-0123456789",
        "CLOUDFLARE_API_TOKEN": "other-0123456789",
        "CLOUDFLARE_BASE_URL": "https://env.example/v4",
    }
    connection = connected(tmp_path, TWO, **environ)
    assert [(login.accounts, login.base_url) for login in connection.logins] == [
        (("0e",), "https://env.example/v4"),
        (("0a",), "https://env.example/v4"),
    ]
    assert connection.accounts == ("0a", "0e")
    assert connected(tmp_path, TWO, "far", **environ).logins[0].base_url.startswith("https://far")


@pytest.mark.parametrize(
    ("flags", "environ", "code", "said"),
    [
        ([], {}, 3, "config.toml:1:2: accounts.prod: the variable PROD is not set"),
        (["prdo"], {"PROD": "t"}, 2, "--account: no account has one of these names; did you mean"),
        (["0f0f0f0f"], {"PROD": "t"}, 3, "no credentials: set CLOUDFLARE_API_TOKEN"),
        (["prod"], {"PROD": "t t"}, 3, "token_env: PROD: the API token holds a space"),
    ],
)
def test_a_missing_credential_is_told_before_anything_else(
    tmp_path: Path, flags: list[str], environ: dict[str, str], code: int, said: str
) -> None:
    with pytest.raises(CliError) as caught:
        connected(tmp_path, TWO, *flags, **environ)
    assert (caught.value.code, said in caught.value.line) == (code, True)


def test_an_address_without_https_is_told_with_its_place(tmp_path: Path) -> None:
    text = TWO.replace("https://far", "http://far")
    with pytest.raises(CliError, match=r"config.toml:10:1: accounts.far: the base URL must be"):
        connected(tmp_path, text, PROD="t0ken-0123456789")


def test_every_secret_is_known_to_the_scrubber_before_the_first_request(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(TWO)
    config = load(Flags(), {}, tmp_path / "config.toml")
    scrubber = Scrubber()
    make_connection(config, {"PROD": "t0ken-0123456789"}, demo=False, scrubber=scrubber)
    assert "t0ken" not in scrubber.clean("Bearer t0ken-0123456789")


def test_each_address_has_its_own_jobs_in_one_history(tmp_path: Path) -> None:
    file, far = tmp_path / FILE, "https://far.example/v4"
    sample = Recorded(NOW, Counts(9, 1, 0, 0), "running")

    def record(urls: str | dict[str, str], *jobs: tuple[str, str]) -> None:
        store = open_file(file, urls)[0]
        keys = [JobKey(*job) for job in jobs]
        store.write(
            [StoredJob(key.account_id, Job(key.job_id)) for key in keys],
            [(key, sample) for key in keys],
        )
        store.close()

    def recorded(urls: str | dict[str, str], *accounts: str) -> set[tuple[str, str]]:
        store = open_file(file, urls)[0]
        try:
            keys = {(key.account_id, key.job_id) for key in store.keys(accounts)}
            assert keys == {(job.account_id, job.job.id) for job in store.jobs(accounts)}
            assert keys == {(key.account_id, key.job_id) for key, _ in store.every(accounts)}
            return keys
        finally:
            store.close()

    record(URL, ("0a", "before"), ("0b", "before"))
    both = {"": URL, "0a": URL, "0b": far}
    record(both, ("0a", "new"), ("0b", "new"))
    assert recorded(both) == {("0a", "before"), ("0a", "new"), ("0b", "new")}
    assert recorded(both, "0b") == {("0b", "new")}
    assert recorded(both, "0a", "0b") == recorded(both)
    assert recorded(URL) == {("0a", "before"), ("0b", "before"), ("0a", "new")}
    assert recorded(far) == {("0b", "new")}


def test_names_stand_in_lines_and_ids_in_json(tmp_path: Path) -> None:
    one, two = (SimulatedAccount(seed, jobs=2, token="t0ken-0123456789") for seed in (1, 2))
    text = "".join(
        f'[accounts.{name}]\nid = "{account.account_id}"\ntoken_env = "T"\n'
        for name, account in (("prod", one), ("backup", two))
    )
    (tmp_path / "config.toml").write_text(text)

    def ran(*words: str) -> Ran:
        environ = {"T": "t0ken-0123456789", "LANG": "C.UTF-8"}
        return perform(None, *words, environ=environ, transport=together(one, two), folder=tmp_path)

    lines = ran("jobs")
    assert (lines.code, lines.err) == (0, [])
    assert sorted(word for line in lines.out for word in line.split() if word in NAMES) == [
        *("backup", "backup", "prod", "prod")
    ]
    only = ran("jobs", "--account", "prod", "--json")
    records = json.loads("\n".join(only.out))
    assert [record["accountId"] for record in records] == [one.account_id] * 2
    assert "account" not in records[0]
    two.token = "another"
    [line] = ran("jobs").err
    assert line.startswith("slurper-tui: account backup: the API answered 401")


NAMES = ("prod", "backup")
