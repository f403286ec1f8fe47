"""A TCP server whose every connection is handled by a function of the test: it may do anything."""

import contextlib
import socket
import struct
import threading

from patience import PATIENCE_S


def reset(connection):
    """Closes with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_request(connection):
    """One request with its body, or b"" when the peer is gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body


def headers_of(request):
    head = request.split(b"\r\n\r\n", 1)[0].decode("latin-1")
    lines = [line.partition(":") for line in head.split("\r\n")[1:]]
    return {name.lower(): value.strip() for name, _, value in lines}


def answer(body, status="200 OK", kind="application/json", extra=""):
    body = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{extra}\r\n".encode() + body


class RudeServer:
    """`handle(connection, number)` runs in a thread of its own for each connection."""

    def __init__(self, handle, host="127.0.0.1"):
        self.handle = handle
        self.listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.listener.bind((host, 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.connections = 0
        self.requests = []
        self.stopping = threading.Event()
        self.threads = []
        self.open = []

    def __enter__(self):
        thread = threading.Thread(target=self._accept, daemon=True)
        self.threads.append(thread)
        thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(PATIENCE_S)

    def _accept(self):
        while not self.stopping.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            thread = threading.Thread(
                target=self._serve, args=(connection, self.connections), daemon=True
            )
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection, number):
        with connection, contextlib.suppress(OSError):
            self.handle(connection, number)

    def read(self, connection):
        request = read_request(connection)
        if request:
            self.requests.append(request)
        return request


def hangs(connection, _):
    """Reads a request and says nothing until somebody gives up."""
    if read_request(connection):
        connection.recv(1)


def sends(data, then="close"):
    """A handler that reads a request, sends these bytes, and ends in the given way."""

    def handle(connection, _):
        if not read_request(connection):
            return
        connection.sendall(data)
        if then == "reset":
            reset(connection)
        elif then == "hang":
            connection.recv(65536)

    return handle
