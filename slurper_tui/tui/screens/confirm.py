"""What a dialog asks before anything is changed, as values and as lines.

The dialog that stands between a key and a request: cancelling is always nearer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.events import Key, Paste, Resize
from textual.message import Message
from textual.strip import Strip

from slurper_tui import format as words
from slurper_tui.monitor.jobs.actions import consequence
from slurper_tui.monitor.model.events import Action
from slurper_tui.monitor.model.job import JobView, Snapshot
from slurper_tui.tui.availability import Change, aimed_at, hindrance
from slurper_tui.tui.keys import may_confirm
from slurper_tui.tui.render.columns import Facts, migration, source_text
from slurper_tui.tui.render.glyphs import Glyphs, Look, role_of
from slurper_tui.tui.render.job_text import DONE_WORDS
from slurper_tui.tui.render.lines import Line, Piece, width_of, wrap, wrap_words
from slurper_tui.tui.render.painted import PaintedLines
from slurper_tui.tui.screens.dialogs import PADDING, Dialog, Page

LONGEST_WORD = 64
"""Characters of a name that a person can be asked to type."""

MOST_JOBS = 12
"""So many jobs are named one by one; of more, the number is told."""

ROOMY = 36
"""Cells from which on the choices stand well apart."""

_ID_PART = 8


class Question(NamedTuple):
    """One thing to be confirmed. yes: what confirming does, in a word; harsh: it is for good.

    jobs: which it concerns; left_out: marked ones that it cannot concern, each with the reason.
    word: what is to be typed, "" for nothing; word_is: what that is. said: what follows from it.
    """

    title: str
    said: str
    yes: str
    jobs: tuple[JobView, ...] = ()
    left_out: tuple[tuple[JobView, str], ...] = ()
    word: str = ""
    word_is: str = ""
    harsh: bool = False


def question_for(change: Change, snapshot: Snapshot | None, look: Look) -> Question | str:
    """Ask about a change as things stand; or the news, where there is nothing to be asked."""
    views = aimed_at(change, snapshot)
    if change.act is Action.ABORT_ALL:
        return _about_account(change, views, look)
    why = [(view, hindrance(view, change.act)) for view in views]
    jobs = tuple(view for view, reason in why if not reason)
    left_out = tuple((view, reason) for view, reason in why if reason)
    if not jobs:
        return _news(change, left_out, look)
    word, word_is = _word(jobs[0], look.glyphs) if change.act is Action.ABORT else ("", "")
    return Question(
        title=_title(change.act, len(jobs), len(views)),
        said=consequence(jobs, change.act),
        yes=str(change.act),
        jobs=jobs,
        left_out=left_out,
        word=word,
        word_is=word_is,
        harsh=change.act is not Action.PAUSE and change.act is not Action.RESUME,
    )


def unlock_question(keys: Sequence[str]) -> Question:
    """Ask whether jobs may be changed. keys: of pausing, resuming, aborting and locking again."""
    pause, resume, abort, lock = keys
    return Question(
        title="Allow changing jobs?",
        said=(
            f"Then {pause} pauses, {resume} resumes and {abort} aborts a job, and new ones can be "
            f"made. Each asks again before anything is sent. {lock} locks it again"
        ),
        yes="unlock",
    )


def _about_account(change: Change, views: tuple[JobView, ...], look: Look) -> Question | str:
    if not views:
        return "no job of this account is running or paused any more"
    also = "jobs of this account that are not shown here end too"
    return Question(
        title="Abort every job of this account?",
        said=f"{consequence(views, change.act)}; {also}",
        yes="abort all",
        jobs=views,
        word=change.account_id,
        word_is="the account's id",
        harsh=True,
    )


def _title(act: Action, able: int, aimed: int) -> str:
    name = str(act).capitalize()
    if aimed == 1:
        return f"{name} this job?"
    return f"{name} {able} of {aimed} jobs?" if able < aimed else f"{name} {able} jobs?"


def _news(change: Change, left_out: Sequence[tuple[JobView, str]], look: Look) -> str:
    if len(left_out) != 1:
        return f"none of these jobs can be {DONE_WORDS[change.act]} any more"
    view, reason = left_out[0]
    name = source_text(view, look)
    return f"{name} {view.word}: nothing was sent" if not view.live else f"{name}: {reason}"


def _word(view: JobView, glyphs: Glyphs) -> tuple[str, str]:
    """The source bucket's name, or what of the id can be typed where that cannot."""
    bucket, id = (view.job.source and view.job.source.bucket) or "", view.key.job_id[:_ID_PART]
    for word, what in ((bucket, "the source bucket's name"), (id, "the beginning of its id")):
        if 0 < len(word) <= LONGEST_WORD and word == word.strip() == glyphs.clean(word):
            return word, what
    return "abort", "the word"


# Lines ----------------------------------------------------------------------------------------


