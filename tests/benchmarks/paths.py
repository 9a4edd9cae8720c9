"""`python -m tests.benchmarks.paths`: the functions and files on the paths of three values.

A path begins at a first point and ends at a last one; between them lies the time traced. A named
function of the program (no lambda, no comprehension) lies on the path if it is on the call stack at
one of the two points, or if between them it hands the marked value on: it returns it, or it is
given it as an argument (`self` apart) and returns nothing, as functions that store a value do. A
function that is given the value and returns something else, another cell's text for example, is a
reader beside the path. A value is marked if it is a mark or contains one: a text with a mark as a
word in it, or a collection or record that holds a marked value at most five levels down. Left out
are the simulated account and whole files of other readers: history, estimate and chart data, and
the parts of the screen that draw something else (`_ASIDE`).

| path | first point | last point | marks |
|---|---|---|---|
| percent cell | the answer with a job's progress | the row reaches Textual | transferred; percent |
| P → PUT | the key is pressed | the PUT reaches the transport | the action's word |
| failures --keys | the answer with the log | the key reaches stdout | an object's key |
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import chdir
from dataclasses import dataclass, field, fields, is_dataclass
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import httpx
import msgspec
from msgspec.structs import replace

from slurper_tui.cli.main import run
from slurper_tui.monitor.model.logs import FAILED_TYPE
from slurper_tui.simulated.account import SimulatedAccount
from tests.cli.program import environment, make_process
from tests.tui.test_only_reading import Watched, watched

_PRODUCT = str(Path(sys.modules["slurper_tui"].__path__[0]))
_DEPTH = 5
_ASIDE = {
    "percent cell": (
        *("simulated/", "monitor/history/", "monitor/estimate/", "tui/screens/job_actions.py"),
        *("monitor/model/timeline.py", "monitor/polling/history_sync.py", "monitor/logs/idle.py"),
        "tui/render/problem_text.py",
        *("tui/render/chart", "tui/widgets/detail_pane.py", "tui/widgets/status_line.py"),
        "tui/widgets/totals.py",
    ),
    "P to PUT": ("simulated/", "monitor/history/", "tui/render/", "tui/widgets/"),
    "failures --keys": ("simulated/", "monitor/history/"),
}
"""Files left out of each path, by the beginning of their names."""


class Point(NamedTuple):
    """A named function of the program."""

    file: str
    name: str


@dataclass
class Tracer:
    """Collects the functions on a path from `begin` to `end`. marks: empty until the first point.

    all: the functions on the path and the readers beside it.
    """

    marks: tuple[str | int, ...] = ()
    path: set[Point] = field(default_factory=set)
    ended: bool = False
    ends_at: Callable[[Point, object], bool] = lambda point, value: False
    all: set[Point] = field(default_factory=set)
    _given: set[FrameType] = field(default_factory=set)

    def begin(self) -> None:
        """Start at the first point: add the call stack, then trace the functions called."""
        self._take_stack(sys._getframe(1))
        sys.setprofile(self._event)

    def end(self) -> None:
        """Stop at the last point."""
        sys.setprofile(None)
        if not self.ended:
            self.ended = True
            self._take_stack(sys._getframe(1))

    def _take_stack(self, frame: FrameType | None) -> None:
        while frame is not None:
            if (point := _point(frame.f_code)) is not None:
                self.path.add(point)
            frame = frame.f_back

    def _event(self, frame: FrameType, event: str, value: object) -> None:
        if self.ended or event not in ("call", "return") or (point := _point(frame.f_code)) is None:
            return
        if event == "call":
            if self._marked(_arguments(frame)):
                self.all.add(point)
                self._given.add(frame)
        elif self._marked(value) or (frame in self._given and _returns_nothing(frame, value)):
            self.path.add(point)
        if event == "return" and self.ends_at(point, value):
            sys.setprofile(None)
            self.ended = True
            self._take_stack(frame)

    def _marked(self, value: object, depth: int = _DEPTH) -> bool:
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str):
            return any(re.search(rf"(?<!\w){re.escape(str(m))}(?!\w)", value) for m in self.marks)
        if isinstance(value, int):
            return value in self.marks and not isinstance(value, bool)
        if depth == 0:
            return False
        return any(self._marked(part, depth - 1) for part in _parts(value))


def _point(code: CodeType) -> Point | None:
    """Return the function of this code; None for other packages and unnamed functions."""
    if not code.co_filename.startswith(_PRODUCT) or code.co_name.startswith("<"):
        return None
    return Point(code.co_filename.removeprefix(_PRODUCT + "/"), code.co_qualname)


def _returns_nothing(frame: FrameType, value: object) -> bool:
    """Whether a function has no result of its own; a coroutine's is that of its suspension."""
    return value is None or bool(frame.f_code.co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR))


