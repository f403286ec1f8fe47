"""An HTTP server that does what a test says and remembers who asked.

Answers come from a Python function. It may return a dict (status 200, JSON), a `Reply`, or None,
which closes the connection without an answer.
"""

import collections
import http.server
import json
import socket
import threading
import urllib.parse

from patience import PATIENCE_S

Reply = collections.namedtuple("Reply", "status body headers", defaults=(b"", None))
Request = collections.namedtuple("Request", "method path query headers body")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def setup(self):
        super().setup()
        self.server.owner.opened(self.connection)

    def finish(self):
        self.server.owner.closed(self.connection)
        try:
            super().finish()
        except ConnectionError:
            pass  # what was still to be written

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(length)
        reply = self.server.owner.take(
            Request(self.command, parts.path, query, self.headers, body)
        )
        if reply is None:
            self.close_connection = True
            return
        if not isinstance(reply, Reply):
            reply = Reply(200, reply)
        data = reply.body
        kind = "text/plain"
        if not isinstance(data, bytes):
            data, kind = json.dumps(data).encode(), "application/json"
        headers = {"Content-Type": kind, **(reply.headers or {})}
        if reply.status not in (204, 304):
            headers.setdefault("Content-Length", str(len(data)))
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if reply.status not in (204, 304):
            self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, *args):
        pass


class TcpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256


class UnixServer(TcpServer):
    address_family = socket.AF_UNIX

    def server_bind(self):
        self.socket.bind(self.server_address)

    def get_request(self):
        connection, _ = super().get_request()
        return connection, ("unix", 0)


class Server:
    """Serves in threads from the constructor to stop(). `answer` takes a `Request`."""

    def __init__(self, answer, unix_path=None, port=0):
        self.answer = answer
        self.requests = []  # the ledger: every request, in the order of arrival
        self.changed = threading.Condition()
        self.connections = set()
        if unix_path is None:
            self.server = TcpServer(("127.0.0.1", port), Handler)
            self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        else:
            self.server = UnixServer(unix_path, Handler)
            self.url = f"unix:{unix_path}"
        self.server.owner = self
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.stop()

    def opened(self, connection):
        with self.changed:
            self.connections.add(connection)

    def closed(self, connection):
        with self.changed:
            self.connections.discard(connection)

    def take(self, request):
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
        return self.answer(request)

    def wait_for(self, condition, what):
        """Waits until condition(requests) is true, looking after every request."""
        with self.changed:
            if not self.changed.wait_for(lambda: condition(self.requests), PATIENCE_S):
                raise AssertionError(f"never: {what}")

    def stop(self):
        """Closes the port and every connection, also those that wait for an answer."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        with self.changed:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
