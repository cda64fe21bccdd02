"""How long a change of a group takes to become a change of a seat: what is asked comes as JSON on the standard input.

One change after another, each by somebody else than before, with a pause of chance in between so that no rhythm of the
servers' is met. Each is timed from the answer to the modify request to the moment the account store says so, which is
asked every few milliseconds. A client of its own waits for the same change at the domain controller by change
notification (MS-ADTS 3.1.1.3.4.1.9), so that one sees what of the time is the domain controller's.

Runs with Debian's Python, which has the samba module.
"""

import bisect
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time

import ldb
from samba.credentials import Credentials
from samba.param import LoadParm
from samba.samdb import SamDB

LOOK_EVERY_S = 0.004
PAUSE_MAX_S = 1.0
# Whoever has done nothing by then was not told of the change.
FIRST_CHANGE_S = 20
CHANGE_S = 60
SEED = 20261125


def main():
    given = json.load(sys.stdin)
    directory, seats, watcher = connected(given), Seats(given["sign_in"]), Watcher(given)
    chance = random.Random(SEED)
    people, members = given["people"], set()
    delays, shares = [], []
    for number in range(given["changes"]):
        name = people[number % len(people)]
        joins = name not in members
        members ^= {name}
        time.sleep(chance.uniform(0, PAUSE_MAX_S))
        changed = change(directory, given["group"], given["person_dn"].replace("NAME", name), joins)
        patience = CHANGE_S if delays else FIRST_CHANGE_S
        seen = seats.wait(given["mail"].replace("NAME", name), joins, changed + patience)
        if seen is None and not delays:
            break
        if seen is None:
            sys.exit(f"latency.py: change {number} did not arrive within {CHANGE_S} s")
        delays.append(seen - changed)
        told = watcher.wait(changed, time.time() + CHANGE_S)
        if told is not None:
            shares.append(told - changed)
    watcher.stop()
    print(json.dumps({"delays": delays, "shares": shares}))


def connected(given):
    """The administrator's connection to the domain controller."""
    parameters = LoadParm()
    parameters.load(given["smb_conf"])
    parameters.set("tls verify peer", "no_check")
    credentials = Credentials()
    credentials.set_bind_dn(given["administrator"])
    credentials.set_password(given["password"])
    return SamDB(url=given["url"], credentials=credentials, lp=parameters)


def change(directory, group, person, joins):
    """Puts somebody into the group or takes them out; gives the time of the answer."""
    message = ldb.Message(ldb.Dn(directory, group))
    flag = ldb.FLAG_MOD_ADD if joins else ldb.FLAG_MOD_DELETE
    message["member"] = ldb.MessageElement(person, flag, "member")
    directory.modify(message)
    return time.time()


class Seats:
    """The account store, asked as the product's front door asks it."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address)

    def wait(self, mail, allowed, until):
        """When it said first that this person may, or may no more, sign in; None if it did not."""
        while True:
            self.connection.request("GET", f"/sign-in?email={mail}")
            answer = json.load(self.connection.getresponse())
            now = time.time()
            if answer["allowed"] == allowed:
                return now
            if now > until:
                return None
            time.sleep(LOOK_EVERY_S)


class Watcher:
    """Another client of the domain controller, which is told of changes of the group."""

    def __init__(self, given):
        self.stamps, self.news = [], threading.Condition()
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", "ldapsearch", "-LLL", "-x", "-H", given["url"], "-D", given["administrator"],
             "-w", given["password"], "-b", given["groups"], "-s", "one", "-E", "!serverNotif", "(objectClass=*)", "cn"],
            env=dict(os.environ, LDAPTLS_CACERT=given["ca"]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )
        self.group = given["group"].lower()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            if line.strip().lower() == f"dn: {self.group}":
                with self.news:
                    self.stamps.append(time.time())
                    self.news.notify()

    def wait(self, since, until):
        """When it was told of a change that came at that time or later."""
        with self.news:
            while True:
                index = bisect.bisect_left(self.stamps, since)
                if index < len(self.stamps):
                    return self.stamps[index]
                if not self.news.wait(max(0.0, until - time.time())):
                    return None

    def stop(self):
        self.process.terminate()
        self.process.wait()


if __name__ == "__main__":
    main()
