"""Replaces known secrets in texts by `***`, whichever encoding the text uses for them.

Texts are compared in a reduced form. It is the same for a secret written verbatim, in JSON (also
JSON within JSON), in a URL, in HTML or with the escapes of a programming language, in upper or
lower case: escapes are decoded, and backslashes, whitespace, `+`, invisible characters and those
outside the basic plane are removed. The Base64 and hexadecimal forms of a secret are hidden too.
"""

from __future__ import annotations

import re
import string
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence

HIDDEN = "***"

LEAST = 6
"""Characters in the reduced form. Shorter values are ignored: they occur in ordinary words."""

PIECE = 16
"""Characters. Any piece of a secret with at least this length is hidden, because servers truncate
their quotations. Shorter secrets are hidden as a whole only."""

_STEP = 2**17
_OVERLAP = 2**14
"""Long texts are searched in parts of `_STEP` characters, each extended by the `_OVERLAP`
characters before it, because the reduced form takes many times the memory of a text. A secret
with an encoding longer than the overlap is still found by its pieces if it is long."""

# Strings, so that they are compiled only on first use.
_ARMOUR = r"-----(?:BEGIN|END) [A-Z0-9 ]{1,40}-----"
_PERCENT = r"(?:%[0-9A-Fa-f]{2})+"
_ENTITY = r"&(?:#0{0,9}[0-9]{1,7};?|#[xX]0{0,9}[0-9A-Fa-f]{1,6};?|[A-Za-z]{2,31};)"
_BYTES = r"(?:\\+(?:x[0-9A-Fa-f]{2}|[0-3][0-7]{2}))+"
_ESCAPED = r"\\+(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|U([0-9A-Fa-f]{8})|[nrtbf])?"
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_DEEPEST = 4
"""How often nested percent encoding and nested HTML entities are decoded."""

Decode = Callable[[re.Match[str]], str]


class Scrubber:
    """Removes known secrets from texts. All code that logs, shows or keeps text shares one.

    Values with an `@` are email addresses with pieces that occur elsewhere: they are hidden as a
    whole only.
    """

    def __init__(self, *secrets: str) -> None:
        self._known: set[str] = set()
        self._pieces: set[str] = set()
        self._wholes: set[tuple[str, bool]] = set()
        self.add(*secrets)

    def __repr__(self) -> str:
        return HIDDEN

    def add(self, *secrets: str | None) -> None:
        """Hide these values from now on. None and known values are ignored."""
        for secret in secrets:
            if not secret or secret in self._known:
                continue
            self._known.add(secret)
            # The first and the last line of a PEM file are not secret.
            body = re.sub(_ARMOUR, "", secret) if "-----" in secret else secret
            reduced = _Reduced(body).text
            if len(reduced) < LEAST:
                continue
            as_whole = len(reduced) < PIECE or "@" in secret
            self._add_form(reduced, as_whole, any(map(str.isspace, secret.strip())))
            for form in _encoded(secret):
                self._add_form(_Reduced(form).text, as_whole or len(form) < 2 * PIECE)

    def _add_form(self, reduced: str, as_whole: bool, has_space: bool = False) -> None:
        if as_whole:
            self._wholes.add((reduced, has_space))
        else:
            self._pieces.update(_windows(reduced))

    def clean(self, text: str) -> str:
        """Return the text with every secret, and every long piece of one, replaced by `***`."""
        if not self._pieces and not self._wholes:
            return text
        parts, end = [], 0
        for first, last in _merged(list(self._found(text))):
            parts += [text[end:first], HIDDEN]
            end = last
        return "".join([*parts, text[end:]]) if parts else text

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the (start, end) of secrets and of pieces of secrets in the text."""
        for end in range(_STEP, len(text) + _STEP, _STEP):
            begin = max(0, end - _STEP - _OVERLAP)
            reduced = _Reduced(text[begin:end])
            spans = list(self._found_wholes(reduced))
            if self._pieces:
                for place, window in enumerate(_windows(reduced.text)):
                    if window in self._pieces:
                        spans.append(reduced.span(place, place + PIECE))
            for first, last in spans:
                yield begin + first, begin + last

    def _found_wholes(self, reduced: _Reduced) -> Iterator[tuple[int, int]]:
        """Yield the (start, end) of short secrets in the original text.

        A secret without whitespace does not match across whitespace, where it would join two words.
        """
        for secret, has_space in self._wholes:
            place = reduced.text.find(secret)
            while place >= 0:
                first, last = reduced.span(place, place + len(secret))
                if has_space or not any(map(str.isspace, reduced.original[first:last])):
                    yield first, last
                place = reduced.text.find(secret, place + 1)


def _encoded(secret: str) -> Iterator[str]:
    """Yield a secret in hexadecimal, and in Base64 at each of the three possible byte offsets.

    The Base64 characters that depend on the neighbouring bytes are left out.
    """
    octets = secret.encode("utf-8", "surrogatepass")
    yield octets.hex()
    for before in range(3):
        first, last = -(-before * 4 // 3), (before + len(octets)) * 4 // 3
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(bytes(before) + octets).decode()[first:last]


def _windows(text: str) -> Iterator[str]:
    return (text[i : i + PIECE] for i in range(len(text) - PIECE + 1))


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the spans in order, with overlapping and adjacent ones merged."""
    spans.sort()
    first, last = -1, -1
    for begin, end in spans:
        if begin > last:
            if last >= 0:
                yield first, last
            first, last = begin, end
        else:
            last = max(last, end)
    if last >= 0:
        yield first, last


