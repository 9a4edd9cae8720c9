"""What can go wrong between us and the API, as a tree.

ApiError                    exit 7   anything below; keeps what the answer told
├── Unreachable             exit 7   no answer: time-out, reset, cut off
│   └── NotSent             exit 7   no connection: DNS, connect, proxy
│       └── BadAddress      exit 7   no URL can hold the id
├── BadAnswer               exit 7   not the API: 5xx, HTML, foreign JSON, no result, a 401 or 403
│   │                                without the API's envelope and a code in it
│   └── TooLarge            exit 7   an answer past a bound; asking again brings the same
├── RateLimited             exit 7   429, or the codes 971 and 10429
├── Rejected                exit 3   401, 403 with a code: bad, revoked or too weak credentials
├── NotFound                exit 7   404, or 400 with code 7003
├── Conflict                exit 7   409: the wrong state for what was asked
├── Refused                 exit 7   every other refusal by the API
│   └── BucketKeysRefused   exit 7   403: the keys to a bucket do not open it; nothing was created
└── Locked                  exit 2   nothing was sent: this program may only read

`Unreachable` and `BadAnswer` are passing faults: the same request may succeed a moment later. One
that changes something may have done so all the same: such an error is `undecided`.
"""

from __future__ import annotations

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """One error of the envelope, as the API sent it."""

    code: int | None = None
    message: str = ""

    def __str__(self) -> str:
        return self.message if self.code is None else f"{self.code}: {self.message}"


class RateLimit(msgspec.Struct, frozen=True):
    """What one answer said about the request budget.

    remaining: requests left until the reset. reset: seconds until then.
    quota, window: requests allowed in so many seconds. None where the headers did not say.
    """

    remaining: int | None = None
    reset: float | None = None
    quota: int | None = None
    window: float | None = None


class ApiError(Exception):
    """A request that did not bring what was asked for.

    status: HTTP status or None without an answer. faults: every code and message in order.
    ray: the cf-ray header. retry_after: seconds. limit: the rate-limit headers. undecided: whether
    the request took effect, nobody can tell.
    """

    exit_code = 7
    undecided = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        faults: tuple[Fault, ...] = (),
        ray: str | None = None,
        retry_after: float | None = None,
        limit: RateLimit | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.faults = faults
        self.ray = ray
        self.retry_after = retry_after
        self.limit = limit

    def __str__(self) -> str:
        said = "; ".join(str(fault) for fault in self.faults)
        return f"{self.message} ({said})" if said else self.message


class Unreachable(ApiError):
    """No answer came, or it broke off."""

    undecided = True


class NotSent(Unreachable):
    """Nothing has reached the API: no connection came about."""

    undecided = False


class BadAddress(NotSent):
    """The request cannot be made: its address is too long. That says nothing about the API."""


class BadAnswer(ApiError):
    """Something answered, but it was not the API in good health."""

    undecided = True


class TooLarge(BadAnswer):
    """An answer past a bound in bytes, values or rows. The same request brings it again."""


class RateLimited(ApiError):
    """The shared request budget is spent."""


class Rejected(ApiError):
    """The credentials do not open this."""

    exit_code = 3


class NotFound(ApiError):
    """No such job or account."""


class Conflict(ApiError):
    """The job, or the account, is in the wrong state for this."""


class Refused(ApiError):
    """The API understood and declined."""


class BucketKeysRefused(Refused):
    """The keys to the source or the target bucket do not open it. Nothing was created."""


class Locked(ApiError):
    """A request that is not a GET, while this program may only read. It was not sent."""

    exit_code = 2
