"""The whole hub beyond loopback: HTTPS and WSS only, trusted by its own authority or by the installer's."""

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgpack
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from hub import addresses
from hub.api.guard import COOKIE_TLS
from hub.api.trust_page import fingerprint
from hub.commands.trust import reachable
from hub.errors import HubError
from hub.identity.authority import Authority
from hub.identity.web_tls import WebTls
from hub.settings import Settings

HERE = next((a for a in addresses.own() if a not in ("127.0.0.1", "::1") and ":" not in a), "")
pytestmark = pytest.mark.skipif(not HERE, reason="this machine has no address beyond loopback")


def trusting(run: Any) -> ssl.SSLContext:
    """As a browser that has installed the authority's certificate."""
    return ssl.create_default_context(cadata=run.hub.authority.pem)


def client(run: Any, host: str = HERE) -> httpx.Client:
    return httpx.Client(base_url=f"https://{host}:{run.hub.port}", verify=trusting(run), trust_env=False)


def signed_in(run: Any, browser: httpx.Client) -> httpx.Response:
    token = run.hub.sign_in.new_token("commander")
    return browser.post("/api/v1/session", json={"token": token})


@pytest.mark.parametrize("host", [HERE, "0.0.0.0"])
def test_https_verifies_and_nothing_else_is_spoken(running: Callable[..., Any], host: str) -> None:
    with running(host=host) as run:
        with client(run) as browser:
            assert browser.get("/healthz").status_code in (200, 503)
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            httpx.get(f"https://{HERE}:{run.hub.port}/healthz", trust_env=False)
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://{HERE}:{run.hub.port}/healthz", trust_env=False)
        with client(run) as browser:
            assert browser.get("/trust").status_code == 200, "the hub goes on"


