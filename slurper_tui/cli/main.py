"""The console script: run a command line, print one line for any error, return an exit code.

Import at module level only what `--help` needs, so that it answers at once.
"""

import gc
import os
import sys
import time

from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.cli.parser import PROG, SHELLS, parse, write_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import NoReturn

    from slurper_tui.cli.context import Process


def main() -> "NoReturn":
    """Run the program with `sys.argv` and end the process with its exit code."""
    # Descriptors 0 to 2 that are closed become /dev/null, so that no later file gets them.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    # Imported objects live until the end: collecting garbage among them would take 1/15 of the
    # start-up time. `enable_garbage_collection` turns the collector on again in long runs, with
    # higher thresholds.
    gc.disable()
    _finish(run(sys.argv[1:]))


def run(arguments: "Sequence[str]", process: "Process | None" = None) -> int:
    """Run one command line and return its exit code; never raise."""
    try:
        options = parse(arguments)
        if options.command == "help":
            from slurper_tui.cli.help import help_text, man_page

            text = man_page(_version()) if options.man else help_text(options.topic)
            write_text(text, process.out if process else sys.stdout)
            return ExitCode.OK
        if options.command == "metrics" and (options.dashboard or options.rules):
            from slurper_tui.cli.help import file_text

            name = "dashboard.json" if options.dashboard else "rules.yaml"
            write_text(file_text(name), process.out if process else sys.stdout)
            return ExitCode.OK
        if options.command == "completion" or getattr(options, "version", False):
            return _print_text(options, process)
        _check_clock()
        # These import asyncio and most of the program.
        from slurper_tui.cli.context import this_process
        from slurper_tui.cli.run import perform

        return perform(options, process or this_process())
    except CliError as error:
        for line in (error.line, *error.more):
            _print_error(line, process)
        return error.code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except SystemExit as end:  # argparse, after --help
        return end.code if isinstance(end.code, int) else ExitCode.OK
    except BaseException as error:
        return _crashed(error, process)


def _crashed(error: BaseException, process: "Process | None") -> int:
    """Write a crash report and return the exit code.

    An ImportError means that the program's files were replaced while it ran: print one line.
    """
    try:
        from slurper_tui.cli.diagnostics import crashed  # only after an error
    except ImportError:
        kind = type(error).__name__
        _print_error(
            f"{kind}: a part of the program is missing; was the program replaced meanwhile?",
            process,
        )
        return ExitCode.BUG
    try:
        return crashed(error, process)
    except Exception as second:
        kinds = f"{type(error).__name__}, then {type(second).__name__}"
        _print_error(f"this is a bug: {kinds}; no report could be written", process)
        return ExitCode.BUG


def _print_text(options: "argparse.Namespace", process: "Process | None") -> ExitCode:
    """Print the version, the completion script of a shell, or the words that it completes."""
    from slurper_tui.cli.output import Output  # handles full disks and closed pipes

    out, err = (process.out, process.err) if process else (sys.stdout, sys.stderr)
    output = Output(out, err, ascii_only=False)
    if options.command == "completion":
        from slurper_tui.cli.completion import script, words  # shtab and the history: 60 ms
        from slurper_tui.cli.context import this_process

        if options.shell in SHELLS:
            output.exact(script(options.shell))
        else:
            process = process or this_process()
            for line in words(options.shell, options, process):
                output.exact(line + "\n")
    else:
        output.line(f"{PROG} {_version()}")
    return ExitCode.OK


def _version() -> str:
    from importlib import metadata  # 15 ms

    return metadata.version(PROG)


def _check_clock() -> None:
    """Raise CliError for a time that Python cannot represent: its library fails to import then."""
    try:
        when = "before 1970" if time.time() < 0 else ""
    except OverflowError:  # it counts nanoseconds in 64 bits
        when = "after 2262"
    if when:
        raise CliError(f"the clock of this system says that it is {when}: set it first")


def _print_error(line: str, process: "Process | None") -> None:
    if line:
        from slurper_tui.cli.output import write_note  # only after an error

        write_note(process.err if process else sys.stderr, line)


def _finish(code: int) -> "NoReturn":
    """Flush the output and exit without interpreter cleanup, which takes a tenth of `jobs`."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        pass  # the reader has closed the pipe: not an error
    except OSError as error:
        if code == ExitCode.OK:  # any other code was already explained
            from slurper_tui.cli.output import unwritable  # only after an error

            _print_error(unwritable(error).line, None)
            code = ExitCode.USAGE
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        pass  # there is no other place to report it
    os._exit(code)
