"""The formats of a manifest: told apart by their content, and read with one chunk in memory.

* one key a line, or keys separated by NUL;
* JSON: objects with `key` and `size`, one a line or in an array; an array of keys; the output of
  `rclone lsjson -R`; one or several answers of `aws s3api list-objects-v2`;
* the CSV of an S3 Inventory, whose keys are URL-encoded, with or without a header.

`parser_of` chooses one of them. Keys are taken exactly as they are.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from slurper_tui.api.objects import ListedObject
from slurper_tui.format import mixed_ends, parse_time

MOST_KEY_BYTES = 1_024
"""The longest key of S3 and R2, in bytes of UTF-8."""

MOST_RECORD = 2**20
"""The longest line, CSV row or JSON object, in characters."""

_HEAD = 2**16
"""Bytes after which the format is chosen, and the columns of a CSV."""

_OTHER_FILES = {
    b"PAR1": "an S3 Inventory in Parquet cannot be read: choose CSV",
    b"ORC": "an S3 Inventory in ORC cannot be read: choose CSV",
    b"PK\x03\x04": "it is a zip file: unpack it first",
    b"\x28\xb5\x2f\xfd": "it is compressed with zstd: unpack it first",
    b"BZh": "it is compressed with bzip2: unpack it first",
    b"\xfd7zXZ\x00": "it is compressed with xz: unpack it first",
    b"\x1f\x8b": "it is compressed twice: unpack it first",
    codecs.BOM_UTF16_LE: "it is UTF-16: save it as UTF-8",
    codecs.BOM_UTF16_BE: "it is UTF-16: save it as UTF-8",
}
"""The first bytes of files that are no manifest, and what to do."""

_JSON = re.compile(r'\s*(?:\[\s*["{\]]|\{\s*["}])')
_CELL = '"(?:[^"]|"")*"'
_QUOTED_ROW = re.compile(rf"{_CELL}(?:,{_CELL})+")


class Mistake(ValueError):
    """Something wrong in the content; the text is one clause."""


class Parser:
    """Yields the objects of a manifest.

    format: in words. buckets: the names that the manifest tells.
    """

    format = ""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.buckets: set[str] = set()
        self._chunks = chunks

    def entries(self) -> Iterator[ListedObject]:
        """Yield the objects in the order of the file. Raises Mistake."""
        raise NotImplementedError


def parser_of(chunks: Iterator[bytes]) -> Parser:
    """Choose the format by the beginning of the content. Raises Mistake."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _HEAD:
            break
    head = head.removeprefix(codecs.BOM_UTF8)
    for magic, words in _OTHER_FILES.items():
        if head.startswith(magic):
            raise Mistake(words)
    every = chain([head], chunks)
    if b"\0" in head[: MOST_KEY_BYTES + 1]:
        if b"\n\0" in head and all(head[0:20:2]) and not any(head[1:20:2]):
            raise Mistake(_OTHER_FILES[codecs.BOM_UTF16_LE])
        return _NulKeys(every)
    text = head.decode("utf-8", "replace")
    if _JSON.match(text):
        return _Json(every)
    *lines, last = text.split("\n")
    if columns := _columns_of([*lines, last] if len(head) < _HEAD else lines):
        return _Inventory(every, columns)
    first = next((line for line in lines if line not in ("", "\r")), "")
    return _KeyLines(every, crlf=first.endswith("\r"))


class _Texts(NamedTuple):
    """Lines, or what stands between NULs. before: the number of those before them.

    ended: whether a separator ends the last one.
    """

    before: int
    texts: Sequence[str]
    ended: bool = True


