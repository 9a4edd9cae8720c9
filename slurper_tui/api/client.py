"""The API client: a method for each of Super Slurper's twelve operations, and for a few others.

Every operation returns an `Answer` or raises an `ApiError`. None retries, and none waits for
anything but the network. httpx is imported by the first request (60 ms), not with this module.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec.structs import replace

from slurper_tui.api.credentials import (
    CredentialError,
    Credentials,
    ReadCredentials,
    check_base_url,
)
from slurper_tui.api.errors import (
    ApiError,
    BadAddress,
    BadAnswer,
    Fault,
    Locked,
    NoCredential,
    NoToken,
    Rejected,
)
from slurper_tui.api.models import (
    DEFAULT_BASE_URL,
    PAGE_SIZE,
    Answer,
    Bucket,
    BucketUsage,
    Connectivity,
    Created,
    Job,
    Lifecycle,
    Lock,
    LogRow,
    NewJob,
    NewSource,
    NewTarget,
    Progress,
    Secret,
    Sippy,
    TokenStatus,
    encode,
    parse,
    parse_rows,
    parse_usage,
)
from slurper_tui.api.objects import MOST_LISTED, R2Object, R2Page
from slurper_tui.api.scrub import Scrubber

if TYPE_CHECKING:
    import httpx

    from slurper_tui.api.s3 import S3Bucket
    from slurper_tui.api.transport import Exchange

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

SHORTEST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Least and most seconds between two readings of credentials that bring nothing new."""

_NO_TOKEN_ID = "the API does not tell this token's id, which is its R2 key id"


class Traffic(msgspec.Struct):
    """Requests to one account so far, and those of them that failed."""

    requests: int = 0
    errors: int = 0


