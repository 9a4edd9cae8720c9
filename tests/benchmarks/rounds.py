"""A hundred progress requests, by our client and by bare httpx, in turns.

Run by the benchmarks in a process of its own, with the API in its environment and the jobs' paths
on standard input; prints seconds as JSON: [[ours, bare], ...].
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence

import httpx

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.models import Answer, Progress
from slurper_tui.monitor.polling.history_sync import StoredHistory
from slurper_tui.monitor.polling.poller import WORKERS, Monitor
from tests.monitor.inline_history import InlineHistory


class Stopwatch(SlurperClient):
    """A client that records the time of the first progress request."""

    first = 0.0

    async def progress(self, account_id: str, job_id: str) -> Answer[Progress]:
        self.first = self.first or time.perf_counter()
        return await super().progress(account_id, job_id)


async def ours(client: Stopwatch, account_id: str, jobs: int) -> float:
    """Return the seconds from the first progress request to the complete snapshot."""
    client.first = 0.0
    monitor = Monitor({account_id: client}, StoredHistory(InlineHistory()), eager=True)
    snapshots = monitor.snapshots()
    async for snapshot in snapshots:
        if snapshot.complete:
            took = time.perf_counter() - client.first
            assert sum(view.as_of is not None for view in snapshot.jobs) == jobs
            break
    await snapshots.aclose()
    return took


async def bare(client: httpx.AsyncClient, urls: Sequence[str]) -> float:
    """Return the seconds for the same documents with ten workers on one queue."""
    queue, results = list(urls), []

    async def work() -> None:
        while queue:
            response = await client.get(queue.pop(0))
            response.raise_for_status()
            results.append(response.json()["result"])

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(WORKERS)))
    took = time.perf_counter() - started
    assert len(results) == len(urls)
    return took


async def compare(paths: Sequence[str], times: int) -> list[tuple[float, float]]:
    base, token = os.environ["CLOUDFLARE_BASE_URL"], os.environ["CLOUDFLARE_API_TOKEN"]
    account_id = os.environ["CLOUDFLARE_ACCOUNT_ID"]
    client = Stopwatch(token_credentials(token), base)
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=WORKERS, max_keepalive_connections=WORKERS)
    urls = [str(httpx.URL(base).copy_with(path=path)) for path in paths]
    async with httpx.AsyncClient(headers=headers, limits=limits, verify=False) as plain:
        pairs = []
        for _ in range(times + 1):
            pairs.append((await ours(client, account_id, len(urls)), await bare(plain, urls)))
    await client.close()
    return pairs[1:]  # the first pair opens the connections


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(compare(json.load(sys.stdin), int(sys.argv[1])))))
