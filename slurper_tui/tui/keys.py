"""Every key of the main screen: what it does, its short word, and a sentence about it."""

from __future__ import annotations

from textual.binding import Binding


def _key(
    keys: str, action: str, id: str, word: str, tooltip: str, *, at_once: bool = False
) -> Binding:
    """at_once: it opens a line to type in, so it acts before the next key is handed out."""
    return Binding(keys, action, word, id=id, tooltip=tooltip, priority=at_once)


KEYS: tuple[Binding, ...] = (
    _key("down,j", "move(1)", "move.down", "down", "Highlight the next job, or scroll down."),
    _key("up,k", "move(-1)", "move.up", "up", "Highlight the previous job, or scroll up."),
    _key("g,home", "ends(-1)", "move.top", "top", "Go to the first job."),
    _key("G,end", "ends(1)", "move.bottom", "bottom", "Go to the last job."),
    _key("ctrl+d,pagedown", "page(1)", "move.page-down", "page down", "Go one page down."),
    _key("ctrl+u,pageup", "page(-1)", "move.page-up", "page up", "Go one page up."),
    _key("tab", "other_pane", "pane.next", "next pane", "Move between the list and the details."),
    _key("enter", "open", "pane.open", "open", "Look at the highlighted job."),
    _key("escape", "back", "pane.back", "back", "Go back, or clear the filter."),
    _key("right", "unfold", "list.unfold", "unfold", "Show the jobs of this migration."),
    _key("left", "fold", "list.fold", "fold", "Show this migration as one row."),
    _key("m", "migrations", "list.migrations", "migrations", "Fold jobs into migrations, or not."),
    _key("M", "zoom", "pane.maximise", "maximise", "Give this pane the whole screen, or share it."),
    _key(
        "slash",
        "filter",
        "list.filter",
        "filter",
        "Show only jobs that match words.",
        at_once=True,
    ),
    _key("less_than_sign", "sort(-1)", "list.sort-left", "sort", "Sort by the previous column."),
    _key("greater_than_sign", "sort(1)", "list.sort-right", "sort", "Sort by the next column."),
    _key("I", "invert", "list.invert", "invert", "Turn the order around."),
    _key("a", "ended", "list.ended", "ended", "Hide or show the ended jobs."),
    _key("space", "mark", "list.mark", "mark", "Mark this job, to pause or resume several."),
    _key("l", "log", "show.log", "log", "Read this job's log."),
    _key("e", "failures", "show.failures", "failures", "Tell what failed, by reason and prefix."),
    _key("E", "export", "show.export", "export", "Save the exact keys of what failed to a file."),
    _key("v", "receipt", "show.receipt", "receipt", "Show the receipt of an ended job."),
    _key("W", "unlock", "change.unlock", "unlock", "Allow, or no longer allow, changing jobs."),
    _key("P", "change('pause')", "change.pause", "pause", "Pause this job, or those marked."),
    _key("U", "change('resume')", "change.resume", "resume", "Resume this job, or those marked."),
    _key("X", "change('abort')", "change.abort", "abort", "Abort this job, for good."),
    _key("r", "refresh_job", "poll.job", "refresh", "Ask for this job now."),
    _key("R", "refresh_all", "poll.all", "refresh all", "Ask for everything now."),
    _key("z", "freeze", "poll.freeze", "freeze", "Hold the screen still; polling goes on."),
    _key("plus", "interval(1)", "poll.slower", "slower", "Ask less often."),
    _key("minus", "interval(-1)", "poll.faster", "faster", "Ask more often."),
    _key("y", "copy_id", "copy.id", "copy id", "Copy the job's id; twice shows it in full."),
    _key(
        "Y", "copy_json", "copy.json", "copy JSON", "Copy the job as JSON; twice shows it in full."
    ),
    _key("d", "digest", "show.digest", "digest", "Tell what happened since you last looked."),
    _key("t", "window(1)", "picture.longer", "longer", "Show more of the past in the pictures."),
    _key("T", "window(-1)", "picture.shorter", "shorter", "Show less of the past."),
    _key("exclamation_mark", "problem", "show.problem", "problem", "Tell the problem in full."),
    _key("question_mark", "help", "show.help", "help", "Show all keys."),
    _key(
        "colon,ctrl+p",
        "palette",
        "show.palette",
        "palette",
        "Find a job or an action by name.",
        at_once=True,
    ),
    _key("ctrl+l", "repaint", "screen.repaint", "repaint", "Draw the whole screen again."),
    _key(
        "ctrl+z",
        "app.suspend_process",
        "app.suspend",
        "suspend",
        "Go to the background, as the shell's fg undoes.",
    ),
    _key("q", "app.leave", "app.quit", "quit", "Leave; the jobs go on."),
)

DEFAULT_KEYS = {binding.id: binding.key for binding in KEYS}
"""What each id is bound to when the person has not chosen another key."""

INTERVALS = (2.0, 3.0, 5.0, 10.0, 15.0, 30.0, 60.0)
"""The seconds between rounds that `+` and `-` walk through."""

_SIGNS = {
    "slash": "/",
    "ampersand": "&",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "exclamation_mark": "!",
    "question_mark": "?",
    "colon": ":",
    "plus": "+",
    "minus": "-",
    "space": "Space",
    "enter": "Enter",
    "escape": "Esc",
    "tab": "Tab",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "home": "Home",
    "end": "End",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}


def key_sign(key: str) -> str:
    """Give a key as a person reads it: `/`, `^p`, `Enter`."""
    if key.startswith("ctrl+"):
        return f"^{key.removeprefix('ctrl+')}"
    return _SIGNS.get(key, key)


def next_interval(seconds: float, step: int) -> float:
    """Give the next longer (step 1) or shorter (step -1) interval, or the outermost one."""
    if step > 0:
        return next((i for i in INTERVALS if i > seconds), INTERVALS[-1])
    return next((i for i in reversed(INTERVALS) if i < seconds), INTERVALS[0])
