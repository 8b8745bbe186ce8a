"""Messaging and e-mail."""
import json
import urllib.parse

from cryptography.hazmat.primitives.asymmetric import ed25519

from kit import b64, hexed, mac, sha256, unb64

# The private keys to the public ones in the fixtures.
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(sha256(b"a key for fixtures"))


def discord(c):
    return {"X-Signature-Ed25519": hexed(ED25519.sign(c.header("X-Signature-Timestamp").encode() + c.body))}


def telegram(c):
    return {"X-Telegram-Bot-Api-Secret-Token": c.secret}


def line(c):
    return {"X-Line-Signature": b64(mac(c.secret, c.body))}


def meta(c):
    return {"X-Hub-Signature-256": "sha256=" + hexed(mac(c.secret, c.body))}


def x(c):
    return {"x-twitter-webhooks-signature": "sha256=" + b64(mac(c.secret, c.body))}


def twitch(c):
    content = c.header("Twitch-Eventsub-Message-Id") + c.header("Twitch-Eventsub-Message-Timestamp")
    return {"Twitch-Eventsub-Message-Signature": "sha256=" + hexed(mac(c.secret, content.encode() + c.body))}


def twilio(c):
    content = c.url
    if "bodySHA256=" not in c.url:
        fields = {}
        for name, value in urllib.parse.parse_qsl(c.body.decode(), keep_blank_values=True):
            fields.setdefault(name, set()).add(value)
        content += "".join(name + value for name in sorted(fields) for value in sorted(fields[name]))
    return {"X-Twilio-Signature": b64(mac(c.secret, content, "sha1"))}


def mandrill(c):
    fields = dict(urllib.parse.parse_qsl(c.body.decode(), keep_blank_values=True))
    return {"X-Mandrill-Signature": b64(mac(c.secret, c.url + "".join(k + fields[k] for k in sorted(fields)), "sha1"))}


def postmark(c):
    return {"Authorization": "Basic " + b64(c.secret.encode())}


sparkpost = postmark


def brevo(c):
    return {c.settings.get("header", "X-Webhook-Token"): c.secret}


def telnyx(c):
    return {"telnyx-signature-ed25519": b64(ED25519.sign(c.header("telnyx-timestamp").encode() + b"|" + c.body))}


def sinch(c):
    tail = "." + c.header("x-sinch-webhook-signature-nonce") + "." + c.header("x-sinch-webhook-signature-timestamp")
    return {"x-sinch-webhook-signature": b64(mac(c.secret, c.body + tail.encode()))}


def ms_teams(c):
    return {"Authorization": "HMAC " + b64(mac(unb64(c.secret), c.body))}


def webex(c):
    return {"X-Spark-Signature": hexed(mac(c.secret, c.body, "sha1"))}


def zoom(c):
    return {"x-zm-signature": "v0=" + hexed(mac(c.secret, b"v0:" + c.header("x-zm-request-timestamp").encode() + b":" + c.body))}


def pusher(c):
    return {"X-Pusher-Signature": hexed(mac(c.secret, c.body))}


def sendbird(c):
    return {"x-sendbird-signature": hexed(mac(c.secret, c.body))}


def knock(c):
    ts = "1772355600000"
    return {"x-knock-signature": f"t={ts},s=" + b64(mac(c.secret, ts.encode() + b"." + c.body))}


def airship(c):
    return {"X-UA-SIGNATURE": hexed(mac(c.secret, c.header("X-UA-TIMESTAMP").encode() + b":" + c.body))}


def mailgun(c):
    signature = json.loads(c.body)["signature"]
    return {"body": hexed(mac(c.secret, signature["timestamp"] + signature["token"]))}


def mailchimp(c):
    return {"url": "token=" + c.secret}
