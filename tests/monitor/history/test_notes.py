"""Events, links, log counts, verifications and plans in real files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.monitor.history import opening, schema
from slurper_tui.monitor.history.notes import MOST_VERIFICATIONS
from slurper_tui.monitor.history.opening import (
    open_file,
    open_history,
    read_store,
)
from slurper_tui.monitor.history.schema import (
    UPGRADES,
    ForeignFile,
    newest_version,
    prepare,
)
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import MOST_EVENTS, Event, RetryLink, What
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Draft, Plan, Step, StepState
from slurper_tui.monitor.model.samples import HistoryView, Keeping
from slurper_tui.monitor.model.verification import Outcome, Tally
from tests.monitor.history.noted import COUNTS, TIE, VERIFICATION, draft, event, fill_notes, plan
from tests.monitor.history.samples import (
    ACCOUNT,
    BEGUN,
    URL,
    job,
    key,
    of,
    opened,
    run_of,
)
from tests.monitor.history.test_opening import aside, version

OTHER = "https://other.example"
WAITING, SENDING, STARTED = StepState.WAITING, StepState.SENDING, StepState.STARTED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite3"


def step(store: Store, number: int = 1) -> Step:
    """The present state of a step of the only plan."""
    [kept] = store.notes.plans.all()
    return kept.steps[number - 1]


# Reading what was written ------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
KEYS = st.builds(JobKey, st.just(ACCOUNT), TEXT)
TIMES = st.integers(0, 4 * 10**12).map(lambda ms: ms / 1000)
DRAFTS = st.builds(
    Draft,
    vendor=TEXT,
    bucket=TEXT,
    target=TEXT,
    path_prefix=st.none() | TEXT,
    keys=st.none() | st.lists(TEXT, min_size=1, max_size=5).map(tuple),
    source_jurisdiction=st.none() | TEXT,
    overwrite=st.booleans(),
)


@given(st.lists(st.builds(Event, KEYS, TIMES, st.sampled_from(What), TEXT, TEXT), max_size=9))
def test_events_are_read_oldest_first_without_duplicates(events: list[Event]) -> None:
    with opened(None) as (store, _):
        for _ in range(2):
            store.notes.keep(events, {})
        for whose in {each.key for each in events}:
            found = store.notes.events(whose, 200)
            assert sorted(found, key=hash) == sorted(
                {each for each in events if each.key == whose}, key=hash
            )
            assert [each.at for each in found] == sorted(each.at for each in found)


@given(st.lists(st.builds(Step, st.just(0), DRAFTS, at=TIMES, message=TEXT), max_size=4))
def test_plan_is_read_as_written(steps: list[Step]) -> None:
    numbered = tuple(replace(each, number=n) for n, each in enumerate(steps, 1))
    with opened(None) as (store, _):
        kept = store.notes.plans.keep(replace(plan(), steps=numbered))
        assert (kept.id, kept.steps) == (1, numbered)
        assert store.notes.plans.all([ACCOUNT]) == (kept,)


@given(st.dictionaries(KEYS, st.builds(LogCounts, st.dictionaries(TEXT, st.integers(0)))))
def test_log_counts_are_read_as_written(counts: dict[JobKey, LogCounts]) -> None:
    with opened(None) as (store, _):
        store.notes.keep((), counts)
        assert store.notes.counts([ACCOUNT]) == counts


def test_text_that_is_not_unicode_is_stored() -> None:
    odd = draft("x", keys=("a\ud800", "b"))
    with opened(None) as (store, _):
        store.notes.plans.keep(plan(odd))
        store.notes.keep([Event(key("\ud800"), BEGUN, What.ASKED, "\ud800")], {})
        assert step(store).draft == odd
        assert store.notes.events(key("\ud800"), 5) == (
            Event(key("\ud800"), BEGUN, What.ASKED, "?"),
        )


def test_newest_events_are_returned_and_old_ones_deleted() -> None:
    with opened(None) as (store, _):
        for begin in range(0, 700, 100):
            store.notes.keep([event(at) for at in range(begin, begin + 100)], {})
        store.notes.keep([event(0, whose=key("job1"))], {})
        assert store.notes.events(key(), 3) == (event(697), event(698), event(699))
        found = store.notes.events(key(), 10_000)
        assert (len(found), found[0]) == (MOST_EVENTS, event(200))
        assert store.notes.events(key("job1"), 5) == (event(0, whose=key("job1")),)


def test_events_of_the_same_time_keep_their_order() -> None:
    several = [event(5, what) for what in (What.ASKED, What.REFUSED, What.HERE, What.ASKED)]
    with opened(None) as (store, _):
        store.notes.keep(several, {})
        assert store.notes.events(key(), 9) == tuple(several[:3])


def test_counts_replace_earlier_ones() -> None:
    with opened(None) as (store, _):
        for counts in (COUNTS, LogCounts({"x": 1}), LogCounts({"x": 2})):
            store.notes.keep((), {key(): counts})
            assert store.notes.counts() == {key(): counts}


def test_links_are_read_in_the_order_they_were_recorded() -> None:
    others = [RetryLink(key(f"job{n}"), key(), n) for n in (5, 3, 4)]
    foreign = RetryLink(key("job9", "acc9"), key("job8", "acc9"), 1)
    with opened(None) as (store, _):
        for link in (TIE, *others, foreign, replace(TIE, keys=8)):
            store.notes.keep((), {}, [link])
        assert store.notes.links([ACCOUNT]) == (replace(TIE, keys=8), *others)
        assert store.notes.links() == (replace(TIE, keys=8), *others, foreign)


def test_verifications_are_read_oldest_first_without_duplicates() -> None:
    later = replace(VERIFICATION, started_at=BEGUN + 100, ended_at=BEGUN + 101)
    foreign = replace(later, account_id="acc9", jobs=("job9",))
    unsorted = replace(VERIFICATION, jobs=("job1", "job0"))
    with opened(None) as (store, _):
        for results in ([later, foreign], [unsorted], [VERIFICATION, later]):
            store.notes.keep((), {}, (), results)
        assert store.notes.verifications([ACCOUNT]) == (VERIFICATION, later)
        assert store.notes.verifications() == (VERIFICATION, later, foreign)
        assert store.notes.verifications([ACCOUNT]) == (VERIFICATION, later)


def test_old_verifications_of_the_same_jobs_are_deleted() -> None:
    several = [replace(VERIFICATION, started_at=BEGUN + n, ended_at=BEGUN + n) for n in range(30)]
    alone = replace(VERIFICATION, jobs=("job1",))
    with opened(None) as (store, _):
        store.notes.keep((), {}, (), [alone, *several])
        assert store.notes.verifications() == (alone, *several[-MOST_VERIFICATIONS:])


def test_text_of_a_verification_that_is_not_unicode_is_stored() -> None:
    odd = replace(VERIFICATION, by_prefix=(("a\ud800/", Tally({Outcome.SAME: 1})),))
    with opened(None) as (store, _):
        store.notes.keep((), {}, (), [odd])
        assert store.notes.verifications() == (odd,)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE verifications SET result = '['",
        "UPDATE verifications SET result = replace(result, '10', '-10')",
        "UPDATE verifications SET took = -1",
        "UPDATE verifications SET took = 'long'",
        f"UPDATE verifications SET at = {2**62}",
        "UPDATE verifications SET jobs = '{}'",
    ],
)
def test_damaged_verification_is_skipped(statement: str) -> None:
    with opened(None) as (store, _):
        fill_notes(store)
        store._connection.execute(statement)
        assert store.notes.verifications() == ()


def test_notes_of_another_base_url_are_not_visible(path: Path) -> None:
    with opened(path) as (store, _):
        kept = fill_notes(store)
    with opened(path, OTHER) as (store, _):
        notes = store.notes
        found = (notes.events(key(), 9), notes.links(), notes.plans.all(), notes.verifications())
        assert (found, notes.counts()) == (((),) * 4, {})
        assert notes.plans.move(kept.id, 1, WAITING, Step(1, draft(), SENDING)) is False
    with opened(path, URL + "/?secret=1") as (store, _):
        assert store.notes.links([ACCOUNT]) == (TIE,)


# Plans -----------------------------------------------------------------------------------------


def test_step_changes_only_from_its_present_state() -> None:
    with opened(None) as (store, _):
        kept = store.notes.plans.keep(plan())
        sending = replace(kept.steps[0], state=SENDING, at=BEGUN + 1)
        move = store.notes.plans.move
        assert move(kept.id, 1, SENDING, sending) is False
        assert move(kept.id, 1, WAITING, sending) is True
        assert move(kept.id, 1, WAITING, sending) is False
        assert (step(store), step(store, 2)) == (sending, kept.steps[1])
        assert move(kept.id, 3, WAITING, sending) is False
        assert move(kept.id + 1, 1, SENDING, sending) is False


@pytest.mark.parametrize("over", [StepState.STARTED, StepState.CANCELLED])
def test_finished_step_keeps_no_keys(path: Path, over: StepState) -> None:
    keys = draft(None, ("a/secret-name", "b/secret-name"))
    with opened(path) as (store, _):
        kept = store.notes.plans.keep(plan(keys, draft("c/")))
        assert step(store).draft.keys == ("a/secret-name", "b/secret-name")
        for number in (1, 2):
            ended = replace(kept.steps[number - 1], state=over, job_id="new")
            assert store.notes.plans.move(kept.id, number, WAITING, ended)
        assert (step(store).draft.keys, step(store, 2).draft.keys) == ((), None)
        assert step(store).job_id == "new"


@pytest.mark.parametrize("state", [SENDING, StepState.UNDECIDED, StepState.REFUSED])
def test_step_that_may_be_sent_again_keeps_its_keys(state: StepState) -> None:
    keys = draft(None, ("a", "b"))
    with opened(None) as (store, _):
        kept = store.notes.plans.keep(plan(keys))
        store.notes.plans.move(kept.id, 1, WAITING, replace(kept.steps[0], state=state))
        assert step(store).draft == keys


def test_draft_is_stored_without_password(path: Path) -> None:
    odd = replace(draft(), endpoint="https://me:pa55word@s3.example.com/?key=s3cret")
    with opened(path) as (store, _):
        store.notes.plans.keep(plan(odd))
        assert step(store).draft.endpoint == "https://s3.example.com"
    for each in path.parent.iterdir():
        content = each.read_bytes()
        assert b"pa55word" not in content
        assert b"s3cret" not in content


def test_unreadable_plan_is_skipped_and_others_are_read() -> None:
    with opened(None) as (store, _):
        first, second = (store.notes.plans.keep(plan(made_at=n)) for n in (0, 1))
        store._connection.execute("UPDATE steps SET draft = '{' WHERE plan = ?", (first.id,))
        assert store.notes.plans.all() == (second,)
        store._connection.execute("UPDATE steps SET state = 'new' WHERE plan = ?", (second.id,))
        assert store.notes.plans.all() == ()


def test_notes_of_another_version_are_skipped() -> None:
    with opened(None) as (store, _):
        fill_notes(store)
        for statement in (
            "UPDATE events SET what = 'danced' WHERE at % 2 = 0",
            "UPDATE log_counts SET counts = '['",
            "UPDATE ties SET log_types = '{}'",
            "UPDATE verifications SET result = replace(result, 'missing', 'mislaid')",
        ):
            store._connection.execute(statement)
        assert (store.notes.events(key(), 9), store.notes.verifications()) == ((), ())
        assert (store.notes.counts(), store.notes.links()) == ({}, ())


# Older files -----------------------------------------------------------------------------------


def first_version(path: Path, number: int = 1) -> None:
    """Create a file of the first version, or of a later one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "UPGRADES", UPGRADES[:number])
        patch.setattr(opening, "_READ", opening._READ[:number])
        store = open_file(path, URL)[0]
    store.write([job()], of(key(), run_of(2000)))
    store.close()


