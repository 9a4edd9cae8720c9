"""The scrubber removes secrets and long pieces of them in every encoding."""

from __future__ import annotations

import base64
import html
import json
import random
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from slurper_tui.api.scrub import HIDDEN, LEAST, PIECE, Scrubber

Write = Callable[[str], str]

TOKEN = "v1.0-4f9a1b2c3d4e5f60718293a4-Zx9"
BODY = base64.b64encode(random.Random(5).randbytes(1218)).decode()
LINES = [BODY[i : i + 64] for i in range(0, len(BODY), 64)]
PEM = "\n".join(["-----BEGIN PRIVATE KEY-----", *LINES, "-----END PRIVATE KEY-----", ""])


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _ascii_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _lower(text: str) -> str:
    """Percent-encode with lower-case hexadecimal digits."""
    quoted = urllib.parse.quote(text, safe="", errors="surrogatepass")
    parts = quoted.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


WAYS: dict[str, Write] = {
    "verbatim": lambda text: text,
    "JSON": _json,
    "ASCII JSON": _ascii_json,
    "JSON within JSON": lambda text: _json(_json(text)),
    "ASCII JSON within JSON": lambda text: _ascii_json(_ascii_json(text)),
    "JSON with \\/": lambda text: _ascii_json(text).replace("/", "\\/"),
    "JSON with + escaped": lambda text: _ascii_json(text).replace("+", "\\u002B"),
    "URL": lambda text: urllib.parse.quote(text, safe="", errors="surrogatepass"),
    "URL in small letters": _lower,
    "form": lambda text: urllib.parse.quote_plus(text, errors="surrogatepass"),
    "URL twice": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
    "JSON in a URL": lambda text: urllib.parse.quote(_json(text), safe=""),
    "HTML": html.escape,
    "header": lambda text: f"Bearer {text}",
    "CRLF": lambda text: text.replace("\n", "\r\n"),
}
ways = pytest.mark.parametrize("way", list(WAYS))


def traces(secret: str, text: str) -> list[str]:
    """Return the runs of at least eight letters and digits of a secret that a text contains."""
    runs = [secret[i : i + 8] for i in range(len(secret) - 7)]
    return [run for run in runs if run.isalnum() and run in text]


ODD = st.text(
    st.sampled_from("\"\\\n\r\t /+%&'<>=.:;-_#éß中😀\x07") | st.characters(codec="utf-8"),
    min_size=1,
    max_size=60,
)
LONG = st.text(st.sampled_from("abcdefghijkmnpqrstuvwxyz23456789"), min_size=20, max_size=20)


@ways
@given(ODD, LONG, ODD, st.text(max_size=30), st.text(max_size=30))
@example("\\", "abcdefghijkmnpqrstuv", "n", "", "")
@example("%41", "abcdefghijkmnpqrstuv", "\\u0041", "", "")
def test_a_secret_of_any_characters_is_hidden(
    way: str, head: str, core: str, tail: str, before: str, after: str
) -> None:
    write = WAYS[way]
    secret = head + core + tail
    assume(core not in before + after)
    cleaned = Scrubber(secret).clean(f"{before}{write(secret)}{after}")
    assert HIDDEN in cleaned
    assert core not in cleaned


@ways
@pytest.mark.parametrize("secret", [TOKEN, PEM, "AKIAIOSFODNN7EXAMPLE", "hunter2!/", "pass word+1"])
def test_realistic_secrets_are_hidden_completely(way: str, secret: str) -> None:
    cleaned = Scrubber(secret).clean(f"no: ({WAYS[way](secret)}) ok")
    assert cleaned.startswith("no: (")
    assert cleaned.endswith(") ok")
    assert HIDDEN in cleaned
    assert not traces(secret.replace("-----", "     "), cleaned)


@ways
@given(st.integers(0, len(BODY) - PIECE), st.integers(PIECE, 200))
def test_a_long_piece_of_a_key_is_hidden(way: str, first: int, size: int) -> None:
    body = "\n".join(LINES)
    piece = body[first : first + size]
    assume(len(piece.replace("\n", "").replace("+", "")) >= PIECE)
    cleaned = Scrubber(PEM).clean(f"<{WAYS[way](piece)}…")
    assert HIDDEN in cleaned
    assert not traces(BODY, cleaned)


@given(st.integers(0, len(TOKEN) - PIECE), st.integers(PIECE, len(TOKEN)))
def test_a_long_piece_of_a_token_is_hidden(first: int, size: int) -> None:
    piece = TOKEN[first : first + size]
    assert Scrubber(TOKEN).clean(f"Bearer {piece}…") == f"Bearer {HIDDEN}…"


