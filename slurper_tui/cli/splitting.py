"""A list of prefixes as drafts: overlaps are refused, what seems to be left out is told."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from slurper_tui.cli.commands import Faces
from slurper_tui.cli.drafting import check, read_text
from slurper_tui.cli.exit_codes import Stop
from slurper_tui.monitor.jobs.prefixes import UNLISTED, read_prefixes, split, still_copied
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.plans import Draft

_TOLD = 10
"""So many overlaps or gaps are named, and the others counted."""


async def split_drafts(
    options: argparse.Namespace, faces: Faces, draft: Draft, jobs: Sequence[JobView]
) -> list[Draft]:
    """One draft for each prefix. jobs: those of the account. Raises Stop for what cannot be."""
    name = options.prefixes
    place = "standard input" if name == "-" else name
    prefixes = read_prefixes(await read_text(name))
    if not prefixes:
        raise Stop(f"{place}: no prefix stands there")
    if draft.path_prefix or draft.keys is not None:
        raise Stop("a list of prefixes goes with neither a prefix nor keys")
    found = split(draft, prefixes, [view.job for view in jobs])
    if found.overlaps:
        raise Stop(f"{place}: {'; '.join(_few(found.overlaps))}")
    check(found.drafts, faces.out)
    live = [view.job for view in jobs if view.live]
    for warning in _few((*found.gaps, *still_copied(draft, prefixes, live))):
        faces.out.say(f"is that meant? {warning}")
    faces.out.say(UNLISTED)
    return list(found.drafts)


def _few(clauses: Sequence[str]) -> list[str]:
    more = len(clauses) - _TOLD
    return [*clauses[:_TOLD], *([f"and {more:,} more"] if more > 0 else [])]
