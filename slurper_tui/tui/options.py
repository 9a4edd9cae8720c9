"""What the screen is told at its start, and what it tells back to be kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo

import msgspec


class ViewState(msgspec.Struct, frozen=True):
    """How the person last looked at the list. theme, sort: None for the defaults.

    migrations: jobs of the same buckets are folded into one line.
    """

    theme: str | None = None
    sort: str | None = None
    inverted: bool = False
    hide_ended: bool = False
    migrations: bool = True


class ScreenOptions(msgspec.Struct, frozen=True):
    """Fixed for one run. zone: None for local time. keymap: binding id to key, from the file.

    theme: what is worn at the start. environ: what tells which terminal this is. deadline: UTC
    seconds by which all is to be done. write: jobs may be changed from the start.
    """

    ascii_only: bool = False
    zone: tzinfo | None = None
    demo: bool = False
    keymap: Mapping[str, str] = msgspec.field(default_factory=dict)
    view: ViewState = ViewState()
    theme: str | None = None
    environ: Mapping[str, str] = msgspec.field(default_factory=dict)
    deadline: float | None = None
    write: bool = False
