"""Makes verifications of jobs: their scope, the keys that a log explains, and the work file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from slurper_tui.api.models import Source, Target, is_exact
from slurper_tui.monitor.history.workfile import (
    WORK_FILE_ERRORS,
    WorkFile,
    cannot_use,
    remove_ended,
    work_path,
)
from slurper_tui.monitor.model.logs import Cause, cause_of
from slurper_tui.monitor.model.verification import (
    CannotVerify,
    Outcome,
    Through,
    Verification,
    VerifyOptions,
)
from slurper_tui.monitor.reports.migrations import key_of
from slurper_tui.monitor.verify.buckets import r2_side, source_side
from slurper_tui.monitor.verify.scope import Scope, scope_of

if TYPE_CHECKING:
    from slurper_tui.api.models import Job, LogRow
    from slurper_tui.monitor.history.recorder import Recorder
    from slurper_tui.monitor.logs.reader import LogReader
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.model.logs import FailuresView
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.polling.job_store import JobStore
    from slurper_tui.monitor.verify.buckets import ObjectListing
    from slurper_tui.monitor.verify.compare import Difference
    from slurper_tui.monitor.verify.headers import HeaderDifference
    from slurper_tui.monitor.verify.manifest import Manifest
    from slurper_tui.monitor.verify.verifier import Verifier


KEPT_SECONDS = 30 * 86_400.0
"""How long the keys that a verification has found are kept after its end."""


async def _check_manifest(manifest: Manifest, scope: Scope, job: Job) -> None:
    """Raise CannotVerify for a manifest of another bucket, or without objects of the jobs."""
    bucket = job.source.bucket if job.source else None
    others = sorted(manifest.buckets - {bucket})
    if others and bucket:
        raise CannotVerify(f"{manifest.name} lists the bucket {others[0]}, the jobs copy {bucket}")
    for each in scope.ranges():
        async for page in manifest.pages(each.prefix):
            if any(each.holds(found.key) for found in page):
                return
    names = [each.prefix for each in scope.ranges() if each.prefix][:3]
    such = f": none begins with {' or '.join(names)}" if names else ""
    raise CannotVerify(f"{manifest.name} has no key that the jobs were to copy{such}")


class LastVerification(NamedTuple):
    """The result of the last verification of some jobs, and its work file, open."""

    result: Verification
    work: WorkFile

    def differences(self, outcomes: Sequence[Outcome]) -> Iterator[Difference]:
        """Yield the differences of some outcomes in the order of their keys."""
        from slurper_tui.monitor.verify.verifier import differences  # only for a verification

        return differences(self.work, outcomes)

    def differing_headers(self) -> list[HeaderDifference]:
        """Return the objects of the sample whose headers differ, in the order of their keys."""
        from slurper_tui.monitor.verify.verifier import differing_headers_in  # likewise

        return differing_headers_in(self.work)

    def close(self) -> None:
        """Close the work file."""
        self.work.close()


class Verifications:
    """Makes verifications of one job, or of the jobs of one migration.

    history: keeps the work files beside its own file; in memory where it is in memory.
    """

    def __init__(
        self, metered: Metered, job_store: JobStore, history: Recorder, logs: LogReader
    ) -> None:
        self._metered = metered
        self._job_store = job_store
        self._history = history
        self._logs = logs

    async def scope(self, keys: Sequence[JobKey], prefixes: Sequence[str] = ()) -> Scope:
        """Return what some jobs of one account, source and target were to copy.

        Jobs that are known from the history alone are fetched, for it keeps no object keys.
        prefixes: only keys with one of these. Raises ApiError, ValueError for jobs of several
        accounts, sources or targets.
        """
        jobs = [await self._job(key) for key in keys]
        found = {
            key_of(key.account_id, job.source, job.target)
            for key, job in zip(keys, jobs, strict=True)
        }
        if len(found) != 1 or (migration := found.pop()) is None:
            raise ValueError("the jobs do not have the same account, source and target")
        return scope_of(migration.account_id, migration.target, jobs, prefixes)

    async def _job(self, key: JobKey) -> Job:
        view = self._job_store.view(key)
        if view is not None and not view.from_history and view.job.source is not None:
            return view.job
        metered = self._metered.of(key.account_id)
        return await metered.in_turn(lambda: metered.api.get_job(*key))

    def objects(self, keys: Sequence[JobKey]) -> int | None:
        """Return the number of objects of some jobs by their counters; None if not known.

        Jobs of single keys, such as retries, are about objects that other jobs count too.
        """
        views = [view for key in keys if (view := self._job_store.view(key))]
        whole = [v for v in views if v.job.source is None or not v.job.source.keys] or views
        numbers = [view.counts.objects for view in whole]
        return None if not numbers or None in numbers else sum(n or 0 for n in numbers)

    async def explain(
        self,
        verifier: Verifier,
        keys: Sequence[JobKey],
        on_progress: Callable[[FailuresView], object] = lambda view: None,
    ) -> None:
        """Read which objects were not copied from the logs of some jobs, before a verifier runs.

        Of several rows about a key, one counts. on_progress: called after every page. Raises
        ApiError if a log cannot be read, which then explains nothing, and CannotVerify.
        """

        async def add(rows: Sequence[LogRow]) -> None:
            found = {
                row.object_key: row.log_type or ""
                for row in rows
                if row.object_key is not None
                and is_exact(row.object_key)
                and cause_of(row.log_type or "") in (Cause.FAILED, Cause.NOT_COPIED)
            }
            if found:
                await verifier.explain(found)

        view = await self._logs.failures(keys, preview=False, instead=add).read(on_progress)
        for one in view.jobs or (view,):
            if one.problem is not None:
                await verifier.explain(None)
                raise one.problem

    def make(
        self,
        scope: Scope,
        expected: ObjectListing,
        actual: ObjectListing,
        options: VerifyOptions | None = None,
        objects: int | None = None,
    ) -> Verifier:
        """Return a verifier; arguments as there. Close it after use.

        Work files that ended `KEPT_SECONDS` ago are deleted before.

        Raises HistoryError (`Busy` if another program verifies the same jobs), OSError and
        sqlite3.Error of the work file.
        """
        from slurper_tui.monitor.verify.verifier import Verifier  # likewise

        if (history := self._history.path) is not None:
            remove_ended(history, self._metered.now().wall - KEPT_SECONDS)
        return Verifier(
            expected,
            actual,
            scope,
            options,
            work=WorkFile(self._path(scope.account_id, scope.job_ids)),
            objects=objects,
            clock=lambda: self._metered.now().wall,
        )

    @property
    def durable(self) -> bool:
        """Whether a later program can go on with what was compared."""
        return self._history.path is not None

    async def prepare(
        self,
        keys: Sequence[JobKey],
        options: VerifyOptions,
        on_manifest: Callable[[int], None] = lambda entries: None,
    ) -> Verifier:
        """Return a verifier of some jobs; it has listed nothing yet. Close it after use.

        A manifest is read to its end. on_manifest: called in another thread with the number of
        entries read so far. Raises ApiError, and CannotVerify where the jobs or the work file do
        not allow it.
        """
        from slurper_tui.monitor.verify.manifest import Manifest  # only for a verification

        try:
            scope = await self.scope(keys, options.prefixes)
        except ValueError as error:  # jobs of several migrations
            raise CannotVerify(str(error)) from None
        try:
            job = await self._job(keys[0])
            objects = None if options.prefixes else self.objects(keys)
            expected, actual = await self._sides(scope.account_id, job, options)
            if isinstance(expected, Manifest):
                listed = await expected.load(on_manifest)
                objects = None if options.prefixes else listed.count
                await _check_manifest(expected, scope, job)
            return self.make(scope, expected, actual, options, objects)
        except WORK_FILE_ERRORS as error:
            raise CannotVerify(cannot_use(error)) from None

    async def _sides(
        self, account_id: str, job: Job, options: VerifyOptions
    ) -> tuple[ObjectListing, ObjectListing]:
        """Return what should be in the target, a manifest or the source; and the target."""
        from slurper_tui.monitor.verify.manifest import Manifest  # only for a verification

        source, target = job.source or Source(), job.target or Target()
        of_source, of_target = options.secrets or (None, None)
        own = self._metered.of(account_id)
        if options.r2 is Through.TOKEN and not own.api.is_simulated:
            of_token = await own.at_once(own.api.r2_keys)
            of_target = of_token
            of_source = of_token if source.vendor == "r2" else of_source
        elif options.r2 is not Through.KEYS:
            of_target = None
            of_source = None if source.vendor == "r2" else of_source
        actual = r2_side(
            self._metered, account_id, target.bucket or "", target.jurisdiction, of_target
        )
        if options.manifest is not None:
            return Manifest(options.manifest), actual
        expected = source_side(self._metered, account_id, source, of_source, region=options.region)
        return expected, actual

    def last(self, keys: Sequence[JobKey]) -> LastVerification | None:
        """Return the last verification of some jobs; None if there is none. Close it after use.

        None too if it ended `KEPT_SECONDS` ago. Raises CannotVerify if its work file cannot be
        read.
        """
        path = self._path(keys[0].account_id, [key.job_id for key in keys])
        try:
            if path is None or not path.exists():
                return None
            work = WorkFile(path)
            if (raw := work.result()) is not None:
                with suppress(msgspec.MsgspecError):  # of another version, or damaged
                    result = msgspec.json.decode(raw, type=Verification)
                    if result.ended_at >= self._metered.now().wall - KEPT_SECONDS:
                        return LastVerification(result, work)
            work.close()
        except WORK_FILE_ERRORS as error:
            raise CannotVerify(cannot_use(error)) from None
        return None

    def _path(self, account_id: str, job_ids: Sequence[str]) -> Path | None:
        history = self._history.path
        return None if history is None else work_path(history, account_id, job_ids)
