"""The dashboard and the alert rules, and Debian's Prometheus scraping the command.

The tests that need `prometheus` or `promtool` are skipped where they are missing.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from slurper_tui.api.models import Source, Target
from slurper_tui.cli.help import FILES
from slurper_tui.monitor.reports.metrics import METRICS
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from tests.cli.program import perform
from tests.patience import PATIENCE
from tests.server import serve

RULES, DASHBOARD = FILES / "rules.yaml", FILES / "dashboard.json"
PROGRAM = (sys.executable, "-m", "slurper_tui")


def tool(name: str) -> str:
    """Return the path of a program of Debian's package prometheus; skip the test without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here (Debian's package prometheus)")
    return found


def promtool(*words: str, text: str = "") -> str:
    """Run promtool, which must succeed, and return what it says."""
    command = [tool("promtool"), *words]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def expressions() -> list[str]:
    """Return the queries of the dashboard, for every account and migration."""
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    found = [target["expr"] for panel in panels for target in panel["targets"]]
    return [re.sub(r"\$\w+", ".*", text) for text in found]


# Without Prometheus -------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [RULES, DASHBOARD], ids=["rules", "dashboard"])
def test_every_metric_and_label_that_is_named_exists(file: Path) -> None:
    text = file.read_text("utf-8")
    known = {f"{m.name}_total" if m.counter else m.name: m.labels for m in METRICS.values()}
    named = set(re.findall(r"\bslurper_\w+", text))
    assert named
    assert named <= known.keys()
    labels = {label for of in known.values() for label in of}
    used = re.findall(r"\$labels\.(\w+)|\{\{(\w+)\}\}", text)
    assert {one or other for one, other in used} <= labels


def test_the_dashboard_shows_every_number_of_a_migration() -> None:
    text = " ".join(expressions())
    for name in METRICS:
        shown = name.startswith("slurper_migration_") and not re.search(r"timestamp|planned", name)
        if shown and not re.search(r"_up|verdict|unaccounted|at_least|unchanged", name):
            assert name in text


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells
        assert max(x for x, _ in own) < 24
        cells |= own


# promtool -----------------------------------------------------------------------------------------


def test_promtool_accepts_the_metrics(tmp_path: Path) -> None:
    file = tmp_path / "slurper.prom"
    assert perform(None, "--demo", "metrics", "--textfile", str(file)).code == 0
    assert promtool("check", "metrics", text=file.read_text("utf-8")).strip() == ""


def test_promtool_accepts_the_rules() -> None:
    assert "8 rules found" in promtool("check", "rules", str(RULES))


JOB = 'account="prod",job_id="j1",source="photos",target="media",prefix="a/"'
OF_JOB = f'{{{JOB},migration="photos:media",status="%s"}}'
OF_ACCOUNT = '{account="prod"}'
OF_MIGRATION = '{account="prod",source="a",target="b",migration="a:b"}'
VERDICT = '{account="prod",source="a",target="b",migration="a:b",verdict="%s"}'
STAMP, INTERVAL = "slurper_snapshot_timestamp_seconds", "slurper_interval_seconds"

Case = tuple[dict[str, str], str, set[str]]
CASES: dict[str, Case] = {
    "all is well": (
        {
            f"slurper_job_status{OF_JOB % 'running'}": "1x60",
            f"slurper_migration_verdict{VERDICT % 'complete'}": "1x60",
            f"slurper_account_up{OF_ACCOUNT}": "1x60",
            f"slurper_account_requests_total{OF_ACCOUNT}": "0+60x60",
            f"slurper_account_errors_total{OF_ACCOUNT}": "0+1x60",
            STAMP: "0+60x60",
            INTERVAL: "5x60",
        },
        "50m",
        set(),
    ),
    "stalled": ({f"slurper_job_status{OF_JOB % 'stalled'}": "1x60"}, "15m", {"SlurperStalled"}),
    "stalled for a moment": (
        {f"slurper_job_status{OF_JOB % 'stalled'}": "1x5 _x60"},
        "15m",
        set(),
    ),
    "failing": ({f"slurper_job_status{OF_JOB % 'failing'}": "1x60"}, "6m", {"SlurperFailing"}),
    "aborted": ({f"slurper_job_status{OF_JOB % 'aborted'}": "1x60"}, "1m", {"SlurperLost"}),
    "gone": ({f"slurper_job_status{OF_JOB % 'gone'}": "1x60"}, "1m", {"SlurperLost"}),
    "incomplete": (
        {f"slurper_migration_verdict{VERDICT % 'incomplete'}": "1x60"},
        "1m",
        {"SlurperIncomplete"},
    ),
    "aborted and incomplete, two days ago": (
        {
            f"slurper_job_status{OF_JOB % 'aborted'}": "1x3000",
            f"slurper_job_finished_timestamp_seconds{{{JOB}}}": "60x3000",
            f"slurper_migration_verdict{VERDICT % 'incomplete'}": "1x3000",
            f"slurper_migration_finished_timestamp_seconds{OF_MIGRATION}": "60x3000",
        },
        "48h",
        set(),
    ),
    "aborted an hour ago": (
        {
            f"slurper_job_status{OF_JOB % 'aborted'}": "1x90",
            f"slurper_job_finished_timestamp_seconds{{{JOB}}}": "60x90",
        },
        "1h",
        {"SlurperLost"},
    ),
    "no answer": ({f"slurper_account_up{OF_ACCOUNT}": "0x60"}, "6m", {"SlurperAccountDown"}),
    "one failed poll": ({f"slurper_account_up{OF_ACCOUNT}": "1 0 1x60"}, "6m", set()),
    "every third request fails": (
        {
            f"slurper_account_requests_total{OF_ACCOUNT}": "0+60x60",
            f"slurper_account_errors_total{OF_ACCOUNT}": "0+20x60",
        },
        "45m",
        {"SlurperErrors"},
    ),
    "429": (
        {f"slurper_account_blocked_seconds{OF_ACCOUNT}": "300x60"},
        "6m",
        {"SlurperBudgetSpent"},
    ),
    "nobody writes": ({STAMP: "0x60", INTERVAL: "5x60"}, "15m", {"SlurperMetricsOld"}),
    "a timer of an hour": ({STAMP: "0x60", INTERVAL: "3600x60"}, "50m", set()),
}
"""Series by name, when to look, and the alerts that fire then."""


