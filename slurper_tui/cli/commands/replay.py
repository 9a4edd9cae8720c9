"""The `replay` command: a recorded history in place of the API, in its own time.

The accounts answer from the samples through a transport, so that no request leaves the program.
What the replay itself records stays in memory, and nobody is notified.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
from contextlib import closing
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from slurper_tui.api.client import SlurperClient, without_click
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.models import Progress
from slurper_tui.cli.commands.history import NOTHING, key_of, open_recorded
from slurper_tui.cli.connect import Connection, Login, OpenHistory
from slurper_tui.cli.context import seconds_option
from slurper_tui.cli.errors import CliError
from slurper_tui.config import Notify
from slurper_tui.format import parse_time
from slurper_tui.monitor.history.files import FILE, reason_of
from slurper_tui.monitor.history.opening import memory_store
from slurper_tui.monitor.history.recording import (
    BadRecording,
    Recording,
    read_recording,
    recording_of,
)
from slurper_tui.monitor.history.schema import HistoryError
from slurper_tui.monitor.model.samples import HistoryView, Recorded, StoredJob
from slurper_tui.monitor.model.selection import Selection
from slurper_tui.monitor.polling.clock import ReplayClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slurper_tui.cli.context import Process
    from slurper_tui.config import Config
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.simulated.recorded import RecordedJob

SHORTEST, LONGEST = 2.0, 60.0
"""The least and the most seconds between two rounds."""

AT_ONCE = float("inf")

NO_TOKEN = "0" * 40
"""It never leaves the program. Like every token it is removed from texts, so it is no word."""


class Replay(NamedTuple):
    """A recorded history that is shown. clock: its time. interval: seconds between rounds."""

    clock: ReplayClock
    interval: float

    def history(self) -> OpenHistory:
        """Return an empty history in memory."""
        return OpenHistory(memory_store("replay"), HistoryView(), (), self.clock.begin)


def replay_of(
    options: argparse.Namespace, config: Config, process: Process, *, on_screen: bool
) -> tuple[Config, Connection]:
    """Return the configuration and the connection of a replay. Raises CliError."""
    speed = 1.0 if on_screen else AT_ONCE
    if options.speed is not None:
        speed = seconds_option("--speed", options.speed)
    recording = _recording(options, config, process)
    connection = connect(recording, speed, {} if options.demo else config.names)
    assert connection.replay is not None
    interval, accounts = connection.replay.interval, connection.accounts
    config = replace(config, interval=interval, notify=Notify(), accounts=tuple(accounts))
    return config, connection


def connect(recording: Recording, speed: float, names: Mapping[str, str] = {}) -> Connection:
    """Return clients that answer from a recording. names: account id to name."""
    with without_click():
        from slurper_tui.simulated.recorded import RecordedAccounts  # httpx: 60 ms

    times = recording.times
    clock = ReplayClock(times, _marks(recording), speed)
    jobs = [_recorded(job, recording.samples.get(job.key, [])) for job in recording.jobs]
    transport = RecordedAccounts(jobs, clock.wall).transport()
    client = SlurperClient(token_credentials(NO_TOKEN), transport=transport)
    accounts = tuple(dict.fromkeys(key.account_id for key in recording.samples))
    login = Login(client, accounts, "replay", "none: a replay")
    spans = [b - a for a, b in pairwise(times) if b - a >= SHORTEST]
    interval = min(LONGEST, round(median(spans), 1)) if spans else SHORTEST
    return Connection([login], accounts, "replay", names, replay=Replay(clock, interval))


def _recording(options: argparse.Namespace, config: Config, process: Process) -> Recording:
    word = options.recording
    if word is not None and os.path.isfile(word):  # `Path` raises an error for an odd name
        try:
            with open(word, "rb") as file:
                return read_recording(file)
        except (OSError, BadRecording) as error:
            raise CliError(f"{word}: {getattr(error, 'strerror', None) or error}") from None
    if process.state is None and not options.demo:
        raise CliError("there is no home folder, so there is no history")
    path = None if options.demo or process.state is None else process.state / FILE
    accounts = config.accounts if options.account else ()
    try:
        with closing(open_recorded(path, config)) as store:
            selection = Selection((word,) if word else ())
            key = key_of(store, selection, accounts, config.names)
            jobs = tuple(job for job in store.jobs(accounts) if key in (None, job.key))
            samples: dict[JobKey, list[Recorded]] = {}
            for of, sample in store.every(accounts, key):
                samples.setdefault(of, []).append(sample)
    except (HistoryError, OSError, sqlite3.Error) as error:
        raise CliError(f"the history cannot be read: {reason_of(error)}") from None
    if not samples:
        raise CliError(NOTHING)
    return recording_of(jobs, samples)


def _marks(recording: Recording) -> list[float]:
    """Return when a job's status was seen to change, or the job was first seen."""
    found = set()
    for samples in recording.samples.values():
        found |= {b.at for a, b in pairwise(samples) if a.status != b.status}
        found.add(samples[0].at)
    return sorted(found)


def _recorded(stored: StoredJob, samples: list[Recorded]) -> RecordedJob:
    from slurper_tui.simulated.recorded import RecordedJob  # httpx: 60 ms

    job = stored.job
    answers = [
        Progress(
            job.id,
            sample.status,
            job.created_at,
            sample.counts.objects,
            sample.counts.transferred,
            sample.counts.skipped,
            sample.counts.failed,
        )
        for sample in samples
    ]
    times = [sample.at for sample in samples]
    return RecordedJob(stored.account_id, job, times, answers, parse_time(job.finished_at))
