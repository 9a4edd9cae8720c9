"""The form for a new migration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from slurper_tui.api.models import Job
from slurper_tui.monitor.jobs.validation import secret_faults
from slurper_tui.monitor.model.plans import FieldFault
from slurper_tui.tui.create_form_base import FormScreen
from slurper_tui.tui.create_form_filled import filled
from slurper_tui.tui.create_form_outcome import Sent
from slurper_tui.tui.create_form_request import Offer
from slurper_tui.tui.create_form_send import Means, SendPage
from slurper_tui.tui.render.columns import short_id
from slurper_tui.tui.widgets.form_fields import (
    KEYS,
    SOURCE,
    TARGET,
    Field,
    Section,
    draft_of,
    secrets_of,
)

ACCOUNT = "account"


class CreateForm(FormScreen[Sent]):
    """Asks for everything that a migration needs. keep: takes what is no secret, to come back to.

    accounts: ids; asked for where there are several. jobs: those that are known, for their
    prefixes.
    """

    TITLE_OF_PAGE = "New migration"
    LEADS_TO = "Check both buckets, then ask"

    def __init__(
        self,
        means: Means,
        accounts: Sequence[str],
        values: Mapping[str, str],
        jobs: Sequence[Job],
        keep: Callable[[Mapping[str, str]], None],
    ) -> None:
        super().__init__(means.look, means.environ, values)
        self._means = means
        self._accounts = tuple(accounts)
        self._jobs = jobs
        self._keep = keep

    def sections(self) -> Sequence[Section]:
        """Source, target and secrets, below the account where there are several."""
        if len(self._accounts) == 1:
            return (SOURCE, TARGET, KEYS)
        account = Field(ACCOUNT, "id", choices=self._accounts)
        return (Section("Account", (account,)), SOURCE, TARGET, KEYS)

    def words_for(self, name: str) -> tuple[str, ...]:
        """Ids of accounts are shortened."""
        if name != ACCOUNT:
            return ()
        return tuple(short_id(account, self.look, 12) for account in self._accounts)

    def vendor(self) -> str:
        """The one that is chosen."""
        return self.row("vendor").value

    async def faults(self) -> Sequence[FieldFault]:
        """What is wrong with the drafts, and which secrets are missing."""
        values = self.values()
        secrets = secrets_of(values, self.environ, values["vendor"])
        found = (await filled(values, self._jobs)).faults
        return (*found, *secret_faults(draft_of(values), secrets))

    async def take(self) -> None:
        """Go on to the prechecks."""
        values = self.values()
        read = await filled(values, self._jobs)
        if read.faults:  # a file has changed since it was checked
            await self.check()
            return
        account = values.get(ACCOUNT, self._accounts[0])
        secrets = secrets_of(values, self.environ, values["vendor"])
        offer = Offer(account, read.drafts, secrets, read.notes)
        self.app.push_screen(SendPage(self._means, offer), self._came_back)

    def _came_back(self, sent: Sent | None) -> None:
        """Close when a job was made, or may have been; else let what is filled in be mended."""
        if sent is not None and sent.settled:
            self._keep({})
            self.dismiss(sent)

    def action_back(self) -> None:
        """Close; what is filled in and no secret stays to come back to."""
        self._keep(self.open_values())
        super().action_back()
