from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from slurper_tui.cli.screen import load_view, save_view, view_file
from slurper_tui.tui.state import ViewState


def test_a_saved_view_is_loaded_again(tmp_path: Path) -> None:
    view = ViewState(theme="nord", sort="percent", inverted=True, hide_ended=True, migrations=False)
    file = tmp_path / "new" / "folder" / "state.json"
    save_view(file, view)
    assert load_view(file) == view
    assert [*file.parent.iterdir()] == [file]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"theme": 3, "sort": null, "inverted": "yes", "migrations": 0}',
        "\xff",
        "[" * 9999,
    ],
)
def test_an_invalid_state_file_yields_the_default_view(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text, encoding="latin-1")
    assert load_view(tmp_path / "state.json") == ViewState()


def test_a_partial_state_file_is_completed_by_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"sort": "percent", "hide_ended": true, "later": 1}')
    assert load_view(tmp_path / "state.json") == ViewState(
        sort="percent", hide_ended=True, migrations=True
    )


@pytest.mark.parametrize(
    ("text", "view"),
    [
        ("{}", ViewState(sort="eta", inverted=True)),
        ('{"sort": null, "inverted": false}', ViewState(sort="eta", inverted=True)),
        ('{"sort": "done", "inverted": false}', ViewState(sort="done")),
        ('{"sort": "", "inverted": false}', ViewState()),
    ],
)
def test_a_saved_order_wins_over_the_one_of_the_configuration(
    tmp_path: Path, text: str, view: ViewState
) -> None:
    default = ViewState(sort="eta", inverted=True)
    (tmp_path / "state.json").write_text(text)
    assert load_view(tmp_path / "state.json", default) == view
    save_view(tmp_path / "state.json", view, default)
    assert load_view(tmp_path / "state.json", default) == view
    assert ("sort" in (tmp_path / "state.json").read_text()) == (view != default)


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        save_view(tmp_path / "new" / "folder" / "state.json", ViewState())
    finally:
        os.umask(before)
    for folder in (tmp_path / "new", tmp_path / "new" / "folder"):
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "loop", "large"])
def test_only_a_small_regular_state_file_is_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "state.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as there:
            there.bind(str(path))
    elif kind == "large":
        path.write_text('{"sort": "percent"}' + " " * 2**20)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    assert load_view(tmp_path / "state.json") == ViewState()


def test_without_a_home_folder_nothing_is_kept() -> None:
    save_view(None, ViewState(theme="nord"))
    assert load_view(None) == ViewState()


def test_an_unwritable_folder_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    save_view(tmp_path / "file" / "state.json", ViewState())
    (tmp_path / "state.json").mkdir()
    save_view(tmp_path / "state.json", ViewState())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "state.json"]
    assert load_view(tmp_path / "state.json") == ViewState()


def test_the_demo_and_the_real_program_keep_their_views_apart(tmp_path: Path) -> None:
    real, demo = (view_file(tmp_path, demo=demo) for demo in (False, True))
    save_view(real, ViewState(theme="nord"))
    save_view(demo, ViewState(sort="percent"))
    assert (load_view(real), load_view(demo)) == (ViewState("nord"), ViewState(sort="percent"))
    assert view_file(None, demo=True) is None
