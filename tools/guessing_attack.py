#!/usr/bin/env python3
"""Attacks a service of its own by guessing, and prints what the attacker, the owner and the operator see.

    tools/guessing_attack.py [--program target/release/countersign]

First one address guesses at one account and goes on to others. Then 150 addresses guess at one account at once, while its
owner signs in from a device that is known, and somebody else's right password comes from a device that isn't. The service
believes `X-Forwarded-For` of this machine, so that one machine can play them all. Exits with 0 where the guesses ended in
refusals and the owner was never kept out.
"""

import argparse
import collections
import concurrent.futures
import http.client
import itertools
import json
import subprocess
import sys
import tempfile
import time

import reset_timing

PASSWORD = "analytical engine"


class Service:
    def __init__(self, program, folder):
        self.program, self.data = program, f"{folder}/data"
        self.process, connection = reset_timing.start(program, folder, limits=[
            "--trusted-proxies", "127.0.0.1/32", "--rate-limit-sign-up", "100/1h"])
        self.place = (connection.host, connection.port)

    def post(self, path, body, address, device=None):
        headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
        if device:
            headers["Cookie"] = f"device={device}"
        connection = http.client.HTTPConnection(*self.place)
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        cookies = dict(line.split(";")[0].split("=", 1) for line in answer.headers.get_all("Set-Cookie") or [])
        return answer.status, answer.headers.get("Retry-After"), cookies, text

    def sign_in(self, name, password, address, device=None):
        return self.post("/authenticate", {"username": name, "password": password}, address, device)

    def operator(self, *words):
        command = [self.program, *words, "--data-dir", self.data]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def told(answers):
    """Runs of equal answers: `10 × 401, then 5 × 429 (Retry-After 900)`."""
    names = [f"{status}" + (f" (Retry-After {after})" if after else "") for status, after, *_ in answers]
    return ", then ".join(f"{len(list(run))} × {name}" for name, run in itertools.groupby(names))


def tally(answers):
    counts = collections.Counter(status for status, *_ in answers)
    return ", ".join(f"{count} × {status}" for status, count in sorted(counts.items()))


def audit(service, user):
    lines = []
    # Refusals are written a moment after they are told.
    while not any("rate_limit" in line for line in lines):
        time.sleep(0.2)
        lines = service.operator("audit", "--user", user, "--limit", "1000").splitlines()
    print(f"  the audit trail of {user}, {len(lines) - 1} lines:")
    ends = {0, 1, len(lines) - 2, len(lines) - 1}
    last = -1
    for number, line in enumerate(lines):
        if number in ends or "rate_limit" in line:
            print("    …\n" * (number > last + 1) + f"    {line}")
            last = number


def one_address(service):
    print("One address, 15 guesses at ada, with the right password last; then at ten more accounts:")
    guesses = [service.sign_in("ada", f"guess no. {number}", "203.0.113.9") for number in range(14)]
    guesses.append(service.sign_in("ada", PASSWORD, "203.0.113.9"))
    print(f"  at ada: {told(guesses)}")
    others = [service.sign_in(f"user{number // 10}", f"guess no. {number}", "203.0.113.9") for number in range(100)]
    print(f"  at the others: {told(others)}")
    elsewhere = service.sign_in("ada", PASSWORD, "198.51.100.7")
    print(f"  ada herself, from another address: {elsewhere[0]}")
    audit(service, "ada")
    return guesses[-1][0] == 429 and others[-1][0] == 429 and elsewhere[0] == 200


def many_addresses(service):
    print("150 addresses, two guesses each at bob, all at once; bob signs in meanwhile from a device that is known:")
    device = service.sign_in("bob", PASSWORD, "198.51.100.20")[2]["device"]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        guesses = [pool.submit(service.sign_in, "bob", f"guess no. {number}", f"203.0.113.{number % 150 + 1}")
                   for number in range(300)]
        owner = [service.sign_in("bob", PASSWORD, "198.51.100.20", device) for _ in range(5)]
        guesses = [guess.result() for guess in guesses]
    owner.append(service.sign_in("bob", PASSWORD, "198.51.100.99", device))
    print(f"  guesses: {tally(guesses)}")
    print(f"  bob on the known device, during and after the siege, at last from a new address: {told(owner)}")
    stranger = service.sign_in("bob", PASSWORD, "203.0.113.200")
    print(f"  the right password from a device that nobody knows: {stranger[0]} (Retry-After {stranger[1]})")
    audit(service, "bob")
    return stranger[0] == 429 and all(status == 200 for status, *_ in owner)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    arguments.add_argument("--program", default="target/release/countersign")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = Service(given.program, folder)
        try:
            for name in ["ada", "bob", *[f"user{number}" for number in range(10)]]:
                body = {"username": name, "password": PASSWORD}
                assert service.post("/users", body, "192.0.2.1")[0] == 201
            held = [one_address(service), many_addresses(service)]
        finally:
            service.process.terminate()
            service.process.wait()
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
