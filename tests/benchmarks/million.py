"""A million objects with known faults, verified by the real program that is killed in the middle.

The migration is served over HTTP on loopback, the target behind R2's S3 endpoint. The program is
the command `verify` with the source, the command with a manifest from a pipe, and the screen.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks.figure import Figure, absolute
from tests.migration_server import Migration, Place, served
from tests.verify_runs import (
    VERDICT,
    Run,
    by_command,
    by_screen,
    compared,
    receipt,
    tells_all,
)

OBJECTS = 1_000_000
HALF = OBJECTS // 1000
"""Pages of both sides after which the program is killed; a manifest needs no page of one side."""

PATIENCE = 900.0
MANIFEST, FILE = "manifest", "manifest.jsonl"

Runner = Callable[[Place, Path, int | None], Run]
"""Runs the program. Last argument: the page at which it is killed; None to run to the end."""


def _pipeline(place: Place, home: Path, die_at: int | None) -> Run:
    words = ("--json", "--null", "--diff", str(home / "diff"))
    return by_command(place, home, *words, when=_at(die_at), patience=PATIENCE)


def _manifest(place: Place, home: Path, die_at: int | None) -> Run:
    words = ("--manifest", "-", "--json", "--null", "--diff", str(home / "diff"))
    file, when = home.parent / FILE, _at(die_at and die_at // 2)
    return by_command(place, home, *words, when=when, manifest=file, patience=PATIENCE)


def _screen(place: Place, home: Path, die_at: int | None) -> Run:
    folder = home / "work"
    folder.mkdir(exist_ok=True)
    said = "" if die_at else f"an earlier run was interrupted, with {compared(home):,} objects"
    return by_screen(place, home, folder, when=_at(die_at), said=said, patience=PATIENCE)


def _at(die_at: int | None) -> Callable[[int], bool] | None:
    return None if die_at is None else lambda number: number >= die_at


RUNNERS: dict[str, Runner] = {"pipeline": _pipeline, MANIFEST: _manifest, "screen": _screen}


def figures(home: Path) -> Iterator[Figure]:
    """Verify in each way; yield the faults in what was told, and what it took."""
    migration = Migration(OBJECTS)
    migration.write_manifest(home / FILE)
    for name, run in RUNNERS.items():
        own = home / name
        own.mkdir()
        with served(migration, own) as place:
            yield from _measured(name, run, place, own)


def _measured(name: str, run: Runner, place: Place, home: Path) -> Iterator[Figure]:
    killed = run(place, home, HALF)
    kept, pages = compared(home), len(place.pages.served)
    done = run(place, home, None)
    mistakes = [*_mistakes(name, place, home, killed, done)]
    sides = [0, 1] if name != MANIFEST else [1]
    repeated = sum(map(place.pages.repeated, sides))
    rest = OBJECTS - kept
    sys.stderr.write(
        f"{name}: killed after {killed.seconds:.1f} s and {pages:,} pages with {kept:,} objects"
        f" stored ({kept / killed.seconds:,.0f}/s); then {done.seconds:.1f} s"
        f" ({rest / done.seconds:,.0f}/s); peak {killed.peak / 2**20:.0f} and"
        f" {done.peak / 2**20:.0f} MiB; requests"
        f" {' and '.join(f'{place.pages.requests(side):,}' for side in (0, 1))};"
        f" objects listed twice {repeated:,}; wrong: {', '.join(mistakes) or 'nothing'}\n"
    )
    what = f"{OBJECTS:,} objects, {name}, killed in the middle"
    yield absolute(f"million-{name}", f"{what}: wrong", "facts", len(mistakes), 0)
    seconds = killed.seconds + done.seconds
    yield absolute(f"million-{name}-time", f"{what}: both runs", "s", seconds, 240)
    peak = max(killed.peak, done.peak) / 2**20
    yield absolute(f"million-{name}-memory", f"{what}: memory", "MiB", peak, 150)
    share = repeated / OBJECTS / len(sides) * 100
    yield absolute(f"million-{name}-twice", f"{what}: listed twice", "%", share, 20)


def _mistakes(name: str, place: Place, home: Path, killed: Run, done: Run) -> Iterator[str]:
    """Yield what is not exactly as it should be."""
    migration = place.migration
    if killed.code != -signal.SIGKILL:
        yield f"the first run ended with {killed.code}"
    if done.code != (0 if name == "screen" else 4):
        yield f"the last run ended with {done.code}"
    if name == "screen":
        [file], expected = (home / "work").iterdir(), migration.as_json
        counts = f"{VERDICT}, of {OBJECTS:,} objects" in " ".join(done.told.split())
    else:
        file, expected = home / "diff", migration.as_nul
        told = json.loads(done.out)
        counts = {what: n for what, n in told["outcomes"].items() if n} == migration.tally
        counts = counts and told["objects"] == OBJECTS
    if file.read_bytes() != expected:
        yield "the list of keys"
    if not counts:
        yield "the counts"
    if not tells_all(receipt(place, home), OBJECTS):
        yield "the receipt"
