"""Code hosts and developer tools."""
from kit import hexed, mac


def github(c):
    return {"X-Hub-Signature-256": "sha256=" + hexed(mac(c.secret, c.body))}
