"""The webhook: what is sent to a real server, how often, and to which addresses never."""

from __future__ import annotations

import pytest

from slurper_tui.api.errors import BadSetting
from slurper_tui.api.scrub import Scrubber
from slurper_tui.api.webhook import PAUSES, Webhook, WebhookFailed, check_webhook
from tests.receiver import receive

SECRET = "/services/T0001/B0002/hush-hush-hush"
AT_ONCE = (0.0, 0.0)


async def send(url: str, body: bytes = b'{"kind":"end"}') -> None:
    webhook = Webhook(url, Scrubber(), AT_ONCE)
    try:
        await webhook.send(body)
    finally:
        await webhook.close()


async def test_an_event_is_posted_as_json_without_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # not for this machine
    with receive() as receiver:
        await send(f"http://{receiver.host}/hook?key=1")
    [posted] = receiver.posted
    assert (posted.method, posted.path, posted.body) == ("POST", "/hook?key=1", b'{"kind":"end"}')
    assert posted.headers["content-type"] == "application/json"
    assert not {"authorization", "x-auth-key", "x-auth-email", "cookie"} & posted.headers.keys()


@pytest.mark.parametrize(
    ("statuses", "tries"),
    [((), 1), ((500,), 2), ((429, 503), 3)],
)
async def test_a_failed_try_is_repeated(statuses: tuple[int, ...], tries: int) -> None:
    with receive(*statuses) as receiver:
        await send(f"http://{receiver.host}/hook")
    assert len(receiver.posted) == tries


@pytest.mark.parametrize(
    ("status", "said"), [(500, "it answers 500, 3 times"), (302, "it answers 302, 3 times")]
)
async def test_after_three_tries_it_has_failed(status: int, said: str) -> None:
    with receive(*[status] * 3) as receiver, pytest.raises(WebhookFailed, match=said) as caught:
        await send(f"http://{receiver.host}{SECRET}")
    assert [posted.path for posted in receiver.posted] == [SECRET] * 3, "no redirect is followed"
    assert "hush" not in str(caught.value)


async def test_a_server_that_is_away_has_failed() -> None:
    with receive() as receiver:
        url = f"http://{receiver.host}{SECRET}"
    with pytest.raises(WebhookFailed, match=r"^cannot connect: Connection refused, 3 times$"):
        await send(url)


async def test_a_host_that_cannot_be_decoded_has_failed() -> None:
    with pytest.raises(WebhookFailed, match="its address is not a URL"):
        await send(f"https://xn--{SECRET}")


def test_the_pauses_grow() -> None:
    assert len(PAUSES) == 2
    assert 0 < PAUSES[0] < PAUSES[1]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com/hush", "it must be https: plain http is for loopback addresses only"),
        ("http://127.0.0.1.hush.com/", "it must be https"),
        ("http://127.0.0.1:80\\@hush.com/", "it is not a URL"),
        ("http://localhost@hush.com/", "it must hold no user or password"),
        ("https://u:hush@example.com/", "it must hold no user or password"),
        ("ftp://example.com/hush", "it must begin with https://"),
        ("https:///hush", "it must begin with https://"),
        ("example.com/hush", "it must begin with https://"),
        ("https://example.com/hush\n", "it is not a URL"),
        ("https://exämple.com/hush", "it is not a URL"),
        ("https://example.com:99999/hush", "it is not a URL"),
        ("", "it must begin with https://"),
    ],
)
def test_an_address_that_must_not_be_used(url: str, said: str) -> None:
    with pytest.raises(BadSetting) as caught:
        check_webhook(url)
    assert str(caught.value).startswith(said)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/a?b=c#d",
        "https://example.com/@me",
        "http://127.0.0.1:8080/x",
        "http://[::1]/x",
        "http://localhost/x",
    ],
)
def test_an_address_that_may_be_used(url: str) -> None:
    check_webhook(url)


def test_the_scrubber_learns_the_secret_part() -> None:
    scrubber = Scrubber()
    Webhook(f"https://example.com{SECRET}", scrubber)
    assert "hush" not in scrubber.clean(f"about {SECRET}")
    Webhook("https://example.com/completed", scrubber)
    assert scrubber.clean("completed at example.com") == "completed at example.com"
