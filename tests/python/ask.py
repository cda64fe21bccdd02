"""How the tests ask the server: with boto3, each answer held against the service model; and with bare requests, signed as
the caller likes. What a test needs to know comes as JSON on the standard input: see tests/chime_contract.rs.
"""

import collections
import datetime
import email
import email.policy
import glob
import http.client
import json
import os
import re
import ssl
import sys
import time
import unittest.mock
import urllib.parse
import urllib.request

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.client
import botocore.credentials
import botocore.exceptions

import model

REGION = "us-east-1"
# Longest wait for something that the server does by itself, such as writing a letter, in seconds.
PATIENCE = 30
WAIT_TIME_MAX = 60

Key = collections.namedtuple("Key", "id secret")
Answer = collections.namedtuple("Answer", "status headers json raw")


class Setup:
    """The server under test."""

    def __init__(self, given):
        self.url = given["url"]
        self.key = Key(**given["key"])
        self.keys = {name: Key(**key) for name, key in given.get("keys", {}).items()}
        self.accounts = given.get("accounts", {})
        self.spool = given.get("spool")
        # Who signed the server's certificate; a file.
        self.ca = given.get("ca")
        self.strict = given.get("strict", False)

    def client(self, key=None, **config):
        """A client of the key; every answer it gets is held against the model."""
        key = key or self.key
        client = boto3.client(
            "chime", endpoint_url=self.url, region_name=REGION,
            aws_access_key_id=key.id, aws_secret_access_key=key.secret, verify=self.ca,
            config=botocore.client.Config(connect_timeout=10, read_timeout=WAIT_TIME_MAX, proxies={}, **config),
        )
        client.meta.events.register("before-sign.chime", _OnceASecond())
        client.meta.events.register("before-parse.chime", self._hold_against_the_model)
        return client

    def _hold_against_the_model(self, operation_model, response_dict, **_):
        answer = Answer(response_dict["status_code"], response_dict["headers"], None, response_dict["body"])
        check_answer(operation_model.name, answer, self.strict)

    def ask(self, method, target, body=None, key=None, shift=0, change=None):
        """A bare request: `shift` moves the clock by seconds, `change` may alter the request after it was signed."""
        request = self.signed(method, target, body, key, shift)
        if change:
            change(request)
        return self.send(request)

    def signed(self, method, target, body=None, key=None, shift=0):
        """A request, signed as boto3 would sign it at that time."""
        key = key or self.key
        sent = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        request = botocore.awsrequest.AWSRequest(method=method, url=self.url + target, data=sent)
        if sent is not None:
            request.headers["Content-Type"] = "application/json"
        # Signed, so that two requests alike are still two.
        request.headers["amz-sdk-invocation-id"] = os.urandom(16).hex()
        now = botocore.auth.get_current_datetime() + datetime.timedelta(seconds=shift)
        credentials = botocore.credentials.Credentials(*key)
        with unittest.mock.patch("botocore.auth.get_current_datetime", lambda: now):
            botocore.auth.SigV4Auth(credentials, "chime", REGION).add_auth(request)
        return request

    def send(self, request):
        address = urllib.parse.urlsplit(request.url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=WAIT_TIME_MAX)
        target = address.path + ("?" + address.query if address.query else "")
        try:
            connection.request(request.method, target, request.data, dict(request.headers))
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        is_json = "json" in (response.headers.get("content-type") or "")
        return Answer(response.status, response.headers, json.loads(raw) if is_json and raw else None, raw)

    def letters(self, address):
        """The letters to that address in the spool."""
        found = []
        for path in sorted(glob.glob(os.path.join(self.spool, "*.eml"))):
            with open(path, "rb") as file:
                octets = file.read()
            # A look at the octets first: to take a letter apart is slow, and there may be many.
            if address.encode() in octets:
                letter = email.message_from_bytes(octets, policy=email.policy.default)
                if address in [header.addr_spec for header in letter["To"].addresses]:
                    found.append(letter)
        return found

    def accept(self, address):
        """Follows the link of the last invitation, as a person with a browser."""
        letter = until(lambda: self.letters(address), f"a letter to {address} in {self.spool}")[-1]
        text = letter.get_body(("plain",)).get_content()
        link = re.search(r"https?://\S+/invitations/\S+", text)
        assert link, f"no link in the letter:\n{text}"
        url = self.url + urllib.parse.urlsplit(link.group()).path
        trust = ssl.create_default_context(cafile=self.ca)
        with urllib.request.urlopen(url, timeout=WAIT_TIME_MAX, context=trust) as page:
            equal(page.status, 200, "the page of the link")
        post = urllib.request.Request(url, data=b"", method="POST")
        with urllib.request.urlopen(post, timeout=WAIT_TIME_MAX, context=trust) as page:
            equal(page.status, 200, "the page after the button")


