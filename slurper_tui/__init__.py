"""Which version of a package is installed."""

from __future__ import annotations


def version(name: str = "slurper-tui") -> str:
    """Its version; "" where it is not installed."""
    from importlib import metadata  # 15 ms, which only who tells it pays

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
