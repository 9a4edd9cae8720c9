from __future__ import annotations

import asyncio
import io
import json
import logging
import os
from pathlib import Path

import httpx
import pytest

from slurper_tui.cli.credentials import secrets_in
from slurper_tui.cli.errors import CliError
from slurper_tui.cli.output import Output
from slurper_tui.cli.prompts import read_secrets
from slurper_tui.monitor.model.plans import Secrets
from slurper_tui.simulated.account import SimulatedAccount
from tests.cli.making import KEYS, S3, SECRET, Person
from tests.cli.program import perform

GCS = {
    "SLURPER_SOURCE_CLIENT_EMAIL": "me@project.iam.example",
    "SLURPER_SOURCE_PRIVATE_KEY": "-----BEGIN KEY-----\\nabc\\n-----END KEY-----\\n",
}
FILE = """
[source]
access-key-id = "file-id"
secretAccessKey = "file-s3cret-that-nobody-may-see"
[target]
access_key_id = "target-id"
secret_access_key = "target-s3cret-that-nobody-may-see"
"""


def read(vendor: str, file: str | None = None, environ: dict[str, str] | None = None) -> Secrets:
    out = Output(io.StringIO(), io.StringIO(), ascii_only=False)
    return asyncio.run(read_secrets(vendor, file, environ or {}, out))


def private(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "secrets.toml"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_keys_come_from_variables() -> None:
    secrets = read("s3", environ=KEYS)
    assert secrets.source.access_key_id == "AKIA-SOURCE-ID"
    assert secrets.source.secret_access_key == f"source-{SECRET}"
    assert secrets.target.secret_access_key == f"target-{SECRET}"


def test_a_private_key_may_stand_in_one_line_as_in_google_s_json() -> None:
    secrets = read("gcs", environ={**KEYS, **GCS})
    assert secrets.source.client_email == "me@project.iam.example"
    assert secrets.source.private_key is not None
    assert secrets.source.private_key.splitlines()[1] == "abc"
    assert secrets.source.secret_access_key is None


def test_a_file_wins_over_variables_and_names_are_written_in_any_way(tmp_path: Path) -> None:
    secrets = read("s3", private(tmp_path, FILE), KEYS)
    assert secrets.source.access_key_id == "file-id"
    assert secrets.target.access_key_id == "target-id"


def test_values_missing_in_the_file_come_from_variables(tmp_path: Path) -> None:
    secrets = read("s3", private(tmp_path, FILE[: FILE.index("[target]")]), KEYS)
    assert secrets.source.access_key_id == "file-id"
    assert secrets.target.access_key_id == "AKIA-TARGET-ID"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    name = private(tmp_path, FILE, mode)
    with pytest.raises(CliError) as caught:
        read("s3", name)
    assert caught.value.code == 2
    assert caught.value.line == f"{name}: others can read it; run: chmod 600 {name}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'[source]\n{SECRET} = "x"\n', "a name in [source] is not one of access-key-id, "),
        (f'{SECRET} = "x"\n', "only the tables [source] and [target] are allowed"),
        (f"[source]\naccess-key-id = {SECRET}\n", "invalid TOML at line 2, column 17"),
        (f'[source]\naccess-key-id = ["{SECRET}"]\n', "access-key-id in [source] must be a text"),
        ('[source]\naccess-key-id = " "\n', "access-key-id in [source] must be a text"),
        ('[source]\naccess-key-id = "\udcff"\n', "not UTF-8 at byte 26"),
    ],
)
def test_an_error_in_the_secrets_file_quotes_nothing_from_it(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "secrets.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    with pytest.raises(CliError) as caught:
        read("s3", str(path))
    assert caught.value.line.startswith(f"{path}: {said}")
    assert SECRET not in caught.value.line


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="No such file"):
        read("s3", str(tmp_path / "nothing"))
    with pytest.raises(CliError, match="Is a directory"):
        read("s3", str(tmp_path))


