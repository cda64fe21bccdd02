"""A receiver of webhooks for the tests: says its port, then each request, a line of JSON each, until its input ends.

Signatures are checked by the library of the Standard Webhooks project. Options, as one JSON object: secret (as the library
takes it), raw (true: the secret is bytes, not whsec_ and base64), answers (a list of [status, headers, text], the last of
which is repeated), certificate, key (TLS), hang (true: no answer at all).
"""

import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

OPTIONS = json.loads(sys.argv[1])
SECRET = OPTIONS["secret"].encode() if OPTIONS.get("raw") else OPTIONS["secret"]
ANSWERS = OPTIONS.get("answers", [[200, {}, ""]])
LOCK = threading.Lock()


def say(what):
    print(json.dumps(what), flush=True)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    count = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            payload = Webhook(SECRET).verify(body, {name.lower(): value for name, value in self.headers.items()})
            error = None
        except WebhookVerificationError as refused:
            payload, error = json.loads(body), str(refused)
        with LOCK:
            answer = ANSWERS[min(Receiver.count, len(ANSWERS) - 1)]
            Receiver.count += 1
            say({
                "method": self.command,
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "error": error,
                "payload": payload,
            })
        if OPTIONS.get("hang"):
            threading.Event().wait()
        self.answer(*answer)

    def do_HEAD(self):
        say({"method": "HEAD", "path": self.path})
        self.answer(405, {}, "")

    def answer(self, status, headers, text):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that hang up, or do not like the certificate, are part of the tests."""


def main():
    server = Server(("127.0.0.1", 0), Receiver)
    if "certificate" in OPTIONS:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(OPTIONS["certificate"], OPTIONS["key"])
        # In the thread of the connection, so that a client that breaks off stops nobody else.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say({"port": server.server_address[1]})
    sys.stdin.read()


main()
