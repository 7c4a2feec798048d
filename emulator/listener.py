"""A WSGI server on a port of 127.0.0.1 that can refuse connections for a while and stops at once."""

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server


class Listener:
    """The socket that clients connect to: keeps its port while it refuses connections."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.port = 0
        self._application = application
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._placeholder: socket.socket | None = None
        self._connections: set[socket.socket] = set()

    def open(self) -> None:
        """Listen, on a free port the first time and on the same one after that."""
        handler = type("Handler", (_Handler,), {"connections": self._connections})
        self._server = make_server("127.0.0.1", self.port, self._application, threaded=True, request_handler=handler)
        self._free_placeholder()
        self.port = self._server.server_port
        # Once a poll interval the server looks whether it was told to stop: half a second unless given.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="cloud", daemon=True)
        self._thread.start()

    def refuse(self) -> None:
        """Close, and hold the port so that nobody else takes it."""
        self.close()
        self._placeholder = socket.socket()
        self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._placeholder.bind(("127.0.0.1", self.port))

    def close(self) -> None:
        """Stop listening and cut every connection; requests under way lose their client."""
        self._free_placeholder()
        if self._server and self._thread:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
        self._server = self._thread = None
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _free_placeholder(self) -> None:
        if self._placeholder:
            self._placeholder.close()
        self._placeholder = None


class _Handler(MotoRequestHandler):
    connections: set[socket.socket]

    def setup(self) -> None:
        super().setup()
        self.connections.add(self.connection)

    def finish(self) -> None:
        self.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log(self, _level: str, message: str, *args: Any) -> None:
        logging.getLogger(__name__).debug(message, *args)


def client_left(environ: Mapping[str, Any]) -> bool:
    """Whether the client of the request `environ` hung up."""
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is None:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
