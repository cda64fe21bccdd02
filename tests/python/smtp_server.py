"""A mail server for the tests: says its port, then each message it took on, a line of JSON each, until its input ends.

Options, as one JSON object: certificate, key (TLS), starttls (TLS after a command), username, password.
What it does with a recipient depends on the part before the @: refused, later, relay, spam, hang; all others get their mail.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

REFUSALS = {
    "refused": "550 5.1.1 no such person here",
    "later": "451 4.3.0 come back later",
    "relay": "550 5.7.1 relaying denied",
}


def say(what):
    print(json.dumps(what), flush=True)


class Postman:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        local = address.split("@")[0]
        if local in REFUSALS:
            return REFUSALS[local]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        local = envelope.rcpt_tos[0].split("@")[0]
        if local == "hang":
            await asyncio.sleep(3600)
        if local == "spam":
            return "554 5.6.0 this looks like spam"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "options": envelope.mail_options,
            "peer": session.peer[1],
            "hello": session.host_name,
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "login": session.auth_data,
            "headers": [[name, str(value)] for name, value in message.items()],
            "body": message.get_content(),
            "defects": [str(defect) for defect in message.defects],
        })
        return "250 OK"


def main():
    options = json.loads(sys.argv[1])
    settings = {"enable_SMTPUTF8": options.get("smtputf8", True)}
    context = None
    if "certificate" in options:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options["certificate"], options["key"])
    if options.get("starttls"):
        settings.update(tls_context=context, require_starttls=True)
        context = None
    if "username" in options:
        def authenticate(server, session, envelope, mechanism, data):
            wanted = (options["username"].encode(), options["password"].encode())
            given = isinstance(data, LoginPassword) and (data.login, data.password)
            return AuthResult(success=given == wanted, handled=False, auth_data=options["username"])

        settings.update(authenticator=authenticate, auth_required=True, auth_require_tls=False)

    class AnyPort(Controller):
        # The controller of the library connects to its port to see that it listens, and has to know it for that.
        def _trigger_server(self):
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    controller = AnyPort(Postman(), hostname="127.0.0.1", port=0, ssl_context=context, **settings)
    controller.start()
    say({"port": controller.port})
    sys.stdin.read()
    controller.stop()


main()
