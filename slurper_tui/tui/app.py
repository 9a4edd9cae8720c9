"""The Textual app: the worker that reads snapshots from the session, and the exit codes.

Its base `PaintedApp` writes the repaints and keeps the exception of a crash (see
render/painted.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.events import Event, Key
from textual.screen import Screen

from slurper_tui.tui.keys import MAIN_KEYS
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.painted import QuietPalette
from slurper_tui.tui.screens.base import CopyingApp, FramedScreen
from slurper_tui.tui.screens.main import MainScreen
from slurper_tui.tui.themes import AUTO, DEFAULT, THEMES, auto_theme

if TYPE_CHECKING:
    from slurper_tui.api.errors import ApiError
    from slurper_tui.monitor.model.job import Snapshot
    from slurper_tui.monitor.session import Session
    from slurper_tui.tui.state import ScreenOptions, ScreenState, ViewState

EXIT_REJECTED = 3
EXIT_BUG = 70


class SlurperApp(CopyingApp):
    """The monitor as a full-screen app.

    fatal: the error of the first account when all accounts were rejected, else None.
    notify_user: called with each snapshot and the state that shows it.
    main_screen: its class; another one for a replay.
    """

    BUG_CODE = EXIT_BUG
    CSS_PATH = "slurper.tcss"
    CLOSE_TIMEOUT = 1.0
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", "quit", id="app.interrupt", priority=True, show=False),
        # While another screen is in front, only bindings with priority work.
        *(replace(key, priority=True) for key in MAIN_KEYS if key.id == "app.suspend"),
    ]

    def __init__(
        self,
        session: Session,
        options: ScreenOptions,
        save_view: Callable[[ViewState], None],
        notify_user: Callable[[Snapshot, ScreenState], None] = lambda snapshot, state: None,
        main_screen: type[MainScreen] = MainScreen,
    ) -> None:
        super().__init__()
        self.animation_level = "none"
        self.fatal: ApiError | None = None
        self._buffered: list[Event] = []
        self._session = session
        self._options = options
        self._notify_user = notify_user
        look = Look(options.ascii_only, options.zone, options.names)
        self.main = main_screen(session, options, look, save_view)
        for theme in THEMES:
            self.register_theme(theme)
        self.register_theme(auto_theme(sixteen=options.sixteen))
        name = options.theme or options.view.theme or DEFAULT
        self.theme = name if name in self.available_themes else DEFAULT

    def follow_background(self, light: bool) -> None:
        """Make the theme `auto` that of a light or a dark background."""
        self.register_theme(auto_theme(light=light, sixteen=self._options.sixteen))
        if self.theme == AUTO and light:
            self.mutate_reactive(SlurperApp.theme)
            if not self.main.is_mounted:  # the stylesheet has been parsed; `refresh_css` waits
                self.stylesheet.set_variables(self.get_css_variables())
                self.stylesheet.reparse()

    def get_default_screen(self) -> Screen[None]:
        """Return the main screen."""
        return self.main

    def on_mount(self) -> None:
        """Apply the key bindings of the configuration file."""
        self.set_keymap(dict(self._options.keymap))

    @on(MainScreen.Ready)
    def _listen(self) -> None:
        self.run_worker(self._show_snapshots(), group="feed")

    async def _show_snapshots(self) -> None:
        """Show each snapshot; exit if every account was rejected."""
        async for snapshot in self._session.snapshots():
            if not snapshot.rejected:
                self.main.take(snapshot)
                self._notify_user(snapshot, self.main.state)
                continue
            problems = (account.problem for account in snapshot.accounts if account.problem)
            self.fatal = next(problems).error
            self.exit(EXIT_REJECTED, return_code=EXIT_REJECTED)

    def refresh_css(self, animate: bool = True) -> None:
        """Apply the theme's colours; before the main screen is mounted, only set the variables.

        Otherwise Textual would parse the stylesheet twice, which costs a thirtieth of the start.
        """
        if self.main.is_mounted:
            super().refresh_css(animate)
        else:
            self.stylesheet.set_variables(self.get_css_variables())

    async def on_event(self, event: Event) -> None:
        """Buffer keys that are typed while the palette opens, or while Enter waits for its search.

        Drop keys that were typed before it closed: they were meant for its input.
        """
        if not isinstance(event, Key) or event.is_forwarded or event.key == "ctrl+c":
            await super().on_event(event)
        elif not isinstance(palette := self.screen, QuietPalette):
            self._buffered.clear()
            if event.time > self.main.palette_closed_at:
                await super().on_event(event)
        elif self.focused is None or (palette.choosing and event.key != "escape"):
            self._buffered.append(event)
        else:
            palette.choosing = event.key == "enter"
            await super().on_event(event)

    async def on_palette_ready(self) -> None:
        """Replay the keys that were buffered while the palette opened."""
        buffered, self._buffered = self._buffered, []
        for key in buffered:
            await self.on_event(key)

    def show_note(self, text: str) -> None:
        """Show a note in the status line of the screen in front; API text in it is sanitised."""
        front = self.screen if isinstance(self.screen, FramedScreen) else self.main
        front.show_note(self.main.look.sentence(text))

    def action_leave(self) -> None:
        """Exit, after a confirmation if jobs of a plan wait for this program."""
        self.main.new_jobs.ask_to_leave(self.action_interrupt)

    def action_interrupt(self) -> None:
        """Exit at once with code 0; the jobs keep running on the server."""
        self.exit(0)

    def exit_for_signal(self, code: int) -> None:
        """Exit at once with this return code. Call it from the event loop."""
        self.exit(code, return_code=code)