def test_file_of_first_version_is_migrated_without_loss(path: Path) -> None:
    first_version(path)
    assert version(path) == 1
    with opened(path) as (store, view):
        assert (view, store.samples(key())) == (HistoryView(), tuple(run_of(2000)))
        assert [stored.job for stored in store.jobs([ACCOUNT])] == [job().job]
        fill_notes(store)
    assert version(path) == newest_version() == 3
    with opened(path) as (store, _):
        assert (store.notes.links(), store.notes.counts()) == ((TIE,), {key(): COUNTS})
        assert store.notes.verifications() == (VERIFICATION,)


@pytest.mark.parametrize("number", [1, 2])
def test_file_of_an_earlier_version_can_be_opened_read_only(path: Path, number: int) -> None:
    first_version(path, number)
    reader = read_store(path, URL)
    assert reader.samples(key()) == tuple(run_of(2000))
    memory = sqlite3.connect(":memory:", isolation_level=None)
    prepare(memory)
    reader.copy_to(memory)
    reader.close()
    copied = Store(memory, URL)
    assert (len(copied.samples(key())), copied.notes.plans.all(), version(path)) == (
        2000,
        (),
        number,
    )
    assert copied.notes.verifications() == ()
    copied.close()


def test_versioned_file_with_other_tables_is_refused(path: Path) -> None:
    file = sqlite3.connect(path)
    file.executescript("CREATE TABLE jobs (name); PRAGMA user_version = 1")
    file.close()
    with opened(path) as (_, view):
        assert view == HistoryView(Keeping.OFF, "its file is not from slurper-tui")
    with pytest.raises(ForeignFile):
        read_store(path, URL)


