"""What is copied, and which terminals are known not to take it."""

from __future__ import annotations

from collections.abc import Mapping

from slurper_tui.format import as_json
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.reports.records import job_record

HOW_IN_TMUX = "set -g set-clipboard on"


def can_copy(text: str) -> bool:
    """Whether UTF-8 holds the text: a key may have half surrogate pairs or other bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def terminal_copies(environ: Mapping[str, str]) -> bool:
    """Say whether the terminal may take OSC 52; tmux and screen keep it back unless told."""
    term = environ.get("TERM", "")
    inside = "TMUX" in environ or "STY" in environ or term.startswith(("tmux", "screen"))
    refuses = term == "linux" or environ.get("TERM_PROGRAM") == "Apple_Terminal"
    return not inside and not refuses


def id_text(view: JobView) -> str:
    """The job's id, exactly."""
    return view.job.id or ""


def json_text(view: JobView) -> str:
    """The job as JSON, exactly; whatever is not ASCII is escaped, so that nothing can be lost."""
    return as_json(job_record(view), indent=2, default=str)
