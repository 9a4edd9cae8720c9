"""The picture that a terminal shows at several moments of a run, for `other_textual`."""

from __future__ import annotations

import asyncio
import hashlib
import sys

import pyte
from textual.driver import Driver
from textual.pilot import Pilot

from slurper_tui.tui.app import SlurperApp
from slurper_tui.tui.render.painted import MISSING
from slurper_tui.tui.state import ScreenOptions
from tests.fake_feed import FakeFeed
from tests.tui.jobs import NOW, snapshot, view

WIDTH, HEIGHT = 80, 24

terminal = pyte.Screen(WIDTH, HEIGHT)
terminal.reset_mode(7, private=True)  # no wrapping, as Textual asks for at its start
stream = pyte.Stream(terminal)


class Written(Driver):
    """A driver that writes to the terminal and reads nothing."""

    def write(self, data: str) -> None:
        stream.feed(data)

    def start_application_mode(self) -> None: ...

    def disable_input(self) -> None: ...

    def stop_application_mode(self) -> None: ...


def seen(cell: pyte.screens.Char) -> pyte.screens.Char:
    """The cell without what does not show on a blank: the colour and weight of its text."""
    return cell if cell.data.strip() else cell._replace(fg="default", bold=False)


def picture() -> list[str]:
    """The text of the terminal, and a hash of its cells with their colours."""
    cells = repr([[seen(terminal.buffer[y][x]) for x in range(WIDTH)] for y in range(HEIGHT)])
    return [hashlib.sha256(cells.encode()).hexdigest(), *terminal.display]


class Run:
    """One run of the screen. pictures: of the screen."""

    def __init__(self) -> None:
        self.pictures: list[str] = []
        self.feed = FakeFeed(snapshot(view(1), view(2)))
        self.app = SlurperApp(self.feed, ScreenOptions(), lambda _: None)
        self.app.driver_class = Written

    def fail(self) -> None:
        secret = "a local variable"
        raise RuntimeError(len(secret))

    async def see(self, pilot: Pilot[object], text: str) -> None:
        """Wait until the terminal shows a text and nothing more is written; keep the picture."""
        await self.feed.taken()
        while not any(text in line for line in terminal.display):
            await pilot.pause(0.01)
        for _ in range(4):
            await pilot.pause(0.02)
        self.pictures += picture()

    async def steps(self, pilot: Pilot[object]) -> None:
        await self.see(pilot, "photos-2")
        await pilot.press("j")
        self.feed.push(snapshot(view(1, done=420), view(2, done=390), taken_at=NOW + 5))
        await self.see(pilot, "42")
        await pilot.press("question_mark")
        await self.see(pilot, "Keys")
        await pilot.press("escape", "colon")
        await self.see(pilot, "theme")
        await pilot.press(*"r-light", "enter")
        while self.app.theme != "slurper-light":
            await pilot.pause(0.01)
        await self.see(pilot, "photos-2")
        self.app.call_later(self.fail)


def main() -> None:
    """Print the pictures, and how the app ended."""
    run = Run()
    asyncio.run(run.app.run_async(size=(WIDTH, HEIGHT), auto_pilot=run.steps))
    end = f"missing: {sorted(MISSING)}, ended with {run.app.return_code}: {run.app.crash!r}"
    sys.stdout.write("\n".join([*run.pictures, end]))
