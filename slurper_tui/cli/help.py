"""`slurper-tui help`: the help of the program, of one command, or of a topic; the manual page.

A topic is a text file in `slurper_tui/help/`, at most 78 columns wide, so that it is there offline.
Import only what `--help` needs.
"""

from __future__ import annotations

from pathlib import Path

from slurper_tui.cli.errors import CliError
from slurper_tui.cli.parser import (
    COMMANDS,
    COMMON,
    EPILOG,
    OF_MONITOR,
    PROG,
    TOPICS,
    Argument,
    make_command_parser,
    make_parser,
    nearest,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


FOLDER = Path(__file__).parent.parent / "help"
FILES = FOLDER.parent / "prometheus"
"""The Grafana dashboard and the alert rules, which `metrics` prints."""


def file_text(name: str) -> str:
    """Return the text of one of `FILES`."""
    return (FILES / name).read_text(encoding="utf-8")


def help_text(word: str | None) -> str:
    """Return the help of a topic or a command; None: of the program. Raises CliError.

    `config` is both: the topic has more, and the command has its `--help`. `metrics` ends with the
    alert rules and the place of the dashboard. A status word gets the list of all of them.
    """
    if word is None:
        return make_parser(declared=())[0].format_help()
    if word == "metrics":
        dashboard = f"The dashboard for Grafana is this file:\n  {FILES / 'dashboard.json'}\n"
        return f"{_topic(word)}\nThe alert rules:\n\n{file_text('rules.yaml')}\n{dashboard}"
    if word in TOPICS:
        return _topic(word)
    if word in COMMANDS:
        return make_command_parser(word).format_help()
    words, signs = _status_words()
    if word in words:
        return f"{signs}\nMore: {PROG} help keys, {PROG} help forecast\n"
    close = nearest(word, [*TOPICS, *COMMANDS, *words], cutoff=0.0)
    raise CliError(f"no help for {word!r}; the nearest is {close!r} (see {PROG} help)")


def _topic(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def _status_words() -> tuple[list[str], str]:
    """Return the status words, and the end of the topic `keys`, which explains them."""
    title = "Signs and status words"
    _, title, explained = _topic("keys").partition(title)
    lines = (line.split() for line in explained.splitlines() if line[2:3].strip())
    return [word for _, _, word, *_ in lines if word.isalpha()], title + explained


def man_page(version: str) -> str:
    """Return the manual page of the program in roff, from the same declarations as `--help`."""
    whole = make_parser(declared=())[0]
    lines = [
        f'.TH {PROG.upper()} 1 "" "{_roff(PROG)} {_roff(version)}" "User Commands"',
        ".SH NAME",
        f"{_roff(PROG)} \\- {_roff('monitor of Cloudflare R2 Super Slurper jobs')}",
        ".SH SYNOPSIS",
        *_preformatted(line.strip() for line in (whole.usage or "").split("\n")),
        ".SH DESCRIPTION",
        _roff(whole.description or ""),
        ".SH OPTIONS",
        "Of every command:",
        *_arguments(COMMON),
        ".PP",
        "Of the monitor alone:",
        *_arguments(OF_MONITOR),
        ".SH COMMANDS",
    ]
    for name, command in COMMANDS.items():
        lines += [f".SS {_roff(name)}"]
        lines += _preformatted([f"{PROG} {name} {form}" for form in command.usage])
        lines += [".PP", _roff(command.description), *_arguments(command.arguments)]
        lines += _text(command.epilog)
    lines += [".SH TOPICS", f"Texts that {_roff(PROG)} help TOPIC prints:"]
    for topic, about in TOPICS.items():
        lines += [".TP", f"\\fB{_roff(topic)}\\fR", _roff(about)]
    for section in EPILOG.split("\n\n")[1:]:
        title, _, rest = section.partition(":\n")
        lines += [f".SH {_roff(title.upper())}", *_text(rest)]
    return "\n".join(lines) + "\n"


def _arguments(arguments: Iterable[Argument]) -> Iterator[str]:
    """Yield a tagged paragraph for each argument."""
    for argument in arguments:
        names = [name for name in argument.names if name.startswith("-")]
        value = argument.settings.get("metavar", "")
        tag = ", ".join(f"\\fB{_roff(name)}\\fR" for name in names)
        yield ".TP"
        yield f"{tag} \\fI{_roff(value)}\\fR".strip() if value else tag
        yield _roff(argument.settings["help"])


def _text(text: str) -> Iterator[str]:
    """Yield paragraphs; as in `--help`, indented lines are commands or tables, and kept."""
    for line in text.splitlines():
        if line.startswith(" "):
            yield from _preformatted([line])
        elif line:
            yield from (".PP", _roff(line))


def _preformatted(lines: Iterable[str]) -> Iterator[str]:
    yield from (".nf", *map(_roff, lines), ".fi")


def _roff(text: str) -> str:
    """Escape what roff would interpret in a line of text."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
