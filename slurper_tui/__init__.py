"""slurper-tui: a monitor of Cloudflare R2 Super Slurper migrations; here: its version."""

from __future__ import annotations


def version(name: str = "slurper-tui") -> str:
    """Return the installed version of a package; "" if it is not installed."""
    from importlib import metadata  # 15 ms, paid only where the version is shown

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
