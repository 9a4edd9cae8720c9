"""Bytes from the terminal in, messages out: only for a key, a paste or a report that is known.

Between keys a terminal also sends answers to questions (its version, its colours, the position of
the cursor), late and in pieces, even to questions of the program that ran before. Textual's parser
types whatever it does not know. This layer splits the input as ECMA-48 and the kitty keyboard
protocol define it, hands complete and known sequences to Textual's parser, and swallows the rest:

* OSC, DCS, APC, PM and SOS strings, up to ST or BEL. A string without an end is given up after
  `_STRING_IDLE` seconds of silence; after `_STRING_AGE` seconds at the first short pause.
* CSI sequences with an unknown final byte or private parameters, malformed ones, cursor position
  reports, mouse reports in old encodings, and the release of keys.

A lone ESC is the Escape key after `escape_seconds`. `ESC ]`, `ESC P`, `ESC _`, `ESC X` and `ESC ^`
begin a string, never an Alt chord. What would continue an ESC that arrived up to `_LATE` seconds
ago continues it: a slow line can split a reply right after its first byte.

Ctrl-C is always a key: in a string or a sequence it cancels what was begun. Inside a paste it is
one only in a read of its own, since pasted text may contain that byte. A paste without an end is
over after `_PASTE_IDLE` seconds of silence (`_PASTE_AGE` seconds in all); what came until then is
pasted. One of more than `_LONGEST_PASTE` characters is swallowed.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Sequence

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._keyboard_protocol import FUNCTIONAL_KEYS
from textual._xterm_parser import XTermParser
from textual.events import Key, Paste
from textual.keys import Keys
from textual.message import Message

from slurper_tui.tui.keys import QUIET_SECONDS, set_context

_ESC, _BEL, _CTRL_C = "\x1b", "\x07", "\x03"
_CANCEL = frozenset("\x18\x1a")  # CAN and SUB end any sequence
_STRINGS = frozenset("]PX^_")
_INTRODUCERS = _STRINGS | frozenset("[O")

_HOLD = 0.5
_LATE = 3.0
_STRING_IDLE, _STRING_AGE = 3.0, 15.0
_PASTE_IDLE, _PASTE_AGE = 5.0, 20.0
_PAUSE = 0.1
"""Seconds of silence that end a string or a paste which is older than its age."""

_LONGEST_PASTE = 65_536
_LONGEST_SEQUENCE = 256
_PASTE_START, _PASTE_END = "\x1b[200~", "\x1b[201~"

# Which character can follow an introducer that itself came late and alone after an ESC. In another
# case it was typed: Esc, then P and its answer.
_FOLLOWS_LATE = {
    "[": "0123456789:;<=>?ABCDEFGHZ~",
    "O": "ABCDFHPQRSM",
    "]": "0123456789lLI",
    "P": "0123456789>!$+=?",
    "_": "G",
}


class Keyboard:
    """Splits what a terminal sends. Times are seconds of one monotonic clock, given by the caller.

    deadline: when `tick` has something to settle; None while nothing is pending.
    """

    def __init__(self, escape_seconds: float = _PAUSE) -> None:
        self.deadline: float | None = None
        self._escape_seconds = escape_seconds
        self._decode = getincrementaldecoder("utf-8")(errors="surrogateescape").decode
        self._parser = XTermParser()
        self._out: list[Message] = []
        self._now = 0.0
        self._unparsed_at = float("-inf")
        self._escaped_at = float("-inf")
        self._state: Callable[[str], None] = self._ground
        self._begun_at = self._last_at = 0.0
        self._text: list[str] = []
        self._left = 0
        self._reads = 0
        self._held_in = 0

    def feed(self, data: bytes, now: float) -> list[Message]:
        """Take the bytes of one read; what they mean as far as it is certain."""
        self._now = now
        self._reads += 1
        if self._state == self._paste and _is_ctrl_c(data):
            self._leave()
        for char in self._decode(data):
            self._step(char)
        return self._taken()

    def tick(self, now: float) -> list[Message]:
        """Settle what is pending if its time is over."""
        if self.deadline is not None and now >= self.deadline:
            self._now = now
            self._expire()
        return self._taken()

    def _taken(self) -> list[Message]:
        """Hand out the messages of one read; keys know what came along with them."""
        out, self._out = self._out, []
        keys = [message for message in out if isinstance(message, Key)]
        noise = self._now < self._unparsed_at + QUIET_SECONDS
        for key in keys:
            set_context(key, after_noise=noise, in_burst=len(keys) > 1)
        return out

    # States: each takes one character ---------------------------------------------------------

    def _step(self, char: str) -> None:
        if char == _CTRL_C and self._state not in (self._ground, self._escape, self._paste):
            self._settle_held()
            self._leave()
        self._state(char)
        self._last_at = self._now

    def _enter(self, state: Callable[[str], None], seconds: float) -> None:
        self._state, self._begun_at, self.deadline = state, self._now, self._now + seconds
        self._text = []

    def _leave(self) -> None:
        self._state, self.deadline = self._ground, None

    def _unparsed(self) -> None:
        self._unparsed_at = self._now

    def _swallow(self) -> None:
        self._unparsed()
        self._leave()

    def _ground(self, char: str) -> None:
        late, self._escaped_at = self._now <= self._escaped_at + _LATE, float("-inf")
        if late and char == "\\":
            self._swallow()  # the end of a string, without its ESC
        elif late and char in _INTRODUCERS:
            self._enter(self._held, _HOLD)
            self._text, self._held_in = [char], self._reads
        elif char == _ESC:
            self._enter(self._escape, self._escape_seconds)
        elif (eight_bit := _c1(char)) or _broken(char):
            self._introduce(eight_bit)
        else:
            self._parse(char)

    def _introduce(self, char: str) -> None:
        """Enter the state that `ESC char` leads to; anything else is swallowed."""
        if char == "[":
            self._enter(self._csi, _STRING_IDLE)
        elif char == "O":
            self._enter(self._ss3, _HOLD)
        elif char in _STRINGS:
            self._enter(self._string, _STRING_IDLE)
        else:
            self._swallow()

    def _escape(self, char: str) -> None:
        if char == _ESC:
            self._out.append(Key("escape", _ESC))
            self._enter(self._escape, self._escape_seconds)
        elif char in _INTRODUCERS or char == "\\" or _c1(char) or _broken(char):
            self._introduce(char)
        else:
            self._leave()
            self._alt(char)

    def _held(self, char: str) -> None:
        """An introducer came some time after an ESC: does this one continue it?"""
        introducer = self._text[0]
        if self._reads == self._held_in or char in _FOLLOWS_LATE.get(introducer, ""):
            self._introduce(introducer)
        else:
            self._settle_held()
        self._state(char)

    def _settle_held(self) -> None:
        if self._state == self._held:
            self._leave()
            self._parse(self._text[0])

    def _ss3(self, char: str) -> None:
        self._text.append(char)
        sequence = f"{_ESC}O{''.join(self._text)}"
        if char.isdigit() and char.isascii() and len(self._text) < _LONGEST_SEQUENCE:
            return
        if char < " ":
            self._swallow()
            self._state(char)
        elif sequence in ANSI_SEQUENCES_KEYS:
            self._leave()
            self._parse(sequence)
        else:
            self._swallow()

    def _csi(self, char: str) -> None:
        self.deadline = self._now + _STRING_IDLE
        self._text.append(char)
        text = "".join(self._text)
        if char == _ESC or char in _CANCEL:
            self._swallow()
            self._restart(char)
        elif text == "M":
            self._enter(self._mouse, _STRING_IDLE)
            self._left = 3
        elif text == "[":
            return  # the Linux console's function keys: `ESC [ [ A`
        elif "@" <= char <= "~" or f"{_ESC}[{text}" in _KEYS_WITHOUT_FINAL:
            self._leave()
            self._dispatch(f"{_ESC}[{text}")
        elif (
            not (" " <= char <= "?") or len(text) > _LONGEST_SEQUENCE or re.search(_DISORDER, text)
        ):
            self._unparsed()
            self._state = self._ignored

    def _restart(self, char: str) -> None:
        """Begin with the ESC that has cancelled a sequence."""
        if char == _ESC:
            self._enter(self._escape, self._escape_seconds)

    def _ignored(self, char: str) -> None:
        """The rest of a malformed CSI sequence."""
        self.deadline = self._now + _STRING_IDLE
        self._unparsed()
        if char == _ESC or char in _CANCEL or "@" <= char <= "~":
            self._leave()
            self._restart(char)

    def _mouse(self, char: str) -> None:
        """Three raw bytes of an X10 mouse report, each above the controls; letters among them."""
        self.deadline = self._now + _STRING_IDLE
        self._unparsed()
        self._left -= 1
        if char < " " or not self._left:
            self._leave()
            self._restart(char)

    def _string(self, char: str) -> None:
        self._unparsed()
        self._wait_on(_STRING_IDLE, _STRING_AGE)
        if char == _ESC:
            self._state = self._string_escape
        elif char == _BEL or char in _CANCEL or _is_st(char):
            self._leave()

    def _string_escape(self, char: str) -> None:
        """An ESC inside a string: with a backslash it ends it, with an introducer it cancels it.

        With anything else it is a part of it, as in the strings that tmux passes through.
        """
        self._unparsed()
        if char == "\\":
            self._leave()
        elif self._now > self._last_at + _PAUSE:
            self._leave()  # the ESC came long before: it does not belong to what is typed now
            self._state(char)
        elif char in _INTRODUCERS or _c1(char):
            self._introduce(_c1(char) or char)
        elif char != _ESC:
            self._state = self._string
            self._state(char)

    def _paste(self, char: str) -> None:
        self._wait_on(_PASTE_IDLE, _PASTE_AGE)
        self._text.append(char)
        if char == "~" and "".join(self._text[-len(_PASTE_END) :]) == _PASTE_END:
            del self._text[-len(_PASTE_END) :]
            self._end_paste()

    def _end_paste(self) -> None:
        self._leave()
        if len(self._text) > _LONGEST_PASTE:
            self._unparsed()
            return
        text = "".join(self._text).replace("\0", "")
        self._out.append(Paste(re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)))

    def _wait_on(self, idle: float, age: float) -> None:
        """Wait for the next character of a string or paste: the older it is, the shorter."""
        young = self._now < self._begun_at + age
        self.deadline = self._now + (idle if young else _PAUSE)
        if len(self._text) > 2 * _LONGEST_PASTE:  # too long in any case; its end may still come
            del self._text[: -_LONGEST_PASTE - len(_PASTE_END) - 1]

    # What is certain --------------------------------------------------------------------------

    def _expire(self) -> None:
        """Settle what is pending as it is."""
        if self._state == self._escape:
            self._escaped_at = self._now
            self._leave()
            self._out.append(Key("escape", _ESC))
        elif self._state == self._held:
            self._settle_held()
        elif self._state == self._ss3 and not self._text:
            self._leave()
            self._alt("O")
        elif self._state == self._paste:
            self._end_paste()
        else:
            self._leave()

    def _dispatch(self, sequence: str) -> None:
        """Hand on a complete CSI sequence in the form that Textual knows; or swallow it."""
        if sequence == _PASTE_START:
            self._enter(self._paste, _PASTE_IDLE)
            return
        meaning = known(sequence)
        if meaning is None:
            self._unparsed()
            return
        for part in meaning:
            self._parse(part)

    def _alt(self, char: str) -> None:
        if _ESC + char in ANSI_SEQUENCES_KEYS:
            self._parse(_ESC + char)
            return
        keys = self._parser._sequence_to_key_events(char, alt=True)
        self._out += [key for key in keys if key.key != Keys.Ignore]

    def _parse(self, sequence: str) -> None:
        """Let Textual's parser read one complete sequence; what it cannot read is swallowed."""
        try:
            messages = list(self._parser.feed(sequence))
            complete = self._parser._timeout_time is None
        except Exception:  # an input that the parser fails on costs that input and nothing else
            messages, complete = [], False
        if complete:
            self._out += messages
        else:
            self._unparsed()
            self._replace_parser()

    def _replace_parser(self) -> None:
        """Begin with a new parser that knows of the terminal what the old one knew."""
        old, new = self._parser, XTermParser()
        new.mouse_pixels, new.last_x, new.last_y = old.mouse_pixels, old.last_x, old.last_y
        new.terminal_size, new.terminal_pixel_size = old.terminal_size, old.terminal_pixel_size
        self._parser = new


