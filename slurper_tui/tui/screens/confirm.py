"""The dialog that confirms a change, and the questions that it asks.

`question_for` builds a `Question` from a change and a snapshot; `question_lines` and
`answer_lines` draw it; `ConfirmDialog` handles the keys. Cancelling is the default. A key confirms
only if it was pressed after the question was painted (see `ConfirmDialog`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.events import Key, Paste
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from slurper_tui import format as fmt
from slurper_tui.monitor.model.events import NO_JOB_LEFT, Action
from slurper_tui.monitor.reports.migrations import jobs_to_come
from slurper_tui.monitor.reports.wording import (
    SOURCE_BUCKET,
    consequence,
    planned_words,
    state_tally,
    word_to_type,
)
from slurper_tui.tui.availability import Change, affected
from slurper_tui.tui.keys import may_confirm
from slurper_tui.tui.render.columns import DrawContext, migration, source_text
from slurper_tui.tui.render.glyphs import Look, style_of
from slurper_tui.tui.render.lines import Line, Piece, width_of, wrap, wrap_words
from slurper_tui.tui.screens.base import PADDING, Dialog, DrawnLines, Page

if TYPE_CHECKING:
    from slurper_tui.monitor.model.job import JobView, Snapshot
    from slurper_tui.monitor.model.plans import Plan
    from slurper_tui.tui.state import Verifying

MOST_JOBS = 12
"""Maximum number of jobs listed one by one; beyond it, the list ends with a count."""

ROOMY = 36
"""Width in cells from which the two choices are set further apart."""


class Question(NamedTuple):
    """A question to confirm. yes, no: the labels of the buttons.

    harsh: the change cannot be undone. jobs: the jobs that it affects. left_out: other jobs that
    were chosen but that it cannot affect, each with the reason. word: the text to type, "" if a key
    is enough. word_is: a description of that text. consequence: what the change does.
    """

    title: str
    consequence: str
    yes: str
    jobs: tuple[JobView, ...] = ()
    left_out: tuple[tuple[JobView, str], ...] = ()
    word: str = ""
    word_is: str = ""
    harsh: bool = False
    no: str = "cancel"


def question_for(change: Change, snapshot: Snapshot | None, look: Look) -> Question | str:
    """Return the question for a change; if nothing can be changed, a message instead."""
    pairs = affected(change, snapshot)
    jobs = tuple(view for view, why in pairs if not why)
    left_out = tuple((view, why) for view, why in pairs if why)
    if change.action is Action.ABORT_ALL:
        return _about_account(change, jobs, look) if jobs else NO_JOB_LEFT
    if not jobs:
        return _why_none(change, left_out, look)
    title = f"{str(change.action).capitalize()} "
    if len(pairs) == 1:
        title += "this job?"
    else:
        title += f"{len(jobs)} of {len(pairs)} jobs?" if left_out else f"{len(jobs)} jobs?"
    word, word_is = "", ""
    if change.action is Action.ABORT:
        word, word_is = word_to_type(jobs[0], look.sanitise)
        if len(jobs) > 1 and word_is != SOURCE_BUCKET:
            word, word_is = "abort", "the word"
    effect = consequence(jobs, change.action)
    planned = 0
    if change.migration is not None and snapshot is not None and change.action is not Action.RESUME:
        planned = jobs_to_come(change.migration, snapshot.unstarted)
    return Question(
        title=title,
        consequence=f"{effect}; {planned_words(planned)}" if planned else effect,
        yes=str(change.action),
        jobs=jobs,
        left_out=left_out,
        word=word,
        word_is=word_is,
        harsh=change.action is not Action.PAUSE and change.action is not Action.RESUME,
    )


def unlock_question(keys: Sequence[str]) -> Question:
    """Return the question whether to allow changes.

    keys: the keys that pause, resume, abort and lock again, in this order.
    """
    pause, resume, abort, lock = keys
    return Question(
        title="Allow changing jobs?",
        consequence=(
            f"Then {pause} pauses, {resume} resumes and {abort} aborts a job, and new ones can be "
            f"made. Each asks again before anything is sent. {lock} locks it again"
        ),
        yes="unlock",
    )


def leave_question(
    plans: Sequence[Plan], look: Look, verifying: Verifying | None = None
) -> Question:
    """Return the question whether to leave while jobs of these plans wait for this program.

    verifying: the verification that runs; None without one.
    """
    kept = ""
    if verifying is not None:
        kept = VERIFICATION_KEPT if verifying.durable else VERIFICATION_LOST
        if not plans:
            return Question(title=f"Leave while {verifying.words}?", consequence=kept, yes="leave")
    number = sum(len(plan.to_start) for plan in plans)
    waiting = "1 job waits" if number == 1 else f"{number} jobs wait"
    parts = ["jobs are started only while this program runs", "what is left of a plan is kept"]
    for plan in plans:
        draft, start = plan.steps[0].draft, f"{len(plan.to_start)} of {len(plan.steps)} to start"
        arrow = look.to_ascii(" → ")
        parts.append(f"{look.sanitise(draft.bucket)}{arrow}{look.sanitise(draft.target)}: {start}")
    if verifying is not None:
        parts.append(f"{verifying.words} as well: {kept}")
    return Question(
        title=f"Leave while {waiting} to be started?", consequence="; ".join(parts), yes="leave"
    )


def _about_account(change: Change, jobs: tuple[JobView, ...], look: Look) -> Question:
    also = "jobs of this account that are not shown here end too"
    return Question(
        title="Abort every job of this account?",
        consequence=f"{consequence(jobs, change.action)}; {also}",
        yes="abort all",
        jobs=jobs,
        word=look.names.get(change.account_id, change.account_id),
        word_is="the account's name" if change.account_id in look.names else "the account's id",
        harsh=True,
    )


def _why_none(change: Change, left_out: Sequence[tuple[JobView, str]], look: Look) -> str:
    if len(left_out) != 1:
        return f"none of these jobs can be {change.action.done} any more"
    view, reason = left_out[0]
    name = source_text(view, look)
    return f"{name} {view.word}: nothing was sent" if not view.live else f"{name}: {reason}"


def question_lines(
    question: Question, context: DrawContext, width: int, *, room: int = 10**4, airy: bool = True
) -> list[Line]:
    """Return the lines of a question. airy: separate the parts by blank lines.

    If not airy, the object counts of a single job are left out too. Several jobs are listed after
    their number in each state, or below everything else if the lines would exceed the room.
    """
    air: list[Line] = [()] if airy else []
    one = len(question.jobs) == 1 and not question.left_out
    lines: list[Line] = [(Piece(part, "strong"),) for part in wrap_words(question.title, width)]
    lines += air
    if one:
        view = question.jobs[0]
        lines.append(_row(view, context, width))
        done, objects = view.counts.done, view.counts.objects
        if airy and done is not None and objects is not None:
            percent = fmt.percent(view.percent, provisional=view.provisional)
            text = f"{fmt.count(done)} of {fmt.count(objects)} objects done · {percent} %"
            lines += _indented(context.look.to_ascii(text), width)
        lines += air
    elif question.jobs:
        tally = wrap_words(state_tally(question.jobs), width)
        lines += [*((Piece(part, "accent"),) for part in tally), *air]
    text = context.look.to_ascii(question.consequence)
    style = "warning" if question.harsh else ""
    effect = [(Piece(part, style),) for part in wrap_words(text[:1].upper() + text[1:], width)]
    if one or not question.jobs:
        return lines + effect
    several = [*_several(question, context, width)]
    if len(lines) + len(several) + len(air) + len(effect) > room:
        return [*lines, *effect, (), *several]
    return [*lines, *several, *air, *effect]


def _indented(text: str, width: int) -> Iterator[Line]:
    for part in wrap_words(text, max(8, width - 2)):
        yield (Piece(f"  {part}", "muted"),)


def _several(question: Question, context: DrawContext, width: int) -> Iterator[Line]:
    for view in question.jobs[:MOST_JOBS]:
        yield _row(view, context, width)
    if len(question.jobs) > MOST_JOBS:
        yield (Piece(f"  and {len(question.jobs) - MOST_JOBS} more", "muted"),)
    if not question.left_out:
        return
    yield ()
    yield (Piece("Left out", "muted"),)
    for view, reason in question.left_out[:MOST_JOBS]:
        yield _row(view, context, width)
        yield from _indented(context.look.sanitise(reason), width)


def _row(view: JobView, context: DrawContext, width: int) -> Line:
    sign = f"{context.look.sign(view.state)} "
    return (Piece(sign, style_of(view)), *migration(view, context, width - len(sign)))


class Answer(NamedTuple):
    """The user's input. typed: the text so far. on_yes: the cursor is on the confirming choice.

    wrong: Enter was pressed on a text that differs from the word.
    """

    typed: str = ""
    on_yes: bool = False
    wrong: bool = False


def answer_lines(
    question: Question, answer: Answer, look: Look, width: int, *, airy: bool = True
) -> Iterator[Line]:
    """Yield the input line, if a word must be typed, and the line of choices.

    The cursor marks the choice that Enter takes.
    """
    if question.word:
        yield from _prompt(question, answer, look, width)
        yield from ([()] if airy else [])
    typed = bool(question.word) and answer.typed == question.word
    on_yes = answer.on_yes or typed
    keys = ("Esc", "Enter") if question.word else ("n", "y")
    no = _button(keys[0], question.no, look, "accent", chosen=not on_yes)
    yes: Line = (Piece(f"  {keys[1]} {question.yes}", "faint"),)
    if typed or not question.word:
        style = "error" if question.harsh else "accent"
        yes = _button(keys[1], question.yes, look, style, chosen=on_yes)
    line = (*no, Piece("    " if width >= ROOMY else " "), *yes)
    if width_of(line) > width:
        line = yes if on_yes else no
    yield line


def _prompt(question: Question, answer: Answer, look: Look, width: int) -> Iterator[Line]:
    asked = f"Type {question.word_is}:"
    if len(asked) + 1 + len(look.sanitise(question.word)) <= width:
        yield (Piece(f"{asked} ", "muted"), Piece(question.word, "accent"))
    else:
        yield (Piece(asked, "muted"),)
        yield from ((Piece(part, "accent"),) for part in wrap(question.word, width))
    typed = look.sanitise(answer.typed)[-max(1, width - 4) :]
    fits = question.word.startswith(answer.typed)
    style = "strong" if fits else "error"
    note = "  not the same" if answer.wrong and width >= len(typed) + 18 else ""
    yield (Piece("> ", "key"), Piece(typed, style), Piece("_", "faint"), Piece(note, "error"))


def _button(key: str, word: str, look: Look, style: str, *, chosen: bool) -> Line:
    sign = look.to_ascii("▌") if chosen else " "
    text = "strong" if chosen else "muted"
    return (Piece(f"{sign} ", style), Piece(key, "key"), Piece(f" {word}", text))


VERIFICATION_KEPT = "it stops; what was compared is kept, and V goes on from there"
VERIFICATION_LOST = "it stops, and without a history what was compared is lost"

WIDTH = 72
AIRY = 16
"""Terminal height in rows from which there are blank lines around the text."""

AIR = 5
"""Number of those blank lines: around the dialog, and between the text and the choices."""

SCROLLING = frozenset({"down", "up", "pagedown", "pageup"})
LEAVING = frozenset({"escape", "n", "q"})
CHOOSING = frozenset({"left", "right", "tab", "shift+tab"})


class Foot(DrawnLines):
    """The input line and the choices, which never scroll out of view."""

    def render_line(self, y: int) -> Strip:
        """Render a line, and notify the dialog that it is being painted."""
        if isinstance(self.screen, ConfirmDialog):
            self.screen.mark_painted()
        return super().render_line(y)


class ConfirmDialog(Dialog, inherit_bindings=False):
    """A dialog that asks one question. confirmed: called once, when the user confirms.

    Only a key pressed after the question was painted can confirm it. A key that arrived in one
    burst with others, or just after input that could not be parsed, cannot.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        ("down", "scroll(1)", "down"),
        ("up", "scroll(-1)", "up"),
        ("pagedown", "scroll(10)", "page down"),
        ("pageup", "scroll(-10)", "page up"),
    ]

    def __init__(self, look: Look, question: Question, confirmed: Callable[[], None]) -> None:
        super().__init__(look)
        self.question = question
        self.answer = Answer()
        self._confirmed = confirmed
        self._painted_at: float | None = None

    def compose(self) -> ComposeResult:
        """Yield the text, and the choices below it."""
        with Vertical(id="ask"):
            yield Page(self.look, id="page")
            yield Foot(self.look, self.foot_lines, id="foot")

    def on_mount(self) -> None:
        """Call `mark_painted` after the first refresh, also where the choices have no room."""
        self.call_after_refresh(self.mark_painted)

    def mark_painted(self) -> None:
        """Accept keys from now on: called at the first paint, just before it is written."""
        if self._painted_at is None:
            self._painted_at = Message().time  # same clock as key events

    @property
    def is_painted(self) -> bool:
        """Whether the question has been painted."""
        return self._painted_at is not None

    def show(self, question: Question) -> None:
        """Update the question. Discard the input if the new question names another job."""
        if question != self.question:
            if not {v.key for v in question.jobs} <= {v.key for v in self.question.jobs}:
                self.answer, self._painted_at = Answer(), None
                self.call_after_refresh(self.mark_painted)
            self.question = question
            self._fit()
            self.query_one(Page).remake()
            self.query_one(Foot).repaint_changes()

    def page_lines(self, width: int) -> Iterator[Line]:
        """Yield the lines of the question."""
        context, room = DrawContext(self.look), self._room
        yield from question_lines(self.question, context, width, room=room, airy=self._airy)

    @property
    def _width(self) -> int:
        """The width of the text and the choices in cells."""
        return max(1, min(WIDTH, self.app.size.width) - PADDING)

    @property
    def _room(self) -> int:
        """The number of rows for the text above the choices."""
        foot = len(self.foot_lines(self._width))
        return self.app.size.height - foot - (AIR if self._airy else 0)

    @property
    def _airy(self) -> bool:
        """Whether there is room for blank lines."""
        return self.app.size.height >= AIRY

    def foot_lines(self, width: int) -> list[Line]:
        """Return the input line and the choices."""
        shown = (self.question, self.answer, self.look, max(1, width))
        return [*answer_lines(*shown, airy=self._airy)]

    def fit_page(self, size: Size) -> None:
        """Fit the text and the choices to the new size."""
        self._fit()

    def _fit(self) -> None:
        """Give the foot all its rows, and the text the remaining ones that it needs."""
        self.set_class(not self._airy, "-low")
        lines = sum(1 for _ in self.page_lines(max(1, self._width - Page.MARK)))
        self.query_one(Foot).styles.height = len(self.foot_lines(self._width))
        self.query_one(Page).styles.height = max(1, min(lines, self._room))

    def on_key(self, event: Key) -> None:
        """Handle every key except those that scroll."""
        if event.key in SCROLLING:
            return
        event.stop()
        if not self.is_current:
            return
        if event.key == "escape":
            self.dismiss()
        elif not self._seen_before(event):
            return
        elif self.question.word:
            self._press_typing(event)
        elif event.key in LEAVING or (event.key == "enter" and not self.answer.on_yes):
            self.dismiss()
        elif event.key in ("y", "enter"):
            self._confirm(event, alone=True)
        elif event.key in CHOOSING:
            self._answered(Answer(on_yes=not self.answer.on_yes))

    def on_paste(self, event: Paste) -> None:
        """Append pasted text to the typed word."""
        event.stop()
        if self.question.word and self._seen_before(event):
            self._answered(Answer(self.answer.typed + event.text.strip("\r\n")))

    def _seen_before(self, event: Message) -> bool:
        """Whether the question was visible when this event was created."""
        return self._painted_at is not None and event.time > self._painted_at

    def _press_typing(self, event: Key) -> None:
        typed, word = self.answer.typed, self.question.word
        if event.key == "enter" and typed == word:
            self._confirm(event, alone=False)
        elif event.key == "enter" and typed:
            self._answered(Answer(typed, wrong=True))
        elif not typed and (event.key == "enter" or (event.key == "n" and word[0] != "n")):
            self.dismiss()
        elif event.key == "backspace":
            self._answered(Answer(typed[:-1]))
        elif event.key == "ctrl+u":
            self._answered(Answer())
        elif event.is_printable and event.character:
            self._answered(Answer(typed + event.character))

    def _answered(self, answer: Answer) -> None:
        self.answer = answer
        self.query_one(Foot).repaint_changes()

    def _confirm(self, event: Key, *, alone: bool) -> None:
        """Confirm and close. alone: reject a key from a burst; a word may be typed in one."""
        if may_confirm(event, self._painted_at, alone=alone):
            self.dismiss()
            self._confirmed()
