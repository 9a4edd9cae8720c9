from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from slurper_tui.cli.context import selection_of
from slurper_tui.cli.errors import CliError
from slurper_tui.cli.parser import COMMANDS, make_parser, parse, split_command
from slurper_tui.monitor.jobs.draft import draft_of
from slurper_tui.monitor.model.plans import Draft
from slurper_tui.simulated.account import SimulatedAccount
from tests.cli.program import environment, perform


@pytest.mark.parametrize(
    ("words", "command", "rest"),
    [
        ("", "", ""),
        ("--demo", "", "--demo"),
        ("jobs --json", "jobs", "--json"),
        ("--demo jobs", "jobs", "--demo"),
        ("--account jobs watch", "watch", "--account jobs"),
        ("--account=jobs --config x progress 4f", "progress", "--account=jobs --config x 4f"),
        ("--interval 5 --log jobs jobs", "jobs", "--interval 5 --log jobs"),
        ("4f2a 9b", "", "4f2a 9b"),
        ("4f2a jobs", "", "4f2a jobs"),
        ("-- jobs", "", "-- jobs"),
    ],
)
def test_the_command_is_found_among_options(words: str, command: str, rest: str) -> None:
    assert split_command(words.split()) == (command, rest.split())


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("jbos", "jobs"),
        ("progres", "progress"),
    ],
)
def test_an_unknown_command_is_answered_with_the_nearest(word: str, nearest: str | None) -> None:
    with pytest.raises(CliError, match=f"unknown command '{word}'; the nearest is") as caught:
        parse([word])
    assert nearest is None or f"'{nearest}'" in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "jobs --demo --account x --config c --no-history --utc --ascii --log l --interval 3",
        "--demo --account x --config c --no-history --utc --ascii --log l --interval 3 jobs",
    ],
)
def test_common_options_stand_before_or_after_the_command(words: str) -> None:
    options = parse(words.split())
    assert (options.command, options.demo, options.account) == ("jobs", True, ["x"])
    assert (options.config, options.no_history, options.utc) == ("c", True, True)
    assert (options.ascii, options.log, options.interval) == (True, "l", "3")


def test_jobs_and_options_may_be_mixed() -> None:
    assert parse(["4f", "--utc", "9b"]).jobs == ["4f", "9b"]
    assert parse(["watch", "4f", "--json", "9b"]).jobs == ["4f", "9b"]


@pytest.mark.parametrize("word", ["-Zk3", "--json", "--", "-", "-1", "--utc=x", "jobs", "a\tb"])
@pytest.mark.parametrize("command", ["", "progress", "watch", "logs", "failures", "history"])
def test_words_after_two_dashes_are_job_ids(command: str, word: str) -> None:
    options = parse([*filter(None, ["--utc", command]), "--", word])
    assert selection_of(options).jobs == (word,)
    assert (options.command, options.utc) == (command, True)


def test_jobs_may_stand_on_both_sides_of_two_dashes() -> None:
    assert parse(["watch", "4f", "--json", "--", "-9b", "--utc"]).jobs == ["4f", "-9b", "--utc"]
    with pytest.raises(CliError, match="unrecognized arguments: -b") as caught:
        parse(["jobs", "--", "-b"])
    assert "\0" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "--frobnicate",
        "jobs 4f",
        "progress",
        "watch --theme nord",
        "jobs --status",
        "history --json --csv",
        "--dem",
        "--demo=1",
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(words: str) -> None:
    ran = perform(None, *words.split())
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert ran.err[0].startswith("slurper-tui: ")
    command = next((f" {word}" for word in words.split() if word in COMMANDS), "")
    assert ran.err[0].endswith(f"(see slurper-tui{command} --help)")


@pytest.mark.parametrize("text", ["1.9", "soon", "-3"])
def test_an_interval_below_two_is_exit_2(text: str) -> None:
    ran = perform(SimulatedAccount(), "jobs", "--interval", text)
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert "interval" in ran.err[0]


@pytest.mark.parametrize("words", [["--demo"], ["4f"], []])
def test_a_deadline_that_is_no_time_is_exit_2_without_a_screen_too(words: list[str]) -> None:
    ran = perform(None, *words, "--deadline", "nonsense")
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert ran.err[0].startswith('slurper-tui: --deadline: cannot read "nonsense" as a time')


def test_version() -> None:
    ran = perform(None, "--version")
    assert ran.code == 0
    assert ran.out[0].startswith("slurper-tui 0.")


def test_an_option_before_the_command_takes_its_value_with_it() -> None:
    for command, parser in make_parser()[1].items():
        for action in parser._actions:
            for option in action.option_strings:
                words = [option, "4f"] if action.nargs is None else [option]
                if action.nargs != "?":
                    assert split_command([*words, command]) == (command, words)


