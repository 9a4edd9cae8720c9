"""`python -m tests.benchmarks.estimators`: compare our forecast with those of other programs.

`--seeds tuning|judging|record` chooses the traces, `--kinds` lists each kind, `--quick` runs ours
alone on half of the seeds, and `--only WORD` the kinds whose name contains a word. `--together`
runs three jobs at a time instead, that share a bandwidth or do not.
"""

from __future__ import annotations

import argparse
import sys

from tests.benchmarks.estimators import together
from tests.benchmarks.estimators.contest import SEED_SETS, held, losses, summary, table, words
from tests.benchmarks.estimators.families import EVERY
from tests.benchmarks.estimators.peers import REFERENCES

PROCESSES = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.estimators")
    parser.add_argument("--seeds", choices=SEED_SETS, default="judging")
    parser.add_argument("--kinds", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--together", action="store_true")
    given = parser.parse_args()
    seeds = SEED_SETS[given.seeds]
    seeds = seeds[: len(seeds) // 2] if given.quick else seeds
    if given.together:
        sys.stdout.write("\n".join(together.lines(seeds)) + "\n")
        return 0
    kinds = [kind for kind in EVERY if given.only in kind]
    references = () if given.quick else tuple(REFERENCES)
    contest = held(seeds, kinds, references, processes=PROCESSES)
    lines = [*table(contest, each_kind=given.kinds), "", *words(contest), "", *summary(contest), ""]
    for name, lost in losses(contest).items():
        lines.append(f"{name} is clearly better on: {', '.join(lost) or 'none'}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
