"""What the API said to prechecks and create requests, as lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from slurper_tui.api.errors import (
    ApiError,
    BucketKeysRefused,
    Conflict,
    Locked,
    NotSent,
    RateLimited,
)
from slurper_tui.monitor.desk import Check, Made, Prechecks
from slurper_tui.monitor.model.job import State
from slurper_tui.monitor.model.plans import PlanView
from slurper_tui.tui.create_form_request import INDENT, told
from slurper_tui.tui.render.columns import Facts, migration
from slurper_tui.tui.render.glyphs import Look, role_of
from slurper_tui.tui.render.lines import Line, Piece
from slurper_tui.tui.render.problem_text import error_details
from slurper_tui.tui.widgets.job_table import wrap_words

REACHED, NOT_REACHED = "success", "error"
LOOK_FIRST = "sent, no answer: look in the list before you try again"


class Sent(NamedTuple):
    """What came of it: one job, or a plan of several. Neither where nothing was to be sent."""

    account_id: str = ""
    made: Made | None = None
    plan: PlanView | None = None

    @property
    def settled(self) -> bool:
        """A job was made, or may have been: nothing is to be sent from the same page again."""
        made = self.made
        if made is None:
            return self.plan is not None
        return made.error is None or made.error.undecided

    @property
    def no_slot(self) -> bool:
        """Nothing was made, because too much runs already."""
        return self.made is not None and isinstance(self.made.error, Conflict)


def check_lines(checks: Prechecks, look: Look, width: int) -> Iterator[Line]:
    """Whether each bucket can be reached, with the API's own words where it cannot."""
    yield from _check("source", checks.source, look, width)
    yield from _check("target", checks.target, look, width)
    yield ()


def refused(checks: Prechecks) -> bool:
    """The API says of a bucket that it cannot be reached with these keys."""
    return any(_is_refused(check) for check in (checks.source, checks.target))


def _is_refused(check: Check) -> bool:
    return check.status == NOT_REACHED or isinstance(check.error, BucketKeysRefused)


def _check(label: str, check: Check, look: Look, width: int) -> Iterator[Line]:
    if check.status == REACHED:
        text = f"{look.glyphs.sign(State.COMPLETED)} can be reached"
        yield from told(label, text, look, width, "success")
    elif _is_refused(check):
        text = f"{look.glyphs.sign(State.ABORTED)} cannot be reached with these keys"
        text += "" if check.error is None else f": {_said(check.error)}"
        yield from told(label, text, look, width, "error")
    elif check.error is not None:
        text = f"{look.glyphs.sign(State.OTHER)} not checked: {_said(check.error)}"
        yield from told(label, text, look, width, "warning")
    else:
        text = f"{look.glyphs.sign(State.OTHER)} {check.status}"
        yield from told(label, text, look, width, "warning")


def _said(error: ApiError) -> str:
    return str(error)


def made_lines(made: Made, look: Look, width: int) -> Iterator[Line]:
    """Whether a job was made, and if not, why."""
    if made.error is not None:
        yield from _not_made(made, made.error, look, width)
        return
    yield from _words(f"{look.glyphs.sign(State.COMPLETED)} started", look, width, "success")
    if made.job_id:
        yield from told("id", made.job_id, look, width)
    yield from _words("It appears in the list with the next poll.", look, width, "muted")
    yield ()


def plan_lines(view: PlanView, look: Look, width: int) -> Iterator[Line]:
    """That several jobs will be started, and what has to be known of it."""
    number = len(view.plan.steps)
    jobs = "job to be started as soon as a slot is free"
    if number > 1:
        jobs = "jobs to be started as slots become free"
    sign = look.glyphs.sign(State.COMPLETED)
    yield from _words(f"{sign} {number} {jobs}", look, width, "success")
    going_on = "That goes on while this program runs; “plans” in the palette shows it."
    yield from _words(going_on, look, width, "muted")
    if not view.durable:
        lost = "The history is off: what is not started when this program ends is forgotten."
        yield from _words(lost, look, width, "warning")
    yield ()


def _not_made(made: Made, error: ApiError, look: Look, width: int) -> Iterator[Line]:
    role = "warning" if error.undecided else "error"
    yield from _words(_headline(made, error), look, width, role)
    for label, text in error_details(error, look):
        yield from told(label, text, look, width)
    if isinstance(error, Conflict) and made.running:
        yield ()
        yield from _words("What holds the slots:", look, width, "muted")
        for view in made.running:
            sign = Piece(f"{INDENT}{look.glyphs.sign(view.state)} ", role_of(view))
            yield (sign, *migration(view, Facts(look), max(8, width - 4)))
        yield from _words("A job can be made as soon as one of them ends.", look, width, "muted")
    yield ()


def _headline(made: Made, error: ApiError) -> str:
    if error.undecided:
        return LOOK_FIRST
    if isinstance(error, BucketKeysRefused):
        return "nothing was made: these keys do not open a bucket"
    if isinstance(error, Locked | NotSent | RateLimited):
        return "nothing was made"
    if made.running:
        number = len(made.running)
        return f"refused: {number} {'jobs run' if number > 1 else 'job runs'} already"
    return "refused"


def _words(text: str, look: Look, width: int, role: str) -> Iterator[Line]:
    clean = look.glyphs.clean(look.glyphs.say(text))
    for part in wrap_words(clean, max(8, width - len(INDENT))):
        yield (Piece(INDENT), Piece(part, role))
