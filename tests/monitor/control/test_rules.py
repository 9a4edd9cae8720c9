"""What can be asked of a job, and what a dialog says would follow."""

from __future__ import annotations

import itertools

import pytest

from slurper_tui.monitor.jobs.actions import consequence, why_not
from slurper_tui.monitor.model.events import Action, expected
from slurper_tui.monitor.model.job import Counts, JobView, Phase
from tests.tui.jobs import view

RUNNING, PAUSED = view(), view(status="paused", phase=Phase.PAUSED)
LISTING, STALLED = view(phase=Phase.LISTING), view(phase=Phase.STALLED)
COMPLETED, ABORTED = view(status="completed"), view(status="aborted")
UNKNOWN, ODD = view(status=None), view(status="queued")
FAILED = view(status="errored", ended=True)
GONE = view(status="completed", gone=True)
ALL = (RUNNING, PAUSED, LISTING, STALLED, COMPLETED, ABORTED, UNKNOWN, ODD, FAILED, GONE)

BIG = Counts(2_000_000, 500_000, 80_000, 7_887)


@pytest.mark.parametrize(
    ("act", "able"),
    [
        (Action.PAUSE, (RUNNING, LISTING, STALLED)),
        (Action.RESUME, (PAUSED,)),
        (Action.ABORT, (RUNNING, PAUSED, LISTING, STALLED, ODD)),
        (Action.ABORT_ALL, (RUNNING, PAUSED, LISTING, STALLED, ODD)),
        (Action.DELETE, (COMPLETED, ABORTED, FAILED)),
    ],
)
def test_what_can_be_asked_of_which_job(act: Action, able: tuple[JobView, ...]) -> None:
    assert tuple(job for job in ALL if not why_not(job, act)) == able


@pytest.mark.parametrize(
    ("job", "act", "why"),
    [
        (PAUSED, Action.PAUSE, "it is paused already"),
        (RUNNING, Action.RESUME, "it is running already"),
        (ABORTED, Action.ABORT, "it is aborted already"),
        (COMPLETED, Action.PAUSE, "it has ended"),
        (COMPLETED, Action.ABORT, "it has ended"),
        (FAILED, Action.RESUME, "it has ended"),
        (ODD, Action.PAUSE, "it is queued"),
        (RUNNING, Action.DELETE, "it has not ended"),
        (UNKNOWN, Action.ABORT, "its state is not known"),
        (GONE, Action.DELETE, "the API no longer knows it"),
    ],
)
def test_why_it_cannot_is_a_clause(job: JobView, act: Action, why: str) -> None:
    assert why_not(job, act) == why


@pytest.mark.parametrize(
    ("act", "job", "said"),
    [
        (
            Action.ABORT,
            view(counts=BIG),
            "stops 1,412,113 objects not yet started; objects in flight finish; "
            "it cannot be resumed",
        ),
        (
            Action.PAUSE,
            view(counts=BIG),
            "stops 1,412,113 objects not yet started; objects in flight finish; "
            "it can be resumed later",
        ),
        (
            Action.ABORT,
            view(counts=Counts(10, 9, 0, 0), phase=Phase.LISTING),
            "stops 1 object not yet started and all that are not listed yet; "
            "objects in flight finish; it cannot be resumed",
        ),
        (
            Action.PAUSE,
            view(counts=Counts()),
            "stops every object not yet started; objects in flight finish; it can be resumed later",
        ),
        (
            Action.RESUME,
            view(status="paused", counts=BIG),
            "goes on with 1,412,113 objects that are left; "
            "the API may refuse it while three jobs run",
        ),
        (
            Action.RESUME,
            view(status="paused", counts=Counts()),
            "goes on with every object that is left; the API may refuse it while three jobs run",
        ),
        (
            Action.DELETE,
            view(status="completed", counts=BIG),
            "the API forgets it; nothing in the target is undone: 500,000 objects stay there; "
            "the log that names 7,887 objects that failed is lost; its history here stays",
        ),
        (
            Action.DELETE,
            view(status="completed", counts=Counts()),
            "the API forgets it; nothing in the target is undone; its history here stays",
        ),
    ],
)
def test_the_consequence_is_told_in_the_numbers_of_the_job(
    act: Action, job: JobView, said: str
) -> None:
    assert consequence([job], act) == said


def test_of_several_jobs_the_numbers_are_summed() -> None:
    jobs = [view(1, counts=BIG), view(2, counts=Counts(100, 40, 0, 0)), view(3)]
    assert consequence(jobs, Action.PAUSE) == (
        "stops 1,412,823 objects not yet started; objects in flight finish; "
        "they can be resumed later"
    )
    assert consequence(jobs, Action.ABORT_ALL) == (
        "aborts all 3 jobs; stops 1,412,823 objects not yet started; objects in flight finish; "
        "they cannot be resumed"
    )
    assert "aborts 1 job;" in consequence(jobs[:1], Action.ABORT_ALL)


def test_a_sum_that_misses_a_number_says_so() -> None:
    said = consequence([view(1), view(2, counts=Counts())], Action.PAUSE)
    assert "at least 650 objects" in said


def test_every_act_shows_by_one_status_but_a_deletion_by_none() -> None:
    shown = {act: expected(act) for act in Action}
    assert shown == {
        Action.PAUSE: "paused",
        Action.RESUME: "running",
        Action.ABORT: "aborted",
        Action.ABORT_ALL: "aborted",
        Action.DELETE: None,
    }


def test_every_consequence_is_one_line_of_clauses_without_a_full_stop() -> None:
    for act, job in itertools.product(Action, ALL):
        said = consequence([job, job], act)
        assert said == said.strip(" .;\n")
        assert "it " not in said.replace("refuse it ", "")
