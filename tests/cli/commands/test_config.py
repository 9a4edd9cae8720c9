"""`config path|show|init|check`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.program import Ran, perform

UTF8 = {"LANG": "C.UTF-8"}
PROD = '[accounts.prod]\nid = "0a"\ntoken_env = "PROD"\n'


def config(folder: Path, *words: str, text: str | None = None, **environ: str) -> Ran:
    if text is not None:
        (folder / "config.toml").write_text(text)
    return perform(None, "config", *words, environ={**UTF8, **environ}, folder=folder)


def test_path_is_that_of_the_flag_or_of_the_platform(tmp_path: Path) -> None:
    assert config(tmp_path, "path").out == [str(tmp_path / "config.toml")]
    assert config(tmp_path, "path", "--config", "x.toml").out == ["x.toml"]


def test_init_writes_a_file_that_check_accepts_and_never_overwrites(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    assert config(tmp_path, "init") == Ran(0, [str(file)], [])
    assert config(tmp_path, "check") == Ran(0, [f"{file}: no mistakes"], [])
    written = file.read_text()
    again = config(tmp_path, "init")
    assert (again.code, again.err) == (
        2,
        [f"slurper-tui: {file}: there is a file already; it is left as it is"],
    )
    assert file.read_text() == written


def test_each_line_of_the_first_file_is_a_valid_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config(tmp_path, "init")
    commented = (tmp_path / "config.toml").read_text()
    lines = re.findall(r"^# ([\w\[\"].*[\]=].*)$", commented, re.MULTILINE)
    forms = [line for line in lines if line.startswith(("token_", "email_", "key_"))]
    kept = [line for line in lines if line not in forms and line.isascii()]
    settings = "\n".join(line for line in kept if re.match(r'\[|[\w".]+ = ', line))
    names = ("PROD_TOKEN", "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_KEY")
    variables = dict.fromkeys(names, "value-0123456789")
    (tmp_path / ".config" / "slurper-tui").mkdir(parents=True)
    private = tmp_path / ".config" / "slurper-tui" / "prod-token"
    private.touch(0o600)
    private.write_text("token-0123456789")
    monkeypatch.setenv("HOME", str(tmp_path))
    for chosen in (*([form] for form in forms[:3]), forms[3:]):
        file = settings.replace("[accounts.prod]", "\n".join(["[accounts.prod]", *chosen]))
        checked = config(tmp_path, "check", text=file, **variables)
        assert checked.out == [f"{tmp_path / 'config.toml'}: no mistakes"], file


def test_check_prints_a_line_for_each_mistake(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    ran = config(tmp_path, "check", text=f"intervall = 3\nmouse = 1\n{PROD}tokenv = 3")
    assert (ran.code, ran.err) == (2, [])
    assert [line.removeprefix(f"{file}:") for line in ran.out] == [
        "1:1: unknown key 'intervall'; did you mean 'interval'?",
        "2:1: mouse must be true or false",
        "6:1: unknown key 'tokenv'; did you mean 'token_env'?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'theme = "slurper-drak"',
            "1:1: unknown theme 'slurper-drak'; did you mean 'slurper-dark'?",
        ),
        ('columns = ["etta"]', "1:1: unknown column 'etta'; did you mean 'eta'?"),
        ('sort = "-dune"', "1:1: unknown column to sort by 'dune'; did you mean 'done'?"),
        ('window = "7 h"', "1:1: unknown window '7 h'; did you mean '6 h'?"),
        ('[keys]\n"app.qiut" = "x"', "2:1: unknown key id 'app.qiut'; did you mean 'app.quit'?"),
        (f'{PROD}base_url = "http://x"', "4:1: the base URL must be https: plain http is for"),
        ('[notify]\nurl = "http://x/hush"', "2:1: url: it must be https: plain http is for"),
        (f'{PROD}base_url = "https://u:hush@x"', "4:1: the base URL must hold no user"),
        ("theme = ", "1:9: Invalid value"),
    ],
)
def test_check_knows_the_words_of_the_screen_and_addresses(
    tmp_path: Path, text: str, said: str
) -> None:
    ran = config(tmp_path, "check", text=text, PROD="t0ken-0123456")
    assert (ran.code, len(ran.out)) == (2, 1)
    assert ran.out[0].startswith(f"{tmp_path / 'config.toml'}:{said}")
    assert "hush" not in ran.out[0]


def test_check_tries_variables_and_files_and_runs_no_program(tmp_path: Path) -> None:
    text = (
        f'{PROD}[accounts.file]\nid = "0b"\ntoken_file = "token"\n'
        f'[accounts.run]\nid = "0c"\ntoken_command = ["touch", "{tmp_path}/ran"]\n'
    )
    (tmp_path / "token").touch(0o644)
    (tmp_path / "token").chmod(0o644)
    ran = config(tmp_path, "check", text=text)
    file = tmp_path / "config.toml"
    assert (ran.code, ran.out) == (
        2,
        [
            f"{file}:1:2: accounts.prod: the variable PROD is not set",
            f"{file}:4:2: accounts.file: token_file: {tmp_path / 'token'}: others can read it; "
            f"chmod 600 {tmp_path / 'token'}",
        ],
    )
    assert not (tmp_path / "ran").exists()


def test_check_without_a_file_is_fine_unless_it_was_named(tmp_path: Path) -> None:
    ran = config(tmp_path, "check")
    assert ran == Ran(
        0, [f"{tmp_path / 'config.toml'}: there is no file, so the defaults count"], []
    )
    ran = config(tmp_path, "check", "--config", "none.toml")
    assert (ran.code, ran.out) == (2, ["none.toml: there is no such file"])


def test_a_token_file_is_looked_for_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "token").touch(0o600)
    ran = config(tmp_path, "show", text='[accounts.a]\nid = "0a"\ntoken_file = "token"\n')
    assert any(re.search(r"token_file +token \(\*\*\*\)", line) for line in ran.out)


def test_show_says_where_each_value_comes_from_and_no_secret(tmp_path: Path) -> None:
    text = (
        f'theme = "nord"\n[keys]\n"app.quit" = "Q"\n{PROD}[accounts.other]\nid = "0b"\n'
        'token_command = ["op", "hush"]\nbase_url = "https://u:hush@x"\n'
        '[accounts.file]\nid = "0c"\ntoken_file = "none"\n'
        '[notify]\nbell = true\ncommand = ["my-bell", "hush"]\nurl = "https://x.example/hush"\n'
    )
    secrets = {"PROD": "hush-prod", "CLOUDFLARE_API_TOKEN": "hush-token"}
    ran = config(
        tmp_path, "show", "--interval", "9", text=text, CLOUDFLARE_ACCOUNT_ID="0a", **secrets
    )
    file = tmp_path / "config.toml"
    assert (ran.code, ran.err) == (0, [])
    assert "hush" not in "\n".join(ran.out)
    shown = {row[0]: (*row[1:], "")[:2] for row in (re.split(" {2,}", line) for line in ran.out)}
    assert shown == {
        "file": (str(file), ""),
        "theme": ("nord", f"{file}:1"),
        "interval": ("9", "--interval"),
        "columns": ("all", "default"),
        "sort": ("the worst first", "default"),
        "window": ("1 h", "default"),
        "ascii": ("false", "default"),
        "mouse": ("false", "default"),
        "utc": ("false", "default"),
        "keys.app.quit": ("Q", f"{file}:3"),
        "notify.events": ("end, failing, stall, outage, token, deadline", "default"),
        "notify.bell": ("true", f"{file}:15"),
        "notify.command": ("my-bell ***", f"{file}:16"),
        "notify.url": ("***", f"{file}:17"),
        "base_url": ("https://api.cloudflare.com/client/v4", "default"),
        "accounts": ("prod", "variable CLOUDFLARE_ACCOUNT_ID"),
        "accounts.prod.id": ("0a", f"{file}:5"),
        "accounts.prod.token_env": ("PROD (***)", f"{file}:6"),
        "accounts.other.id": ("0b", f"{file}:8"),
        "accounts.other.base_url": ("***", f"{file}:10"),
        "accounts.other.token_command": ("op ***", f"{file}:9"),
        "accounts.file.id": ("0c", f"{file}:12"),
        "accounts.file.token_file": ("none (no such file)", f"{file}:13"),
        "CLOUDFLARE_API_TOKEN": ("***", "variable CLOUDFLARE_API_TOKEN"),
    }


def test_no_command_starts_on_a_file_with_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f"{PROD}token_file = 'x'")
    for command in (["jobs"], ["config", "show"], ["history"], []):
        ran = perform(None, "--demo", *command, environ=UTF8, folder=tmp_path)
        assert (ran.code, ran.out) == (2, [])
        assert "config.toml:4:1: accounts.prod needs exactly one of" in ran.err[0]
