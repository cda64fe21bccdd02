"""Runs commands, one after the other, and says what they took: argument lists come as JSON on the standard input.

What they print goes nowhere. Time is from the start of the first to the end of the last; CPU is user and system of all of
them; memory is the most that one of them had resident (wait4(2), which only a parent can ask).
"""

import json
import os
import subprocess
import sys
import time


def main():
    given = json.load(sys.stdin)
    environment = dict(os.environ, **given["environment"])
    cpu, kib, codes, began = 0.0, 0, [], time.monotonic()
    for command in given["commands"]:
        child = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(child.pid, 0)
        cpu += used.ru_utime + used.ru_stime
        kib = max(kib, used.ru_maxrss)
        codes.append(os.waitstatus_to_exitcode(status))
    print(json.dumps({"seconds": time.monotonic() - began, "cpu": cpu, "kib": kib, "codes": codes}))


if __name__ == "__main__":
    main()
