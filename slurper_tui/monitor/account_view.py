"""What the monitor says of accounts and of the request budget."""

from __future__ import annotations

import msgspec

from slurper_tui.api.errors import ApiError


class Problem(msgspec.Struct, frozen=True):
    """Something that stands in the way of an account's polls.

    since, retry_at, last_good: UTC seconds; last_good is None when nothing ever answered.
    """

    error: ApiError
    since: float
    retry_at: float | None = None
    last_good: float | None = None


class Outage(msgspec.Struct, frozen=True):
    """An outage that is over. since and until: UTC seconds. moved: objects done meanwhile."""

    since: float
    until: float
    moved: int | None


class AccountView(msgspec.Struct, frozen=True):
    """One account. listed: its whole list was read once. pages: list pages read so far.

    problem: why the account as a whole does not answer. answered: it ever did.
    outage: the last outage that is over, for one line of news.
    """

    account_id: str
    listed: bool = False
    answered: bool = False
    pages: int = 0
    problem: Problem | None = None
    outage: Outage | None = None


class BudgetView(msgspec.Struct, frozen=True):
    """The request budget of the user, as far as one program can know it.

    used: our own requests in the last five minutes. limit: what the API grants in that time.
    stretch: how many times slower than asked the ordinary jobs are polled, 1.0 when not at all.
    blocked_until: UTC seconds while the API has told us to stop, else None; blocked_by: its words.
    short: the headers show fewer requests left than we would like to use.
    waiting: requests that are due but must wait for the budget.
    """

    used: int = 0
    limit: int = 1200
    stretch: float = 1.0
    blocked_until: float | None = None
    blocked_by: ApiError | None = None
    short: bool = False
    waiting: int = 0
