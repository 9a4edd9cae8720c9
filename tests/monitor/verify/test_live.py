"""A verification of two buckets of a real S3 server, with hostile keys and faults on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from slurper_tui.api import objects as objects_module
from slurper_tui.api import s3
from slurper_tui.api.errors import BucketKeysRefused
from slurper_tui.monitor.model.verification import FAULTS, Outcome, VerifyOptions
from slurper_tui.monitor.verify.scope import JobScope
from slurper_tui.monitor.verify.verifier import Verifier
from tests.api.s3_servers import HOSTILE, Asked, Moto, before, error, moto_server, opened
from tests.monitor.verify.buckets import CREATED, STARTED, scope

pytestmark = pytest.mark.xdist_group("s3")

KEYS = sorted({*HOSTILE, *(f"photos/{n % 7}/{n:03d}.jpg" for n in range(100))})
WRONG = dict(zip(KEYS[::9], [*FAULTS, Outcome.EXPECTED, Outcome.EXTRA] * 9, strict=False))


def fill(moto: Moto) -> None:
    """Make a source and a target with the differences of `WRONG`."""
    moto.bucket("source", [key for key in KEYS if WRONG.get(key) is not Outcome.EXTRA])
    absent = (Outcome.MISSING, Outcome.EXPECTED)
    moto.bucket("target", [key for key in KEYS if WRONG.get(key) not in absent])
    for key, outcome in WRONG.items():
        other = {
            Outcome.SIZE: key.encode() + b"!",
            Outcome.ETAG: b"?" * len(key.encode()),
            Outcome.CHANGED: b"?" * len(key.encode()),
            Outcome.EMPTY: b"",
        }
        if outcome in other:
            moto.backend.put_object("target", key, other[outcome])
        if outcome is Outcome.CHANGED:
            changed = moto.backend.get_object("source", key)
            changed.last_modified = datetime.fromtimestamp(CREATED + 1, UTC)


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    for made in moto_server():
        fill(made)
        yield made


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_module, "FIRST_WAIT", 0.0)
    monkeypatch.setattr(s3, "MOST_LISTED", 15)


EXPLAINED: Mapping[str, str] = {
    key: "importSkippedOversized" for key, outcome in WRONG.items() if outcome is Outcome.EXPECTED
}


async def test_every_difference_is_told_by_its_exact_key_in_spite_of_faults(moto: Moto) -> None:
    def sometimes(number: int, _: Asked) -> bytes | None:
        return error(503, "SlowDown") if number % 4 == 1 else b"" if number % 4 == 2 else None

    async with (
        before(moto, sometimes) as (url, _),
        opened(url, "source") as source,
        opened(moto.url, "target") as target,
    ):
        verifier = Verifier(
            *(source, target, scope(JobScope("job", created_at=CREATED))),
            clock=lambda: STARTED,
        )
        await verifier.explain(EXPLAINED)
        async for _ in verifier.run():
            pass
        result = verifier.result()
        found = [(one.outcome, one.key) for one in verifier.differences([*Outcome])]
        await verifier.close()
    assert found == [(outcome, key) for key, outcome in WRONG.items()]
    assert result.problem is None
    assert result.tally.of(Outcome.SAME) == result.tally.etags == len(KEYS) - len(WRONG)
    assert len(WRONG) > len(Outcome) - 2
    assert result.expected.startswith("S3 bucket source at 127.0.0.1:")


async def test_keys_that_expire_leave_the_part_that_was_compared(moto: Moto) -> None:
    def expires(number: int, _: Asked) -> bytes | None:
        return error(400, "ExpiredToken") if number > 5 else None

    async with (
        before(moto, expires) as (url, _),
        opened(url, "source") as source,
        opened(moto.url, "target") as target,
    ):
        everything = scope(JobScope("job", created_at=CREATED))
        options = VerifyOptions(workers=1)
        verifier = Verifier(source, target, everything, options, clock=lambda: STARTED)
        async for _ in verifier.run():
            pass
        result = verifier.result()
        await verifier.close()
    assert isinstance(verifier.problem, BucketKeysRefused)
    assert 0 < result.tally.expected < len(KEYS) - 5
    assert "the keys give no access to the bucket" in (result.problem or "")
    assert not result.verified
