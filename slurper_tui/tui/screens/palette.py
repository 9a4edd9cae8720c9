"""The palette: finds jobs, actions and themes by name.

`Everything` provides the entries; `likeness` scores them; `Palette` is Textual's command palette
without animations. An unavailable action stays listed, dimmed and with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.command import (
    Command,
    CommandInput,
    CommandList,
    DiscoveryHit,
    Hit,
    Hits,
    Provider,
)
from textual.containers import Horizontal, Vertical
from textual.fuzzy import FuzzySearch
from textual.message import Message
from textual.widgets import Input, LoadingIndicator
from textual.worker import Worker, WorkerCancelled, WorkerFailed

from slurper_tui.eta_format import finish
from slurper_tui.monitor.model.events import Action
from slurper_tui.tui.availability import Change, change_for, why_not_change
from slurper_tui.tui.keys import PALETTE_ONLY, key_sign
from slurper_tui.tui.render.columns import DrawContext, account_name, migration, short_id
from slurper_tui.tui.render.lines import shorten, text_of
from slurper_tui.tui.render.painted import MISSING, QuietPalette
from slurper_tui.tui.state import ScreenState, fold_text
from slurper_tui.tui.widgets.form_fields import MOST_TYPED, FilterInput

if TYPE_CHECKING:
    from slurper_tui.monitor.polling.clock import ReplayClock
    from slurper_tui.tui.screens.main import MainScreen


Entry = tuple[str, Callable[[], None]]
NAME_WIDTH = 60
WORD_WIDTH = 20
_RANK = FuzzySearch().score
DEADLINE = "deadline"
AT = "at"
FIRST = 1000.0
"""The score of an entry that must come first."""

NOW = "  now: "
"""The text between an entry and the reason why it does not work now."""

HOW_TO_TYPE = "type a time: deadline Fri 18:00, or deadline off"


class Everything(Provider):
    """The entries: actions first, then themes, then jobs."""

    async def discover(self) -> Hits:
        """Yield all entries while the query is empty."""
        for text, action in self._entries():
            yield DiscoveryHit(_prompt(text), action, text=text)

    async def search(self, query: str) -> Hits:
        """Yield the entries that match the query; for a typed deadline, only that deadline."""
        word, _, typed = query.strip().partition(" ")
        if word.casefold() == DEADLINE:
            text, action = self._deadline(typed.strip())
            yield Hit(FIRST, _prompt(text), action, text=text)
            return
        main = cast("MainScreen", self.screen)  # it alone opens the palette
        if word.casefold() == AT and main.options.replay is not None:
            text, action = _jump(main, main.options.replay, typed.strip())
            yield Hit(FIRST, _prompt(text), action, text=text)
            return
        sought = fold_text(query)
        for text, action in self._entries():
            score = likeness(sought, fold_text(text))
            if score > 0:
                yield Hit(score, _prompt(text), action, text=text)

    def _entries(self) -> Iterator[Entry]:
        main = cast("MainScreen", self.screen)  # it alone opens the palette
        reasons = main.reasons()
        for binding in main.KEYS:
            if (binding.id or "").startswith("move."):
                continue
            keys = " ".join(key_sign(key) for key in binding.key.split(","))
            text = f"{binding.description:<14}{binding.tooltip}  {keys}"
            why = reasons.get(binding.id or "", "")
            yield _entry(main, text, why), partial(_run, main, binding.action)
        yield from _unkeyed(main)
        yield from _accounts(main)
        yield _HINT
        if main.options.replay is not None:
            yield _AT_HINT
        if main.state.deadline is not None:
            yield _off(main)
        for name in sorted(main.app.available_themes):
            yield f"{'theme':<14}{name}", partial(main.choose_theme, name)
        context = DrawContext(main.look)
        for view in main.state.snapshot.jobs if main.state.snapshot else ():
            name = text_of(migration(view, context, NAME_WIDTH))
            word = shorten(main.look.sanitise(view.word), WORD_WIDTH, main.look.ellipsis)
            text = f"{'go to':<14}{name}  {word}  {short_id(view.job.id or '', main.look)}"
            yield text, partial(main.go_to, view.key)

    def _deadline(self, typed: str) -> Entry:
        """Return an entry that sets the typed deadline, or one that shows why it is invalid."""
        main = cast("MainScreen", self.screen)  # it alone opens the palette
        if typed.casefold() == "off":
            return _off(main)
        if not main.state.now or not typed:
            return _HINT
        from slurper_tui.timeparse import parse_when  # imported on first use

        now, zone = main.state.now, main.look.zone
        try:
            at = parse_when(typed, now, zone, future=True)
        except ValueError as error:
            return f"{DEADLINE:<14}{main.look.sanitise(str(error))}", _nothing
        minute = at // 60 * 60
        moment = finish(minute, minute, now, zone)
        return f"{DEADLINE:<14}{moment}", partial(main.set_deadline, at)


def _entry(main: MainScreen, text: str, why: str) -> str:
    """Return the entry's text, with the reason if it does not work now."""
    look = main.look
    return look.to_ascii(text) + (f"{NOW}{look.sanitise(why)}" if why else "")