@pytest.mark.parametrize(
    "part",
    [
        "events",
        "sqlite_autoindex_events_1",
        "ties",
        "sqlite_autoindex_ties_1",
        "log_counts",
        "verifications",
        "sqlite_autoindex_verifications_1",
        "plans",
        "steps",
        "sqlite_autoindex_steps_1",
    ],
)
def test_damage_in_note_tables_is_found_on_opening(path: Path, part: str) -> None:
    with opened(path) as (store, _):
        fill_notes(store)
    [[page]] = (file := sqlite3.connect(path)).execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = ?", (part,)
    )
    file.close()
    whole, begin = path.read_bytes(), (page - 1) * 4096
    path.write_bytes(whole[:begin] + b"\xa5" * 4096 + whole[begin + 4096 :])
    with pytest.raises(sqlite3.DatabaseError):
        read_store(path, URL)
    with opened(path) as (store, view):
        [name] = aside(path.parent)
        assert (view.keeping, store.notes.links()) == (Keeping.ON, ())
        assert name in view.reason


# Copies ------------------------------------------------------------------------------------------


def copy_of(path: Path) -> Store:
    """A copy in memory of a file that cannot be written to."""
    memory = sqlite3.connect(":memory:", isolation_level=None)
    prepare(memory)
    reader = read_store(path, URL)
    reader.copy_to(memory)
    reader.close()
    return Store(memory, URL, is_copy=True)