class SlurperClient:
    """The Super Slurper API for one user and all of the user's accounts; read-only until unlocked.

    credentials: None to read them before the first request.
    read: reads the credentials; called again when the API rejects them, so that a rotated token
        continues: a GET is then sent once more, a request that changes something never. The pauses
        between fruitless readings grow up to `LONGEST_PAUSE`. None where they cannot change.
    transport: sends the requests instead of the network.
    user: what identifies the user, whose requests the API limits; None if no other client is known
        to be of the same user.
    scrubber: removes secrets from texts; shared with the log and the reports, so that these know
        every secret too.

    Raises BadBaseUrl for a base URL to which no secret should be sent. The first request opens the
    client in a thread, unless `open` was called before, and raises BadSetting as `open` does.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        base_url: str = DEFAULT_BASE_URL,
        *,
        read: ReadCredentials | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        user: object = None,
        scrubber: Scrubber | None = None,
    ) -> None:
        check_base_url(base_url)
        self.user = user
        self._credentials = credentials
        self._read = read
        self._reading = asyncio.Lock()
        self._pause = 0.0
        self._read_after = -math.inf
        self._unread = ""
        self._readings = 0
        self._base_url = base_url
        self._scrubber = scrubber or Scrubber()
        self._read_only = True
        self._transport = transport
        self._exchange: Exchange | None = None
        self._opening: Future[None] | None = None
        self._traffic: dict[str, Traffic] = {}
        self._buckets: list[S3Bucket] = []

    def traffic(self, account_id: str) -> Traffic:
        """Return the numbers of requests to an account."""
        return self._traffic_of(_account(account_id))

    def _traffic_of(self, path: str) -> Traffic:
        """Return the numbers of requests to the account of a path; those of the user are one."""
        return self._traffic.setdefault(path.split("/")[2], Traffic())

    def open(self) -> None:
        """Import httpx and prepare the connections, unless that is done.

        Raises BadSetting (a one-line message) for a proxy or certificates that do not work, and for
        an invalid host name in the base URL.
        """
        with without_click():
            from slurper_tui.api.transport import Exchange
        if self._exchange is None:
            exchange = Exchange(self._base_url, self._scrubber, transport=self._transport)
            if self._credentials is not None:
                exchange.use(self._credentials)
            self._exchange = exchange

    @property
    def readings(self) -> int:
        """How often new credentials were read; what was known of the earlier ones is void then."""
        return self._readings

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each environment setting that is skipped; none before the client is open."""
        return self._exchange.notes if self._exchange is not None else ()

    @property
    def is_simulated(self) -> bool:
        """Whether its requests do not leave the program: it is the demo's."""
        return self._transport is not None

    def unlock(self) -> None:
        """Allow requests that change something; before, they raise Locked and are not sent."""
        self._read_only = False

    def lock(self) -> None:
        """Make the client read-only again."""
        self._read_only = True

    async def close(self) -> None:
        """Close every connection, also those of S3 buckets."""
        for bucket in self._buckets:
            await bucket.close()
        if self._exchange is not None:
            await self._exchange.close()

    async def _send(
        self,
        method: str,
        path: str,
        read: Callable[[object], T],
        query: Mapping[str, int | str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
        *,
        renew: bool = True,
    ) -> Answer[T]:
        """Send a request and count it, through a transport that is opened first if it is not yet.

        After a rejection the credentials are read again, and a GET is sent again if they changed.
        read: converts the result, see `Exchange.send`.
        renew: False for a request that may be rejected though the credentials are good.
        """
        if self._read_only and method != "GET":
            raise Locked(f"read-only: no {method} request is sent")
        if self._transport is not None:
            self.open()  # httpx is imported already
        if self._exchange is None:
            self._opening = self._opening or _run_in_thread(self.open)
            await asyncio.shield(asyncio.wrap_future(self._opening))
        assert self._exchange is not None
        if self._credentials is None:
            await self.read_credentials()
        traffic = self._traffic_of(path)
        while True:
            used = self._credentials
            traffic.requests += 1
            try:
                return await self._exchange.send(method, path, read, query, body, headers)
            except ApiError as error:
                traffic.errors += 1
                if not renew or not isinstance(error, Rejected):
                    raise
                if not await self._changed_since(used, error) or method != "GET":
                    raise
            renew = False  # it is sent again once

    async def read_credentials(self) -> None:
        """Read the credentials of the open client, unless they are known. Raises NoCredential."""
        async with self._reading:
            if self._credentials is None and not await self._read_again():
                raise NoCredential(self._unread)

    async def _changed_since(self, used: Credentials | None, error: Rejected) -> bool:
        """Read the credentials again; return whether they differ from those that were rejected.

        Several requests may be rejected at once: they are read once for all. A reason why they
        cannot be read is added to the error.
        """
        async with self._reading:
            if self._credentials != used:
                return True
            changed = await self._read_again() and self._credentials != used
            if self._unread:
                error.faults = (*error.faults, Fault(None, self._unread))
            return changed

    async def _read_again(self) -> bool:
        """Read the credentials and use them; return False if that fails or it is too soon."""
        now = asyncio.get_running_loop().time()
        if self._read is None or now < self._read_after:
            return False
        try:
            fresh = await asyncio.wrap_future(_run_in_thread(self._read))
        except CredentialError as error:
            self._unread, fresh = self._scrubber.clean(str(error)), None
        if fresh is None or fresh == self._credentials:
            self._pause = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, 2 * self._pause))
            self._read_after = asyncio.get_running_loop().time() + self._pause
            self._unread = self._unread if fresh is None else ""
            return False
        self._pause, self._unread = 0.0, ""
        assert self._exchange is not None
        self._exchange.use(fresh)
        self._credentials = fresh
        self._readings += 1
        return True

    async def list_jobs(
        self, account_id: str, *, limit: int = PAGE_SIZE, offset: int = 0
    ) -> Answer[tuple[Job, ...]]:
        """Return one page of the account's jobs, at most 50."""
        path = f"{_account(account_id)}/jobs"
        query = {"limit": limit, "offset": offset}
        return await self._send("GET", path, partial(parse_rows, Job), query)

    async def create_job(self, account_id: str, job: NewJob) -> Answer[Created]:
        """Create and start a job. Raises Conflict when three jobs are running already."""
        self._hide(job.source.secret, job.target.secret)
        path = f"{_account(account_id)}/jobs"
        return await self._send("POST", path, partial(parse, Created), body=encode(job))

    async def get_job(self, account_id: str, job_id: str) -> Answer[Job]:
        """Return the definition and status of one job."""
        return await self._send("GET", _job(account_id, job_id), partial(parse, Job))

    async def delete_job(self, account_id: str, job_id: str) -> Answer[str | None]:
        """Delete an ended job. Raises Conflict while it is active."""
        return await self._send("DELETE", _job(account_id, job_id), _text)

    async def progress(self, account_id: str, job_id: str) -> Answer[Progress]:
        """Return the status and the counters of one job."""
        path = f"{_job(account_id, job_id)}/progress"
        return await self._send("GET", path, partial(parse, Progress))

    async def logs(
        self, account_id: str, job_id: str, *, limit: int = PAGE_SIZE, offset: int = 0
    ) -> Answer[tuple[LogRow, ...]]:
        """Return one page of a job's log, at most 50 rows, without the secrets in messages."""
        path = f"{_job(account_id, job_id)}/logs"
        query = {"limit": limit, "offset": offset}
        return await self._send("GET", path, self._log_rows, query)

    def _log_rows(self, result: object) -> tuple[LogRow, ...]:
        """Convert a result to rows without the secrets in their messages.

        Each distinct message is cleaned once, because most messages occur in many rows.
        """
        rows, clean = parse_rows(LogRow, result), self._scrubber.clean
        cleaned = {message: clean(message) for message in {row.message for row in rows} if message}
        return tuple(
            replace(row, message=cleaned[row.message])
            if row.message and cleaned[row.message] != row.message
            else row
            for row in rows
        )

    async def pause_job(self, account_id: str, job_id: str) -> Answer[str | None]:
        """Pause a running job. Raises Conflict when it is in another state."""
        return await self._send("PUT", f"{_job(account_id, job_id)}/pause", _text)

    async def resume_job(self, account_id: str, job_id: str) -> Answer[str | None]:
        """Resume a paused job."""
        return await self._send("PUT", f"{_job(account_id, job_id)}/resume", _text)

    async def abort_job(self, account_id: str, job_id: str) -> Answer[str | None]:
        """Abort a job: objects in flight finish, no others start."""
        return await self._send("PUT", f"{_job(account_id, job_id)}/abort", _text)

    async def abort_all_jobs(self, account_id: str) -> Answer[str | None]:
        """Abort every job of the whole account."""
        return await self._send("PUT", f"{_account(account_id)}/jobs/abortAll", _text)

    async def check_source(self, account_id: str, source: NewSource) -> Answer[Connectivity]:
        """Check whether the source bucket can be reached with these keys."""
        self._hide(source.secret)
        path = f"{_account(account_id)}/source/connectivity-precheck"
        return await self._send("PUT", path, partial(parse, Connectivity), body=encode(source))

    async def check_target(self, account_id: str, target: NewTarget) -> Answer[Connectivity]:
        """Check whether the target bucket can be reached with these keys."""
        self._hide(target.secret)
        path = f"{_account(account_id)}/target/connectivity-precheck"
        return await self._send("PUT", path, partial(parse, Connectivity), body=encode(target))

    async def r2_bucket(
        self, account_id: str, bucket: str, jurisdiction: str | None = None
    ) -> Answer[Bucket]:
        """Return an R2 bucket. jurisdiction: None for the default one, here and below."""
        return await self._bucket(account_id, bucket, "", jurisdiction, Bucket)

    async def r2_lock(
        self, account_id: str, bucket: str, jurisdiction: str | None = None
    ) -> Answer[Lock]:
        """Return the rules that forbid to overwrite objects of an R2 bucket."""
        return await self._bucket(account_id, bucket, "/lock", jurisdiction, Lock)

    async def r2_lifecycle(
        self, account_id: str, bucket: str, jurisdiction: str | None = None
    ) -> Answer[Lifecycle]:
        """Return the lifecycle rules of an R2 bucket."""
        return await self._bucket(account_id, bucket, "/lifecycle", jurisdiction, Lifecycle)

    async def r2_sippy(
        self, account_id: str, bucket: str, jurisdiction: str | None = None
    ) -> Answer[Sippy]:
        """Return whether Sippy copies objects into an R2 bucket on demand."""
        return await self._bucket(account_id, bucket, "/sippy", jurisdiction, Sippy)

    async def r2_usage(
        self, account_id: str, bucket: str, jurisdiction: str | None = None
    ) -> Answer[BucketUsage]:
        """Return what an R2 bucket holds, some minutes old. Undocumented: any error is possible."""
        return await self._of_bucket(account_id, bucket, "/usage", jurisdiction, parse_usage)

    async def r2_objects(
        self,
        account_id: str,
        bucket: str,
        jurisdiction: str | None = None,
        *,
        prefix: str = "",
        delimiter: str = "",
        cursor: str | None = None,
        start_after: str | None = None,
        per_page: int = MOST_LISTED,
    ) -> Answer[R2Page]:
        """Return one page of the objects of an R2 bucket, in the order of their keys.

        delimiter: keys with this character after the prefix are summed up in `prefixes`.
        cursor: that of the page before. start_after: only keys greater than this one.
        per_page: at most `MOST_LISTED`.
        """
        texts = {"prefix": prefix, "delimiter": delimiter, "cursor": cursor}
        texts["start_after"] = start_after
        query: dict[str, int | str] = {name: text for name, text in texts.items() if text}
        try:
            "".join(map(str, query.values())).encode()
        except UnicodeEncodeError:
            raise BadAddress("not sent: a key that is not valid Unicode") from None
        was_null = False

        def read(result: object) -> Sequence[R2Object]:
            nonlocal was_null
            was_null = result is None
            return parse_rows(R2Object, result)

        answer = await self._of_bucket(
            account_id, bucket, "/objects", jurisdiction, read, {**query, "per_page": per_page}
        )
        page = R2Page.of(answer.value, answer.info)
        if was_null and page.truncated is not False:
            raise BadAnswer("the API answered without a list of objects")
        return Answer(page, answer.limit, answer.total, answer.size, answer.date)

    async def _bucket(
        self, account_id: str, bucket: str, part: str, jurisdiction: str | None, model: type[S]
    ) -> Answer[S]:
        read = partial(parse, model)
        return await self._of_bucket(account_id, bucket, part, jurisdiction, read)

    async def _of_bucket(
        self,
        account_id: str,
        bucket: str,
        part: str,
        jurisdiction: str | None,
        read: Callable[[object], T],
        query: Mapping[str, int | str] | None = None,
    ) -> Answer[T]:
        headers = {} if jurisdiction is None else {"cf-r2-jurisdiction": jurisdiction}
        path = f"/accounts/{_segment(account_id)}/r2/buckets/{_segment(bucket)}{part}"
        return await self._send("GET", path, read, query, headers=headers)

    async def verify_token(self) -> Answer[TokenStatus]:
        """Return the status and the expiry of the API token in use.

        Raises an ApiError also for valid credentials: the API answers this neither for a token that
        belongs to an account nor for a global key.
        """
        path = "/user/tokens/verify"
        return await self._send("GET", path, partial(parse, TokenStatus), renew=False)

    async def r2_keys(self) -> Answer[Secret]:
        """Return the S3 keys to R2 that belong to the API token in use: its id and its SHA-256.

        Raises NoToken for a global key, and for a token whose id the API does not tell.
        """
        if self._credentials is not None and self._credentials.token is None:
            raise NoToken("a global API key has no R2 keys: they belong to an API token")
        try:
            verified = await self.verify_token()
        except ApiError as error:
            if error.status not in (400, 401, 403, 404):
                raise
            faults = error.faults
            raise NoToken(_NO_TOKEN_ID, status=error.status, faults=faults, ray=error.ray) from None
        token = self._credentials.token if self._credentials else None
        key_id = verified.value.id or ""
        if token is None or not re.fullmatch("[A-Za-z0-9_-]{1,128}", key_id):
            raise NoToken(_NO_TOKEN_ID)
        keys = Secret(key_id, hashlib.sha256(token.encode()).hexdigest())
        self._hide(keys)
        return Answer(keys, verified.limit)

    def s3_bucket(
        self,
        endpoint: str,
        bucket: str,
        keys: Secret,
        *,
        region: str | None = None,
        kind: str = "S3",
    ) -> S3Bucket:
        """Return a bucket with the S3 protocol, which is closed together with this client.

        See `S3Bucket` for the arguments and the errors.
        """
        from slurper_tui.api.s3 import S3Bucket  # only for a verification

        made = S3Bucket(endpoint, bucket, keys, self._scrubber, region=region, kind=kind)
        self._buckets.append(made)
        return made

    def _hide(self, *secrets: Secret) -> None:
        """Register keys with the scrubber, so that no error, log or report repeats them."""
        for secret in secrets:
            self._scrubber.add(*secret.values)


