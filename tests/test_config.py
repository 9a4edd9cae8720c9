import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui import config
from slurper_tui.config import Account, Config, ConfigError, Flags

UTF8 = {"LANG": "de_DE.UTF-8"}


def load(
    tmp_path: Path, text: str | None = None, environ: dict[str, str] | None = None, **flags: object
) -> Config:
    file = tmp_path / "config.toml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    return config.load(Flags(**flags), UTF8 if environ is None else environ, file)  # type: ignore[arg-type]  # each test passes the flags that it needs


def complaint(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'config.toml'}:")
    return said.removeprefix(f"{tmp_path / 'config.toml'}:")


def test_defaults_without_a_file(tmp_path: Path) -> None:
    assert load(tmp_path) == Config()


def test_every_key_of_the_file_is_read(tmp_path: Path) -> None:
    text = 'theme = "nord"\ninterval = 10\nascii = true\nmouse = true\nutc = true\n[keys]\nquit="x"'
    assert load(tmp_path, text) == Config(
        theme="nord",
        interval=10.0,
        ascii_only=True,
        mouse=True,
        utc=True,
        keys={"quit": "x"},
        file=tmp_path / "config.toml",
    )


def test_flags_override_the_file_and_the_environment(tmp_path: Path) -> None:
    environ = {
        **UTF8,
        "CLOUDFLARE_ACCOUNT_ID": "one, two",
        "CLOUDFLARE_BASE_URL": "http://[::1]/v4",
    }
    layered = load(tmp_path, 'theme = "nord"\ninterval = 10', environ)
    assert (layered.accounts, layered.base_url) == (("one", "two"), "http://[::1]/v4")
    flagged = load(tmp_path, None, environ, theme="dark", interval="3", accounts=["three"])
    assert (flagged.theme, flagged.interval, flagged.accounts) == ("dark", 3.0, ("three",))


def test_accounts_are_split_trimmed_and_distinct() -> None:
    assert config.accounts([" a,b ,", "b", "c"]) == ("a", "b", "c")


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path, file=str(tmp_path / "other.toml"))


def test_a_folder_or_a_binary_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="directory"):
        load(tmp_path, file=str(tmp_path))
    (tmp_path / "b.toml").write_bytes(b'theme = "\xff"')
    with pytest.raises(ConfigError, match="not UTF-8 at byte 9"):
        load(tmp_path, file=str(tmp_path / "b.toml"))


def test_an_unreadable_default_file_is_skipped_with_a_notice(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    os.mkfifo(file)
    assert load(tmp_path).notice == (
        f"{file}: Is a directory or a device, not a file; continuing without it"
    )
    with pytest.raises(ConfigError, match="not a file"):
        load(tmp_path, file=str(file))
    file.unlink()
    file.symlink_to(file)
    assert "symbolic links" in load(tmp_path).notice
    assert config.load(Flags(), UTF8, Path("/dev/null/config.toml")) == Config()
    assert config.load(Flags(), UTF8, None) == Config()


@pytest.mark.parametrize(
    "text", ["", "utc = true\r\ninterval = 10\r\n", "utc = true\n[keys]\na='b'"]
)
def test_a_byte_order_mark_is_ignored(tmp_path: Path, text: str) -> None:
    plain = load(tmp_path, text)
    assert load(tmp_path, f"\ufeff{text}") == plain
    assert plain.utc is bool(text)


def test_positions_after_a_byte_order_mark_are_correct(tmp_path: Path) -> None:
    assert complaint(tmp_path, "\ufeffmouse = 1").startswith("1:1: mouse must be")
    loaded = load(tmp_path, '\ufeff[keys]\nnope = "x"')
    assert loaded.file is not None
    assert config.locate(loaded.file, ("keys", "nope")) == f"{loaded.file}:2:1"


@pytest.mark.parametrize("opening", ["a = " + "[" * 2000, "a = " + "{b=" * 2000])
def test_unclosed_brackets_are_a_one_line_error(tmp_path: Path, opening: str) -> None:
    assert complaint(tmp_path, opening)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('[keys]\napp.quit = "Q"', '2:1: a name with dots is written in quotes: "app.quit" = "Q"'),
        ('keys.list.down = "x"', '1:1: a name with dots is written in quotes: "list.down" = "x"'),
        ('[keys.a.b]\nc = "x"', '1:2: a name with dots is written in quotes: "a.b.c" = "x"'),
        ("[keys]\na.b = 3", '2:1: a name with dots is written in quotes: "a.b" = ...'),
    ],
)
def test_a_name_with_dots_needs_quotes(tmp_path: Path, text: str, hint: str) -> None:
    assert complaint(tmp_path, text) == hint


