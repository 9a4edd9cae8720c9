"""Which jobs a person asked to see: words and terms, all of which must hold."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping

from slurper_tui.monitor.model.job import JobView

TERMS = "words, !not, status:failed, source:, target:, account:, id:"
"""What can be asked for, in one line."""

Test = Callable[[JobView], bool]


def matcher(text: str) -> Test:
    """Read a filter: `word`, `!word`, `status:`, `account:`, `source:`, `target:`, `id:`.

    Case and normal form do not matter, an unfinished term (`status:`) asks for nothing, and
    `status:failed` also finds jobs with failed objects.
    """
    tests = [_term(term) for term in fold(text).split()]
    return lambda view: all(test(view) for test in tests)


def fold(text: str) -> str:
    """A text to compare with others: those that differ in case or normal form alone are equal."""
    if text.isascii():
        return text.casefold()
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", decomposed.casefold())


def _term(term: str) -> Test:
    inverted, wanted = term.startswith("!"), term.removeprefix("!")
    test = _test(wanted)
    return (lambda view: not test(view)) if inverted and wanted else test


def _test(wanted: str) -> Test:
    name, colon, value = wanted.partition(":")
    if colon and name in _FIELDS:
        return _field(name, value)
    return lambda view: any(wanted in text for read in _FIELDS.values() for text in read(view))


def _field(name: str, value: str) -> Test:
    read = _FIELDS[name]
    if name == "status" and value == "failed":
        return lambda view: bool(view.counts.failed) or any(value in text for text in read(view))
    return lambda view: any(value in text for text in read(view))


def _status(view: JobView) -> Iterable[str]:
    return _folded(view.word, view.status)


def _source(view: JobView) -> Iterable[str]:
    source = view.job.source
    if source is None:
        return ()
    path = f"{source.bucket or ''}/{source.path_prefix or ''}"
    return _folded(path, source.vendor, source.endpoint)


def _target(view: JobView) -> Iterable[str]:
    return _folded(view.job.target.bucket) if view.job.target else ()


def _folded(*texts: str | None) -> Iterable[str]:
    return (fold(text) for text in texts if text)


_FIELDS: Mapping[str, Callable[[JobView], Iterable[str]]] = {
    "status": _status,
    "account": lambda view: _folded(view.account_id),
    "source": _source,
    "target": _target,
    "id": lambda view: _folded(view.job.id),
}