def test_copy_in_memory_contains_all_notes(path: Path) -> None:
    with opened(path, OTHER) as (store, _):
        fill_notes(store)
    with opened(path) as (store, _):
        kept = fill_notes(store)
    copied = copy_of(path)
    assert copied.notes.events(key(), 9) == (event(0), event(1, What.HERE))
    assert (copied.notes.links(), copied.notes.counts()) == ((TIE,), {key(): COUNTS})
    assert copied.notes.verifications() == (VERIFICATION,)
    assert copied.notes.plans.all() == (replace(kept, is_copy=True),)
    assert Store(copied._connection, OTHER).notes.links() == ()
    copied.close()


def test_step_of_a_copied_plan_cannot_change(path: Path) -> None:
    with opened(path) as (store, _):
        kept = fill_notes(store)
    copied = copy_of(path)
    sending = replace(kept.steps[0], state=SENDING)
    assert copied.notes.plans.move(kept.id, 1, WAITING, sending) is False
    assert copied.notes.plans.all() == (replace(kept, is_copy=True),)
    ours = copied.notes.plans.keep(plan())
    assert copied.notes.plans.move(ours.id, 1, WAITING, sending) is True
    copied.close()


def test_disabled_history_writes_no_notes_to_disk(path: Path) -> None:
    store, _ = open_history(path, URL, enabled=False)
    kept: Plan = fill_notes(store)
    assert store.notes.plans.all() == (kept,)
    store.close()
    assert not path.exists()
