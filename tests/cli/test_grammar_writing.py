import re
import tomllib

from slurper_tui.cli.parser import PARSERS, WRITING_VALUES
from slurper_tui.monitor.jobs.draft import draft_of
from slurper_tui.monitor.model.plans import Draft


def test_every_option_that_takes_a_value_is_known_to_take_one() -> None:
    taking = {
        name
        for make in PARSERS.values()
        for action in make()._actions
        for name in action.option_strings
        if action.nargs is None and name not in ("--account", "--interval", "--config", "--log")
    }
    assert taking - {"--type"} == WRITING_VALUES


def test_the_example_in_the_help_is_a_request() -> None:
    example = re.search(r"JSON:\n(.*?)\n\n", PARSERS["create"]().format_help(), re.DOTALL)
    assert example is not None
    assert draft_of(tomllib.loads(example[1])) == Draft(
        "s3", "photos", "media", endpoint="https://..."
    )
