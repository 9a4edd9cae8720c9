"""One verification as the screen runs it, and what its result leads to.

`VerifyRun` compares until its end, whichever page is shown; the main screen keeps the newest one.
`make_run` makes one from what the form asks for, `last_run` finds the last one of an earlier
program, `again` tells which keys are to be copied again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.jobs.draft import keys_by_job
from slurper_tui.monitor.model.verification import DIFFERS, CannotVerify, Outcome, with_losses
from slurper_tui.monitor.reports.verification_text import fault_words, log_not_read
from slurper_tui.monitor.reports.wording import inexact_words, overwrite_words
from slurper_tui.monitor.verify.diff import in_list_order
from slurper_tui.tui.render.verify_text import more_words, run_words
from slurper_tui.tui.state import Verifying

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.model.logs import FailuresView
    from slurper_tui.monitor.model.verification import VerifyOptions
    from slurper_tui.monitor.reports.verifications import LastVerification
    from slurper_tui.monitor.verify.compare import Difference
    from slurper_tui.monitor.verify.headers import HeaderDifference
    from slurper_tui.monitor.verify.plan import VerifyPlan, VerifyProgress
    from slurper_tui.monitor.verify.verifier import Verifier
    from slurper_tui.tui.screens.main import MainScreen


async def last_run(main: MainScreen, jobs: Sequence[JobView]) -> VerifyRun | None:
    """Return the last verification of some jobs by an earlier program; None without one."""
    made = (await main.services()).verifications
    try:
        last = made.last([job.key for job in jobs])
    except CannotVerify:
        return None
    if last is None:
        return None
    await forget(main)
    main.verify_run = VerifyRun(main, jobs, None, last=last)
    return main.verify_run


async def forget(main: MainScreen) -> None:
    """Release the work file of the newest verification, which has ended."""
    run, main.verify_run = main.verify_run, None
    if run is not None:
        await run.close()


async def make_run(
    main: MainScreen,
    jobs: Sequence[JobView],
    options: VerifyOptions,
    on_manifest: Callable[[int], None],
) -> VerifyRun | str:
    """Return a verification that has listed nothing yet, or why it cannot be made.

    on_manifest: called in another thread with the number of entries of a manifest read so far.
    """
    made = (await main.services()).verifications
    try:
        await forget(main)
        verifier = await made.prepare([job.key for job in jobs], options, on_manifest)
        try:
            plan = await verifier.plan()
        except BaseException:  # also where the form is closed meanwhile
            await verifier.close()
            raise
    except (ApiError, CannotVerify) as error:
        return str(error)
    return VerifyRun(main, jobs, verifier, plan=plan, durable=made.durable)


class VerifyRun:
    """One verification of some jobs: not begun, running or ended.

    verifier: None for the result of an earlier program. differences: yields them by outcome.
    progress: None before the first. reading: how much of the logs was read; "" if none is read.
    result: None before the end. problem: why it ended without a result; "" otherwise.
    unread: why the logs were not read; "" otherwise. durable: another run can go on from there.
    on_change: called after every change; set by the page that shows it, else None.
    """

    def __init__(
        self,
        main: MainScreen,
        jobs: Sequence[JobView],
        verifier: Verifier | None,
        *,
        plan: VerifyPlan | None = None,
        last: LastVerification | None = None,
        durable: bool = True,
    ) -> None:
        self.main = main
        self.jobs = tuple(jobs)
        self.keys = frozenset(job.key for job in jobs)
        self.plan = plan
        self.verifier = verifier
        self.progress: VerifyProgress | None = None
        self.reading = ""
        self.result = last.result if last else None
        self.problem = self.unread = ""
        self._logs: asyncio.Task[None] | None = None
        self._stopped = False
        self.began = last is not None
        self.durable = durable
        self.on_change: Callable[[], None] | None = None
        self._last = last

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.began and self.result is None and not self.problem

    def differences(self, outcomes: Sequence[Outcome]) -> Iterator[Difference]:
        """Yield the differences of some outcomes in the order of their keys."""
        return self._found.differences(outcomes)

    def entries(self) -> Iterator[Difference | HeaderDifference]:
        """Yield every difference as `verify --diff` does, then objects whose headers differ."""
        yield from in_list_order(self._found.differences)
        yield from self._found.differing_headers()

    @property
    def _found(self) -> Verifier | LastVerification:
        found = self.verifier or self._last
        assert found is not None
        return found

    def start(self) -> None:
        """Begin; it goes on until its end, whichever page is shown."""
        self.began = True
        self.main.verify_run = self
        self._changed()
        self.main.start(self._run, "verify")

    async def _run(self) -> None:
        assert self.verifier is not None
        try:
            await self._logs_read(self.verifier)
            async with aclosing(self.verifier.run()) as steps:
                async for self.progress in steps:
                    self._changed()
            self.result = self.verifier.result()
            await self.main.session.keep_verification(self.result)
        except ValueError:  # nothing was listed
            self.problem = str(self.verifier.problem or "it was stopped before anything was listed")
        except (ApiError, CannotVerify) as error:
            self.problem = str(error)
        self._changed()
        if self.on_change is None:
            self.main.show_note(f"{self.ended_words}: {self.main.sign('show.verify')} shows it")

    async def _logs_read(self, verifier: Verifier) -> None:
        """Read the logs; `stop` ends it. Raises ValueError if it did."""
        self._logs = asyncio.create_task(self._read_logs(verifier))
        try:
            await self._logs
        except asyncio.CancelledError:
            if not self._stopped:
                raise
            raise ValueError from None
        finally:
            self.reading, self._logs = "", None

    async def _read_logs(self, verifier: Verifier) -> None:
        """Read which objects the logs explain, of the jobs that have failed or skipped some."""
        lossy = with_losses(self.jobs)
        if not lossy:
            return
        self.reading = "reading what failed"
        self._changed()
        services = await self.main.services()

        def on_progress(view: FailuresView) -> None:
            self.reading = f"reading what failed: {fmt.count(view.rows_read)} rows"
            self._changed()

        try:
            await services.verifications.explain(verifier, lossy, on_progress)
        except ApiError as error:
            self.unread = log_not_read(error)

    @property
    def ended_words(self) -> str:
        """What came of it, in a few words."""
        if self.result is None:
            return f"verification ended: {self.problem}"
        if self.result.problem is not None:
            return "verification stopped"
        if self.result.lacks:
            return f"not verified: {fault_words(self.result.tally) or 'headers differ'}"
        proven = self.result.verified and not self.result.live
        return f"{'verified' if proven else 'compared'}: nothing is missing"

    def pause_or_go_on(self) -> None:
        """Pause, or go on; the reading of the logs has no pause."""
        if self.verifier is not None and self.running and self._logs is None:
            self.verifier.resume() if self.verifier.paused else self.verifier.pause()

    def stop(self) -> None:
        """End it soon; a later one goes on from there."""
        if self.verifier is None or not self.running:
            return
        self._stopped = True
        if self._logs is not None:
            self._logs.cancel()
        else:
            self.verifier.stop()

    async def close(self) -> None:
        """Release the work file."""
        if self.verifier is not None:
            await self.verifier.close()
        elif self._last is not None:
            self._last.close()

    def _changed(self) -> None:
        """Show the state in the list, if its words have changed, and on the page."""
        shown = None
        if self.running:
            shown = Verifying(
                self.keys,
                run_words(self.progress, self.reading),
                more_words(self.progress),
                paused=self.progress is not None and self.progress.paused,
                durable=self.durable,
            )
        before = self.main.state.verifying
        if (
            shown is None
            or before is None
            or (shown.words, shown.paused) != (before.words, before.paused)
        ):
            self.main.state = replace(self.main.state, verifying=shown)
        if self.on_change is not None:
            self.on_change()


class Again(NamedTuple):
    """What is to be copied again, by job.

    missing: in the target. differing: there, but not as in the source. doubts: what the draft says.
    """

    owners: tuple[JobView, ...]
    missing: Mapping[JobKey, Sequence[str]]
    differing: Mapping[JobKey, Sequence[str]]
    doubts: tuple[str, ...]


def again(
    jobs: Sequence[JobView], differences: Callable[[Sequence[Outcome]], Iterator[Difference]]
) -> Again:
    """Return the missing and the different keys, each with the job that was to copy it."""
    found = [[d.key for d in differences(outcomes)] for outcomes in ([Outcome.MISSING], [*DIFFERS])]
    inexact = sum(not fmt.is_utf8(key) for keys in found for key in keys)
    by_job, _ = keys_by_job(jobs, *(filter(fmt.is_utf8, keys) for keys in found))
    return Again(
        tuple(job for job in jobs if job.key in by_job),
        {key: keys.missing for key, keys in by_job.items()},
        {key: keys.differing for key, keys in by_job.items()},
        (
            *overwrite_words(sum(len(keys.differing) for keys in by_job.values())),
            *((inexact_words(inexact),) if inexact else ()),
        ),
    )


def explained_words(number: int, sign: Callable[[str], str]) -> tuple[str, ...]:
    """Return that objects which the log explains are left out of a draft, if there are any.

    sign: returns the key of a binding.
    """
    if not number:
        return ()
    objects = fmt.counted(number, "object is", "objects are")
    keys = f"{sign('show.failures')} and {sign('failures.retry')}"
    return (f"{objects} missing as the log says, and left out: {keys} in the list copy these",)
