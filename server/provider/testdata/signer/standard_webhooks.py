"""Senders that follow Standard Webhooks, and those hosted on Svix."""
from kit import b64, mac, unb64


def _signed(c, key, prefix="webhook"):
    """Returns the header of a signature over id, timestamp and body, under the names that the case uses."""
    message = f"{c.header(prefix + '-id')}.{c.header(prefix + '-timestamp')}.".encode() + c.body
    return {prefix + "-signature": "v1," + b64(mac(key, message))}


def _whsec(c, *prefixes):
    """Signs with the bytes that the secret is base64 of, with whichever of the prefixes the case uses."""
    used = next(p for p in prefixes if p + "-id" in c.headers)
    return _signed(c, unb64(c.secret.removeprefix("v1,").removeprefix("whsec_")), used)


def svix(c):
    return _whsec(c, "svix", "webhook")


def clerk(c):
    return _whsec(c, "svix")


def resend(c):
    return _whsec(c, "svix")


def stytch(c):
    return _whsec(c, "svix")


def vanta(c):
    return _whsec(c, "svix")


def brex(c):
    return _whsec(c, "webhook", "svix")


def openai(c):
    return _whsec(c, "webhook")


def anthropic(c):
    return _whsec(c, "webhook")


def replicate(c):
    return _whsec(c, "webhook")


def supabase_auth(c):
    return _whsec(c, "webhook")


def render(c):
    return _whsec(c, "webhook")


def incident_io(c):
    return _whsec(c, "webhook", "svix")


def etsy(c):
    return _whsec(c, "webhook")


def loops(c):
    return _whsec(c, "webhook")


def increase(c):
    return _whsec(c, "webhook")


def lithic(c):
    return _whsec(c, "webhook")


def gemini(c):
    return _whsec(c, "webhook")


def recall_ai(c):
    return _whsec(c, "webhook", "svix")


def polar(c):
    # The key is the text of the secret.
    return _signed(c, c.secret)


def bigcommerce(c):
    # The documentation encodes the client secret in base64 for a library that decodes it: the key is its text.
    return _signed(c, c.secret)


def finch(c):
    message = f"{c.header('finch-event-id')}.{c.header('finch-timestamp')}.".encode() + c.body
    return {"Finch-Signature": "v1," + b64(mac(unb64(c.secret), message))}
