#!/usr/bin/env python3
"""Builds the embedded list of common passwords.

    tools/common_passwords.py OUTPUT.bin LIST [LIST ...]

Each LIST is a text file (or .gz) in UTF-8 with one password a line. A password is trimmed, lower-cased and put
into NFC, then hashed: the output is the first eight bytes of each SHA-256, without repeats, in ascending order.
The same lists give the same bytes, whatever their order. docs/decisions/0003-common-passwords.md has the sources.
"""

import gzip
import hashlib
import sys
import unicodedata


def lines(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as text:
        yield from text


def folded(password):
    return unicodedata.normalize("NFC", password.strip().lower())


def main(output, *lists):
    passwords = {folded(line) for path in lists for line in lines(path)} - {""}
    hashes = sorted({hashlib.sha256(password.encode()).digest()[:8] for password in passwords})
    with open(output, "wb") as binary:
        binary.write(b"".join(hashes))
    long_enough = sum(len(password) >= 8 for password in passwords)
    print(f"{len(passwords)} passwords, {long_enough} of at least 8 characters, {len(hashes) * 8} bytes")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
