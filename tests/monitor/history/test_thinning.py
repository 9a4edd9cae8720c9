from __future__ import annotations

from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.monitor.history.thinning import STEP_SECONDS, step_start, superfluous
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import Recorded
from tests.monitor.history.samples import BEGUN, pasts, run_of, sample


def left(past: list[Recorded]) -> list[Recorded]:
    """The samples that thinning leaves."""
    gone = {told.at for told in superfluous(past)}
    return [told for told in past if told.at not in gone]


def edges(past: list[Recorded]) -> list[tuple[Recorded, Recorded]]:
    """Whether a status, stall or gap changes between two neighbours."""
    return [
        (a, b)
        for a, b in pairwise(past)
        if (a.status, a.stalled) != (b.status, b.stalled) or b.after_gap
    ]


def falls(past: list[Recorded]) -> list[tuple[Recorded, Recorded]]:
    known = [told for told in past if told.counts.transferred is not None]
    return [
        (a, b)
        for a, b in pairwise(known)
        if (b.counts.transferred or 0) < (a.counts.transferred or 0)
    ]


def test_no_samples_stay_no_samples() -> None:
    assert superfluous(()) == ()


def test_one_sample_per_ten_minutes_stays_without_changes() -> None:
    kept = left(run_of(17_280))
    assert len(kept) == 144 + 1  # the first as well
    assert all(b.at - a.at <= STEP_SECONDS for a, b in pairwise(kept))


def test_newest_complete_sample_of_a_step_stays() -> None:
    past = [
        *run_of(100),
        replace(sample(500.0), counts=Counts()),
        sample(700.0, 100),
        sample(720.0, 101),
    ]
    assert [told.at - BEGUN for told in left(past)] == [0.0, 495.0, 720.0]
    unknown = [replace(told, counts=Counts()) for told in run_of(200)]
    assert [told.at - BEGUN for told in left(unknown)] == [0.0, 595.0, 995.0]


@given(pasts())
def test_samples_around_each_change_stay(past: list[Recorded]) -> None:
    kept = left(past)
    assert edges(kept) == edges(past)
    assert falls(kept) == falls(past)
    assert kept[:1] == past[:1]
    assert kept[-1:] == past[-1:]


@given(pasts())
def test_every_step_keeps_a_sample(past: list[Recorded]) -> None:
    steps = {step_start(told.at) for told in past}
    assert {step_start(told.at) for told in left(past)} == steps


@given(pasts())
def test_no_unnecessary_sample_stays(past: list[Recorded]) -> None:
    told = {*past[:1], *past[-1:]}
    told |= {each for pair in (*edges(past), *falls(past)) for each in pair}
    plain = [each for each in left(past) if each not in told]
    steps = [len(list(same)) for _, same in groupby(plain, lambda each: step_start(each.at))]
    assert all(number == 1 for number in steps)


@given(pasts())
def test_thinning_is_idempotent(past: list[Recorded]) -> None:
    kept = left(past)
    assert left(kept) == kept


@given(pasts(unknown=False), st.data())
def test_thinning_in_parts_equals_thinning_at_once(
    past: list[Recorded], joined: st.DataObject
) -> None:
    pieces: list[list[Recorded]] = []
    for _, step in groupby(past, lambda told: step_start(told.at)):
        with_last: bool = joined.draw(st.booleans())
        if pieces and with_last:
            pieces[-1].extend(step)
        else:
            pieces.append(list(step))
    kept = list[Recorded]()
    for place, piece in enumerate(pieces):
        after = pieces[place + 1][0] if place + 1 < len(pieces) else None
        gone = superfluous(piece, kept[-1] if kept else None, after)
        kept += [told for told in piece if told not in gone]
    assert kept == left(past)
