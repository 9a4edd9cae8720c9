"""Helpers for tests of the commands that make jobs."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from slurper_tui.simulated.account import SimulatedAccount
from tests.cli.program import Ran, environment, perform

SECRET = "s3cret-that-nobody-may-see"
KEYS = {
    "SLURPER_SOURCE_ACCESS_KEY_ID": "AKIA-SOURCE-ID",
    "SLURPER_SOURCE_SECRET_ACCESS_KEY": f"source-{SECRET}",
    "SLURPER_TARGET_ACCESS_KEY_ID": "AKIA-TARGET-ID",
    "SLURPER_TARGET_SECRET_ACCESS_KEY": f"target-{SECRET}",
}
S3 = (
    *("--source-vendor", "s3", "--source-bucket", "photos", "--endpoint", "https://s3.example.com"),
    *("--region", "eu-1", "--target-bucket", "media"),
)


class Person:
    """A user of one account with a folder of their own. bodies: of the requests."""

    def __init__(self, account: SimulatedAccount | None = None) -> None:
        self.account = account or SimulatedAccount(jobs=0)
        self.bodies: list[dict[str, Any]] = []
        self.methods: list[str] = []
        self.folder = Path(tempfile.mkdtemp())
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def run(self, *arguments: str, environ: dict[str, str] | None = None) -> Ran:
        """Run a command with the keys to the buckets in variables, or with others."""
        keys = KEYS if environ is None else environ
        ran = perform(
            None,
            *arguments,
            environ=environment(self.account, **keys),
            transport=httpx.MockTransport(self._answer),
            folder=self.folder,
        )
        assert SECRET not in "\n".join([*ran.out, *ran.err])
        return ran

    def file(self, name: str, text: str, mode: int = 0o600) -> str:
        """A file in the person's folder; its path."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return str(path)

    def posts(self) -> Sequence[dict[str, Any]]:
        """Create requests without their secrets."""
        return [_public(body) for body in self.bodies]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.methods.append(request.method)
        if request.method == "POST":
            self.bodies.append(json.loads(request.content))
        return self.account.answer(request)


def _public(body: dict[str, Any]) -> dict[str, Any]:
    ends = {
        end: {name: value for name, value in body[end].items() if name != "secret"}
        for end in ("source", "target")
    }
    return {**body, **ends}