# CSI sequences --------------------------------------------------------------------------------

_KEYS_WITHOUT_FINAL = frozenset(key for key in ANSI_SEQUENCES_KEYS if key[-1] == "$")
"""Keys of rxvt that end where ECMA-48 has an intermediate byte."""

# Compiled when they are needed first, which is not at the start.
_DISORDER = r"[ -/][0-?]"
_KEY = (
    r"\x1b\[(?P<code>\d{0,7})(?::\d{0,7})*"
    r"(?:;(?P<modifiers>\d{0,3})(?::(?P<event>\d?))?(?:;(?P<text>[\d:]*))?)?"
    r"(?P<final>[u~ABCDEFHPQRS])"
)
_OTHER_KEY = r"\x1b\[27;(?P<modifiers>\d{1,3});(?P<code>\d{1,7})~"
_REPORT = (
    r"\x1b\[(?:[IO]|\?20(?:26|48);[0-4]\$y|<\d{1,3};-?\d{1,5};-?\d{1,5}[Mm]"
    r"|48(?:;[1-9]\d{0,4}){4}t)"
)
_POSITION = r"\x1b\[\d+;\d+R"
_RELEASED = "3"
_CTRL = 4
_MOST_MODIFIERS = 256
_NOT_EXTENDED = frozenset("u~ABCDEFHPQRS")


