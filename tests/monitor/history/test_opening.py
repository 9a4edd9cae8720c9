"""Opening histories that are new, older, damaged, foreign, locked or shared, with real files."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from slurper_tui.monitor.history import opening, schema
from slurper_tui.monitor.history.codecs import Places
from slurper_tui.monitor.history.files import Ownership
from slurper_tui.monitor.history.opening import memory_store, open_file, open_history, read_store
from slurper_tui.monitor.history.schema import (
    UPGRADES,
    ForeignFile,
    NewerHistory,
    Upgrade,
    prepare,
)
from slurper_tui.monitor.history.store import Store, copy
from slurper_tui.monitor.model.samples import HistoryView, Keeping
from tests.monitor.history.samples import ACCOUNT, BEGUN, DAY, URL, job, key, of, opened, run_of

MORE: tuple[Upgrade, ...] = (*UPGRADES, ("ALTER TABLE jobs ADD COLUMN note TEXT",))
ON = HistoryView()
LOCKED_AT_START = HistoryView(
    Keeping.OFF,
    "another program kept its file locked at the start: the history of this run is only in memory",
)

LOCKING = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    file.execute(statement)
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(path: Path, *statements: str) -> Iterator[None]:
    """Run another process that locks the file until the end of the block."""
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", LOCKING, str(path), *statements]
    with subprocess.Popen(words, stdin=pipe, stdout=pipe) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"locked\n"
            yield
        finally:
            other.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite3"


@pytest.fixture
def kept(path: Path) -> Path:
    """A file with 20 jobs and 2,000 samples."""
    with opened(path) as (store, _):
        store.write([job(f"job{n}") for n in range(20)], of(key(), run_of(2000)))
    return path


def modes(folder: Path) -> dict[str, str]:
    return {each.name: oct(each.stat().st_mode & 0o777) for each in folder.iterdir()}


# Valid files -------------------------------------------------------------------------------------


def test_new_files_and_folders_are_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(0)
    try:
        with opened(tmp_path / "state" / "mine" / "h") as (store, view):
            store.write([job()], of(key(), run_of(3)))
            assert view == ON
            assert modes(tmp_path / "state" / "mine") == dict.fromkeys(
                ("h", "h-wal", "h-shm", "h.lock"), "0o600"
            )
    finally:
        os.umask(before)
    assert modes(tmp_path / "state") == {"mine": "0o700"}
    assert modes(tmp_path) == {"state": "0o700"}
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_existing_file_is_made_private(kept: Path) -> None:
    kept.chmod(0o644)
    with opened(kept):
        assert set(modes(kept.parent).values()) == {"0o600"}


def test_written_data_is_read_after_reopening(kept: Path) -> None:
    with opened(kept) as (store, view):
        assert view == ON
        assert len(store.jobs([ACCOUNT])) == 20
        assert store.samples(key()) == tuple(run_of(2000))
        assert kept.stat().st_size > 0


def test_history_without_path_or_disabled_is_in_memory(path: Path) -> None:
    for where, enabled, keeping in ((None, True, Keeping.ON), (path, False, Keeping.ASKED_OFF)):
        store, view = open_history(where, URL, enabled=enabled)
        store.write([job()], of(key(), run_of(3)))
        assert (store.path, view.keeping, len(store.samples(key()))) == (None, keeping, 3)
        store.close()
    assert not path.exists()


def test_pragmas_for_safety_are_set(kept: Path) -> None:
    with opened(kept) as (store, _):
        pragmas = {
            name: store._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "auto_vacuum", "user_version")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "auto_vacuum": 2, "user_version": 3}


def test_empty_file_is_used_as_a_new_history(path: Path) -> None:
    path.touch()
    with opened(path) as (store, view):
        assert (view, store.path) == (ON, path)


# Versions --------------------------------------------------------------------------------------


def columns(path: Path) -> list[str]:
    file = sqlite3.connect(path)
    names = [row[1] for row in file.execute("PRAGMA table_info(jobs)")]
    file.close()
    return names


def version(path: Path) -> int:
    """The schema version in the file's header."""
    return int.from_bytes(path.read_bytes()[60:64], "big")


