"""Start jobs from the command line: read drafts, validate, precheck, confirm, report the result.

`read_draft` combines a request file with flags; `ready` shows the drafts, reads the secrets, runs
the prechecks and asks; `outcome` prints the created job. Used by `create`, `precheck` and `retry`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError
from slurper_tui.cli import prompts
from slurper_tui.cli.errors import CliError, ExitCode, api_failed, exit_code
from slurper_tui.cli.output import Output, migration
from slurper_tui.cli.prompts import NOBODY_TO_ASK, decode, parse_toml, read_secrets
from slurper_tui.monitor.jobs.create import FRESH_KEYS, NO_ID, CreateResult, Prechecks
from slurper_tui.monitor.jobs.draft import BodyError, NoKeys, body, draft_of, each_once, keys_of
from slurper_tui.monitor.model.plans import MOST_LIST_BYTES, Draft, Secrets, doubt_words, faults
from slurper_tui.monitor.reports.wording import (
    bucket_words,
    check_words,
    draft_name,
    not_made_words,
)

if TYPE_CHECKING:
    from slurper_tui.cli.context import CommandContext
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.model.job import JobView, Snapshot
    from slurper_tui.monitor.session import Services

_CHUNK = 2**20

FLAGS = {
    "source.vendor": "source_vendor",
    "source.bucket": "source_bucket",
    "source.endpoint": "endpoint",
    "source.region": "region",
    "source.jurisdiction": "source_jurisdiction",
    "source.pathPrefix": "prefix",
    "source.keys": "keys_file",
    "target.bucket": "target_bucket",
    "target.jurisdiction": "target_jurisdiction",
}
"""Field of the create request → the option (attribute name) that sets it."""

_NAMES = {
    "source_vendor": "vendor",
    "source_bucket": "bucket",
    "endpoint": "endpoint",
    "region": "region",
    "source_jurisdiction": "source_jurisdiction",
    "prefix": "path_prefix",
    "target_bucket": "target",
    "target_jurisdiction": "target_jurisdiction",
}


async def read_draft(options: argparse.Namespace) -> Draft:
    """Combine the request file and the options, which win. Raises CliError with file and field."""
    draft = await _from_file(options.file) if options.file is not None else Draft("", "", "")
    given = {name: getattr(options, flag) for flag, name in _NAMES.items()}
    draft = replace(draft, **{name: value for name, value in given.items() if value is not None})
    if getattr(options, "no_overwrite", False):
        draft = replace(draft, overwrite=False)
    if options.keys_file is not None:
        draft = replace(draft, keys=await read_keys(options.keys_file))
    return draft


def check(drafts: Iterable[Draft], out: Output) -> None:
    """Report doubtful fields on stderr. Raises CliError with every invalid field of a draft."""
    for draft in drafts:
        messages = []
        for fault in faults(draft):
            flag = f" (--{FLAGS[fault.field].replace('_', '-')})" if fault.field in FLAGS else ""
            messages.append(f"{fault.field}{flag}: {fault.text}")
        if messages:
            raise CliError("; ".join(messages))
    for doubt in doubt_words(drafts):
        out.note(f"warning: {doubt}")


async def _from_file(name: str) -> Draft:
    """Read a request as TOML, or as JSON, which `retry --draft` writes. Raises CliError."""
    text = await read_text(name)
    try:
        if text.lstrip().startswith("{"):
            return draft_of(json.loads(text, object_pairs_hook=each_once))
        return draft_of(parse_toml(name, text))
    except BodyError as error:
        raise CliError(f"{name}: {error}") from None
    except (ValueError, RecursionError) as error:
        place = re.search(r"line \d+ column \d+", str(error))
        raise CliError(
            f"{name}: invalid JSON at {place[0] if place else 'its beginning'}"
        ) from None


async def read_keys(name: str) -> tuple[str, ...]:
    """Read object keys from a file or stdin: a JSON array, separated by NUL, or one a line.

    Raises CliError.
    """
    try:
        return keys_of(await read_text(name))
    except NoKeys as error:
        raise CliError(f"{name}: {error}") from None


def place_words(name: str) -> str:
    """Return how messages call a file, or standard input, which is `-`."""
    return "standard input" if name == "-" else name


async def read_text(name: str) -> str:
    """Read a file, or stdin for `-`, as UTF-8. Raises CliError, also above `MOST_LIST_BYTES`."""
    place = place_words(name)
    try:
        content = await _content(name)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it cannot be read"
        raise CliError(f"{place}: {reason}") from None
    text = decode(place, content)
    if len(content) > MOST_LIST_BYTES:
        raise CliError(f"{place}: longer than {MOST_LIST_BYTES // 2**20} MiB")
    return text


async def _content(name: str) -> bytes:
    """Read a file or stdin, and stop soon after `MOST_LIST_BYTES`. Raises OSError, ValueError."""
    file = prompts.INPUT if name == "-" else os.open(name, os.O_RDONLY)
    content = bytearray()
    try:
        while len(content) <= MOST_LIST_BYTES:
            await prompts.readable(file)
            if not (read := os.read(file, _CHUNK)):
                break
            content += read
    finally:
        if file != prompts.INPUT:
            os.close(file)
    return bytes(content)


MOST_BESIDE = 20
"""Keys beside the prefixes of a source that are shown of each job before it starts."""


def draft_lines(drafts: Sequence[Draft]) -> Iterator[str]:
    """Yield each draft in full, one line a field.

    Keys come first, so that the other fields remain visible below a long list. Drafts that differ
    only in the prefix are shown as one, with the list of prefixes; of the keys beside these, which
    a listing has found, the first ones.
    """
    alike = {replace(draft, path_prefix=None, keys=None, counted=None) for draft in drafts}
    split = [draft for draft in drafts if draft.keys is None]
    if len(split) > 1 and len(alike) == 1:
        for number, draft in enumerate(drafts, 1):
            keys = draft.keys or ()
            yield from (f"  key        {key}" for key in keys[:MOST_BESIDE])
            if len(keys) > MOST_BESIDE:
                yield f"  and {len(keys) - MOST_BESIDE:,} more keys"
            what = draft_name(draft)
            counted = "" if draft.counted is None else f"  {draft.counted.objects:,} objects"
            yield f"  job {number:<6} {what}{counted}"
        each = replace(split[0], path_prefix="see above, one for each job", counted=None)
        yield from (f"  {name:<10} {value}" for name, value in _fields(each))
        return
    for number, draft in enumerate(drafts, 1):
        if len(drafts) > 1:
            yield f"job {number} of {len(drafts)}"
        yield from (f"  key        {key}" for key in draft.keys or ())
        yield from (f"  {name:<10} {value}" for name, value in _fields(draft))


def _fields(draft: Draft) -> Iterator[tuple[str, str]]:
    yield "source", f"{draft.vendor} {draft.bucket}{_place(draft.source_jurisdiction)}"
    if draft.endpoint is not None:
        yield "endpoint", draft.endpoint
    if draft.region is not None:
        yield "region", draft.region
    if draft.keys is not None:
        yield "keys", f"{len(draft.keys):,}"
    else:
        yield "prefix", draft.path_prefix or "none: the whole bucket"
    if draft.counted is not None:
        yield "objects", f"{draft.counted.objects:,}, counted in {draft.counted.source}"
    yield "target", f"r2 {draft.target}{_place(draft.target_jurisdiction)}"
    yield "overwrite", "yes" if draft.overwrite else "no"


def _place(jurisdiction: str | None) -> str:
    return "" if jurisdiction is None else f" ({jurisdiction})"


class Origin(NamedTuple):
    """The job that drafts retry, and the types of the log rows with their keys.

    retry_of: None for drafts that are not a retry.
    """

    retry_of: JobKey | None = None
    log_types: tuple[str, ...] = ()


NO_ORIGIN = Origin()


def the_account(context: CommandContext) -> str:
    """Return the account to create jobs in. Raises CliError unless there is exactly one."""
    if len(context.accounts) != 1:
        raise CliError(f"{len(context.accounts)} accounts: choose one with --account NAME")
    return context.accounts[0]


def require_answers(options: argparse.Namespace) -> None:
    """Raise CliError if a confirmation is needed (no --yes) and stdin is not a terminal."""
    if not options.yes and not prompts.can_ask():
        raise CliError(NOBODY_TO_ASK)


async def listed(context: CommandContext) -> tuple[JobView, ...]:
    """Poll until every job list was read or has failed; return the listed jobs.

    Jobs created afterwards can then be recognised as new. Raises CliError when every account
    rejects the credentials.
    """

    def take(snapshot: Snapshot) -> tuple[JobView, ...] | None:
        asked = all(account.listed or account.problem for account in snapshot.accounts)
        return snapshot.jobs if asked else None

    return await context.until(take)


@asynccontextmanager
async def open_services(context: CommandContext) -> AsyncIterator[Services]:
    """Yield the services, and close them at the end, so that no request continues afterwards."""
    services = await context.session.services()
    try:
        yield services
    finally:
        await services.close()


async def secrets_for(
    context: CommandContext, services: Services, account_id: str, draft: Draft
) -> Secrets:
    """Read the keys to the buckets, those of R2 from the API token if asked. Raises CliError."""
    options, r2 = context.options, None
    if options.r2_keys_from_token:
        try:
            r2 = await services.creation.r2_keys(account_id)
        except ApiError as error:
            raise api_failed(error) from None
    return await read_secrets(
        draft.vendor, options.secrets, context.environ, context.out, context.scrubber, r2
    )


def on_fresh_keys(out: Output) -> Callable[[], None]:
    """Return a function that tells, the first time it is called, that new keys are waited for."""
    notes = iter([FRESH_KEYS])
    return lambda: out.notes(notes)


async def ready(
    context: CommandContext,
    services: Services,
    account_id: str,
    drafts: Sequence[Draft],
    secrets: Secrets | None = None,
) -> Secrets:
    """Show the drafts, read the secrets, run the prechecks and ask for confirmation.

    secrets: None if they were not read yet.

    Also unlock the client for requests that change something. Raises CliError when a step fails,
    with exit code 0 when the answer is no.
    """
    options = context.options
    out = context.out
    require_answers(options)
    for line in draft_lines(drafts):
        out.note(line)
    secrets = secrets or await secrets_for(context, services, account_id, drafts[0])
    services.control.unlock()
    if not options.no_precheck:
        waiting = on_fresh_keys(out)
        checks = await services.creation.precheck(account_id, drafts[0], secrets, waiting)
        for name, check in (("source", checks.source), ("target", checks.target)):
            out.note(f"precheck of the {name} bucket: {check_words(check)}")
        for words in bucket_words(checks.bucket, drafts[0]):
            out.note(f"target {words.name}: {words.text}")
        if not checks.passed:
            raise CliError("a bucket cannot be reached, so nothing was started", check_code(checks))
    what = "start this job" if len(drafts) == 1 else f"start these {len(drafts)} jobs"
    if not options.yes and not await prompts.confirmed(f"{what}?", out):
        raise CliError("nothing was started", ExitCode.OK)
    return secrets


def check_code(checks: Prechecks) -> ExitCode:
    """Return the exit code of the prechecks: that of the first error, or API if one failed."""
    ends = (checks.source, checks.target)
    errors = [check.error for check in ends if check.error is not None]
    if errors:
        return exit_code(errors[0].exit_code)
    return ExitCode.OK if checks.passed else ExitCode.API


def print_job(
    context: CommandContext,
    account_id: str,
    job: Draft,
    id: str | None,
) -> None:
    """Print a created job: its id, or with --json the whole request with the id.

    id: None if the API did not return one; then nothing is printed without --json.
    """
    if context.options.json:
        record = {"accountId": account_id, "id": id, **body(job)}
        context.out.line(fmt.as_json(record))
    elif id is not None:
        context.out.line(id)


def outcome(
    context: CommandContext,
    account_id: str,
    draft: Draft,
    made: CreateResult,
) -> ExitCode:
    """Print the result of a create request. Raises CliError if no job was created."""
    if made.error is None:
        print_job(context, account_id, draft, made.job_id)
        if made.job_id is None:
            context.out.note(NO_ID)
        return ExitCode.OK
    for view in made.running:
        context.out.note(f"{view.word}: {view.key.job_id} {migration(view, context.out)}")
    reason = f"{not_made_words(made, made.error)}; {made.error}"
    raise CliError(reason, exit_code(made.error.exit_code))
