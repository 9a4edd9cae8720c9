"""The program verifies a served migration, from a pipeline and from the screen, and is killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from tests.migration_server import KEYS, SOURCE_BUCKET, Place
from tests.patience import PATIENCE
from tests.terminal.pty_program import PROGRAM, PtyProgram, environment

When = Callable[[int], bool]
"""Whether to kill the program now. Argument: how many pages both sides were asked for."""

DOWN, RIGHT, PAGE_DOWN = "\x1b[B", "\x1b[C", "\x1b[6~"

VERDICT = "37 missing · 5 of another size · 2 empty in the target · 11 changed in the source since"


class Run(NamedTuple):
    """One run of the program. peak: of its resident memory, bytes, as far as it was seen."""

    code: int
    seconds: float
    peak: int
    out: str
    told: str


class Watch:
    """Sees the memory of a program at every page, and kills the program when it is to."""

    def __init__(self, place: Place, pid: int, when: When | None = None) -> None:
        self.peak = 0
        self._pid, self._when = pid, when
        place.pages.on_page = self._on_page

    def _on_page(self, number: int) -> None:
        self.peak = max(self.peak, peak_of(self._pid))
        if self._when is not None and self._when(number):
            self._when = None
            os.kill(self._pid, signal.SIGKILL)


def peak_of(pid: int) -> int:
    """Return the most resident memory that a process has had, bytes; 0 if it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def compared(home: Path) -> int:
    """Return how many objects a verification has compared, as the work file says."""
    for path in (home / ".local/state/slurper-tui").glob("verify-*.sqlite3"):
        with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as work:
            [found] = work.execute("SELECT coalesce(sum(compared), 0) FROM shards").fetchone()
            return int(found)
    return 0


def with_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that also has the keys to both buckets."""
    found = dict(environ)
    for end, keys in zip(("SOURCE", "TARGET"), KEYS, strict=True):
        found[f"SLURPER_{end}_ACCESS_KEY_ID"] = keys.access_key_id or ""
        found[f"SLURPER_{end}_SECRET_ACCESS_KEY"] = keys.secret_access_key or ""
    return found


def by_command(
    place: Place,
    home: Path,
    *words: str,
    when: When | None = None,
    manifest: Path | None = None,
    patience: float = PATIENCE,
) -> Run:
    """Run `verify` to its end, or until it is killed. manifest: a file that a pipe brings."""
    environ = with_keys(environment(home, **place.environ))
    feed = None if manifest is None else subprocess.Popen(["cat", manifest], stdout=subprocess.PIPE)
    begun = time.perf_counter()
    with (home / "out").open("w+b") as out, (home / "told").open("w+b") as told:
        process = subprocess.Popen(
            [PROGRAM, "verify", "--migration", SOURCE_BUCKET, "--yes", *words],
            env=environ,
            stdin=subprocess.DEVNULL if feed is None else feed.stdout,
            stdout=out,
            stderr=told,
        )
        try:
            watch = Watch(place, process.pid, when)
            code = process.wait(patience)
        finally:
            process.kill()
            if feed is not None and feed.stdout is not None:
                feed.stdout.close()
                feed.wait()
        seconds = time.perf_counter() - begun
        texts = [Path(file.name).read_text() for file in (out, told)]
    return Run(code, seconds, watch.peak, *texts)


def receipt(place: Place, home: Path) -> str:
    """Return the receipt that `report` prints of the migration."""
    done = subprocess.run(
        [PROGRAM, "report", "--migration", SOURCE_BUCKET],
        env=environment(home, **place.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return done.stdout


def tells_all(text: str, objects: int) -> bool:
    """Return whether a receipt names exactly what is missing and what differs."""
    words = " ".join(text.split())
    rows = [
        *("Missing in the target | 37 |", "Size differs | 5 |", "Empty in the target only | 2 |"),
        *("Changed in the source since the job began | 11 |", f"Expected | {objects:,} |"),
    ]
    verdict = f"**Not verified: {VERDICT}, of {objects:,} objects**"
    return verdict in words and all(row in words for row in rows)


def ask_on_screen(program: PtyProgram) -> None:
    """Open the form for the only migration, fill it in, and go on to the question."""
    program.see("photos")
    program.see("completed")
    program.type("V")
    program.see("1 of 7")
    program.type(DOWN * 3)
    program.see("4 of 7")
    program.type(RIGHT * 2)
    program.see("4 of 9")
    program.type(DOWN * 2)
    program.see("6 of 9")
    program.type("\r".join(part or "" for keys in KEYS for part in keys.values))
    program.see("9 of 9")
    program.type(PAGE_DOWN)
    program.see_no("9 of 9")
    program.type("\r")
    program.see("y start")


def by_screen(
    place: Place,
    home: Path,
    folder: Path,
    *,
    when: When | None = None,
    said: str = "",
    patience: float = PATIENCE,
) -> Run:
    """Verify from the key `V` on: until it is killed, or to the receipt and the list of keys.

    folder: where the list is written. said: is told before the question.
    """
    begun = time.perf_counter()
    environ = environment(home, **place.environ)
    with PtyProgram([PROGRAM], environ, size=(100, 40), folder=folder) as program:
        ask_on_screen(program)
        assert said in program.text
        watch = Watch(place, program.process.pid, when)
        program.type("y")
        if when is not None:
            code = program.process.wait(patience)
            return Run(code, time.perf_counter() - begun, watch.peak, "", program.text)
        program.see("What was compared", patience)
        told = program.text
        seconds = time.perf_counter() - begun
        program.type("E")
        program.see("55 keys saved")
        program.type("\x1b")
        program.see_no("keys saved")
        program.type("\x1b")
        program.see("as of")
        program.type("v")
        program.see("Not verified: 37 missing")
        shown = program.text
        peak = max(watch.peak, peak_of(program.process.pid))
        program.type("q")
        program.see_no("Receipt")
        program.type("q")
        return Run(program.ended(), seconds, peak, shown, told)
