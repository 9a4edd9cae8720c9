"""`python -m tests.benchmarks.keyboard --seconds 3600`: random input for a time in CPU seconds.

Each sequence is either a mixture of keys and noise, cut anywhere, with expected keys, or random
bytes and fragments, after which Ctrl-C must be recognised. The first failure is printed with its
number and ends the run with exit code 1; `--first` starts with that number.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from random import Random

from tests.terminal_input import (
    KEYS,
    LONG,
    NOISE,
    PAUSE,
    RELEASES,
    SHORT,
    Piece,
    names,
    scenario,
    typed,
)

_GAPS = (0.0, 0.0, SHORT, 0.4, PAUSE, LONG)
_FRAGMENTS = [*KEYS, *NOISE, *RELEASES, b"\x1b", b"\x1b[200~", b"\x1b[201~", b"\x1b]", b"\x1bP"]
_CTRL_C = (b"\x03", b"\x1b[99;5u", b"\x1b[99;133u")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.keyboard")
    parser.add_argument("--seconds", type=float, default=60.0, help="of CPU (60)")
    parser.add_argument("--first", type=int, default=0, help="number of the first sequence (0)")
    options = parser.parse_args()
    started, size = time.process_time(), 0
    for number in itertools.count(options.first):
        pieces, wrong = _try(Random(number))
        size += sum(len(piece.data) for piece in pieces)
        if wrong:
            sys.stdout.write(f"sequence {number}: {wrong}\n{pieces}\n")
            return 1
        if time.process_time() - started >= options.seconds:
            break
    tried = number - options.first + 1
    sys.stdout.write(f"{tried:,} sequences of {size:,} bytes: every key as expected\n")
    return 0


def _try(random: Random) -> tuple[list[Piece], str]:
    """Return one sequence, and a description of its failure; "" for none."""
    if random.random() < 0.5:
        pieces, expected = scenario(random)
        known = True
    else:
        pieces, expected, known = _soup(random), ["ctrl+c"], False
    try:
        keys = names(typed(pieces) if known else typed(pieces)[-3:])
    except Exception as error:
        return pieces, repr(error)
    right = keys == expected if known else "ctrl+c" in keys
    return pieces, "" if right else f"{keys} instead of {expected}"


def _soup(random: Random) -> list[Piece]:
    """Return random bytes and fragments of known sequences, then a separate Ctrl-C."""
    pieces = [Piece(random.choice(_GAPS), _chunk(random)) for _ in range(random.randint(0, 12))]
    return [*pieces, Piece(random.choice(_GAPS), random.choice(_CTRL_C))]


def _chunk(random: Random) -> bytes:
    kind = random.randrange(4)
    if kind == 0:
        return random.randbytes(random.randint(1, 12))
    data = random.choice(_FRAGMENTS)
    if kind == 1:
        return data[: random.randint(1, len(data))]
    if kind == 2:
        place = random.randrange(len(data))
        return data[:place] + random.randbytes(1) + data[place + 1 :]
    return data


if __name__ == "__main__":
    sys.exit(main())
