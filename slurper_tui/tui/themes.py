"""The themes. Checking a theme's name in the configuration does not import the screens.

Both themes use quiet greys and one blue accent; every other colour shows a job's status. `auto` is
the dark or the light one, like the terminal's background; the dark one where that is unknown.
"""

from __future__ import annotations

from dataclasses import replace

from textual.theme import BUILTIN_THEMES, Theme

DARK = Theme(
    name="slurper-dark",
    dark=True,
    primary="#6cb6ff",
    secondary="#b09cf0",
    accent="#6cb6ff",
    success="#6bc77e",
    warning="#e0af4b",
    error="#f2777a",
    foreground="#d9dce1",
    background="#121416",
    surface="#1b1d20",
    panel="#242629",
)

LIGHT = Theme(
    name="slurper-light",
    dark=False,
    primary="#0b62b8",
    secondary="#6b4fc4",
    accent="#0b62b8",
    success="#1c7a3a",
    warning="#8f5a00",
    error="#bf2f2a",
    foreground="#1f2730",
    background="#fcfcfa",
    surface="#f1f2f3",
    panel="#e2e4e7",
)

AUTO = "auto"
DEFAULT = AUTO


def auto_theme(*, light: bool) -> Theme:
    """Return the theme `auto` for a light or a dark background."""
    return replace(LIGHT if light else DARK, name=AUTO)


THEMES = (DARK, LIGHT, auto_theme(light=False))


def theme_names() -> frozenset[str]:
    """Return the names of our own themes and of Textual's."""
    return frozenset({*BUILTIN_THEMES, *(theme.name for theme in THEMES)})


_MIDDLE = 0.179
"""The relative luminance at which black and white text have the same contrast."""


def luminance(red: float, green: float, blue: float) -> float:
    """Return the relative luminance, 0 to 1, by WCAG 2; each part of the colour is 0 to 1."""
    return 0.2126 * _linear(red) + 0.7152 * _linear(green) + 0.0722 * _linear(blue)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def is_light(red: float, green: float, blue: float) -> bool:
    """Return whether black text is easier to read on a background than white text."""
    return luminance(red, green, blue) > _MIDDLE
