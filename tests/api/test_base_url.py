from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.transport import check_base_url, is_loopback


@pytest.mark.parametrize(
    "text",
    [
        "https://api.cloudflare.com/client/v4",
        " https://api.cloudflare.com/client/v4/\n",
        "https://10.0.0.1:8443/x",
        "https://[2001:db8::1]/x",
        "https://höst.example/",
        "http://localhost:8787/client/v4",
        "http://LOCALHOST/",
        "http://127.0.0.1",
        "http://127.255.0.9:1",
        "http://[::1]:8080/client/v4",
    ],
)
def test_good_base_urls(text: str) -> None:
    url = check_base_url(text)
    assert url.host
    assert not url.query


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "begin with https://"),
        ("api.cloudflare.com", "begin with https://"),
        ("ftp://x/", "begin with https://"),
        ("file:///etc/passwd", "begin with https://"),
        ("https://", "begin with https://"),
        ("https://user:pw@x/", "no user"),
        ("https://user@x/", "no user"),
        ("http://127.0.0.1@evil.example/", "no user"),
        ("https://x/?a=1", "query"),
        ("https://x/?", "query"),
        ("https://x/#a", "fragment"),
        ("https://x/#", "fragment"),
        ("http://api.cloudflare.com/client/v4", "plain http"),
        ("http://localhost.evil.example/", "plain http"),
        ("http://127.0.0.1.evil.example/", "plain http"),
        ("http://0.0.0.0/", "plain http"),
        ("http://[::]/", "plain http"),
        ("http://10.0.0.1/", "plain http"),
        ("http://[2001:db8::1]/", "plain http"),
        ("https://x:port/", "not a URL"),
        ("https://x:99999/", "not a URL"),
        ("https://a\x00b/", "not a URL"),
        ("https://[::1", "not a URL"),
        ("https://\ud800/", "not a URL"),
    ],
)
def test_refused_base_urls(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        check_base_url(text)
    assert "\n" not in str(refused.value)
    assert "pw" not in str(refused.value)


@given(st.text() | st.builds("http{}://{}".format, st.sampled_from(["", "s"]), st.text()))
def test_any_text_is_a_safe_base_url_or_a_value_error(text: str) -> None:
    try:
        url = check_base_url(text)
    except ValueError:
        return
    assert url.scheme == "https" or is_loopback(url.host)
    assert not url.userinfo
    assert b"?" not in url.raw_path
