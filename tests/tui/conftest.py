"""A Pilot that waits as long as the program is busy, and no fixed twentieth of a second more."""

from __future__ import annotations

from textual import _wait, screen

# Pilot takes the program for idle when a sleep of 20 ms costs it less than 1 ms of CPU, once or
# twice for every key. Shorter sleeps, and repaints that are due within each of them.
_wait.SLEEP_GRANULARITY = 0.008
screen.UPDATE_PERIOD = 0.001  # type: ignore[misc]  # final there; read whenever a screen is made
