#!/usr/bin/env python3
"""Writes the password hashes that Django itself makes, as test vectors.

    tools/django_hashes.py > crates/countersign/src/password/django_vectors.json

Needs django, argon2-cffi and bcrypt < 5 (5 refuses what 4 cut at 72 bytes, as every Django site did for years).
Salts are random, so each run gives other strings for the same passwords.
"""

import json

import bcrypt
import django
from django.conf import settings

settings.configure()
django.setup()

from django.contrib.auth import hashers  # noqa: E402  (settings come first)

PASSWORDS = {
    "ascii": "correct horse battery",
    "unicode_nfc": "Gr\u00fc\u00dfe, \u5bc6\u7801 \U0001f511",
    "unicode_nfd": "cafe\u0301 au lait",
    "spaces_outside": "  edges are kept  ",
    "seventy_two_bytes": "x" * 71 + "y",
    "long": "0123456789abcdef" * 64,
}


def cheap(base, **costs):
    return type(base.__name__, (base,), costs)()


HASHERS = [
    cheap(hashers.PBKDF2PasswordHasher, iterations=7),
    cheap(hashers.PBKDF2PasswordHasher, iterations=20_000),
    cheap(hashers.PBKDF2SHA1PasswordHasher, iterations=7),
    cheap(hashers.BCryptSHA256PasswordHasher, rounds=4),
    cheap(hashers.BCryptPasswordHasher, rounds=4),
    cheap(hashers.ScryptPasswordHasher, work_factor=2**4, block_size=4, parallelism=3),
    cheap(hashers.Argon2PasswordHasher, time_cost=1, memory_cost=64, parallelism=2),
]
DEFAULTS = [
    hashers.PBKDF2PasswordHasher(),
    hashers.PBKDF2SHA1PasswordHasher(),
    hashers.BCryptSHA256PasswordHasher(),
    hashers.BCryptPasswordHasher(),
    hashers.ScryptPasswordHasher(),
    hashers.Argon2PasswordHasher(),
]


def vector(hasher, name, password, cost):
    encoded = hasher.encode(password, hasher.salt())
    assert hasher.verify(password, encoded)
    return {"algorithm": hasher.algorithm, "cost": cost, "what": name, "password": password, "hash": encoded}


def main():
    vectors = [vector(hasher, name, password, "low") for hasher in HASHERS for name, password in PASSWORDS.items()]
    vectors += [vector(hasher, "ascii", PASSWORDS["ascii"], "default") for hasher in DEFAULTS]
    document = {"django": django.__version__, "bcrypt": bcrypt.__version__, "vectors": vectors}
    document["unusable"] = hashers.make_password(None)
    print(json.dumps(document, ensure_ascii=True, indent=1))


if __name__ == "__main__":
    main()
