"""Run a module's `main` with a changed Textual.

`python -m tests.tui.other_textual CHANGES [MODULE [ARGUMENT]...]` replaces every match of each
pattern in the source of Textual and Rich as it is imported; CHANGES is a JSON object of patterns
and their replacements. The default module is `tests.tui.shown_screen`, which prints pictures of the
screen and how the app ended.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

CHANGES: dict[str, str] = json.loads(sys.argv[1])
MODULE = sys.argv[2] if sys.argv[2:] else "tests.tui.shown_screen"
sys.argv[1:] = sys.argv[3:]


def changed(source: str) -> str:
    """Return the source with every match of every pattern replaced."""
    for pattern, replacement in CHANGES.items():
        source = re.sub(pattern, replacement, source)
    return source


class Changed(SourceFileLoader):
    """Loads a module from its changed source."""

    def get_code(self, fullname: str) -> CodeType:
        return compile(changed(self.get_data(self.path).decode()), self.path, "exec")


class Finder(MetaPathFinder):
    """Finds the modules whose source holds a pattern."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in ("textual", "rich"):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        source = spec.loader.get_data(spec.loader.path).decode()
        if changed(source) != source:
            spec.loader = Changed(fullname, spec.loader.path)
        return spec


if __name__ == "__main__":
    sys.meta_path.insert(0, Finder())
    import_module(MODULE).main()