def _arguments(frame: FrameType) -> list[object]:
    """Return the arguments of a call without `self`."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [frame.f_locals.get(name) for name in names if name != "self"]


def _parts(value: object) -> list[object]:
    """Return the items of a collection or the fields of a record."""
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if isinstance(value, msgspec.Struct):
        return [getattr(value, name) for name in value.__struct_fields__]
    if is_dataclass(value):
        return [getattr(value, field.name, None) for field in fields(value)]
    return []


class Tap:
    """A transport that passes each request and its response to `seen`."""

    def __init__(
        self, answers: httpx.BaseTransport, seen: Callable[[httpx.Request, httpx.Response], None]
    ) -> None:
        self._answers = answers
        self._seen = seen

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._answers.handle_request(request)
        self._seen(request, response)
        return response


async def percent_cell() -> Tracer:
    """Trace from the answer with a job's progress to the row given to Textual."""
    tracer = Tracer()
    async with watched(write=False) as watch:
        # A percentage that is no row's number in the list.
        await watch.go_to(lambda view: view.status == "running" and (view.percent or 0) > 50)
        assert watch.job is not None
        chosen = watch.job.job.id or ""

        def seen(request: httpx.Request, response: httpx.Response) -> None:
            if request.url.path.endswith(f"{chosen}/progress") and not tracer.marks:
                counts = json.loads(response.read())["result"]
                transferred = counts["transferredObjects"]
                done = transferred + counts["skippedObjects"] + counts["failedObjects"]
                tracer.marks = (transferred, done * 100 // counts["objects"])
                tracer.begin()

        def drawn(point: Point, value: object) -> bool:
            cell = Point("tui/render/columns.py", "_percent") in tracer.path
            return cell and point.name.endswith(".render_line")

        tracer.ends_at = drawn
        _tap(watch, seen)
        await watch.until(lambda: tracer.ended)
    return tracer


async def pause_key() -> Tracer:
    """Trace from the key `P`, with its confirmation, to the PUT."""
    tracer = Tracer(marks=("pause",))

    def seen(request: httpx.Request, response: httpx.Response) -> None:
        if request.method == "PUT":
            tracer.end()

    async with watched(write=True) as watch:
        await watch.go_to(lambda view: view.status == "running")
        _tap(watch, seen)
        tracer.begin()
        await watch.pilot.press("P")
        dialog: Any = watch.app.screen
        await watch.until(lambda: dialog.is_painted)
        await watch.pilot.press("y")
        await watch.until(lambda: tracer.ended)
    return tracer


def failed_keys() -> Tracer:
    """Trace from the answer with a log to an object's key on stdout."""
    tracer = Tracer()
    account = SimulatedAccount(jobs=8)
    job = next(job for job in account.jobs() if job.plan.failed)

    def seen(request: httpx.Request, response: httpx.Response) -> None:
        if request.url.path.endswith("/logs") and not tracer.marks:
            rows = json.loads(response.read())["result"]
            failed = [row["objectKey"] for row in rows if row["logType"] == FAILED_TYPE]
            tracer.marks = tuple(failed[:1])
            if tracer.marks:
                tracer.begin()

    class Stdout(io.BytesIO):
        def write(self, data: Any) -> int:
            if any(str(mark).encode() in bytes(data) for mark in tracer.marks):
                tracer.end()
            return super().write(data)

    with tempfile.TemporaryDirectory() as folder:
        transport = httpx.MockTransport(Tap(account.transport(), seen).handle_request)
        process = make_process(environment(account), Path(folder), transport=transport)
        out = io.TextIOWrapper(Stdout(), encoding="utf-8", write_through=True)
        run(("failures", job.plan.id, "--keys"), replace(process, out=out))
    return tracer


def _tap(watch: Watched, seen: Callable[[httpx.Request, httpx.Response], None]) -> None:
    watch._answers = Tap(watch._answers, seen)  # type: ignore[assignment]  # has the method that is used


def _report(name: str, tracer: Tracer, functions: int, files: int) -> None:
    assert tracer.ended, f"{name}: the last point was not reached"
    path = sorted(point for point in tracer.path if not point.file.startswith(_ASIDE[name]))
    touched = tracer.path | tracer.all
    sys.stdout.write(
        f"{name:16} functions {len(path):3} (aim {functions})  files {_files(path):3} (aim {files})"
        f"  with other readers {len(touched)} / {_files(touched)}\n"
    )
    if "-v" in sys.argv:
        for point in path:
            sys.stdout.write(f"    {point.file}  {point.name}\n")


def _files(points: Iterable[Point]) -> int:
    return len({point.file for point in points})


def main() -> None:
    """Trace the three paths and print their figures beside the aims."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        _report("percent cell", asyncio.run(percent_cell()), 25, 12)
        _report("P to PUT", asyncio.run(pause_key()), 25, 10)
        _report("failures --keys", failed_keys(), 30, 15)


if __name__ == "__main__":
    main()
