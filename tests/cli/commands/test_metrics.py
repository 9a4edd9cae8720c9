"""`metrics`: the file, the server, and what stands in them when nothing answers."""

from __future__ import annotations

import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from slurper_tui.api.models import Source, Target
from slurper_tui.cli.commands.metrics import address_of
from slurper_tui.cli.errors import CliError
from slurper_tui.cli.help import FILES, FOLDER
from slurper_tui.monitor.reports.metrics import METRICS
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.cli.program import Ran, perform
from tests.patience import PATIENCE
from tests.server import serve

PROGRAM = (sys.executable, "-m", "slurper_tui")
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def plan(name: str, seconds: float, ago: float, bucket: str = "photos", **more: Any) -> Plan:
    ends = Source("s3", bucket, f"{name}/"), Target("r2", "media")
    return Plan(name, time.time() - ago, 1000, seconds, *ends, listing=5.0, **more)


def account() -> SimulatedAccount:
    return SimulatedAccount(
        plans=[plan("live", 2000, 60), plan("over", 60, 3600, bucket="old", failed=3)]
    )


def series(text: str) -> Series:
    """Parse the format; fails for two samples with the same name and labels."""
    found: Series = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found
            found[key] = sample.value
    return found


def values(found: Series, name: str, **labels: str) -> list[float]:
    return [v for (n, of), v in found.items() if n == name and set(labels.items()) <= of]


def written(of: SimulatedAccount, folder: Path, *words: str) -> tuple[Ran, Series]:
    """Write the metrics once; return what they are."""
    file = folder / "slurper.prom"
    ran = perform(of, "metrics", "--textfile", str(file), *words, folder=folder)
    return ran, series(file.read_text("utf-8"))


# The file -----------------------------------------------------------------------------------------


def test_the_file_has_jobs_migrations_and_the_account(tmp_path: Path) -> None:
    of = account()
    ran, found = written(of, tmp_path)
    assert (ran.code, ran.out, ran.err) == (0, [], [])
    whole = {"account": of.account_id, "source": "old", "prefix": "over/", "target": "media"}
    labels = {**whole, "migration": "old:media", "job_id": "over"}
    assert values(found, "slurper_job_failed_objects", **labels) == [3]
    assert values(found, "slurper_job_objects", **labels) == [1000]
    assert values(found, "slurper_job_verdict", job_id="over", verdict="incomplete") == [1]
    assert values(found, "slurper_job_status", job_id="live", status="running") == [1]
    assert values(found, "slurper_migration_failed_objects", migration="old:media") == [3]
    assert values(found, "slurper_account_up", account=of.account_id) == [1]
    assert values(found, "slurper_account_errors_total") == [0]
    assert values(found, "slurper_build_info") == [1]


def test_an_account_with_a_name_is_called_by_it(tmp_path: Path) -> None:
    of = account()
    credential = 'token_env = "CLOUDFLARE_API_TOKEN"'
    (tmp_path / "config.toml").write_text(
        f'[accounts.prod]\nid = "{of.account_id}"\n{credential}\n'
    )
    _, found = written(of, tmp_path)
    assert values(found, "slurper_account_up", account="prod") == [1]
    assert values(found, "slurper_job_objects", account="prod", job_id="over") == [1000]
    assert of.account_id not in (tmp_path / "slurper.prom").read_text()


def test_the_second_time_rates_come_from_the_history(tmp_path: Path) -> None:
    of = account()
    _, found = written(of, tmp_path)
    first = values(found, "slurper_account_requests_total")

    def again() -> Series:
        return written(of, tmp_path)[1]

    def moves(found: Series) -> bool:
        return values(found, "slurper_job_objects_per_second", job_id="live") > [0]

    found = until(again, moves)
    assert values(found, "slurper_account_requests_total") < first  # the ended job is known


def test_the_file_is_replaced_in_one_step_and_others_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "slurper.prom"
    file.write_text("old\n")
    before = os.umask(0o022)
    try:
        with file.open() as reader:
            written(account(), tmp_path)
            assert reader.read() == "old\n"  # the reader of the old file has all of it
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [f.name for f in tmp_path.iterdir() if "prom" in f.name] == ["slurper.prom"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "slurper.prom").symlink_to(tmp_path / "there" / "x.prom")
    _, found = written(account(), tmp_path)
    assert (tmp_path / "slurper.prom").is_symlink()
    assert found


NAMES = ['a"b', "a\\b", "a\nb", "a{b}", "ü→𝄞", "[/red]", "\x1b[31m"]


