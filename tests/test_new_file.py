"""A new file has its name once it is whole, whatever happens before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slurper_tui.new_file import new_file


def test_a_new_file_has_its_name_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with new_file(path) as file:
        file.write(b"a\n")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"a\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [*tmp_path.iterdir()] == [path]


def test_a_program_that_is_killed_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    code = (
        "import os, pathlib, signal, sys; from slurper_tui.new_file import new_file\n"
        "with new_file(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(b'a'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    with new_file(tmp_path / "other") as file:
        file.write(b"other")
    assert len([*tmp_path.iterdir()]) == 2  # what was left is not of this name
    with new_file(path) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
    assert {each.name for each in tmp_path.iterdir()} == {"keys", "other"}


def test_of_two_writers_of_one_name_the_first_to_end_has_it(tmp_path: Path) -> None:
    path = tmp_path / "keys"

    def write() -> None:
        with new_file(path) as late:
            late.write(b"late")
            with new_file(path) as early:
                early.write(b"early")
            assert len([*tmp_path.iterdir()]) == 2  # the late one is left alone

    with pytest.raises(FileExistsError):
        write()
    assert path.read_bytes() == b"early"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_new_file_replaces_no_other(when: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    if when == "before":
        path.symlink_to(tmp_path / "nowhere")

    def write() -> None:
        with new_file(path) as file:
            file.write(b"mine")
            path.write_bytes(b"another's")

    with pytest.raises(FileExistsError):
        write()
    assert when == "before" or path.read_bytes() == b"another's"
    assert [*tmp_path.iterdir()] == [path]


def test_a_file_that_fails_in_the_middle_is_deleted(tmp_path: Path) -> None:
    def write() -> None:
        with new_file(tmp_path / "keys") as file:
            file.write(b"a")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write()
    assert not [*tmp_path.iterdir()]


def test_a_file_system_without_links_holds_a_new_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    with new_file(tmp_path / "keys", 0o600) as file:
        file.write(b"a")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("keys", b"a")]