def test_each_line_of_a_key_and_the_joined_key_are_hidden() -> None:
    scrubber = Scrubber(PEM)
    for line in (line for line in LINES if len(line) >= PIECE + 4):
        cleaned = scrubber.clean(f"bad line: {line}")
        assert cleaned.rstrip("+") == f"bad line: {HIDDEN}"
    assert scrubber.clean(f"[{BODY}]") == f"[{HIDDEN}]"
    assert scrubber.clean("a key begins with -----BEGIN PRIVATE KEY-----").endswith("KEY-----")


ENCODINGS: dict[str, Write] = {
    "JSON three times": lambda text: _json(_json(_json(text))),
    "HTML with numbers": lambda text: "".join(f"&#{ord(char):05};" for char in text),
    "HTML without ;": lambda text: "".join(f"&#x{ord(char):x}" for char in text),
    "HTML with names": lambda text: (
        html.escape(text).replace("/", "&sol;").replace("=", "&equals;")
    ),
    "bytes": lambda text: "".join(f"\\x{code:02x}" for code in _utf8(text)),
    "octal bytes": lambda text: "".join(f"\\{code:03o}" for code in _utf8(text)),
    "escapes with braces": lambda text: "".join(f"\\u{{{ord(char):x}}}" for char in text),
    "long escapes": lambda text: "".join(f"\\U{ord(char):08X}" for char in text),
    "invisible characters": lambda text: "\N{ZERO WIDTH SPACE}".join(text),
    "capitals": str.upper,
    "small letters": str.lower,
    "Base64": lambda text: base64.b64encode(_utf8(text)).decode(),
    "Base64 for URLs": lambda text: base64.urlsafe_b64encode(_utf8(text)).decode(),
    "Base64 of more": lambda text: base64.b64encode(_utf8(f"Bearer {text} (x)")).decode(),
    "Base64 of a pair": lambda text: base64.b64encode(_utf8(f"me:{text}")).decode(),
    "hexadecimal": lambda text: _utf8(text).hex(),
    "Base64 in a URL": lambda text: urllib.parse.quote(base64.b64encode(_utf8(text)), safe=""),
}


@pytest.mark.parametrize("encoding", list(ENCODINGS))
@pytest.mark.parametrize(
    "secret", [TOKEN, BODY, "AKIAIOSFODNN7EXAMPLE", "hunter2!/", "me@some.org"]
)
def test_encoded_secrets_are_hidden_completely(encoding: str, secret: str) -> None:
    cleaned = Scrubber(secret).clean(f"no: ({ENCODINGS[encoding](secret)}) ok")
    assert HIDDEN in cleaned
    assert len(cleaned) <= len("no: (QmVhcmVyIG***ICh4KQ==) ok")


@given(st.text(max_size=LEAST - 1), st.text())
def test_a_short_value_is_ignored(secret: str, text: str) -> None:
    assert Scrubber(secret).clean(text) == text


@given(st.text())
def test_a_text_without_a_secret_is_unchanged(text: str) -> None:
    assert Scrubber(TOKEN, PEM, "hunter2!/", "svc@project.iam.example").clean(text) == text


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("notfound", "job not found"),
        ("svc@my-project.iam.gserviceaccount.com", "see iam.gserviceaccount.com"),
        (TOKEN, "v1.0 is not 4f9a1b2c3d4e"),
    ],
)
def test_similar_texts_are_not_hidden(secret: str, text: str) -> None:
    assert Scrubber(secret).clean(text) == text


def test_nested_and_adjacent_secrets() -> None:
    scrubber = Scrubber("abcdefgh", "abcdefgh-and-more-of-it", "12345678")
    assert scrubber.clean("abcdefgh-and-more-of-it, abcdefgh 12345678") == "***, *** ***"
    scrubber.add("another-secret-word")
    assert scrubber.clean("another-secret-word") == HIDDEN
    assert repr(scrubber) == HIDDEN


@pytest.mark.parametrize("secret", [PEM, "hunter2!/"])
def test_a_secret_at_any_position_of_a_long_text_is_hidden(secret: str) -> None:
    encoded = _ascii_json(secret)
    for length in range(2**17 - len(encoded), 2**17 + 1, max(1, len(encoded) // 9)):
        text = f"{'x ' * (length // 2)}{encoded}{' y' * 2**16}"
        clean = Scrubber(secret).clean(text)
        assert not traces(secret, clean)
        assert len(clean) < len(text) - len(encoded) + 120
