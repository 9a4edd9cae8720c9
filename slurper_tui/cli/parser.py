"""The command line as argparse understands it: which command, and one parser for each."""

import argparse
from collections.abc import Callable, Sequence

from slurper_tui.cli import grammar, grammar_writing
from slurper_tui.cli.arguments import MASK, PROG, Parser
from slurper_tui.cli.exit_codes import Stop

MONITOR = ""
"""The name of the command without a name."""

_VALUES = frozenset(
    {
        *("--account", "--interval", "--theme", "--config", "--log", "--status", "--deadline"),
        *("--since", *grammar.VALUES, *grammar_writing.VALUES),
    }
)
_LATER = ("wait", "replay", "doctor", "help")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; `command` is MONITOR or a command's name. Raises Stop."""
    name, rest = split_command(arguments)
    options = _PARSERS[name]().parse_intermixed_args(_masked(rest))
    for option, value in vars(options).items():
        setattr(options, option, _unmasked(value))
    options.command = name
    return options


def _masked(arguments: Sequence[str]) -> list[str]:
    """Mark the words behind `--`, so that none is taken for an option; no argument holds NUL."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return [*arguments[:place], *(f"{MASK}{word}" for word in arguments[place + 1 :])]


def _unmasked(value: object) -> object:
    if isinstance(value, list):
        return [_unmasked(item) for item in value]
    return value.removeprefix(MASK) if isinstance(value, str) else value


def split_command(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Take the command out of the arguments, wherever the options left it.

    Raises Stop when the first word is no command but meant as one.
    """
    place = _first_word(arguments)
    if place is None:
        return MONITOR, list(arguments)
    word = arguments[place]
    if word in _PARSERS:
        return word, [*arguments[:place], *arguments[place + 1 :]]
    _refuse_likely_command(word)
    return MONITOR, list(arguments)


def _first_word(arguments: Sequence[str]) -> int | None:
    """Where the first word stands that is neither an option nor an option's value."""
    skip = False
    for place, text in enumerate(arguments):
        if skip:
            skip = False
        elif text == "--":
            return None
        elif text.startswith("-") and text != "-":
            skip = text in _VALUES
        else:
            return place
    return None


def _refuse_likely_command(word: str) -> None:
    """Any word may be the beginning of a job's id, but hardly one that nearly is a command."""
    import difflib  # 4 ms, only when something is wrong

    known = [name for name in _PARSERS if name]
    if word in _LATER:
        near = difflib.get_close_matches(word, known, 1, cutoff=0.0)
    else:
        near = difflib.get_close_matches(word, known, 1, cutoff=0.7)
    if near:
        raise Stop(f"unknown command {word!r}; the nearest is {near[0]!r} (see {PROG} --help)")


_PARSERS: dict[str, Callable[[], Parser]] = {
    MONITOR: grammar.monitor,
    "jobs": grammar.jobs,
    "progress": grammar.progress,
    "watch": grammar.watch,
    "history": grammar.history,
    "digest": grammar.digest,
    "logs": grammar.logs,
    "failures": grammar.failures,
    "report": grammar.report,
    **grammar_writing.PARSERS,
}
