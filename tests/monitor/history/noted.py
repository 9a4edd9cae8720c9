"""Events, retry links, log counts, verifications and plans for tests."""

from __future__ import annotations

from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, RetryLink, What
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Draft, Plan, Step
from slurper_tui.monitor.model.verification import HeaderSample, Outcome, Tally, Verification
from tests.monitor.history.samples import ACCOUNT, BEGUN, key

COUNTS = LogCounts(
    {"importErrorRetryExhaustion": 7, "importSkippedOversized": 2},
    whole=True,
    read_at=BEGUN,
    first_seen={"importErrorRetryExhaustion": "2026-09-21T00:00:00Z"},
    last_seen={"importErrorRetryExhaustion": "2026-09-21T01:00:00Z"},
)

TIE = RetryLink(key("job1"), key(), 7, ("importErrorRetryExhaustion",))

VERIFICATION = Verification(
    ACCOUNT,
    ("job0", "job1"),
    "to",
    "S3 bucket from",
    "R2 bucket to",
    BEGUN,
    BEGUN + 90.5,
    Tally({Outcome.SAME: 10, Outcome.MISSING: 3}, 1, 2, {"uploaded to the source in parts": 8}, 99),
    by_prefix=(("a/", Tally({Outcome.MISSING: 3})), ("", Tally({Outcome.SAME: 10}))),
    headers=HeaderSample(7, 5, 1, 0.1, 0.6, {"Content-Type": 1}),
)


def event(at: float = 0.0, what: What = What.ASKED, whose: JobKey | None = None) -> Event:
    """An event `at` seconds after `BEGUN`."""
    return Event(whose or key(), BEGUN + at, what, "pause", "1004: not now")


def draft(prefix: str | None = None, keys: tuple[str, ...] | None = None) -> Draft:
    return Draft("s3", "from", "to", prefix, keys, "https://s3.example.com", "eu-west-1")


def plan(*drafts: Draft, made_at: float = 0.0) -> Plan:
    """A plan that is not stored yet."""
    steps = tuple(Step(n, one) for n, one in enumerate(drafts or (draft("a/"), draft("b/")), 1))
    return Plan(0, ACCOUNT, BEGUN + made_at, steps, key(), ("importErrorRetryExhaustion",))


def fill_notes(store: Store) -> Plan:
    """Write one note of each kind; return the stored plan."""
    store.notes.keep([event(0), event(1, What.HERE)], {key(): COUNTS})
    store.notes.keep((), {}, [TIE], [VERIFICATION])
    return store.notes.plans.keep(plan())