def question_lines(
    question: Question, facts: Facts, width: int, *, airy: bool = True
) -> Iterator[Line]:
    """Tell all that is to be read before it is confirmed; where it is low, what matters most."""
    air: list[Line] = [()] if airy else []
    for part in wrap_words(question.title, width):
        yield (Piece(part, "strong"),)
    yield from air
    if len(question.jobs) == 1 and not question.left_out:
        yield _row(question.jobs[0], facts, width)
        yield from _done(question.jobs[0], facts, width) if airy else ()
        yield from air
    elif question.jobs:
        yield from _several(question, facts, width)
        yield from air
    said = facts.look.glyphs.say(question.said)
    for part in wrap_words(said[:1].upper() + said[1:], width):
        yield (Piece(part, "warning" if question.harsh else ""),)


def _done(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    counts = view.counts
    if counts.done is None or counts.objects is None:
        return
    say = facts.look.glyphs.say
    percent = words.percent(view.percent, provisional=view.provisional)
    text = f"{words.count(counts.done)} of {words.count(counts.objects)} objects done · {percent} %"
    for part in wrap_words(say(text), max(8, width - 2)):
        yield (Piece(f"  {part}", "muted"),)


def _several(question: Question, facts: Facts, width: int) -> Iterator[Line]:
    for view in question.jobs[:MOST_JOBS]:
        yield _row(view, facts, width)
    if len(question.jobs) > MOST_JOBS:
        yield (Piece(f"  and {len(question.jobs) - MOST_JOBS} more", "muted"),)
    if not question.left_out:
        return
    yield ()
    yield (Piece("Left out", "muted"),)
    for view, reason in question.left_out[:MOST_JOBS]:
        yield _row(view, facts, width)
        for part in wrap_words(facts.look.glyphs.clean(reason), max(8, width - 2)):
            yield (Piece(f"  {part}", "muted"),)


def _row(view: JobView, facts: Facts, width: int) -> Line:
    sign = facts.look.glyphs.sign(view.state)
    return (Piece(f"{sign} ", role_of(view)), *migration(view, facts, width - 2))


# What is typed --------------------------------------------------------------------------------


class Answer(NamedTuple):
    """What the person has done so far. typed: the word; on_yes: the cursor stands on confirming.

    wrong: what was typed was given for the word, and is not.
    """

    typed: str = ""
    on_yes: bool = False
    wrong: bool = False


def answer_lines(
    question: Question, answer: Answer, look: Look, width: int, *, airy: bool = True
) -> Iterator[Line]:
    """Draw the line to type in, where there is one, and the choice under it."""
    if question.word:
        yield from _prompt(question, answer, look, width)
        yield from ([()] if airy else [])
    yield _choice(question, answer, look, width)


def _prompt(question: Question, answer: Answer, look: Look, width: int) -> Iterator[Line]:
    asked = f"Type {question.word_is}:"
    if len(asked) + 1 + len(look.glyphs.clean(question.word)) <= width:
        yield (Piece(f"{asked} ", "muted"), Piece(question.word, "accent"))
    else:
        yield (Piece(asked, "muted"),)
        yield from ((Piece(part, "accent"),) for part in wrap(question.word, width))
    typed = look.glyphs.clean(answer.typed)[-max(1, width - 4) :]
    fits = question.word.startswith(answer.typed)
    role = "strong" if fits else "error"
    note = "  not the same" if answer.wrong and width >= len(typed) + 18 else ""
    yield (Piece("> ", "key"), Piece(typed, role), Piece("_", "faint"), Piece(note, "error"))


def _choice(question: Question, answer: Answer, look: Look, width: int) -> Line:
    """Cancel and confirm, with the cursor on what Enter does."""
    on_yes = answer.on_yes or bool(question.word and answer.typed == question.word)
    keys = ("Esc", "Enter") if question.word else ("n", "y")
    role = "error" if question.harsh else "accent"
    no = _button(keys[0], "cancel", look, "accent", chosen=not on_yes)
    yes = _button(keys[1], question.yes, look, role, chosen=on_yes)
    if question.word and answer.typed != question.word:
        yes = (Piece(f"  {keys[1]} {question.yes}", "faint"),)
    line = (*no, Piece("    " if width >= ROOMY else " "), *yes)
    if width_of(line) <= width:
        return line
    return yes if on_yes else no


def _button(key: str, word: str, look: Look, role: str, *, chosen: bool) -> Line:
    sign = look.glyphs.say("▌") if chosen else " "
    text = "strong" if chosen else "muted"
    return (Piece(f"{sign} ", role), Piece(key, "key"), Piece(f" {word}", text))


WIDTH = 72
AIRY = 16
"""Rows of a terminal from which on there is air around the words."""

AIR = 5
"""So many rows that is: around everything, and between the words and the choice."""

SCROLLING = frozenset({"down", "up", "pagedown", "pageup"})
LEAVING = frozenset({"escape", "n", "q"})
CHOOSING = frozenset({"left", "right", "tab", "shift+tab"})


class Foot(PaintedLines):
    """The line to type in and the choice; they never scroll away."""

    def render_line(self, y: int) -> Strip:
        """Draw a line, and let the dialog know that it is."""
        if isinstance(self.screen, ConfirmDialog):
            self.screen.drawn()
        return super().render_line(y)

    def line_at(self, y: int) -> Line:
        """Take the dialog's lines."""
        dialog = self.screen
        if not isinstance(dialog, ConfirmDialog):
            return ()
        lines = dialog.foot_lines(self.room.width)
        return lines[y] if y < len(lines) else ()


class ConfirmDialog(Dialog, inherit_bindings=False):
    """Asks one question. confirmed: called once, when the person has said yes.

    Only a key that was pressed after the question stood on the screen can confirm it, and none that
    arrived together with other keys or just after input that could not be parsed.
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
        self._stood_at: float | None = None

    def compose(self) -> ComposeResult:
        """Put the words above, and under them the choice."""
        with Vertical(id="ask"):
            yield Page(self.look, id="page")
            yield Foot(id="foot")

    def on_mount(self) -> None:
        """Where there is no room for the choice, the question stands after the first drawing."""
        self.call_after_refresh(self.drawn)

    def drawn(self) -> None:
        """Hear what is pressed from when the question is drawn first, just before it is written."""
        if self._stood_at is None:
            self._stood_at = Message().time  # the clock of the keys

    @property
    def stands(self) -> bool:
        """The person can see it."""
        return self._stood_at is not None

    def show(self, question: Question) -> None:
        """Ask with newer numbers. What was typed stays, unless the question names another job."""
        if question != self.question:
            if not {v.key for v in question.jobs} <= {v.key for v in self.question.jobs}:
                self.answer, self._stood_at = Answer(), None
                self.call_after_refresh(self.drawn)
            self.question = question
            self._fit()
            self.query_one(Page).remake()
            self.query_one(Foot).repaint_changes()

    # What stands there ------------------------------------------------------------------------

    def page_lines(self, width: int) -> Iterator[Line]:
        """Tell what is asked."""
        return question_lines(self.question, Facts(self.look), width, airy=self._airy)

    @property
    def _airy(self) -> bool:
        """There are rows to spare."""
        return self.app.size.height >= AIRY

    def foot_lines(self, width: int) -> list[Line]:
        """Draw what was typed, and the choice."""
        shown = (self.question, self.answer, self.look, max(1, width))
        return [*answer_lines(*shown, airy=self._airy)]

    def on_resize(self, event: Resize) -> None:
        """Fit the size, in this dialog's own way."""
        event.prevent_default()
        self._fit()

    def _fit(self) -> None:
        """Give the choice all its rows, and the words what is left of those that they need."""
        size, airy = self.app.size, self._airy
        self.set_class(not airy, "-low")
        width = max(1, min(WIDTH, size.width) - PADDING)
        lines = sum(1 for _ in self.page_lines(max(1, width - Page.MARK)))
        foot = len(self.foot_lines(width))
        room = size.height - foot - (AIR if airy else 0)
        self.query_one(Foot).styles.height = foot
        self.query_one(Page).styles.height = max(1, min(lines, room))

    # What is pressed --------------------------------------------------------------------------

    def on_key(self, event: Key) -> None:
        """Take every key but those that scroll."""
        if event.key in SCROLLING:
            return
        event.stop()
        if not self.is_current:
            return
        if event.key == "escape":
            self.dismiss()
        elif self._seen_before(event):
            self._press(event)

    def on_paste(self, event: Paste) -> None:
        """Take a word that is pasted."""
        event.stop()
        if self.question.word and self._seen_before(event):
            self._type(self.answer.typed + event.text.strip("\r\n"))

    def _seen_before(self, event: Message) -> bool:
        """The person could see the question when this was pressed."""
        return self._stood_at is not None and event.time > self._stood_at

    def _press(self, event: Key) -> None:
        if self.question.word:
            self._press_typing(event)
        elif event.key in LEAVING or (event.key == "enter" and not self.answer.on_yes):
            self.dismiss()
        elif event.key in ("y", "enter"):
            self._confirm(event, alone=True)
        elif event.key in CHOOSING:
            self._answered(Answer(on_yes=not self.answer.on_yes))

    def _press_typing(self, event: Key) -> None:
        typed, word = self.answer.typed, self.question.word
        if event.key == "enter" and typed == word:
            self._confirm(event, alone=False)
        elif event.key == "enter" and typed:
            self._answered(Answer(typed, wrong=True))
        elif not typed and (event.key == "enter" or (event.key == "n" and word[0] != "n")):
            self.dismiss()
        elif event.key == "backspace":
            self._type(typed[:-1])
        elif event.key == "ctrl+u":
            self._type("")
        elif event.is_printable and event.character:
            self._type(typed + event.character)

    def _type(self, typed: str) -> None:
        self._answered(Answer(typed))

    def _answered(self, answer: Answer) -> None:
        self.answer = answer
        self.query_one(Foot).repaint_changes()

    def _confirm(self, event: Key, *, alone: bool) -> None:
        """Take a yes. alone: a key in a burst is none; a word may be typed in one."""
        if may_confirm(event, self._stood_at, alone=alone):
            self.dismiss()
            self._confirmed()
