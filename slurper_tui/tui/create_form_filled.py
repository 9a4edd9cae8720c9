"""What a filled-in form comes to: the drafts of its jobs, what is wrong, what is to be known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from slurper_tui.api.models import Job
from slurper_tui.monitor.jobs import validation as checks
from slurper_tui.monitor.jobs.draft import NoKeys, keys_of
from slurper_tui.monitor.jobs.prefixes import UNLISTED, read_prefixes, split, still_copied
from slurper_tui.monitor.model.plans import Draft, FieldFault
from slurper_tui.tui.create_form_files import NoList, read_text
from slurper_tui.tui.widgets.form_fields import Values, draft_of

KEY_LIST, PREFIXES = "source.keys", "prefixes_file"
"""Where the faults of the two files are shown."""

MOST_NOTES = 12
"""Gaps, and jobs that copy the same, that are named one by one."""

LIVE = ("running", "paused")
"""The API's words for jobs that are not over."""


class Filled(NamedTuple):
    """drafts: one, or one for each prefix. notes: what the API would take, but is to be known."""

    drafts: tuple[Draft, ...] = ()
    faults: tuple[FieldFault, ...] = ()
    notes: tuple[str, ...] = ()


async def filled(values: Values, jobs: Sequence[Job] = ()) -> Filled:
    """Read the files that are named, and check everything; no disk and no long list holds up the
    screen. jobs: those that are known already.
    """
    return await asyncio.to_thread(_filled, values, jobs)


def _filled(values: Values, jobs: Sequence[Job]) -> Filled:
    keys, faults = _keys(values["keys_file"].strip())
    draft = draft_of(values, keys)
    faults = (*faults, *checks.faults(draft))
    if values["prefixes_file"].strip():
        return _split(values, draft, faults, jobs)
    return Filled((draft,), faults, _doubts(draft))


def _keys(name: str) -> tuple[tuple[str, ...] | None, tuple[FieldFault, ...]]:
    if not name:
        return None, ()
    try:
        return keys_of(read_text(name)), ()
    except (NoKeys, NoList) as error:
        return None, (FieldFault(KEY_LIST, str(error)),)


def _split(
    values: Values, draft: Draft, faults: tuple[FieldFault, ...], jobs: Sequence[Job]
) -> Filled:
    """One draft for each prefix of the file."""
    if draft.path_prefix or draft.keys is not None or values["keys_file"].strip():
        fault = FieldFault(PREFIXES, "this goes without a prefix and without a key list")
        return Filled((draft,), (*faults, fault))
    try:
        prefixes = read_prefixes(read_text(values["prefixes_file"].strip()))
    except NoList as error:
        return Filled((draft,), (*faults, FieldFault(PREFIXES, str(error))))
    if not prefixes:
        return Filled((draft,), (*faults, FieldFault(PREFIXES, "no prefix stands in it")))
    parted = split(draft, prefixes, jobs)
    if parted.overlaps:
        faults = (*faults, FieldFault(PREFIXES, _first_of(parted.overlaps)))
    live = [job for job in jobs if job.status in LIVE]
    copied = still_copied(draft, prefixes, live)
    notes = (*_doubts(draft), *_few((*copied, *parted.gaps)), UNLISTED)
    return Filled(parted.drafts, faults, notes)


def _doubts(draft: Draft) -> tuple[str, ...]:
    return tuple(f"{fault.field}: {fault.text}" for fault in checks.doubts(draft))


def _first_of(clauses: Sequence[str]) -> str:
    more = len(clauses) - 1
    return clauses[0] + (f" (and {more} more)" if more else "")


def _few(clauses: Sequence[str]) -> tuple[str, ...]:
    more = len(clauses) - MOST_NOTES
    return (*clauses[:MOST_NOTES], *((f"and {more} more",) if more > 0 else ()))
