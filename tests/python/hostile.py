"""Requests that must be refused: unsigned, wrongly signed, altered, copied, of another time, too large, too many, and those
that a key may not make. After each of them the server goes on as if nothing had been.
"""

import http.client
import socket
import time
import urllib.parse

import boto3
import botocore

from ask import REGION, Key, check_exception, equal, main, refused, stories_of, until

# Beyond the five minutes that clocks may differ, and within them, in seconds.
TOO_FAR = 330
NEAR_ENOUGH = 270
BODY_BYTES_MAX = 1024 * 1024


def signatures(setup):
    chime = setup.client()
    account = chime.create_account(Name="Signed")["Account"]["AccountId"]

    unsigned = setup.client(signature_version=botocore.UNSIGNED)
    answer = refused("UnauthorizedClientException", unsigned.list_accounts)
    equal(answer["ResponseMetadata"]["HTTPStatusCode"], 401, "unsigned")
    refused("UnauthorizedClientException", unsigned.create_account, Name="Intruder")
    wrong_secret = setup.client(Key(setup.key.id, "x" * 40))
    refused("UnauthorizedClientException", wrong_secret.list_accounts)
    refused("UnauthorizedClientException", wrong_secret.create_account, Name="Intruder")
    unknown_key = setup.client(Key("SEATNOTTHERE00000000", setup.key.secret))
    refused("UnauthorizedClientException", unknown_key.list_accounts)
    token = boto3.client("chime", endpoint_url=setup.url, region_name=REGION, aws_access_key_id=setup.key.id,
                         aws_secret_access_key=setup.key.secret, aws_session_token="a-session")
    refused("UnauthorizedClientException", token.list_accounts)

    # Signed, and altered on the way.
    def body(request):
        request.data = request.data.replace(b"Intruder", b"intruder")

    def path(request):
        request.url = request.url.replace("/accounts", "/accounts/" + account)

    def query(request):
        request.url += "?operation=associate-signin-delegate-groups"

    def method(request):
        request.method = "PUT"

    def content_type(request):
        request.headers.replace_header("Content-Type", "application/x-amz-json-1.1")

    def invocation(request):
        request.headers.replace_header("amz-sdk-invocation-id", "another")

    def dropped(request):
        del request.headers["amz-sdk-invocation-id"]

    def added(request):
        request.headers["X-Amz-Target"] = "unsigned"

    def garbled(request):
        request.headers.replace_header("Authorization", "AWS4-HMAC-SHA256 " + "x" * 4000)

    def no_text(request):
        request.headers.replace_header("Authorization", "AWS4-HMAC-SHA256 Credential=\xff\xfe/=,=,,")

    for change in (body, path, query, method, content_type, invocation, dropped, added, garbled, no_text):
        answer = setup.ask("POST", "/accounts", {"Name": "Intruder"}, change=change)
        _refused_as(answer, "UnauthorizedClientException", change.__name__)

    for shift in (-TOO_FAR, TOO_FAR, -86400, 86400 * 365):
        answer = setup.ask("POST", "/accounts", {"Name": "Intruder"}, shift=shift)
        _refused_as(answer, "UnauthorizedClientException", f"a clock that is {shift} s off")
    for shift in (-NEAR_ENOUGH, NEAR_ENOUGH):
        equal(setup.ask("GET", "/accounts", shift=shift).status, 200, f"a clock that is {shift} s off")

    names = {account["Name"] for account in chime.list_accounts()["Accounts"]}
    assert "Signed" in names and not {"Intruder", "intruder"} & names, names


def a_copy_is_refused(setup):
    chime = setup.client()
    request = setup.signed("POST", "/accounts", {"Name": "Once"})
    address = urllib.parse.urlsplit(request.url)
    headers = {"Host": address.netloc, "Content-Length": str(len(request.data)), **dict(request.headers)}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    captured = f"POST {address.path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode() + request.data
    first, copy = (_send(address, captured, hangs_up=False) for _ in range(2))
    assert first.startswith(b"HTTP/1.1 201 "), first
    assert copy.startswith(b"HTTP/1.1 401 ") and b"UnauthorizedClientException" in copy, copy
    equal(len(chime.list_accounts(Name="Once")["Accounts"]), 1, "carried out once")
    # Reading twice harms nobody, and SDKs ask the same within a second.
    request = setup.signed("GET", "/accounts")
    equal([setup.send(request).status for _ in range(3)], [200] * 3, "the same list, again")


def sizes(setup):
    chime = setup.client()
    before = chime.list_accounts()["Accounts"]
    for target in ("/accounts", "/nowhere"):
        try:
            answer = setup.ask("POST", target, {"Name": "x" * (2 * BODY_BYTES_MAX)})
        except (ConnectionError, http.client.HTTPException):
            # It closes the connection while we are still talking.
            continue
        _refused_as(answer, "BadRequestException", "a body of two megabytes")
    address = urllib.parse.urlsplit(setup.url)
    for nonsense in (
        b"GET / HTTP/1.1\r\n" + b"X-Large: " + b"x" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: x\r\n" % number for number in range(2000)) + b"\r\n",
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /accounts HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /accounts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
        b"\x00" * 5000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ):
        answer = _send(address, nonsense)
        assert not answer or answer.startswith(b"HTTP/1."), answer[:200]
        assert not answer.split(b" ")[1:2] or answer.split(b" ")[1][:1] == b"4", answer[:200]
    # A body that is no JSON, and JSON that is no body.
    for body in (b"", b"{", b"[]", b"null", b'"x"', b'{"Name": 7}', b'{"Name": null}', b"\xff\xfe", b"[" * 100_000):
        answer = setup.ask("POST", "/accounts", body)
        _refused_as(answer, "BadRequestException", f"the body {body[:20]!r}")
    equal(chime.list_accounts()["Accounts"], before, "nothing was made, and it still answers")