def _unkeyed(main: MainScreen) -> Iterator[Entry]:
    """Yield the actions without a key, and those for new jobs.

    Deleting and aborting all jobs have no key, so that no typing error triggers them.
    """
    changes = [(change_for(Action.DELETE, main.state), "delete", PALETTE_ONLY["delete"])]
    for account in main.state.snapshot.accounts if main.state.snapshot else ():
        change = Change(Action.ABORT_ALL, account_id=account.account_id)
        name = account_name(account.account_id, main.look)
        changes.append((change, "abort all", f"Abort all jobs of account {name}."))
    for change, word, tooltip in changes:
        why = why_not_change(change, main.state, main.unlock_sign)
        yield _entry(main, f"{word:<14}{tooltip}", why), partial(main.job_actions.ask, change)
    yield f"{'new':<14}{PALETTE_ONLY['new']}", main.new_jobs.open_form
    yield f"{'plans':<14}{PALETTE_ONLY['plans']}", main.new_jobs.open_plans


def _accounts(main: MainScreen) -> Iterator[Entry]:
    """Yield the switch between all accounts and one, if there are several."""
    if not main.state.many_accounts or main.state.snapshot is None:
        return
    yield f"{'account':<14}Show the jobs of all accounts.", partial(main.show_account, None)
    for account in main.state.snapshot.accounts:
        name = account_name(account.account_id, main.look, NAME_WIDTH)
        text = f"{'account':<14}Show the jobs of {name} alone."
        yield text, partial(main.show_account, account.account_id)


def _nothing() -> None:
    """Do nothing."""


_HINT: Entry = (f"{DEADLINE:<14}{HOW_TO_TYPE}", _nothing)
"""Choosing it fills in the word and waits for the time."""


_AT_HINT: Entry = (f"{AT:<14}to a later time of the replay: at 14:10", _nothing)


def _jump(main: MainScreen, clock: ReplayClock, typed: str) -> Entry:
    """Return an entry that goes to a later time of a replay, or one that shows why it cannot."""
    if not typed:
        return _AT_HINT
    from slurper_tui.timeparse import parse_when  # imported on first use

    now, zone = clock.wall(), main.look.zone
    try:
        at = parse_when(typed, now, zone, future=True)
    except ValueError as error:
        return f"{AT:<14}{main.look.sanitise(str(error))}", _nothing
    return f"{AT:<14}{finish(at, at, now, zone)}", partial(clock.go_to, at)


def _off(main: MainScreen) -> Entry:
    """Return the entry that removes the deadline."""
    return f"{DEADLINE + ' off':<14}compare with no deadline", partial(main.set_deadline, None)


def likeness(query: str, text: str) -> float:
    """Score how well a text matches: it contains the query, or its characters in order; else 0.

    Textual's own search tries every combination of positions, which never ends for `aaaaaaaab`.
    """
    if query in text:
        start = text.find(query)
        return 1.5 * _RANK(text, range(start, start + len(query))) if query else 0.0
    starts = (match.start() for match in re.finditer(r"\w+", text))
    found = (_places(query, text, start) for start in starts)
    return max((_RANK(text, places) for places in found if places), default=0.0)


