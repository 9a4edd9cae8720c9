"""What failed as a tree that is unfolded step by step: reasons, messages and prefixes, keys."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.model.logs import FAILED_TYPE, FailureGroup, FailuresView

Path = tuple[str, ...]
"""Where an entry stands: its type; then `message` or `prefix` and which; then which key."""

MESSAGE, PREFIX, SPAN = "message", "prefix", "span"


class Entry(msgspec.Struct, frozen=True):
    """One line of the tree. text: exactly as the API sent it. count: objects, None for one alone.

    opens: it holds others.
    """

    path: Path
    group: FailureGroup
    text: str
    count: int | None = None
    opens: bool = False

    @property
    def is_group(self) -> bool:
        """It is a reason."""
        return len(self.path) == 1

    @property
    def is_key(self) -> bool:
        """It is an example."""
        return len(self.path) == 4


class FailureScene(msgspec.Struct, frozen=True, eq=False):
    """What failed, and how it is looked at. cursor: the highlighted entry. opened: the unfolded."""

    view: FailuresView
    cursor: Path = ()
    opened: frozenset[Path] = frozenset()

    @property
    def log_type(self) -> str:
        """The type of the rows that the highlighted entry is about; else that of failed objects."""
        return self.cursor[0] if self.cursor else FAILED_TYPE


def entries(scene: FailureScene) -> tuple[Entry, ...]:
    """Every entry that is in sight, in order."""
    return tuple(entry for group in scene.view.groups for entry in _of_group(group, scene))


def _of_group(group: FailureGroup, scene: FailureScene) -> Iterator[Entry]:
    path = (group.log_type,)
    yield Entry(path, group, group.log_type, group.count, opens=True)
    if path not in scene.opened:
        return
    yield Entry((*path, SPAN, ""), group, "")
    for text, count in group.messages:
        yield Entry((*path, MESSAGE, text), group, text, count)
    for prefix in group.prefixes:
        inner = (*path, PREFIX, prefix.prefix)
        yield Entry(inner, group, prefix.prefix, prefix.count, opens=bool(prefix.examples))
        if inner in scene.opened:
            yield from (Entry((*inner, key), group, key) for key in prefix.examples)


def see(scene: FailureScene, view: FailuresView) -> FailureScene:
    """Take in a newer view; the cursor stays on its entry, or goes to what holds it."""
    return _placed(replace(scene, view=view))


def _placed(scene: FailureScene) -> FailureScene:
    """Let the cursor stand on what is in sight: its entry, the nearest that holds it, the first."""
    paths = [entry.path for entry in entries(scene)]
    sizes = (len(scene.cursor), 3, 1)
    wanted = (scene.cursor[:size] for size in sizes if size <= len(scene.cursor))
    cursor = next((path for path in wanted if path in paths), paths[0] if paths else ())
    return replace(scene, cursor=cursor)


def current(scene: FailureScene) -> Entry | None:
    """The highlighted entry."""
    return next((entry for entry in entries(scene) if entry.path == scene.cursor), None)


def move(scene: FailureScene, step: int) -> FailureScene:
    """Go so many entries down, as far as there are any."""
    paths = [entry.path for entry in entries(scene)]
    if not paths:
        return scene
    place = paths.index(scene.cursor) if scene.cursor in paths else 0
    return replace(scene, cursor=paths[max(0, min(place + step, len(paths) - 1))])


def unfold(scene: FailureScene) -> FailureScene:
    """Show what the highlighted entry holds."""
    entry = current(scene)
    if entry is None or not entry.opens:
        return scene
    return replace(scene, opened=scene.opened | {entry.path})


def fold(scene: FailureScene) -> FailureScene:
    """Hide what the highlighted entry holds; where it holds nothing, go to what holds it."""
    if scene.cursor in scene.opened:
        return replace(scene, opened=scene.opened - {scene.cursor})
    outer = scene.cursor[:3] if len(scene.cursor) > 3 else scene.cursor[:1]
    return _placed(replace(scene, cursor=outer))