def keys_have_limits(setup):
    one, other = setup.accounts["directory"], setup.accounts["lwa"]
    reader, scoped = setup.client(setup.keys["read"]), setup.client(setup.keys["scoped"])
    equal({account["AccountId"] for account in reader.list_accounts()["Accounts"]}, {one, other}, "a reader reads all")
    user = reader.list_users(AccountId=other)["Users"][0]["UserId"]
    reader.get_user(AccountId=other, UserId=user)
    whom = {"AccountId": other, "UserId": user}
    telephony = {"Telephony": {"InboundCalling": True, "OutboundCalling": True, "SMS": True}}
    for call, arguments in (
        (reader.create_account, {"Name": "x"}),
        (reader.update_account, {"AccountId": other, "Name": "x"}),
        (reader.delete_account, {"AccountId": other}),
        (reader.update_account_settings, {"AccountId": other, "AccountSettings": {"EnableDialOut": True}}),
        (reader.associate_signin_delegate_groups_with_account,
         {"AccountId": other, "SigninDelegateGroups": [{"GroupName": "x"}]}),
        (reader.create_user, {"AccountId": one, "Email": "x@corp.test"}),
        (reader.update_user, {**whom, "LicenseType": "Pro"}),
        (reader.batch_update_user, {"AccountId": other, "UpdateUserRequestItems": [{"UserId": user}]}),
        (reader.batch_suspend_user, {"AccountId": other, "UserIdList": [user]}),
        (reader.batch_unsuspend_user, {"AccountId": other, "UserIdList": [user]}),
        (reader.invite_users, {"AccountId": other, "UserEmailList": ["x@corp.test"]}),
        (reader.logout_user, whom),
        (reader.update_user_settings, {**whom, "UserSettings": telephony}),
        (reader.reset_personal_pin, whom),
    ):
        answer = refused("AccessDeniedException", call, **arguments)
        equal(answer["ResponseMetadata"]["HTTPStatusCode"], 403, "a reader changes nothing")
    equal(reader.get_user(**whom)["User"]["UserRegistrationStatus"], "Registered", "and nothing is changed")

    equal([account["AccountId"] for account in scoped.list_accounts()["Accounts"]], [one], "it sees its account alone")
    scoped.update_account(AccountId=one, Name="Renamed")
    for call, arguments in (
        (scoped.get_account, {"AccountId": other}),
        (scoped.list_users, {"AccountId": other}),
        (scoped.get_user, whom),
        (scoped.update_account, {"AccountId": other, "Name": "x"}),
        (scoped.batch_suspend_user, {"AccountId": other, "UserIdList": [user]}),
        (scoped.create_account, {"Name": "x"}),
    ):
        refused("AccessDeniedException", call, **arguments)
    # It does not learn which accounts there are.
    refused("AccessDeniedException", scoped.get_account, AccountId="no-such-account")


def a_new_key_is_taken(setup):
    until(lambda: setup.ask("GET", "/accounts", key=setup.keys["new"]).status == 200, "the server knows the new key")
    equal(setup.ask("GET", "/accounts").status, 200, "and the one of before")


def an_old_key_is_not(setup):
    until(lambda: setup.ask("GET", "/accounts").status == 401, "the server forgets the old key")
    equal(setup.ask("GET", "/accounts", key=setup.keys["new"]).status, 200, "and knows the new one")


def too_many_requests(setup):
    """The server was told: one request a second, three at once."""
    answers = [setup.ask("GET", "/accounts") for _ in range(10)]
    throttled = [answer for answer in answers if answer.status != 200]
    assert len(throttled) >= 5, [answer.status for answer in answers]
    for answer in throttled:
        _refused_as(answer, "ThrottledClientException", "a tenth request")
        seconds = int(answer.headers["retry-after"])
        assert 1 <= seconds <= 10, seconds
    # boto3 takes it for what it is.
    refused("ThrottledClientException", setup.client(retries={"total_max_attempts": 1}).list_accounts)
    # Another key has its own measure.
    equal(setup.ask("GET", "/accounts", key=setup.keys["other"]).status, 200, "another key")
    time.sleep(int(throttled[-1].headers["retry-after"]))
    equal(setup.ask("GET", "/accounts").status, 200, "after the time that it named")


def _refused_as(answer, exception, what):
    headers = {name.lower(): value for name, value in answer.headers.items()}
    told = f"{what}: answered {answer.status} {answer.raw[:300]!r}"
    equal(headers.get("x-amzn-errortype"), exception, told)
    check_exception(headers, answer, told)


def _send(address, octets, hangs_up=True):
    """Everything the server says to these octets, until it or they are silent."""
    heard = b""
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        try:
            connection.sendall(octets)
            if hangs_up:
                connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                heard += chunk
        except OSError:
            # It hung up on us.
            pass
    return heard


if __name__ == "__main__":
    main(stories_of(globals()))
