"""Terminal input becomes the pressed keys; everything else is discarded."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import AppFocus, Key, MouseDown, Paste, Resize
from textual.message import Message
from textual.messages import InBandWindowResize, TerminalSupportsSynchronizedOutput

from slurper_tui.cli.keyboard import Keyboard
from slurper_tui.tui.keys import QUIET_SECONDS, may_confirm
from tests.terminal_input import (
    KEYS,
    LONG,
    NOISE,
    PAUSE,
    RELEASES,
    REPLIES,
    SHORT,
    Piece,
    names,
    reads,
    scenario,
    typed,
)

DRAWN = 0.0


def whole(data: bytes) -> list[Message]:
    return typed([Piece(0.0, data)])


def pasted(messages: list[Message]) -> list[str]:
    return [message.text for message in messages if isinstance(message, Paste)]


@pytest.mark.parametrize(("data", "keys"), KEYS.items())
def test_a_key_is_that_key(data: bytes, keys: list[str]) -> None:
    assert names(whole(data)) == keys


@pytest.mark.parametrize("data", [*NOISE, *RELEASES])
def test_unknown_sequences_yield_no_key_however_they_are_split(data: bytes) -> None:
    assert whole(data) == []
    for at in range(2, len(data)):
        assert typed([Piece(0.0, data[:at]), Piece(PAUSE, data[at:])]) == []
    assert typed([Piece(SHORT, bytes([byte])) for byte in data]) == []
    assert names(whole(data + b"q")) == ["q"]


@pytest.mark.parametrize("gap", [0.2, 0.4, PAUSE])
@pytest.mark.parametrize("data", REPLIES)
def test_a_reply_cut_right_after_its_first_byte_is_the_escape_key_at_most(
    data: bytes, gap: float
) -> None:
    late = [Piece(0.0, b"\x1b"), Piece(gap, data[1:])]
    assert names(typed(late)) == ["escape"]
    dripping = [late[0], Piece(gap, data[1:2]), *(Piece(0.1, bytes([b])) for b in data[2:])]
    assert names(typed(dripping)) == ["escape"]


def test_keys_typed_after_escape_are_keys() -> None:
    for typing in (b"Py", b"Xphotos\r", b"q", b"]q", b"O"):
        slowly = [Piece(0.2, bytes([byte])) for byte in typing]
        keys = [name for byte in typing for name in KEYS[bytes([byte])]]
        assert names(typed([Piece(0.0, b"\x1b"), *slowly])) == ["escape", *keys]


@given(st.randoms(use_true_random=False))
def test_keys_come_out_of_any_mixture_cut_anywhere(random: Random) -> None:
    pieces, expected = scenario(random)
    assert names(typed(pieces)) == expected


anything = st.lists(
    st.tuples(
        st.sampled_from([0.0, SHORT, 0.4, PAUSE, LONG]),
        st.one_of(st.binary(max_size=12), st.sampled_from([*KEYS, *NOISE, b"\x1b", b"\x1b[200~"])),
    ),
    max_size=12,
)


@given(anything, st.sampled_from([0.0, 0.4, LONG]), st.sampled_from([b"\x03", b"\x1b[99;5u"]))
def test_ctrl_c_is_a_key_in_every_state(
    pieces: list[tuple[float, bytes]], gap: float, ctrl_c: bytes
) -> None:
    # A key's own ESC may just have been sent: what follows it is an Alt chord.
    before = [Piece(*piece) for piece in pieces]
    assert "ctrl+c" in names(typed([*before, Piece(gap, ctrl_c)])[-3:])


# Strings, sequences and pastes without an end -------------------------------------------------


@pytest.mark.parametrize("begin", [b"\x1b]", b"\x1bP", b"\x1b_", b"\x1bX", b"\x1b^", b"\x1b["])
def test_unterminated_input_times_out(begin: bytes) -> None:
    assert names(typed([Piece(0.0, begin + b"1;"), Piece(6.0, b"q")])) == ["q"]


@pytest.mark.parametrize("begin", [b"\x1b]", b"\x1b[200~"])
def test_typing_does_not_extend_the_timeout_of_unterminated_input(begin: bytes) -> None:
    pressed = [Piece(0.5, b"q") for _ in range(60)]
    assert len(names(typed([Piece(0.0, begin), *pressed]))) >= 15


def test_a_string_of_megabytes_is_swallowed_to_its_end() -> None:
    flood = [Piece(0.01, b"Py" * 2048) for _ in range(300)]
    assert names(typed([Piece(0.0, b"\x1b]52;c;"), *flood, Piece(0.01, b"\x1b\\q")])) == ["q"]


def test_an_escape_sequence_within_a_string_ends_it() -> None:
    assert names(whole(b"\x1b]11;rgb\x1b[A")) == ["up"]
    assert names(typed([Piece(0.0, b"\x1b]11;rgb\x1b"), Piece(1.0, b"q")])) == ["q"]


@given(st.lists(st.sampled_from([b"\x1b", b"\x1b\x1b", b"q", b"PUX", b"\r", b":", b"9"])))
def test_an_escape_that_begins_nothing_is_a_part_of_the_string(parts: list[bytes]) -> None:
    string = b"\x1b]52;" + b"q".join(parts).replace(b"\x1bP", b"\x1b") + b";\x07"
    assert whole(string) == []
    assert names(whole(string + b"q")) == ["q"]


def test_a_paste_is_text() -> None:
    text = "P\x1b[Ay\né\x03q"
    messages = whole(b"\x1b[200~" + text.encode() + b"\xff\x00\x1b[201~q")
    assert pasted(messages) == [text + "\N{REPLACEMENT CHARACTER}"]
    assert names(messages) == ["q"]


def test_a_paste_without_an_end_is_over_after_a_silence() -> None:
    messages = typed([Piece(0.0, b"\x1b[200~some words"), Piece(6.0, b"q")])
    assert pasted(messages) == ["some words"]
    assert names(messages) == ["q"]


def test_a_paste_that_is_much_too_long_is_no_paste() -> None:
    flood = [Piece(0.01, b"Py" * 2048) for _ in range(100)]
    messages = typed([Piece(0.0, b"\x1b[200~"), *flood, Piece(0.01, b"\x1b[201~q")])
    assert pasted(messages) == []
    assert names(messages) == ["q"]


def test_ctrl_c_within_a_paste_is_a_key_only_by_itself() -> None:
    assert names(typed([Piece(0.0, b"\x1b[200~rm"), Piece(0.3, b"\x03")])) == ["ctrl+c"]
    assert names(typed([Piece(0.0, b"\x1b[200~rm"), Piece(0.3, b"\x03 -r")])) == []


# Reports --------------------------------------------------------------------------------------


def test_reports_that_were_asked_for_are_passed_on() -> None:
    data = b"\x1b[?2026;2$y\x1b[?2048;2$y\x1b[I\x1b[48;24;80;480;800t\x1b[<0;5;6M"
    kinds = [TerminalSupportsSynchronizedOutput, InBandWindowResize, AppFocus, Resize, MouseDown]
    assert [type(message) for message in whole(data)] == kinds


def test_an_input_that_the_parser_fails_on_costs_that_input_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keyboard = Keyboard()
    monkeypatch.setattr(keyboard._parser, "parse_mouse_code", lambda code: 1 / 0)
    assert names(keyboard.feed(b"a\x1b[<0;5;6Mb", 0.0)) == ["a", "b"]


# What may confirm -----------------------------------------------------------------------------


def confirming(*pieces: Piece) -> list[str]:
    """Return the keys that may confirm a question shown before all of them."""
    return names(m for m in typed(pieces) if isinstance(m, Key) and may_confirm(m, DRAWN))


@pytest.mark.parametrize("noise", NOISE)
def test_no_key_confirms_just_after_noise(noise: bytes) -> None:
    assert confirming(Piece(0.0, noise + b"y")) == []
    assert confirming(Piece(0.0, b"y" + noise)) == []
    assert confirming(Piece(0.0, noise), Piece(QUIET_SECONDS - 0.01, b"y")) == []
    assert confirming(Piece(0.0, noise), Piece(QUIET_SECONDS + 0.01, b"y")) == ["y"]


def test_a_key_confirms_only_by_itself() -> None:
    assert confirming(Piece(0.0, b"y(0.35")) == []
    assert confirming(Piece(0.0, b"ty")) == []
    assert confirming(Piece(0.0, b"t"), Piece(SHORT, b"y")) == ["t", "y"]
    assert confirming(Piece(0.0, b"\x1b[121;1:3u"), Piece(SHORT, b"y")) == ["y"]


def test_each_read_has_its_own_context() -> None:
    for _, messages in reads([Piece(0.0, b"y"), Piece(0.0, b"\x1b]x\x07"), Piece(1.0, b"y")]):
        assert all(may_confirm(message, DRAWN) for message in messages)


# The background colour -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "colour"),
    [
        (b"\x1b]11;rgb:ffff/8000/0000\x1b\\", (255, 128, 0)),
        (b"\x1b]11;rgb:ff/80/00\x07", (255, 128, 0)),
        (b"\x1b]11;rgba:FFFF/8080/0000/ffff\x1b\\", (255, 128, 0)),
        (b"\x1b]11;rgb:f/8/0\x9c", (255, 136, 0)),
        (b"\x1b]10;rgb:ff/80/00\x07", None),
        (b"\x1b]11;rgb:ff/80\x07", None),
        (b"\x1b]11;rgb:fffff/80/00\x07", None),
        (b"\x1b]11;#ff8000\x07", None),
        (b"\x1bP11;rgb:ff/80/00\x1b\\", None),
        (b"\x1b]11;rgb:ff/80/00\x18", None),
        (b"\x1b]11;rgb:ff/80/00", None),
        (b"\x1b]11;rgb:ff/80/00" + b" " * 99 + b"\x07", None),
    ],
)
@pytest.mark.parametrize("split", [False, True], ids=["whole", "byte by byte"])
def test_a_reply_with_the_background_is_kept_and_is_no_key(
    reply: bytes, colour: tuple[int, int, int] | None, split: bool
) -> None:
    keyboard = Keyboard()
    for part in [bytes([byte]) for byte in reply] if split else [reply]:
        assert keyboard.feed(part, 0.0) == []
    found = keyboard.background and tuple(round(part * 255) for part in keyboard.background)
    assert found == colour
