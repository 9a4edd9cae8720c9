"""The draft of a retry, shown in full before its keys are asked for and anything is sent.

`DraftPage` shows or saves the requests; `RetryKeys` asks for the keys to the buckets, then opens
`SendPage`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from textual.binding import BindingType

from slurper_tui.monitor.jobs.draft import body
from slurper_tui.new_file import new_file
from slurper_tui.tui.screens.create_form import Given, KeysForm
from slurper_tui.tui.screens.send import (
    PageContext,
    PendingRequest,
    RequestScreen,
    SendPage,
    Sent,
    labelled,
)

if TYPE_CHECKING:
    from slurper_tui.monitor.model.plans import Draft
    from slurper_tui.tui.render.lines import Line

MOST_NAMES = 1000
_MOST_ID = 12


class DraftPage(RequestScreen):
    """The draft: every object key of the new jobs, before the keys to the buckets are asked for."""

    TITLE_OF_PAGE = "Draft of a retry"
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q,n", "back", "back"),
        ("enter", "go_on", "go on"),
        ("w", "write", "write to a file"),
    ]

    _written = ""
    """The note about the written files; "" until they are written."""

    def news(self, width: int) -> Sequence[Line]:
        """Return the note about the written files."""
        return (
            [*labelled("file", self._written, self.look, width, "accent"), ()]
            if self._written
            else ()
        )

    def answers(self) -> Line:
        """Return the answer keys; none of them sends anything."""
        return self.offers("Esc back", "Enter continue", "w save to a file")

    def action_back(self) -> None:
        """Close without sending."""
        self.dismiss(None)

    def action_go_on(self) -> None:
        """Ask for the keys to both buckets."""
        self.app.push_screen(RetryKeys(self.context, self.pending), self.close_with)

    def action_write(self) -> None:
        """Write the requests, without secrets, to new files in the current folder."""
        self.run_worker(self._write(), group="write", exclusive=True)

    async def _write(self) -> None:
        parents = {parent.job_id for parent in self.pending.retry_of}
        first = next(iter(parents), "")
        job_id = first if len(parents) < 2 else f"{len(parents)}-jobs"
        try:
            paths = await asyncio.to_thread(write_drafts, Path(), job_id, self.pending.drafts)
        except OSError as error:
            self._written = f"not written: {error.strerror or 'the folder takes no file'}"
        else:
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            self._written = f"written: {paths[0]}{more}"
        self.redraw()
        self.action_scroll(-(10**9))


class RetryKeys(KeysForm[Sent]):
    """The form for the bucket keys of a retry; it keeps its values until sending has succeeded."""

    def __init__(self, context: PageContext, pending: PendingRequest) -> None:
        super().__init__(context, pending.account_id, pending.drafts[0], with_region=True)
        self._pending = pending

    def take_keys(self, given: Given) -> None:
        """Open the page that runs the prechecks."""
        drafts = tuple(replace(draft, region=given.region) for draft in self._pending.drafts)
        pending = self._pending._replace(drafts=drafts, secrets=given.secrets)
        self.app.push_screen(SendPage(self.context, pending), self.close_with)


def write_drafts(folder: Path, job_id: str, drafts: Sequence[Draft]) -> tuple[Path, ...]:
    """Write each request to a new file: `retry-3fa8b6.json`, `retry-3fa8b6.json.2`, and so on.

    Raises OSError, after deleting the files written so far.
    """
    written: list[Path] = []
    try:
        for path, draft in zip(_free_names(folder, job_id, len(drafts)), drafts, strict=True):
            with new_file(path, 0o666) as file:
                file.write(f"{json.dumps(body(draft), indent=2)}\n".encode())
            written.append(path)
    except OSError:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return tuple(written)


def _free_names(folder: Path, job_id: str, number: int) -> list[Path]:
    """Return `number` unused file names. Raises OSError if there are none left."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", job_id[:_MOST_ID]) or "draft"
    for attempt in range(1, MOST_NAMES + 1):
        first = folder / f"retry-{name}{f'-{attempt}' if attempt > 1 else ''}.json"
        others = (first.with_name(f"{first.name}.{place}") for place in range(2, number + 1))
        paths = [first, *others]
        if not any(path.exists() for path in paths):
            return paths
    raise FileExistsError(17, "there are too many files of this name already")