class _OnceASecond:
    """SigV4 counts in seconds, and boto3 signs nothing that differs between two requests alike: a server that carries
    out each signed request once takes the second of them, in the same second, for a copy. So that one waits here."""

    def __init__(self):
        self.sent = {}

    def __call__(self, request, **_):
        if request.method in ("GET", "HEAD"):
            return
        what = (request.method, request.url, request.data)
        while self.sent.get(what) == int(time.time()):
            time.sleep(0.01)
        self.sent[what] = int(time.time())


def check_answer(operation, answer, strict=False):
    """Status, headers and body are what the model says of that operation."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    told = f"{operation} answered {answer.status} {answer.raw[:400]!r}"
    assert headers.get("x-amzn-requestid", "").strip(), f"no x-amzn-RequestId: {told}"
    if answer.status >= 400:
        check_exception(headers, answer, told)
        return
    equal(answer.status, model.success_status(operation), told)
    shape = model.output_shape(operation)
    if shape is None or not model.SHAPES[shape]["members"]:
        assert answer.raw in (b"", b"{}"), f"the body must be empty: {told}"
        return
    assert headers.get("content-type", "").startswith("application/json"), f"Content-Type {headers}: {told}"
    found = model.violations(shape, json.loads(answer.raw), strict)
    assert not found, f"{told}\n" + "\n".join(found)


def check_exception(headers, answer, told):
    """An error is one of the model's exceptions, with its status and its members."""
    name = headers.get("x-amzn-errortype", "")
    assert name in model.EXCEPTIONS, f"x-amzn-ErrorType {name!r} is no exception of the model: {told}"
    equal(answer.status, model.EXCEPTIONS[name], f"the status of {name}: {told}")
    body = json.loads(answer.raw)
    found = model.violations(name, body)
    assert not found, f"{told}\n" + "\n".join(found)
    assert body.get("Code") and body.get("Message", "").strip(), f"Code and Message: {told}"


def refused(exception, call, **arguments):
    """The call fails with that exception, which boto3 knows as a class of its own. Gives the whole answer."""
    name = f"{call.__name__}({_short(arguments)})"
    try:
        answer = call(**arguments)
    except botocore.exceptions.ClientError as error:
        equal(error.response["Error"]["Code"], exception, f"{name}: {error}")
        assert isinstance(error, getattr(call.__self__.exceptions, exception)), f"{name}: {type(error)}"
        return error.response
    raise AssertionError(f"{name} must be refused with {exception}, and answered {_short(answer)}")


def equal(found, expected, what):
    assert found == expected, f"{what}\n  found    {found!r}\n  expected {expected!r}"


def until(condition, what):
    """Waits for the first true value."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.02)
    return value


def _short(value):
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "…"


def main(stories):
    """Runs the story that the first argument names."""
    name, = sys.argv[1:]
    stories[name](Setup(json.load(sys.stdin)))


def stories_of(namespace):
    """The functions of a module whose only parameter is `setup`."""
    return {
        name: value for name, value in namespace.items()
        if callable(value) and getattr(value, "__code__", None) and value.__code__.co_varnames[:1] == ("setup",)
        and value.__code__.co_argcount == 1 and not name.startswith("_")
    }
