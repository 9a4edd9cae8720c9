"""The chosen theme and view, kept between runs in a small JSON file."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from slurper_tui.config import read_bytes
from slurper_tui.monitor.history.files import make_folder
from slurper_tui.tui.state import ViewState

FILE = "state.json"
_KINDS = {"theme": str, "sort": str, "inverted": bool, "hide_ended": bool, "migrations": bool}


def load_view(folder: Path | None) -> ViewState:
    """Read the view that was left last; the default where nothing readable is kept."""
    if folder is None:
        return ViewState()
    try:
        kept = msgspec.json.decode(read_bytes(folder / FILE))
    except (OSError, ValueError, RecursionError):
        return ViewState()
    if not isinstance(kept, dict):
        return ViewState()
    known = {name: kept[name] for name, kind in _KINDS.items() if isinstance(kept.get(name), kind)}
    return ViewState(**known)


def save_view(folder: Path | None, view: ViewState) -> None:
    """Replace the file in one step. A folder that cannot be written is no fault."""
    import tempfile  # 1 ms, when something is kept

    if folder is None:
        return
    with suppress(OSError):
        make_folder(folder)
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=FILE)
        try:
            with open(descriptor, "wb") as file:
                file.write(msgspec.json.encode(view))
            os.replace(name, folder / FILE)
        except OSError:
            with suppress(OSError):
                os.unlink(name)
