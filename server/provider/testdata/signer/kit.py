"""What the functions that sign need."""
import base64
import hashlib
import hmac


class Case:
    """What a provider knows when it sends a delivery."""

    def __init__(self, case):
        self.secrets = case.get("secrets") or []
        self.secret = self.secrets[0] if self.secrets else ""
        self.settings = case.get("settings") or {}
        self.method = case.get("method") or "POST"
        self.url = case.get("url") or "https://hooks.example.com/webhooks/test"
        self.headers = {k.lower(): str(v) for k, v in (case.get("headers") or {}).items()}
        body = case.get("body")
        self.body = body.encode() if body is not None else case.get("body_bytes") or b""

    def header(self, name):
        return self.headers[name.lower()]


def hexed(digest):
    return digest.hex()


def b64(digest):
    return base64.b64encode(digest).decode()


def mac(key, message, algorithm="sha256"):
    if isinstance(key, str):
        key = key.encode()
    if isinstance(message, str):
        message = message.encode()
    return hmac.new(key, message, algorithm).digest()


def unb64(text):
    return base64.b64decode(text + "=" * (-len(text) % 4))


def sha256(data):
    return hashlib.sha256(data).digest()
