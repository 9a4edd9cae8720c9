"""How the objects of a list of keys are fetched without Super Slurper."""

from __future__ import annotations

import shlex

from slurper_tui.monitor.model.job import JobView


def rclone_line(file: str, job: JobView) -> str:
    """What copies the keys of a file; SRC and DST are the person's own names for the stores."""
    source, target = job.job.source, job.job.target
    here = f"SRC:{(source and source.bucket) or ''}"
    there = f"DST:{(target and target.bucket) or ''}"
    words = ("rclone", "copy", "--files-from-raw", file, here, there)
    return " ".join(map(shlex.quote, words))
