"""`failures`."""

from __future__ import annotations

import argparse

from slurper_tui.cli.commands import Faces
from slurper_tui.cli.exit_codes import ExitCode


async def command(options: argparse.Namespace, faces: Faces) -> ExitCode:
    """Run the command."""
    raise NotImplementedError
