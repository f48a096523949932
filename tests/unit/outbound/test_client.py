"""The guard of requests to addresses that somebody else has chosen, against real servers."""

from __future__ import annotations

import gzip
import ipaddress
import socket
import ssl
import threading
import tracemalloc
import typing as t
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer

import httpx
import pytest
import trustme

from flask_crewexec.outbound import AddressRefused
from flask_crewexec.outbound import AnswerTooLarge
from flask_crewexec.outbound import AnswerTooSlow
from flask_crewexec.outbound import EncodingRefused
from flask_crewexec.outbound import GuardedTransport
from flask_crewexec.outbound import is_public
from flask_crewexec.outbound import outbound_client

LOOPBACK = ("127.0.0.0/8", "::1/128")
Page = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """A server; ``pages`` says what it does, ``calls`` what it was asked: ``Host`` and path.

    ``headers`` has the headers of these calls.
    """

    def __init__(self, address: str, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.calls.append((self.headers["Host"], self.path))
                site.headers.append(dict(self.headers))
                site.pages[self.path.partition("?")[0]](self)

            def log_message(self, *words: object) -> None:
                """Silence."""

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
            daemon_threads = True

            def handle_error(self, *words: object) -> None:
                """Clients hang up here on purpose."""

        self.calls: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.pages: dict[str, Page] = {"/": answer(b"hello")}
        self._server = Server((address, port), Handler)
        self.port = self._server.server_address[1]
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def answer(body: bytes, status: int = 200, **headers: str) -> Page:
    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return page


def redirect(url: str) -> Page:
    return answer(b"", 302, Location=url)


@pytest.fixture
def sites() -> Iterator[Callable[..., Site]]:
    """A function that starts a server."""
    started: list[Site] = []

    def start(address: str = "127.0.0.1", **options: t.Any) -> Site:
        started.append(Site(address, **options))
        return started[-1]

    yield start
    for site in started:
        site.close()


@pytest.fixture
def site(sites) -> Site:
    return sites()


class Names:
    """A DNS server that answers each question with the next of its answers."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = [*answers]
        self.asked: list[str] = []

    def __call__(self, name: str) -> list[str]:
        self.asked.append(name)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


def get(url: str, **options: t.Any) -> httpx.Response:
    with outbound_client(**{"allow": LOOPBACK, "seconds": 20, **options}) as client:
        return client.get(url)


def refused(url: str, *, allow: t.Any = (), **options: t.Any) -> str:
    with pytest.raises(AddressRefused) as caught:
        get(url, allow=allow, **options)
    assert (caught.value.code, caught.value.status) == ("address-refused", 422)
    return caught.value.detail


class TestAddresses:
    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.1"],
    )
    def test_addresses_of_this_machine_are_refused(self, site, host):
        refused(f"http://{host}:{site.port}/")
        assert site.calls == []

    @pytest.mark.parametrize(
        "address",
        [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::7f00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fe80::1%lo",
            "fec0::1",
            "ff02::1",
        ],
    )
    def test_special_addresses_are_not_public(self, address):
        told = refused("http://name.test/", resolve=Names([address]))
        assert "'name.test' is not on the public internet" in told
        assert address not in told

    @pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "2606:4700::1111"])
    def test_global_addresses_are_public(self, address):
        assert is_public(ipaddress.ip_address(address))

    def test_one_private_address_of_a_name_is_enough_to_refuse(self, site):
        names = Names(["8.8.8.8", "127.0.0.1", "2606:4700::1111"])
        refused(f"http://name.test:{site.port}/", resolve=names)
        assert site.calls == []

    def test_the_host_can_allow_networks(self, sites):
        for address in ("127.0.0.1", "::1"):
            site = sites(address)
            url = f"http://name.test:{site.port}/"
            assert get(url, resolve=Names([address]), allow=[address]).text == "hello"
            assert site.calls == [(f"name.test:{site.port}", "/")]

    def test_an_allowed_network_allows_no_other(self):
        refused("http://name.test/", resolve=Names(["::ffff:127.0.0.1"]), allow=["127.0.0.0/8"])
        refused("http://name.test/", resolve=Names(["127.0.0.2"]), allow=["127.0.0.1"])

    def test_an_invalid_network_is_refused(self):
        with pytest.raises(ValueError, match="does not appear"):
            GuardedTransport(allow=["intranet"])


class TestUrls:
    @pytest.mark.parametrize(
        "url", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "unix:/run/x"]
    )
    def test_other_schemes_are_refused(self, url):
        assert "Use http or https" in refused(url, allow=LOOPBACK)

    @pytest.mark.parametrize("user", ["ann", "ann:pass", ":pass"])
    def test_credentials_are_refused(self, site, user):
        assert "Leave it out" in refused(f"http://{user}@127.0.0.1:{site.port}/", allow=LOOPBACK)
        assert site.calls == []

    def test_unknown_names_are_connect_errors(self):
        def unknown(name: str) -> list[str]:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        for resolve in (unknown, Names([])):
            with pytest.raises(httpx.ConnectError, match=r"'name\.test' has no address"):
                get("http://name.test/", resolve=resolve)

    def test_invalid_names_are_connect_errors(self):
        with pytest.raises((httpx.ConnectError, httpx.InvalidURL)):
            get(f"http://{'x' * 70}.test/")

    def test_environment_variables_are_ignored(self, sites, monkeypatch):
        proxy, site = sites(), sites()
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert get(f"http://127.0.0.1:{site.port}/").text == "hello"
        assert proxy.calls == []


class TestRebinding:
    def test_the_connection_goes_to_the_address_that_was_checked(self, sites):
        good = sites("127.0.0.1")
        inner = sites("127.0.0.2", port=good.port)
        names = Names(["127.0.0.1"], ["127.0.0.2"])
        url = f"http://name.test:{good.port}/"
        with outbound_client(allow=["127.0.0.1"], resolve=names) as client:
            assert client.get(url).text == "hello"
            assert names.asked == ["name.test"]
            with pytest.raises(AddressRefused):
                client.get(url)
        assert good.calls == [(f"name.test:{good.port}", "/")]
        assert inner.calls == []

    def test_the_next_address_is_tried_if_one_does_not_answer(self, site):
        names = Names(["127.0.0.3", "127.0.0.1"])
        assert get(f"http://name.test:{site.port}/", resolve=names).text == "hello"
        assert names.asked == ["name.test"]

    def test_the_error_if_no_address_answers(self, site):
        with pytest.raises(httpx.ConnectError):
            get(f"http://name.test:{site.port}/", resolve=Names(["127.0.0.3", "127.0.0.4"]))


class TestTls:
    @pytest.fixture
    def authority(self) -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    def trusting(self, authority) -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    @pytest.fixture
    def secure(self, authority, sites) -> Site:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("good.test").configure_cert(context)
        self.named: list[str | None] = []
        context.sni_callback = lambda sock, name, context: self.named.append(name)
        return sites(tls=context)

    def test_the_name_is_sent_and_verified(self, secure, trusting):
        url = f"https://good.test:{secure.port}/"
        assert get(url, resolve=Names(["127.0.0.1"]), verify=trusting).text == "hello"
        assert self.named == ["good.test"]
        assert secure.calls == [(f"good.test:{secure.port}", "/")]

    @pytest.mark.parametrize("host", ["other.test", "127.0.0.1"])
    def test_certificates_of_other_names_are_refused(self, secure, trusting, host):
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            get(f"https://{host}:{secure.port}/", resolve=Names(["127.0.0.1"]), verify=trusting)
        assert secure.calls == []

    def test_unknown_authorities_are_refused(self, secure):
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            get(f"https://good.test:{secure.port}/", resolve=Names(["127.0.0.1"]))


class TestRedirects:
    def test_redirects_are_followed(self, site):
        site.pages["/there"] = redirect("/")
        response = get(f"http://127.0.0.1:{site.port}/there")
        assert (response.text, len(response.history)) == ("hello", 1)

    def test_redirects_to_private_addresses_are_refused(self, sites):
        site, inner = sites("127.0.0.1"), sites("127.0.0.2")
        for target in (
            f"http://127.0.0.2:{inner.port}/",
            "http://169.254.169.254/latest/meta-data/",
            "http://ann:pass@127.0.0.1/",
            "file:///etc/passwd",
        ):
            site.pages["/there"] = redirect(target)
            with pytest.raises((AddressRefused, httpx.UnsupportedProtocol)):
                get(f"http://127.0.0.1:{site.port}/there", allow=["127.0.0.1"])
        assert inner.calls == []

    def test_redirects_resolve_the_name_again(self, sites):
        site = sites("127.0.0.1")
        inner = sites("127.0.0.2", port=site.port)
        site.pages["/there"] = redirect("/")
        names = Names(["127.0.0.1"], ["127.0.0.2"])
        with pytest.raises(AddressRefused):
            get(f"http://name.test:{site.port}/there", allow=["127.0.0.1"], resolve=names)
        assert inner.calls == []

    def test_the_headers_of_the_caller_stay_with_the_first_origin(self, sites):
        first, other = sites(), sites()
        first.pages["/there"] = redirect(f"http://127.0.0.1:{other.port}/back")
        other.pages["/back"] = redirect(f"http://127.0.0.1:{first.port}/end")
        first.pages["/end"] = answer(b"done")
        own = {"X-Api-Key": "k3y", "Cookie": "a=k3y", "User-Agent": "k3y", "Accept": "k3y"}
        with outbound_client(allow=LOOPBACK, headers={"X-Token": "k3y"}) as client:
            client.cookies.set("session", "k3y")
            url = f"http://127.0.0.1:{first.port}/there"
            assert client.get(url, headers=own, auth=("ann", "k3y")).text == "done"
        sent, back = first.headers
        assert list(sent.values()).count("k3y") == 4
        assert sent["Cookie"]
        assert sent["Authorization"]
        for headers in (back, *other.headers):
            assert headers.keys() == {"Host", "Accept", "Accept-Encoding", "User-Agent"}
            assert "k3y" not in str(headers)
        assert other.headers[0]["Host"] == f"127.0.0.1:{other.port}"

    def test_they_follow_redirects_within_the_origin(self, site):
        site.pages["/there"] = redirect("/")
        with outbound_client(allow=LOOPBACK, headers={"X-Token": "k3y"}) as client:
            client.get(f"http://127.0.0.1:{site.port}/there")
        assert [headers["X-Token"] for headers in site.headers] == ["k3y", "k3y"]

    def test_the_number_of_redirects_is_limited(self, site):
        site.pages["/round"] = redirect("/round")
        with pytest.raises(httpx.TooManyRedirects):
            get(f"http://127.0.0.1:{site.port}/round", max_redirects=3)
        assert len(site.calls) == 4


class TestSizes:
    def test_bodies_are_limited(self, site):
        site.pages["/"] = answer(b"x" * 1000)
        url = f"http://127.0.0.1:{site.port}/"
        assert len(get(url, max_bytes=1000).content) == 1000
        with pytest.raises(AnswerTooLarge) as caught:
            get(url, max_bytes=999)
        assert (caught.value.code, "999 bytes" in caught.value.detail) == (
            "answer-too-large",
            True,
        )

    def test_endless_bodies_are_limited(self, site):
        def endless(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Connection", "close")
            handler.end_headers()
            while True:
                handler.wfile.write(b"x" * 10_000)

        site.pages["/"] = endless
        with pytest.raises(AnswerTooLarge):
            get(f"http://127.0.0.1:{site.port}/", max_bytes=50_000)

    @pytest.mark.parametrize(
        ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
    )
    def test_decompressed_bodies_are_limited(self, site, encoding, compress):
        url = f"http://127.0.0.1:{site.port}/"
        site.pages["/"] = answer(compress(b"word " * 200_000), Content_Encoding=encoding)
        response = get(url, max_bytes=1_000_000)
        assert response.content == b"word " * 200_000
        assert "Content-Encoding" not in response.headers
        with pytest.raises(AnswerTooLarge):
            get(url, max_bytes=999_999)

    def test_a_compression_bomb_takes_no_memory(self, site):
        site.pages["/"] = answer(gzip.compress(b"\0" * 200_000_000, 9), Content_Encoding="gzip")
        tracemalloc.start()
        try:
            with pytest.raises(AnswerTooLarge):
                get(f"http://127.0.0.1:{site.port}/", max_bytes=1_000_000)
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip"])
    def test_other_encodings_are_refused(self, site, encoding):
        site.pages["/"] = answer(b"x", Content_Encoding=encoding)
        with pytest.raises(EncodingRefused):
            get(f"http://127.0.0.1:{site.port}/")

    def test_a_body_that_is_not_compressed_is_a_decoding_error(self, site):
        site.pages["/"] = answer(b"plain", Content_Encoding="gzip")
        with pytest.raises(httpx.DecodingError):
            get(f"http://127.0.0.1:{site.port}/")


class TestTimes:
    """Each server goes on forever: without the time limit these tests would not end."""

    @pytest.fixture
    def gate(self) -> Iterator[threading.Event]:
        gate = threading.Event()
        yield gate
        gate.set()

    def late(self, url: str, **options: t.Any) -> None:
        with pytest.raises(AnswerTooSlow) as caught:
            get(url, seconds=0.3, **options)
        assert caught.value.code == "answer-too-slow"

    def test_missing_responses_are_too_slow(self, site, gate):
        site.pages["/"] = lambda handler: t.cast(None, gate.wait(60))
        self.late(f"http://127.0.0.1:{site.port}/")

    @pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX-", b"HTTP/1.1 200 OK\r\n\r\n"])
    def test_dripping_responses_are_too_slow(self, site, gate, head):
        def drip(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(head)
            while not gate.wait(0.01):
                handler.wfile.write(b"x")

        site.pages["/"] = drip
        self.late(f"http://127.0.0.1:{site.port}/")

    def test_all_redirects_share_the_time(self, site, gate):
        def slow(handler: BaseHTTPRequestHandler) -> None:
            gate.wait(0.1)
            redirect("/")(handler)

        site.pages["/"] = slow
        self.late(f"http://127.0.0.1:{site.port}/", max_redirects=1000)
        assert len(site.calls) > 1

    def test_slow_name_resolution_is_too_slow(self, gate):
        self.late("http://name.test/", resolve=lambda name: [str(gate.wait(60))])

    def test_silent_connections_are_too_slow(self, gate):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.late(f"https://127.0.0.1:{silent.getsockname()[1]}/")