@contextmanager
def without_click() -> Iterator[None]:
    """Hide click while httpx is imported: with click, httpx loads its command line, 45 ms more."""
    hidden = "click" not in sys.modules and "httpx" not in sys.modules
    if hidden:
        sys.modules["click"] = None  # type: ignore[assignment]  # how an absent module is marked
    try:
        yield
    finally:
        if hidden:
            sys.modules.pop("click", None)  # another client's thread may have been faster


def _run_in_thread(work: Callable[[], T]) -> Future[T]:
    """Run in a daemon thread, which does not delay the program's exit."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # raised again in each waiting request
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done


def _account(account_id: str) -> str:
    return f"/accounts/{_segment(account_id)}/slurper"


def _job(account_id: str, job_id: str) -> str:
    return f"{_account(account_id)}/jobs/{_segment(job_id)}"


def _segment(identifier: str) -> str:
    """Percent-encode one path segment, also one of dots alone: `..` would walk up the path."""
    quoted = urllib.parse.quote(identifier.encode("utf-8", "replace"), safe="")
    return quoted.replace(".", "%2E") if not quoted.strip(".") else quoted


def _text(result: object) -> str | None:
    """Return the text of a control request's answer; None if the result is not text.

    The text may be anything: success alone means that the request was accepted.
    """
    return result if isinstance(result, str) else None
