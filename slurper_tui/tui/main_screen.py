"""The main screen: it owns what is looked at, and hands it down as one scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.events import Resize
from textual.message import Message
from textual.reactive import var
from textual.screen import Screen
from textual.widgets import Input

from slurper_tui.monitor.feed import Feed
from slurper_tui.monitor.view import JobKey, Snapshot
from slurper_tui.tui import scene as scenes
from slurper_tui.tui.banners import Banners
from slurper_tui.tui.detail_pane import DetailPane
from slurper_tui.tui.glyphs import Look
from slurper_tui.tui.job_table import JobTable
from slurper_tui.tui.keys import KEYS, key_sign
from slurper_tui.tui.layout import LAYOUTS, layout_for
from slurper_tui.tui.options import ScreenOptions, ViewState
from slurper_tui.tui.scene import Scene
from slurper_tui.tui.status_line import StatusLine
from slurper_tui.tui.totals import TotalsRow


class MainScreen(Screen[None]):
    """Jobs, the highlighted one in detail, totals and status."""

    class Ready(Message):
        """The screen stands and can take snapshots."""

    BINDINGS: list[BindingType] = list(KEYS)
    AUTO_FOCUS = "#jobs"
    scene: var[Scene] = var(Scene, init=False)
    hints: var[tuple[tuple[str, str], ...]] = var((), init=False)

    def __init__(
        self, feed: Feed, options: ScreenOptions, look: Look, save_view: Callable[[ViewState], None]
    ) -> None:
        super().__init__(id="main")
        self.feed = feed
        self.look = look
        self._save_view = save_view
        self._newest: Snapshot | None = None
        self._looked_at: tuple[JobKey | None, frozenset[JobKey]] = (None, frozenset())
        self.set_reactive(MainScreen.scene, Scene(view=options.view))
        self.set_class(options.ascii_only, "-ascii")

    def on_mount(self) -> None:
        """Say that snapshots can be shown now."""
        self.post_message(self.Ready())

    def compose(self) -> ComposeResult:
        """Lay out the rows and panes."""
        yield TotalsRow(self.look, id="totals").data_bind(MainScreen.scene)
        yield Banners(self.look, id="banners").data_bind(MainScreen.scene)
        with Container(id="panes"):
            yield JobTable(self.look, id="jobs").data_bind(MainScreen.scene)
            yield DetailPane(self.look, id="detail").data_bind(MainScreen.scene)
        yield Input(id="filter")
        status = StatusLine(self.look, id="status")
        yield status.data_bind(MainScreen.scene, MainScreen.hints)

    def take(self, snapshot: Snapshot) -> None:
        """Show a new snapshot, unless the screen is frozen."""
        self._newest = snapshot
        if not self.scene.frozen:
            self.scene = scenes.see(self.scene, snapshot)

    def watch_scene(self, before: Scene, after: Scene) -> None:
        self._tell_feed()

    def _tell_feed(self) -> None:
        looked_at = (self.scene.highlighted, self.query_one(JobTable).visible_keys)
        if looked_at != self._looked_at:
            self._looked_at = looked_at
            self.feed.look_at(*looked_at)

    def on_resize(self, event: Resize) -> None:
        classes = layout_for(event.size)
        for name in LAYOUTS:
            self.set_class(name in classes, name)

    @on(JobTable.Scrolled)
    def _scrolled(self) -> None:
        self._tell_feed()

    def action_move(self, step: int) -> None:
        self.scene = scenes.highlight_row(self.scene, (self.scene.cursor or 0) + step)

    def action_leave(self) -> None:
        self.app.exit(0)
