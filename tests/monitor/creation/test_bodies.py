import json

import pytest
from hypothesis import given
from msgspec.structs import replace

from slurper_tui.api.models import Secret, encode
from slurper_tui.monitor.jobs.draft import BodyError, body, draft_of, each_once
from slurper_tui.monitor.model.plans import Draft, Secrets, new_job
from tests.monitor.creation.test_checks import drafts

PAIR = Secret(access_key_id="a", secret_access_key="b")


@given(drafts)
def test_a_draft_comes_back_from_its_body_as_it_was(draft: Draft) -> None:
    kept = replace(draft, endpoint=draft.endpoint or None)
    assert draft_of(json.loads(json.dumps(body(draft)))) == kept


@given(drafts)
def test_a_body_is_the_create_request_without_its_secrets(draft: Draft) -> None:
    sent = json.loads(encode(new_job(draft, Secrets(PAIR, PAIR))))
    assert sent["source"].pop("secret") == sent["target"].pop("secret")
    assert body(draft) == sent


def test_names_may_be_written_with_dashes_and_underscores() -> None:
    told = {"source": {"path-prefix": "a/", "Vendor": "s3"}, "target": {"bucket": "m"}}
    assert draft_of(told) == Draft("s3", "", "m", path_prefix="a/")


def test_an_empty_endpoint_is_none() -> None:
    assert draft_of({"source": {"endpoint": ""}}) == draft_of({})


@pytest.mark.parametrize(
    "text",
    [
        '{"target": {"bucket": "a", "bucket": "b"}}',
        '{"target": {}, "target": {}}',
        '{"source": {"keys": [], "keys": []}}',
        '{"source": {"secret": {"x": "hush", "x": "hush"}}}',
    ],
)
def test_a_property_that_is_named_twice_is_refused(text: str) -> None:
    with pytest.raises(BodyError, match="it stands there twice") as caught:
        json.loads(text, object_pairs_hook=each_once)
    assert "hush" not in str(caught.value)


def test_what_is_left_open_is_for_the_checks_to_tell() -> None:
    assert draft_of({}) == Draft("", "", "")
    assert draft_of({"source": {"keys": None, "region": None}, "overwrite": None}) == draft_of({})


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"surce": {}}, "surce: no such field; the nearest is source"),
        ({"source": {"prefix": 1}}, "source.prefix: no such field; the nearest is"),
        ({"source": {"key": []}}, "source.key: no such field; the nearest is source.keys"),
        ({"source": []}, "source: must be a table, not an array"),
        ({"source": {"keys": "a"}}, "source.keys: must be an array of texts, not a text"),
        ({"source": {"keys": [True]}}, "source.keys[0]: must be a text, not a truth value"),
        ({"overwrite": 1}, "overwrite: must be true or false, not a number"),
        ({"target": {"vendor": "s3"}}, "target.vendor: a target is always r2"),
        ({"source": {"pathPrefix": "", "path_prefix": ""}}, "source.pathPrefix: it stands there"),
        ({"source": {"secret": {"x": "hush"}}}, "source.secret: a secret does not stand here"),
        ({"target": {"secret": "hush"}}, "target.secret: a secret does not stand here"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_field(told: dict[str, object], line: str) -> None:
    with pytest.raises(BodyError) as caught:
        draft_of(told)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)