@given(st.binary(max_size=60), st.booleans())
def test_any_invalid_file_is_a_config_error(data: bytes, mark: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.toml"
        file.write_bytes(b"\xef\xbb\xbf" * mark + b"[keys]\n" + data)
        try:
            said = str(file) if config.load(Flags(), UTF8, file) else ""
        except ConfigError as error:
            said = str(error)
        assert str(file) in said


@pytest.mark.parametrize(
    ("accounts", "said"),
    [
        ("x y", "a blank"),
        ('"abc"', """'"'"""),
        ("a\nb", "a line break"),
        ("a/b", "'/'"),
        ("é", "'\\xe9'"),
    ],
)
def test_an_invalid_account_id_is_reported_with_its_source(
    tmp_path: Path, accounts: str, said: str
) -> None:
    for environ, flags, source in (
        ({**UTF8, "CLOUDFLARE_ACCOUNT_ID": accounts}, [], "CLOUDFLARE_ACCOUNT_ID"),
        (UTF8, ["fine", accounts], "--account"),
    ):
        with pytest.raises(ConfigError, match=source) as caught:
            config.check_accounts(load(tmp_path, None, environ, accounts=flags))
        assert str(caught.value).endswith(f"holds {said}")
        assert accounts not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("theme = nord", "1:9: Invalid value"),
        ('utc = true\n\n  intervall = 3\nmouse="no"', "3:3: unknown key 'intervall'; did you mean"),
        ("frobnicate = 1", "1:1: unknown key 'frobnicate'"),
        ('# interval = 2\ninterval = "soon"', "2:1: interval must be a number of seconds"),
        ("interval = 1", "1:1: interval must be at least 2 s"),
        ("interval = nan", "1:1: interval must be a number"),
        ("interval = true", "1:1: interval must be a number"),
        ('mouse = "yes"', "1:1: mouse must be true or false"),
        ("theme = 3", "1:1: theme must be a text"),
        ("utc = true\nkeys = 3", "2:1: keys must be a table"),
        ('[keys]\nquit = "x"\n "list.down" = 3', "3:2: list.down must be a text"),
        ('keys."list.down" = 3', "1:1: list.down must be a text"),
        ("keys = {quit = 3}", "1:1: quit must be a text"),
        ("utc = true\n[kyes]\na = 1", "2:2: unknown key 'kyes'; did you mean 'keys'?"),
        ('theme = "nord', "1:14: "),
        ("[keys", "1:6: "),
    ],
)
def test_an_error_names_line_column_and_the_nearest_key(
    tmp_path: Path, text: str, said: str
) -> None:
    assert complaint(tmp_path, text).startswith(said)


def test_the_position_of_a_key_can_be_found(tmp_path: Path) -> None:
    loaded = load(tmp_path, 'theme = "x"\n[keys]\nnope = "x"')
    assert loaded.file is not None
    assert config.locate(loaded.file, ("keys", "nope")) == f"{loaded.file}:3:1"
    assert config.locate(loaded.file, ("keys", "other")) is None
    assert config.locate(tmp_path / "gone", ("theme",)) is None


@pytest.mark.parametrize("text", ["1.9", "-5", "soon", "", "nan", "inf", "1e9"])
def test_an_invalid_interval_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="interval"):
        load(tmp_path, interval=text)


@pytest.mark.parametrize(
    ("environ", "utf8"),
    [
        ({}, False),
        ({"LANG": "C"}, False),
        ({"LANG": "POSIX", "LC_CTYPE": "C.UTF-8"}, False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, False),
        ({"LC_CTYPE": "en_US.ISO-8859-1", "LANG": "en_US.UTF-8"}, False),
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "en_GB.utf8"}, True),
        ({"LC_ALL": "", "LC_CTYPE": "de_DE.UTF-8", "LANG": "C"}, True),
        ({"LC_ALL": "C.UTF-8"}, True),
    ],
)
def test_the_locale_selects_ascii(environ: dict[str, str], utf8: bool) -> None:
    assert config.speaks_utf8(environ) is utf8


def test_a_setting_overrides_the_locale(tmp_path: Path) -> None:
    assert load(tmp_path, environ={"LANG": "C"}).ascii_only
    assert not load(tmp_path, "ascii = false", {"LANG": "C"}).ascii_only
    assert load(tmp_path, "ascii = false", {"LANG": "C"}, ascii_only=True).ascii_only


ACCOUNT = 'id = "0a"\ntoken_env = "T"\n'


