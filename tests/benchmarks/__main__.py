"""`python -m tests.benchmarks`: measure every figure of the budget beside its reference.

From the root of the repository, where the project is installed with its `test` extra. Takes about
eight minutes on an idle machine, a minute of which is the CPU figure's by definition.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

from tests.benchmarks.figure import Figure
from tests.benchmarks.figures import MEASURES, Effort, effort_for

HEAD = ("figure", "ours", "reference", "ratio", "budget", "")


def main() -> int:
    options = _arguments()
    names = options.only or list(MEASURES)
    with effort_for(options.runs, options.window) as effort:
        figures = [figure for name in names for figure in _measured(name, effort)]
    if options.json:
        told = [{**dataclasses.asdict(figure), "ok": figure.ok} for figure in figures]
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(table(figures)) + "\n")
    return 0 if all(figure.ok for figure in figures) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=list(MEASURES), metavar="NAME", help=", ".join(MEASURES)
    )
    parser.add_argument("--runs", type=int, default=5, help="of each pair (5)")
    parser.add_argument(
        "--window", type=float, default=60.0, metavar="S", help="of the CPU figure, seconds (60)"
    )
    parser.add_argument("--json", action="store_true", help="as a JSON array")
    return parser.parse_args()


def _measured(name: str, effort: Effort) -> list[Figure]:
    sys.stderr.write(f"{name} …\n")
    return list(MEASURES[name](effort))


def table(figures: Sequence[Figure]) -> list[str]:
    """Return the figures as a Markdown table."""
    rows = [HEAD, tuple("---" for _ in HEAD), *(_row(figure) for figure in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    rows[1] = tuple("-" * width for width in widths)
    return [
        f"| {' | '.join(c.ljust(w) for c, w in zip(row, widths, strict=True))} |" for row in rows
    ]


def _row(figure: Figure) -> tuple[str, ...]:
    plain = figure.reference is None
    times = "\N{MULTIPLICATION SIGN}"
    return (
        figure.what,
        f"{_number(figure.ours)} {figure.unit}",
        "" if plain else f"{_number(figure.reference or 0.0)} {figure.unit}, {figure.beside}",
        "" if plain else f"{figure.measured:.2f}{times}",
        f"{figure.budget:,g} {figure.unit}" if plain else f"{figure.budget:g}{times}",
        "ok" if figure.ok else "over",
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
