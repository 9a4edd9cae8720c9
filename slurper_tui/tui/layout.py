"""How the panes stand at a given size of the terminal."""

from __future__ import annotations

from textual.geometry import Size


def layout_for(size: Size) -> frozenset[str]:
    """Give the screen's classes: side by side, stacked, the list alone, or one line."""
    if size.width < 30 or size.height < 6:
        return frozenset({"-tiny"})
    if size.width >= 100 and size.height >= 16:
        return frozenset({"-side", "-spacious"} if size.width >= 160 else {"-side"})
    if size.width >= 60 and size.height >= 18:
        return frozenset({"-stacked", "-low"} if size.height < 24 else {"-stacked"})
    return frozenset({"-single"})


LAYOUTS = ("-tiny", "-side", "-spacious", "-stacked", "-low", "-single")


def layout_classes(size: Size) -> dict[str, bool]:
    """Say of every class of a layout whether the screen has it."""
    classes = layout_for(size)
    return {name: name in classes for name in LAYOUTS}
