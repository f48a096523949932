"""How long a provider asks to wait."""

from __future__ import annotations

import datetime as dt
import email.utils
import types

import pytest

from flask_crewexec.runtime.retry_after import MAX_RETRY_AFTER
from flask_crewexec.runtime.retry_after import read_retry_after


class ProviderError(Exception):
    def __init__(self, headers, body=None):
        super().__init__("slow down")
        self.response = types.SimpleNamespace(headers=headers)
        self.body = body


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "3000"}, 3),
        ({"retry-after-ms": "1500", "retry-after": "60"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "60"}, 60),
        ({"retry-after": "1e9"}, MAX_RETRY_AFTER),
        ({"retry-after": "inf"}, MAX_RETRY_AFTER),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": ""}, 0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"}, 0),
        ({"retry-after": "Wed, 21 Oct 2035 07:28:00 +99999999999999"}, 0),
        ({"retry-after": "Wed, 21 Oct 2135 07:28:00 GMT"}, MAX_RETRY_AFTER),
        ({}, 0),
    ],
)
def test_headers(headers, seconds):
    assert read_retry_after(ProviderError(headers)) == seconds


def test_a_date():
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=100)
    headers = {"retry-after": email.utils.format_datetime(soon, usegmt=True)}
    assert 0 < read_retry_after(ProviderError(headers)) <= 100


def test_the_details_of_google():
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}]
    assert read_retry_after(ProviderError({}, [{"error": {"details": details}}])) == 3


def test_an_error_without_a_response():
    assert read_retry_after(ValueError()) == 0
