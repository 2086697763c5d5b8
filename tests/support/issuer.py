"""Somebody who signs JSON Web Tokens, with a server of their own that publishes the keys."""

import base64
import json
import time
import warnings

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from jwt.warnings import InsecureKeyLengthWarning

from support.json_servers import answering

AUDIENCE = "master"
ROLES_CLAIM = "https://photonranch.org/user_metadata"


def new_key(bits=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def published(key, key_id, **changes):
    """Return the public half as a member of a key set."""
    member = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    return {**member, "kid": key_id, "use": "sig", "alg": "RS256", **changes}


def segment(value):
    """Return a part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Issuer:
    """Signs, publishes keys, and counts how often it is asked for them."""

    def __init__(self, address):
        self.url = f"http://127.0.0.1:{address[1]}/"
        self.keys = {"first": new_key()}
        self.members = None  # instead of the keys
        self.status = 200
        self.asked = 0

    def rotate(self, key_id):
        """Have another key, and no other."""
        self.keys = {key_id: new_key()}

    def key_set(self):
        members = [published(key, key_id) for key_id, key in self.keys.items()]
        return {"keys": members if self.members is None else self.members}

    def claims(self, **changes):
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "auth0|5f2a",
            "aud": [AUDIENCE, f"{self.url}userinfo"],
            "iat": now,
            "exp": now + 3600,
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, key=None, key_id=None, header=None, roles=None, **changes):
        """Return a token as it should be, but for what is named."""
        kid = key_id or next(iter(self.keys))
        claims = self.claims(**({} if roles is None else {ROLES_CLAIM: {"roles": roles}}), **changes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureKeyLengthWarning)
            return jwt.encode(claims, key or self.keys[kid], algorithm="RS256", headers={"kid": kid, **(header or {})})


def running_issuer():
    return answering(Issuer, _answer)


def _answer(issuer, path, headers):
    issuer.asked += 1
    return issuer.status if path == "/.well-known/jwks.json" else 404, json.dumps(issuer.key_set()).encode()
