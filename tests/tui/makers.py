"""The program under Pilot with real creation over a simulated account, and a record of it all."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC
from functools import partial
from typing import Any, NamedTuple

import httpx
from textual.pilot import Pilot

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.models import Secret
from slurper_tui.monitor.history.recorder import HistoryNotes
from slurper_tui.monitor.jobs.plan_runner import JobCreation
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import AccountView, JobView, Snapshot
from slurper_tui.monitor.model.plans import Secrets
from slurper_tui.monitor.polling.budget import Budget, Metered
from slurper_tui.monitor.polling.job_store import JobStore
from slurper_tui.monitor.verify.buckets import Buckets
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.tui.app import SlurperApp
from slurper_tui.tui.screens.confirm import ConfirmDialog
from slurper_tui.tui.screens.create_form import CreateForm
from slurper_tui.tui.state import ScreenOptions
from tests.fake_feed import FakeFeed
from tests.fake_services import FakeServices
from tests.monitor.inline_history import InlineHistory
from tests.patience import until
from tests.tui.jobs import snapshot

SECRET_WORDS = {
    "source_access_key_id": "AKIA-SOURCE-NOBODY",
    "source_secret_access_key": "source/secret+that=nobody",
    "source_client_email": "robot@nobody.example",
    "source_private_key": "-----BEGIN-----\nnobody\nmay see\n-----END-----",
    "target_access_key_id": "AKIA-TARGET-NOBODY",
    "target_secret_access_key": "target/secret+that=nobody",
}
SECRETS = Secrets(Secret("AKIA-SOURCE-NOBODY", "s1"), Secret("AKIA-TARGET-NOBODY", "s2"))
PLAIN_DRAFT = {
    "bucket": "photos-prod",
    "endpoint": "https://s3.example.com",
    "region": "eu-1",
    "path_prefix": "2024/",
    "target": "media",
}
S3_WORDS = {
    name: SECRET_WORDS[name]
    for name in (
        "source_access_key_id",
        "source_secret_access_key",
        "target_access_key_id",
        "target_secret_access_key",
    )
}
WHOLE = {**PLAIN_DRAFT, **S3_WORDS}
ENVIRON = {"TERM": "xterm-256color"}


class Sent(NamedTuple):
    """A request that left. path: what follows `slurper/`."""

    method: str
    path: str
    body: Any


class Lock:
    """What locks and unlocks a client."""

    def __init__(self, client: SlurperClient) -> None:
        self._client = client
        self.unlocked = False

    def unlock(self) -> None:
        self.unlocked = True
        self._client.unlock()

    def lock(self) -> None:
        self.unlocked = False
        self._client.lock()


class Workbench:
    """The app, the account behind it, and every request that left."""

    def __init__(
        self, account: SimulatedAccount, notes: HistoryNotes | None, options: Mapping[str, Any]
    ) -> None:
        self.account = account
        self.requests: list[Sent] = []
        self.open = asyncio.Event()
        self.open.set()
        transport = httpx.MockTransport(self._answer)
        client = SlurperClient(token_credentials(account.token), transport=transport)
        self.client = client
        self.job_store = JobStore([account.account_id], _moment, lambda: None)
        metered = Metered(client, Budget(), _moment, lambda error, at: None)
        self.services = FakeServices()
        self.services.control = Lock(client)
        self.creation = JobCreation(
            metered, self.job_store, notes or InlineHistory().notes, [account.account_id]
        )
        self.services.creation = self.creation
        self.services.buckets = Buckets(metered)
        self.feed = FakeFeed()
        self.feed.at_hand = self.services.services
        given = {"zone": UTC, "environ": ENVIRON, **options}
        self.app = SlurperApp(self.feed, ScreenOptions(**given), lambda _: None)
        self.pilot: Pilot[int]

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        """Answer as soon as the line is open."""
        path = request.url.path.partition("/slurper/")[2]
        body = json.loads(request.content) if request.content else None
        self.requests.append(Sent(request.method, path, body))
        await self.open.wait()
        return self.account.answer(request)

    @property
    def writes(self) -> list[Sent]:
        """What left and was not a GET."""
        return [sent for sent in self.requests if sent.method != "GET"]

    @property
    def posts(self) -> list[Sent]:
        """Create requests."""
        return [sent for sent in self.requests if sent.method == "POST"]

    async def show(self, shown: Snapshot) -> None:
        """Let the app take a snapshot."""
        self.feed.push(shown)
        await self.feed.taken()
        await self.pilot.pause()

    def snapshot(self, *jobs: JobView, **given: Any) -> Snapshot:
        """A snapshot of the account."""
        account = AccountView(self.account.account_id, listed=True, answered=True, pages=1)
        return snapshot(*jobs, **{"accounts": (account,), **given})

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the app go on until something is true."""
        await until(condition, self.pilot.pause, lambda: self.text)

    async def see(self, *texts: str) -> None:
        """Wait until the screen shows all texts."""
        for text in texts:
            await self.until(partial(self.shows, text))

    def shows(self, text: str) -> bool:
        """Whether the screen shows a text."""
        return text in self.text

    @property
    def text(self) -> str:
        """The text on the screen."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text for strip in strips)

    def picture(self) -> str:
        """The exported screenshot."""
        return self.app.export_screenshot()

    async def create(self, **given: str) -> CreateForm:
        """Open the form, and fill in these fields."""
        self.app.main.new_jobs.open_form()
        await self.until(lambda: isinstance(self.app.screen, CreateForm))
        await self.pilot.pause()
        form = self.app.screen
        assert isinstance(form, CreateForm)
        for name, value in given.items():
            form.row(name).value = value
            if name == "vendor":  # decides which fields are shown
                await self.pilot.pause()
        await self.pilot.pause()
        return form

    async def go_on(self) -> None:
        """Go to what the form leads to, and press it."""
        await self.press("pagedown", "enter")

    async def confirmation(self) -> None:
        """Wait until a confirmation can be answered."""

        def answerable() -> bool:
            dialog = self.app.screen
            return isinstance(dialog, ConfirmDialog) and dialog.is_painted

        await self.until(answerable)
        await self.pilot.pause()

    async def asked(self) -> None:
        """Wait for the question, as a person does: until it is drawn."""
        await self.until(lambda: getattr(self.app.screen, "stage", None) == "asking")
        await self.pilot.pause()

    async def over(self) -> None:
        """Wait for the answer."""
        await self.until(lambda: getattr(self.app.screen, "stage", None) == "over")
        await self.pilot.pause()

    @property
    def on_main(self) -> bool:
        """Every page is closed."""
        return self.app.screen is self.app.main


@asynccontextmanager
async def workbench(
    *,
    size: tuple[int, int] = (80, 24),
    account: SimulatedAccount | None = None,
    notes: HistoryNotes | None = None,
    unlocked: bool = True,
    shown: Callable[[Workbench], Snapshot] = Workbench.snapshot,
    **options: Any,
) -> AsyncIterator[Workbench]:
    """A running app that has taken one snapshot. unlocked: jobs may be changed."""
    account = account or SimulatedAccount(jobs=0)
    bench = Workbench(account, notes, {"write": unlocked, **options})
    async with bench.app.run_test(size=size) as bench.pilot:
        await bench.show(shown(bench))
        await bench.until(lambda: bench.services.control.unlocked is unlocked)
        yield bench
        await bench.creation.close()
    await bench.client.close()


def _moment() -> Moment:
    return Moment(time.monotonic(), time.time())