def known(sequence: str) -> Sequence[str] | None:
    """What Textual's parser is given for a complete CSI sequence; None if it is no known one.

    An empty answer is for a known sequence that means nothing here: the release of a key.
    """
    if re.fullmatch(_REPORT, sequence):
        return (sequence,)
    if re.fullmatch(_POSITION, sequence):
        return None
    if other := re.fullmatch(_OTHER_KEY, sequence):
        return _other_key(int(other["code"]), int(other["modifiers"]))
    if key := re.fullmatch(_KEY, sequence):
        return _key(key)
    extended = sequence[-1] in _NOT_EXTENDED and not sequence.startswith(f"{_ESC}[[")
    return (sequence,) if sequence in ANSI_SEQUENCES_KEYS and not extended else None


def _key(match: re.Match[str]) -> Sequence[str] | None:
    """A key of kitty's protocol, or a functional key of the older encodings."""
    final, event = match["final"], match["event"] or "1"
    modifiers = int(match["modifiers"] or "0")
    if event not in ("1", "2", _RELEASED) or modifiers > _MOST_MODIFIERS:
        return None
    code = int(match["code"] or "1")
    text = [int(part) for part in (match["text"] or "").split(":") if part and len(part) < 8]
    text = [part for part in text if _is_text(part)]
    functional = f"{code}{final}" in FUNCTIONAL_KEYS
    if not functional and (final != "u" or not (_is_text(code) or (code == 0 and text))):
        return None
    if event == _RELEASED:
        return ()
    middle = f"{code};{modifiers}" if modifiers else f"{code}" if match["code"] else ""
    if final != "u" or not text:
        return (f"{_ESC}[{middle}{final}",)
    return [f"{_ESC}[{code};{modifiers or ''};{part}u" for part in text]


