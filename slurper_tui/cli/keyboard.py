"""Parse terminal input: bytes in; messages for known keys, pastes and reports out.

Between keys a terminal also sends replies to queries (its version, its colours, the position of
the cursor), late and in pieces, even to queries of the previous program. Textual's parser turns
unknown input into typed keys. This layer splits the input as ECMA-48 and the kitty keyboard
protocol define it, passes complete and known sequences to Textual's parser, and discards the rest:

* OSC, DCS, APC, PM and SOS strings, up to ST or BEL, but for the terminal's background colour,
  which is kept in `Keyboard.background`. An unterminated string ends after
  `_STRING_IDLE` seconds of silence; after `_STRING_AGE` seconds at the first short pause.
* CSI sequences with an unknown final byte or private parameters, malformed ones, cursor position
  reports, mouse reports in old encodings, and key releases.

A lone ESC is the Escape key after `escape_seconds`. `ESC ]`, `ESC P`, `ESC _`, `ESC X` and `ESC ^`
begin a string, never an Alt chord. A character that can continue a sequence is taken to continue
an ESC of up to `_LATE` seconds ago: a slow line can split a reply right after its first byte.

Ctrl-C is always a key: it cancels an unfinished string or sequence. Inside a paste it is a key
only in a read of its own, since pasted text may contain that byte. An unterminated paste ends
after `_PASTE_IDLE` seconds of silence (after `_PASTE_AGE` seconds at the first short pause); the
text received until then is pasted. A paste of more than `_LONGEST_PASTE` characters is discarded.
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
from slurper_tui.tui.render.painted import PrivateName

PRIVATE = (
    PrivateName(XTermParser, "feed", ("self", "data")),
    PrivateName(XTermParser, "_sequence_to_key_events", ("self", "sequence", "alt")),
    *(
        PrivateName(XTermParser, name)
        for name in (
            *("_timeout_time", "mouse_pixels", "last_x", "last_y"),
            *("terminal_size", "terminal_pixel_size"),
        )
    ),
)
"""What this module uses of Textual's parser; `cli.driver` checks it at the start."""

_ESC, _BEL, _CTRL_C = "\x1b", "\x07", "\x03"
_CANCEL = frozenset("\x18\x1a")  # CAN and SUB end any sequence
_STRINGS = frozenset("]PX^_")
_INTRODUCERS = _STRINGS | frozenset("[O")

_HOLD = 0.5
_LATE = 3.0
_STRING_IDLE, _STRING_AGE = 3.0, 15.0
_PASTE_IDLE, _PASTE_AGE = 5.0, 20.0
_PAUSE = 0.1
"""Seconds of silence that end a string or paste older than `_STRING_AGE` or `_PASTE_AGE`."""

_LONGEST_PASTE = 65_536
_LONGEST_SEQUENCE = 256
_LONGEST_REPLY = 64
_PASTE_START, _PASTE_END = "\x1b[200~", "\x1b[201~"

# Characters that can follow an introducer which arrived late and alone after an ESC. With any
# other character the introducer was typed: Esc, then P and the answer to its question.
_FOLLOWS_LATE = {
    "[": "0123456789:;<=>?ABCDEFGHZ~",
    "O": "ABCDFHPQRSM",
    "]": "0123456789lLI",
    "P": "0123456789>!$+=?",
    "_": "G",
}


