"""A migration with known faults is verified by the real program, which is killed in the middle.

`python -m tests.benchmarks --only million` does the same with a million objects.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.migration_server import Migration, Place, served
from tests.verify_runs import VERDICT, When, by_command, by_screen, compared, receipt, tells_all

OBJECTS, PAGE = 8_000, 100

LATENCY = 0.05
"""Seconds of every page until the program is killed, as a network takes them: a checkpoint, which
is stored every half second, then comes before the end."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with served(Migration(OBJECTS), tmp_path, PAGE) as made:
        yield made


def checkpoint(place: Place, home: Path) -> When:
    """Return the condition that a quarter is stored as compared.

    The pages of a later run may reach into parts that were compared, but not into all of these.
    """
    place.pages.latency = LATENCY
    return lambda _: compared(home) > OBJECTS // 4


def goes_on(place: Place, home: Path) -> str:
    """Return what a run tells that goes on, and forget the pages so far."""
    place.pages.latency = 0.0
    place.pages.served.clear()
    kept = compared(home)
    assert OBJECTS // 4 < kept < OBJECTS
    return f"an earlier run was interrupted, with {kept:,} objects"


def test_a_killed_command_goes_on_and_writes_every_key_exactly(
    place: Place, tmp_path: Path
) -> None:
    diff, words = tmp_path / "diff", ["--json", "--null", "--diff", str(tmp_path / "diff")]
    killed = by_command(place, tmp_path, *words, when=lambda number: number > 5)
    assert killed.code == -signal.SIGKILL, killed.told
    killed = by_command(place, tmp_path, *words, when=checkpoint(place, tmp_path))
    assert killed.code == -signal.SIGKILL, killed.told
    assert not diff.exists()
    said = goes_on(place, tmp_path)
    done = by_command(place, tmp_path, *words)
    assert done.code == 4, done.told
    assert said in done.told
    assert diff.read_bytes() == place.migration.as_nul
    told = json.loads(done.out)
    assert {what: n for what, n in told["outcomes"].items() if n} == place.migration.tally
    assert told["objects"] == OBJECTS
    assert place.pages.listed(0) < OBJECTS
    assert tells_all(receipt(place, tmp_path), OBJECTS)


def test_a_killed_command_with_a_manifest_from_a_pipe_goes_on(place: Place, tmp_path: Path) -> None:
    diff, manifest = tmp_path / "diff", tmp_path / "manifest"
    place.migration.write_manifest(manifest)
    words = ["--manifest", "-", "--json", "--diff", str(diff)]
    when = checkpoint(place, tmp_path)
    killed = by_command(place, tmp_path, *words, manifest=manifest, when=when)
    assert killed.code == -signal.SIGKILL, killed.told
    said = goes_on(place, tmp_path)
    done = by_command(place, tmp_path, *words, manifest=manifest)
    assert done.code == 4, done.told
    assert said in done.told
    assert diff.read_bytes() == place.migration.as_json
    assert VERDICT in json.loads(done.out)["text"]
    assert place.pages.requests(0) == 0
    assert place.pages.listed(1) < OBJECTS


def test_a_killed_screen_goes_on_and_writes_every_key_exactly(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    killed = by_screen(place, tmp_path, folder, when=checkpoint(place, tmp_path))
    assert killed.code == -signal.SIGKILL, killed.told
    done = by_screen(place, tmp_path, folder, said=goes_on(place, tmp_path))
    assert done.code == 0
    assert f"{VERDICT}, of {OBJECTS:,} objects" in " ".join(done.told.split())
    [written] = folder.iterdir()
    assert written.read_bytes() == place.migration.as_json
    assert place.pages.listed(0) < OBJECTS
    assert tells_all(receipt(place, tmp_path), OBJECTS)