def _other_key(code: int, modifiers: int) -> Sequence[str] | None:
    """A key as XTerm's modifyOtherKeys tells it."""
    if not 0 < modifiers <= _MOST_MODIFIERS:
        return None
    if f"{code}u" in FUNCTIONAL_KEYS:
        return (f"{_ESC}[{code};{modifiers}u",)
    if not _is_text(code):
        return None
    return (f"{_ESC}[{code};{modifiers}{f';{code}' if modifiers <= 2 else ''}u",)


def _is_text(code: int) -> bool:
    """Whether a number is a printable code point, none of a functional key or of half a pair."""
    private = 57_344 <= code < 57_600
    surrogate = 0xD800 <= code <= 0xDFFF
    return (32 <= code < 127 or 160 <= code <= 0x10FFFF) and not private and not surrogate


# Single characters ----------------------------------------------------------------------------


def _c1(char: str) -> str:
    """The letter after ESC that an 8-bit control stands for; "" for any other character.

    A raw byte that is not UTF-8 arrives as a lone surrogate, and is read as the same control.
    """
    code = ord(char)
    code -= 0xDC00 if code >= 0xDC00 else 0
    return chr(code - 0x40) if 0x80 <= code <= 0x9F else ""


def _broken(char: str) -> bool:
    """No character: a byte outside UTF-8, or its replacement."""
    return "\ud800" <= char <= "\udfff" or char == "\N{REPLACEMENT CHARACTER}"


def _is_st(char: str) -> bool:
    return _c1(char) == "\\"


def _is_ctrl_c(read: bytes) -> bool:
    """Whether a whole read is Ctrl-C, as a byte or as kitty's protocol tells it."""
    text = read.decode("ascii", errors="replace")
    if text and not text.strip(_CTRL_C):
        return True
    key = re.fullmatch(_KEY, text)
    if key is None or key["final"] != "u" or key["code"] != "99" or key["event"] == _RELEASED:
        return False
    return bool(int(key["modifiers"] or 1) - 1 & _CTRL)