def test_a_pipe_is_as_good_as_a_file(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with open(writing, "w") as pipe:
        pipe.write(FILE)
    try:
        assert read("s3", f"/dev/fd/{reading}").source.access_key_id == "file-id"
    finally:
        os.close(reading)


def test_missing_secrets_are_named_by_variable_with_exit_3() -> None:
    with pytest.raises(CliError) as caught:
        read("gcs", environ={**KEYS, "SLURPER_SOURCE_CLIENT_EMAIL": "me"})
    assert caught.value.code == 3
    assert caught.value.line == (
        "the keys to the buckets are missing: set SLURPER_SOURCE_PRIVATE_KEY, "
        "or give --secrets FILE"
    )


def test_a_secret_has_no_flag() -> None:
    person = Person()
    for flag in ("--secret-access-key", "--source-secret", "--private-key"):
        ran = person.run("create", *S3, flag, "x", "--yes")
        assert ran.code == 2
        assert "unrecognized arguments" in ran.err[0]


def test_only_the_create_request_contains_the_secrets() -> None:
    person = Person()
    person.run("create", *S3, "--yes")
    [body] = person.bodies
    assert body["source"]["secret"] == {
        "accessKeyId": "AKIA-SOURCE-ID",
        "secretAccessKey": f"source-{SECRET}",
    }
    assert body["target"]["secret"]["secretAccessKey"] == f"target-{SECRET}"


def test_reports_and_logs_are_rid_of_them() -> None:
    assert set(KEYS.values()) <= set(secrets_in(KEYS))


def _echo(request: httpx.Request) -> httpx.Response:
    """An API that quotes the request in its refusal, JSON within JSON."""
    if request.method == "GET":
        return httpx.Response(200, json={"success": True, "result": []})
    told = json.dumps(request.content.decode()) + request.headers["authorization"]
    body = {"success": False, "errors": [{"code": 1, "message": f"invalid: {told}"}]}
    return httpx.Response(400, json=body)


PEM = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
KEY_FILE = f"""
[source]
client-email = "mover@project.iam.example"
private-key = "-----BEGIN PRIVATE KEY-----\\n{PEM}\\n-----END PRIVATE KEY-----"
[target]
access-key-id = "TARGET-ID-11111"
secret-access-key = "quote\\"back\\\\slash/plus+s3cret"
"""
GCS_JOB = ("--source-vendor", "gcs", "--source-bucket", "a", "--target-bucket", "b", "--yes")


@pytest.mark.parametrize("more", [(), ("--no-precheck",)])
def test_secrets_quoted_by_the_api_are_scrubbed_everywhere(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    account = SimulatedAccount(jobs=0, token="token-that-nobody-may-see-1234567")
    file = private(tmp_path, KEY_FILE)
    home = tmp_path / "home"
    log = str(tmp_path / "log")
    ran = perform(
        account,
        *("create", *GCS_JOB, "--secrets", file, "--log", log, *more),
        transport=httpx.MockTransport(_echo),
        folder=home,
    )
    assert ran.code == 7
    kept = [path.read_bytes() for path in (*home.rglob("*"), Path(log)) if path.is_file()]
    everything = b"\n".join([*kept, *"\n".join([*ran.out, *ran.err]).encode().splitlines()])
    assert b"***" in everything
    for piece in (b"MIIEvQIB", b"BKcwggSj", b"mover@project", b"TARGET-ID-1", b"plus+s3cret"):
        assert piece not in everything
    assert account.token.encode() not in everything


def test_secrets_from_a_file_are_scrubbed_from_reports_and_logs(tmp_path: Path) -> None:
    class Broken(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "GET":
                return httpx.Response(200, json={"success": True, "result": []})
            message = f"cannot take {request.content.decode()}"
            logging.getLogger("slurper_tui.api").error(message)
            raise LookupError(message)

    log = tmp_path / "log"
    ran = perform(
        SimulatedAccount(jobs=0),
        *("create", *GCS_JOB, "--secrets", private(tmp_path, KEY_FILE), "--log", str(log)),
        transport=Broken(),
        folder=tmp_path,
    )
    assert ran.code == 70
    [report] = (tmp_path / "state").glob("crash-*.txt")
    for text in (ran.err[-1], report.read_text(), log.read_text()):
        assert "LookupError" in text or "cannot take" in text
        assert not [piece for piece in ("MIIEvQIB", "plus+s3cret", "mover@") if piece in text]
