"""The other side: what existing Python programs do with our tokens, with nothing but settings.

Reads one JSON object from standard input and writes one to standard output.

    peer.py decode        the one call of PyJWT that such programs make
    peer.py authenticate  stock djangorestframework-simplejwt resolves a token to a user
    peer.py issue         a token as a small program makes one: sub, iat, exp and no more
    peer.py hash          a password hash as Django makes it
"""

import json
import sys
import time


def decode(given):
    import jwt

    try:
        return {"claims": jwt.decode(given["token"], given["secret_key"], algorithms=["HS256"])}
    except jwt.InvalidTokenError as refusal:
        return {"refused": type(refusal).__name__}


def issue(given):
    import jwt

    now = int(time.time())
    claims = {"sub": given["sub"], "iat": now, "exp": now + 300}
    return {"token": jwt.encode(claims, given["secret_key"], algorithm="HS256")}


def authenticate(given):
    django(
        given["secret_key"],
        SIMPLE_JWT={
            "ALGORITHM": "HS256",
            "SIGNING_KEY": given["secret_key"],
            "USER_ID_FIELD": "id",
            "USER_ID_CLAIM": "sub",
            "TOKEN_TYPE_CLAIM": "token_type",
            "AUTH_TOKEN_CLASSES": ["rest_framework_simplejwt.tokens.AccessToken"],
        },
    )
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from rest_framework.test import APIRequestFactory
    from rest_framework_simplejwt.authentication import JWTAuthentication
    from rest_framework_simplejwt.exceptions import InvalidToken
    from rest_framework_simplejwt.tokens import AccessToken

    call_command("migrate", verbosity=0)
    get_user_model().objects.create(id=int(given["sub"]), username=given["username"])
    request = APIRequestFactory().get("/", headers={"Authorization": "Bearer " + given["token"]})
    try:
        user, token = JWTAuthentication().authenticate(request)
    except InvalidToken as refusal:
        return {"refused": refusal.get_codes()["code"]}
    return {"username": user.username, "same_token": AccessToken(given["token"]).payload == token.payload}


def hash_password(given):
    django("no key is needed to hash a password")
    from django.contrib.auth.hashers import make_password

    return {"hash": make_password(given["password"])}


def django(secret_key, **settings_of_the_case):
    import django as program
    from django.conf import settings

    settings.configure(
        SECRET_KEY=secret_key,
        USE_TZ=True,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        **settings_of_the_case,
    )
    program.setup()


ACTS = {"decode": decode, "authenticate": authenticate, "issue": issue, "hash": hash_password}

if __name__ == "__main__":
    print(json.dumps(ACTS[sys.argv[1]](json.load(sys.stdin))))
