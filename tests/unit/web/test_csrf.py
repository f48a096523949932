"""Which requests the forms of other sites could have made."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.exceptions import Forbidden

from flask_crewexec.dashboard import reject_cross_site

app = Flask(__name__)


def passes(method: str = "POST", **headers: str) -> bool:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with app.test_request_context("http://crews.test:8000/", method=method, headers=named):
        try:
            reject_cross_site()
        except Forbidden:
            return False
    return True


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "nonsense"])
def test_other_sites_are_refused(site: str) -> None:
    assert not passes(Sec_Fetch_Site=site)


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_pages_pass(site: str) -> None:
    assert passes(Sec_Fetch_Site=site)


def test_what_the_browser_says_of_the_site_wins_over_the_origin() -> None:
    assert not passes(Sec_Fetch_Site="cross-site", Origin="http://crews.test:8000")


@pytest.mark.parametrize("header", ["Origin", "Referer"])
@pytest.mark.parametrize(
    "page",
    [
        "http://evil.test",
        "http://evil.test/crews.test:8000",
        "http://crews.test:8000@evil.test",
        "http://crews.test:8001",
        "http://crews.test:8000.evil.test/",
        "null",
        "http://[",
    ],
)
def test_without_it_another_host_is_refused(header: str, page: str) -> None:
    assert not passes(**{header: page})


@pytest.mark.parametrize("header", ["Origin", "Referer"])
@pytest.mark.parametrize("page", ["http://crews.test:8000", "https://CREWS.test:8000/page?x=1"])
def test_without_it_the_same_host_passes(header: str, page: str) -> None:
    assert passes(**{header: page})


def test_the_origin_wins_over_the_referrer() -> None:
    assert not passes(Origin="http://evil.test", Referer="http://crews.test:8000/")


def test_programs_that_are_no_browsers_pass() -> None:
    assert passes()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Token"])
def test_a_token_passes_since_other_sites_have_none(scheme: str) -> None:
    assert passes(Sec_Fetch_Site="cross-site", Authorization=f"{scheme} abc")


@pytest.mark.parametrize("value", ["", " ", "Basic YTpi", "basic YTpi", "Digest a=b", "NTLM x"])
def test_what_browsers_send_by_themselves_is_no_token(value: str) -> None:
    assert not passes(Sec_Fetch_Site="cross-site", Authorization=value)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_is_allowed_from_everywhere(method: str) -> None:
    assert passes(method, Sec_Fetch_Site="cross-site", Origin="http://evil.test")
