"""What boto3 takes for the work of tests/bench/seatstore.rs: which requests, comes as JSON on the standard input.

A plain client, as any program has it: connections are kept, nothing is checked but the answer's errors.
"""

import concurrent.futures
import json
import sys
import time

import boto3
import botocore.client


class Meter:
    """Time, and what this process and the server have used."""

    def __init__(self, server):
        self.server, self.at = server, time.monotonic()
        self.own_cpu, self.server_cpu = time.process_time(), cpu_of(server)

    def stop(self, requests, users):
        return {
            "requests": requests, "users": users, "seconds": time.monotonic() - self.at,
            "client_cpu": time.process_time() - self.own_cpu, "server_cpu": cpu_of(self.server) - self.server_cpu,
        }


def cpu_of(process):
    with open(f"/proc/{process}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main():
    given = json.load(sys.stdin)
    threads = given["threads"]
    chime = boto3.client(
        "chime", endpoint_url=given["url"], region_name="us-east-1",
        aws_access_key_id=given["key"]["id"], aws_secret_access_key=given["key"]["secret"],
        config=botocore.client.Config(proxies={}, max_pool_connections=threads),
    )
    account = given["account"]

    meter = Meter(given["process"])
    pages = chime.get_paginator("list_users").paginate(AccountId=account, PaginationConfig={"PageSize": 200})
    ids, requests = [], 0
    for page in pages:
        requests += 1
        ids.extend(user["UserId"] for user in page["Users"])
    listed = meter.stop(requests, len(ids))

    def update(batch):
        items = [{"UserId": user, "LicenseType": given["licence"]} for user in batch]
        answer = chime.batch_update_user(AccountId=account, UpdateUserRequestItems=items)
        assert answer["UserErrors"] == [], answer

    def measured(threads, requests, skip):
        batches = [ids[start:start + 20] for start in range(skip * 20, (skip + requests) * 20, 20)]
        meter = Meter(given["process"])
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(update, batches))
        return meter.stop(requests, requests * 20)

    requests = given["requests"]
    update(ids[-20:])  # The first request opens the connection and reads the service model.
    one = measured(1, requests, 0)
    many = measured(threads, requests, requests)
    print(json.dumps({"list": listed, "one": one, "many": many}))


if __name__ == "__main__":
    main()
