"""URLs that users store are checked before, and their addresses again for each request."""

from __future__ import annotations

import socket

import pytest

from flask_crewexec.outbound import AddressRefused
from flask_crewexec.outbound.stored_urls import check_stored_url
from flask_crewexec.outbound.stored_urls import resolver_for

INSIDE = ["10.20.0.0/16"]
PUBLIC, PRIVATE, OTHER = "93.184.216.34", "10.20.0.7", "10.99.0.7"


def names(*addresses):
    """A name server that knows one answer for all names."""
    return lambda name: list(addresses)


def unknown(name):
    raise socket.gaierror


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("https://shop.example/hook?a=b", [PUBLIC]),
        ("https://shop.example:8443/", [PRIVATE]),
        ("http://shop.example/", [PRIVATE]),
    ],
)
def test_what_may_be_reached_is_accepted(url, addresses):
    check_stored_url(url, INSIDE, resolve=names(*addresses))


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("https://shop.example/", [OTHER]),
        ("https://shop.example/", [PUBLIC, "127.0.0.1"]),
        ("https://shop.example/", ["169.254.169.254"]),
        ("http://shop.example/", [PUBLIC]),
        ("http://shop.example/", [PRIVATE, PUBLIC]),
        ("https://user@shop.example/", [PUBLIC]),
        ("https://shop.example/#part", [PUBLIC]),
        ("gopher://shop.example/", [PUBLIC]),
        ("https://", [PUBLIC]),
        ("https://[::1", [PUBLIC]),
    ],
)
def test_what_may_not_be_reached_is_refused(url, addresses):
    with pytest.raises(AddressRefused):
        check_stored_url(url, INSIDE, resolve=names(*addresses))


def test_without_networks_each_url_needs_tls():
    with pytest.raises(AddressRefused, match="https"):
        check_stored_url("http://shop.example/", resolve=names(PUBLIC))
    check_stored_url("https://shop.example/", resolve=names(PUBLIC))


def test_a_name_that_cannot_be_resolved_now_is_accepted():
    check_stored_url("https://shop.example/", resolve=unknown)


def test_a_name_that_changes_later_is_refused_then():
    check_stored_url("http://shop.example/", INSIDE, resolve=names(PRIVATE))
    later = resolver_for("http", INSIDE, names(OTHER))
    with pytest.raises(AddressRefused):
        later("shop.example")
