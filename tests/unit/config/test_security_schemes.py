from __future__ import annotations

import pytest

from flask_crewexec.config.security_schemes import challenges
from flask_crewexec.config.security_schemes import check_security_schemes
from flask_crewexec.errors import ConfigError

KEY = "CREWEXEC_SECURITY_SCHEMES"
BEARER = {"type": "http", "scheme": "bearer"}


@pytest.mark.parametrize(
    "schemes",
    [
        None,
        [BEARER],
        {"": BEARER},
        {"two words": BEARER},
        {7: BEARER},
        {"token": "bearer"},
        {"token": {}},
        {"token": {"type": "magic"}},
        {"token": {"type": ["http"]}},
        {"token": {"type": "http"}},
        {"token": {"type": "http", "scheme": 'bearer"\r\nX: y'}},
        {"key": {"type": "apiKey", "in": "header"}},
        {"login": {"type": "oauth2"}},
        {"login": {"type": "openIdConnect"}},
        {"token": BEARER, "other": {"type": "http"}},
    ],
    ids=repr,
)
def test_what_is_no_scheme_is_refused(schemes: object) -> None:
    with pytest.raises(ConfigError, match=f"'{KEY}' must map names to security schemes"):
        check_security_schemes(KEY, schemes)


def test_only_schemes_of_http_have_challenges() -> None:
    cookie = {"type": "apiKey", "in": "cookie", "name": "session"}
    schemes = {"token": BEARER, "cookie": cookie, "certificate": {"type": "mutualTLS"}}
    check_security_schemes(KEY, schemes)
    assert challenges(schemes) == ['Bearer realm="crewexec"']
