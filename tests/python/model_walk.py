"""Walks the service model that botocore ships, operation by operation, and asks the server about each.

Requests are made of the model itself: an operation that the model gains, or a member that becomes required, is asked about
without a change here.
"""

import json
import re
import urllib.parse

import model
from ask import check_answer, check_exception, equal, main, stories_of

# What stands for a value of a shape where any will do.
SAMPLES = {
    "EmailAddress": "ann@corp.test", "License": "Plus", "UserType": "PrivateUser", "AccountName": "A name",
    "ProfileServiceMaxResults": 10,
}


def routes_and_statuses(setup):
    """Each operation that is spoken works where the model says, and answers as it says."""
    called = set()
    for operation, arguments in _story(setup):
        answer = _call(setup, operation, arguments)
        assert answer.status < 300, f"{operation} {arguments}: {answer.status} {answer.raw!r}"
        check_answer(operation, answer, setup.strict)
        called.add(operation)
    equal(sorted(called), sorted(model.SPOKEN), "all of them are called")


def other_operations(setup):
    """Whatever else the model has is not here, and says so as the API says it."""
    account = setup.accounts["lwa"]
    user = _users(setup, account)[0]
    others = sorted(set(model.OPERATIONS) - set(model.SPOKEN))
    assert len(others) > 30, others
    for operation in others:
        http = model.OPERATIONS[operation]["http"]
        target = http["requestUri"].replace("{accountId}", account).replace("{userId}", user)
        target = re.sub(r"\{\w+\}", "x", target)
        body = {} if http["method"] in ("POST", "PUT") else None
        answer = setup.ask(http["method"], target, body)
        told = f"{operation}, {http['method']} {target}, answered {answer.status} {answer.raw[:200]!r}"
        equal(answer.headers.get("x-amzn-errortype"), "NotFoundException", told)
        check_exception({name.lower(): value for name, value in answer.headers.items()}, answer, told)
    # And what no model has.
    for method, target in (
        ("GET", "/"), ("GET", "/x"), ("PATCH", "/accounts"), ("DELETE", "/accounts"), ("PUT", f"/accounts/{account}"),
        ("DELETE", f"/accounts/{account}/users/{user}"), ("GET", f"/accounts/{account}/users/{user}/x"),
        ("POST", f"/accounts/{account}/users?operation=explode"), ("POST", f"/accounts/{account}?operation=explode"),
        ("POST", f"/accounts/{account}/users/{user}?operation=explode"), ("POST", "/accounts?operation=explode"),
        ("GET", "/accounts/"), ("GET", f"/accounts/{account}/users/"),
    ):
        answer = setup.ask(method, target, {} if method in ("POST", "PUT", "PATCH") else None)
        assert answer.status in (404, 405), f"{method} {target} answered {answer.status} {answer.raw[:200]!r}"


def list_maxima(setup):
    """One more than the model allows is refused, and what it allows is not refused for its number."""
    account = setup.accounts["directory"]
    checked = 0
    for operation in model.SPOKEN:
        members, _ = model.body_members(operation)
        for name, shape_name in members.items():
            shape = model.SHAPES[shape_name]
            if shape["type"] != "list" or "max" not in shape:
                continue
            checked += 1
            for count in (shape["max"], shape["max"] + 1):
                arguments = {**_arguments(operation, account, "nobody"), name: _distinct(shape, count)}
                answer = _call(setup, operation, arguments)
                told = f"{operation} with {count} {name} answered {answer.status} {answer.raw[:200]!r}"
                too_many = answer.headers.get("x-amzn-errortype") == "BadRequestException"
                equal(too_many, count > shape["max"], told)
    assert checked >= 4, checked
    for operation, most in (("ListUsers", 200), ("ListAccounts", 200)):
        equal(model.SHAPES["ProfileServiceMaxResults"]["max"], most, operation)
        for results, status in ((0, 400), (-1, 400), (1, 200), (most, 200), (most + 1, 400), ("x", 400), ("", 400)):
            answer = _call(setup, operation, {"AccountId": account, "MaxResults": results})
            equal(answer.status, status, f"{operation} with max-results={results}: {answer.raw[:200]!r}")


def required_members(setup):
    """A request without a member that the model requires is refused."""
    account = setup.accounts["lwa"]
    user = _users(setup, account)[0]
    checked = []
    for operation in model.SPOKEN:
        whole = _arguments(operation, account, user)
        _, required = model.body_members(operation)
        for name in required:
            for value in (None, _ABSENT):
                arguments = {**whole, name: value}
                if value is _ABSENT:
                    del arguments[name]
                answer = _call(setup, operation, arguments)
                told = f"{operation} without {name} ({value}) answered {answer.status} {answer.raw[:200]!r}"
                equal(answer.headers.get("x-amzn-errortype"), "BadRequestException", told)
                checked.append((operation, name))
        for name, shape_name in model.body_members(operation)[0].items():
            for path, value in _without_each_required(shape_name, whole[name]):
                answer = _call(setup, operation, {**whole, name: value})
                told = f"{operation} without {name}{path} answered {answer.status} {answer.raw[:200]!r}"
                equal(answer.headers.get("x-amzn-errortype"), "BadRequestException", told)
                checked.append((operation, name + path))
    assert ("UpdateUserSettings", "UserSettings.Telephony.SMS") in checked, checked
    assert ("BatchUpdateUser", "UpdateUserRequestItems[].UserId") in checked, checked


