"""The detail pane of the highlighted job or migration."""

from __future__ import annotations

from textual.reactive import var

from slurper_tui.monitor.model.events import Event
from slurper_tui.tui.render.columns import DrawContext
from slurper_tui.tui.render.detail import detail_lines, migration_lines
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line
from slurper_tui.tui.state import ScreenState
from slurper_tui.tui.widgets.line_list import TextLines


class DetailPane(TextLines):
    """The details of the highlighted job or migration.

    Has the class `-empty` if there are no jobs.
    """

    state: var[ScreenState] = var(ScreenState, init=False)

    def __init__(self, look: Look, *, id: str, window_key: str = "") -> None:
        super().__init__(look, id=id)
        self._window_key = window_key

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """Return the lines of the highlighted job or migration; none if nothing is highlighted."""
        state = self.state
        context = DrawContext(self._look, state.now, state.deadline)
        if state.migration is not None:
            return migration_lines(state.migration, context, width)
        if state.job is None:
            return ()
        trace, events = state.snapshot.trace if state.snapshot else None, _events(state)
        return detail_lines(state.job, context, width, trace, key=self._window_key, events=events)

    def watch_state(self, before: ScreenState, after: ScreenState) -> None:
        """Show the new data, scrolled to the top if another line was highlighted."""
        self.set_class(not after.total, "-empty")
        same = before.job is after.job and before.migration is after.migration
        same = same and before.deadline == after.deadline
        if same and before.now == after.now and _events(before) == _events(after):
            return
        if before.place != after.place:
            self.scroll_to(y=0, animate=False, force=True)
        self.remake()


def _events(state: ScreenState) -> tuple[Event, ...]:
    """Return the events of the highlighted job that have been read."""
    return state.snapshot.events if state.snapshot else ()
