"""Sentences about problems: short for the status line and banners, complete for the dialog."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError, Rejected
from slurper_tui.monitor.model.events import RequestState
from slurper_tui.monitor.reports.wording import rate_limited_words
from slurper_tui.tui.render.columns import account_name
from slurper_tui.tui.render.lines import Line, Piece, join, shorten, width_of

if TYPE_CHECKING:
    from slurper_tui.monitor.model.job import AccountView, Problem, Snapshot
    from slurper_tui.tui.render.glyphs import Look

LEAST_MESSAGE = 12
"""The least cells for the error message."""


def full_account(account_id: str, look: Look) -> str:
    """Return the account's name and id, or its id alone; not sanitised."""
    name = look.names.get(account_id)
    return f"{name} ({account_id})" if name else account_id


def in_trouble(snapshot: Snapshot) -> tuple[AccountView, ...]:
    """Return the accounts that have a problem."""
    return tuple(account for account in snapshot.accounts if account.problem)


def problem_of_all_accounts(snapshot: Snapshot) -> Problem | None:
    """Return the first account's problem if every account has one, else None."""
    troubled = in_trouble(snapshot)
    everyone = bool(troubled) and len(troubled) == len(snapshot.accounts)
    return troubled[0].problem if everyone else None


def problem_line(problem: Problem, look: Look, room: int, now: float) -> Line:
    """Return the error, its start and the time of the next try, in `room` cells.

    If there is not enough room, the start is dropped first, then the middle of the message.
    now: UTC seconds.
    """
    dot = look.to_ascii(" · ")
    message = look.sanitise(problem.error.message)
    since: Line = (Piece(f"since {fmt.moment(problem.since, now, look.zone)}"),)
    again: list[Line] = []
    if problem.retry_at is not None:
        at = fmt.moment(problem.retry_at, now, look.zone, seconds=True)
        again.append((Piece(f"next try {at}"),))
    whole = join([(Piece(message, "error"),), since, *again], dot)
    if width_of(whole) <= room:
        return whole
    left = room - sum(width_of(part) + len(dot) for part in again)
    short = shorten(message, max(LEAST_MESSAGE, left), look.ellipsis)
    return join([(Piece(short, "error"),), *again], dot)


def blocked_words(snapshot: Snapshot, look: Look) -> str:
    """Return until when the API has asked to wait, or "" if it has not."""
    blocked = snapshot.budget.blocked_until
    if blocked is None:
        return ""
    return rate_limited_words(fmt.moment(blocked, snapshot.taken_at, look.zone))


def banner_lines(snapshot: Snapshot | None, look: Look) -> tuple[Line, ...]:
    """Return a line for each account that was rejected, has a problem while others do not, or whose
    token expires soon.

    It shows the API's codes and messages, or our message if the API sent none.
    """
    if snapshot is None:
        return ()
    troubled = in_trouble(snapshot)
    some = len(troubled) < len(snapshot.accounts)
    lines: list[Line] = []
    for account in troubled:
        if account.problem and (some or isinstance(account.problem.error, Rejected)):
            name = Piece(account_name(account.account_id, look), "strong")
            error = account.problem.error
            faults = "; ".join(map(str, error.faults))
            status = f"{error.status} · " if error.status and faults else ""
            message = look.to_ascii(status) + look.sanitise(faults or error.message)
            lines.append((Piece(" "), name, Piece("  "), Piece(message, "error")))
    return (*lines, *_expiry_lines(snapshot, look))


def _expiry_lines(snapshot: Snapshot, look: Look) -> Iterator[Line]:
    """Yield a line for each time at which tokens expire soon, with the names of their accounts.

    Accounts of the same token have the same time. Rejected ones have a banner already.
    """
    soon: dict[float, list[str]] = {}
    for account in snapshot.accounts:
        rejected = account.problem is not None and isinstance(account.problem.error, Rejected)
        expires = account.token_expires
        if expires is not None and not rejected and account.expires_soon(snapshot.taken_at):
            soon.setdefault(expires, []).append(account_name(account.account_id, look))
    if soon:
        from slurper_tui.monitor.reports.wording import expiry_words  # not for the first picture
    for expires, names in sorted(soon.items()):
        words = expiry_words(expires, snapshot.taken_at, look.zone)
        shown = Piece(", ".join(names), "strong")
        yield (Piece(" "), shown, Piece("  "), Piece(look.sanitise(words), "warning"))


def problem_details(snapshot: Snapshot | None, look: Look) -> list[tuple[str, str]]:
    """Return all details of all problems as (label, text) pairs.

    The label "" begins a new section.
    """
    if snapshot is None:
        return [("", "No request has been sent yet.")]
    details = [
        *_account_details(snapshot, look),
        *_request_details(snapshot, look),
        *_block_details(snapshot, look),
    ]
    if snapshot.history_note:
        note = look.sentence(snapshot.history_note)
        details.append(("", note[:1].upper() + note[1:]))
    return details or [("", "No problems: the API is answering.")]


def _account_details(snapshot: Snapshot, look: Look) -> Iterator[tuple[str, str]]:
    """Yield the problem of each account and its times, then other problems of single jobs."""
    for account in snapshot.accounts:
        if problem := account.problem:
            yield "", look.sanitise(f"Account {full_account(account.account_id, look)}")
            yield from error_details(problem.error, look)
            yield "since", fmt.iso(problem.since, look.zone)
            yield "last good poll", _iso_or_none_yet(problem.last_good, look)
            if problem.retry_at is not None:
                yield "next try", fmt.iso(problem.retry_at, look.zone)
    of_account = {(a.account_id, str(a.problem.error)) for a in snapshot.accounts if a.problem}
    for view in snapshot.jobs:
        if view.problem and (view.account_id, str(view.problem)) not in of_account:
            yield "", f"Job {look.sanitise(view.job.id)}"
            yield from error_details(view.problem, look)


def _iso_or_none_yet(at: float | None, look: Look) -> str:
    return "none yet" if at is None else fmt.iso(at, look.zone)


def _block_details(snapshot: Snapshot, look: Look) -> Iterator[tuple[str, str]]:
    """Yield until when and why the API has asked to wait."""
    blocked = blocked_words(snapshot, look)
    if not blocked:
        return
    yield "", f"{blocked}; all tools of this user share it"
    if snapshot.budget.blocked_by is not None:
        yield from error_details(snapshot.budget.blocked_by, look)
    last = max((v.as_of for v in snapshot.jobs if v.as_of is not None), default=None)
    yield "last good poll", _iso_or_none_yet(last, look)


def _request_details(snapshot: Snapshot, look: Look) -> Iterator[tuple[str, str]]:
    """Yield the errors of action requests that were refused or not answered."""
    for view in snapshot.jobs:
        request = view.request
        if request and request.error and request.state is not RequestState.DONE:
            yield "", f"Job {look.sanitise(view.job.id)}"
            yield "asked", f"{request.action}, {fmt.iso(request.at, look.zone)}"
            yield from error_details(request.error, look)


def error_details(error: ApiError, look: Look) -> Iterator[tuple[str, str]]:
    """Yield the message, the HTTP status, every code and message, the cf-ray and Retry-After."""
    yield "failed", look.sanitise(error.message)
    if error.status is not None:
        yield "HTTP status", str(error.status)
    for fault in error.faults:
        yield "API said", look.sanitise(str(fault))
    if error.ray:
        yield "cf-ray", look.sanitise(error.ray)
    if error.retry_after is not None:
        yield "Retry-After", f"{error.retry_after:.0f} s"
