"""What an empty list says: what is being read, what to do, or why nothing matches."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len

from slurper_tui.monitor.model.job import AccountView, Snapshot
from slurper_tui.tui.render.columns import short_id
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, wrap
from slurper_tui.tui.scene import Scene

_HOW_TO_START = (
    "There are no Super Slurper jobs here yet.",
    "",
    "Make one here: press : and choose “new”,",
    "or in the Cloudflare dashboard:",
    "R2 Object Storage → Data Migration → Migrate files.",
    "",
    "It will appear here by itself.",
)


def notice_lines(scene: Scene, look: Look, width: int) -> tuple[Line, ...]:
    """Give the lines that stand where jobs would."""
    texts = _texts(scene, look)
    wrapped = (part for text in texts for part in wrap_words(look.glyphs.say(text), width))
    return tuple(
        (Piece(text, "strong" if number == 0 else "muted"),) for number, text in enumerate(wrapped)
    )


def _texts(scene: Scene, look: Look) -> tuple[str, ...]:
    snapshot = scene.snapshot
    if snapshot is None:
        return ("Asking for the job list …",)
    if scene.total:
        return _nothing_matches(scene, look)
    if all(account.listed for account in snapshot.accounts):
        return _HOW_TO_START
    return tuple(_reading(snapshot, look))


def _nothing_matches(scene: Scene, look: Look) -> tuple[str, ...]:
    if scene.filter_text:
        return (f"No job matches “{look.glyphs.clean(scene.filter_text)}”.", "", "Esc clears it.")
    return ("All jobs have ended.", "", "They are hidden: press a to show them.")


def _reading(snapshot: Snapshot, look: Look) -> Iterator[str]:
    for account in snapshot.accounts:
        if not account.listed:
            yield _account_reading(account, look)


def _account_reading(account: AccountView, look: Look) -> str:
    name = short_id(account.account_id, look, 12)
    if account.problem:
        return f"The job list of account {name} cannot be read; trying again."
    return f"Reading the job list of account {name}: page {account.pages + 1}"


def wrap_words(text: str, width: int) -> list[str]:
    """Break text at blanks so that it fits `width` cells, and a word that does not fit anywhere."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
        else:
            lines.extend(wrap(word, width))
    return [line for line in lines if line] or [""]
