"""A simulated account behind a minimal server, so that figures measure the client.

`python -m tests.benchmarks.api --jobs 10 --running 10 [--still]` prints its address as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from slurper_tui.simulated.account import SimulatedAccount, SimulatedBudget

PLENTY = 10**9
"""Requests in five minutes: so high that the budget never slows a measurement."""


@dataclass(frozen=True, slots=True)
class Address:
    """The base URL and the credentials of an API. paths: of the jobs' progress documents."""

    url: str
    token: str
    account_id: str
    paths: tuple[str, ...]

    def environment(self) -> dict[str, str]:
        """Return the variables that point a program at this API."""
        return {
            "CLOUDFLARE_BASE_URL": self.url,
            "CLOUDFLARE_API_TOKEN": self.token,
            "CLOUDFLARE_ACCOUNT_ID": self.account_id,
        }


@contextlib.contextmanager
def serving(jobs: int, running: int = 10, *, still: bool = True) -> Iterator[Address]:
    """Run an API in a process of its own. still: its answers never change."""
    words = ["--jobs", str(jobs), "--running", str(running), *(["--still"] if still else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.api", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = json.loads(process.stdout.readline())
        yield Address(
            address["url"], address["token"], address["account_id"], tuple(address["paths"])
        )
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


class Answers:
    """The answers by request target; those of a still account are made once."""

    def __init__(self, account: SimulatedAccount, *, still: bool) -> None:
        self._account = account
        self._known: dict[str, bytes] | None = {} if still else None

    def to(self, target: str) -> bytes:
        """Return the whole answer to a GET as bytes."""
        if self._known is None:
            return self._make(target)
        if target not in self._known:
            self._known[target] = self._make(target)
        return self._known[target]

    def _make(self, target: str) -> bytes:
        headers = {"authorization": f"Bearer {self._account.token}"}
        asked = httpx.Request("GET", f"http://127.0.0.1{target}", headers=headers)
        response = self._account.answer(asked)
        head = [f"HTTP/1.1 {response.status_code} Answer".encode()]
        head += [name + b": " + value for name, value in response.headers.raw]
        return b"\r\n".join(head) + b"\r\n\r\n" + response.content


class Connection(asyncio.Protocol):
    """A kept connection on which only GET requests arrive."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._heard = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while b"\r\n\r\n" in self._heard and self._transport is not None:
            head, _, self._heard = self._heard.partition(b"\r\n\r\n")
            self._transport.write(self._answers.to(head.split(b" ", 2)[1].decode()))


async def _serve(account: SimulatedAccount, *, still: bool) -> None:
    answers = Answers(account, still=still)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answers), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    root = f"/client/v4/accounts/{account.account_id}/slurper/jobs"
    printed = {
        "url": f"http://127.0.0.1:{port}/client/v4",
        "token": account.token,
        "account_id": account.account_id,
        "paths": [f"{root}/{course.plan.id}/progress" for course in account.jobs()],
    }
    sys.stdout.write(json.dumps(printed) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)  # the process that started this server is gone


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.api", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10)
    parser.add_argument("--running", type=int, default=10)
    parser.add_argument("--still", action="store_true", help="nothing moves")
    options = parser.parse_args()
    started = time.time()
    clock = (lambda: started) if options.still else time.time
    budget = SimulatedBudget(clock, quota=PLENTY)
    account = SimulatedAccount(0, clock, jobs=options.jobs, running=options.running, budget=budget)
    asyncio.run(_serve(account, still=options.still))


if __name__ == "__main__":
    main()