def test_the_alerts_fire_when_they_should_and_else_not(tmp_path: Path) -> None:
    tests = [
        {
            "name": name,
            "interval": "1m",
            "input_series": [{"series": s, "values": v} for s, v in series.items()],
            "promql_expr_test": [
                {
                    "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": at,
                    "exp_samples": [
                        {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in fires
                    ],
                }
            ],
        }
        for name, (series, at, fires) in CASES.items()
    ]
    file = tmp_path / "tests.yaml"  # JSON is YAML too
    file.write_text(json.dumps({"rule_files": [str(RULES)], "tests": tests}))
    promtool("test", "rules", str(file))
    assert set().union(*(fires for _, _, fires in CASES.values())) == set(
        re.findall(r"alert: (\w+)", RULES.read_text("utf-8"))
    )


# Prometheus ---------------------------------------------------------------------------------------


class Server:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def query(self, text: str) -> list[dict[str, Any]]:
        """Return the result of an instant query."""
        query = urllib.parse.urlencode({"query": text})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{query}", timeout=PATIENCE) as got:
            answer = json.load(got)
        assert answer["status"] == "success"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def values(self, text: str) -> list[float]:
        return [float(row["value"][1]) for row in self.query(text)]

    @property
    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=PATIENCE):
                return True
        except (urllib.error.URLError, ConnectionError):
            return False


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[Server]:
    """Run Prometheus with the alert rules; it scrapes the target every second."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "slurper", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        tool("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with subprocess.Popen(command, cwd=folder) as program:
        try:
            server = Server(port)
            until(lambda: server.ready)
            yield server
        finally:
            program.terminate()
            program.wait(PATIENCE)


@contextmanager
def listening(environ: dict[str, str]) -> Iterator[str]:
    """Run `metrics --listen`; yield its address."""
    command = (*PROGRAM, "metrics", "--interval", "2", "--listen", "127.0.0.1:0")
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as program:
        try:
            assert program.stderr is not None
            yield program.stderr.readline().split()[-1].split("/")[2]
        finally:
            program.kill()


def plan(name: str, seconds: float, ago: float, bucket: str, **more: Any) -> Plan:
    ends = Source("s3", bucket, f"{name}/"), Target("r2", "media")
    return Plan(name, time.time() - ago, 100_000, seconds, *ends, listing=1.0, **more)


SAME = {
    "objects": "objects",
    "transferred_objects": "transferredObjects",
    "skipped_objects": "skippedObjects",
    "failed_objects": "failedObjects",
}


def agree(metrics: Server, account: SimulatedAccount) -> bool:
    """Whether Prometheus has the numbers of `jobs --json`, for the jobs that do not move."""
    records = json.loads(perform(account, "jobs", "--json").out[0])
    return all(
        metrics.values(f'slurper_job_{name}{{job_id="{record["id"]}"}}') == [record[field]]
        for record in records
        for name, field in SAME.items()
        if record["id"] != "live"
    )


def test_prometheus_has_the_numbers_of_the_screen_and_none_in_an_outage(tmp_path: Path) -> None:
    tool("prometheus")
    plans = [
        plan("live", 3000, 600, 'pho"tos'),
        plan("rest", 3000, 600, "photos"),
        plan("over", 60, 3600, "photos", failed=3, harmless=5),
    ]
    account = SimulatedAccount(plans=plans)
    assert perform(account, "pause", "rest", "--yes").code == 0
    with serve(account) as server:
        environ = {"LANG": "C.UTF-8", "HOME": str(tmp_path), **server.environment()}
        with listening(environ) as target, prometheus(target, tmp_path) as metrics:
            until(lambda: metrics.values("slurper_job_eta_low_seconds"))
            until(lambda: len(metrics.query("slurper_job_objects")) == 3)
            until(lambda: agree(metrics, account))  # what was in flight at the pause has ended
            [row] = metrics.query('slurper_job_objects{job_id="live"}')
            assert row["metric"]["source"] == 'pho"tos'
            assert row["metric"]["migration"] == 'pho"tos:media'
            for text in expressions():
                rows = metrics.query(text)
                may_lack = re.search(r"not_copied|eta_high|^rate", text)
                assert rows or may_lack, text
            server.kill()
            live = 'slurper_job_objects{job_id="live"}'
            until(lambda: not metrics.query(live))
            assert metrics.values('slurper_job_up{job_id="live"}') == [0]
            assert metrics.values("slurper_account_up") == [0]
            assert metrics.values('slurper_job_objects{job_id="over"}') == [100_000]
            until(lambda: metrics.query('ALERTS{alertname="SlurperAccountDown"}'))
            server.restart()
            until(lambda: metrics.query(live))
