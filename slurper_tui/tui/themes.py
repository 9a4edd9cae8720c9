"""Our two themes: quiet greys, one blue accent, and colours that only say how a job is."""

from __future__ import annotations

from textual.theme import Theme

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

DEFAULT = DARK.name
