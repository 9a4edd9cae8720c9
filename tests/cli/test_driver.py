"""The thread that writes to the terminal, and the check of Textual's private names."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from slurper_tui.cli.driver import MISSING, PRIVATE_NAMES, ScreenWriter
from tests.patience import PATIENCE

FRAME = "é" * 10_000
FRAMES = 60
"""More than the pipe and the writer hold together."""


class Screen:
    """A writer into a pipe, which is read only on request."""

    def __init__(self) -> None:
        self.end, self.start = os.pipe()
        self.drained = threading.Event()
        self.writer = ScreenWriter(self.start, "utf-8", self.drained.set)
        self.writer.start()

    def read_until(self, mark: str) -> str:
        """Read until the output ends with a text."""
        text = b""
        while not text.endswith(mark.encode()):
            text += os.read(self.end, 65_536)
        return text.decode()

    def read_until_drained(self) -> str:
        """Read until a full repaint is requested."""
        text = b""
        while not self.drained.is_set() or select.select([self.end], [], [], 0)[0]:
            if select.select([self.end], [], [], 0.01)[0]:
                text += os.read(self.end, 65_536)
        return text.decode()


@pytest.fixture
def screen() -> Iterator[Screen]:
    screen = Screen()
    yield screen
    os.close(screen.end)
    os.close(screen.start)


def test_writes_arrive_in_order(screen: Screen) -> None:
    for number in range(100):
        screen.writer.write(f"{number};")
    assert screen.read_until("99;") == "".join(f"{number};" for number in range(100))
    assert screen.writer.wait(PATIENCE)
    assert not screen.drained.is_set()


def test_whole_frames_are_dropped_while_the_terminal_blocks_then_repainted(
    screen: Screen,
) -> None:
    for number in range(FRAMES):
        screen.writer.write(f"<{number}:{FRAME}>")  # would block for ever if it waited
    assert not screen.writer.wait(0.0)
    frames = screen.read_until_drained().split("<")[1:]
    assert 2 <= len(frames) < FRAMES
    assert [frame.partition(":")[0] for frame in frames] == [str(n) for n in range(len(frames))]
    assert all(frame.endswith(">") for frame in frames)
    screen.writer.write("again")
    assert screen.read_until("again") == "again"


def test_giving_the_terminal_back_is_never_dropped(screen: Screen) -> None:
    for _ in range(FRAMES):
        screen.writer.write(FRAME)
    screen.writer.finish()
    screen.writer.write("left")
    assert screen.read_until("left").count(FRAME) < FRAMES
    assert screen.writer.wait(PATIENCE)


def test_a_terminal_that_is_gone_holds_nothing_up() -> None:
    end, start = os.pipe()
    os.close(end)
    writer = ScreenWriter(start, "utf-8", lambda: None)
    writer.start()
    writer.write("lost")
    assert writer.wait(PATIENCE)
    os.close(start)


IMPORTED = {
    "ANSI_SEQUENCES_KEYS": "textual._ansi_sequences",
    "FUNCTIONAL_KEYS": "textual._keyboard_protocol",
    "XTermParser": "textual._xterm_parser",
}
"""The names that the keyboard imports from private modules."""

SIGNATURES = {
    "feed": r"(def feed\(self, data: str)",
    "_sequence_to_key_events": r"(def _sequence_to_key_events\(\n        self, sequence: str)",
    "_handle_exception": r"(def _handle_exception\(self, error: Exception)",
    "_get_terminal_size": r"(def _get_terminal_size\(self)",
    "_run_input_thread": r"(def _run_input_thread\(self)",
    "run_input_thread": r"(def run_input_thread\(self)",
    "_sigtstp_application": r"(def _sigtstp_application\(self, \*_)",
    "_sigcont_application": r"(def _sigcont_application\(self, \*_)",
}


def missing_with(changes: dict[str, str]) -> str:
    """Return what `tests.cli.driver_check` prints with a changed Textual."""
    module = ("tests.tui.other_textual", json.dumps(changes), "tests.cli.driver_check")
    done = subprocess.run(
        [sys.executable, "-m", *module], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.strip()


def test_this_textual_has_every_name_that_the_driver_uses() -> None:
    assert not MISSING
    assert missing_with({}) == "TerminalDriver ()"


@pytest.mark.parametrize("name", IMPORTED)
def test_without_an_importable_name_the_plain_driver_is_used(name: str) -> None:
    printed = missing_with({rf"\b{name}\b": f"{name}_renamed"})
    assert printed.startswith("PlainDriver ")
    assert name in printed


def test_every_missing_name_is_found_and_the_plain_driver_used() -> None:
    names = [str(name) for name in PRIVATE_NAMES]
    before = {name: r"\b" if name in SIGNATURES else r"(?<=self\.)" for name in names}
    changes = {rf"{before[name]}{name}\b": f"{name}_renamed" for name in names}
    assert missing_with(changes) == f"PlainDriver {tuple(names)}"


def test_every_other_signature_is_found_and_the_plain_driver_used() -> None:
    changes = dict.fromkeys(SIGNATURES.values(), r"\1, extra=None")
    changed = tuple(str(name) for name in PRIVATE_NAMES if str(name) in SIGNATURES)
    assert missing_with(changes) == f"PlainDriver {changed}"
