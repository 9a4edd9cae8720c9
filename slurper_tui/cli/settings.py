"""Checks the webhook's URL, and the settings whose words the screen defines.

The names are those of the modules that draw, so checking them imports Textual; only a setting that
is there is checked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from slurper_tui.config import Config, nearest, place_before

if TYPE_CHECKING:
    from textual.binding import Binding

    from slurper_tui.monitor.model.base import Window


def mistakes_of_screen(config: Config) -> Iterator[str]:
    """Yield a line for each unknown word, and for keys that clash on a screen."""
    if config.theme is not None:
        from slurper_tui.tui.themes import theme_names

        yield from _unknown(config, "theme", [config.theme], theme_names())
    if config.columns or config.sort is not None:
        from slurper_tui.tui.render.columns import COLUMNS, SORTS

        names = [column.name for column in COLUMNS]
        yield from _unknown(config, "columns", config.columns, names, "column")
        sort = [] if config.sort is None else [config.sort.removeprefix("-")]
        yield from _unknown(config, "sort", sort, list(filter(None, SORTS)), "column to sort by")
    if config.window is not None:
        from slurper_tui.monitor.model.base import Window

        known = [window.words for window in Window]
        yield from _unknown(config, "window", [config.window], known)
    if config.keys:
        yield from _key_mistakes(config)


def mistakes_of_notify(config: Config) -> Iterator[str]:
    """Yield a line if events may not be sent to the webhook's URL."""
    if config.notify.url is None:
        return
    from slurper_tui.api.errors import BadSetting
    from slurper_tui.api.webhook import check_webhook

    try:
        check_webhook(config.notify.url)
    except BadSetting as error:
        yield f"{place_before(config, 'notify', 'url')}url: {error}"


def window_of(config: Config) -> Window:
    """Return the period of the charts at the start, whose words are known."""
    from slurper_tui.monitor.model.base import Window

    chosen = (window for window in Window if window.words == config.window)
    return next(chosen, Window.HOUR)


def _unknown(
    config: Config, key: str, names: Sequence[str], known: Collection[str], what: str = ""
) -> Iterator[str]:
    for name in names:
        if name not in known:
            place = place_before(config, key)
            yield f"{place}unknown {what or key} {name!r}{nearest(name, known)}"


def _key_mistakes(config: Config) -> Iterator[str]:
    from slurper_tui.tui.keys import (
        FAILURE_KEYS,
        LOG_KEYS,
        MAIN_KEYS,
        REPLAY_KEYS,
        VERIFY_KEYS,
    )

    screens = ((*MAIN_KEYS, *REPLAY_KEYS), LOG_KEYS, FAILURE_KEYS, VERIFY_KEYS)
    ids = list(dict.fromkeys(b.id for keys in screens for b in keys if b.id))
    unknown = [id for id in config.keys if id not in ids]
    for id in unknown:
        yield f"{place_before(config, 'keys', id)}unknown key id {id!r}{nearest(id, ids)}"
    found = [clash for keys in screens for clash in _clashes(config, keys)]
    yield from dict.fromkeys(found)


def _clashes(config: Config, bindings: Sequence[Binding]) -> Iterator[str]:
    """Yield a line for a key that has two bindings on one screen, and for an empty key."""
    owners: dict[str, str] = {}
    bound = sorted(bindings, key=lambda binding: binding.id in config.keys)
    for id, keys in ((b.id or "", config.keys.get(b.id or "", b.key)) for b in bound):
        for key in (part.strip() for part in keys.split(",")):
            other = owners.setdefault(key, id)
            if key and other == id:
                continue
            what = f"key {key!r} is {other}'s already" if key else "an empty key"
            yield f"{place_before(config, 'keys', id)}{id}: {what}"
