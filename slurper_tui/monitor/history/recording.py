"""The file of `history --export`: JSON Lines that `replay` reads.

The first line names the format and its version. Then there is one line for each job, without keys,
passwords and object keys, and one for each sample, the oldest first. Bucket names, prefixes and
endpoints are neutral unless they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from slurper_tui.api.models import Count, Job, Source, Target
from slurper_tui.format import parse_time
from slurper_tui.monitor.history.codecs import job_text
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded, StoredJob

VERSION = 1


class BadRecording(ValueError):
    """A file that is no recording, or one of whose lines is damaged."""


class Recording(NamedTuple):
    """jobs: as last listed, in the file's order. samples: of each job, the oldest first."""

    jobs: tuple[StoredJob, ...]
    samples: dict[JobKey, list[Recorded]]

    @property
    def times(self) -> list[float]:
        """The times of all samples in UTC seconds, the earliest first."""
        return sorted({sample.at for samples in self.samples.values() for sample in samples})


class _Head(msgspec.Struct):
    slurper_tui_recording: int


class _JobLine(msgspec.Struct, rename="camel"):
    account_id: str
    job: dict[str, Any]


class _SampleLine(msgspec.Struct, rename="camel"):
    at: str
    account_id: str
    id: str
    objects: Count | None
    transferred_objects: Count | None
    skipped_objects: Count | None
    failed_objects: Count | None
    status: str | None


_encode = msgspec.json.encode


def recording_lines(
    jobs: Iterable[StoredJob], samples: Iterable[tuple[JobKey, Recorded]], *, names: bool
) -> Iterator[str]:
    """Yield the lines of a recording. names: with the names of buckets, prefixes and endpoints."""
    neutral = _Neutral()
    yield _encode(_Head(VERSION)).decode()
    for stored in jobs:
        job = msgspec.json.decode(job_text(stored.job), type=Job)  # without any secret
        job = job if names else neutral.job(job)
        yield _encode(_JobLine(stored.account_id, _known(job))).decode()
    for key, sample in samples:
        at = datetime.fromtimestamp(sample.at, UTC).isoformat(timespec="milliseconds")
        numbers = sample.counts
        counts = (numbers.objects, numbers.transferred, numbers.skipped, numbers.failed)
        yield _encode(_SampleLine(at, key.account_id, key.job_id, *counts, sample.status)).decode()


def _known(job: Job) -> dict[str, Any]:
    """Return the known properties of a job."""
    known: dict[str, Any] = msgspec.to_builtins(job)
    for part in (known, known["source"] or {}, known["target"] or {}):
        for name in [name for name, value in part.items() if value is None or name == "extra"]:
            del part[name]
    return known


class _Neutral:
    """Replaces names by numbered ones: the same name always by the same one."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}

    def job(self, job: Job) -> Job:
        source, target = job.source, job.target
        return replace(
            job,
            source=source and self._source(source),
            target=target
            and Target(target.vendor, self._name("bucket", target.bucket), target.jurisdiction),
        )

    def _source(self, source: Source) -> Source:
        prefix, endpoint = source.path_prefix, self._name("endpoint", source.endpoint)
        return replace(
            source,
            bucket=self._name("bucket", source.bucket),
            path_prefix=self._name("prefix", prefix) and f"{self._name('prefix', prefix)}/",
            endpoint=endpoint and f"https://{endpoint}.example",
        )

    def _name(self, kind: str, name: str | None) -> str | None:
        if not name:
            return name
        number = sum(of == kind for of, _ in self._given) + 1
        return self._given.setdefault((kind, name), f"{kind}-{number}")


def read_recording(lines: Iterable[bytes]) -> Recording:
    """Read a recording. Raises BadRecording, which names the number of a damaged line."""
    jobs: dict[JobKey, StoredJob] = {}
    samples: dict[JobKey, list[Recorded]] = {}
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            if number == 1:
                _check_head(line)
            elif b'"job":' in line[:200]:
                read = msgspec.json.decode(line, type=_JobLine)
                stored = StoredJob(read.account_id, msgspec.convert(read.job, Job))
                jobs[stored.key] = stored
            else:
                key, sample = _sample(line)
                samples.setdefault(key, []).append(sample)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
            if isinstance(error, BadRecording):
                raise
            raise BadRecording(f"line {number} is damaged: {error}") from None
    if not number:
        raise BadRecording("it is empty")
    if not samples:
        raise BadRecording("it holds no sample")
    for of_job in samples.values():
        of_job.sort(key=lambda sample: sample.at)
    return recording_of(jobs.values(), samples)


def recording_of(jobs: Iterable[StoredJob], samples: dict[JobKey, list[Recorded]]) -> Recording:
    """Return a recording in which each job that has samples is listed, by its id at least."""
    known = {key: StoredJob(key.account_id, Job(id=key.job_id)) for key in samples}
    return Recording(tuple((known | {job.key: job for job in jobs}).values()), samples)


def _check_head(line: bytes) -> None:
    try:
        version = msgspec.json.decode(line, type=_Head).slurper_tui_recording
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadRecording("line 1 does not begin a file of history --export") from None
    if version != VERSION:
        raise BadRecording(f"its version is {version}, but this program reads {VERSION}")


def _sample(line: bytes) -> tuple[JobKey, Recorded]:
    read = msgspec.json.decode(line, type=_SampleLine)
    at = parse_time(read.at)
    if at is None:
        raise ValueError(f"{read.at!r} is no time")
    counts = Counts(
        read.objects, read.transferred_objects, read.skipped_objects, read.failed_objects
    )
    return JobKey(read.account_id, read.id), Recorded(at, counts, read.status)
