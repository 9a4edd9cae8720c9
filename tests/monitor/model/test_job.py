from __future__ import annotations

from slurper_tui.monitor.model.job import JobView, Phase, default_order
from tests.tui.jobs import view


def ordered(*jobs: JobView) -> list[str | None]:
    return [job.job.id for job in sorted(jobs, key=default_order)]


def test_live_jobs_come_first_the_worst_on_top() -> None:
    assert ordered(
        view(1, "completed", id="ended"),
        view(2, "paused", id="paused"),
        view(3, id="running"),
        view(4, failed=2, id="failing"),
        view(5, "errored", id="unknown word"),
        view(6, phase=Phase.STALLED, id="stalled"),
    ) == ["stalled", "unknown word", "failing", "running", "paused", "ended"]


def test_ended_jobs_are_sorted_newest_first() -> None:
    jobs = [view(n, "completed", id=f"{n}") for n in (3, 1, 2)]
    assert ordered(*jobs) == ["1", "2", "3"]


def test_a_gone_job_is_sorted_among_the_ended_ones() -> None:
    assert ordered(view(9, gone=True, id="gone"), view(1, "completed", id="ended"))[0] == "ended"
    assert ordered(view(9, gone=True, id="gone"), view(1, id="live"))[0] == "live"


def test_the_order_does_not_depend_on_the_input_order() -> None:
    jobs = [view(1, id="a"), view(1, id="b"), view(1, id=None)]
    assert ordered(*jobs) == ordered(*reversed(jobs))
