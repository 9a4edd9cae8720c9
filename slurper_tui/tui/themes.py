"""The themes. Checking a theme's name in the configuration does not import the screens.

Both themes use quiet greys and one blue accent; every other colour shows a job's status.
"""

from __future__ import annotations

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

THEMES = (DARK, LIGHT)
DEFAULT = DARK.name


def theme_names() -> frozenset[str]:
    """Return the names of our own themes and of Textual's."""
    return frozenset({*BUILTIN_THEMES, *(theme.name for theme in THEMES)})
