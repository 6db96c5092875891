"""Pictures by their address: only the public internet is asked, by the address that is connected to."""

import asyncio
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpcore
import pytest

from arms.serve.addresses import PublicBackend, RefusedAddressError, is_public
from arms.serve.pictures import Downloader, PictureMissingError, with_files
from arms.serve.problems import RequestError
from arms.serve.settings import PictureSettings
from tests.serve.helpers import chat, data_uri, picture, post, serving, settings_of, with_picture


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # of cloud machines' metadata
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "no address",
    ],
)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_that_are(address):
    assert is_public(address)


class Resolver:
    """Names that resolve as a test says, and connections that are only noted."""

    def __init__(self, monkeypatch, **names):
        self.connected = []

        async def getaddrinfo(loop, host, port, **more):
            found = names[host.replace(".", "_")]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found.pop(0)]

        async def connect_tcp(backend, host, port, *more):
            self.connected.append((host, port))
            raise httpcore.ConnectError("noted")

        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect_tcp)


def fetch(address, **settings):
    async def run():
        downloader = Downloader(PictureSettings(**settings))
        try:
            return (await downloader.fetch((address,)))[address]
        finally:
            await downloader.close()

    return asyncio.run(run())


class TestNames:
    def test_the_address_that_was_judged_is_connected_to(self, monkeypatch):
        """A name that resolves to a private address the second time is asked for once."""
        resolver = Resolver(monkeypatch, rebinding_test=[["93.184.216.34"], ["127.0.0.1"]])
        with pytest.raises(PictureMissingError, match="noted"):
            fetch("https://rebinding.test/a.png")
        assert resolver.connected == [("93.184.216.34", 443)]

    @pytest.mark.parametrize("found", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["169.254.169.254"]])
    def test_a_private_one_among_them(self, monkeypatch, found):
        resolver = Resolver(monkeypatch, inside_test=[found])
        with pytest.raises(RequestError, match="not on the public internet"):
            fetch("https://inside.test/a.png")
        assert resolver.connected == []

    def test_allowed_hosts_may_be_private(self, monkeypatch):
        resolver = Resolver(monkeypatch, store_test=[["10.0.0.1"]])
        with pytest.raises(PictureMissingError):
            fetch("http://store.test:9000/a.png", allow_hosts=["store.test"])
        assert resolver.connected == [("10.0.0.1", 9000)]

    def test_no_sockets_of_this_machine(self):
        with pytest.raises(RefusedAddressError):
            asyncio.run(PublicBackend([]).connect_unix_socket("/run/docker.sock"))


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://pictures.test/a.png", "only https is"),
        ("file:///etc/passwd", "only https is"),
        ("ftp://pictures.test/a", "only https is"),
        ("gopher://pictures.test/a", "only https is"),
        ("https:///a.png", "only https is"),
        ("https://user:word@pictures.test/a.png", "no user may be in it"),
        ("https://pictures.test:22/a.png", "no port but 443 is"),
        ("https://pictures.test:99999/a.png", "out of range"),
        ("https://127.0.0.1/a.png", "not on the public internet"),
        ("https://[::1]/a.png", "not on the public internet"),
        ("https://[::ffff:127.0.0.1]/a.png", "not on the public internet"),
        ("https://2130706433/a.png", "not on the public internet"),  # 127.0.0.1 as one number
        ("https://0x7f.1/a.png", "not on the public internet"),
        ("//localhost/a.png", "only https is"),
        ("a.png", "only https is"),
    ],
)
def test_refused_addresses(address, reason):
    with pytest.raises(RequestError, match=reason) as caught:
        fetch(address)
    assert (caught.value.status, caught.value.code) == (400, "image_address_refused")


class Store(BaseHTTPRequestHandler):
    """Pictures, and what else a server may say."""

    def do_GET(self):
        path, port = self.path, self.server.server_address[1]
        moves = {
            "/moved": "/a.png",
            "/loop": "/loop",
            "/inside": f"http://localhost:{port}/a.png",
            "/file": "file:///etc/passwd",
            "/nowhere": "",
        }
        if path in moves:
            self.send_response(302)
            self.send_header("location", moves[path])
            self.end_headers()
            return
        self.send_response(404 if path == "/missing" else 200)
        if path == "/zip":
            self.send_header("content-encoding", "gzip")
        self.end_headers()
        self.wfile.write(picture() if path != "/large" else bytes(2_000_000))

    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def store():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


class TestDownloads:
    ALLOWED = ["127.0.0.1"]  # noqa: RUF012

    @pytest.mark.parametrize("path", ["/a.png", "/moved", "/a.png?x=ü y#part"])
    def test_a_picture(self, store, path):
        assert fetch(store + path, allow_hosts=self.ALLOWED) == picture()

    @pytest.mark.parametrize("path", ["/inside", "/file"])
    def test_redirections_are_judged_too(self, store, path):
        with pytest.raises(RequestError, match="only https is"):
            fetch(store + path, allow_hosts=self.ALLOWED)

    @pytest.mark.parametrize(
        ("path", "reason"), [("/missing", "404"), ("/zip", "no plain"), ("/loop", "3 redir"), ("/nowhere", "3 redir")]
    )
    def test_what_is_no_picture(self, store, path, reason):
        with pytest.raises(PictureMissingError, match=reason):
            fetch(store + path, allow_hosts=self.ALLOWED)

    def test_too_large(self, store):
        with pytest.raises(RequestError, match="a picture of 1 MiB at most"):
            fetch(store + "/large", allow_hosts=self.ALLOWED, most_mb=1.0)

    def test_too_slow(self):
        with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(PictureMissingError, match="longer than"):
            fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/", allow_hosts=self.ALLOWED, timeout_s=0.2)


class TestGateway:
    def test_the_router_sees_it_and_the_vlm_gets_the_address(self, store, upstream):
        messages = with_picture(f"{store}/a.png")
        with serving(settings_of(upstream.url, pictures={"allow_hosts": ["127.0.0.1"]})) as gateway:
            assert post(gateway, chat() | {"messages": messages}).json()["model"] == "gamma"
            assert upstream.asked[0][0]["messages"] == messages
            refused = post(gateway, chat() | {"messages": with_picture("https://localhost/a.png")})
            assert refused.json()["error"]["code"] == "image_address_refused"
            missing = post(gateway, chat() | {"messages": with_picture(f"{store}/missing")})
            assert missing.headers["x-arms-router-failure"] == "picture"
            assert missing.json()["model"] == "beta"

    def test_inline(self, store, upstream):
        messages = with_picture(f"{store}/a.png")
        pictures = {"allow_hosts": ["127.0.0.1"], "inline": True}
        with serving(settings_of(upstream.url, pictures=pictures)) as gateway:
            post(gateway, chat() | {"messages": messages})
            assert upstream.asked[0][0]["messages"] == with_picture(data_uri(picture()))

    def test_switched_off(self, store, upstream):
        with serving(settings_of(upstream.url, pictures={"fetch": False})) as gateway:
            response = post(gateway, chat() | {"messages": with_picture("https://pictures.test/a.png")})
            assert response.headers["x-arms-router-failure"] == "picture"


def test_only_the_addresses_are_replaced():
    flat = [
        {
            "role": "user",
            "content": [{"type": "input_image", "image_url": "https://a.test", "x": {"url": "https://a.test"}}],
        }
    ]
    found = with_files(flat, {"https://a.test": "data:"})
    assert found == [
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:", "x": {"url": "https://a.test"}}]}
    ]