class _Reduced:
    """A text in its reduced form, with the position of each character in the original."""

    def __init__(self, original: str) -> None:
        self.original = self.text = original
        self._starts: list[int] = []
        self._ends: list[int] = []
        for pattern, decode, mark in ((_PERCENT, _percent, "%"), (_ENTITY, _entity, "&")):
            for _ in range(_DEEPEST):
                if mark not in self.text or not re.search(pattern, self.text):
                    break
                self._replace(pattern, decode)
        if "\\" in self.text:
            self._replace(_BYTES, _bytes)
            self._replace(_ESCAPED, _escape)
        if not (self.text.isascii() and self.text.isalnum()):
            kept = [place for place, char in enumerate(self.text) if _is_significant(char)]
            if len(kept) < len(self.text):
                starts, ends = self._places()
                self._starts, self._ends = [starts[i] for i in kept], [ends[i] for i in kept]
                self.text = "".join([self.text[i] for i in kept])
        self.text = self.text.translate(_SMALL)

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return the (start, end) in the original of the characters `first` to `last` - 1."""
        starts, ends = self._places()
        return starts[first], ends[last - 1]

    def _places(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return where each character starts and ends in the original.

        Before any change, these are the character's own positions.
        """
        if not self._ends:
            return range(len(self.text)), range(1, len(self.text) + 1)
        return self._starts, self._ends

    def _replace(self, pattern: str, decode: Decode) -> None:
        """Decode every match; each decoded character gets the span of the whole match."""
        starts, ends = self._places()
        text: list[str] = []
        new_starts: list[int] = []
        new_ends: list[int] = []
        at = 0
        for match in re.finditer(pattern, self.text):
            decoded = decode(match)
            text += [self.text[at : match.start()], decoded]
            new_starts += starts[at : match.start()]
            new_ends += ends[at : match.start()]
            new_starts += [starts[match.start()]] * len(decoded)
            new_ends += [ends[match.end() - 1]] * len(decoded)
            at = match.end()
        self.text = "".join([*text, self.text[at:]])
        self._starts, self._ends = [*new_starts, *starts[at:]], [*new_ends, *ends[at:]]


def _is_significant(char: str) -> bool:
    """Return False for a character that encodings add, change or drop."""
    if "!" <= char <= "~":
        return char not in "+\\"
    return "\x9f" < char < "\ufff0" and char.isprintable()


def _percent(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "replace")


def _entity(match: re.Match[str]) -> str:
    name = match[0][1:].removesuffix(";")
    if not name.startswith("#"):
        from html.entities import html5  # a large table, seldom needed

        return html5.get(f"{name};", match[0])
    number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    return chr(number) if number < 0x110000 else ""


def _bytes(match: re.Match[str]) -> str:
    """Decode bytes as programming languages write them: `\\x2f` or `\\057`."""
    codes = [code for code in match[0].split("\\") if code]
    octets = (int(code[1:], 16) if code[0] == "x" else int(code, 8) for code in codes)
    return bytes(octets).decode("utf-8", "replace")


def _escape(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    number = int(code, 16) if code else 0
    return chr(number) if 0 < number < 0x110000 else ""
