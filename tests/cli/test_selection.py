"""Which jobs the names on a command line mean."""

from __future__ import annotations

import pytest

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.cli.context import resolve
from slurper_tui.cli.errors import CliError
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.selection import Selection


def known(id: str, account: str = "acc0", *, gone: bool = False) -> JobView:
    return JobView(account, Job(id=id), gone=gone)


def copies(
    id: str,
    bucket: str,
    prefix: str | None = None,
    target: str = "media",
    *,
    account: str = "acc0",
    endpoint: str | None = None,
) -> JobView:
    source = Source("s3", bucket, prefix, endpoint)
    return JobView(account, Job(id=id, source=source, target=Target("r2", target)), "running")


JOBS = [
    copies("a1", "photos", "2023/"),
    copies("a2", "photos", "2024/01/"),
    copies("b3", "photos", "2024/"),
    copies("b4", "logs", "app/", "archive"),
    copies("c5", "logs", "app/", "cold"),
    copies("c6", "photos-old"),
]


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("a1", "a1"),
        ("b3", "b3"),
        ("photos/2023/", "a1"),
        ("photos/2023", "a1"),
        ("photos/2024/", "b3"),
        ("photos/2024", "b3"),
        ("photos/2024/0", "a2"),
        ("photos-old", "c6"),
        ("photos-old/", "c6"),
    ],
)
def test_a_job_is_named_by_its_id_or_its_bucket_and_prefix(name: str, id: str) -> None:
    assert resolve(Selection((name,)), JOBS) == {JobKey("acc0", id)}


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("photos", "a1 a2 b3"),
        ("photos/2024", "a2 b3"),
        ("photos/2024/01/", "a2"),
        ("photos:media", "a1 a2 b3"),
        ("photos → media", "a1 a2 b3"),
        ("photos/2024->media", "a2 b3"),
        ("logs→cold", "c5"),
        ("logs/app:archive", "b4"),
        ("photos-old", "c6"),
    ],
)
def test_a_migration_is_named_by_its_source_with_prefix_and_target(name: str, ids: str) -> None:
    found = resolve(Selection(migrations=(name,)), JOBS)
    assert found == {JobKey("acc0", id) for id in ids.split()}


def test_several_names_are_all_meant() -> None:
    found = resolve(Selection(("a1", "photos-old"), ("logs:cold",)), JOBS)
    assert {key.job_id for key in found} == {"a1", "c5", "c6"}


@pytest.mark.parametrize(
    ("selection", "lines"),
    [
        (Selection(("zz",)), ["no job's id and no job's BUCKET/PREFIX begins with 'zz'"]),
        (Selection(("photo",)), ["no job's id and no job's BUCKET/PREFIX begins with 'photo'"]),
        (
            Selection(("photos",)),
            [
                "3 jobs begin with 'photos' (all of them: --migration photos):",
                "  a1  photos/2023/ to media, running",
                "  a2  photos/2024/01/ to media, running",
                "  b3  photos/2024/ to media, running",
            ],
        ),
        (
            Selection(("logs/app/",)),
            [
                "2 jobs begin with 'logs/app/':",
                "  b4  logs/app/ to archive, running",
                "  c5  logs/app/ to cold, running",
            ],
        ),
        (Selection(migrations=("nothing",)), ["no job copies from 'nothing'"]),
        (Selection(migrations=("photos/1999",)), ["no job copies from 'photos/1999'"]),
        (
            Selection(migrations=("logs",)),
            ["'logs' goes to several targets:", "  logs:archive", "  logs:cold"],
        ),
    ],
)
def test_candidates_are_listed_where_a_name_is_not_clear(
    selection: Selection, lines: list[str]
) -> None:
    with pytest.raises(CliError) as caught:
        resolve(selection, JOBS)
    assert [caught.value.line, *caught.value.more] == lines
    assert caught.value.code == 2


def test_many_candidates_are_cut_short() -> None:
    jobs = [copies(f"{n:02d}", "big", f"{n}/") for n in range(30)]
    with pytest.raises(CliError) as caught:
        resolve(Selection(("big",)), jobs)
    assert len(caught.value.more) == 11
    assert caught.value.more[-1] == "  and 20 more"


def test_a_bucket_in_several_places_is_not_one_migration() -> None:
    jobs = [copies("a", "photos", endpoint="https://eu.example.com"), copies("b", "photos")]
    with pytest.raises(CliError, match="'photos' is the source of several migrations") as caught:
        resolve(Selection(migrations=("photos",)), jobs)
    assert sorted(caught.value.more) == [
        "  photos:media  s3  account acc0",
        "  photos:media  s3 https://eu.example.com account acc0",
    ]
    with pytest.raises(CliError) as caught:
        resolve(Selection(migrations=("photos",)), jobs, names={"acc0": "prod"})
    assert all(line.endswith("account prod") for line in caught.value.more)


def test_candidates_of_several_accounts_are_named_with_them() -> None:
    jobs = [copies("a", "photos"), copies("a", "photos", account="acc1")]
    with pytest.raises(CliError) as caught:
        resolve(Selection(("photos",)), jobs)
    assert caught.value.more[1] == "  acc1/a  photos to media, running"
    with pytest.raises(CliError) as caught:
        resolve(Selection(("photos",)), jobs, names={"acc0": "prod", "acc1": "staging"})
    assert [line.split()[0] for line in caught.value.more] == ["prod/a", "staging/a"]


def test_of_several_the_one_that_is_not_gone_is_meant() -> None:
    jobs = [known("abc1", gone=True), known("abd2"), known("abe3", gone=True)]
    assert resolve(Selection(("ab",)), jobs) == {JobKey("acc0", "abd2")}
    both = Selection(("ab", "abc"))
    assert resolve(both, jobs) == {JobKey("acc0", "abd2"), JobKey("acc0", "abc1")}


def test_a_whole_id_is_meant_before_a_beginning_though_it_is_gone() -> None:
    jobs = [known("ab", gone=True), known("ab", "acc1", gone=True), known("abd2")]
    assert resolve(Selection(("ab",)), jobs[::2]) == {JobKey("acc0", "ab")}
    here = [known("ab", gone=True), known("ab", "acc1"), known("abd2")]
    assert resolve(Selection(("ab",)), here) == {JobKey("acc1", "ab")}


@pytest.mark.parametrize("gone", [(False, False, True), (True, True, True)])
def test_several_that_are_there_and_several_that_are_gone_are_not_clear(
    gone: tuple[bool, ...],
) -> None:
    jobs = [known(f"ab{n}", gone=one) for n, one in enumerate(gone)]
    with pytest.raises(CliError, match="3 jobs begin with 'ab':") as caught:
        resolve(Selection(("ab",)), jobs)
    assert [line.split()[0] for line in caught.value.more] == ["ab0", "ab1", "ab2"]
