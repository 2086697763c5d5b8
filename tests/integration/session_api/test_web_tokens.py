"""JSON Web Tokens of an issuer: who is let in with one, and every way known to make one that is none."""

import asyncio
import hashlib
import hmac
import time

import jwt
import pytest

from support.issuer import AUDIENCE, Issuer, new_key, published, running_issuer, segment
from support.session_api import body_of, running_world
from support.waiting import until

#: Keys that are no longer published count so long, in seconds, and the issuer is asked so often.
REFRESH_S, RETRY_S = 0.2, 0.05
PROTECTED = "/dummy-requires-auth"


@pytest.fixture(scope="module")
def issuer():
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
async def world(module_settings_environment, issuer):
    async with running_world(
        module_settings_environment,
        jwt_issuer=issuer.url,
        jwt_audience=AUDIENCE,
        jwt_leeway_s=5,
        jwt_keys_refresh_s=REFRESH_S,
        jwt_keys_retry_s=RETRY_S,
    ) as world:
        await world.add_user("alice")
        yield world


@pytest.fixture
async def client(world):
    async with world.client() as client:
        yield client


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def ask(client, token, path=PROTECTED):
    return await client.post(path, headers=bearer(token))


@pytest.mark.parametrize("path", [PROTECTED, f"/api{PROTECTED}", f"/dev{PROTECTED}/"])
async def test_whoever_has_a_token_is_let_in(client, issuer, path):
    reply = await ask(client, issuer.token(), path)
    assert (reply.status_code, reply.text) == (200, "successful authorization")


async def test_whoever_has_none_is_told_in_the_words_of_the_gateway(client):
    for headers in ({}, bearer("x"), {"Authorization": "Basic eDp5"}):
        reply = await client.post(PROTECTED, headers=headers)
        assert (reply.status_code, body_of(reply)) == (401, {"message": "Unauthorized"})
        assert reply.headers["WWW-Authenticate"] == "Bearer"


async def test_tokens_of_ours_are_taken_too_and_refused_in_our_words(world, client):
    for token, status in ((world.tokens["alice"], 200), ("wrong", 401)):
        reply = await client.post(PROTECTED, headers={"Authorization": f"Token {token}"})
        assert reply.status_code == status
    assert body_of(reply) == {"detail": "Invalid token."}


def resigned(issuer, *, header=None, claims=None, secret=b""):
    """Return a token that is signed with a secret, as HS256 is."""
    head = segment({"alg": "HS256", "typ": "JWT", "kid": next(iter(issuer.keys)), **(header or {})})
    signed = f"{head}.{segment(claims or issuer.claims())}"
    return f"{signed}.{segment(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def public_pem(issuer):
    from cryptography.hazmat.primitives import serialization

    key = next(iter(issuer.keys.values())).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def without_signature(issuer, alg):
    return f"{segment({'alg': alg, 'typ': 'JWT', 'kid': next(iter(issuer.keys))})}.{segment(issuer.claims())}."


def with_other_claims(issuer, **changes):
    head, _, signature = issuer.token().split(".")
    return f"{head}.{segment(issuer.claims(**changes))}.{signature}"


MALLORY = new_key()


def now():
    """Return the time in whole seconds: at the time of a test, which may be long after this file was read."""
    return int(time.time())


