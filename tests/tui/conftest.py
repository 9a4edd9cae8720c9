"""Every test with a Pilot waits for the event loop."""

from __future__ import annotations

from tests import pilot_wait

pilot_wait.install()
