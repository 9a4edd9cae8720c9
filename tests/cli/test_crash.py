import io
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from slurper_tui.api.scrub import Scrubber
from slurper_tui.cli import diagnostics as crash
from slurper_tui.cli.main import run
from slurper_tui.simulated.account import SimulatedAccount
from tests.cli.program import environment, make_process, perform


class Broken(httpx.AsyncBaseTransport):
    """A transport with a bug that holds a secret in a variable and in its message."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        local = f"local {self.secret} variable"
        raise LookupError(f"no {self.secret} here", len(local))


def report_of(line: str) -> Path:
    found = re.search(r"in (/.*crash-\S+\.txt)$", line)
    assert found
    return Path(found[1])


@pytest.mark.parametrize("words", [["jobs"], ["progress", "4f"], ["watch"]])
def test_a_bug_is_one_line_and_a_report_without_secrets(words: list[str], tmp_path: Path) -> None:
    account = SimulatedAccount(token="cafe1234deadbeef")
    transport = Broken(account.token)
    ran = perform(account, *words, transport=transport, folder=tmp_path)
    assert (ran.code, ran.out, len(ran.err)) == (70, [], 1)
    assert ran.err[0].startswith("slurper-tui: this is a bug: LookupError: ")
    assert account.token not in ran.err[0]
    report = report_of(ran.err[0])
    assert report.parent == tmp_path / "state"
    assert report.stat().st_mode & 0o777 == 0o600
    text = report.read_text()
    assert "LookupError" in text
    assert "handle_async_request" in text
    assert re.search(r"^time: \d{4}-", text, re.M)
    assert all(f"\n{name}: " in text for name in ("slurper-tui", "python", "textual", "httpx"))
    assert "local cafe" not in text
    assert account.token not in text


def test_where_the_state_cannot_be_written_the_report_is_a_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    path = crash.write_report(ValueError("x"), Scrubber(), tmp_path / "file" / "state")
    assert path is not None
    assert path.parent == temporary
    temporary.joinpath("file").write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(temporary / "file"))
    assert crash.write_report(ValueError("x"), Scrubber(), tmp_path / "file" / "state") is None


def test_where_nothing_can_be_written_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a home folder nor one for temporary files, and then a report that fails itself."""

    def nowhere() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(crash, "tempfile", SimpleNamespace(gettempdir=nowhere))
    assert crash.write_report(ValueError("x"), Scrubber(), None) is None
    assert crash.write_report(ValueError("x"), Scrubber(), Path("nul\0")) is None
    account = SimulatedAccount(jobs=1)
    (tmp_path / "state").write_text("")
    ran = perform(account, "jobs", transport=Broken("x"), folder=tmp_path)
    assert (ran.code, ran.err[:-1]) == (
        70,
        ["slurper-tui: history off: its file cannot be opened: not a directory"],
    )
    assert ran.err[-1].endswith("no report could be written")

    def failing(*_: object) -> Path:
        raise RuntimeError("a bug in the report")

    monkeypatch.setattr(crash, "write_report", failing)
    ran = perform(account, "jobs", transport=Broken("x"))
    assert (ran.code, ran.err) == (
        70,
        ["slurper-tui: this is a bug: LookupError, then RuntimeError; no report could be written"],
    )


def test_an_interruption_before_anything_runs_is_exit_130(tmp_path: Path) -> None:
    class Interrupting(dict[str, str]):
        def get(self, *_: object) -> str:  # it never answers
            raise KeyboardInterrupt

    process = make_process(Interrupting(), tmp_path)
    assert run(["jobs"], process) == 130
    assert environment(SimulatedAccount())


def test_missing_program_files_are_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "slurper_tui.cli.run", None)
    monkeypatch.setitem(sys.modules, "slurper_tui.cli.diagnostics", None)
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    assert run(["jobs"]) == 70
    [line] = err.getvalue().splitlines()
    assert "was the program replaced meanwhile?" in line


def test_the_modules_loaded_later_exist() -> None:
    code = (
        "import sys; from slurper_tui.cli import screen; before = set(sys.modules);"
        "import gc; gc.disable(); screen.load_the_rest();"
        "print(set(screen.LATER) <= set(sys.modules) - before and gc.isenabled())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert told.stdout.strip() == "True", told.stderr
