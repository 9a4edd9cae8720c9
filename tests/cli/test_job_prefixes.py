"""The job that an id prefix means."""

from __future__ import annotations

import pytest

from slurper_tui.api.models import Job
from slurper_tui.cli.context import resolve
from slurper_tui.cli.errors import CliError
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView


def known(id: str, account: str = "acc0", *, gone: bool = False) -> JobView:
    return JobView(account, Job(id=id), gone=gone)


def test_of_several_the_one_that_is_not_gone_is_meant() -> None:
    jobs = [known("abc1", gone=True), known("abd2"), known("abe3", gone=True)]
    assert resolve(["ab"], jobs) == {JobKey("acc0", "abd2")}
    assert resolve(["ab", "abc"], jobs) == {JobKey("acc0", "abd2"), JobKey("acc0", "abc1")}


def test_a_whole_id_is_meant_before_a_beginning_though_it_is_gone() -> None:
    jobs = [known("ab", gone=True), known("ab", "acc1", gone=True), known("abd2")]
    assert resolve(["ab"], jobs[::2]) == {JobKey("acc0", "ab")}
    here = [known("ab", gone=True), known("ab", "acc1"), known("abd2")]
    assert resolve(["ab"], here) == {JobKey("acc1", "ab")}


@pytest.mark.parametrize("gone", [(False, False, True), (True, True, True)])
def test_several_that_are_there_and_several_that_are_gone_are_not_clear(
    gone: tuple[bool, ...],
) -> None:
    jobs = [known(f"ab{n}", gone=one) for n, one in enumerate(gone)]
    with pytest.raises(CliError, match="3 jobs' ids begin with 'ab': ab0, ab1, ab2"):
        resolve(["ab"], jobs)
