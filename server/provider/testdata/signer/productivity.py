"""Productivity, forms, files, scheduling, media and people."""
import base64
import hashlib

from kit import b64, hexed, mac, unb64

SECONDS, MILLISECONDS = "1772355600", "1772355600000"


def linear(c):
    return {"Linear-Signature": hexed(mac(c.secret, c.body))}


def jira(c):
    return {"X-Hub-Signature": "sha256=" + hexed(mac(c.secret, c.body))}


def trello(c):
    return {"X-Trello-Webhook": b64(mac(c.secret, c.body + c.url.encode(), "sha1"))}


def asana(c):
    return {"X-Hook-Signature": hexed(mac(c.secret, c.body))}


def notion(c):
    return {"X-Notion-Signature": "sha256=" + hexed(mac(c.secret, c.body))}


def clickup(c):
    return {"X-Signature": hexed(mac(c.secret, c.body))}


def airtable(c):
    return {"X-Airtable-Content-MAC": "hmac-sha256=" + hexed(mac(unb64(c.secret), c.body))}


def typeform(c):
    return {"Typeform-Signature": "sha256=" + b64(mac(c.secret, c.body))}


def tally(c):
    return {"Tally-Signature": b64(mac(c.secret, c.body))}


def calendly(c):
    return {"Calendly-Webhook-Signature": f"t={SECONDS},v1=" + hexed(mac(c.secret, SECONDS.encode() + b"." + c.body))}


def cal_com(c):
    return {"X-Cal-Signature-256": hexed(mac(c.secret, c.body))}


def cronofy(c):
    return {"Cronofy-HMAC-SHA256": b64(mac("a retired secret", c.body)) + "," + b64(mac(c.secret, c.body))}


def nylas(c):
    return {"X-Nylas-Signature": hexed(mac(c.secret, c.body))}


def dropbox(c):
    return {"X-Dropbox-Signature": hexed(mac(c.secret, c.body))}


def docusign(c):
    return {"X-DocuSign-Signature-2": b64(mac(c.secret, c.body))}


def pandadoc(c):
    return {"url": "signature=" + hexed(mac(c.secret, c.body))}


def sanity(c):
    digest = base64.urlsafe_b64encode(mac(c.secret, MILLISECONDS.encode() + b"." + c.body)).decode().rstrip("=")
    return {"sanity-webhook-signature": f"t={MILLISECONDS},v1={digest}"}


def webflow(c):
    return {"x-webflow-signature": hexed(mac(c.secret, c.header("x-webflow-timestamp").encode() + b":" + c.body))}


def framer(c):
    return {"Framer-Signature": "sha256=" + hexed(mac(c.secret, c.body + c.header("Framer-Webhook-Submission-Id").encode()))}


def mux(c):
    return {"Mux-Signature": f"t={SECONDS},v1=" + hexed(mac(c.secret, SECONDS.encode() + b"." + c.body))}


def cloudinary(c):
    # The account's setting; here told by the length of what is there.
    algorithm = "sha256" if len(c.header("X-Cld-Signature")) == 64 else "sha1"
    content = c.body + c.header("X-Cld-Timestamp").encode() + c.secret.encode()
    return {"X-Cld-Signature": hashlib.new(algorithm, content).hexdigest()}


def ashby(c):
    return {"Ashby-Signature": "sha256=" + hexed(mac(c.secret, c.body))}


def merge_dev(c):
    return {"X-Merge-Webhook-Signature": base64.urlsafe_b64encode(mac(c.secret, c.body)).decode()}


def checkr(c):
    return {"X-Checkr-Signature": hexed(mac(c.secret, c.body))}


def deel(c):
    return {"x-deel-signature": hexed(mac(c.secret, b"POST" + c.body))}


def lob(c):
    return {"Lob-Signature": hexed(mac(c.secret, c.header("Lob-Signature-Timestamp").encode() + b"." + c.body))}


def configcat(c):
    content = c.header("X-ConfigCat-Webhook-ID").encode() + c.header("X-ConfigCat-Webhook-Timestamp").encode() + c.body
    return {"X-ConfigCat-Webhook-Signature-V1": b64(mac("a retired key", content)) + "," + b64(mac(c.secret, content))}


def dub(c):
    return {"Dub-Signature": hexed(mac(c.secret, c.body))}


def elevenlabs(c):
    return {"ElevenLabs-Signature": f"t={SECONDS},v0=" + hexed(mac(c.secret, SECONDS.encode() + b"." + c.body))}


def retell(c):
    return {"x-retell-signature": f"v={MILLISECONDS},d=" + hexed(mac(c.secret, c.body + MILLISECONDS.encode()))}


def deepgram(c):
    if c.secret.startswith("basic:"):
        return {"Authorization": "Basic " + b64(c.secret.removeprefix("basic:").encode())}
    return {"dg-token": c.secret}
