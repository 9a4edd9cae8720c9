"""What a receipt comes to, in one line for both its forms. Foreign text in it is not yet clean."""

from __future__ import annotations

from slurper_tui.monitor.families.repeated import of_skips
from slurper_tui.monitor.families.retried import total
from slurper_tui.monitor.receipts.receipt import JobReceipt, Receipt

ALL_COPIED = "all copied"


def headline(receipt: Receipt) -> str:
    """`1,310 failed, of which 1,310 were copied by a retry: all copied`, or what is left."""
    text = ALL_COPIED if all_copied(receipt) else receipt.verdict.text
    failed = total(job.view.counts.failed for job in receipt.first)
    retries = len(receipt.family.retries.keys() - receipt.family.superseded)
    if not retries or not failed or not all(map(_of_failures_alone, retries_of(receipt))):
        return f"{receipt.verdict.text}: {text}" if text == ALL_COPIED else text
    by = "a retry" if retries == 1 else f"{retries} retries"
    return f"{failed:,} failed, of which {_copied(receipt):,} were copied by {by}: {text}"


def all_copied(receipt: Receipt) -> bool:
    """Every object of the source is in the target, as far as can be known.

    Whether a source was listed to its end, only the job's log tells.
    """
    listed = all(job.log is not None for job in receipt.first)
    ended_well = receipt.completed and not receipt.lost_job
    return ended_well and receipt.verdict.clean and receipt.not_copied == 0 and listed


def retries_of(receipt: Receipt) -> tuple[JobReceipt, ...]:
    """The jobs that copied again what had failed in others of them."""
    return tuple(job for job in receipt.jobs if job.view.key in receipt.family.retries)


def _of_failures_alone(job: JobReceipt) -> bool:
    return job.retries is None or not of_skips(job.retries)


def _copied(receipt: Receipt) -> int:
    """How many objects retries have copied of those that had failed."""
    first = total(job.view.counts.transferred for job in receipt.first)
    return max(0, (receipt.counts.transferred or 0) - (first or 0))
