"""`slurper-tui help`: the help of the program, of one command, or of a topic.

A topic is a text file in `slurper_tui/help/`, at most 78 columns wide, so that it is there offline.
Import only what `--help` needs.
"""

from __future__ import annotations

from pathlib import Path

from slurper_tui.cli.errors import CliError
from slurper_tui.cli.parser import COMMANDS, PROG, TOPICS, make_parser, nearest

FOLDER = Path(__file__).parent.parent / "help"


def help_text(word: str | None) -> str:
    """Return the help of a topic or a command; None: of the program. Raises CliError.

    `config` is both: the topic has more, and the command has its `--help`.
    """
    if word is None:
        return make_parser(declared=())[0].format_help()
    if word in TOPICS:
        return (FOLDER / f"{word}.txt").read_text(encoding="utf-8")
    if word in COMMANDS:
        return make_parser([word])[1][word].format_help()
    close = nearest(word, [*TOPICS, *COMMANDS], cutoff=0.0)
    raise CliError(f"no help for {word!r}; the nearest is {close!r} (see {PROG} help)")
