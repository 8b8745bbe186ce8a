"""Providers that sign with JSON Web Signatures, with certificates, or part by part. Their private keys are made for these tests: see tokens.pem."""
import base64
import json
import pathlib
import urllib.parse
import zlib

from cryptography.hazmat.primitives import hashes as _hashes
from cryptography.hazmat.primitives.asymmetric import ec as _ec
from cryptography.hazmat.primitives.asymmetric import padding as _padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature as _decode
from cryptography.hazmat.primitives.serialization import load_pem_private_key as _load
from kit import b64, hexed, mac, sha256

_NOW = 1772355600  # the fixtures' clock
_PEM = pathlib.Path(__file__).resolve().parent.joinpath("tokens.pem").read_bytes().split(b"\n\n")
_RSA, _EC = _load(_PEM[0], None), _load(_PEM[1], None)


def _url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _rsa(message, digest=_hashes.SHA256):
    return _RSA.sign(message, _padding.PKCS1v15(), digest())


def _es256(message):
    r, s = _decode(_EC.sign(message, _ec.ECDSA(_hashes.SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _token(header, claims, sign):
    text = _url64(json.dumps(header).encode()) + "." + _url64(json.dumps(claims).encode())
    return text + "." + _url64(sign(text.encode()))


def _shared(case, claims):
    return _token({"alg": "HS256", "typ": "JWT"}, claims, lambda text: mac(case.secret, text))


def netlify(case):
    return {"X-Webhook-Signature": _shared(case, {"iss": "netlify", "sha256": hexed(sha256(case.body))})}


def vonage(case):
    claims = {"iat": _NOW - 2, "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5", "iss": "Vonage", "payload_hash": hexed(sha256(case.body)), "api_key": "a1b2c3d"}
    return {"Authorization": "Bearer " + _shared(case, claims)}


def messagebird(case):
    claims = {"iss": "MessageBird", "nbf": _NOW - 1, "exp": _NOW + 59, "jti": "93e55006-a0e8-4526-a190-fa5ff00ea116", "url_hash": hexed(sha256(case.url.encode())), "payload_hash": hexed(sha256(case.body))}
    return {"MessageBird-Signature-JWT": _shared(case, claims)}


def fusionauth(case):
    claims = {"request_body_sha256": b64(sha256(case.body))}
    if case.secret.startswith("-----BEGIN"):
        return {"X-FusionAuth-Signature-JWT": _token({"alg": "RS256", "typ": "JWT", "kid": "k1"}, claims, _rsa)}
    return {"X-FusionAuth-Signature-JWT": _shared(case, claims)}


def monday(case):
    return {"Authorization": _shared(case, {"aud": case.url, "iat": _NOW - 1, "exp": _NOW + 299})}


def gcp_pubsub(case):
    claims = {
        "aud": case.settings["audience"], "azp": "113774264463038321964", "email": case.settings["email"], "email_verified": True,
        "exp": _NOW + 3000, "iat": _NOW - 600, "iss": "https://accounts.google.com", "sub": "113774264463038321964",
    }
    return {"Authorization": "Bearer " + _token({"alg": "RS256", "kid": "k1", "typ": "JWT"}, claims, _rsa)}


def kinde(case):
    # The body is the token: that the one in the fixture is ours is all there is to check.
    head, payload, _ = case.body.decode().split(".")
    signed = head + "." + payload
    if signed + "." + _url64(_rsa(signed.encode())) != case.body.decode():
        raise ValueError("the body is not signed with the key of tokens.pem")
    return {}


def lago_jwt(case):
    return {"X-Lago-Signature": _token({"alg": "RS256"}, {"data": case.body.decode(), "iss": "https://" + case.settings.get("host", "api.getlago.com")}, _rsa)}


def fireblocks(case):
    head = _url64(json.dumps({"alg": "RS512", "kid": "k1"}).encode())
    made = _rsa((head + "." + _url64(case.body)).encode(), _hashes.SHA512)
    return {"Fireblocks-Webhook-Signature": head + ".." + _url64(made)}


def constant_contact(case):
    head = _url64(json.dumps({"alg": "RS256", "ts": _NOW - 5, "b64": False, "crit": ["b64"]}).encode())
    return {"X-CTCT-WEBHOOK-SIG": head + ".." + _url64(_rsa(head.encode() + b"." + case.body))}


def aws_sns(case):
    # The signature is in the body: that the one in the fixture is right is all there is to check.
    message = json.loads(case.body)
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if message["Type"] != "Notification":
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    content = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    digest = _hashes.SHA1 if message["SignatureVersion"] == "1" else _hashes.SHA256
    if b64(_rsa(content.encode(), digest)) != message["Signature"]:
        raise ValueError("the Signature is not " + b64(_rsa(content.encode(), digest)))
    return {}


def paypal(case):
    content = "|".join([case.header("PAYPAL-TRANSMISSION-ID"), case.header("PAYPAL-TRANSMISSION-TIME"), case.settings["webhook_id"], str(zlib.crc32(case.body))])
    return {"PAYPAL-TRANSMISSION-SIG": b64(_rsa(content.encode()))}


def plaid(case):
    claims = {"iat": _NOW - 1, "request_body_sha256": hexed(sha256(case.body))}
    return {"Plaid-Verification": _token({"alg": "ES256", "kid": "6c5516e1-92dc-479e-a8ff-5a51992e0001", "typ": "JWT"}, claims, _es256)}


def jira_connect(case):
    url = urllib.parse.urlsplit(case.url)
    values = {}
    for name, value in urllib.parse.parse_qsl(url.query, keep_blank_values=True):
        values.setdefault(urllib.parse.quote(name, safe="~"), []).append(urllib.parse.quote(value, safe="~"))
    query = "&".join(name + "=" + ",".join(sorted(values[name])) for name in sorted(values))
    claims = {"iss": "jira:15489595", "iat": _NOW - 1, "exp": _NOW + 179, "qsh": hexed(sha256(f"{case.method}&{url.path}&{query}".encode()))}
    return {"Authorization": "JWT " + _shared(case, claims)}


def contentful(case):
    url = urllib.parse.urlsplit(case.url)
    names = ["x-contentful-idempotency-key", "x-contentful-signed-headers", "x-contentful-timestamp", "x-contentful-topic"]
    headers = dict(case.headers, **{"x-contentful-signed-headers": ",".join(names), "x-contentful-timestamp": str((_NOW - 1) * 1000)})
    path = url.path + ("?" + url.query if url.query else "")
    content = "\n".join([case.method, path, ";".join(name + ":" + headers[name] for name in names), case.body.decode()])
    return {
        "X-Contentful-Signature": hexed(mac(case.secret, content)),
        "X-Contentful-Signed-Headers": headers["x-contentful-signed-headers"], "X-Contentful-Timestamp": headers["x-contentful-timestamp"],
    }
