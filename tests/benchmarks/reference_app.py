"""A minimal Textual app: one line on the screen."""

from textual.app import App, ComposeResult
from textual.widgets import Static


class OneLine(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("one line")


if __name__ == "__main__":
    OneLine().run()