def test_labels_are_escaped(tmp_path: Path) -> None:
    plans = [plan(f"j{n}", 60, 3600, bucket=name) for n, name in enumerate(NAMES)]
    _, found = written(SimulatedAccount(plans=plans), tmp_path)
    for name in NAMES:
        assert values(found, "slurper_job_objects", source=name) == [1000]
        assert values(found, "slurper_migration_objects", source=name) == [1000]


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    of = account()
    of.faults.add(Fault(status=500, message=f"your token {of.token}", times=1))
    written(of, tmp_path)
    assert of.token not in (tmp_path / "slurper.prom").read_text()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(Kind.CONNECT_ERROR), 7),
        (Fault(Kind.HTML, status=502), 7),
        (Fault(status=429, code=971, retry_after=3600), 7),
        (Fault(status=403, code=9109), 3),
    ],
)
def test_where_nothing_answers_the_file_says_so_and_keeps_no_value(
    fault: Fault, code: int, tmp_path: Path
) -> None:
    of = account()
    _, found = written(of, tmp_path)
    assert values(found, "slurper_job_objects", job_id="live")
    of.faults.add(fault)
    ran, found = written(of, tmp_path, "--timeout", "1")
    assert (ran.code, ran.out) == (code, [])
    assert values(found, "slurper_account_up") == [0]
    assert values(found, "slurper_account_errors_total") > [0]
    assert values(found, "slurper_job_objects") == []
    assert values(found, "slurper_job_status") == []


@pytest.mark.parametrize("path", ["none/slurper.prom", ".", "fifo", "fifo/slurper.prom"])
def test_a_path_that_cannot_be_written_is_exit_2(path: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    ran = perform(account(), "metrics", "--textfile", str(tmp_path / path))
    assert (ran.code, ran.out) == (2, [])
    assert str(tmp_path) in ran.err[-1]
    assert {f.name for f in tmp_path.iterdir()} == {"fifo"}


def test_another_name_than_prom_is_noted(tmp_path: Path) -> None:
    ran = perform(account(), "metrics", "--textfile", str(tmp_path / "x.txt"))
    note = "slurper-tui: node_exporter reads only files whose names end in .prom"
    assert (ran.code, ran.err) == (0, [note])


# Usage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--follow",
        "--textfile a.prom --listen 9464",
        "--listen 1.2.3.4",
        "--listen x:70000",
        "--follow --listen 9464",
    ],
)
def test_wrong_usage_is_exit_2(words: str) -> None:
    ran = perform(account(), "metrics", *words.split())
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),
        ("[::1]:9464", ("::1", 9464)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_an_address_is_loopback_unless_another_is_given(
    text: str, address: tuple[str, int]
) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["", "host", "host:", "9464x", ":-1", "host:٣", ":" + "1" * 5000])
def test_an_address_without_a_port_is_refused(text: str) -> None:
    with pytest.raises(CliError, match="HOST:PORT"):
        address_of(text)


def test_a_port_that_is_taken_is_exit_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = perform(account(), "metrics", "--listen", str(port))
    assert (ran.code, ran.out) == (2, [])
    assert ran.err == [f"slurper-tui: cannot listen on {port}: Address already in use"]


def test_a_host_that_is_no_name_is_exit_2() -> None:
    host = "a" * 70
    ran = perform(account(), "metrics", "--listen", f"{host}:0")
    assert ran.err == [f"slurper-tui: cannot listen on {host}:0: it is not a host name"]
    assert (ran.code, ran.out) == (2, [])


def test_without_the_extra_it_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    ran = perform(account(), "metrics", "--textfile", str(tmp_path / "x.prom"))
    assert (ran.code, ran.out) == (2, [])
    assert ran.err[-1].endswith("pip install 'slurper-tui[metrics]'")


# The server ---------------------------------------------------------------------------------------