def test_every_form_of_an_account_is_read(tmp_path: Path) -> None:
    text = (
        '[accounts.prod]\nid = "0a"\nbase_url = "https://x.example/v4"\ntoken_env = "T"\n'
        '[accounts."eu.1"]\nid = "0b"\ntoken_file = "~/.token"\n'
        '[accounts.cmd]\nid = "0c"\ntoken_command = ["pass", "show"]\n'
        '[accounts.old]\nid = "0d"\nemail_env = "E"\nkey_env = "K"\n'
    )
    loaded = load(tmp_path, text)
    assert loaded.named == {
        "prod": Account("0a", "https://x.example/v4", token_env="T"),
        "eu.1": Account("0b", token_file="~/.token"),
        "cmd": Account("0c", token_command=("pass", "show")),
        "old": Account("0d", email_env="E", key_env="K"),
    }
    assert loaded.accounts == ("0a", "0b", "0c", "0d")
    assert loaded.names["0b"] == "eu.1"


@pytest.mark.parametrize(
    ("variable", "flags", "followed", "source"),
    [
        ("", [], ("0a", "0b"), "CLOUDFLARE_ACCOUNT_ID"),
        ("0c", [], ("0c",), "CLOUDFLARE_ACCOUNT_ID"),
        ("two,0c", [], ("0b", "0c"), "CLOUDFLARE_ACCOUNT_ID"),
        ("0c", ["two"], ("0b",), "--account"),
        ("0c", ["two", "0b", "one"], ("0b", "0a"), "--account"),
    ],
)
def test_accounts_are_chosen_by_name_or_id(
    tmp_path: Path, variable: str, flags: list[str], followed: tuple[str, ...], source: str
) -> None:
    text = '[accounts.one]\nid = "0a"\ntoken_env="T"\n[accounts.two]\nid = "0b"\ntoken_env="T"'
    loaded = load(tmp_path, text, {**UTF8, "CLOUDFLARE_ACCOUNT_ID": variable}, accounts=flags)
    assert (loaded.accounts, loaded.accounts_from) == (followed, source)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"[accounts.a]\n{ACCOUNT}tokn_env = 'T'", "4:1: unknown key 'tokn_env'; did you mean"),
        (f"[accounts.a]\n{ACCOUNT}token = 'hush'", "4:1: unknown key 'token'; did you mean"),
        ("[accounts.a]\ntoken_env = 'T'", "1:2: accounts.a needs id"),
        ("[accounts.a]\nid = '0a'", "1:2: accounts.a needs exactly one of token_env, token_file"),
        (f"[accounts.a]\n{ACCOUNT}token_file = 'f'", "4:1: accounts.a needs exactly one"),
        (f"[accounts.a]\n{ACCOUNT}email_env = 'E'", "4:1: accounts.a needs exactly one"),
        ("[accounts.a]\nid = '0a'\nkey_env = 'K'", "3:1: accounts.a needs exactly one"),
        ("[accounts.a]\nid = '0a'\ntoken_env = ''", "3:1: token_env must not be empty"),
        ("[accounts.a]\nid = '0a'\ntoken_command = []", "3:1: token_command must not be empty"),
        ("[accounts.a]\nid = '0a'\ntoken_command = ['']", "3:1: token_command must not be empty"),
        ("[accounts.a]\nid = '0a'\ntoken_command = 'pass'", "3:1: token_command must be a list"),
        ("[accounts.a]\nid = '0a'\ntoken_command = ['a', 1]", "3:1: token_command must be a list"),
        ("[accounts.a]\nid = 7\ntoken_env = 'T'", "2:1: id must be a text"),
        ("[accounts.a]\nid = 'a b'\ntoken_env = 'T'", "2:1: an account id is made of letters"),
        ("[accounts.a]\nid = ''\ntoken_env = 'T'", "2:1: an account id is made of letters"),
        ('[accounts."a,b"]\n' + ACCOUNT, "1:2: a name is made of letters"),
        ("[accounts]\na = 3", "2:1: a must be a table"),
        ("accounts = 3", "1:1: accounts must be a table"),
        ("accounts = [1]", "1:1: accounts must be a table"),
        (f"[accounts.a]\n{ACCOUNT}[accounts.b]\n{ACCOUNT}", "5:1: the id is a's already"),
        (f"[accounts.a]\n{ACCOUNT}[accounts.0a]\nid='0b'\ntoken_env='T'", "2:1: the id is another"),
        ("columns = 'eta'", "1:1: columns must be a list of texts"),
        ("sort = 3", "1:1: sort must be a text"),
    ],
)
def test_a_mistake_in_an_account_is_placed(tmp_path: Path, text: str, said: str) -> None:
    assert complaint(tmp_path, text).startswith(said)
    assert "hush" not in complaint(tmp_path, text)


