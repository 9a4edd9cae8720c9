"""A job in words, for every command that prints lines."""

from __future__ import annotations

from slurper_tui import format as fmt
from slurper_tui.cli.output import Output
from slurper_tui.eta import eta_long, eta_short
from slurper_tui.monitor.model.job import JobView, shown_forecast
from slurper_tui.monitor.reports.records import job_record


def record_line(view: JobView) -> str:
    """The job as JSON in ASCII alone, so that no name in it can steer a terminal."""
    return fmt.as_json(job_record(view))


def migration(view: JobView, out: Output) -> str:
    """`bucket/prefix → bucket`."""
    return f"{source_name(view)} {out.arrow} {target_name(view)}"


def source_name(view: JobView) -> str:
    """The source bucket, with the prefix if only that is copied."""
    source = view.job.source
    if source is None or not source.bucket:
        return fmt.DASH
    return f"{source.bucket}/{source.path_prefix}" if source.path_prefix else source.bucket


def target_name(view: JobView) -> str:
    """The target bucket."""
    return (view.job.target and view.job.target.bucket) or fmt.DASH


def amount(view: JobView) -> str:
    """`done/objects` in full; a plus where the total still grows."""
    done, objects = (_plain(n) for n in (view.counts.done, view.counts.objects))
    more = "+" if view.growing or view.partial else ""
    return f"{done}/{objects}{more}"


def percent(view: JobView) -> str:
    """`35%`, or `~35%` while the total may still grow."""
    text = fmt.percent(view.percent, provisional=view.provisional)
    return text if view.percent is None else f"{text}%"


def remains(view: JobView, out: Output, *, short: bool = False) -> str:
    """How long it will take, as a range: `3\N{EN DASH}5 h`, or in a word for a column."""
    forecast = shown_forecast(view)
    if forecast is None:
        return fmt.DASH
    tell = eta_short if short else eta_long
    text = tell(forecast.low_seconds, forecast.high_seconds, at_least=forecast.at_least)
    return sayable(text, out)


def sayable(text: str, out: Output) -> str:
    """Our own words, with letters for their signs where there are only letters."""
    return text.translate(_SIGNS) if out.ascii_only else text


_SIGNS = str.maketrans({"\N{EN DASH}": "-", "≥": ">=", "·": "-"})


def _plain(value: int | None) -> str:
    return fmt.DASH if value is None else str(value)
