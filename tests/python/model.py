"""The service model that botocore ships (chime, 2018-05-01): the contract in a form that programs can read.

`violations` holds a body against a shape, and is applied to each answer that any of the tests gets. Run by itself it
prints what src/wire states about the model, for tests/chime_model.rs.
"""

import datetime
import gzip
import json
import os
import re

import botocore

# The operations of the model that the server speaks.
SPOKEN = (
    "ListAccounts", "CreateAccount", "GetAccount", "UpdateAccount", "DeleteAccount",
    "GetAccountSettings", "UpdateAccountSettings",
    "AssociateSigninDelegateGroupsWithAccount", "DisassociateSigninDelegateGroupsFromAccount",
    "ListUsers", "GetUser", "CreateUser", "UpdateUser", "BatchUpdateUser", "BatchSuspendUser", "BatchUnsuspendUser",
    "InviteUsers", "LogoutUser", "GetUserSettings", "UpdateUserSettings", "ResetPersonalPIN",
)

# Members of answers that are not in the model: the declared extensions.
EXTENSIONS = {
    "Account": {"Extensions"},
    "Invite": {"User"},
    "BatchUpdateUserResponse": {"Users"},
    "BatchSuspendUserResponse": {"Users"},
    "BatchUnsuspendUserResponse": {"Users"},
}
# What an extension member is, where it is a shape of the model.
EXTENSION_SHAPES = {"User": "User", "Users": "UserList"}

PYTHON_TYPES = {"structure": dict, "list": list, "string": str, "boolean": bool, "integer": int, "timestamp": str}


def _load():
    path = os.path.join(os.path.dirname(botocore.__file__), "data", "chime", "2018-05-01", "service-2.json.gz")
    with gzip.open(path) as file:
        return json.load(file)


MODEL = _load()
SHAPES = MODEL["shapes"]
OPERATIONS = MODEL["operations"]
EXCEPTIONS = {name: shape["error"]["httpStatusCode"] for name, shape in SHAPES.items() if shape.get("exception")}


def output_shape(operation):
    """The name of the shape of an answer; None where the body is empty."""
    return OPERATIONS[operation].get("output", {}).get("shape")


def success_status(operation):
    return OPERATIONS[operation]["http"].get("responseCode", 200)


def body_members(operation):
    """The members of a request that stand in its body: name to shape, and which are required."""
    shape = SHAPES[OPERATIONS[operation]["input"]["shape"]]
    members = {name: m["shape"] for name, m in shape["members"].items() if "location" not in m}
    return members, [name for name in shape.get("required", []) if name in members]


def violations(shape_name, value, strict=False, where=""):
    """Everything in `value` that the shape does not allow, as one line each. `strict` allows no extension either."""
    shape, kind, found = SHAPES[shape_name], SHAPES[shape_name]["type"], []
    if not isinstance(value, PYTHON_TYPES[kind]) or (kind == "integer" and isinstance(value, bool)):
        return [f"{where or '.'}: {value!r} is no {kind} ({shape_name})"]
    if kind == "structure":
        for name in shape.get("required", []):
            if name not in value:
                found.append(f"{where}.{name}: required by {shape_name}, and absent")
        allowed = set() if strict else EXTENSIONS.get(shape_name, set())
        for name, member in value.items():
            if name in shape["members"]:
                found += violations(shape["members"][name]["shape"], member, strict, f"{where}.{name}")
            elif name not in allowed:
                found.append(f"{where}.{name}: no member of {shape_name}")
            elif name in EXTENSION_SHAPES:
                found += violations(EXTENSION_SHAPES[name], member, strict, f"{where}.{name}")
    elif kind == "list":
        found += _size(shape, len(value), where)
        for index, member in enumerate(value):
            found += violations(shape["member"]["shape"], member, strict, f"{where}[{index}]")
    elif kind == "string":
        found += _size(shape, len(value), where)
        if "enum" in shape and value not in shape["enum"]:
            found.append(f"{where}: {value!r} is none of {shape['enum']}")
        if "pattern" in shape and not re.fullmatch(shape["pattern"], value, re.DOTALL):
            found.append(f"{where}: {value!r} does not match {shape['pattern']}")
    elif kind == "timestamp":
        try:
            datetime.datetime.strptime(re.sub(r"\.\d{1,9}Z$", "Z", value), "%Y-%m-%dT%H:%M:%SZ")
        except ValueError:
            found.append(f"{where}: {value!r} is not like 2018-12-20T18:45:25.231Z")
    return found


def _size(shape, size, where):
    if not shape.get("min", 0) <= size <= shape.get("max", size):
        return [f"{where}: {size} long, allowed are {shape.get('min', 0)} to {shape.get('max')}"]
    return []


def _summary():
    shapes = {name: sorted(shape["members"]) for name, shape in SHAPES.items() if shape["type"] == "structure"}
    return {
        "exceptions": EXCEPTIONS,
        "enums": {name: shape["enum"] for name, shape in SHAPES.items() if "enum" in shape},
        "structures": shapes,
        "maxima": {name: shape["max"] for name, shape in SHAPES.items() if "max" in shape},
        "operations": {name: OPERATIONS[name]["http"]["requestUri"] for name in SPOKEN},
    }


if __name__ == "__main__":
    print(json.dumps(_summary()))