def test_every_mistake_of_a_file_is_found() -> None:
    text = f"intervall = 3\nmouse = 1\n[accounts.a]\n{ACCOUNT}x = 1\n[accounts.b]\nid = 3"
    assert [line.partition(": ")[0] for line in config.mistakes_in(text, "c")] == [
        *("c:1:1", "c:2:1", "c:6:1", "c:8:1")
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"interval{'.a' * 599} = 1", "1:1: interval must be a number of seconds"),
        (f"utc = true\ninterval{'.a' * 500_000} = 1", "2:1: a key of more than 600 parts"),
        (f"[keys{'. a' * 300_000}]", "1:1: a key of more than 600 parts"),
        ("x = {" + "'a'.\"b\"." * 100_000 + "c = 1}", "1:1: a key of more than 600 parts"),
        (f"# {'.' * 500_000}\nutc = 1", "2:1: utc must be true or false"),
        (f"utc = 1 # {'a' * 500_000}.", "1:1: utc must be true or false"),
        ("utc = 1 # " + "'" * 100_000, "1:1: utc must be true or false"),
        (f"utc = 1\nx = '''\n{' ' * 300_000}\n'''", "1:1: utc must be true or false"),
        (f"x = '''\n{' ' * 300_000}\n'''\n[keys]\nutc = 1", "1:1: unknown key 'x'"),
        ("# \u2028\x85\nutc = 1", "2:1: utc must be true or false"),
    ],
    ids=[
        *("deep", "too deep", "table", "quoted", "dots", "word", "quotes"),
        "after the mistake",
        "long line",
        "separators",
    ],
)
def test_a_hostile_file_is_told_of_at_once(tmp_path: Path, text: str, said: str) -> None:
    assert complaint(tmp_path, text) == said


def test_of_very_many_mistakes_the_first_are_told() -> None:
    text = "".join(f"a{number} = 1\n" for number in range(20_000))
    assert len(config.mistakes_in(text, "c")) == config.MOST_MISTAKES


def test_the_origin_of_each_value(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('interval = 10\ntheme = "nord"\nascii = false')
    environ = {"LC_ALL": "C", "CLOUDFLARE_ACCOUNT_ID": "0a", "CLOUDFLARE_BASE_URL": "https://x"}
    flags = Flags(interval="3")
    assert config.origins(flags, environ, tmp_path / "config.toml") == {
        "interval": "--interval",
        "theme": "file",
        "ascii_only": "file",
        "accounts": "CLOUDFLARE_ACCOUNT_ID",
        "accounts_from": "CLOUDFLARE_ACCOUNT_ID",
        "base_url": "CLOUDFLARE_BASE_URL",
    }
    assert config.origins(Flags(), {"LC_ALL": "C"}, None) == {"ascii_only": "LC_ALL"}


def test_the_ways_of_being_told_are_read(tmp_path: Path) -> None:
    assert load(tmp_path).notify == config.Notify()
    assert "job" not in config.Notify().events
    text = (
        '[notify]\nevents = ["end", "failing"]\ntitle = false\nbell = true\nosc = 777\n'
        'progress = true\ncommand = ["notify-send", "slurper"]\nurl = "https://example.com/x"'
    )
    assert load(tmp_path, text).notify == config.Notify(
        events=("end", "failing"),
        title=False,
        bell=True,
        osc=777,
        progress=True,
        command=("notify-send", "slurper"),
        url="https://example.com/x",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[notify]\nbel = true", "2:1: unknown key 'bel'; did you mean 'bell'?"),
        ("notify.bell = 1", "1:1: bell must be true or false"),
        (
            '[notify]\nbell = true\n  events = ["fail"]',
            "3:3: unknown kind 'fail'; did you mean 'failing'?; "
            "the kinds are: end, job, failing, stall, outage, back, token, deadline",
        ),
        ('[notify]\nevents = "end"', "2:1: events must be a list of texts"),
        ("[notify]\nosc = 8", "2:1: osc must be 9 or 777"),
        ("[notify]\nosc = true", "2:1: osc must be a whole number"),
        ("[notify]\ncommand = []", "2:1: command names no program"),
        ('[notify]\ncommand = "notify-send"', "2:1: command must be a list of texts"),
        ("[notify]\nurl = 5", "2:1: url must be a text"),
        ("notify = true", "1:1: notify must be a table"),
    ],
)
def test_a_mistake_in_the_ways_of_being_told_has_a_place(
    tmp_path: Path, text: str, said: str
) -> None:
    assert complaint(tmp_path, text).startswith(said)
