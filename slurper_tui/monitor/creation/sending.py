"""Sends what makes a job, once, and what asks whether one can be made. No secret stays behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator

from slurper_tui.api.errors import ApiError, Fault
from slurper_tui.api.models import Answer, Connectivity
from slurper_tui.monitor.desk import Check, Prechecks
from slurper_tui.monitor.draft import Draft, Secrets, new_job, new_source, new_target
from slurper_tui.monitor.metered import Metered

_TELLING = 6
"""Shorter texts are no secrets, and stand in every other word."""


class Sender:
    """Sends each request as soon as the budget allows, and never a second time."""

    def __init__(self, metered: Metered) -> None:
        self._metered = metered

    async def create(self, account_id: str, draft: Draft, secrets: Secrets) -> str | None:
        """Make a job, and give its id, where it was told. Raises ApiError."""
        job, api = new_job(draft, secrets), self._metered.api
        try:
            created = await self._metered.at_once(lambda: api.create_job(account_id, job))
        except ApiError as error:
            scrub(error, secrets)
            raise
        return created.id or None

    async def precheck(self, account_id: str, draft: Draft, secrets: Secrets) -> Prechecks:
        """Ask whether both buckets can be reached, at the same time."""
        api = self._metered.api
        source, target = new_source(draft, secrets.source), new_target(draft, secrets.target)
        checks = await asyncio.gather(
            self._check(lambda: api.check_source(account_id, source), secrets),
            self._check(lambda: api.check_target(account_id, target), secrets),
        )
        return Prechecks(*checks)

    async def _check(
        self, send: Callable[[], Awaitable[Answer[Connectivity]]], secrets: Secrets
    ) -> Check:
        try:
            answer = await self._metered.at_once(send)
        except ApiError as error:
            scrub(error, secrets)
            return Check(None, error)
        return Check(answer.connectivity_status or "no answer")


def scrub(error: ApiError, secrets: Secrets) -> None:
    """Take out of an error what the API has repeated of the secrets."""
    hidden = sorted(filter(None, _values(secrets)), key=len, reverse=True)

    def clean(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, "***")
        return text

    error.message = clean(error.message)
    error.args = (error.message,)
    error.faults = tuple(Fault(fault.code, clean(fault.message)) for fault in error.faults)


def _values(secrets: Secrets) -> Iterator[str]:
    """Every part of the secrets, as it is and as JSON would write it."""
    for secret in secrets:
        for value in (getattr(secret, name) for name in secret.__struct_fields__):
            if value and len(value.strip()) >= _TELLING:
                yield from (value, value.strip())
                yield from (json.dumps(value, ensure_ascii=plain)[1:-1] for plain in (False, True))
