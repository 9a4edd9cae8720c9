"""The themes. Checking a theme's name in the configuration does not import the screens.

They use quiet greys and one accent; every other colour shows a job's status, beside its sign and
its word. Each of these colours is readable (WCAG AA) also on the highlighted row. `auto` is the
dark or the light theme, like the terminal's background; the dark one where that is unknown, and
the terminal's own colours where it has 16.
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
    success="#187238",
    warning="#8f5a00",
    error="#bf2f2a",
    foreground="#1f2730",
    background="#fcfcfa",
    surface="#f1f2f3",
    panel="#e2e4e7",
)

CONTRAST_DARK = Theme(
    name="slurper-contrast-dark",
    dark=True,
    primary="#8cc8ff",
    secondary="#d0c0ff",
    accent="#8cc8ff",
    success="#7df09a",
    warning="#ffd75f",
    error="#ffa0a0",
    foreground="#ffffff",
    background="#000000",
    surface="#101010",
    panel="#2a2a2a",
)

CONTRAST_LIGHT = Theme(
    name="slurper-contrast-light",
    dark=False,
    primary="#003f8a",
    secondary="#4a2aa0",
    accent="#003f8a",
    success="#004d1a",
    warning="#5c3600",
    error="#8a0010",
    foreground="#000000",
    background="#ffffff",
    surface="#f4f4f4",
    panel="#dcdcdc",
)

COLOUR_BLIND_DARK = replace(
    DARK,
    name="slurper-colour-blind-dark",
    primary="#56b4e9",
    secondary="#cc79a7",
    accent="#56b4e9",
    success="#dfe9f2",
    warning="#f0d442",
    error="#f0803c",
)
"""The colours differ in brightness and between blue and yellow, not between red and green."""

COLOUR_BLIND_LIGHT = replace(
    LIGHT,
    name="slurper-colour-blind-light",
    primary="#1b51d5",
    secondary="#5b1382",
    accent="#1b51d5",
    success="#1d4943",
    warning="#736205",
    error="#5b290f",
)

SIXTEEN = replace(
    BUILTIN_THEMES["ansi-dark"],
    name="slurper-16",
    primary="ansi_blue",
    secondary="ansi_magenta",
    accent="ansi_cyan",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
)
"""The terminal's own colours, as its user has chosen them."""

AUTO = "auto"
DEFAULT = AUTO


def auto_theme(*, light: bool = False, sixteen: bool = False) -> Theme:
    """Return the theme `auto` for a background. sixteen: the terminal has 16 colours."""
    like = SIXTEEN if sixteen else LIGHT if light else DARK
    return replace(like, name=AUTO)


THEMES = (
    *(DARK, LIGHT, CONTRAST_DARK, CONTRAST_LIGHT, COLOUR_BLIND_DARK, COLOUR_BLIND_LIGHT, SIXTEEN),
    auto_theme(),
)


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
