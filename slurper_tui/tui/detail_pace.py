"""How fast a job goes, when it will end or how it ended, and what stands in its way, as lines."""

from __future__ import annotations

from collections.abc import Iterator

from slurper_tui import format as words
from slurper_tui.eta import eta_long, finish
from slurper_tui.monitor.model.job import Forecast, JobView, State, shown_forecast, shown_rate
from slurper_tui.monitor.model.logs import BROKE_TYPE, reason_of
from slurper_tui.tui.columns import Facts
from slurper_tui.tui.glyphs import role_of
from slurper_tui.tui.lines import Line, Piece, join, width_of, wrap
from slurper_tui.tui.problems import error_details

WORTH_TELLING = 0.02
"""The part of the whole rate from which on a kind of objects is told apart."""


def pace_lines(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    """Tell how fast it goes, when it will end or how it ended, and what the last poll met."""
    if view.verdict:
        role = "success" if view.verdict.clean else "warning"
        role = "error" if view.verdict.listing_broke else role
        yield from _wrapped(_sayable(view.verdict.text, facts), width, role)
    if view.live:
        yield from _stall(view, facts, width)
        yield from _rates(view, facts, width)
        yield from _eta(view, facts, width)
        yield from _deadline(view, facts, width)
    elif view.lifetime_rate is not None:
        yield (Piece(words.rate(view.lifetime_rate)), Piece("/s on average", "muted"))
    yield from _notes(view, facts, width)
    yield from _trouble(view, facts, width)


def _sayable(text: str, facts: Facts) -> str:
    """Our own sentence that may quote foreign words: neutralised, its signs kept sayable."""
    return facts.look.glyphs.clean(facts.look.glyphs.say(text))


def _stall(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    if view.state is not State.STALLED or view.stalled_since is None:
        return
    since = words.moment(view.stalled_since, facts.now, facts.look.zone)
    span = words.duration(facts.now - view.stalled_since)
    sign = facts.look.glyphs.sign(view.state)
    text = f"{sign} nothing has moved since {since} ({span})"
    yield from _wrapped(text, width, role_of(view))
    if not view.missed:
        yield from _wrapped("the API answers, the counters stand still", width, "muted")


def _rates(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    """Tell the rate now and on average, and both kinds of objects apart when both move."""
    if view.remembered:
        return
    dot = facts.look.glyphs.say(" · ")
    now = _rate(shown_rate(view), "/s now", facts)
    yield join([now, _rate(view.lifetime_rate, "/s since start", facts)], dot, "muted")
    kinds = (view.transferred_rate, view.skipped_rate)
    if shown_rate(view) is not None and _both_move(*kinds):
        transferred = _rate(kinds[0], "/s transferred", facts)
        yield from _in_a_row([transferred, _rate(kinds[1], "/s skipped", facts)], dot, width)


def _both_move(transferred: float | None, skipped: float | None) -> bool:
    rates = (transferred or 0.0, skipped or 0.0)
    return min(rates) > 0 and min(rates) >= WORTH_TELLING * sum(rates)


def _deadline(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    if facts.deadline is None:
        return
    from slurper_tui.tui.deadline_words import deadline_lines  # only where there is one

    yield from deadline_lines(view, facts, width)


def _rate(rate: float | None, what: str, facts: Facts) -> Line:
    return (Piece(facts.look.glyphs.say(words.rate(rate))), Piece(what, "muted"))


def _in_a_row(parts: list[Line], gap: str, width: int) -> Iterator[Line]:
    """Set parts beside each other, or below each other where that has no room."""
    line = join(parts, gap, "muted")
    yield from [line] if width_of(line) <= width else parts


def _eta(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    """Tell when it will be done, and in words what is not certain about that."""
    forecast, dash = shown_forecast(view), facts.look.glyphs.say(words.DASH)
    reason = "" if view.state is State.STALLED or view.remembered else view.reason
    if forecast is not None:
        yield from _in_a_row(_forecast(forecast, facts), facts.look.glyphs.say(" · "), width)
    elif not reason.startswith("no ETA"):
        yield (Piece("ETA ", "muted"), Piece(dash, "faint"))
    if forecast is not None and forecast.seeded:
        yield from _wrapped("by its average since start", width, "muted")
    if reason:
        yield from _wrapped(_sayable(reason, facts), width, "muted")


def _forecast(forecast: Forecast, facts: Facts) -> list[Line]:
    span = eta_long(forecast.low_seconds, forecast.high_seconds, at_least=forecast.at_least)
    clock = finish(
        forecast.low, forecast.high, facts.now, facts.look.zone, at_least=forecast.at_least
    )
    parts = ((span, "strong"), (clock, ""))
    return [(Piece(_sayable(text, facts), role),) for text, role in parts if text]


def _notes(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    if view.live and view.listing_broke:
        yield from _wrapped(reason_of(BROKE_TYPE), width, "error")
    if view.live and view.restarts:
        yield from _wrapped("its counters began anew, and so did the rate", width, "muted")
    if view.gone:
        yield from _wrapped("no longer known to the API", width, "muted")
    if view.remembered and view.as_of is not None:
        at = words.moment(view.as_of, facts.now, facts.look.zone)
        yield from _wrapped(f"as of {at}, not yet confirmed", width, "warning")


def _trouble(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    if view.missed and view.as_of is not None and not view.remembered:
        role = "warning" if view.stale else "muted"
        age = facts.now - view.as_of
        span = words.duration(age) if age >= 60 else "< 1 min"
        yield from _wrapped(f"these numbers are {span} old", width, role)
    if view.problem:
        for label, text in error_details(view.problem, facts.look):
            yield from _wrapped(f"{label}: {text}", width, "error")


def _wrapped(text: str, width: int, role: str) -> Iterator[Line]:
    for part in wrap(text, width):
        yield (Piece(part, role),)
