"""Payments, billing and fintech."""
import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from kit import b64, hexed, mac

AT = 1772355600  # the fixtures' clock, in seconds

# The two primes of an RSA key that signs these fixtures and nothing else.
P = int(
    "fb2e655ebf97aa3c991c9fcddde1d4cc0829321c5503e2a29419f50b8e76f61bba0b725b5973ee76b2304bd627555813c50d55ed45fb058ac7063c20a4a5a973"
    "cbeb0569e874aff4a965e2564f5ad1d7d9e3ce98f19a44c559e75353f2659c7c1aa9505b613df9a1afb182e6664915f22085c4c6ad563acf9efae1753ffcc135",
    16,
)
Q = int(
    "eb3188be8ae06b9cbe9c7f5ceab36e871ea929ef7a5f83ba2f890ca97b68b1de45085a4bf7f03f75643e232e39317d3218c475ecd0e2be3bf05cf0b429f548ac"
    "71a42f9ae29f47e75e5f36942307f5bd3cbdf6bb5a5a811dcc13e1004d620ae8e6fb86bd95ec607293cb4e0870fae8e882ece8b345ba433896eed4650feb267b",
    16,
)


def _hex(c, header, prefix="", algorithm="sha256"):
    return {header: prefix + hexed(mac(c.secret, c.body, algorithm))}


def _b64(c, header):
    return {header: b64(mac(c.secret, c.body))}


def _timed(c, separator=".", algorithm="sha256", key=None):
    return hexed(mac(key or c.secret, f"{AT}{separator}".encode() + c.body, algorithm))


def _basic(c):
    return {"Authorization": "Basic " + base64.b64encode(c.secret.encode()).decode()}


def _in_query(c, name):
    """Nothing is signed; the URL that the operator entered has the secret."""
    if parse_qs(urlsplit(c.url).query).get(name) != [c.secret]:
        raise ValueError("the URL doesn't have the secret")
    return {}


def _rsa():
    e = 65537
    d = pow(e, -1, (P - 1) * (Q - 1))
    numbers = rsa.RSAPublicNumbers(e, P * Q)
    return rsa.RSAPrivateNumbers(P, Q, d, d % (P - 1), d % (Q - 1), pow(Q, -1, P), numbers).private_key()


def paddle(c):
    """While a secret is rotated there is a signature of the new one, too."""
    return {"Paddle-Signature": f"ts={AT};h1={_timed(c, ':', key='a newer secret')};h1={_timed(c, ':')}"}


def lemon_squeezy(c):
    return _hex(c, "X-Signature")


def square(c):
    return {"x-square-hmacsha256-signature": b64(mac(c.secret, c.url.encode() + c.body))}


def braintree(c):
    """The signature is in the body, behind the public key; the key is the SHA-1 of the private one."""
    form = {name: values[0] for name, values in parse_qs(c.body.decode()).items()}
    key = hashlib.sha1(c.secret.encode()).digest()
    want = c.settings["public_key"] + "|" + hexed(mac(key, form["bt_payload"], "sha1"))
    if form["bt_signature"] != want:
        raise ValueError(f"bt_signature is {form['bt_signature']}, want {want}")
    return {}


def adyen_platform(c):
    return {"HmacSignature": b64(mac(bytes.fromhex(c.secret), c.body))}


def checkout_com(c):
    return _hex(c, "Cko-Signature")


def razorpay(c):
    return _hex(c, "X-Razorpay-Signature")


def paystack(c):
    return _hex(c, "x-paystack-signature", algorithm="sha512")


def flutterwave_v3(c):
    return {"verif-hash": c.secret}


def flutterwave_v4(c):
    return _b64(c, "flutterwave-signature")


def coinbase_commerce(c):
    return _hex(c, "X-CC-Webhook-Signature")


def coinbase_cdp(c):
    # The second signature is of another version, over headers, too.
    return {"X-Hook0-Signature": f"t={AT},v0={_timed(c)},h=content-type,v1={'0' * 64}"}


