#!/usr/bin/env python3
"""Measures whether the time of `POST /password-reset` tells if an account has the address (SEC-84).

    tools/reset_timing.py [--program target/release/countersign] [--requests 4000]

Starts the program with a fresh data folder, lets some people confirm their addresses, and asks for new passwords for
known and unknown addresses in random order over one connection. Both are equal if the 99.9 % interval of the difference of
their medians (bootstrap) lies within plus or minus 0.1 ms or 0.5 % of the median, whichever is more. A control with a
leak that is planted on purpose has to be found unequal: a measurement that can't find one proves nothing.

Run it on a machine that has nothing else to do. It exits with 0 where the two are equal and the control isn't.
"""

import argparse
import http.client
import json
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

PEOPLE = 20
# More than what is allowed, and little beside one answer.
LEAK_SECONDS = 0.0004
ROUNDS = 2000
TAIL = 0.0005


def start(program, folder, mail_url=None, limits=("--rate-limit", "off")):
    command = [program, "serve", "--listen", "127.0.0.1:0", "--data-dir", f"{folder}/data", *limits,
               "--mail-url", mail_url or f"file://{folder}/mails", "--log-format", "json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        event = json.loads(line)
        if event.get("message") == "listening" or "address" in event:
            host, port = event["address"].rsplit(":", 1)
            # What it logs from now on is nobody's business; the pipe must not fill.
            subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
            return process, http.client.HTTPConnection(host, int(port))
    raise SystemExit("the service did not start")


def post(connection, path, body, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection.request("POST", path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def confirmed(connection, folder, number):
    email = f"person{number:04}@example.com"
    name = f"person{number}"
    who = {"username": name, "password": "analytical engine"}
    assert post(connection, "/users", {**who, "email": email})[0] == 201
    tokens = json.loads(post(connection, "/authenticate", who)[1])
    connection.request("POST", "/verify-email/request", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 202, answer.status
    for _ in range(500):
        for mail in pathlib.Path(folder, "mails").glob("*-verify_email.eml"):
            text = mail.read_text()
            if f"To: {email}" in text:
                token = re.search(r"#token=([A-Za-z0-9_-]+)", text).group(1)
                assert post(connection, "/verify-email", {"token": token})[0] == 204
                return email
        time.sleep(0.02)
    raise SystemExit("a mail did not come")


def measure(connection, known, requests, leak):
    times = {True: [], False: []}
    order = [True, False] * (requests // 2)
    random.shuffle(order)
    for is_known in order:
        email = random.choice(known) if is_known else f"nobody{random.randrange(10000):04}@example.com"
        begun = time.perf_counter()
        status, _ = post(connection, "/password-reset", {"email": email})
        if leak and is_known:
            time.sleep(LEAK_SECONDS)
        times[is_known].append(time.perf_counter() - begun)
        assert status == 202, status
    return times[True], times[False]


def interval(one, other):
    differences = sorted(
        statistics.median(random.choices(one, k=len(one))) - statistics.median(random.choices(other, k=len(other)))
        for _ in range(ROUNDS)
    )
    return differences[int(ROUNDS * TAIL)], differences[-1 - int(ROUNDS * TAIL)]


def judge(name, known, unknown):
    middle = statistics.median(unknown)
    allowed = max(0.0001, 0.005 * middle)
    low, high = interval(known, unknown)
    equal = -allowed <= low and high <= allowed
    print(f"{name}: median known {statistics.median(known) * 1e3:.3f} ms, unknown {middle * 1e3:.3f} ms; difference "
          f"{low * 1e3:+.3f} to {high * 1e3:+.3f} ms, allowed ±{allowed * 1e3:.3f} ms: {'equal' if equal else 'NOT EQUAL'}")
    return equal


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    arguments.add_argument("--program", default="target/release/countersign")
    arguments.add_argument("--requests", type=int, default=4000)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        process, connection = start(given.program, folder)
        try:
            known = [confirmed(connection, folder, number) for number in range(PEOPLE)]
            measure(connection, known, 400, leak=False)
            plain = judge("as it is", *measure(connection, known, given.requests, leak=False))
            leaky = judge("with a planted leak", *measure(connection, known, given.requests, leak=True))
        finally:
            process.terminate()
            process.wait()
    sys.exit(0 if plain and not leaky else 1)


if __name__ == "__main__":
    main()
