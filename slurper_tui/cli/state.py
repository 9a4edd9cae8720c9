"""The chosen theme and view, kept between runs in a small JSON file."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from slurper_tui.tui.options import ViewState

FILE = "state.json"
_KINDS = {"theme": str, "sort": str, "inverted": bool, "hide_ended": bool, "migrations": bool}


def load_view(folder: Path) -> ViewState:
    """Read the view that was left last; the default where nothing readable is kept."""
    try:
        kept = msgspec.json.decode((folder / FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return ViewState()
    if not isinstance(kept, dict):
        return ViewState()
    known = {name: kept[name] for name, kind in _KINDS.items() if isinstance(kept.get(name), kind)}
    return ViewState(**known)


def save_view(folder: Path, view: ViewState) -> None:
    """Replace the file in one step. A folder that cannot be written is no fault."""
    import tempfile  # 1 ms, when something is kept

    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=FILE)
        try:
            with open(descriptor, "wb") as file:
                file.write(msgspec.json.encode(view))
            os.replace(name, folder / FILE)
        except OSError:
            with suppress(OSError):
                os.unlink(name)
