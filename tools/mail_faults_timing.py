#!/usr/bin/env python3
"""Measures whether a mail server's troubles change how long requests take that cause mails.

    tools/mail_faults_timing.py [--program target/release/countersign] [--requests 1500]

Starts the program once beside each of: a mail server that takes everything, one that is slow, one that hangs in DATA, one that
asks to come again (451), and a port where nobody is. Asks all of them in turn for a link that confirms an address. A server is
no trouble if the 99.9 % interval of the difference of the medians to the good one's ends below max(0.1 ms, 2 %): who sends
nothing may be faster. The control is a service that waits for a moment with each answer, which has to be found slower.

Run it on a machine that has nothing else to do. It exits with 0 where only the control is slower.
"""

import argparse
import json
import random
import socketserver
import statistics
import sys
import tempfile
import threading
import time

import reset_timing

SHARE = 0.02


class Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as one client needs, in the server's mood."""

    def say(self, text):
        if self.server.mood == "slow":
            time.sleep(2)
        self.wfile.write(f"{text}\r\n".encode())

    def handle(self):
        try:
            self.talk()
        except OSError:
            pass

    def talk(self):
        self.say("220 mailbox ESMTP")
        for line in self.rfile:
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"DATA":
                self.say("354 Go on")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.server.taken += 1
                if self.server.mood == "hanging":
                    self.rfile.readline()
                    return
                self.say("250 Taken")
            elif verb == b"RCPT" and self.server.mood == "greylisting":
                self.say("451 Come again")
            elif verb == b"QUIT":
                return self.say("221 Farewell")
            else:
                self.say("250 OK")


class Mailserver(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, mood):
        super().__init__(("127.0.0.1", 0), Mailbox)
        self.mood, self.taken = mood, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self):
        return f"smtp://127.0.0.1:{self.server_address[1]}"


def signed_in(connection):
    who = {"username": "ada", "password": "analytical engine"}
    assert reset_timing.post(connection, "/users", {**who, "email": "ada@example.com"})[0] == 201
    return json.loads(reset_timing.post(connection, "/authenticate", who)[1])["access_token"]


def ask(service):
    begun = time.perf_counter()
    status, _ = reset_timing.post(service["connection"], "/verify-email/request", None, service["token"])
    if service["leak"]:
        time.sleep(reset_timing.LEAK_SECONDS)
    assert status == 202, status
    return time.perf_counter() - begun


def judge(name, times, good):
    middle = statistics.median(good)
    allowed = max(0.0001, SHARE * middle)
    low, high = reset_timing.interval(times, good)
    no_slower = high <= allowed
    cuts = statistics.quantiles(times, n=100)
    print(f"{name:12}: median {statistics.median(times) * 1e3:.3f} ms, p99 {cuts[98] * 1e3:.3f} ms; difference to good "
          f"{low * 1e3:+.3f} to {high * 1e3:+.3f} ms, allowed {allowed * 1e3:+.3f} ms: {'no slower' if no_slower else 'SLOWER'}")
    return no_slower


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    arguments.add_argument("--program", default="target/release/countersign")
    arguments.add_argument("--requests", type=int, default=1500)
    given = arguments.parse_args()
    servers = {mood: Mailserver(mood) for mood in ("good", "slow", "hanging", "greylisting", "control")}
    urls = {mood: server.url() for mood, server in servers.items()} | {"nobody there": "smtp://127.0.0.1:9"}
    services = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for mood, url in urls.items():
                process, connection = reset_timing.start(given.program, f"{folder}/{mood}", url)
                services[mood] = {"process": process, "connection": connection, "leak": mood == "control"}
                services[mood]["token"] = signed_in(connection)
            times = {mood: [] for mood in services}
            for number in range(given.requests + 100):
                for mood in random.sample(list(services), len(services)):
                    taken = ask(services[mood])
                    if number >= 100:
                        times[mood].append(taken)
        finally:
            for service in services.values():
                service["process"].terminate()
                service["process"].wait()
    print("mails that were read whole:", {mood: server.taken for mood, server in servers.items()})
    verdicts = {mood: judge(mood, times[mood], times["good"]) for mood in services if mood != "good"}
    control = verdicts.pop("control")
    sys.exit(0 if all(verdicts.values()) and not control else 1)


if __name__ == "__main__":
    main()
