"""The house stays tidy: short files, short functions, and nothing that is this machine's alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "slurper_tui"
MOST_LINES, MOST_OF_A_FUNCTION = 300, 40


def sources() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE)), path.read_text(encoding="utf-8")


def functions(source: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(source))
    yield from (n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_no_file_is_long() -> None:
    sizes = {name: len(source.splitlines()) for name, source in sources()}
    assert len(sizes) > 100
    assert {name: size for name, size in sizes.items() if size > MOST_LINES} == {}


def test_no_function_is_long() -> None:
    found = [(name, f.name, length(f)) for name, source in sources() for f in functions(source)]
    assert len(found) > 1000
    assert [one for one in found if one[2] > MOST_OF_A_FUNCTION] == []