def test_the_help_of_the_program_lists_every_command_and_common_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert perform(None, "--help").code == 0
    told = capsys.readouterr().out
    assert told == make_parser()[0].format_help()
    for name, command in COMMANDS.items():
        assert f"    {name.ljust(14)} {command.summary[:50]}" in told
    for word in ("CLOUDFLARE_API_TOKEN", "--account NAME", "--theme NAME", "exit codes:"):
        assert word in told


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_lists_its_options(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert perform(None, name, "--help").code == perform(None, "--utc", "-h", name).code == 0
    told = capsys.readouterr().out
    assert told == 2 * make_parser()[1][name].format_help()
    assert told.startswith(f"usage: slurper-tui {name} ")
    for argument in COMMANDS[name].arguments:
        name = argument.names[0]
        assert (name if name.startswith("-") else argument.settings["metavar"]) in told


def test_the_example_in_the_help_is_a_request() -> None:
    example = re.search(r"JSON:\n(.*?)\n\n", make_parser()[1]["create"].format_help(), re.DOTALL)
    assert example is not None
    assert draft_of(tomllib.loads(example[1])) == Draft(
        "s3", "photos", "media", endpoint="https://..."
    )


def test_missing_credentials_are_exit_3_with_advice() -> None:
    ran = perform(None, "jobs", environ={"CLOUDFLARE_ACCOUNT_ID": "a"})
    assert (ran.code, ran.out, len(ran.err)) == (3, [], 1)
    assert "CLOUDFLARE_API_TOKEN" in ran.err[0]
    assert "dash.cloudflare.com/" in ran.err[0]
    assert "Workers R2 Storage Read" in ran.err[0]


def test_a_missing_account_is_exit_2_and_names_its_source() -> None:
    ran = perform(None, "jobs", environ={"CLOUDFLARE_API_TOKEN": "t"})
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert "CLOUDFLARE_ACCOUNT_ID" in ran.err[0]
    assert "dash.cloudflare.com/" in ran.err[0]


@pytest.mark.parametrize("words", [["jobs"], ["jobs", "--account", "a b"], ["digest"]])
def test_an_account_id_that_is_none_is_named_and_not_the_token(words: list[str]) -> None:
    environ = {"CLOUDFLARE_API_TOKEN": "t0ken", "CLOUDFLARE_ACCOUNT_ID": "'abc'"}
    ran = perform(None, *words, environ=environ)
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert ("--account" if "a b" in words else "CLOUDFLARE_ACCOUNT_ID") in ran.err[0]
    assert "TOKEN" not in ran.err[0]
    assert "t0ken" not in ran.err[0]


@pytest.mark.parametrize(
    ("there", "missing"),
    [("CLOUDFLARE_EMAIL", "CLOUDFLARE_API_KEY"), ("CLOUDFLARE_API_KEY", "CLOUDFLARE_EMAIL")],
)
def test_half_a_pair_is_named(there: str, missing: str) -> None:
    ran = perform(None, "jobs", environ={there: "half-a-secret", "CLOUDFLARE_ACCOUNT_ID": "a"})
    assert (ran.code, len(ran.err)) == (3, 1)
    assert f"{there} is set, but {missing} is not" in ran.err[0]
    assert "half-a-secret" not in ran.err[0]


def test_malformed_credentials_are_named_but_not_shown() -> None:
    environ = {"CLOUDFLARE_API_TOKEN": "two words", "CLOUDFLARE_ACCOUNT_ID": "a"}
    ran = perform(None, "jobs", environ=environ)
    assert (ran.code, len(ran.err)) == (3, 1)
    assert "CLOUDFLARE_API_TOKEN" in ran.err[0]
    assert "words" not in ran.err[0]


@pytest.mark.parametrize("url", ["http://example.com/v4", "ftp://example.com", "https://"])
def test_a_refused_address_is_exit_2(url: str) -> None:
    account = SimulatedAccount()
    ran = perform(account, "jobs", environ=environment(account, CLOUDFLARE_BASE_URL=url))
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert "CLOUDFLARE_BASE_URL" in ran.err[0]


def test_a_token_wins_over_a_key() -> None:
    account = SimulatedAccount(jobs=1)
    more = {"CLOUDFLARE_EMAIL": "wrong@example.com", "CLOUDFLARE_API_KEY": "wrong"}
    assert perform(account, "jobs", environ=environment(account, **more)).code == 0


def test_an_email_and_a_key_are_accepted() -> None:
    account = SimulatedAccount(jobs=1)
    environ = environment(account, CLOUDFLARE_EMAIL=account.email, CLOUDFLARE_API_KEY=account.key)
    del environ["CLOUDFLARE_API_TOKEN"]
    assert perform(account, "jobs", environ=environ).code == 0


def test_the_account_of_the_flag_wins() -> None:
    account = SimulatedAccount(jobs=1)
    environ = environment(account, CLOUDFLARE_ACCOUNT_ID="another")
    assert perform(account, "jobs", "--account", account.account_id, environ=environ).code == 0


def test_a_broken_configuration_is_exit_2_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("mouse = 1\n")
    ran = perform(SimulatedAccount(jobs=1), "jobs", folder=tmp_path)
    assert (ran.code, len(ran.err)) == (2, 1)
    assert f"{tmp_path / 'config.toml'}:1:1: mouse must be true or false" in ran.err[0]


def test_a_named_configuration_must_exist(tmp_path: Path) -> None:
    ran = perform(SimulatedAccount(jobs=1), "--config", str(tmp_path / "no"), "jobs")
    assert (ran.code, len(ran.err)) == (2, 1)


def test_control_characters_in_an_error_are_removed() -> None:
    ran = perform(None, "jobs", "b\x1b[2Jc")
    assert ran.code == 2
    assert "\x1b" not in "".join(ran.err)


def _before_1970() -> float:
    return -3600.0


def _after_2262() -> float:
    raise OverflowError("timestamp too large to convert to C _PyTime_t")


@pytest.mark.parametrize("clock", [_before_1970, _after_2262])
def test_a_clock_out_of_range_is_exit_2(
    monkeypatch: pytest.MonkeyPatch, clock: Callable[[], float]
) -> None:
    monkeypatch.setattr("time.time", clock)
    ran = perform(None, "jobs", "--demo")
    monkeypatch.undo()
    when = clock.__name__.strip("_").replace("_", " ")
    assert ran.code == 2
    assert ran.err == [
        f"slurper-tui: the clock of this system says that it is {when}: set it first"
    ]
