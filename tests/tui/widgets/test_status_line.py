"""The history note: short in the status line, in full in the dialog."""

from __future__ import annotations

from datetime import UTC

import pytest

from slurper_tui.monitor.model.job import AccountView, PastOutage
from slurper_tui.tui.keys import hints_for
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, text_of
from slurper_tui.tui.render.problem_text import problem_details
from slurper_tui.tui.state import ScreenState, highlight_row, see
from slurper_tui.tui.widgets.status_line import status_line
from tests.tui.jobs import ACCOUNT, NOW, snapshot, view

LOOK = Look(zone=UTC)
OFF = "history off: disk full"
SHARED = "history shared: another instance writes to the same file"
BACK = "back after 6 s without an answer: 533"


def line(note: str, width: int = 120) -> Line:
    seen = see(ScreenState(), snapshot(view(), history_note=note))
    return status_line(seen, hints_for(seen, {}, LOOK), LOOK, width)


@pytest.mark.parametrize(("note", "style"), [(OFF, "warning"), (SHARED, "muted")])
def test_the_history_note_is_shown_with_its_style(note: str, style: str) -> None:
    assert text_of(line(note, 200)).startswith(f" {note} · as of 09:46 UTC")
    assert [piece.style for piece in line(note, 200) if note in piece.text] == [style]
    assert "history" not in text_of(line(""))


@pytest.mark.parametrize(("note", "short"), [(OFF, "history off"), (SHARED, "history shared")])
def test_a_narrow_line_shows_the_note_without_its_reason(note: str, short: str) -> None:
    assert text_of(line(note, 50)).startswith(f" {short}  ")
    assert text_of(line(note, 74)).startswith(f" {short}  ")


@pytest.mark.parametrize(
    ("width", "note", "unlocked", "begins"),
    [
        (120, SHARED, False, f"{BACK} objects moved meanwhile"),
        (150, SHARED, False, f"{BACK} objects moved meanwhile · history shared"),
        (80, SHARED, False, f"{BACK} objects moved meanwhile"),
        (80, OFF, False, f"{BACK} objects moved meanwhile"),
        (80, "", True, "unlocked · back after 6 s: 533 moved"),
        (80, SHARED, True, "unlocked · back after 6 s: 533 moved"),
        (120, SHARED, True, "unlocked · back after 6 s: 533 moved · history shared"),
        (200, SHARED, True, f"unlocked · {BACK} objects moved meanwhile · history shared"),
    ],
)
def test_the_end_of_an_outage_is_told_beside_a_history_note(
    width: int, note: str, unlocked: bool, begins: str
) -> None:
    outage = PastOutage(NOW - 6, NOW, 533)
    back = AccountView(ACCOUNT, listed=True, answered=True, past_outage=outage)
    writing = ScreenState(writing=unlocked)
    seen = see(writing, snapshot(view(), history_note=note, accounts=(back,)))
    shown = text_of(status_line(seen, hints_for(seen, {}, LOOK), LOOK, width))
    assert shown.startswith(f" {begins}")
    assert len(shown) == width


def test_the_dialog_shows_the_note_in_full() -> None:
    seen = snapshot(view(), history_note=SHARED)
    assert problem_details(seen, LOOK) == [("", SHARED.capitalize())]
    assert "No problems" in problem_details(snapshot(view()), LOOK)[0][1]


def test_a_file_name_in_the_note_is_sanitised() -> None:
    seen = line("history off: cannot write to \x1b[31m\u202e.db", 200)
    assert text_of(seen).isprintable()


LOOKING = ("v receipt", "E export", "e failures", "l log")
CHANGING = ("U resume", "P pause", "X abort")
LEAVING = ("? help", "q quit")


@pytest.mark.parametrize(
    ("failed", "writing", "hints"),
    [
        (80, False, (*LOOKING, *LEAVING)),
        (80, True, (*LOOKING, *CHANGING)),
        (0, True, ("v receipt", "l log", *CHANGING, "? help")),
    ],
)
def test_a_migration_hints_at_80_columns_what_it_answers_and_how_it_is_changed(
    failed: int, *, writing: bool, hints: tuple[str, ...]
) -> None:
    running = view(1, done=500, failed=failed, source="photos", target="media")
    paused = view(2, "paused", source="photos", target="media")
    seen = see(ScreenState(writing=writing), snapshot(running, paused))
    seen = highlight_row(seen, 0)
    assert seen.migration is not None
    shown = text_of(status_line(seen, hints_for(seen, {}, LOOK), LOOK, 80))
    assert shown.endswith(f"  {'  '.join(hints)} ")
    assert ("unlocked" in shown) is writing
