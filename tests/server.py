"""An HTTP server on loopback for simulated accounts, with faults on request.

Run it by hand from the root of the repository: `python -m tests.server --jobs 10 --running 3`.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import NamedTuple

import httpx

from slurper_tui.simulated.account import (
    Fault,
    Kind,
    Reply,
    SimulatedAccount,
    SimulatedBudget,
    account_of,
)

_DRIPS = 20
_POLL = 0.02
_ON_THE_LINE = frozenset(
    {Kind.RESET, Kind.CONNECT_ERROR, Kind.HANG, Kind.READ_TIMEOUT, Kind.CUT_OFF, Kind.SLOW}
)


class Seen(NamedTuple):
    """A received request. at: UTC seconds. path: with its query, as sent."""

    at: float
    method: str
    path: str


class LoopbackServer:
    """Serves accounts on one port, the same after `kill` and `restart`."""

    def __init__(self, accounts: Sequence[SimulatedAccount], port: int = 0) -> None:
        self.accounts = tuple(accounts)
        self.requests: list[Seen] = []
        self.port = port
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: _Listener | None = None
        self.restart()

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return f"http://127.0.0.1:{self.port}/client/v4"

    def environment(self) -> dict[str, str]:
        """Return the variables that point a program at this server, with credentials."""
        return {
            "CLOUDFLARE_BASE_URL": self.url,
            "CLOUDFLARE_API_TOKEN": self.accounts[0].token,
            "CLOUDFLARE_ACCOUNT_ID": ",".join(a.account_id for a in self.accounts),
        }

    def restart(self) -> None:
        """Listen again, on the same port as before."""
        if self._listener is not None:
            return
        self.stopping.clear()
        self._listener = _Listener(self)
        self.port = self._listener.server_address[1]
        threading.Thread(target=self._listener.serve_forever, args=(_POLL,), daemon=True).start()

    def kill(self) -> None:
        """Stop listening and reset every connection, as if the process had died."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        self.stopping.set()
        listener.shutdown()
        with self._lock:
            for connection in self._connections:
                _break(connection)
        listener.server_close()

    def answer(self, request: httpx.Request) -> Reply:
        """Return the reply of the account that the request names."""
        account = account_of(self.accounts, request)
        self.requests.append(Seen(time.time(), request.method, request.url.raw_path.decode()))
        return account.reply(request)

    @contextlib.contextmanager
    def holding(self, connection: socket.socket) -> Iterator[None]:
        """Register a connection while it is served, so that `kill` can reset it."""
        with self._lock:
            self._connections.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._connections.discard(connection)


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, owner: LoopbackServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", owner.port), _Connection)


class _Connection(socketserver.StreamRequestHandler):
    """Serves one connection, which stays open between requests."""

    disable_nagle_algorithm = True
    server: _Listener

    def handle(self) -> None:
        with self.server.owner.holding(self.connection), contextlib.suppress(OSError):
            while not self.server.owner.stopping.is_set() and self._serve_one():
                pass

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()

    def _serve_one(self) -> bool:
        """Answer one request; return whether the connection stays open."""
        try:
            request = self._read()
        except (ValueError, httpx.InvalidURL):
            self._send(httpx.Response(400, text="bad request"), head=False)
            return False
        if request is None:
            return False
        reply = self.server.owner.answer(request)
        alive = bool(request.headers.get("connection", "").lower() != "close")
        if reply.fault is None or reply.fault.kind not in _ON_THE_LINE:
            self._send(reply.arrive(), head=request.method == "HEAD")
            return alive
        return self._spoil(reply.response, reply.fault) and alive

    def _read(self) -> httpx.Request | None:
        """Return the next request, or None at the end. Raises ValueError for an invalid one."""
        line = self.rfile.readline(65_536)
        if not line.strip():
            return None
        method, target, _ = line.decode("ascii").split(" ", 2)
        headers = self._read_headers()
        length = int(headers.get("content-length", 0))
        body = self.rfile.read(length) if length else b""
        return httpx.Request(method, f"http://127.0.0.1{target}", headers=headers, content=body)

    def _read_headers(self) -> httpx.Headers:
        lines = iter(lambda: self.rfile.readline(65_536).rstrip(b"\r\n"), b"")
        pairs = (line.partition(b":") for line in lines)
        return httpx.Headers([(name.strip(), value.strip()) for name, _, value in pairs])

    def _send(self, response: httpx.Response, head: bool) -> None:
        whole = _raw(response)
        self.connection.sendall(whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if head else whole)

    def _spoil(self, response: httpx.Response, fault: Fault) -> bool:
        """Apply the fault; return whether the connection stays open."""
        stopping = self.server.owner.stopping
        if fault.kind in (Kind.RESET, Kind.CONNECT_ERROR):
            _reset(self.connection)
        elif fault.kind in (Kind.HANG, Kind.READ_TIMEOUT):
            stopping.wait(fault.seconds)
        elif fault.kind is Kind.CUT_OFF:
            whole = _raw(response)
            self.connection.sendall(whole[: len(whole) - len(response.content) // 2 - 1])
        elif fault.kind is Kind.SLOW:
            return self._drip(_raw(response), fault.seconds / _DRIPS)
        return False

    def _drip(self, whole: bytes, pause: float) -> bool:
        size = len(whole) // _DRIPS + 1
        for start in range(0, len(whole), size):
            if self.server.owner.stopping.wait(pause):
                return False
            self.connection.sendall(whole[start : start + size])
        return True


def _raw(response: httpx.Response) -> bytes:
    reason = HTTPStatus(response.status_code).phrase if response.status_code < 512 else "Edge"
    lines = [f"HTTP/1.1 {response.status_code} {reason}".encode()]
    lines += [name + b": " + value for name, value in response.headers.raw]
    if "content-length" not in response.headers:
        lines.append(f"content-length: {len(response.content)}".encode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + response.content


def _reset(connection: socket.socket) -> None:
    """Make the next close send a reset instead of an end of file."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _break(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def serve(
    accounts: SimulatedAccount | Sequence[SimulatedAccount], port: int = 0
) -> Iterator[LoopbackServer]:
    """Serve accounts on loopback until the context ends."""
    several = [accounts] if isinstance(accounts, SimulatedAccount) else accounts
    server = LoopbackServer(several, port)
    try:
        yield server
    finally:
        server.kill()


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--jobs", type=int, help="how many jobs an account has")
    parser.add_argument("--running", type=int, help="how many of them run")
    parser.add_argument("--accounts", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quota", type=int, default=1200, help="requests in five minutes")
    return parser.parse_args(words)


def _accounts(options: argparse.Namespace) -> list[SimulatedAccount]:
    """Return accounts of one user, with one token and one budget."""
    budget = SimulatedBudget(quota=options.quota)
    size = {"jobs": options.jobs, "running": options.running}
    first = SimulatedAccount(options.seed, budget=budget, **size)
    seeds = range(options.seed + 1, options.seed + options.accounts)
    others = [SimulatedAccount(s, budget=budget, token=first.token, **size) for s in seeds]
    return [first, *others]


def main(words: Sequence[str] | None = None) -> None:
    """Serve until interrupted; print the URL, then the variables for a program."""
    with serve(_accounts(options := _arguments(words)), options.port) as server:
        exports = [f"export {name}={value}" for name, value in server.environment().items()]
        sys.stdout.write("\n".join([server.url, *exports]) + "\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
