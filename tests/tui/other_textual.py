"""Run a module's `main` with a changed Textual.

`python -m tests.tui.other_textual PATTERN REPLACEMENT [MODULE [ARGUMENT]...]` replaces every match
of the pattern in the source of Textual and Rich as it is imported. The default module is
`tests.tui.shown_screen`, which prints pictures of the screen and how the app ended.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

PATTERN, REPLACEMENT = sys.argv[1:3]
MODULE = sys.argv[3] if sys.argv[3:] else "tests.tui.shown_screen"
sys.argv[1:] = sys.argv[4:]


class Changed(SourceFileLoader):
    """Loads a module from its changed source."""

    def get_code(self, fullname: str) -> CodeType:
        source = re.sub(PATTERN, REPLACEMENT, self.get_data(self.path).decode())
        return compile(source, self.path, "exec")


class Finder(MetaPathFinder):
    """Finds the modules whose source holds the pattern."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in ("textual", "rich"):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        if re.search(PATTERN, spec.loader.get_data(spec.loader.path).decode()):
            spec.loader = Changed(fullname, spec.loader.path)
        return spec


if __name__ == "__main__":
    sys.meta_path.insert(0, Finder())
    import_module(MODULE).main()
