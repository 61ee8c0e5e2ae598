"""The embedded broker for a demonstration: `python -m hub.broker_amqtt PORT`, loopback only, MQTT 3.1.1.

Enters: a port. Leaves: a broker until SIGTERM. A process of its own, so that it cannot slow the hub.
"""

import asyncio
import logging
import signal
import sys


def config(port: int) -> dict[str, object]:
    """amqtt's configuration: one loopback listener. Frames are authenticated by their MAC, so senders are not."""
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }


async def serve(port: int) -> None:
    from amqtt.broker import Broker

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    broker = Broker(config(port))
    await broker.start()
    await stop.wait()
    await broker.shutdown()


def main() -> int:
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(int(sys.argv[1])))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
