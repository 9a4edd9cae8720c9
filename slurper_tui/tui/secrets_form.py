"""The keys to both buckets, asked for when they are needed and forgotten with the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from textual.screen import ScreenResultType

from slurper_tui.monitor.jobs.validation import secret_faults
from slurper_tui.monitor.model.plans import Draft, FieldFault, Secrets
from slurper_tui.tui.create_form_base import FormScreen
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.widgets.form_fields import KEYS, REGION, Section, secrets_of


class Given(NamedTuple):
    """What was given. region: of an S3 source; None for none."""

    secrets: Secrets
    region: str | None = None


class KeysForm(FormScreen[ScreenResultType]):
    """Asks for the keys to the buckets of a draft, and for the region where that is wanted."""

    TITLE_OF_PAGE = "Keys to the buckets"
    LEADS_TO = "Go on"

    def __init__(
        self, look: Look, environ: Mapping[str, str], draft: Draft, *, with_region: bool = False
    ) -> None:
        super().__init__(look, environ, {"region": draft.region or ""})
        self._draft = draft
        self._with_region = with_region and draft.vendor == "s3"

    def sections(self) -> Sequence[Section]:
        """The secrets, and the region before them."""
        return (REGION, KEYS) if self._with_region else (KEYS,)

    def vendor(self) -> str:
        """That of the draft."""
        return self._draft.vendor

    async def faults(self) -> Sequence[FieldFault]:
        """Which secrets are missing."""
        return secret_faults(self._draft, self._secrets())

    @property
    def given(self) -> Given:
        """What is filled in."""
        return Given(self._secrets(), self.values().get("region", "").strip() or None)

    def _secrets(self) -> Secrets:
        return secrets_of(self.values(), self.environ, self._draft.vendor)


class SecretsForm(KeysForm[Given]):
    """Hands them over and closes."""

    async def take(self) -> None:
        """Hand them over."""
        self.dismiss(self.given)
