"""A draft as the body of the create request, and back. No secret stands in either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slurper_tui.monitor.model.plans import Draft

_SOURCE = {
    "vendor": "vendor",
    "bucket": "bucket",
    "endpoint": "endpoint",
    "region": "region",
    "jurisdiction": "source_jurisdiction",
    "pathPrefix": "path_prefix",
    "keys": "keys",
}
_TARGET = {"bucket": "target", "jurisdiction": "target_jurisdiction"}
_NO_SECRET = "a secret does not stand here; it is asked for when the job is created"


class BodyError(ValueError):
    """What cannot be made a draft of, in one line that names the field."""


def body(draft: Draft) -> dict[str, object]:
    """The create request in the API's names; what was left open is left out."""
    return {
        "source": _end_point(draft, _SOURCE),
        "target": {**_end_point(draft, _TARGET), "vendor": "r2"},
        "overwrite": draft.overwrite,
    }


def each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object of its properties. Raises BodyError for one that is named twice."""
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise BodyError(f"{name}: it stands there twice")
        found[name] = value
    return found


def draft_of(mapping: Mapping[str, object]) -> Draft:
    """Read a body that may yet lack something; `faults` tells what. Raises BodyError.

    Names may be written with dashes or underscores too: `path-prefix` is `pathPrefix`.
    """
    top = _named(mapping, ("source", "target", "overwrite"), "")
    source = _named(_table(top, "source"), (*_SOURCE, "secret"), "source.")
    target = _named(_table(top, "target"), (*_TARGET, "vendor", "secret"), "target.")
    if target.get("vendor", "r2") != "r2":
        raise BodyError("target.vendor: a target is always r2")
    return Draft(
        **{"vendor": "", "bucket": "", "target": ""}
        | _values(source, _SOURCE, "source.")
        | _values(target, _TARGET, "target.")
        | _overwrite(top),
    )


def _end_point(draft: Draft, names: Mapping[str, str]) -> dict[str, object]:
    told = {wire: getattr(draft, name) for wire, name in names.items()}
    lists = {wire: list(v) if isinstance(v, tuple) else v for wire, v in told.items()}
    return {wire: value for wire, value in lists.items() if value is not None}


def _named(mapping: Mapping[str, object], known: tuple[str, ...], path: str) -> dict[str, object]:
    """The mapping under the API's names. Raises BodyError for names that nobody knows."""
    plain = {_plain(name): name for name in known}
    found: dict[str, object] = {}
    for given, value in mapping.items():
        name = plain.get(_plain(given))
        if name is None:
            raise BodyError(f"{path}{given}: no such field; {_nearest(given, known, path)}")
        if name == "secret":
            raise BodyError(f"{path}secret: {_NO_SECRET}")
        if name in found:
            raise BodyError(f"{path}{name}: it stands there twice")
        found[name] = value
    return found


def _nearest(given: str, known: tuple[str, ...], path: str) -> str:
    import difflib  # 4 ms, only when something is wrong

    names = {_plain(name): name for name in known if name != "secret"}
    [near] = difflib.get_close_matches(_plain(given), names, 1, cutoff=0.0)
    return f"the nearest is {path}{names[near]}"


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").casefold()


def _table(mapping: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = mapping.get(name, {})
    if not isinstance(value, dict):
        raise BodyError(f"{name}: must be a table, not {_kind(value)}")
    return value


def _values(mapping: Mapping[str, object], names: Mapping[str, str], path: str) -> dict[str, Any]:
    """The values under our own names; null is as good as absent. Raises BodyError.

    So is an empty endpoint: the API tells that of a source that has none.
    """
    told = {wire: value for wire, value in mapping.items() if wire in names and value is not None}
    told = {wire: value for wire, value in told.items() if (wire, value) != ("endpoint", "")}
    return {
        names[wire]: _texts(value, path + wire) if wire == "keys" else _text(value, path + wire)
        for wire, value in told.items()
    }


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise BodyError(f"{field}: must be a text, not {_kind(value)}")
    return value


def _texts(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise BodyError(f"{field}: must be an array of texts, not {_kind(value)}")
    return tuple(_text(item, f"{field}[{place}]") for place, item in enumerate(value))


def _overwrite(mapping: Mapping[str, object]) -> dict[str, Any]:
    value = mapping.get("overwrite")
    if value is not None and not isinstance(value, bool):
        raise BodyError(f"overwrite: must be true or false, not {_kind(value)}")
    return {} if value is None else {"overwrite": value}


def _kind(value: object) -> str:
    """What a value is, in a word; not what it says, for it may have been meant for elsewhere."""
    kinds = ((bool, "a truth value"), (str, "a text"), (int | float, "a number"), (dict, "a table"))
    words = (word for kind, word in kinds if isinstance(value, kind))
    return next(words, "an array" if isinstance(value, list) else "such a value")