def types_of_members(setup):
    """A member of another type is refused, and never a failure of the server."""
    account = setup.accounts["lwa"]
    user = _users(setup, account)[0]
    for operation in model.SPOKEN:
        whole = _arguments(operation, account, user)
        for name, shape_name in model.body_members(operation)[0].items():
            for value in (7, "x", True, [7], {"x": 7}, [[]], [None]):
                # A member that is not known is passed over: the client may be newer.
                if all("no member of" in found for found in model.violations(shape_name, value)):
                    continue
                answer = _call(setup, operation, {**whole, name: value})
                told = f"{operation} with {name}={value!r} answered {answer.status} {answer.raw[:200]!r}"
                assert 400 <= answer.status < 500 or _is_partial(answer), told
                if answer.status >= 400:
                    check_exception({key.lower(): text for key, text in answer.headers.items()}, answer, told)


# ---- Requests made of the model ----

_ABSENT = object()


def _story(setup):
    """Every operation once, in an order in which each can succeed."""
    directory, lwa = setup.accounts["directory"], setup.accounts["lwa"]
    team = _call(setup, "CreateAccount", {"Name": "Team"}).json["Account"]["AccountId"]
    empty = _call(setup, "CreateAccount", {"Name": "Empty"}).json["Account"]["AccountId"]
    user = _users(setup, lwa)[0]
    whom = {"AccountId": lwa, "UserId": user}
    yield "CreateAccount", {"Name": "Another"}
    yield "ListAccounts", {"MaxResults": 200}
    yield "GetAccount", {"AccountId": team}
    yield "UpdateAccount", {"AccountId": team, "Name": "Renamed", "DefaultLicense": "Pro"}
    yield "UpdateAccountSettings", {"AccountId": team, "AccountSettings": {"DisableRemoteControl": True}}
    yield "GetAccountSettings", {"AccountId": team}
    yield "AssociateSigninDelegateGroupsWithAccount", {"AccountId": team, "SigninDelegateGroups": [{"GroupName": "g"}]}
    yield "DisassociateSigninDelegateGroupsFromAccount", {"AccountId": team, "GroupNames": ["g"]}
    yield "DeleteAccount", {"AccountId": empty}
    yield "InviteUsers", {"AccountId": team, "UserEmailList": ["ann@team.test"]}
    room = {"Username": "Room", "Email": "room@corp.test", "UserType": "SharedDevice"}
    yield "CreateUser", {"AccountId": directory, **room}
    yield "ListUsers", {"AccountId": lwa}
    yield "GetUser", whom
    yield "UpdateUser", {**whom, "LicenseType": "Pro"}
    yield "BatchUpdateUser", {"AccountId": lwa, "UpdateUserRequestItems": [{"UserId": user, "LicenseType": "Plus"}]}
    yield "BatchSuspendUser", {"AccountId": lwa, "UserIdList": [user]}
    yield "BatchUnsuspendUser", {"AccountId": lwa, "UserIdList": [user]}
    yield "LogoutUser", whom
    telephony = {"InboundCalling": True, "OutboundCalling": True, "SMS": False}
    yield "UpdateUserSettings", {**whom, "UserSettings": {"Telephony": telephony}}
    yield "GetUserSettings", whom
    yield "ResetPersonalPIN", whom


def _call(setup, operation, arguments):
    """Puts each argument where the model has it: in the path, the query or the body."""
    described = model.OPERATIONS[operation]
    members = model.SHAPES[described["input"]["shape"]]["members"]
    target, query, body = described["http"]["requestUri"], [], {}
    for name, value in arguments.items():
        member = members.get(name)
        location = member.get("location") if member else None
        if location == "uri":
            target = target.replace("{%s}" % member["locationName"], urllib.parse.quote(value, safe=""))
        elif location == "querystring":
            query.append((member["locationName"], value))
        elif member:
            body[name] = value
    if query:
        target += ("&" if "?" in target else "?") + urllib.parse.urlencode(query)
    has_body = bool(model.body_members(operation)[0])
    return setup.ask(described["http"]["method"], target, body if has_body else None)


def _arguments(operation, account, user):
    """A request with all of its members."""
    shape = model.SHAPES[model.OPERATIONS[operation]["input"]["shape"]]
    arguments = {name: _sample(member["shape"]) for name, member in shape["members"].items() if name != "NextToken"}
    arguments.update({name: value for name, value in (("AccountId", account), ("UserId", user)) if name in arguments})
    return arguments


def _sample(shape_name, number=0):
    shape = model.SHAPES[shape_name]
    if shape_name in SAMPLES:
        sample = SAMPLES[shape_name]
        return f"p{number}@corp.test" if shape_name == "EmailAddress" else sample
    if shape["type"] == "structure":
        return {name: _sample(member["shape"], number) for name, member in shape["members"].items()}
    if shape["type"] == "list":
        return [_sample(shape["member"]["shape"], number)]
    return {"string": f"nobody-{number}", "boolean": True, "integer": 1}[shape["type"]]


def _distinct(shape, count):
    return [_sample(shape["member"]["shape"], number) for number in range(count)]


def _without_each_required(shape_name, value, path=""):
    """The value, each time without one of the members that are required somewhere in it."""
    shape = model.SHAPES[shape_name]
    if shape["type"] == "list":
        for where, less in _without_each_required(shape["member"]["shape"], value[0], path + "[]"):
            yield where, [less]
    if shape["type"] == "structure":
        for name in shape.get("required", []):
            yield f"{path}.{name}", {key: member for key, member in value.items() if key != name}
        for name, member in shape["members"].items():
            for where, less in _without_each_required(member["shape"], value[name], f"{path}.{name}"):
                yield where, {**value, name: less}


def _users(setup, account):
    return [user["UserId"] for user in _call(setup, "ListUsers", {"AccountId": account}).json["Users"]]


def _is_partial(answer):
    """A batch that refuses its items one by one."""
    return answer.status in (200, 201) and bool((json.loads(answer.raw or b"{}") or {}).get("UserErrors"))


if __name__ == "__main__":
    main(stories_of(globals()))
