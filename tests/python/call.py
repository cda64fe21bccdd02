"""One call by boto3, for tests in Rust: `call.py list_users` with the arguments in the standard input; prints the answer.

Lists are read to their end. `accept` is no call of the API: each of the `Emails` follows the link of its invitation.
"""

import json
import sys

from ask import Setup


def main():
    name, = sys.argv[1:]
    given = json.load(sys.stdin)
    setup, arguments = Setup(given), given.get("arguments", {})
    if name == "accept":
        for address in arguments["Emails"]:
            setup.accept(address)
        return
    chime = setup.client()
    if chime.can_paginate(name):
        answer = chime.get_paginator(name).paginate(**arguments).build_full_result()
    else:
        answer = getattr(chime, name)(**arguments)
    print(json.dumps(answer, default=str))


if __name__ == "__main__":
    main()
