"""Print which driver the program would use, and why: see `test_driver`."""

from __future__ import annotations

import sys

from slurper_tui.cli.driver import DRIVER, MISSING


def main() -> None:
    """Print the name of the driver's class and the missing names."""
    sys.stdout.write(f"{DRIVER.__name__} {MISSING}")
