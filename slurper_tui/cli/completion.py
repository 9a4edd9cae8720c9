"""Completion scripts for shells, generated from the declarations of the parser."""

from __future__ import annotations

from collections.abc import Iterable

from slurper_tui.cli.parser import COMMANDS, COMMON, OF_MONITOR, PROG, Argument

# The function uses no arrays of the shell's own, which zsh counts from 1.
_BASH = """_slurper_tui() {{
    local options command= previous= word
    for word in ${{COMP_LINE% *}}; do
        case "$previous" in
            {valued}) ;;
            *) case "$word" in {commands}) command=$word; break ;; esac ;;
        esac
        previous=$word
    done
    case "$command" in
{cases}
        *) options="{first}" ;;
    esac
    COMPREPLY=($(compgen -W "$options" -- "$2"))
}}
complete -o default -F _slurper_tui {prog}
"""
_ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"


def completion_script(shell: str) -> str:
    """Return the script for `bash`, `zsh` or `fish`."""
    if shell == "fish":
        return "".join(_fish_lines())
    cases = (
        f'        {name}) options="{_words((*COMMON, *command.arguments))}" ;;'
        for name, command in COMMANDS.items()
    )
    script = _BASH.format(
        valued="|".join(name for a in (*COMMON, *OF_MONITOR) if a.takes_word for name in a.names),
        commands="|".join(COMMANDS),
        cases="\n".join(cases),
        first=f"{' '.join(COMMANDS)} {_words((*COMMON, *OF_MONITOR))}",
        prog=PROG,
    )
    return _ZSH + script if shell == "zsh" else script


def _words(arguments: Iterable[Argument]) -> str:
    """Return the names of options, and the words that an operand may be."""
    words = ["--help"]
    for argument in arguments:
        options = [name for name in argument.names if name.startswith("-")]
        words += options or argument.settings.get("choices", ())
    return " ".join(words)


def _fish_lines() -> Iterable[str]:
    for name, command in COMMANDS.items():
        what = _quoted(command.summary)
        yield f"complete -c {PROG} -n __fish_use_subcommand -a {name} -d {what}\n"
    forms: list[tuple[str, tuple[Argument, ...]]] = [("", (*COMMON, *OF_MONITOR))]
    forms += [(name, command.arguments) for name, command in COMMANDS.items()]
    for name, arguments in forms:
        where = f" -n '__fish_seen_subcommand_from {name}'" if name else ""
        for argument in arguments:
            if argument.names[0].startswith("--"):
                value = " -r" if argument.takes_word else ""
                what = _quoted(str(argument.settings["help"]))
                yield f"complete -c {PROG}{where} -l {argument.names[0][2:]}{value} -d {what}\n"


def _quoted(text: str) -> str:
    """Return the text in single quotes, as fish reads it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
