"""The receipt over the list: read while it comes, copied, saved, refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from slurper_tui import version
from slurper_tui.api.errors import Rejected, Unreachable
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts, JobView
from slurper_tui.monitor.model.logs import FailuresView, LogCounts
from slurper_tui.monitor.reports.receipt import JobReceipt, Reading, Receipt
from slurper_tui.monitor.reports.receipt_markdown import markdown
from slurper_tui.tui.app import SlurperApp
from slurper_tui.tui.screens.base import Page
from slurper_tui.tui.screens.dialogs import CopyDialog
from slurper_tui.tui.screens.reports import ReceiptPage
from slurper_tui.tui.state import ScreenOptions, ViewState
from tests.fake_feed import FakeFeed
from tests.fake_services import FakeServices
from tests.monitor.reports.test_receipt_markdown import FAILED, ended, receipt
from tests.patience import until
from tests.tui.jobs import NOW, harmless, snapshot, view

LOG = LogCounts({FAILED: 10}, whole=True)
JOB = ended(1, Counts(1000, 990, 0, 10), log=LOG, id="job0001")
RESULT = receipt(JobReceipt(JOB, NOW - 1001, NOW - 1, log=LOG))


class FakeReceipts:
    """Returns the given receipt as soon as `ready` is set."""

    def __init__(self, result: Receipt | Exception = RESULT) -> None:
        self.result = result
        self.asked: list[list[JobKey]] = []
        self.on_draft: Callable[[Receipt], None] = lambda draft: None
        self.ready = asyncio.Event()
        self.ready.set()
        self.cancelled = False

    async def receipt(
        self,
        keys: Sequence[JobKey],
        on_progress: Callable[[FailuresView], None] = lambda view: None,
        unstarted: int = 0,
        on_draft: Callable[[Receipt], None] = lambda draft: None,
    ) -> Receipt:
        self.asked.append([*keys])
        self.on_draft = on_draft
        try:
            await self.ready.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class Opened:
    """The program with some jobs."""

    def __init__(self, app: SlurperApp, pilot: Pilot[int], receipts: FakeReceipts) -> None:
        self.app, self.pilot, self.receipts = app, pilot, receipts

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], bool]) -> None:
        await until(condition, self.pilot.pause, lambda: self.text)


@asynccontextmanager
async def opened(
    *jobs: JobView,
    size: tuple[int, int] = (80, 24),
    result: Receipt | Exception = RESULT,
    keys: str = "v",
    **options: object,
) -> AsyncIterator[Opened]:
    feed, services = FakeFeed(snapshot(*(jobs or (JOB,)))), FakeServices()
    services.receipts = receipts = FakeReceipts(result)
    feed.at_hand = services.services
    app = SlurperApp(feed, ScreenOptions(zone=UTC, **options), lambda _: None)  # type: ignore[arg-type]  # any
    async with app.run_test(size=size) as pilot:
        await feed.taken()
        await pilot.pause()
        one = Opened(app, pilot, receipts)
        await one.press(*keys)
        yield one


async def test_v_shows_the_receipt_of_the_highlighted_job() -> None:
    async with opened(size=(100, 80)) as o:
        await o.until(lambda: "Made by slurper-tui" in o.text)
        assert o.receipts.asked == [[JOB.key]]
        for said in (
            "Migration of `photos` to `media`",
            "Completed · 10 failed · 0 not copied · 0 unaccounted",
            "| Transferred                    |     990 | 99.0 % |",
            "990 + 0 + 10 + 0 = 1,000",
            "y copies · w saves · Esc closes",
        ):
            assert said in o.text
        assert "**" not in o.text
        assert "#" not in o.text
        await o.press("escape")
        assert not isinstance(o.app.screen, ReceiptPage)
        assert "stopped reading" not in o.text


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12), (20, 5)])
async def test_it_can_be_read_to_its_end_at_any_size(size: tuple[int, int]) -> None:
    async with opened(size=size) as o:
        await o.until(lambda: bool(o.receipts.asked) and "Receipt" in o.text)
        page, seen = o.app.screen.query_one(Page), o.text
        while page.scroll_offset.y < page.virtual_size.height - page.size.height:
            page.scroll_lines(max(1, page.size.height - 1))
            await o.pilot.pause()
            seen += o.text
        for said in ("Receipt", "media", "990", "UTC"):
            assert said in seen
        assert all(len(line) <= size[0] for line in o.text.split("\n"))


def draft(read: FailuresView, number: int = 1, logs: int = 1) -> Receipt:
    """The receipt before its logs are read."""
    unread = ended(1, Counts(1000, 950, 40, 10), id="job0001")
    made = receipt(JobReceipt(unread, NOW - 1001, NOW - 1))
    return replace(
        made, reading=Reading(view(1, source="photos", prefix="2024/"), read, number, logs)
    )


async def test_a_draft_is_shown_until_the_logs_are_read_and_closing_ends_the_reading() -> None:
    async with opened(keys="", size=(100, 80)) as o:
        o.receipts.ready.clear()
        await o.press("v")
        await o.until(lambda: "reading what is known" in o.text)
        o.receipts.on_draft(draft(FailuresView(JOB.key)))
        await o.until(lambda: "Made by slurper-tui" in o.text)
        for said in (
            "Draft of a receipt",
            "reasons: reading the log of photos/2024/: 0 rows",
            "|     950 | 95.0 % |",
            "40 skipped, reasons not read yet",
            "The logs are still being read: reasons are not known yet.",
        ):
            assert said in o.text
        assert "y copies" not in o.text
        o.receipts.on_draft(draft(FailuresView(JOB.key, rows_read=1250, waiting=True)))
        await o.until(lambda: "2024/: 1,250 rows · waiting for" in o.text)
        o.receipts.on_draft(draft(FailuresView(JOB.key, rows_read=4200), 3, 12))
        await o.until(lambda: "reasons: reading log 3 of 12, photos/2024/: 4,200 rows" in o.text)
        problem = Unreachable("connection refused")
        o.receipts.on_draft(draft(FailuresView(JOB.key, rows_read=1250, problem=problem)))
        await o.until(lambda: "connection refused ·" in o.text)
        await o.press("y", "w", "escape")
        await o.until(lambda: o.receipts.cancelled)
        await o.until(lambda: "stopped reading; nothing was saved" in o.text)


async def test_the_receipt_replaces_its_draft() -> None:
    async with opened(keys="", size=(100, 80)) as o:
        o.receipts.ready.clear()
        await o.press("v")
        await o.until(lambda: bool(o.receipts.asked))
        o.receipts.on_draft(draft(FailuresView(JOB.key, rows_read=1250)))
        await o.until(lambda: "1,250 rows" in o.text)
        o.receipts.ready.set()
        await o.until(lambda: "y copies · w saves" in o.text)
        assert "reading" not in o.text
        assert "Draft" not in o.text
        assert "|     990 | 99.0 % |" in o.text


async def test_a_draft_stays_when_a_log_cannot_be_read_and_the_log_is_named() -> None:
    async with opened(keys="", size=(100, 80), result=Rejected("no", status=403)) as o:
        o.receipts.ready.clear()
        await o.press("v")
        await o.until(lambda: bool(o.receipts.asked))
        o.receipts.on_draft(draft(FailuresView(JOB.key, rows_read=1250)))
        await o.until(lambda: "1,250 rows" in o.text)
        o.receipts.ready.set()
        said = "no more than a draft: the log of photos/2024/ cannot be read: no"
        await o.until(lambda: said in o.text)
        assert "Draft of a receipt" in o.text
        assert "|     950 | 95.0 % |" in o.text
        await o.press("y", "w", "escape")
        assert "stopped reading" not in o.text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Rejected("not allowed", status=403), "no receipt: not allowed"),
        (Unreachable("connection refused"), "no receipt: connection refused"),
    ],
)
async def test_the_reason_for_a_missing_receipt_is_shown(error: Exception, said: str) -> None:
    async with opened(result=error) as o:
        await o.until(lambda: said in o.text)
        await o.press("y", "w")
        assert isinstance(o.app.screen, ReceiptPage)


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 40)])
async def test_the_receipt_of_a_live_job_is_marked_as_interim(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    live = view(1, source="photos")
    result = receipt(JobReceipt(live, NOW - 1001))
    async with opened(live, result=result, size=size) as o:
        await o.until(lambda: "Interim receipt" in o.text)
        await o.until(lambda: "Not ended: 350 of 1,000 done" in " ".join(o.text.split()))
        assert o.receipts.asked == [[live.key]]
        assert "has not ended" in " ".join(o.text.split())
        await o.press("w")
        await o.until(lambda: (tmp_path / "receipt-interim-photos-job0001.md").exists())


async def test_y_copies_the_markdown_exactly_and_twice_shows_it() -> None:
    async with opened() as o:
        await o.until(lambda: "w saves" in o.text)
        await o.press("y")
        assert o.app.clipboard == markdown(RESULT, version())
        assert "copied; again to see it in full" in o.text
        await o.press("y")
        assert isinstance(o.app.screen, CopyDialog)


async def test_where_the_terminal_does_not_copy_the_text_is_shown() -> None:
    async with opened(environ={"TMUX": "1"}) as o:
        await o.until(lambda: "w saves" in o.text)
        await o.press("y")
        assert isinstance(o.app.screen, CopyDialog)


async def test_w_saves_into_the_current_folder_and_writes_nothing_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    taken = tmp_path / "receipt-photos-job0001.md"
    taken.write_text("mine")
    async with opened() as o:
        await o.until(lambda: "w saves" in o.text)
        await o.press("w")
        await o.until(lambda: "saved to ./receipt-photos-job0001-2.md" in o.text)
    assert taken.read_text() == "mine"
    saved = (tmp_path / "receipt-photos-job0001-2.md").read_bytes()
    assert saved.decode() == markdown(RESULT, version())


async def test_a_failed_save_shows_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    async with opened() as o:
        await o.until(lambda: "w saves" in o.text)
        await o.press("w")
        await o.until(lambda: "not saved: No such file or directory" in o.text)
    assert not gone.exists()


async def test_a_folded_migration_has_one_receipt_of_all_its_jobs() -> None:
    other = ended(2, Counts(10, 10, 0, 0), log=LogCounts(whole=True))
    async with opened(JOB, other, view=ViewState(migrations=True)) as o:
        await o.until(lambda: bool(o.receipts.asked))
        assert {*o.receipts.asked[0]} == {JOB.key, other.key}


async def test_a_migration_of_which_a_job_runs_has_an_interim_receipt() -> None:
    live = view(2, source="photos")
    result = receipt(JobReceipt(JOB, NOW - 1001, NOW - 1, log=LOG), JobReceipt(live, NOW - 900))
    async with opened(JOB, live, view=ViewState(migrations=True), result=result) as o:
        await o.until(lambda: "Interim receipt" in o.text)
        assert {*o.receipts.asked[0]} == {JOB.key, live.key}
        await o.until(lambda: "Jobs: 2 jobs, 1 of them not ended" in o.text)


async def test_hostile_names_and_letters_alone_do_no_harm() -> None:
    nasty = ended(1, id="\x1b[31m|`x", log=LOG)
    assert nasty.job.source is not None
    source = replace(nasty.job.source, bucket="[/red]`|\u202e", path_prefix="[b]\n")
    nasty = replace(nasty, job=replace(nasty.job, source=source))
    result = receipt(JobReceipt(nasty, NOW - 1001, NOW - 1, log=LOG))
    async with opened(nasty, result=result, size=(100, 80), ascii_only=True) as o:
        await o.until(lambda: "Made by slurper-tui" in o.text)
        assert all(harmless(line) for line in o.text.split("\n"))
        assert "[/red]`|?" in o.text
        assert o.text.isascii()
