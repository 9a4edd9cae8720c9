"""Manifests: every format, told apart by content; every mistake named with its place."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from slurper_tui.api.objects import FoundPrefix, ListedObject
from slurper_tui.monitor.verify import manifest as manifests
from slurper_tui.monitor.verify.formats import MOST_RECORD
from slurper_tui.monitor.verify.manifest import BadManifest, Manifest

HOSTILE = (
    "plain.txt",
    "./x",
    "../up",
    "a//b",
    "/leading",
    "folder/",
    " blanks  ",
    "50%2F50",
    "a+b c",
    'quo"te,comma',
    "[1]",
    "{brace}",
    "\ufeffmark",
    "emoji/\U0001f600",
    "private/\ue000",
    "nfc/\u00e9",
    "nfd/e\u0301",
    "carriage\rreturn",
    "tab\tand\x1b[31m",
    "k" * 1024,
    "\u20ac" * 341,
)
"""Keys that a listing can contain."""

BROKEN_LINE = "line\nbreak"
"""A key that one key a line cannot hold."""


async def read(path: Path | str) -> tuple[Manifest, list[ListedObject]]:
    manifest = Manifest(str(path))
    try:
        found = [each async for page in manifest.pages() for each in page]
    finally:
        manifest.close()
    return manifest, found


async def of(content: bytes, folder: Path) -> tuple[Manifest, list[ListedObject]]:
    file = folder / "list"
    file.write_bytes(content)
    return await read(file)


def by_key(keys: Sequence[str], size: int | None = None) -> list[ListedObject]:
    return [ListedObject(key, size) for key in sorted(keys)]


def inventory(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def contents(*objects: tuple[str, int]) -> list[dict[str, object]]:
    return [
        {
            "Key": key,
            "LastModified": "2026-01-02T03:04:05+00:00",
            "ETag": '"0123456789abcdef0123456789abcdef"',
            "Size": size,
            "StorageClass": "STANDARD",
        }
        for key, size in objects
    ]


AT = 1_767_323_045.0
ETAG = "0123456789abcdef0123456789abcdef"
LISTED = [ListedObject("a", 1, ETAG, AT), ListedObject("b/c", 2, ETAG, AT)]


# Formats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
async def test_one_key_a_line(end: str, last: bool, bom: bytes, tmp_path: Path) -> None:
    text = end.join(HOSTILE) + (end if last else "")
    manifest, found = await of(bom + text.encode(), tmp_path)
    assert found == by_key(HOSTILE)
    assert manifest.format == "one key a line"


async def test_lines_without_a_key_are_none(tmp_path: Path) -> None:
    assert (await of(b"\nb\n\n\r\na\n\n", tmp_path))[1] == by_key(["a", "b"])


@pytest.mark.parametrize("last", ["", "\0"])
async def test_keys_separated_by_nul(last: str, tmp_path: Path) -> None:
    keys = [*HOSTILE, BROKEN_LINE]
    manifest, found = await of(("\0".join(keys) + last).encode(), tmp_path)
    assert found == by_key(keys)
    assert manifest.format == "keys separated by NUL"


async def test_json_lines(tmp_path: Path) -> None:
    keys = [*HOSTILE, BROKEN_LINE]
    lines = [json.dumps({"key": key, "size": 7}) for key in keys]
    manifest, found = await of("\r\n".join(lines).encode(), tmp_path)
    assert found == by_key(keys, 7)
    assert manifest.format == "JSON"
    text = '{"size":3,"key":"b","more":{"x":[1]}}\n{"key":"a"}\n{"key":"c","size":null}\n'
    assert (await of(text.encode(), tmp_path))[1] == [
        ListedObject("a"),
        ListedObject("b", 3),
        ListedObject("c"),
    ]


async def test_an_array_of_keys(tmp_path: Path) -> None:
    keys = [*HOSTILE, BROKEN_LINE]
    assert (await of(json.dumps(keys).encode(), tmp_path))[1] == by_key(keys)


async def test_rclone_names_folders_that_are_no_objects(tmp_path: Path) -> None:
    listed = [
        {"Path": "b", "Name": "b", "Size": 0, "IsDir": False, "ModTime": "2026-01-02T03:04:05Z"},
        {"Path": "d", "Name": "d", "Size": -1, "IsDir": True, "ModTime": "2026-01-02T03:04:05Z"},
        {"Path": "d/e", "Name": "e", "Size": 9, "IsDir": False, "Hashes": {"md5": ETAG}},
        {"Path": "d/f", "Name": "f", "Size": -1, "IsDir": False},
    ]
    lines = ",\n".join(json.dumps(each) for each in listed)
    manifest, found = await of(f"[\n{lines}\n]\n".encode(), tmp_path)
    assert found == [ListedObject("b", 0), ListedObject("d/e", 9, ETAG), ListedObject("d/f")]
    assert manifest.format == "rclone lsjson"


@pytest.mark.parametrize("indent", [None, 4])
async def test_answers_of_list_objects(indent: int | None, tmp_path: Path) -> None:
    first = {"IsTruncated": True, "Contents": contents(("b/c", 2)), "KeyCount": 1}
    second = {"Contents": contents(("a", 1)), "RequestCharged": None, "Prefix": ""}
    empty = {"RequestCharged": None, "Prefix": ""}
    text = "\n".join(json.dumps(page, indent=indent) for page in (first, second, empty))
    manifest, found = await of(text.encode(), tmp_path)
    assert found == LISTED
    assert manifest.format == "aws s3api"


async def test_the_contents_alone_and_versions(tmp_path: Path) -> None:
    both = contents(("b/c", 2), ("a", 1))
    assert (await of(json.dumps(both).encode(), tmp_path))[1] == LISTED
    lines = "\n".join(map(json.dumps, both))
    assert (await of(lines.encode(), tmp_path))[1] == LISTED
    older = {**contents(("a", 5))[0], "IsLatest": False}
    versions = {"Versions": [older, *({**one, "IsLatest": True} for one in both)]}
    assert (await of(json.dumps(versions).encode(), tmp_path))[1] == LISTED


async def test_an_answer_longer_than_a_chunk(tmp_path: Path) -> None:
    keys = [f"folder/{number:07}-\u20ac" for number in range(20_000)]
    page = {"Contents": contents(*((key, 1) for key in keys)), "KeyCount": 20_000}
    found = (await of(json.dumps(page, indent=2).encode(), tmp_path))[1]
    assert [each.key for each in found] == keys


async def test_an_inventory_without_versions(tmp_path: Path) -> None:
    keys = [*HOSTILE, BROKEN_LINE]
    rows = [
        ["photos", encode(key), "12", "2026-01-02T03:04:05.000Z", ETAG, "STANDARD", "false"]
        for key in keys
        for encode in (quote_plus if len(key) % 2 else lambda key: quote(key, safe="/"),)
    ]
    manifest, found = await of(inventory(rows), tmp_path)
    assert found == [ListedObject(key, 12, ETAG, AT) for key in sorted(keys)]
    assert (manifest.format, manifest.buckets) == ("S3 Inventory CSV", {"photos"})


async def test_an_inventory_with_versions_keeps_the_latest(tmp_path: Path) -> None:
    time = "2026-01-02T03:04:05.000Z"
    rows = [
        ["photos", "a", "v2", "true", "false", "1", time, ETAG],
        ["photos", "a", "v1", "false", "false", "5", time, ETAG],
        ["photos", "gone", "v2", "true", "true", "", time, ""],
        ["photos", "gone", "v1", "false", "false", "5", time, ETAG],
        ["photos", "b%2Fc", "null", "true", "false", "2", time, ETAG],
    ]
    assert (await of(inventory(rows), tmp_path))[1] == LISTED


@pytest.mark.parametrize(
    "lines",
    [
        "Bucket,Key,VersionId,IsLatest,IsDeleteMarker,Size\nphotos,a+b,1,true,false,3\n"
        "photos,c,1,true,true,\n",
        '"size","key"\r\n"3","a%20b"\r\n',
        "bucket,is_latest,key,size\nphotos,true,a%20b,3\nphotos,false,old,3\n",
    ],
)
async def test_an_inventory_with_a_header(lines: str, tmp_path: Path) -> None:
    assert (await of(lines.encode(), tmp_path))[1] == [ListedObject("a b", 3)]


async def test_an_inventory_of_two_columns_has_no_sizes(tmp_path: Path) -> None:
    assert (await of(b'"photos","b"\n"photos","a"\n', tmp_path))[1] == by_key(["a", "b"])


async def test_gzip_of_several_files_one_after_the_other(tmp_path: Path) -> None:
    keys = [f"{number:06}" for number in random.Random(1).sample(range(200_000), 100_000)]
    parts = ["\n".join(keys[:50_000]) + "\n", "\n".join(keys[50_000:])]
    packed = b"".join(gzip.compress(part.encode()) for part in parts)
    assert (await of(packed, tmp_path))[1] == by_key(keys)
    rows = inventory([["photos", "a", "1"]])
    assert (await of(gzip.compress(rows) * 2, tmp_path))[1] == [ListedObject("a", 1)]


async def test_standard_input(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"b\na\n")
    before = os.dup(0)
    file = os.open(tmp_path / "list", os.O_RDONLY)
    try:
        os.dup2(file, 0)
        manifest, found = await read("-")
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(file)
    assert found == by_key(["a", "b"])
    assert manifest.name == "manifest standard input"


async def test_a_pipe_is_read_as_it_is_written(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    reading = asyncio.create_task(read(pipe))

    def write() -> None:
        with open(pipe, "wb", buffering=0) as file:
            for byte in gzip.compress(b"b\na\n"):
                file.write(bytes([byte]))

    await asyncio.to_thread(write)
    assert (await reading)[1] == by_key(["a", "b"])


async def test_a_pipe_without_a_writer_is_told_and_can_be_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "_STOP_SECONDS", 0.01)
    os.mkfifo(pipe := tmp_path / "pipe")
    loop, told = asyncio.get_running_loop(), asyncio.Queue[int]()

    def progress(entries: int) -> None:
        loop.call_soon_threadsafe(told.put_nowait, entries)

    reading = asyncio.create_task(Manifest(str(pipe)).load(progress))
    assert await told.get() == 0
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    # The thread ends, so that the loop can be closed.
    await asyncio.get_running_loop().shutdown_default_executor()


# What a listing can do ---------------------------------------------------------------------------


async def test_pages_below_a_prefix_and_after_a_key(tmp_path: Path) -> None:
    keys = ["a/1", "a/2", "a0", "b", "\u00e9/\U0001f600", "\u00e9/\ue000"]
    (tmp_path / "list").write_text("\n".join(reversed(keys)))
    manifest = Manifest(str(tmp_path / "list"))

    async def found(prefix: str = "", after: str | None = None) -> list[str]:
        return [each.key async for page in manifest.pages(prefix, after) for each in page]

    assert await found() == sorted(keys)
    assert await found("a/") == ["a/1", "a/2"]
    assert await found("a/", "a/1") == ["a/2"]
    assert await found("", "a0") == ["b", "\u00e9/\ue000", "\u00e9/\U0001f600"]
    assert await found("\u00e9/") == ["\u00e9/\ue000", "\u00e9/\U0001f600"]
    assert await found("a/", "b") == await found("none") == []
    assert await manifest.level() == [
        FoundPrefix("a/"),
        FoundPrefix("a0", is_object=True),
        FoundPrefix("b", is_object=True),
        FoundPrefix("\u00e9/"),
    ]
    assert [each.name for each in await manifest.level("a/")] == ["a/1", "a/2"]
    assert await manifest.level("none/") == []
    assert manifest.requests == 0
    manifest.close()


async def test_the_same_entry_twice_is_one_object(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"b\na\nb\nb")
    manifest = Manifest(str(tmp_path / "list"))
    objects = await manifest.load()
    assert (objects.count, objects.repeated) == (2, 2)
    manifest.close()


async def test_of_two_versions_the_newer_one_counts(tmp_path: Path) -> None:
    lines = (
        '{"key":"a","size":1,"modified":"2026-01-02T00:00:00Z"}\n'
        '{"key":"a","size":3,"modified":"2026-01-03T00:00:00Z"}\n'
        '{"key":"a","size":2,"modified":"2026-01-01T00:00:00Z"}\n'
    )
    assert [each.size for each in (await of(lines.encode(), tmp_path))[1]] == [3]


async def test_a_manifest_tells_no_headers(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match="tells no headers"):
        await Manifest("list").headers("a")


# Mistakes ----------------------------------------------------------------------------------------

_A = '{"key":"a"}\n'
_ROW = inventory([["photos", "a", "1", "x"]] * 3)
MISTAKES = {
    "nothing": (b"", "it names no object"),
    "blank lines": (b"\n\n", "it names no object"),
    "a mark alone": (b"\xef\xbb\xbf", "it names no object"),
    "an empty array": (b"[]", "it names no object"),
    "an empty answer": (b'{"Contents": [], "KeyCount": 0}', "it names no object"),
    "a line that is not UTF-8": (b"a\nb\nc\xe9d\n", "line 3: not UTF-8 at byte 2"),
    "a key that is not UTF-8": (b"a\0b\0\xff", "key 3: not UTF-8 at byte 1"),
    "JSON that is not UTF-8": (b'{"key":"a"}\n{"key":"\xe9"}', "line 2: not UTF-8"),
    "an encoded key that is not UTF-8": (
        b'"b","a"\n"b","%E9"\n',
        "line 2: the key is not URL-encoded UTF-8",
    ),
    "a long key": (b"a\n" + b"k" * 1025, "line 2: the key has 1,025 bytes; S3 and R2 allow 1,024"),
    "a long key of wide characters": (
        ("a\n" + "\u20ac" * 342).encode(),
        "line 2: the key has 1,026 bytes; S3 and R2 allow 1,024",
    ),
    "a huge line": (b"a\n" + b"k" * 3 * MOST_RECORD, "line 2 is longer than 1,048,576 bytes"),
    "a huge JSON value": (
        b'[{"key":"a","x":"' + b"k" * 3 * MOST_RECORD + b'"}]',
        "line 1: invalid JSON",
    ),
    "an empty key": (b"a\0\0b\0", "key 2: the key is empty"),
    "a NUL far behind": (b"a\n" * 40_000 + b"b\0c\n", "line 40,001: the key has a NUL character"),
    "mixed line ends": (
        b"a\r\n" * 40_000 + b"b\n",
        "line 40,001 ends with LF, the first one with CRLF",
    ),
    "a key that ends with CR": (
        b"a\n\r\nb\r\n",
        "line 3 ends with CRLF, the first one with LF: keys that end with CR need NUL between them",
    ),
    "half a pair": (b'{"key":"\\ud83d"}', "line 1: the key has half of a surrogate pair"),
    "a size that is a text": (
        (_A + '{"key":"b","size":"many"}').encode(),
        "line 2: the size is not a number of bytes",
    ),
    "a negative size": (b'{"key":"b","size":-2}', "line 1: the size is not a number of bytes"),
    "a fraction": (b'{"key":"b","size":1.5}', "line 1: the size is not a number of bytes"),
    "a time that is none": (b'{"key":"b","modified":"now"}', "line 1: the time of modification"),
    "an object without a key": ((_A + '{"size":1}').encode(), "line 2: an object without key, Key"),
    "a key that is a number": (b'{"key":7}', "line 1: the key is not a text"),
    "a number in an array": (b'["a",\n7]', "line 2: neither an object nor a key"),
    "JSON that is cut off": (b'[\n{"Path":"a/b"},\n{"Pa', "line 3: JSON is cut off"),
    "an array without an end": (b'["a",', "line 1: JSON is cut off"),
    "no JSON": (b'[{"key": nonsense}]', "line 1: invalid JSON"),
    "text after JSON": (b'["a"] and more', "line 1: invalid JSON"),
    "deep JSON": (b'{"key":"a","x":' + b"[" * 200_000, "line 1: nested too deeply"),
    "a missing page": (
        json.dumps({"Contents": contents(("a", 1)), "IsTruncated": True}).encode(),
        "its last answer says that it is truncated: pages are missing",
    ),
    "a page of --max-items": (
        json.dumps({"Contents": contents(("a", 1)), "NextToken": "x"}).encode(),
        "its last answer says that it is truncated: pages are missing",
    ),
    "a delimiter": (
        json.dumps({"Contents": contents(("a", 1)), "CommonPrefixes": [{"Prefix": "b/"}]}).encode(),
        "line 1: it was listed with a delimiter: keys below are missing",
    ),
    "keys that may be encoded": (
        json.dumps({"Contents": contents(("a%20b", 1)), "EncodingType": "url"}).encode(),
        "line 1: the EncodingType is url, and it is not clear whether the keys are decoded",
    ),
    "contents that are no array": (b'{"Contents": {"Key": "a"}}', "line 1: Contents is not an"),
    "folders that were not listed": (
        b'[{"Path":"d","IsDir":true,"Size":-1},{"Path":"a","IsDir":false,"Size":1}]',
        "it has folders and nothing in them: list with `rclone lsjson -R`",
    ),
    "an inventory's own manifest": (
        b'{"sourceBucket":"b","fileFormat":"CSV","fileSchema":"Bucket, Key","files":[]}',
        "line 1: it is the manifest.json of an S3 Inventory",
    ),
    "a row with fewer columns": (
        _ROW + b'"photos","b"\n',
        "line 4: 2 columns, in the first line 4",
    ),
    "a row that is cut off": (_ROW + b'"photos","b', "line 4: unexpected end of data"),
    "a return in a row": (_ROW + b'"photos","b",1\r2,3\n', "line 4: new-line character seen"),
    "a size that is no number": (
        _ROW * 2_000 + b'"photos","b","some","x"\n',
        "line 6,001: the size is not a number of bytes",
    ),
    "two sizes": (b'{"key":"a/b","size":3}\n{"key":"a/b","size":5}', "'a/b' is there twice, with"),
    "two ETags": (
        b'{"key":"a","size":3,"etag":"x"}\n{"key":"a","size":3,"etag":"y"}',
        "'a' is there twice, with two ETags",
    ),
    "UTF-16": ("a\nb\n".encode("utf-16"), "it is UTF-16: save it as UTF-8"),
    "UTF-16 without a mark": ("a\nb\n".encode("utf-16-le"), "it is UTF-16: save it as UTF-8"),
    "Parquet": (b"PAR1\x15\x04", "an S3 Inventory in Parquet cannot be read: choose CSV"),
    "zip": (b"PK\x03\x04\x14", "it is a zip file: unpack it first"),
    "gzip in gzip": (gzip.compress(gzip.compress(b"a\n")), "it is compressed twice"),
    "gzip that is cut off": (gzip.compress(b"a\nb\n" * 99)[:-9], "its gzip data is cut off"),
    "a second gzip file that is cut off": (
        gzip.compress(b"a\n") + gzip.compress(b"b\n")[:-1],
        "its gzip data is cut off",
    ),
    "gzip that is damaged": (
        gzip.compress(b"a\nb\n" * 99)[:-8] + bytes(8),
        "its gzip data is damaged",
    ),
    "gzip and something else": (gzip.compress(b"a\n") + b"b\n", "its gzip data is damaged"),
}


@pytest.mark.parametrize("name", MISTAKES)
async def test_a_mistake_is_named_with_its_place(name: str, tmp_path: Path) -> None:
    content, words = MISTAKES[name]
    with pytest.raises(BadManifest) as raised:
        await of(content, tmp_path)
    assert str(raised.value).startswith(f"{tmp_path / 'list'}: {words}")
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [("none", "No such file or directory"), ("", "Is a directory"), ("a\0b", "no such file")],
)
async def test_a_file_that_cannot_be_read(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadManifest) as raised:
        await read(f"{tmp_path}/{name}")
    assert str(raised.value) == f"{tmp_path}/{name}: {words}"


@pytest.mark.parametrize("filling", [b"\0", b"\n", b"k"])
async def test_a_gzip_bomb_takes_little_memory(filling: bytes, tmp_path: Path) -> None:
    import tracemalloc

    packed = gzip.compress(filling * 2**25)
    tracemalloc.start()
    try:
        with pytest.raises(BadManifest):
            await of(packed, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()
