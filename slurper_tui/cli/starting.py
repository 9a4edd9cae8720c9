"""From a checked draft to a job: prechecks, the person's word, one request, and what it came to."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import aclosing
from typing import NamedTuple

from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError, Conflict
from slurper_tui.cli import asking
from slurper_tui.cli.commands import Faces
from slurper_tui.cli.drafting import draft_lines
from slurper_tui.cli.exit_codes import ExitCode, Stop, exit_code
from slurper_tui.cli.lines import migration
from slurper_tui.cli.secrets import read_secrets
from slurper_tui.monitor.desk import Check, Desk, Made, Prechecks
from slurper_tui.monitor.jobs.draft import body
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.plans import Draft, Secrets


class Origin(NamedTuple):
    """Which job these drafts retry, and the types of the rows that named their keys."""

    retry_of: JobKey | None = None
    log_types: tuple[str, ...] = ()


NO_ORIGIN = Origin()


def the_account(faces: Faces) -> str:
    """The one account to make jobs in. Raises Stop where there are several."""
    if len(faces.accounts) != 1:
        raise Stop(f"{len(faces.accounts)} accounts: say which with --account ID")
    return faces.accounts[0]


def somebody(options: argparse.Namespace) -> None:
    """Raise Stop where nobody can be asked, and must be."""
    if not options.yes and not asking.can_ask():
        raise Stop("nobody is there to be asked: give --yes")


async def listed(faces: Faces) -> tuple[JobView, ...]:
    """Read every list, so that what is new is known; every job as listed.

    Raises Stop when every account rejects us.
    """
    async with aclosing(faces.monitor.snapshots()) as snapshots:  # type: ignore[type-var]  # a generator
        async for snapshot in snapshots:
            faces.narration.tell(snapshot)
            if all(account.listed or account.problem for account in snapshot.accounts):
                return snapshot.jobs
    raise AssertionError("the monitor ended by itself")


async def ready(
    options: argparse.Namespace, faces: Faces, desk: Desk, account_id: str, drafts: Sequence[Draft]
) -> Secrets:
    """Show the drafts, take the secrets, try the buckets, and ask.

    Raises Stop for whatever is in the way; with exit code 0 for the person's own no.
    """
    out = faces.out
    somebody(options)
    for line in draft_lines(drafts):
        out.say(line)
    secrets = await read_secrets(
        drafts[0].vendor, options.secrets, faces.environ, faces.out, faces.scrubber
    )
    desk.control.unlock()
    if not options.no_precheck:
        await _tried(faces, desk, account_id, drafts[0], secrets)
    what = "start this job" if len(drafts) == 1 else f"start these {len(drafts)} jobs"
    if not options.yes and not await asking.confirmed(f"{what}?", out):
        raise Stop("nothing was started", ExitCode.OK)
    return secrets


async def _tried(faces: Faces, desk: Desk, account_id: str, draft: Draft, secrets: Secrets) -> None:
    whole_bucket = replace(draft, keys=None, path_prefix=None)
    checks = await desk.creation.precheck(account_id, whole_bucket, secrets)
    for name, check in (("source", checks.source), ("target", checks.target)):
        faces.out.say(f"precheck of the {name} bucket: {check_words(check)}")
    if not checks.passed:
        raise Stop("a bucket cannot be reached, so nothing was started", check_code(checks))


def check_words(check: Check) -> str:
    """A precheck's answer, or why there is none."""
    return str(check.error) if check.error is not None else check.status or "no answer"


def check_code(checks: Prechecks) -> ExitCode:
    """What a precheck means: rejected credentials of ours, or a bucket out of reach."""
    errors = [check.error for check in checks if check.error is not None]
    if errors:
        return exit_code(errors[0].exit_code)
    return ExitCode.OK if checks.passed else ExitCode.API


def tell_job(
    options: argparse.Namespace, faces: Faces, account_id: str, job: Draft, id: str | None
) -> None:
    """Print a job that was made: its id, or with --json what it is."""
    if options.json:
        record = {"accountId": account_id, "id": id, **body(job)}
        faces.out.line(fmt.as_json(record))
    elif id is not None:
        faces.out.line(id)


def outcome(
    options: argparse.Namespace, faces: Faces, account_id: str, draft: Draft, made: Made
) -> ExitCode:
    """Tell what came of a request. Raises Stop where there is no job."""
    if made.error is None:
        tell_job(options, faces, account_id, draft, made.job_id)
        if made.job_id is None:
            faces.out.say(
                "the job was made, but the API tells no id, and its list does not show it"
            )
        return ExitCode.OK
    for view in made.running:
        faces.out.say(f"{view.word}: {view.key.job_id} {migration(view, faces.out)}")
    raise Stop(_why_not(made.error), exit_code(made.error.exit_code))


def _why_not(error: ApiError) -> str:
    if error.undecided:
        return (
            f"undecided: {error}; the list shows no such job, but one may still come: "
            "look at `slurper-tui jobs` before you create it again"
        )
    if isinstance(error, Conflict):
        return f"not created: {error}; an account runs three jobs at a time, see above"
    return f"not created: {error}"