def _places(query: str, text: str, start: int) -> Sequence[int]:
    """Return the positions of the characters, in order from `start`; empty if one is missing."""
    places: list[int] = []
    for char in query:
        start = text.find(char, start) + 1
        if not start:
            return ()
        places.append(start - 1)
    return places


def _prompt(text: str) -> Text:
    """Return plain text, dimmed if unavailable. Not a `str`: a name could be read as markup."""
    style = "dim" if NOW in text else ""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _run(main: MainScreen, action: str) -> None:
    main.run_worker(main.run_action(action), group="palette")


PLACEHOLDER = "a job, an action or a theme"
CHOOSING = "choose"
"""The group of the worker that waits for the search."""


class PaletteInput(CommandInput, FilterInput):
    """The palette's input, whose cursor does not blink."""


class Palette(QuietPalette):
    """Textual's palette without animations, with signs that every terminal can show.

    choosing: Enter was pressed, and what it chooses is not known yet.
    """

    CSS_PATH = "../pages.tcss"

    class Ready(Message):
        """Posted when the palette accepts keys."""

    def __init__(self, main: MainScreen) -> None:
        super().__init__([Everything], id="palette")
        self._main = main
        self._selected = False
        self._jobs = 0

    def compose(self) -> ComposeResult:
        """Yield the input, and the list below it."""
        command = PaletteInput(
            placeholder=PLACEHOLDER, select_on_focus=False, max_length=MOST_TYPED
        )
        with Vertical(id="--container"):
            with Horizontal(id="--input"):
                yield command
            with Vertical(id="--results"):
                yield CommandList()
                if "_start_busy_countdown" in MISSING:
                    yield LoadingIndicator()

    def on_descendant_focus(self) -> None:
        """Post `Ready`, so that keys typed meanwhile are delivered."""
        self.post_message(self.Ready())

    def on_mount(self) -> None:
        """Search again when the list of jobs grows."""
        self._jobs = self._main.state.total
        self.watch(self._main, "state", self._repeat_search, init=False)

    def _repeat_search(self, state: ScreenState) -> None:
        if state.total != self._jobs and not self.choosing:
            self._jobs = state.total
            line = self.query_one(CommandInput)
            line.post_message(Input.Changed(line, line.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        """Select only after the search for the full input has ended, however fast it was typed.

        Then the event goes on to Textual's own handler.
        """
        searches = self._searches
        if searches or self._selected:
            event.stop()
            event.prevent_default()
        if searches:
            again = Input.Submitted(event.input, event.value)
            self.run_worker(self._submit_after(searches, again), group=CHOOSING, exclusive=True)
        else:
            self.call_after_refresh(self._end_choice)

    def _end_choice(self) -> None:
        """Accept keys again: Enter chose nothing, or an entry that does not close the palette."""
        self.choosing = False
        self.post_message(self.Ready())

    @on(CommandList.OptionSelected)
    def _select_once(self, event: CommandList.OptionSelected) -> None:
        """Pass only the first selection on: a second Enter may be queued behind it.

        An entry that explains what to type is no command: it fills in the word and stays open.
        """
        hints = {_HINT[0]: DEADLINE, _AT_HINT[0]: AT}
        if isinstance(event.option, Command) and event.option.hit.text in hints:
            event.stop()
            event.prevent_default()
            line = self.query_one(CommandInput)
            line.value = f"{hints[event.option.hit.text]} "
            line.action_end()
            return
        if self._selected:
            event.stop()
            event.prevent_default()
        self._selected = True

    @property
    def _searches(self) -> list[Worker[Any]]:
        """The searches that have not ended."""
        mine = (worker for worker in self.workers if worker.node is self)
        return [w for w in mine if w.group != CHOOSING and not w.is_finished]

    async def _submit_after(self, searches: list[Worker[Any]], again: Input.Submitted) -> None:
        with suppress(WorkerCancelled, WorkerFailed):
            await self.workers.wait_for_complete(searches)
        again.input.post_message(again)
