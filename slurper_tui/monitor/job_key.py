"""Which job is meant."""

from __future__ import annotations

from typing import NamedTuple


class JobKey(NamedTuple):
    """Which job: ids are unique within an account."""

    account_id: str
    job_id: str
