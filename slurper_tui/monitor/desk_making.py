"""How a desk is put together."""

from __future__ import annotations

from slurper_tui.monitor.desk import Desk, Roster
from slurper_tui.monitor.metered import Metered
from slurper_tui.monitor.recorded import Past


def make_desk(metered: Metered, roster: Roster, past: Past) -> Desk:
    """Put it together. past: where it is noted what was done, if it is."""
    raise NotImplementedError