def open_newer(path: Path) -> tuple[Store, str]:
    """Open a file as a version of the program with one more upgrade does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "UPGRADES", MORE)
        return open_file(path, URL)


def test_older_file_is_migrated(kept: Path) -> None:
    store, notice = open_newer(kept)
    assert (notice, version(kept), "note" in columns(kept)) == ("", 4, True)
    assert store.samples(key()) == tuple(run_of(2000))
    store.close()


def test_failed_upgrade_leaves_no_trace(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (
        *UPGRADES,
        ("ALTER TABLE jobs ADD COLUMN note TEXT", "INSERT INTO nowhere VALUES (1)"),
    )
    with monkeypatch.context() as patch:
        patch.setattr(schema, "UPGRADES", broken)
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            open_file(kept, URL)
    assert (version(kept), "note" in columns(kept)) == (3, False)
    with opened(kept) as (store, view):
        assert (view, len(store.samples(key()))) == (ON, 2000)


KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from slurper_tui.monitor.history import opening, schema
connect = opening._connect
def connected(*words):
    file = connect(*words)
    file.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
    return file
opening._connect = connected
more = ("ALTER TABLE jobs ADD COLUMN note", "DELETE FROM samples", "SELECT die()")
schema.UPGRADES = (*schema.UPGRADES, more)
opening.open_file(Path(sys.argv[1]), "https://api.example")
"""