class Keyboard:
    """State machine over the terminal's input. Times: seconds of the caller's monotonic clock.

    deadline: when to call `tick` to resolve pending input; None while none is pending.
    background: red, green and blue, 0 to 1, of the last reply to OSC 11; None for none.
    """

    def __init__(self, escape_seconds: float = _PAUSE) -> None:
        self.deadline: float | None = None
        self.background: tuple[float, float, float] | None = None
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
        """Process the bytes of one read; return the messages that are already certain."""
        self._now = now
        self._reads += 1
        if self._state == self._paste and _is_ctrl_c(data):
            self._leave()
        for char in self._decode(data):
            if char == _CTRL_C and self._state not in (self._ground, self._escape, self._paste):
                self._settle_held()
                self._leave()
            self._state(char)
            self._last_at = self._now
        return self._taken()

    def tick(self, now: float) -> list[Message]:
        """Resolve pending input if its deadline has passed; return the messages."""
        if self.deadline is not None and now >= self.deadline:
            self._now = now
            if self._state == self._escape:
                self._escaped_at = now
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
        return self._taken()

    def _taken(self) -> list[Message]:
        """Return the messages of one read.

        Each key is marked if it came in a burst or shortly after discarded input.
        """
        out, self._out = self._out, []
        keys = [message for message in out if isinstance(message, Key)]
        noise = self._now < self._unparsed_at + QUIET_SECONDS
        for key in keys:
            set_context(key, after_noise=noise, in_burst=len(keys) > 1)
        return out

    # States: each method processes one character.

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
            self._swallow()  # completes a string terminator: its ESC came earlier
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
        """Enter the state that `ESC char` begins; discard any other character."""
        if char == "[":
            self._enter(self._csi, _STRING_IDLE)
        elif char == "O":
            self._enter(self._ss3, _HOLD)
        elif char in _STRINGS:
            self._enter(self._string, _STRING_IDLE)
            self._text = [char]
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
        """Decide if an introducer that came late after an ESC begins a sequence or was typed."""
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
        """Start a new sequence if an ESC cancelled the last one."""
        if char == _ESC:
            self._enter(self._escape, self._escape_seconds)

    def _ignored(self, char: str) -> None:
        """Discard the rest of a malformed CSI sequence."""
        self.deadline = self._now + _STRING_IDLE
        self._unparsed()
        if char == _ESC or char in _CANCEL or "@" <= char <= "~":
            self._leave()
            self._restart(char)

    def _mouse(self, char: str) -> None:
        """Discard the three raw bytes of an X10 mouse report; none is a control character."""
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
        elif char == _BEL or _c1(char) == "\\":
            self._end_string()
        elif char in _CANCEL:
            self._leave()
        elif len(self._text) < _LONGEST_REPLY:
            self._text.append(char)

    def _end_string(self) -> None:
        """Keep the terminal's background, if that is what the string tells."""
        self._leave()
        if reply := re.fullmatch(_BACKGROUND, "".join(self._text)):
            red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in reply.groups())
            self.background = (red, green, blue)

    def _string_escape(self, char: str) -> None:
        """Handle the character after an ESC inside a string.

        A backslash ends the string and an introducer cancels it. Any other character is part of
        the string, as in tmux pass-through.
        """
        self._unparsed()
        if char == "\\":
            self._end_string()
        elif self._now > self._last_at + _PAUSE:
            self._leave()  # the ESC came long before: this character was typed separately
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
        """Set the deadline for the next character; only `_PAUSE` seconds once older than `age`."""
        young = self._now < self._begun_at + age
        self.deadline = self._now + (idle if young else _PAUSE)
        if len(self._text) > 2 * _LONGEST_PASTE:  # too long in any case; its end may still come
            del self._text[: -_LONGEST_PASTE - len(_PASTE_END) - 1]

    def _dispatch(self, sequence: str) -> None:
        """Pass a complete CSI sequence on in a form that Textual knows, or discard it."""
        if sequence == _PASTE_START:
            self._enter(self._paste, _PASTE_IDLE)
            return
        meaning = translate(sequence)
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
        """Parse one complete sequence with Textual's parser.

        If that fails, discard the sequence, and replace the parser by a new one with the same state
        of the terminal (mouse, sizes).
        """
        try:
            messages = list(self._parser.feed(sequence))
            complete = self._parser._timeout_time is None
        except Exception:  # lose only the input that the parser fails on
            messages, complete = [], False
        if complete:
            self._out += messages
        else:
            self._unparsed()
            old, new = self._parser, XTermParser()
            new.mouse_pixels, new.last_x, new.last_y = old.mouse_pixels, old.last_x, old.last_y
            new.terminal_size, new.terminal_pixel_size = old.terminal_size, old.terminal_pixel_size
            self._parser = new


_KEYS_WITHOUT_FINAL = frozenset(key for key in ANSI_SEQUENCES_KEYS if key[-1] == "$")
"""rxvt keys that end in "$", which ECMA-48 defines as an intermediate byte."""

# Compiled on first use, not at start-up.
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
_PART = "([0-9A-Fa-f]{1,4})"
_BACKGROUND = rf"\]11;rgba?:{_PART}/{_PART}/{_PART}(?:/[0-9A-Fa-f]{{1,4}})?"
_POSITION = r"\x1b\[\d+;\d+R"
_RELEASED = "3"
_CTRL = 4
_MOST_MODIFIERS = 256
_NOT_EXTENDED = frozenset("u~ABCDEFHPQRS")


def translate(sequence: str) -> Sequence[str] | None:
    """Translate a complete CSI sequence into sequences for Textual's parser; None if unknown.

    The result is empty for a known sequence without effect: a key release.
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
    """Translate a key of kitty's protocol, or a functional key of the older encodings."""
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
    """Translate a key in the form of XTerm's modifyOtherKeys; None if it is not valid."""
    if not 0 < modifiers <= _MOST_MODIFIERS:
        return None
    if f"{code}u" in FUNCTIONAL_KEYS:
        return (f"{_ESC}[{code};{modifiers}u",)
    if not _is_text(code):
        return None
    return (f"{_ESC}[{code};{modifiers}{f';{code}' if modifiers <= 2 else ''}u",)


def _is_text(code: int) -> bool:
    """Whether a code point is printable, not a kitty functional key and not a surrogate."""
    private = 57_344 <= code < 57_600
    surrogate = 0xD800 <= code <= 0xDFFF
    return (32 <= code < 127 or 160 <= code <= 0x10FFFF) and not private and not surrogate


def _c1(char: str) -> str:
    """Return the letter X of `ESC X` for an 8-bit C1 control; "" for any other character.

    A raw byte that is not UTF-8 arrives as a lone surrogate, and is treated as that control.
    """
    code = ord(char)
    code -= 0xDC00 if code >= 0xDC00 else 0
    return chr(code - 0x40) if 0x80 <= code <= 0x9F else ""


def _broken(char: str) -> bool:
    """Whether this is a byte that is not UTF-8 (a lone surrogate), or a replacement character."""
    return "\ud800" <= char <= "\udfff" or char == "\N{REPLACEMENT CHARACTER}"


def _is_ctrl_c(read: bytes) -> bool:
    """Whether a whole read is Ctrl-C, as control bytes or as a key of kitty's protocol."""
    text = read.decode("ascii", errors="replace")
    if text and not text.strip(_CTRL_C):
        return True
    key = re.fullmatch(_KEY, text)
    if key is None or key["final"] != "u" or key["code"] != "99" or key["event"] == _RELEASED:
        return False
    return bool(int(key["modifiers"] or 1) - 1 & _CTRL)
