"""The console script: the command line in, an exit code out, and one line for whatever goes wrong.

Only what `--help` needs is imported here; it has to answer at once.
"""

import gc
import os
import sys
import time

from slurper_tui.cli.errors import ExitCode, Stop
from slurper_tui.cli.parser import PROG, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from slurper_tui.cli.context import Surroundings


def main() -> "NoReturn":
    """Run the program with the process's own arguments, and leave nothing behind."""
    _fill_closed_descriptors()
    # What is imported stays: to look for garbage in it would be a fifteenth of the start. Whatever
    # runs for long looks again, and more seldom: see `collect_again`.
    gc.disable()
    _finish(run(sys.argv[1:]))


def run(arguments: "Sequence[str]", around: "Surroundings | None" = None) -> int:
    """Run one command line and give its exit code; no exception leaves it."""
    try:
        return _run(arguments, around)
    except Stop as stop:
        _complain(stop.line, around)
        return stop.code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except SystemExit as end:  # argparse, after --help
        return end.code if isinstance(end.code, int) else ExitCode.OK
    except BaseException as error:
        return _crashed(error, around)


def _crashed(error: BaseException, around: "Surroundings | None") -> int:
    """Write a report; where the program has been replaced while it ran, say just that."""
    try:
        from slurper_tui.cli.diagnostics import crashed  # only when something is wrong
    except ImportError:
        kind = type(error).__name__
        _complain(f"{kind}: a part of the program is missing; was it replaced meanwhile?", around)
        return ExitCode.BUG
    try:
        return crashed(error, around)
    except Exception as second:
        kinds = f"{type(error).__name__}, then {type(second).__name__}"
        _complain(f"this is a bug: {kinds}; no report could be written", around)
        return ExitCode.BUG


def _run(arguments: "Sequence[str]", around: "Surroundings | None") -> int:
    options = parse(arguments)
    if getattr(options, "version", False):
        from importlib import metadata  # 15 ms

        from slurper_tui.cli.output import Output  # which knows full disks and closed pipes

        out, err = (around.out, around.err) if around else (sys.stdout, sys.stderr)
        Output(out, err, ascii_only=False).line(f"{PROG} {metadata.version(PROG)}")
        return ExitCode.OK
    _check_clock()
    from slurper_tui.cli.context import here  # asyncio and all that follows
    from slurper_tui.cli.run import perform  # asyncio and all that follows

    return perform(options, around or here())


def _check_clock() -> None:
    """Raise Stop for a time that Python cannot tell: not even its library can be imported then."""
    try:
        when = "before 1970" if time.time() < 0 else ""
    except OverflowError:  # it counts nanoseconds in 64 bits
        when = "after 2262"
    if when:
        raise Stop(f"the clock of this system says that it is {when}: set it first")


def _complain(line: str, around: "Surroundings | None") -> None:
    if line:
        from slurper_tui.cli.output import say  # only when something is wrong

        say(around.err if around else sys.stderr, line)


def _fill_closed_descriptors() -> None:
    """Keep what the program opens later from becoming standard input, output or error."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return


def _finish(code: int) -> "NoReturn":
    """Write what is left and end at once: taking everything apart would take a tenth of `jobs`."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        pass  # nobody reads it any more: that is no fault
    except OSError as error:
        if code == ExitCode.OK:  # else it was said already
            _complain(f"cannot write to standard output: {error.strerror}", None)
            code = ExitCode.USAGE
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        pass  # nobody is there to be told
    os._exit(code)
