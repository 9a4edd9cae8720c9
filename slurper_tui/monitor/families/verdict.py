"""How several jobs reconcile together, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurper_tui.monitor.families.retried import Together
from slurper_tui.monitor.model.job import Counts, JobView, Verdict
from slurper_tui.monitor.model.logs import BROKE_TYPE, reason_of

MOST_NAMES = 3
SHORT_ID = 8


def family_verdict(
    roots: Sequence[JobView], retries: Sequence[JobView], sums: Together
) -> Verdict | None:
    """One verdict of jobs and their retries; None while one of them may still move.

    unaccounted: of completed jobs what nobody can explain, of others what was never done. Jobs
    that were not completed are named, by prefix or by the beginning of their id.
    """
    if any(view.live for view in (*roots, *retries)):
        return None
    completed = [view for view in roots if view.status == "completed"]
    others = [view for view in roots if view.status != "completed"]
    remaining = [view.counts.remaining for view in roots]
    unaccounted = None if None in remaining else sum(n or 0 for n in remaining)
    broke = any(view.listing_broke for view in roots)
    words = [
        *(_ends(others, len(roots)) or ["completed"]),
        *_failed(sums, retried=bool(retries)),
        *_left(completed, others),
        *_doubts([view.counts for view in roots], sums.counts),
        *_lost_retries(retries),
        *([reason_of(BROKE_TYPE)] if broke else []),
    ]
    return Verdict(" · ".join(words), sums.counts.failed, sums.not_copied, unaccounted, broke)


def _ends(others: Sequence[JobView], number: int) -> list[str]:
    """Say how many jobs were not completed, what became of them, and which they are."""
    kinds: dict[str, list[JobView]] = {}
    for view in others:
        kinds.setdefault(view.word, []).append(view)
    return [f"{len(views)} of {number} {word} ({_names(views)})" for word, views in kinds.items()]


def _names(views: Sequence[JobView]) -> str:
    names = [_name(view) for view in views[:MOST_NAMES]]
    more = len(views) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _name(view: JobView) -> str:
    prefix = view.job.source.path_prefix if view.job.source else None
    return prefix or (view.job.id or "?")[:SHORT_ID]


def _failed(sums: Together, *, retried: bool) -> Iterator[str]:
    if sums.counts.failed is not None:
        yield f"{sums.counts.failed:,} failed{' after retries' if retried else ''}"
    if sums.not_copied is not None and (sums.not_copied or sums.counts.skipped):
        yield f"{sums.not_copied:,} not copied"


def _left(completed: Sequence[JobView], others: Sequence[JobView]) -> Iterator[str]:
    for views, word in ((others, "not done"), (completed, "unaccounted")):
        known = [n for n in (view.counts.remaining for view in views) if n is not None]
        if known:
            yield f"{sum(known):,} {word}"


def _doubts(counts: Sequence[Counts], sums: Counts) -> Iterator[str]:
    surplus = sum(max(0, (c.done or 0) - c.objects) for c in counts if c.objects is not None)
    if surplus:
        yield f"counts exceed the total by {surplus:,}"
    if sums.objects is None or sums.done is None:
        yield "counts unknown"


def _lost_retries(retries: Sequence[JobView]) -> Iterator[str]:
    """Say which retries came to nothing; what they did not copy again is still counted failed."""
    lost = [view for view in retries if view.status != "completed"]
    for word in dict.fromkeys(view.word for view in lost):
        number = sum(view.word == word for view in lost)
        yield f"{number} {'retry' if number == 1 else 'retries'} {word}"
