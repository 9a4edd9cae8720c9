"""The errors that the API client raises, as a tree with the exit code of each class.

ApiError                    exit 7   base class; keeps the status, headers and faults of the answer
├── Unreachable             exit 7   no answer: time-out, reset, cut off
│   └── NotSent             exit 7   no connection: DNS, connect, proxy
│       └── BadAddress      exit 7   no URL can hold the id
├── BadAnswer               exit 7   not the API: 5xx, HTML, foreign JSON, no result, a 401 or 403
│   │                                without the API's envelope and a code in it
│   └── TooLarge            exit 7   an answer past a bound; a retry would bring the same answer
├── RateLimited             exit 7   429, or the codes 971 and 10429
├── Rejected                exit 3   401, 403 with a code: bad, revoked or too weak credentials
│   └── NoCredential        exit 3   the credentials cannot be read; nothing was sent
├── NotFound                exit 7   404, or 400 with code 7003
├── Conflict                exit 7   409: the job or account is in the wrong state for the request
├── Refused                 exit 7   every other refusal by the API
│   └── BucketKeysRefused   exit 7   403: the keys to a bucket do not open it; nothing was created
├── NoToken                 exit 3   only an API token whose id the API tells has R2 keys
├── NotInstalled            exit 2   an optional package is missing
└── Locked                  exit 2   a write while the client is read-only; it was not sent

`Unreachable` and `BadAnswer` are transient: the same request may succeed a moment later. A request
that changes something may have taken effect in spite of such an error: the error is then
`undecided`.
"""

from __future__ import annotations

import msgspec

KEYS_REFUSED = "the bucket keys give no access to a bucket; the API token is accepted"

BUCKET_PERMISSIONS = (
    "a source needs s3:Get* and s3:List* on the bucket and its objects (S3), or Storage Object "
    "Viewer and storage.buckets.get (GCS), an R2 bucket Object Read & Write; new R2 keys take up "
    "to half a minute to work"
)
"""The permissions that the keys to the buckets need."""


class Fault(msgspec.Struct, frozen=True):
    """One error of the API's envelope, as the API sent it. code: None if it has none."""

    code: int | None = None
    message: str = ""

    def __str__(self) -> str:
        return self.message if self.code is None else f"{self.code}: {self.message}"


class RateLimit(msgspec.Struct, frozen=True):
    """The request budget according to the rate-limit headers of one answer.

    remaining: requests left until the reset.
    reset: seconds until the reset.
    quota, window: `quota` requests are allowed in `window` seconds.
    Each is None where the headers do not contain it.
    """

    remaining: int | None = None
    reset: float | None = None
    quota: int | None = None
    window: float | None = None


class ApiError(Exception):
    """A request that failed.

    status: HTTP status; None without an answer.
    faults: every code and message of the answer, in order.
    ray: the cf-ray header.
    retry_after: seconds.
    limit: the rate-limit headers.
    undecided: True if it is unknown whether the request took effect.
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
        details = "; ".join(map(str, self.faults))
        return f"{self.message} ({details})" if details else self.message


class Unreachable(ApiError):
    """No answer arrived, or it broke off."""

    undecided = True


class NotSent(Unreachable):
    """No connection was made, so nothing reached the API."""

    undecided = False


class BadAddress(NotSent):
    """The URL is too long, so the request cannot be made. This is no sign of an outage."""


class BadAnswer(ApiError):
    """An answer that does not come from a healthy API: a 5xx, a proxy's page, foreign JSON."""

    undecided = True


class TooLarge(BadAnswer):
    """An answer past a bound in bytes, values or rows. A retry would bring the same answer."""


class RateLimited(ApiError):
    """The user's shared request budget is spent."""


class Rejected(ApiError):
    """The credentials are invalid or lack the permission."""

    exit_code = 3


class NoCredential(Rejected):
    """The credentials cannot be read, so that nothing was sent."""


class NotFound(ApiError):
    """No such job or account."""


class Conflict(ApiError):
    """The job or the account is in the wrong state for the request."""


class Refused(ApiError):
    """The API understood the request and refused it."""


class BucketKeysRefused(Refused):
    """The keys to the source or the target bucket do not open it. Nothing was created."""


class NoToken(ApiError):
    """There are no R2 keys of the credential in use: a global key, or a token of unknown id."""

    exit_code = 3


class NotInstalled(ApiError):
    """What was asked for needs a package that is not installed; the message tells how to."""

    exit_code = 2


class Locked(ApiError):
    """A request other than GET while the client is read-only. It was not sent."""

    exit_code = 2


class BadSetting(ValueError):
    """A setting with which no request can be sent, in one line. Not part of the tree."""


class BadBaseUrl(BadSetting):
    """The base URL is invalid, or secrets would be sent in the clear."""