@pytest.mark.parametrize(
    ("version", "spoken"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_1_2_and_1_3_only(running: Callable[..., Any], version: ssl.TLSVersion, spoken: bool) -> None:
    with running(host=HERE) as run:
        context = trusting(run)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that it is the hub that refuses
        context.minimum_version = context.maximum_version = version
        with socket.create_connection((HERE, run.hub.port), 5) as plain:
            if spoken:
                with context.wrap_socket(plain, server_hostname=HERE) as tls:
                    assert tls.version() == version.name.replace("_", ".")
            else:
                with pytest.raises(ssl.SSLError, match=r"EOF|PROTOCOL_VERSION"):
                    context.wrap_socket(plain, server_hostname=HERE)


def test_sign_in_and_feed(running: Callable[..., Any]) -> None:
    with running(host=HERE) as run, client(run) as browser:
        said = signed_in(run, browser).headers["set-cookie"].lower()
        assert said.startswith(COOKIE_TLS.lower())
        assert all(word in said for word in ("secure", "httponly", "samesite=strict", "path=/"))
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
        url, origin = f"wss://{HERE}:{run.hub.port}/api/v1/feed", f"https://{HERE}:{run.hub.port}"

        async def feed(origin: str | None) -> object:
            """The first message's name, or the close code."""
            options = {"ssl": trusting(run), "additional_headers": cookie, "origin": origin}
            async with connect(url, **options) as screen:
                try:
                    return msgpack.unpackb(await screen.recv())["k"]
                except ConnectionClosed:
                    return screen.close_code

        assert asyncio.run(feed(origin)) == "hello"
        for wrong in (f"http://{HERE}:{run.hub.port}", "https://evil.example", None):
            assert asyncio.run(feed(wrong)) == 4403


def test_foreign_names_and_origins(running: Callable[..., Any]) -> None:
    with running(host=HERE, public_hosts=("hub.example",)) as run, client(run) as browser:
        assert browser.get("/healthz", headers={"host": "evil.example"}).status_code == 421
        assert browser.get("/healthz", headers={"host": f"198.51.100.7:{run.hub.port}"}).status_code == 421
        own = f"{socket.gethostname()}.local:{run.hub.port}"
        for name in (own, own.upper(), "hub.example", f"localhost:{run.hub.port}"):
            assert browser.get("/trust", headers={"host": name}).status_code == 200, name
        for origin in ("https://evil.example", f"http://{HERE}:{run.hub.port}", "null"):
            answer = browser.post("/api/v1/session", json={"token": "x"}, headers={"origin": origin})
            assert answer.status_code == 403, origin
        answer = browser.post(
            "/api/v1/session", json={"token": "x"}, headers={"origin": f"https://{HERE}:{run.hub.port}"}
        )
        assert answer.status_code == 401


def test_listening_everywhere_takes_any_address_but_no_name(running: Callable[..., Any]) -> None:
    with running(host="0.0.0.0") as run, client(run) as browser:
        for host in (HERE, "127.0.0.1", "198.51.100.7", "[2001:db8::7]", socket.gethostname()):
            assert browser.get("/trust", headers={"host": f"{host}:{run.hub.port}"}).status_code == 200, host
        assert browser.get("/trust", headers={"host": f"evil.example:{run.hub.port}"}).status_code == 421
        assert browser.get("/trust", headers={"host": "198.51.100.7:1"}).status_code == 421
    with running(host="0.0.0.0") as run, client(run, "127.0.0.1") as browser:
        assert browser.get("/trust").status_code == 200


def test_the_trust_page(running: Callable[..., Any]) -> None:
    with running(host=HERE) as run, client(run) as browser:
        page = browser.get("/trust")
        assert all(group in page.text for group in fingerprint(run.hub.authority.der))
        assert "<script" not in page.text
        assert "strict-transport-security" not in page.headers
        file = browser.get("/trust/authority.crt")
        assert file.headers["content-type"] == "application/x-x509-ca-cert"
        assert file.content == run.hub.authority.der


def test_the_installers_own_certificate(running: Callable[..., Any], tmp_path: Path) -> None:
    theirs = Authority(b"i" * 32, "theirs", tmp_path / "theirs")
    chain, key = theirs.server([HERE], "web")
    with running(host=HERE, tls_cert=str(chain), tls_key=str(key)) as run:
        with pytest.raises(httpx.ConnectError):
            client(run).get("/healthz")
        context = ssl.create_default_context(cadata=theirs.pem)
        page = httpx.get(f"https://{HERE}:{run.hub.port}/trust", verify=context, trust_env=False)
        assert "安装者自己的证书" in page.text
    with running(tls_cert=str(chain), tls_key=str(key)) as run:
        context.check_hostname = False
        answer = httpx.get(f"https://127.0.0.1:{run.hub.port}/trust", verify=context, trust_env=False)
        assert answer.status_code == 200, "also on loopback"


def test_a_certificate_that_cannot_be_used_says_so(running: Callable[..., Any], tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    with (
        pytest.raises(HubError, match=r"tls_cert .*broken.pem"),
        running(host=HERE, tls_cert=str(broken), tls_key=str(broken)),
    ):
        pass


def test_a_new_certificate_is_taken_while_running(tmp_path: Path) -> None:
    authority = Authority(b"m" * 32, "live", tmp_path / "tls")
    tls = WebTls(Settings(host=HERE), authority)
    assert tls.load()
    assert not tls.load()
    first = shown_by(tls.context)
    (tmp_path / "tls" / "web.pem").unlink()
    tls.renew()
    assert shown_by(tls.context) != first
    (tmp_path / "tls" / "web.key").write_text("damaged")
    second = shown_by(tls.context)
    tls.renew()
    assert shown_by(tls.context) == second, "what cannot be used changes nothing"


def shown_by(context: ssl.SSLContext) -> bytes:
    """The certificate that a server with this context shows."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with context.wrap_socket(theirs, server_side=True) as tls:
            tls.recv(1)

    server = threading.Thread(target=serve)
    server.start()
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with anyone.wrap_socket(ours) as tls:
        found = tls.getpeercert(True)
        tls.send(b".")
    server.join()
    assert found is not None
    return found


def test_loopback_stays_plain(running: Callable[..., Any]) -> None:
    with running() as run:
        assert httpx.get(f"http://{run.address}/trust", trust_env=False).status_code == 200
        answer = httpx.post(
            f"http://{run.address}/api/v1/session",
            json={"token": "x"},
            headers={"origin": f"https://{run.address}"},
            trust_env=False,
        )
        assert answer.status_code == 403


def test_the_program_says_https_and_trust_says_where(tmp_path: Path, free_port: Callable[[], int]) -> None:
    data = tmp_path / "data"
    words = ["--data", str(data), "--host", HERE, "--port", "0", "--mqtt-port", str(free_port())]
    words += ["--devices-port", str(free_port()), "--print-link", "--json"]
    hub = subprocess.Popen([sys.executable, "-m", "hub", "run", *words], stdout=subprocess.PIPE, text=True)
    try:
        assert hub.stdout is not None
        said = json.loads(hub.stdout.readline())
        assert said["link"].startswith(f"https://{HERE}:")
        told = json.loads(trust(data, "--json").stdout)
        assert told["address"] == f"{said['http']}/trust"
        out = tmp_path / "authority.crt"
        lines = trust(data, "--qr", "--out", str(out)).stdout.splitlines()
        assert fingerprint(out.read_bytes()) == " ".join(lines[1:5]).split()
        assert "".join(fingerprint(out.read_bytes())).lower() == told["sha256"]
        assert any("█" in line for line in lines[5:]), "a code to scan"
        context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(out.read_bytes()))
        assert httpx.get(told["address"], verify=context, trust_env=False).status_code == 200
    finally:
        hub.terminate()
        hub.communicate(timeout=15)
    assert hub.returncode == 0


def trust(data: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    made = [sys.executable, "-m", "hub", "trust", "--data", str(data), *words]
    return subprocess.run(made, capture_output=True, text=True, check=True)


def test_a_hub_that_listens_everywhere_gives_an_address_for_phones() -> None:
    assert reachable("https://127.0.0.1:8600") == f"https://{addresses.outward()}:8600"
    assert reachable("http://127.0.0.1:8600") == "http://127.0.0.1:8600"
