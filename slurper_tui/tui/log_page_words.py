"""What stands above the rows of a log: whose it is, how far it is read, what is shown of it."""

from __future__ import annotations

from collections.abc import Iterator

from slurper_tui import format as words
from slurper_tui.api.errors import ApiError, BadAnswer, NotFound, RateLimited, Rejected, Unreachable
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import LogView, reason_of
from slurper_tui.tui.log_page_scene import LogScene, kinds
from slurper_tui.tui.render.columns import Facts, migration
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, join, shorten, spread, width_of

LEAST_NAME = 16
"""Cells that the migration's name gets in any case."""

MOST_WORDS = 28
"""Cells for what is searched or filtered for."""


def title_line(title: str, job: JobView, said: tuple[str, ...], look: Look, width: int) -> Line:
    """Whose page it is at the left, and at the right the longest of these words that fit."""
    fits = (text for text in said if len(text) + len(title) + LEAST_NAME + 6 <= width)
    right = look.glyphs.say(next(fits, ""))
    room = max(1, width - len(title) - len(right) - 6)
    name = migration(job, Facts(look), room)
    left: Line = (Piece(" "), Piece(title, "strong"), Piece("  "), *name)
    return spread(left, (Piece(right, "muted"), Piece(" ")) if right else (), width)


def log_head(scene: LogScene, job: JobView, look: Look, width: int) -> list[Line]:
    """Give the two lines above a log."""
    parts = [*_state(scene, look, width)]
    line = join(parts, look.glyphs.say(" · "))
    while len(parts) > 1 and width_of(line) + 2 > width:
        parts.pop()
        line = join(parts, look.glyphs.say(" · "))
    return [title_line("Log", job, read_words(scene.view), look, width), (Piece(" "), *line)]


def read_words(view: LogView) -> tuple[str, ...]:
    """How far a log is read, at length and in short."""
    here, read = len(view.rows), words.count(view.read)
    if not view.read:
        return ("no rows" if view.whole else "reading…",)
    if here < view.read:
        shown = words.count(here)
        if view.whole:
            return (f"showing the last {shown} of {read} rows", f"last {shown} of {read}")
        return (f"showing the last {shown} of at least {read}", f"{shown} of {read}+")
    if view.whole:
        return (f"{read} row" if view.read == 1 else f"{read} rows",)
    return (f"reading… {read} rows so far", f"reading… {read}", "reading…")


def problem_words(error: ApiError) -> str:
    """What failed, and what happens or is to be done next."""
    return f"{error.message} · {_next_step(error)}"


def _next_step(error: ApiError) -> str:
    if isinstance(error, Rejected):
        return "check the token and its permission"
    if isinstance(error, NotFound):
        return "the API no longer knows this job"
    if isinstance(error, RateLimited):
        return "goes on by itself when it may"
    if isinstance(error, (Unreachable, BadAnswer)):
        return "trying again"
    return "! tells all"


def trouble_line(problem: ApiError | None, *, waiting: bool, look: Look, room: int) -> Line:
    """What keeps a log from being read on; empty when nothing does."""
    clean = look.glyphs.clean
    if problem is not None:
        said = clean(look.glyphs.say(problem_words(problem)))
        return (Piece(shorten(said, room, look.glyphs.ellipsis), "error"),)
    return (Piece("waiting for the request budget", "warning"),) if waiting else ()


def _state(scene: LogScene, look: Look, width: int) -> Iterator[Line]:
    """What there is to know, the most important first."""
    view = scene.view
    trouble = trouble_line(view.problem, waiting=view.waiting, look=look, room=max(1, width - 2))
    if trouble:
        yield trouble
    if scene.fresh:
        yield (Piece(look.glyphs.say(f"↑ {words.count(scene.fresh)} new"), "accent"),)
    if scene.sought:
        yield (Piece(f"{_quoted(scene.sought, look)} {_found(scene)}", "accent"),)
    if scene.only:
        yield (Piece(f"only {_kind_words(scene, look)}", "accent"),)
    if scene.filter_text:
        yield (Piece("& ", "key"), Piece(_typed(scene.filter_text, look), "accent"))
    yield (Piece(_following(scene), "muted"),)


def _following(scene: LogScene) -> str:
    if not scene.following:
        return "not following"
    return "following" if scene.sticks else "following paused"


def _found(scene: LogScene) -> str:
    total = len(scene.matches)
    if not total:
        return "not found"
    if scene.place:
        return f"{words.count(scene.place)} of {words.count(total)}"
    return f"{words.count(total)} matches" if total > 1 else "1 match"


def _kind_words(scene: LogScene, look: Look) -> str:
    """The type that is shown, how many rows are of it, and which of how many types it is."""
    found = kinds(scene)
    only = scene.only[0]
    number = next((n for n, (type, _) in enumerate(found, 1) if type == only), 0)
    rows = words.count(sum(count for type, count in found if type == only))
    name = shorten(look.glyphs.clean(reason_of(only)), MOST_WORDS, look.glyphs.ellipsis)
    return f"{name} ({rows}; type {number} of {len(found)})"


def _quoted(text: str, look: Look) -> str:
    return look.glyphs.say("“") + _typed(text, look) + look.glyphs.say("”")


def _typed(text: str, look: Look) -> str:
    return shorten(look.glyphs.clean(text), MOST_WORDS, look.glyphs.ellipsis)
