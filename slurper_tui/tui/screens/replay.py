"""The main screen over a recorded history, with keys for the time."""

from __future__ import annotations

import math
import sys
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from textual.binding import Binding, BindingType

from slurper_tui.tui.keys import MAIN_KEYS, REPLAY_KEYS
from slurper_tui.tui.screens.main import MainScreen

if TYPE_CHECKING:
    from slurper_tui.monitor.model.job import Snapshot
    from slurper_tui.monitor.polling.clock import ReplayClock

NOTHING_NEWER = "a replay: there is nothing to ask"


class ReplayScreen(MainScreen):
    """The main screen; the snapshots are those of a recorded time."""

    BINDINGS: ClassVar[list[BindingType]] = list(REPLAY_KEYS)
    KEYS: ClassVar[tuple[Binding, ...]] = (*MAIN_KEYS, *REPLAY_KEYS)

    @property
    def clock(self) -> ReplayClock:
        """The time of the replay."""
        assert self.options.replay is not None
        return self.options.replay

    def take(self, snapshot: Snapshot) -> None:
        """Show a snapshot, and the recorded time."""
        super().take(snapshot)
        self._show_time()

    def _show_time(self) -> None:
        words = replay_words(self.clock, self.look.zone)
        if words != self.state.replay:
            self.state = replace(self.state, replay=words)

    def show_note(self, text: str) -> None:
        """Show a note until the next key: rounds may pass too fast to read it."""
        super().show_note(text)
        self._noted_in = sys.maxsize

    def action_verify(self) -> None:
        """Show that nothing can be listed."""
        self.show_note(NOTHING_NEWER)

    def action_play(self) -> None:
        """Play or pause."""
        self.clock.set_playing(not self.clock.playing)
        self._show_time()

    def action_speed(self, step: int) -> None:
        """Play faster (1) or slower (-1)."""
        self.clock.set_speed(step)
        self._show_time()

    def action_step(self) -> None:
        """Go to the next answer and pause."""
        self.clock.go_to(self.clock.next_step())
        self._show_time()

    def action_event(self) -> None:
        """Go to the next change of a status and pause."""
        self.clock.go_to(self.clock.next_mark())
        self._show_time()

    def action_refresh_job(self) -> None:
        """Show that nothing is asked: a second answer at the same moment would be no news."""
        self.show_note(NOTHING_NEWER)

    def action_refresh_all(self) -> None:
        """Show that nothing is asked."""
        self.show_note(NOTHING_NEWER)

    def action_interval(self, step: int) -> None:
        """Show that nothing is asked; the speed has other keys."""
        self.show_note(NOTHING_NEWER)


def replay_words(clock: ReplayClock, zone: tzinfo | None) -> str:
    """Return the time and the speed, such as `replay Thu 14:10:05 x60`."""
    at = clock.wall()
    when = f"{datetime.fromtimestamp(at, zone):%a %H:%M:%S}"
    if at >= clock.end:
        return f"replay {when} at its end"
    if not clock.playing:
        return f"replay {when} paused"
    speed = "" if math.isinf(clock.speed) else f" \N{MULTIPLICATION SIGN}{clock.speed:g}"
    return f"replay {when}{speed}"