@contextmanager
def metrics_of(environ: Mapping[str, str], *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command as a process of its own; end it with the test."""
    pipe = subprocess.PIPE
    command = (*PROGRAM, "metrics", "--interval", "2", *words)
    with subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe, text=True) as program:
        try:
            yield program
        finally:
            program.kill()


def url_of(program: subprocess.Popen[str]) -> str:
    assert program.stderr is not None
    line = program.stderr.readline()
    assert "listening on http://127.0.0.1:" in line
    return line.split()[-1]


def scraped(url: str) -> Series:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return series(answer.read().decode())


def until(read: Callable[[], Series], condition: Callable[[Series], object]) -> Series:
    """Read until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition(found := read()):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def test_an_outage_takes_the_served_values_and_brings_them_back(tmp_path: Path) -> None:
    with serve(account()) as server:
        environ = {"LANG": "C.UTF-8", "HOME": str(tmp_path), **server.environment()}
        with metrics_of(environ, "--listen", "127.0.0.1:0") as program:
            url = url_of(program)

            def read() -> Series:
                return scraped(url)

            def live(found: Series) -> list[float]:
                return values(found, "slurper_job_objects", job_id="live")

            until(read, lambda found: len(values(found, "slurper_job_objects")) == 2)
            server.kill()
            found = until(read, lambda found: not live(found))
            assert values(found, "slurper_job_up", job_id="live") == [0]
            assert values(found, "slurper_account_up") == [0]
            assert values(found, "slurper_job_answer_age_seconds", job_id="live") > [2]
            assert values(found, "slurper_job_objects", job_id="over") == [1000]
            server.restart()
            found = until(read, live)
            assert values(found, "slurper_account_up") == [1]
            program.send_signal(signal.SIGTERM)
            out, err = program.communicate(timeout=PATIENCE)
            assert (program.returncode, out) == (143, "")
            assert "the account: " in err


def test_a_client_that_resets_its_connection_leaves_no_traceback(tmp_path: Path) -> None:
    environ = {"LANG": "C.UTF-8", "HOME": str(tmp_path)}
    with metrics_of(environ, "--demo", "--listen", "127.0.0.1:0") as program:
        url = url_of(program)
        with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0)) as client:
            client.sendall(b"GET /metr")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        scraped(url)
        program.send_signal(signal.SIGTERM)
        assert program.communicate(timeout=PATIENCE) == ("", "")


def test_another_address_than_loopback_is_warned_of(tmp_path: Path) -> None:
    environ = {"LANG": "C.UTF-8", "HOME": str(tmp_path)}
    with metrics_of(environ, "--demo", "--listen", "0.0.0.0:0") as program:
        assert program.stderr is not None
        assert "listening on http://0.0.0.0:" in program.stderr.readline()
        assert "anyone who reaches this address" in program.stderr.readline()


def test_follow_writes_every_round_and_takes_the_file_along(tmp_path: Path) -> None:
    file = tmp_path / "slurper.prom"
    environ = {"LANG": "C.UTF-8", "HOME": str(tmp_path)}
    with metrics_of(environ, "--demo", "--textfile", str(file), "--follow") as program:

        def read() -> Series:
            return series(file.read_text()) if file.is_file() else {}

        def at(found: Series) -> list[float]:
            return values(found, "slurper_snapshot_timestamp_seconds")

        first = until(read, at)
        until(read, lambda found: at(found) > at(first))
        file.unlink()
        file.mkdir()  # it cannot be replaced: said once, and tried again
        assert program.stderr is not None
        assert f"cannot write {file}: Is a directory" in program.stderr.readline()
        file.rmdir()
        until(read, at)
        program.send_signal(signal.SIGTERM)
        assert program.wait(PATIENCE) == 143
    assert not file.exists()


# What it loads, and the files that it prints ------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "loaded"),
    [
        (["--demo", "metrics", "--textfile", "x.prom"], ["prometheus_client"]),
        (["--demo", "jobs"], []),
        (["metrics", "--dashboard"], []),
        (["metrics", "--rules"], []),
        (["help", "metrics"], []),
    ],
)
def test_only_this_command_loads_the_library_and_none_loads_textual(
    words: list[str], loaded: list[str], tmp_path: Path
) -> None:
    code = (
        "import sys; from slurper_tui.cli.main import run\n"
        f"assert run({words!r}) == 0\n"
        "print([m for m in ('prometheus_client', 'textual') if m in sys.modules])"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == repr(loaded)


@pytest.mark.parametrize("name", ["dashboard", "rules"])
def test_the_dashboard_and_the_rules_are_printed_without_an_account(name: str) -> None:
    ran = perform(None, "metrics", f"--{name}", environ={})
    [file] = [f for f in FILES.iterdir() if f.stem == name]
    assert (ran.code, ran.err) == (0, [])
    assert "\n".join(ran.out) + "\n" == file.read_text("utf-8")


def test_the_topic_names_every_metric() -> None:
    text = (FOLDER / "metrics.txt").read_text("utf-8")
    for metric in METRICS.values():
        name = f"{metric.name}_total" if metric.counter else metric.name
        short = name.removeprefix("slurper_job_").removeprefix("slurper_migration_")
        assert any(line.startswith((f"{name} ", f"  {short} ")) for line in text.splitlines()), name
