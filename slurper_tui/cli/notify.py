"""Tell the user about events by the ways of `[notify]`: terminal, command, webhook.

`Notifier` gets each snapshot, from the screen, `watch` and `wait`. What happened is found out in
`monitor.reports.notices`; a command and a webhook get it as JSON, in tasks of their own, so that
they delay neither the polling nor the screen. A way that fails is reported once until it works
again. Texts pass through the scrubber, and a command gets no variable with a secret in it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from slurper_tui.api.webhook import Webhook, WebhookFailed
from slurper_tui.cli.credentials import SECRET_VARIABLES
from slurper_tui.cli.terminal import BELL, Marks, write_without_waiting
from slurper_tui.format import as_json
from slurper_tui.monitor.reports.totals import Summary, summary, sums_of

if TYPE_CHECKING:
    from slurper_tui.api.scrub import Scrubber
    from slurper_tui.config import Config
    from slurper_tui.monitor.model.job import Snapshot
    from slurper_tui.monitor.reports.notices import Known, Notice

COMMAND_SECONDS = 10.0
"""Seconds after which a command is killed."""

FINISH_SECONDS = 25.0
"""Seconds that `watch` and `wait` give to what is still to be told when they end by themselves."""

QUIT_SECONDS = 0.5
"""The same where the user or a signal ends the program."""

MOST_WAITING = 50
"""Events that wait for a slow command or webhook, at most; the oldest are dropped."""

_log = logging.getLogger("slurper_tui.cli")


class Notifier:
    """Tells about what changes from snapshot to snapshot. marks: the terminal's title and tab.

    report: shows one line, when a command or the webhook fails. on_screen: the title is set unless
    the configuration says no; elsewhere only if it says yes. demo: the data is simulated, which
    the events say. deadline: UTC seconds, for `follow`.
    """

    def __init__(
        self,
        config: Config,
        marks: Marks,
        *,
        environ: Mapping[str, str],
        scrubber: Scrubber,
        report: Callable[[str], None],
        on_screen: bool,
        demo: bool = False,
        deadline: float | None = None,
    ) -> None:
        notify = config.notify
        self._settings = notify
        self._marks = marks
        self._clean = scrubber.clean
        self._demo = demo
        self._known: Known | None = None
        self._ascii_only = config.ascii_only
        self._names = config.names
        self._deadline = deadline
        self._has_title = on_screen if notify.title is None else notify.title
        self.shows_summary = self._has_title or notify.progress
        self._outboxes: list[Outbox] = []
        self._webhook: Webhook | None = None
        if notify.command:
            secrets = (*SECRET_VARIABLES, *config.credential_variables)
            command = Command(notify.command, partial(secretless, environ, scrubber, secrets))
            self._outboxes.append(Outbox(f"command {notify.command[0]}", command.run, report))
        if notify.url is not None:
            self._webhook = Webhook(notify.url, scrubber)
            name = f"webhook at {self._webhook.host}"
            self._outboxes.append(Outbox(name, self._webhook.send, report))

    def update(self, snapshot: Snapshot, deadline: float | None = None) -> None:
        """Tell about what changed since the last snapshot. deadline: UTC seconds."""
        if not (self._settings.bell or self._settings.osc or self._outboxes):
            return
        from slurper_tui.monitor.reports.notices import compare  # not for the first picture

        self._known, notices = compare(self._known, snapshot, deadline, self._names)
        chosen = [notice for notice in notices if notice.kind in self._settings.events]
        signals = self._signals(chosen) if chosen else ""
        if signals and self._marks.write is not None:
            self._marks.write(signals)
        for notice in chosen:
            _log.info("told: %s: %s", notice.kind, notice.text)
            if self._outboxes:
                body = self._body(notice)
                for outbox in self._outboxes:
                    outbox.put(body)

    def follow(self, snapshot: Snapshot) -> None:
        """Tell about what changed, and show the sums of all jobs, where there is no screen."""
        self.update(snapshot, self._deadline)
        if self.shows_summary and self._marks.write is not None:
            from slurper_tui.monitor.reports.migrations import folded

            migrations = folded(snapshot.jobs, snapshot.links, snapshot.unstarted)
            parts = [migration.view for migration in migrations]
            total = sums_of(parts, snapshot.jobs, unstarted=bool(snapshot.unstarted))
            self.show(summary(total, snapshot.jobs, snapshot, ascii_only=self._ascii_only))

    def show(self, whole: Summary) -> None:
        """Show all jobs in the terminal's title and on its tab, as far as that is wanted."""
        if self._has_title:
            self._marks.set_title(whole.title)
        if self._settings.progress:
            self._marks.set_progress(whole.tab, whole.percent)

    def _signals(self, notices: Collection[Notice]) -> str:
        """Return one bell and a notification for each notice, as far as they are wanted."""
        signals = BELL if self._settings.bell else ""
        if (code := self._settings.osc) is not None:
            texts = (self._text(notice) for notice in notices)
            signals += "".join(self._marks.notification(code, text) for text in texts)
        return signals

    def _text(self, notice: Notice) -> str:
        return self._clean(f"demo: {notice.text}" if self._demo else notice.text)

    def _body(self, notice: Notice) -> bytes:
        """Return the event as one line of ASCII JSON without secrets."""
        from slurper_tui.monitor.reports.notices import notice_record

        record = {**notice_record(notice), "text": self._text(notice), "demo": self._demo}
        record["account"] = self._names.get(notice.account_id or "")
        return f"{as_json(self._cleaned(record), default=str)}\n".encode()

    def _cleaned(self, value: Any) -> Any:
        """Return a value of JSON without secrets in any of its texts."""
        if isinstance(value, str):
            return self._clean(value)
        if isinstance(value, Mapping):
            return {self._clean(name): self._cleaned(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._cleaned(inner) for inner in value]
        return value

    def restore(self) -> None:
        """Restore title and tab without waiting for the terminal, from any thread."""
        write_without_waiting(self._marks.leave().encode())

    async def close(self, *, patient: bool) -> None:
        """Restore title and tab, and deliver what is still to be told, within a time limit.

        patient: the command has ended by itself; nobody wants to quit.
        """
        left = self._marks.leave()
        if left and self._marks.write is not None:
            self._marks.write(left)
        self._marks.write = None
        seconds = FINISH_SECONDS if patient else QUIT_SECONDS
        if self._outboxes:
            await asyncio.gather(*(outbox.close(seconds) for outbox in self._outboxes))
        if self._webhook is not None:
            await self._webhook.close()


class NotDelivered(Exception):
    """An event that a command did not take. The message is one line."""


class Outbox:
    """Hands events to a command or the webhook, one after the other, in a task of its own.

    name: in messages. send: raises NotDelivered or WebhookFailed. report: shows one line.
    """

    def __init__(
        self, name: str, send: Callable[[bytes], Awaitable[None]], report: Callable[[str], None]
    ) -> None:
        self._name = name
        self._send = send
        self._report = report
        self._waiting: deque[bytes] = deque()
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    def put(self, body: bytes) -> None:
        """Queue an event; drop the oldest if too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            _log.warning("notify: %s: too slow, an event was dropped", self._name)
        self._waiting.append(body)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def close(self, seconds: float) -> None:
        """Wait for the events, and give up after some seconds."""
        if self._task is None:
            return
        _, late = await asyncio.wait({self._task}, timeout=seconds)
        for task in late:
            _log.warning("notify: %s: not delivered before the end", self._name)
            task.cancel()
            await asyncio.wait({task})

    async def _work(self) -> None:
        while self._waiting:
            try:
                await self._send(self._waiting.popleft())
            except (NotDelivered, WebhookFailed) as error:
                _log.warning("notify: %s: %s", self._name, error)
                if not self._failing:
                    self._report(f"notify: {self._name}: {error}")
                self._failing = True
            else:
                self._failing = False


class Command:
    """A program of the user that gets events on stdin.

    environ: returns its environment. seconds: time limit.
    """

    def __init__(
        self,
        words: Collection[str],
        environ: Callable[[], Mapping[str, str]],
        seconds: float = COMMAND_SECONDS,
    ) -> None:
        self._words = tuple(words)
        self._environ = environ
        self._seconds = seconds

    async def run(self, body: bytes) -> None:
        """Run the program on one event, without a shell. Raises NotDelivered.

        It has a session of its own, so that no key and no signal for this program reaches it; at
        the end of its time, what it started is killed with it.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=DEVNULL,
                env=self._environ(),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise NotDelivered(str(getattr(error, "strerror", None) or error)) from None
        try:
            async with asyncio.timeout(self._seconds):
                await process.communicate(body)
        except TimeoutError:
            raise NotDelivered(f"not done within {self._seconds:g} s") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode:
            raise NotDelivered(f"it ended with {process.returncode}")


_COPY_SECONDS = 2.0

FOR_TMUX = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TERM", "TMUX", "TMUX_PANE")
"""The variables that tmux gets; none of them holds a secret."""


def tmux_copy(environ: Mapping[str, str]) -> Callable[[str], Awaitable[bool]] | None:
    """Return a function that copies a text into tmux; None outside of tmux.

    tmux keeps it as its newest buffer, and sends it to the clipboard of a terminal that takes it,
    whatever its settings. The function returns False if there is no tmux, it has no `-w` (before
    3.2), or it does not answer in time.
    """
    if not environ.get("TMUX"):
        return None
    kept = {name: environ[name] for name in FOR_TMUX if name in environ}
    command = Command(("tmux", "load-buffer", "-w", "-"), lambda: kept, _COPY_SECONDS)

    async def copy(text: str) -> bool:
        try:
            await command.run(text.encode())
        except NotDelivered as error:
            _log.info("tmux has not taken a copy: %s", error)
            return False
        return True

    return copy


def secretless(
    environ: Mapping[str, str], scrubber: Scrubber, secrets: Collection[str]
) -> dict[str, str]:
    """Return an environment without variables that hold a secret, also as a part of their value.

    secrets: names of variables that are left out whatever they hold.
    """
    return {
        name: value
        for name, value in environ.items()
        if name not in secrets and scrubber.clean(value) == value
    }
