"""Identity, clouds and platforms."""
from kit import b64, hexed, mac

SECONDS, MILLISECONDS = "1772355600", "1772355600000"


def workos(c):
    return {"WorkOS-Signature": f"t={MILLISECONDS}, v1=" + hexed(mac(c.secret, MILLISECONDS.encode() + b"." + c.body))}


def auth0(c):
    return {"Authorization": c.secret}


def okta(c):
    return {"Authorization": c.secret}


def google_push(c):
    return {"X-Goog-Channel-Token": c.secret}


def microsoft_graph(c):
    return {"body": '"clientState":"' + c.secret + '"'}


def azure_event_grid(c):
    return {"url": "token=" + c.secret}


def adobe_sign(c):
    return {"X-AdobeSign-ClientId": c.secret}


def tiktok(c):
    return {"TikTok-Signature": f"t={SECONDS},s=" + hexed(mac(c.secret, SECONDS.encode() + b"." + c.body))}


def ably(c):
    return {"X-Ably-Signature": b64(mac(c.secret, c.body))}


def qonto(c):
    return {"X-Qonto-Signature": f"t={SECONDS},v1=" + hexed(mac(c.secret, SECONDS.encode() + b"." + c.body))}