def test_killed_upgrade_leaves_no_trace(kept: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", KILLED, str(kept)], check=False)
    assert ran.returncode == -9
    with opened(kept) as (store, view):
        assert (view, len(store.samples(key()))) == (ON, 2000)
    assert (version(kept), "note" in columns(kept)) == (3, False)
    open_newer(kept)[0].close()
    assert "note" in columns(kept)


def test_newer_file_is_not_changed(kept: Path) -> None:
    open_newer(kept)[0].close()
    before = {each.name: each.read_bytes() for each in kept.parent.iterdir()}
    with opened(kept) as (store, view):
        assert view == HistoryView(Keeping.OFF, "its file was written by a newer slurper-tui")
        store.write([job()], of(key(), run_of(3)))
        assert len(store.samples(key())) == 3
    assert {each.name: each.read_bytes() for each in kept.parent.iterdir()} == before
    with pytest.raises(NewerHistory):
        read_store(kept, URL)


def test_newer_version_in_the_write_ahead_log_is_found(kept: Path) -> None:
    writer = sqlite3.connect(kept, isolation_level=None)
    writer.execute("PRAGMA user_version = 7")
    assert version(kept) == 3
    with opened(kept) as (_, view):
        assert view.reason == "its file was written by a newer slurper-tui"
    writer.close()


def test_foreign_database_is_not_changed(path: Path) -> None:
    for statement in ("CREATE TABLE birds (name)", "PRAGMA user_version = 1"):
        file = sqlite3.connect(path)
        file.execute(statement)
        file.close()
        before = path.read_bytes()
        with opened(path) as (_, view):
            assert view == HistoryView(Keeping.OFF, "its file is not from slurper-tui")
        with pytest.raises(ForeignFile):
            read_store(path, URL)
        assert path.read_bytes() == before or statement.startswith("PRAGMA")
    file = sqlite3.connect(path)
    assert [name for [name] in file.execute("SELECT name FROM sqlite_schema")] == ["birds"]
    file.close()


FOREIGN = {
    "tables called like ours": ("CREATE TABLE jobs (a)", "CREATE TABLE samples (b)"),
    "ours and one more": (*(s for m in UPGRADES for s in m), "CREATE TABLE birds (name)"),
    "ours without an index": tuple(s for m in UPGRADES for s in m if "INDEX gaps" not in s),
    "another program's": (*(s for m in UPGRADES for s in m), "PRAGMA application_id = 7"),
    "with a log": (
        "CREATE TABLE jobs (a)",
        "CREATE TABLE samples (b)",
        "PRAGMA journal_mode = WAL",
    ),
    "empty, another program's": ("PRAGMA application_id = 7",),
}


@pytest.mark.parametrize("version", [0, 1, 2, 9])
@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_database_with_similar_tables_is_not_touched(
    tmp_path: Path, kind: str, version: int
) -> None:
    target, path = tmp_path / "theirs", tmp_path / "history.sqlite3"
    file = sqlite3.connect(target, isolation_level=None)
    for statement in (*FOREIGN[kind], f"PRAGMA user_version = {version}"):
        file.execute(statement).fetchall()
    file.close()
    target.chmod(0o644)
    path.symlink_to(target)
    before = target.read_bytes()
    with opened(path) as (_, view):
        assert view == HistoryView(Keeping.OFF, "its file is not from slurper-tui")
    with pytest.raises(ForeignFile):
        read_store(path, URL)
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (before, 0o644)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["history.sqlite3", "theirs"]


@pytest.mark.parametrize("seen", [1, 2, 3])
def test_older_file_is_recognised_by_its_schema(path: Path, seen: int) -> None:
    file = sqlite3.connect(path, isolation_level=None)
    for statement in (s for upgrade in UPGRADES[:seen] for s in upgrade):
        file.execute(statement)
    file.execute(f"PRAGMA user_version = {seen}")
    row = (1, URL, ACCOUNT, "job0", '{"id":"job0"}', None, None, 0, 0, 0)
    file.execute("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    file.execute("ANALYZE")
    file.close()
    reader = read_store(path, URL)
    assert reader.keys() == (key(),)
    reader.close()
    for _ in range(2):
        with opened(path) as (store, view):
            assert (view, store.keys()) == (ON, (key(),))
    assert (path.read_bytes()[68:72], version(path)) == (b"SLUR", 3)


# Damage ----------------------------------------------------------------------------------------


def aside(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if "corrupt" in each.name)


def test_damaged_files_are_set_aside_and_never_overwritten(path: Path) -> None:
    names = ["history.sqlite3.corrupt-20261124T231500Z" + end for end in ("", "-2", "-3")]
    for number, name in enumerate(names):
        path.write_bytes(b"no database %d" % number)
        path.with_name(path.name + "-wal").write_bytes(b"its log %d" % number)
        store, view = open_history(path, URL, clock=lambda: 1_795_562_100.0)
        store.write([job()], of(key(), run_of(3)))
        store.close()
        assert view == HistoryView(
            Keeping.ON, f"the history was damaged: it is kept as {name}, a new one was started"
        )
        assert path.with_name(name).read_bytes() == b"no database %d" % number
        assert path.with_name(name + "-wal").read_bytes() == b"its log %d" % number
    assert aside(path.parent) == sorted(name + end for name in names for end in ("", "-wal"))
    with opened(path) as (store, view):
        assert (view, len(store.samples(key()))) == (ON, 3)


@pytest.mark.parametrize("part", ["jobs", "sqlite_autoindex_jobs_1"])
def test_damage_in_job_table_is_found_on_opening(kept: Path, part: str) -> None:
    whole = kept.read_bytes()
    [[page]] = (file := sqlite3.connect(kept)).execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = ?", (part,)
    )
    file.close()
    begin = (page - 1) * 4096
    broken = whole[:begin] + b"\xa5" * 4096 + whole[begin + 4096 :]
    kept.write_bytes(broken)
    with opened(kept) as (store, view):
        assert (view.keeping, store.jobs([ACCOUNT])) == (Keeping.ON, ())
        [name] = aside(kept.parent)
        assert name in view.reason
    assert kept.with_name(name).read_bytes() == broken


@pytest.mark.parametrize("seed", range(30))
def test_opening_never_raises_for_random_damage(kept: Path, seed: int) -> None:
    rng = random.Random(seed)
    broken = bytearray(kept.read_bytes())
    for _ in range(rng.choice([1, 3, 30])):
        begin = rng.randrange(len(broken))
        broken[begin : begin + rng.choice([1, 100, 5000])] = rng.randbytes(
            rng.choice([1, 100, 5000])
        )
    kept.write_bytes(broken[: rng.choice([len(broken), len(broken) // 2, 50])])
    store, view = open_history(kept, URL)
    assert view.keeping in {Keeping.ON, Keeping.OFF}
    assert len(store.jobs([ACCOUNT])) in range(21)
    store.close()


# Inaccessible files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file/history", "its file cannot be opened: not a directory"),
        ("file/deep/er/history", "its file cannot be opened: not a directory"),
        ("folder", "its file cannot be opened: is a directory"),
        ("pipe", "its file is not from slurper-tui"),
        ("/proc/slurper/history", "its file cannot be opened: no such file or directory"),
        ("/dev/null", "its file is not from slurper-tui"),
        ("nul\0", "embedded null byte"),
    ],
)
def test_history_is_off_where_no_file_can_be_created(
    tmp_path: Path, place: str, reason: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with opened(tmp_path / place) as (store, view):
        assert view == HistoryView(Keeping.OFF, reason)
        store.write([job()], of(key(), run_of(3)))
        assert len(store.samples(key())) == 3


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_pipe_next_to_the_file_does_not_block(kept: Path, end: str) -> None:
    kept.with_name(kept.name + end).unlink(missing_ok=True)
    os.mkfifo(kept.with_name(kept.name + end))
    with opened(kept) as (_, view):
        assert view == HistoryView(Keeping.OFF, "its file is not from slurper-tui")
    with pytest.raises(ForeignFile):
        read_store(kept, URL)


def test_history_is_off_while_the_file_is_locked(kept: Path) -> None:
    exclusive = ("PRAGMA locking_mode = EXCLUSIVE", "UPDATE jobs SET closed = 0")
    with locked(kept, *exclusive), opened(kept) as (store, view):
        assert view == LOCKED_AT_START
        assert store.path is None
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            read_store(kept, URL)
    with opened(kept) as (store, view):
        assert (view, len(store.samples(key()))) == (ON, 2000)


@pytest.fixture
def unwritable(kept: Path) -> Iterator[Path]:
    """A file that not even root can write to, in a folder where no file can be created."""
    set_to = ["chattr", "+i", str(kept), str(kept.parent)]
    for name in ("history.sqlite3.lock",):
        kept.with_name(name).unlink()
    if subprocess.run(set_to, check=False, capture_output=True).returncode != 0:
        pytest.skip("this file system has no immutable files")
    yield kept
    subprocess.run(["chattr", "-i", str(kept), str(kept.parent)], check=True)


def test_unwritable_file_is_copied_into_memory(unwritable: Path) -> None:
    with opened(unwritable) as (store, view):
        assert view == HistoryView(
            Keeping.OFF, "its file cannot be opened: operation not permitted"
        )
        assert len(store.jobs([ACCOUNT])) == 20
        store.write([job()], of(key(), run_of(1, begin=20_000)))
        assert len(store.samples(key())) == 2001
    reader = read_store(unwritable, URL)
    assert len(reader.samples(key())) == 2000
    reader.close()


def test_copy_has_one_base_url_and_thins_old_samples(path: Path) -> None:
    with opened(path, "https://other.example") as (store, _):
        store.write([job("other")], of(key("other"), run_of(100)))
    with opened(path) as (store, _):
        store.write([job()], of(key(), [*run_of(1200), *run_of(10, begin=4 * DAY)]))
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection)
    reader = read_store(path, URL)
    reader.copy_to(connection)
    reader.close()
    ours, others = Store(connection, URL), Store(connection, "https://other.example")
    assert (ours.keys(), others.keys()) == ((key(),), ())
    kept = ours.samples(key())
    assert [one.at - BEGUN for one in kept[:-10]] == [595.0 + 600 * n for n in range(10)]
    assert list(kept[-10:]) == run_of(10, begin=4 * DAY)
    assert ours.jobs([ACCOUNT])[0].last == kept[-1]
    ours.close()


def test_copy_without_time_has_jobs_but_no_samples(kept: Path) -> None:
    source, target = sqlite3.connect(kept), sqlite3.connect(":memory:", isolation_level=None)
    prepare(target)
    copy(source, target, Places(URL), seconds=-1.0)
    source.close()
    ours = Store(target, URL)
    assert (len(ours.jobs([ACCOUNT])), ours.samples(key())) == (20, ())
    ours.close()


# Several instances -------------------------------------------------------------------------------


def test_second_instance_shares_until_the_first_closes(path: Path) -> None:
    first, one = open_history(path, URL)
    second, two = open_history(path, URL)
    assert (one, two) == (ON, HistoryView(Keeping.SHARED, "another slurper-tui writes it too"))
    assert (first.is_shared, second.is_shared) == (False, True)
    first.close()
    assert second.is_shared is False
    with opened(path) as (_, three):
        assert three.keeping is Keeping.SHARED
    second.close()


def test_instance_counts_as_first_where_locks_are_impossible(tmp_path: Path) -> None:
    assert Ownership(tmp_path / "nowhere" / "history").claim()


OPENING = """
import sys
from pathlib import Path
from slurper_tui.monitor.history.opening import open_file, open_history
print("ready", flush=True)
sys.stdin.readline()
store, view = open_history(Path(sys.argv[1]), "https://api.example")
print(view.keeping, store.path is not None, flush=True)
sys.stdin.readline()
"""


def test_instances_that_create_a_file_at_once_all_use_it(path: Path) -> None:
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", OPENING, str(path)]
    several = [subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    lines = list[str]()
    for line in ("ready\n", ""):
        for each in several:
            assert each.stdin is not None
            assert each.stdout is not None
            if line:
                assert each.stdout.readline() == line
        if line:
            for each in several:
                assert each.stdin is not None
                each.stdin.write("go\n")
                each.stdin.flush()
    for each in several:
        assert each.stdout is not None
        lines.append(each.stdout.readline().strip())
    for each in several:
        each.communicate("end\n")
    assert sorted(lines) == ["on True", "shared True", "shared True", "shared True"]


def on_connect(
    monkeypatch: pytest.MonkeyPatch, action: Callable[[sqlite3.Connection], None]
) -> None:
    """Call `action` with each new connection before its first statement."""
    connect = opening._connect

    def connected(*args: Any) -> sqlite3.Connection:
        connection = connect(*args)
        action(connection)
        return connection

    monkeypatch.setattr(opening, "_connect", connected)


def test_switch_to_wal_is_retried_while_another_connection_holds_a_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    for statement in ("CREATE TABLE t (a)", "DROP TABLE t", "BEGIN IMMEDIATE"):
        other.execute(statement)
    attempts = list[str]()

    def release_at_third_attempt(statement: str) -> None:
        if statement == "PRAGMA journal_mode = WAL":
            attempts.append(statement)
            if len(attempts) == 3:
                other.execute("ROLLBACK")

    on_connect(monkeypatch, lambda each: each.set_trace_callback(release_at_third_attempt))
    with opened(path) as (store, view):
        assert (view, store.path, len(attempts)) == (ON, path, 3)
    other.close()


def test_file_that_another_instance_is_creating_is_not_set_aside(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first connection, without locks, finds only one page of the other instance's tables."""
    with opened(path):
        pass
    whole = path.read_bytes()
    path.unlink()
    empty = sqlite3.connect(path)
    empty.execute("PRAGMA auto_vacuum = INCREMENTAL")
    empty.execute("PRAGMA journal_mode = WAL")
    empty.close()
    connections = list[sqlite3.Connection]()

    def write(connection: sqlite3.Connection) -> None:
        if connections:
            path.write_bytes(whole)
        else:
            connection.set_trace_callback(lambda _: path.write_bytes(whole[:4096]))
        connections.append(connection)

    on_connect(monkeypatch, write)
    with opened(path) as (store, view):
        assert (view, store.path, len(connections)) == (ON, path, 2)
    assert aside(path.parent) == []


# Read-only access --------------------------------------------------------------------------------


def test_read_store_creates_no_file(tmp_path: Path, kept: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_store(tmp_path / "none" / "history", URL)
    assert not (tmp_path / "none").exists()
    kept.write_bytes(b"nonsense" * 50)
    with pytest.raises(sqlite3.DatabaseError, match="damaged"):
        read_store(kept, URL)
    assert aside(tmp_path) == []


def test_read_store_sees_writes_of_others_and_cannot_write(kept: Path) -> None:
    with opened(kept) as (writer, _):
        reader = read_store(kept, URL)
        writer.write([job()], of(key(), run_of(1, begin=20_000)))
        assert len(reader.samples(key())) == 2001
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.write([job()], [])
        reader.close()


def test_a_store_is_in_memory_or_in_a_file(path: Path) -> None:
    for store, place in ((memory_store(URL), None), (open_file(path, URL)[0], path)):
        store.write([job()], of(key(), run_of(3)))
        assert (store.path, len(store.samples(key()))) == (place, 3)
        store.close()
    assert path.stat().st_size > 0
