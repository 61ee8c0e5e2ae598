"""Bad links: the same seed gives the same fates; bytes come late, twice or never, and TCP's always in order."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sim.net import tun
from sim.net.link import Link, LinkSpec
from sim.net.relays import DatagramRelay, StreamRelay


def fates(spec: LinkSpec, seed: int, count: int = 2_000) -> list[list[float]]:
    link = Link(spec, seed)
    return [link.packet(100, 10.0 * i) for i in range(count)]


def test_the_same_seed_gives_the_same_fates_and_another_one_others() -> None:
    spec = LinkSpec(loss=0.3, delay_ms=20, jitter_ms=5, duplicate=0.1, reorder=0.1)
    assert fates(spec, 7) == fates(spec, 7)
    assert fates(spec, 7) != fates(spec, 8)


def test_shares_are_what_was_asked_for() -> None:
    found = fates(LinkSpec(loss=0.3, duplicate=0.2, delay_ms=20), 3)
    assert 520 <= sum(not arrivals for arrivals in found) <= 680
    assert 220 <= sum(len(arrivals) == 2 for arrivals in found) <= 340
    assert all(10.0 * i + 20 <= at for i, arrivals in enumerate(found) for at in arrivals)


def test_a_narrow_link_takes_its_time_and_drops_what_waits_too_long() -> None:
    link = Link(LinkSpec(rate_bps=1_200, queue_ms=2_000), 1)
    arrivals = [at for _ in range(10) for at in link.packet(75, 0.0)]
    assert arrivals == [500.0, 1_000.0, 1_500.0, 2_000.0, 2_500.0]
    assert link.lost == 5


def test_a_cut_link_is_silent() -> None:
    link = Link(LinkSpec(), 1)
    link.cut = True
    assert link.packet(10, 0.0) == []
    link.cut = False
    assert link.packet(10, 1.0) == [1.0]


def test_a_stream_is_late_and_in_order() -> None:
    link = Link(LinkSpec(loss=0.3, delay_ms=50), 5)
    arrivals = [link.chunk(1_000, 10.0 * i) for i in range(300)]
    assert arrivals == sorted(arrivals)
    assert link.lost > 60
    assert max(at - 10.0 * i for i, at in enumerate(arrivals)) > 250


@pytest.mark.parametrize(
    ("text", "why"),
    [("loss=2", "loss 2.0, 0–1 allowed"), ("los=1", "'los' is unknown"), ("loss=x", "loss='x', a number"),
     ("delay_ms=-1", "0 or more")],
)  # fmt: skip
def test_what_cannot_be_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        LinkSpec.of(text)


def test_a_line_of_text_is_a_link() -> None:
    assert LinkSpec.of("loss=0.3,rate_bps=1200") == LinkSpec(loss=0.3, rate_bps=1_200)


def test_datagrams_go_through_both_ways() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        client.settimeout(10)
        with DatagramRelay(server.getsockname(), LinkSpec(duplicate=1), LinkSpec(), 1) as relay:
            client.sendto(b"up", ("127.0.0.1", relay.port))
            data, address = server.recvfrom(100)
            assert (data, server.recvfrom(100)[0]) == (b"up", b"up")
            server.sendto(b"down", address)
            assert client.recv(100) == b"down"
            relay.cut(down=False)
            client.sendto(b"gone", ("127.0.0.1", relay.port))
            server.settimeout(0.3)
            with pytest.raises(TimeoutError):
                server.recv(100)


def test_a_stream_goes_through_whole_and_its_end_too() -> None:
    sent = bytes(range(256)) * 400
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        StreamRelay(server.getsockname(), LinkSpec(jitter_ms=3), LinkSpec(), 1) as relay,
        socket.create_connection(("127.0.0.1", relay.port), timeout=10) as client,
    ):
        other, _ = server.accept()
        with other:
            other.settimeout(10)
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            heard = b""
            while piece := other.recv(65_536):
                heard += piece
    assert heard == sent


@pytest.mark.slow
@pytest.mark.skipif(bool(tun.possible()), reason=tun.possible() or "possible")
def test_two_hosts_with_a_lossy_link(tmp_path: Path) -> None:
    """Real TCP through real loss."""
    script = (
        "import socket as s;c=s.create_connection(('10.77.0.2',5000),20);c.sendall(bytes(60000));c.close()"
    )
    listen = (
        "import socket as s;l=s.create_server(('10.77.0.2',5000));print('ready',flush=True);c,_=l.accept();n=0\n"
        "while d:=c.recv(65536): n+=len(d)\nprint(n)"
    )
    spec = LinkSpec(loss=0.1, delay_ms=5)
    with tun.TunLink(f"zt{tmp_path.name[-6:]}", spec, spec, 3) as link:
        server = subprocess.Popen(link.inside(1, sys.executable, "-c", listen), stdout=subprocess.PIPE)
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        subprocess.run(link.inside(0, sys.executable, "-c", script), check=True, timeout=60)
        assert server.communicate(timeout=60)[0] == b"60000\n"
        assert link.up.lost > 0
