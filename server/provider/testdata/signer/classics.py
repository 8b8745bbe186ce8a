"""Shops, payments, chat and code hosts that sign in ways of their own."""
from kit import b64, hexed, mac, unb64


def gitlab(c):
    if not c.secret.startswith("whsec_"):
        return {"X-Gitlab-Token": c.secret}
    message = f"{c.header('webhook-id')}.{c.header('webhook-timestamp')}.".encode() + c.body
    return {"webhook-signature": "v1," + b64(mac(unb64(c.secret.removeprefix("whsec_")), message))}


def hmac(c):
    return {"X-Signature": hexed(mac(c.secret, c.body))}


def shopify(c):
    name = "Shopify-Hmac-Sha256" if "shopify-hmac-sha256" in c.headers else "X-Shopify-Hmac-SHA256"
    return {name: b64(mac(c.secret, c.body))}


def slack(c):
    return {"X-Slack-Signature": "v0=" + hexed(mac(c.secret, f"v0:{c.header('X-Slack-Request-Timestamp')}:".encode() + c.body))}
