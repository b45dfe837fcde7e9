"""A TCP proxy on loopback that does to a connection what networks do."""

import asyncio

from tests.servers.ground import LoopThread, settle


class FaultProxy:
    """``start()`` and ``stop()``, or a with-block. The attributes may be changed at any moment."""

    def __init__(self, target_port: int, *, host: str = "127.0.0.1") -> None:
        """``host``: where it listens."""
        self.host = host
        self.port = 0
        self.segment = 0  # bytes per write towards the client; 0: as they come
        self.silent = False  # swallow everything in both directions, close nothing
        self.cut_after = b""  # once the client has sent this and the server has acted: withhold the answer and close
        self.connections = 0  # opened so far
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Close every connection."""
        self._thread.run(self._cut())

    def refuse(self) -> None:
        """Take no more connections; those that are open stay."""
        self._thread.run(self._refuse())

    def start(self) -> None:
        self._thread = LoopThread("fault-proxy")
        self._server = self._thread.run(asyncio.start_server(self._serve, self.host, 0))
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._thread.run(self._close())
        self._thread.stop()

    def __enter__(self) -> "FaultProxy":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self.connections += 1
        server, to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
        link = _Link(self)
        self._writers |= {to_client, to_server}
        try:
            await asyncio.wait(
                [
                    asyncio.create_task(link.towards_server(client, to_server)),
                    asyncio.create_task(link.towards_client(server, to_client)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for writer in (to_client, to_server):
                writer.close()
                self._writers.discard(writer)

    async def _cut(self) -> None:
        for writer in list(self._writers):
            writer.close()
        await asyncio.sleep(0)

    async def _refuse(self) -> None:
        self._server.close()

    async def _close(self) -> None:
        await settle()
        self._server.close()
        await self._cut()


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._said = b""  # by the client since there is something to cut after
        self._withhold = False

    async def towards_server(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while data := await _read(client):
            trigger = self._proxy.cut_after
            self._said = self._said + data if trigger else b""
            self._withhold = self._withhold or bool(trigger and trigger in self._said)
            if not self._proxy.silent:
                server.write(data)

    async def towards_client(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while data := await _read(server):
            if self._withhold:
                return
            if not self._proxy.silent:
                await self._write(client, data)

    async def _write(self, client: asyncio.StreamWriter, data: bytes) -> None:
        step = self._proxy.segment or len(data)
        for start in range(0, len(data), step):
            client.write(data[start : start + step])
            await asyncio.sleep(0)  # a segment of its own: asyncio sets TCP_NODELAY


async def _read(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.read(65536)
    except ConnectionError:
        return b""
