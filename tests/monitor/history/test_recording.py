"""The file of `history --export`: what is in it, what is not, and damaged lines."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.monitor.history.recording import BadRecording, read_recording, recording_lines
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded, StoredJob

START = 1_790_000_000.0
SOURCE = Source("s3", "photos", "2024/", "https://me:s3cret@s3.corp.example/", keys=("a/b.jpg",))
JOBS = [
    StoredJob("acc", Job("one", "running", None, None, True, SOURCE, Target("r2", "media"))),
    StoredJob("acc", Job("two", source=Source("r2", "media"), target=Target("r2", "photos"))),
]
SAMPLES = [
    (JobKey("acc", "one"), Recorded(START + 0.125, Counts(9, 1, 0, 0), "running")),
    (JobKey("acc", "two"), Recorded(START + 1, Counts(None, 1, None, 0), "päused")),
    (JobKey("acc", "one"), Recorded(START + 5, Counts(9, 9, 0, 0), "completed")),
]


def lines(*, names: bool) -> list[str]:
    return list(recording_lines(JOBS, SAMPLES, names=names))


def read(text: list[str]) -> object:
    return read_recording(line.encode() + b"\n" for line in text)


@pytest.mark.parametrize("names", [False, True])
def test_samples_are_read_as_they_were_written(names: bool) -> None:
    recording = read_recording(line.encode() for line in lines(names=names))
    assert [(key, sample) for key in recording.samples for sample in recording.samples[key]] == [
        SAMPLES[0],
        SAMPLES[2],
        SAMPLES[1],
    ]
    assert recording.times == [START + 0.125, START + 1, START + 5]


def test_names_are_neutral_and_the_same_within_a_file() -> None:
    text = "\n".join(lines(names=False))
    for word in ("photos", "2024", "media", "corp", "s3cret", "b.jpg"):
        assert word not in text
    one, two = (json.loads(line)["job"] for line in lines(names=False)[1:3])
    assert one["source"]["bucket"] == two["target"]["bucket"] == "bucket-1"
    assert one["target"]["bucket"] == two["source"]["bucket"] == "bucket-2"
    assert one["source"]["pathPrefix"] == "prefix-1/"


def test_names_are_written_where_asked_and_secrets_never() -> None:
    text = "\n".join(lines(names=True))
    assert all(word in text for word in ("photos", "2024/", "media", "s3.corp.example"))
    assert "s3cret" not in text
    assert "b.jpg" not in text
    jobs = read_recording(line.encode() for line in lines(names=True)).jobs
    source = replace(SOURCE, endpoint="https://s3.corp.example", keys=None)
    assert jobs[0].job.source == source


Damage = Callable[[list[str]], list[str]]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: [], "it is empty"),
        (lambda text: text[:3], "it holds no sample"),
        (lambda text: text[1:], "line 1 does not begin a file of history --export"),
        (lambda text: ['{"slurper_tui_recording":2}', *text[1:]], "its version is 2"),
        (lambda text: [*text[:4], text[4][:40], *text[5:]], "line 5 is damaged: "),
        (lambda text: [*text[:2], "[]", *text[3:]], "line 3 is damaged: "),
        (lambda text: [*text, text[-1].replace("2026-", "never-")], "line 7 is damaged: 'never-"),
        (lambda text: [*text, "[" * 100_000], "line 7 is damaged: "),
        (lambda text: [text[0], text[1].replace('"one"', "1"), *text[2:]], "line 2 is damaged: "),
    ],
)
def test_a_damaged_file_is_one_clear_error(damage: Damage, message: str) -> None:
    with pytest.raises(BadRecording) as caught:
        read(damage(lines(names=False)))
    assert str(caught.value).startswith(message)
