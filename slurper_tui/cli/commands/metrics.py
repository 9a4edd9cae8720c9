"""The `metrics` command: the snapshots for Prometheus, in a file or over HTTP.

Only this module imports prometheus_client, which the extra `metrics` installs; it writes the
format and escapes the labels. The values come from `monitor.reports.metrics`.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from slurper_tui import version
from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.cli.output import failed
from slurper_tui.monitor.reports.metrics import METRICS, samples

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

    from slurper_tui.cli.context import CommandContext
    from slurper_tui.monitor.model.job import Snapshot

LOOPBACK = "127.0.0.1"

_log = logging.getLogger("slurper_tui.cli")


class Snapshots:
    """A collector for prometheus_client, which calls `collect` at every scrape in its own thread.

    latest: the last snapshot; None before the first. clock: UTC seconds.
    """

    def __init__(self, names: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self.latest: Snapshot | None = None
        self._names = names
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Yield every metric that has a value now."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        build = GaugeMetricFamily("slurper_build_info", "1 for its version.", labels=["version"])
        build.add_metric([version()], 1)
        yield build
        if self.latest is None:
            return
        for name, found in samples(self.latest, self._clock(), self._names).items():
            metric = METRICS[name]
            kind = CounterMetricFamily if metric.counter else GaugeMetricFamily
            family = kind(name, metric.text, labels=metric.labels)
            for labels, value in found:
                family.add_metric(labels, value)
            if found:
                yield family


async def metrics(context: CommandContext) -> ExitCode:
    """Write the metrics to a file, once or after every round, or serve them until stopped.

    Raises CliError when the file cannot be written the first time, for an address that is not
    free, and without prometheus_client.
    """
    options = context.options
    try:
        from prometheus_client import CollectorRegistry
    except ImportError:
        raise CliError(
            "metrics needs prometheus-client: pip install 'slurper-tui[metrics]'"
        ) from None
    collector, registry = Snapshots(context.names), CollectorRegistry(auto_describe=False)
    registry.register(collector)
    if options.listen is not None:
        with _serving(registry, options.listen, context):
            return await _follow(context, collector, lambda: None)
    path = _file(options.textfile, context)
    if not options.follow:
        return await _once(context, collector, lambda: _write(path, registry))
    try:
        return await _follow(context, collector, _writer(path, registry, context))
    finally:
        # Without the program, the values would stand there for ever.
        with suppress(OSError):
            path.unlink()


async def _once(
    context: CommandContext, collector: Snapshots, write: Callable[[], None]
) -> ExitCode:
    """Write the first complete snapshot; return API if requests failed.

    An error ends it too, but not before it is written that nothing is known.
    """
    async with aclosing(context.session.snapshots()) as snapshots:
        async for snapshot in snapshots:
            collector.latest = snapshot
            try:
                context.progress_output.update(snapshot)
            except CliError:
                write()
                raise
            if snapshot.complete:
                write()
                return ExitCode.API if failed(snapshot, snapshot.jobs) else ExitCode.OK
    raise AssertionError("the monitor ended by itself")


async def _follow(
    context: CommandContext, collector: Snapshots, write: Callable[[], None]
) -> ExitCode:
    """Write after every round until a signal ends it. Raises CliError if every account rejects."""
    rounds = 0
    async with aclosing(context.session.snapshots()) as snapshots:
        async for snapshot in snapshots:
            collector.latest = snapshot
            if snapshot.rounds > rounds or snapshot.rejected:
                rounds = snapshot.rounds
                write()
            context.progress_output.update(snapshot)
    raise AssertionError("the monitor ended by itself")


def _file(text: str, context: CommandContext) -> Path:
    """Return the file behind a path. Raises CliError for a directory or a device.

    A link is followed, because the new file would replace it and not what it points to.
    """
    if not text.endswith(".prom"):
        context.out.note("node_exporter reads only files whose names end in .prom")
    path = Path(os.path.realpath(text))
    with suppress(OSError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise CliError(f"--textfile {text}: is a directory or a device, not a file")
    return path


def _write(path: Path, registry: CollectorRegistry) -> None:
    """Replace the file in one step, so that a reader never finds half of it. Raises CliError.

    Others may read it, as far as the umask allows, because node_exporter is another user.
    """
    from prometheus_client import generate_latest

    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o666), "wb") as file:
            file.write(generate_latest(registry))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise CliError(f"cannot write {path}: {error.strerror or error}") from None


def _writer(path: Path, registry: CollectorRegistry, context: CommandContext) -> Callable[[], None]:
    """Return a function that writes the file; after the first time it reports errors once."""
    written, reported = False, ""

    def write() -> None:
        nonlocal written, reported
        try:
            _write(path, registry)
        except CliError as error:
            if not written:
                raise
            if error.line != reported:
                context.out.note(error.line)
            reported = error.line
        else:
            written, reported = True, ""

    return write


@contextmanager
def _serving(registry: CollectorRegistry, text: str, context: CommandContext) -> Iterator[None]:
    """Serve the metrics over HTTP. Raises CliError for an address that cannot be used."""
    from prometheus_client import start_http_server

    host, port = address_of(text)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise CliError(f"cannot listen on {text}: {error.strerror or error}") from None
    except UnicodeError:
        raise CliError(f"cannot listen on {text}: it is not a host name") from None
    server.handle_error = _log_scrape  # type: ignore[method-assign]  # would print a traceback
    shown = f"[{host}]" if ":" in host else host
    context.out.note(f"listening on http://{shown}:{server.server_port}/metrics")
    if not _is_loopback(host):
        context.out.note("anyone who reaches this address can read the names of buckets")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _log_scrape(request: object, client_address: object) -> None:
    """Log why a scrape failed: most often, the client has closed the connection."""
    _log.debug("scrape by %s failed", client_address, exc_info=True)


def address_of(text: str) -> tuple[str, int]:
    """Split `HOST:PORT`, `:PORT` or `PORT`; without a host it is loopback. Raises CliError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 2**16):
        raise CliError(f"--listen must be HOST:PORT or a port, not {text!r}")
    return host or LOOPBACK, int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
