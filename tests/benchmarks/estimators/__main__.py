"""`python -m tests.benchmarks.estimators`: compare our forecast with those of other programs."""

from __future__ import annotations

import sys

from tests.benchmarks.estimators.contest import held, losses, table


def main() -> int:
    contest = held()
    sys.stdout.write("\n".join(table(contest)) + "\n\n")
    for name, kinds in losses(contest).items():
        sys.stdout.write(f"{name} is clearly better on: {', '.join(kinds) or 'none'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
