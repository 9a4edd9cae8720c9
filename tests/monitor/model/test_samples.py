from __future__ import annotations

from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import STEP_SECONDS, Recorded, step_start, superfluous
from tests.monitor.history.samples import BEGUN, run_of, sample, sample_lists


def left(samples: list[Recorded]) -> list[Recorded]:
    """The samples that thinning leaves."""
    gone = {one.at for one in superfluous(samples)}
    return [one for one in samples if one.at not in gone]


def edges(samples: list[Recorded]) -> list[tuple[Recorded, Recorded]]:
    """Whether a status, stall or gap changes between two neighbours."""
    return [
        (a, b)
        for a, b in pairwise(samples)
        if (a.status, a.stalled) != (b.status, b.stalled) or b.after_gap
    ]


def falls(samples: list[Recorded]) -> list[tuple[Recorded, Recorded]]:
    counted = [one for one in samples if one.counts.transferred is not None]
    return [
        (a, b)
        for a, b in pairwise(counted)
        if (b.counts.transferred or 0) < (a.counts.transferred or 0)
    ]


def test_no_samples_stay_no_samples() -> None:
    assert superfluous(()) == ()


def test_one_sample_per_ten_minutes_stays_without_changes() -> None:
    kept = left(run_of(17_280))
    assert len(kept) == 144 + 1  # the first as well
    assert all(b.at - a.at <= STEP_SECONDS for a, b in pairwise(kept))


def test_newest_complete_sample_of_a_step_stays() -> None:
    samples = [
        *run_of(100),
        replace(sample(500.0), counts=Counts()),
        sample(700.0, 100),
        sample(720.0, 101),
    ]
    assert [one.at - BEGUN for one in left(samples)] == [0.0, 495.0, 720.0]
    unknown = [replace(one, counts=Counts()) for one in run_of(200)]
    assert [one.at - BEGUN for one in left(unknown)] == [0.0, 595.0, 995.0]


@given(sample_lists())
def test_samples_around_each_change_stay(samples: list[Recorded]) -> None:
    kept = left(samples)
    assert edges(kept) == edges(samples)
    assert falls(kept) == falls(samples)
    assert kept[:1] == samples[:1]
    assert kept[-1:] == samples[-1:]


@given(sample_lists())
def test_every_step_keeps_a_sample(samples: list[Recorded]) -> None:
    steps = {step_start(one.at) for one in samples}
    assert {step_start(one.at) for one in left(samples)} == steps


@given(sample_lists())
def test_no_unnecessary_sample_stays(samples: list[Recorded]) -> None:
    necessary = {*samples[:1], *samples[-1:]}
    necessary |= {each for pair in (*edges(samples), *falls(samples)) for each in pair}
    plain = [each for each in left(samples) if each not in necessary]
    steps = [len(list(same)) for _, same in groupby(plain, lambda each: step_start(each.at))]
    assert all(number == 1 for number in steps)


@given(sample_lists())
def test_thinning_is_idempotent(samples: list[Recorded]) -> None:
    kept = left(samples)
    assert left(kept) == kept


@given(sample_lists(unknown=False), st.data())
def test_thinning_in_parts_equals_thinning_at_once(
    samples: list[Recorded], joined: st.DataObject
) -> None:
    pieces: list[list[Recorded]] = []
    for _, step in groupby(samples, lambda one: step_start(one.at)):
        with_last: bool = joined.draw(st.booleans())
        if pieces and with_last:
            pieces[-1].extend(step)
        else:
            pieces.append(list(step))
    kept = list[Recorded]()
    for place, piece in enumerate(pieces):
        after = pieces[place + 1][0] if place + 1 < len(pieces) else None
        gone = superfluous(piece, kept[-1] if kept else None, after)
        kept += [one for one in piece if one not in gone]
    assert kept == left(samples)
