"""Which jobs a command is about: the names on its command line, and whether a job has one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from slurper_tui.api.models import Job

ARROWS = ("→", "->", ":")
"""What may stand between source and target in the name of a migration."""


class Selection(NamedTuple):
    """Names of jobs and of migrations; without any name, all jobs.

    jobs: each names one job, by the beginning of its id or as `BUCKET/PREFIX`. migrations: each
    names the jobs of one migration: `SOURCE`, `SOURCE/PREFIX`, or one of them with the target
    bucket, as in `SOURCE:TARGET`.
    """

    jobs: tuple[str, ...] = ()
    migrations: tuple[str, ...] = ()

    @property
    def everything(self) -> bool:
        """True if there is no name."""
        return not self.jobs and not self.migrations

    def takes(self, job: Job) -> bool:
        """Return whether one of the names fits the job."""
        by_name = any(fits(name, job) for name in self.jobs)
        return self.everything or by_name or self.takes_migration(job)

    def takes_migration(self, job: Job) -> bool:
        """Return whether the name of a migration fits the job."""
        return any(is_part(job, name) for name in self.migrations)


ALL_JOBS = Selection()


def fits(name: str, job: Job) -> bool:
    """Return whether a job's id begins with the name, or its source is `BUCKET/PREFIX...`."""
    return (job.id or "").startswith(name) or _is_below(job, name)


def is_whole_name(name: str, job: Job) -> bool:
    """Return whether the name is a job's whole id, or its bucket with its whole prefix."""
    place = f"{job.source_bucket}/{job.prefix}"
    return name == job.id or name.rstrip("/") == place.rstrip("/")


def is_part(job: Job, migration: str) -> bool:
    """Return whether the name of a migration fits the job."""
    places = [migration]
    target = job.target_bucket
    if target and migration.endswith(target):
        head = migration.removesuffix(target).rstrip()
        places += [head.removesuffix(arrow).rstrip() for arrow in ARROWS if head.endswith(arrow)]
    return any(_is_below(job, place) for place in places)


def _is_below(job: Job, place: str) -> bool:
    """Return whether a job's source is in the bucket `BUCKET`, or below `BUCKET/PREFIX`."""
    if not job.source_bucket:
        return False
    if place == job.source_bucket:
        return True
    bucket, prefix = f"{job.source_bucket}/", job.prefix
    wanted = place.removeprefix(bucket)
    return place.startswith(bucket) and (
        prefix.startswith(wanted) or prefix == wanted.removesuffix("/")
    )