def _split(chunks: Iterator[bytes], separator: str, unit: str) -> Iterator[_Texts]:
    """Decode and split at a separator; the last text comes alone if no separator ends it.

    unit: what a text is called in messages. Raises Mistake.
    """
    divider = separator.encode()
    rest, number = b"", 0
    for chunk in chunks:
        whole, found, rest = (rest + chunk).rpartition(divider)
        if found and separator == "\n" and not whole.strip(divider):
            number += len(whole) + 1  # nothing but empty lines
        elif found:
            texts = _decoded(whole, divider, number, unit).split(separator)
            yield _Texts(number, texts)
            number += len(texts)
        if len(rest) > MOST_RECORD:
            raise Mistake(f"{unit} {number + 1:,} is longer than {MOST_RECORD:,} bytes")
    if rest:
        yield _Texts(number, [_decoded(rest, divider, number, unit)], ended=False)


def _decoded(content: bytes, divider: bytes, before: int, unit: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        good = content[: error.start]
        number = before + good.count(divider) + 1
        position = error.start - good.rfind(divider)
        raise Mistake(f"{unit} {number:,}: not UTF-8 at byte {position}") from None


def _fault_of(key: object) -> str | None:
    """Return what is wrong with a key, as a clause; None if it may be that of an object."""
    if not isinstance(key, str):
        return "the key is not a text"
    if not key:
        return "the key is empty"
    try:
        length = len(key) if key.isascii() else len(key.encode())
    except UnicodeEncodeError:
        return "the key has half of a surrogate pair, which is no character"
    if length > MOST_KEY_BYTES:
        return f"the key has {length:,} bytes; S3 and R2 allow {MOST_KEY_BYTES:,}"
    return "the key has a NUL character" if "\0" in key else None


class _NulKeys(Parser):
    """Keys with NUL after or between them."""

    format = "keys separated by NUL"

    def entries(self) -> Iterator[ListedObject]:
        """Yield an object of unknown size for each key. Raises Mistake."""
        for before, keys, _ in _split(self._chunks, "\0", "key"):
            for number, key in enumerate(keys, before + 1):
                if fault := _fault_of(key):
                    raise Mistake(f"key {number:,}: {fault}")
                yield ListedObject(key)


class _KeyLines(Parser):
    """One key a line. Blanks are part of a key; an empty line is none.

    crlf: the first line ends with CRLF, so that every line must; else none may.
    """

    format = "one key a line"

    def __init__(self, chunks: Iterator[bytes], *, crlf: bool) -> None:
        super().__init__(chunks)
        self._crlf = crlf

    def entries(self) -> Iterator[ListedObject]:
        """Yield an object of unknown size for each key. Raises Mistake."""
        for before, lines, ended in _split(self._chunks, "\n", "line"):
            for number, key in enumerate(lines, before + 1):
                if key in ("", "\r"):
                    continue
                if ended and key.endswith("\r") != self._crlf:
                    raise Mistake(mixed_ends(number, crlf=self._crlf))
                key = key.removesuffix("\r") if self._crlf else key
                if fault := _fault_of(key):
                    raise Mistake(f"line {number:,}: {fault}")
                yield ListedObject(key)


_PAGES_OF = ("Contents", "Versions")
"""The arrays of objects in the answers of list-objects-v2 and list-object-versions."""

_KEY_NAMES = {"key": "JSON", "Key": "aws s3api", "Path": "rclone lsjson"}
"""The field with the key, and the format that has it."""


class _Json(Parser):
    """JSON values one after the other: objects of a listing, arrays of them, whole answers."""

    format = "JSON"

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__(chunks)
        self._text = _JsonText(chunks)
        self._truncated = False
        self._folders = 0
        self._nested = False
        self._encoded = self._plain = False

    def entries(self) -> Iterator[ListedObject]:
        """Yield the objects; folders, delete markers and old versions are none. Raises Mistake."""
        for value in self._values():
            try:
                entry = self._entry(value)
            except Mistake as error:
                raise self._text.mistake(str(error)) from None
            if entry is not None:
                yield entry
        if self._truncated:
            raise Mistake("its last answer says that it is truncated: pages are missing")
        if self._folders and not self._nested:
            raise Mistake("it has folders and nothing in them: list with `rclone lsjson -R`")

    def _values(self) -> Iterator[object]:
        while first := self._text.peek():
            if first == "[":
                yield from self._text.array()
            elif first == "{":
                yield from self._object()
            else:
                raise self._text.mistake()

    def _object(self) -> Iterator[object]:
        """Yield the object at hand, or the objects of the answer at hand."""
        members = self._text.whole_object()
        self._encoded = self._plain = False
        if members is None:  # an answer of any length
            members = {}
            for name in self._text.names():
                if name in _PAGES_OF and self._text.peek() == "[":
                    yield from self._text.array()
                    members[name] = None
                else:
                    members[name] = self._text.value()
        else:
            for name in _PAGES_OF:
                if name in members:
                    page = members[name] or []
                    if not isinstance(page, list):
                        raise self._text.mistake(f"{name} is not an array")
                    yield from page
        if not _ANSWER.isdisjoint(members):
            self._check_answer(members)
        elif "fileSchema" in members:
            raise self._text.mistake(_INVENTORY_MANIFEST)
        else:
            yield members

    def _check_answer(self, answer: Mapping[str, object]) -> None:
        """Look for signs that an answer has not every key as it is. Raises Mistake."""
        self._truncated = bool(answer.get("IsTruncated") or answer.get("NextToken"))
        if answer.get("CommonPrefixes"):
            raise self._text.mistake("it was listed with a delimiter: keys below are missing")
        if answer.get("EncodingType") == "url" and self._encoded and not self._plain:
            # Tools that have decoded the keys leave this field as it is.
            raise self._text.mistake(
                "the EncodingType is url, and it is not clear whether the keys are decoded: "
                "list without it, or give its Contents alone"
            )

    def _entry(self, value: object) -> ListedObject | None:
        """Convert a value; return None for what is no object. Raises Mistake."""
        if isinstance(value, str):
            if fault := _fault_of(value):
                raise Mistake(fault)
            return ListedObject(value)
        if not isinstance(value, dict):
            raise Mistake("neither an object nor a key")
        name = next((name for name in _KEY_NAMES if name in value), None)
        if name is None:
            raise Mistake(f"an object without {', '.join(_KEY_NAMES)}")
        self.format = _KEY_NAMES[name]
        key = value[name]
        if fault := _fault_of(key):
            raise Mistake(fault)
        self._nested = self._nested or "/" in key
        if value.get("IsDir"):
            self._folders += 1
            return None
        if value.get("IsLatest") is False or value.get("IsDeleteMarker"):
            return None
        self._encoded = self._encoded or "%" in key or "+" in key
        self._plain = self._plain or _NOT_ENCODED.search(key) is not None
        return ListedObject(key, _size_of(value), _etag_of(value), _modified_of(value))


_PAGES_OF = ("Contents", "Versions")
"""The arrays of objects in the answers of list-objects-v2 and list-object-versions."""

_ANSWER = frozenset(
    (*_PAGES_OF, "IsTruncated", "CommonPrefixes", "RequestCharged", "KeyCount", "NextToken")
)
"""Fields of which an answer has at least one, also an answer without objects."""

_KEY_NAMES = {"key": "JSON", "Key": "aws s3api", "Path": "rclone lsjson"}
"""The field with the key, and the format that has it."""

_INVENTORY_MANIFEST = (
    "it is the manifest.json of an S3 Inventory: give the CSV files that it names, "
    "several with `cat data/*.csv.gz` and --manifest -"
)
_NOT_ENCODED = re.compile(r"[^A-Za-z0-9%+/._~*-]")


def _size_of(entry: Mapping[str, object]) -> int | None:
    """Return the size in bytes; None if it is unknown, for which rclone writes -1."""
    size = entry.get("size", entry.get("Size"))
    if size is None or size == -1:
        return None
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**63:
        raise Mistake("the size is not a number of bytes")
    return size


def _etag_of(entry: Mapping[str, object]) -> str | None:
    """Return the ETag without quotes, or the MD5 that `rclone lsjson --hash` writes."""
    etag = entry.get("etag", entry.get("ETag"))
    if etag is None and isinstance(hashes := entry.get("Hashes"), dict):
        etag = hashes.get("md5", hashes.get("MD5"))
    return etag.strip('"') or None if isinstance(etag, str) else None


def _modified_of(entry: Mapping[str, object]) -> float | None:
    """Return when the object was written; rclone's ModTime is that of the file before."""
    modified = next((entry[n] for n in ("modified", "LastModified") if n in entry), None)
    if modified is None:
        return None
    at = parse_time(modified) if isinstance(modified, str) else None
    if at is None:
        raise Mistake("the time of modification is not an ISO 8601 time")
    return at


class _JsonText:
    """Reads JSON values from chunks of UTF-8, with one chunk and one value in memory."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._scan = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self._lines = 1
        self._over = False

    def peek(self) -> str:
        """Skip white space; return the next character, "" at the end."""
        while True:
            found = _BLANKS.match(self._text, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def whole_object(self) -> dict[str, Any] | None:
        """Return the object at hand if all of it is in memory, else None."""
        try:
            value, self._at = self._scan(self._text, self._at)
        except (ValueError, RecursionError):
            return None
        assert isinstance(value, dict)
        return value

    def value(self) -> Any:
        """Return the next value. Raises Mistake."""
        self.peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except RecursionError:
                raise self.mistake("nested too deeply") from None
            except ValueError as error:
                at = getattr(error, "pos", self._at)
                if len(self._text) - self._at > MOST_RECORD or not self._more():
                    cut = error.args[0].startswith("Unterminated")
                    raise self.mistake(at=len(self._text) if cut else at) from None
                continue
            # A number may go on in the next chunk.
            if end == len(self._text) and self._more():
                continue
            self._at = end
            return value

    def array(self) -> Iterator[object]:
        """Yield the items of the array at hand. Raises Mistake."""
        yield from self._items("[", "]", self.value)

    def names(self) -> Iterator[str]:
        """Yield the names of the object at hand; the caller reads each value. Raises Mistake."""
        yield from self._items("{", "}", self._name)

    def _items(self, begin: str, end: str, read: Callable[[], Any]) -> Iterator[Any]:
        self._take(begin)
        if self.peek() == end:
            self._at += 1
            return
        while True:
            yield read()
            if self.peek() == end:
                self._at += 1
                return
            self._take(",")

    def _name(self) -> str:
        name = self.value()
        if not isinstance(name, str):
            raise self.mistake()
        self._take(":")
        return name

    def _take(self, character: str) -> None:
        if self.peek() != character:
            raise self.mistake()
        self._at += 1

    def _more(self) -> bool:
        """Read the next chunk behind what is not used yet; return False at the end."""
        if self._over:
            return False
        self._lines += self._text.count("\n", 0, self._at)
        chunk = next(self._chunks, None)
        self._over = chunk is None
        try:
            more = self._decode(chunk or b"", self._over)
        except UnicodeDecodeError as error:
            good = error.object[: error.start].count(b"\n") + self._text.count("\n", self._at)
            raise Mistake(f"line {self._lines + good:,}: not UTF-8") from None
        self._text = self._text[self._at :] + more
        self._at = 0
        return True

    def mistake(self, words: str = "", *, at: int | None = None) -> Mistake:
        """Return a mistake at the next character, or at another one in memory."""
        at = self._at if at is None else min(at, len(self._text))
        line = self._lines + self._text.count("\n", 0, at)
        ends = self._over and not self._text[at:].strip()
        return Mistake(f"line {line:,}: {words or ('JSON is cut off' if ends else 'invalid JSON')}")


_BLANKS = re.compile(r"[ \t\r\n]*")


class _Columns(NamedTuple):
    """Positions of the columns of an inventory; None for one that it lacks. width: their number."""

    width: int
    key: int
    bucket: int | None = None
    size: int | None = None
    etag: int | None = None
    modified: int | None = None
    latest: int | None = None
    deleted: int | None = None
    header: bool = False


_HEADERS = {
    "bucket": "bucket",
    "key": "key",
    "size": "size",
    "etag": "etag",
    "lastmodifieddate": "modified",
    "islatest": "latest",
    "isdeletemarker": "deleted",
}
"""The names of an inventory's columns, in small letters without `_`, and our fields."""

_FLAGS = {"true", "false"}
_MD5 = re.compile(r"[0-9a-fA-F]{32}(-\d+)?")


def _columns_of(lines: Sequence[str]) -> _Columns | None:
    """Return the columns of an inventory's CSV by its first lines; None if it is none."""
    first = lines[0].removesuffix("\r") if lines else ""
    names = [_plain(name) for name in first.split(",")]
    if "key" in names and len(_HEADERS.keys() & set(names)) > 1:
        found = {_HEADERS[name]: place for place, name in enumerate(names) if name in _HEADERS}
        return _Columns(len(names), **found, header=True)
    if not _QUOTED_ROW.fullmatch(first):
        return None
    first_row, *rows = _rows(lines)
    width = len(first_row)
    # With versions, the columns after the key are VersionId, IsLatest and IsDeleteMarker.
    versions = width > 4 and {*first_row[3:5]} <= _FLAGS and first_row[2] not in _FLAGS

    def place_of(fits: Callable[[str], object]) -> int | None:
        """Return the first column whose first value is of this kind; delete markers have none."""
        for place in range(5 if versions else 2, width):
            values = (row[place] for row in (first_row, *rows) if place < len(row))
            if (value := next(filter(None, values), "")) and fits(value):
                return place
        return None

    return _Columns(
        width,
        key=1,
        bucket=0,
        size=place_of(lambda text: text.isascii() and text.isdigit()),
        etag=place_of(_MD5.fullmatch),
        modified=place_of(parse_time),
        latest=3 if versions else None,
        deleted=4 if versions else None,
    )


def _rows(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield the rows before the first mistake, which is found again when all is read."""
    with suppress(csv.Error):
        yield from csv.reader(lines)


def _plain(name: str) -> str:
    return name.strip('" ').replace("_", "").casefold()


class _Inventory(Parser):
    """The CSV of an S3 Inventory: URL-encoded keys, and columns as they were chosen."""

    format = "S3 Inventory CSV"

    def __init__(self, chunks: Iterator[bytes], columns: _Columns) -> None:
        super().__init__(chunks)
        self._columns = columns

    def entries(self) -> Iterator[ListedObject]:
        """Yield the newest versions; delete markers are no objects. Raises Mistake."""
        lines = (x for texts in _split(self._chunks, "\n", "line") for x in texts.texts)
        rows = csv.reader(lines, strict=True)
        try:
            if self._columns.header:
                next(rows)
            for row in rows:
                if row and (entry := self._entry(row)) is not None:
                    yield entry
        except csv.Error as error:
            raise Mistake(f"line {rows.line_num:,}: {error}") from None
        except Mistake as error:
            if str(error).startswith("line "):
                raise
            raise Mistake(f"line {rows.line_num:,}: {error}") from None

    def _entry(self, row: Sequence[str]) -> ListedObject | None:
        columns = self._columns
        if len(row) != columns.width:
            raise Mistake(f"{len(row)} columns, in the first line {columns.width}")
        if columns.bucket is not None:
            self.buckets.add(row[columns.bucket])
        if columns.latest is not None and row[columns.latest].casefold() == "false":
            return None
        if columns.deleted is not None and row[columns.deleted].casefold() == "true":
            return None
        try:
            key = unquote_plus(row[columns.key], errors="strict")
        except UnicodeDecodeError:
            raise Mistake("the key is not URL-encoded UTF-8") from None
        if fault := _fault_of(key):
            raise Mistake(fault)
        size = _cell(row, columns.size)
        if size and not (size.isascii() and size.isdigit() and len(size) < 19):
            raise Mistake("the size is not a number of bytes")
        modified = _cell(row, columns.modified)
        etag = _cell(row, columns.etag).strip('"')
        return ListedObject(
            key, int(size) if size else None, etag or None, parse_time(modified or None)
        )


def _cell(row: Sequence[str], place: int | None) -> str:
    return "" if place is None else row[place]
