"""Terminal input other than keys, stalled terminals, and terminals without a size."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import sys
import termios
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.server import LoopbackServer
from tests.terminal.pty_program import PROGRAM, PtyProgram
from tests.terminal_input import NOISE, RELEASES, REPLIES

PLACE = re.compile(rb"\x1b\[(\d+);(\d+)H")


def send(program: PtyProgram, *pieces: bytes) -> None:
    """Send bytes, each part usually in a read of its own."""
    for piece in pieces:
        os.write(program.master, piece)
        program.wait_for(lambda: unread(program) == 0, "reading")


def pressed_until_ended(program: PtyProgram, key: str) -> bool:
    """Return whether the program has ended; if not, send the key once more."""
    if program.process.poll() is None:
        program.type(key)
        return False
    return True


def unread(program: PtyProgram) -> int:
    """Return the number of bytes that the program has not read yet."""
    answer = fcntl.ioctl(program.slave, termios.FIONREAD, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])


def changes(server: LoopbackServer) -> list[str]:
    """Return every request other than GET."""
    return [f"{r.method} {r.path}" for r in server.requests if r.method != "GET"]


def quit_at_once(program: PtyProgram) -> None:
    """Quit with one key, which works on the main screen only."""
    program.type("q")
    assert program.ended() == 0
    program.assert_restored()


def test_late_terminal_replies_are_ignored(environ: dict[str, str], server: LoopbackServer) -> None:
    with PtyProgram([PROGRAM, "--write"], environ) as program:
        program.see("unlocked")
        send(program, *NOISE, *RELEASES)
        for reply in REPLIES:
            send(program, *(bytes([byte]) for byte in reply[:3]), reply[3:])
        quit_at_once(program)
    assert changes(server) == []


def test_a_terminal_reply_after_a_timed_out_escape_is_ignored(
    environ: dict[str, str], server: LoopbackServer
) -> None:
    with PtyProgram([PROGRAM, "--write"], environ) as program:
        program.see("unlocked")
        for reply in (b"P>|kitty(0.35.2)\x1b\\", b"]11;rgb:1d1d/1f1f/2121\x07", b"[12;40R"):
            program.type("?")
            program.see("Keys")
            program.type("\x1b")
            program.see_no("Esc closes")
            send(program, reply[:3], reply[3:])
        quit_at_once(program)
    assert changes(server) == []


def test_noise_and_a_yes_in_one_read_do_not_confirm(
    environ: dict[str, str], server: LoopbackServer
) -> None:
    with PtyProgram([PROGRAM, "--write"], environ) as program:
        program.see("unlocked")
        program.type("W")
        program.see_no("unlocked")
        program.type("W")
        program.see("Allow changing jobs?")
        program.see("n cancel")
        send(program, b"\x1b[?1;2cy", b"y(0.35.2)")
        program.type("\x1b")
        program.see_no("Allow changing jobs?")
        assert "unlocked" not in program.text
        quit_at_once(program)
    assert changes(server) == []


def test_ctrl_c_quits_inside_an_unterminated_paste(environ: dict[str, str]) -> None:
    with PtyProgram([PROGRAM], environ) as program:
        program.see("running")
        program.type("\x1b[200~some words")
        # Sent too early, it would be read as part of the paste.
        ctrl_c = "\x1b[99;5u"  # in the kitty protocol, for which the terminal sends no signal
        program.wait_for(lambda: pressed_until_ended(program, ctrl_c), "the end")
        assert program.ended() == 0
        program.assert_restored()


def test_polling_continues_on_a_stalled_terminal_and_the_screen_recovers(
    environ: dict[str, str], server: LoopbackServer
) -> None:
    with PtyProgram([PROGRAM], environ, size=(200, 50)) as program:
        program.see("completed")
        stop_draining(program)
        asked = len(server.requests)
        program.type("R")
        program.wait_for(lambda: len(server.requests) > asked + 2, "polls")
        start = len(program.raw)
        program.read_again()
        program.wait_for(lambda: b"completed" in program.raw[start:], "the screen")
        program.type("?")
        program.see("Keys")
        program.type("q")
        program.see_no("Keys")
        assert "completed" in program.text
        quit_at_once(program)


def test_q_quits_on_a_stalled_terminal(environ: dict[str, str]) -> None:
    with PtyProgram([PROGRAM], environ, size=(200, 50)) as program:
        program.see("completed")
        stop_draining(program)
        program.type("q")
        assert program.process.wait(PATIENCE) == 0


def stop_draining(program: PtyProgram) -> None:
    """Stop reading and make the program write more than the terminal buffers."""
    program.stop_reading()
    for _ in range(100):
        send(program, b"\x0c")


def test_the_size_comes_from_the_kernel(environ: dict[str, str]) -> None:
    exported = {**environ, "COLUMNS": "200", "LINES": "60"}
    with PtyProgram([PROGRAM], exported, size=(80, 24)) as program:
        program.see("completed")
        assert within(program.raw, 80, 24)
        program.resize(60, 20)
        program.wait_for(lambda: repainted_within(program, 60, 20), "the new size")
        quit_at_once(program)


def test_sizes_that_end_at_the_painted_one_repaint_the_screen(environ: dict[str, str]) -> None:
    row = "avatars → profiles          880,112"
    with PtyProgram([PROGRAM], environ, size=(80, 24)) as program:
        program.see(row)
        for sizes in range(1, 11):  # more sizes take longer: the program sees others of them
            for _ in range(sizes):
                program.resize(20, 10)
                program.resize(80, 24)
            program.see(row)
        assert program.text.count(row) == 1
        quit_at_once(program)


def repainted_within(program: PtyProgram, columns: int, rows: int) -> bool:
    """Force a full repaint; return whether all of it is within a size."""
    start, last_line = len(program.raw), b"\x1b[%d;1H" % rows
    program.type("\x0c")
    program.wait_for(lambda: last_line in program.raw[start:], "the last line")
    return within(program.raw[start:], columns, rows)


def within(raw: bytes, columns: int, rows: int) -> bool:
    """Return whether all cursor positions in the output are within a size."""
    places = [(int(row), int(column)) for row, column in PLACE.findall(raw)]
    return bool(places) and all(row <= rows and column <= columns for row, column in places)


def test_without_a_kernel_size_the_environment_is_used(environ: dict[str, str]) -> None:
    exported = {**environ, "COLUMNS": "70", "LINES": "22"}
    with PtyProgram([PROGRAM], exported, size=(0, 0)) as program:
        program.wait_for(lambda: b"completed" in program.raw, "the list")
        assert within(program.raw, 70, 22)
        assert b"\x1b[22;" in program.raw
        program.type("q")
        assert program.ended() == 0


NONSENSE = {
    "TEXTUAL": "debug,devtools",
    "TEXTUAL_ALLOW_SIGNALS": "1",
    "TEXTUAL_COLOR_SYSTEM": "zzz",
    "TEXTUAL_DEBUG": "1",
    "TEXTUAL_DRIVER": "no_such:Driver",
    "TEXTUAL_FILTERS": "zzz",
    "TEXTUAL_FPS": "9" * 400,
    "TEXTUAL_LOG": "textual.log",
    "TEXTUAL_PRESS": "q",
    "TEXTUAL_SCREENSHOT": "0",
    "TEXTUAL_THEME": "zzz",
    "ESCDELAY": "9" * 400,
    "TZ": "XXX+24",
}


def test_environment_variables_of_textual_are_ignored(
    environ: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    with PtyProgram([PROGRAM], {**environ, **NONSENSE}, folder=folder) as program:
        program.see("completed")
        program.see("UTC")
        program.type("?")
        program.see("Keys")
        program.type("\x1b")
        program.see_no("Keys")
        quit_at_once(program)
    assert list(folder.iterdir()) == []


ASKED = b"\x1b]11;?\x1b\\"
LIGHT, DARK = "fcfcfa", "121416"
PATIENT = """
import sys
from slurper_tui.cli import driver
from slurper_tui.cli.main import main
driver.ANSWER_SECONDS = float(sys.argv.pop(1))
main()
"""


@pytest.mark.parametrize(
    ("seconds", "reply", "theme", "shown"),
    [
        (60, b"rgb:ffff/ffff/dddd", (), LIGHT),
        (60, b"rgb:1111/1111/1111", (), DARK),
        (60, b"rgb:ffff/ffff/ffff", ("--theme", "slurper-dark"), DARK),
        (60, b"rgb:0000/0000/0000", ("--theme", "slurper-light"), LIGHT),
        (60, b"rgb:ffff/ffff/ffff", ("--theme", "auto"), LIGHT),
        (0, b"rgb:ffff/ffff/ffff", (), DARK),
    ],
    ids=["light", "dark", "chosen dark", "chosen light", "auto", "late"],
)
def test_the_background_chooses_the_theme_and_types_nothing(
    environ: dict[str, str], seconds: float, reply: bytes, theme: tuple[str, ...], shown: str
) -> None:
    words = [sys.executable, "-c", PATIENT, str(seconds), *theme]
    with PtyProgram(words, {**environ, "COLORTERM": "truecolor"}) as program:
        program.wait_for(lambda: ASKED in program.raw, "the question")
        send(program, b"\x1b]11;" + reply + b"\x1b\\")
        program.see("quit")
        program.wait_for(lambda: program.screen.buffer[5][0].bg == shown, "the theme")
        program.type("\x1a")  # without job control it continues at once
        program.wait_for(lambda: program.raw.count(b"\x1b[?1049h") == 2, "the screen again")
        quit_at_once(program)
        assert program.raw.count(ASKED) == 1, "once"


@pytest.mark.parametrize("term", ["linux", "vt220"])
def test_a_terminal_that_may_print_the_question_is_not_asked(
    environ: dict[str, str], term: str
) -> None:
    with PtyProgram([PROGRAM], {**environ, "TERM": term}) as program:
        program.see("quit")
        quit_at_once(program)
        assert ASKED not in program.raw
