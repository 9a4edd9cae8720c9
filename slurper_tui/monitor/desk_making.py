"""How a desk is put together."""

from __future__ import annotations

from slurper_tui.monitor.desk import Desk, Roster
from slurper_tui.monitor.metered import Metered
from slurper_tui.monitor.notebook import Notebook


def make_desk(metered: Metered, roster: Roster, notebook: Notebook | None) -> Desk:
    """Put it together. notebook: None where nothing is noted."""
    raise NotImplementedError