def mollie(c):
    return _hex(c, "X-Mollie-Signature", "sha256=")


def mollie_classic(c):
    return _in_query(c, "token")


def chargebee(c):
    return _basic(c)


def recurly(c):
    """While a key is rotated there is a signature of the new one, too. The time is in milliseconds or, as others say, in seconds."""
    rotated = len(c.secrets) > 1
    timestamp = f"{AT}123" if rotated else str(AT)
    keys = ("a newer key", c.secret) if rotated else (c.secret,)
    signatures = [hexed(mac(key, f"{timestamp}.".encode() + c.body)) for key in keys]
    return {"recurly-signature": ",".join([timestamp, *signatures])}


def chargify(c):
    return _hex(c, "X-Chargify-Webhook-Signature-Hmac-Sha-256")


def xero(c):
    return _b64(c, "x-xero-signature")


def quickbooks(c):
    return _b64(c, "intuit-signature")


def modern_treasury(c):
    return _hex(c, "X-Signature")


def ramp(c):
    """The documentation doesn't say which encoding is meant, so both are tried."""
    if c.headers.get("x-ramp-webhook-id") == "base64":
        return _b64(c, "X-Ramp-Signature")
    return _hex(c, "X-Ramp-Signature")


def persona(c):
    """While a secret is rotated there is a group for each."""
    secrets = [c.secret] if len(c.secrets) == 1 else ["a newer secret", c.secret]
    return {"Persona-Signature": " ".join(f"t={AT},v1={_timed(c, key=s)}" for s in secrets)}


def fireblocks_v1(c):
    return {"Fireblocks-Signature": b64(_rsa().sign(c.body, padding.PKCS1v15(), hashes.SHA512()))}


def orb(c):
    timestamp = c.header("X-Orb-Timestamp")
    return {"X-Orb-Signature": "v1=" + hexed(mac(c.secret, f"v1:{timestamp}:".encode() + c.body))}


def lago_hmac(c):
    return _b64(c, "X-Lago-Signature")


def wise(c):
    return {"X-Signature-SHA256": b64(_rsa().sign(c.body, padding.PKCS1v15(), hashes.SHA256()))}


def authorize_net(c):
    digest = hexed(mac(bytes.fromhex(c.secret), c.body, "sha512"))
    return {"X-ANET-Signature": "sha512=" + digest.upper()}


def dwolla(c):
    return _hex(c, "X-Request-Signature-SHA-256")


def mercado_pago(c):
    """What the request doesn't have is left out."""
    manifest = ""
    about = parse_qs(urlsplit(c.url).query).get("data.id")
    if about:
        manifest += f"id:{about[0].lower()};"
    if "x-request-id" in c.headers:
        manifest += f"request-id:{c.header('x-request-id')};"
    timestamp = f"{AT}123"
    return {"x-signature": f"ts={timestamp},v1={hexed(mac(c.secret, manifest + f'ts:{timestamp};'))}"}


def airwallex(c):
    return {"x-signature": hexed(mac(c.secret, c.header("x-timestamp").encode() + c.body))}


def bolt(c):
    return _b64(c, "X-Bolt-Hmac-Sha256")


def affirm(c):
    return {"X-Affirm-Signature": f"t={AT},v0={_timed(c, algorithm='sha512')}"}


def primer(c):
    """While a secret is rotated the older one signs a second header."""
    if "x-signature-secondary" in c.headers:
        return {"X-Signature-Primary": b64(mac("a newer secret", c.body)), "X-Signature-Secondary": b64(mac(c.secret, c.body))}
    return _b64(c, "X-Signature-Primary")


def fastspring(c):
    return _b64(c, "X-FS-Signature")


def revenuecat(c):
    if "authorization" in c.headers:
        return {"Authorization": c.secret}
    return {"X-RevenueCat-Webhook-Signature": f"t={AT},v1={_timed(c)}"}