ATTACKS = {
    # RFC 8725, 2.1: the algorithm is believed.
    "none": lambda issuer: without_signature(issuer, "none"),
    "None": lambda issuer: without_signature(issuer, "None"),
    "no algorithm": lambda issuer: without_signature(issuer, None),
    "HS256 with the public key": lambda issuer: resigned(issuer, secret=public_pem(issuer)),
    "HS256 with nothing": resigned,
    "HS256 called RS256": lambda issuer: resigned(issuer, header={"alg": "RS256"}, secret=public_pem(issuer)),
    "RS512": lambda issuer: jwt.encode(
        issuer.claims(), next(iter(issuer.keys.values())), algorithm="RS512", headers={"kid": next(iter(issuer.keys))}
    ),
    # 2.2, 2.4: signed by somebody else, or changed.
    "another key under this name": lambda issuer: issuer.token(key=MALLORY),
    "an unknown key": lambda issuer: issuer.token(key=MALLORY, key_id="mallory"),
    "other claims": lambda issuer: with_other_claims(issuer, sub="auth0|admin"),
    "no signature": lambda issuer: issuer.token().rpartition(".")[0] + ".",
    # 2.9, 3.10: where the key might be had.
    "no key id": lambda issuer: jwt.encode(issuer.claims(), next(iter(issuer.keys.values())), algorithm="RS256"),
    "key id of a file": lambda issuer: issuer.token(key=MALLORY, key_id="../../../../dev/null"),
    "key id of a query": lambda issuer: issuer.token(key=MALLORY, key_id="x' UNION SELECT 'key'; --"),
    "key id that is no text": lambda issuer: resigned(issuer, header={"alg": "RS256", "kid": {"$ne": None}}),
    "key id of an address": lambda issuer: issuer.token(key=MALLORY, key_id=f"{issuer.url}mallory"),
    "endless key id": lambda issuer: issuer.token(key=MALLORY, key_id="k" * 5000),
    "jku": lambda issuer: issuer.token(header={"jku": f"{issuer.url}.well-known/jwks.json"}),
    "jku of another": lambda issuer: issuer.token(key=MALLORY, header={"jku": "http://127.0.0.1:9/jwks.json"}),
    "x5u": lambda issuer: issuer.token(key=MALLORY, header={"x5u": "http://127.0.0.1:9/cert.pem"}),
    "x5c": lambda issuer: issuer.token(key=MALLORY, header={"x5c": ["MIIB"]}),
    "a key of its own": lambda issuer: issuer.token(key=MALLORY, header={"jwk": published(MALLORY, "first")}),
    "crit": lambda issuer: issuer.token(header={"crit": ["exp"], "exp": now()}),
    # 2.7, 3.8, 3.9: for somebody else, of somebody else.
    "another audience": lambda issuer: issuer.token(aud="somebody-else"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "part of the audience": lambda issuer: issuer.token(aud=AUDIENCE[:-1]),
    "audience that is a number": lambda issuer: issuer.token(aud=1),
    "another issuer": lambda issuer: issuer.token(iss="https://elsewhere.example/"),
    "issuer without its slash": lambda issuer: issuer.token(iss=issuer.url.rstrip("/")),
    "no issuer": lambda issuer: issuer.token(iss=None),
    # When it counts.
    "expired": lambda issuer: issuer.token(exp=now() - 60),
    "for ever": lambda issuer: issuer.token(exp=None),
    "not yet": lambda issuer: issuer.token(nbf=now() + 600),
    "of tomorrow": lambda issuer: issuer.token(iat=now() + 86_400),
    "until infinity": lambda issuer: issuer.token(exp=float("inf")),
    "until no number": lambda issuer: issuer.token(exp="soon"),
    # Whom it is for.
    "nobody": lambda issuer: issuer.token(sub=None),
    "an empty name": lambda issuer: issuer.token(sub=""),
    "a number": lambda issuer: issuer.token(sub=7),
    "a path": lambda issuer: issuer.token(sub="auth0|../admin"),
    "a NUL": lambda issuer: issuer.token(sub="auth0|a\0b"),
    # What is no token.
    "huge": lambda issuer: issuer.token(more="x" * 20_000),
    "deep": lambda issuer: f"{segment(b'[' * 9000)}.{segment(b'{}')}.{segment(b'x')}",
    "a list": lambda issuer: f"{segment([])}.{segment([])}.{segment([])}",
    "dots": lambda _: "..",
    "four parts": lambda issuer: issuer.token() + ".x",
    "not base64": lambda _: "é.é.é".encode().decode("latin-1"),
    "bytes": lambda _: f"{segment(bytes(range(256)))}.{segment(b'x')}.{segment(b'y')}",
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_whatever_else_is_no_token(world, issuer, attack):
    token = ATTACKS[attack](issuer)
    header = {"Authorization": f"Bearer {token}".encode("latin-1")}
    async with world.client() as client:
        theirs = await client.post(PROTECTED, headers=header)
        ours = await client.get("/api/profile/", headers=header)
    assert (theirs.status_code, body_of(theirs)) == (401, {"message": "Unauthorized"})
    assert (ours.status_code, body_of(ours)) == (401, {"detail": "Invalid token."})
    assert await world.database["users"].count_documents({"origin": "issuer", "_id": {"$ne": "jwt|auth0|5f2a"}}) == 0


@pytest.mark.parametrize("changes", [{"exp": -2}, {"nbf": 2}, {"aud": AUDIENCE}])
async def test_clocks_may_be_a_little_wrong(client, issuer, changes):
    times = {name: now() + off for name, off in changes.items() if name != "aud"}
    assert (await ask(client, issuer.token(**{**changes, **times}))).status_code == 200


async def test_a_key_is_taken_up_when_it_is_published_and_given_up_when_it_is_not(client, issuer):
    former = issuer.token()
    assert (await ask(client, former)).status_code == 200
    issuer.rotate("second")
    await answered(client, issuer.token(), 200)
    await answered(client, former, 401)
    issuer.rotate("third")
    await answered(client, former, 401)
    await answered(client, issuer.token(), 200)


async def answered(client, token, status):
    """Ask until it is answered so."""

    async def is_so():
        return (await ask(client, token)).status_code == status

    await until(is_so)


async def test_unknown_keys_do_not_have_the_issuer_asked_each_time(client, issuer):
    asked, began = issuer.asked, time.monotonic()
    replies = await asyncio.gather(
        *(ask(client, issuer.token(key=MALLORY, key_id=f"unknown-{number}")) for number in range(100))
    )
    took_s = time.monotonic() - began
    assert {reply.status_code for reply in replies} == {401}
    assert issuer.asked - asked <= 2 + took_s / RETRY_S


async def test_keys_that_cannot_be_used_are_left_out(client, issuer):
    await answered(client, issuer.token(), 200)
    weak, (key_id, key) = new_key(1024), next(iter(issuer.keys.items()))
    issuer.members = [
        {"kty": "oct", "kid": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        "nonsense",
        {},
        {**published(key, "unreadable"), "n": "!"},
        published(key, "of-encryption", use="enc"),
        published(key, "of-another", alg="HS256"),
        published(weak, "weak"),
        published(key, "taken"),
        published(key, key_id),
    ]
    try:
        await answered(client, issuer.token(key=key, key_id="taken"), 200)
        for wrong, by in (("of-encryption", key), ("of-another", key), ("weak", weak), ("unreadable", key)):
            assert (await ask(client, issuer.token(key=by, key_id=wrong))).status_code == 401
    finally:
        issuer.members = None


async def test_keys_that_were_read_outlive_an_absent_issuer(client, issuer):
    token = issuer.token()
    await answered(client, token, 200)
    issuer.status = 500
    try:
        asked = issuer.asked
        while issuer.asked < asked + 2:
            assert (await ask(client, token)).status_code == 200
    finally:
        issuer.status = 200


async def test_an_issuer_that_never_answered_leaves_everybody_else_alone(module_settings_environment, world):
    nobody = Issuer(("127.0.0.1", 9))
    changes = {"jwt_issuer": nobody.url, "jwt_audience": AUDIENCE}
    async with running_world(module_settings_environment, **changes) as alone, alone.client() as client:
        reply = await ask(client, nobody.token())
        said = "Temporarily unavailable: the keys tokens are signed with cannot be read from their issuer."
        assert (reply.status_code, body_of(reply)) == (503, {"detail": said})
        ours = {"Authorization": f"Token {world.tokens['alice']}"}
        assert (await client.get("/api/profile/", headers=ours)).status_code == 200


async def test_roles_are_honoured(client, issuer):
    async def profile(roles):
        return body_of(await client.get("/api/profile/", headers=bearer(issuer.token(roles=roles))))

    assert (await profile(None))["is_superuser"] is False
    assert (await profile(["admin"]))["is_superuser"] is True
    assert (await profile(["Admin", "superuser", 1, None, ["admin"]]))["is_superuser"] is False
    assert (await profile(["admin"]))["username"] == "jwt|auth0|5f2a"
    for roles, reads, writes in ((["admin"], 200, 404), (["operator"], 200, 403), (["user"], 403, 403)):
        headers = bearer(issuer.token(roles=roles))
        assert (await client.get("/api/users/", headers=headers)).status_code == reads
        assert (await client.delete("/api/users/nobody/", headers=headers)).status_code == writes
    for roles, status in ((["observatory:tst"], 200), (["observatory:mrc"], 403), (["ingester:tst"], 403), ([], 403)):
        reply = await client.put("/tst/config", headers=bearer(issuer.token(roles=roles)), json={"site": "tst"})
        assert reply.status_code == status, roles


async def test_nobody_of_the_issuer_becomes_somebody_of_ours(client, issuer):
    profile = body_of(await client.get("/api/profile/", headers=bearer(issuer.token(sub="alice"))))
    assert profile["username"] == "jwt|alice"
    reply = await client.post(
        "/api/users/", headers=bearer(issuer.token(roles=["admin"])), json={"username": "jwt|alice"}
    )
    assert reply.status_code == 400


async def test_somebody_of_the_issuer_can_be_shut_out(client, issuer):
    admin = bearer(issuer.token(roles=["admin"]))
    token = issuer.token(sub="auth0|leaver", roles=["admin"])
    assert (await ask(client, token)).status_code == 200
    reply = await client.patch("/api/users/jwt%7Cauth0%7Cleaver/", headers=admin, json={"active": False})
    assert reply.status_code == 200
    assert (await ask(client, token)).status_code == 401
    ours = await client.get("/api/profile/", headers=bearer(token))
    assert body_of(ours) == {"detail": "User inactive or deleted."}
