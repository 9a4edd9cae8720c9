from __future__ import annotations

import io
from typing import Any

import pytest

from slurper_tui.cli.output import Output, amount, remains, to_ascii
from slurper_tui.monitor.model.job import Phase, Total
from tests.tui.jobs import forecast, view


def output(encoding: str) -> Output:
    return Output(io.TextIOWrapper(io.BytesIO(), encoding=encoding), None, ascii_only=False)


UNICODE, LETTERS = output("utf-8"), output("ascii")


@pytest.mark.parametrize(
    ("low", "high", "at_least", "short", "long"),
    [
        (6, 9, False, "6-9h", "6-9 h"),
        (1.6, 2.1, False, "1.5-2.5h", "1 h 35 - 2 h 10 min"),
        (4, 4, True, ">=4h", ">= 4 h"),
        (400, 500, False, ">2w", "> 2 weeks"),
    ],
)
def test_time_left_in_a_column_and_in_words(
    low: float, high: float, at_least: bool, short: str, long: str
) -> None:
    job = view(forecast=forecast(low, high, at_least=at_least))
    assert remains(job, LETTERS, short=True) == short
    assert remains(job, LETTERS) == long
    signs = {ord("-"): "\N{EN DASH}"}
    assert remains(job, UNICODE) == long.translate(signs).replace(">=", "≥")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "350/1000"),
        ({"phase": Phase.LISTING}, "350/1000+"),
        ({"total": Total.GROWING, "phase": Phase.STALLED}, "350/1000+"),
        ({"total": Total.GROWING, "status": "paused"}, "350/1000+"),
        ({"partial": True}, "350/1000+"),
    ],
)
def test_a_total_that_is_a_bound_is_marked(given: dict[str, Any], told: str) -> None:
    assert amount(view(**given)) == told


def test_a_job_without_a_forecast_has_a_dash() -> None:
    assert remains(view(), UNICODE) == "—"
    assert remains(view(stale=True, forecast=forecast(1, 2)), UNICODE) == "—"


def test_our_own_signs_have_letters() -> None:
    said = to_ascii("completed · 10 failed", LETTERS)
    assert (said, LETTERS.sanitise(said)) == ("completed - 10 failed", said)
    assert to_ascii("completed · 10 failed", UNICODE) == "completed · 10 failed"
