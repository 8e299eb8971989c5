"""Forwards TCP connections on loopback: forward.py PORT ready|always BACKEND...

What stands in front of a Service, or of an API server: each connection goes to the next of the
backends (ports) that is ready, and nobody tries again for the caller. With `ready`, a backend is so
if its /readyz says so, which is asked every fifth of a second, as a kubelet would, which verifies no
certificate; with `always` every backend is. SIGUSR1 cuts all connections.
"""

import asyncio
import signal
import ssl
import sys

PERIOD = 0.2


class Forwarder:
    def __init__(self, backends):
        self.backends = self.ready = backends
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE
        self.turn = 0
        self.writers = set()

    def cut(self):
        for writer in list(self.writers):
            writer.transport.abort()

    async def asks_ready(self, port):
        try:
            there = asyncio.open_connection("localhost", port, ssl=self.tls)
            reader, writer = await asyncio.wait_for(there, 1)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            line = await asyncio.wait_for(reader.readline(), 1)
            writer.close()
            return b" 200 " in line
        except (OSError, asyncio.TimeoutError):
            return False

    async def probe(self):
        while True:
            answers = await asyncio.gather(*(self.asks_ready(port) for port in self.backends))
            now = [port for port, ready in zip(self.backends, answers) if ready]
            if now != self.ready:
                print("ready:", *now, flush=True)
                self.ready = now
            await asyncio.sleep(PERIOD)

    async def pump(self, reader, writer):
        try:
            while content := await reader.read(65536):
                writer.write(content)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def accept(self, reader, writer):
        if not self.ready:
            writer.transport.abort()
            return
        self.turn += 1
        port = self.ready[self.turn % len(self.ready)]
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, there}
        await asyncio.gather(self.pump(reader, there), self.pump(there_reader, writer))
        self.writers -= {writer, there}


async def main(port, when, *backends):
    forwarder = Forwarder([int(backend) for backend in backends])
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, forwarder.cut)
    server = await asyncio.start_server(forwarder.accept, "127.0.0.1", int(port))
    if when == "ready":
        forwarder.ready = []
        await forwarder.probe()
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
