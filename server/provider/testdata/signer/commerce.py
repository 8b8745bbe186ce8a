"""Commerce, customer relations and support."""
from kit import b64, hexed, mac, sha256


def woocommerce(c):
    return {"X-WC-Webhook-Signature": b64(mac(c.secret, c.body))}


def commercelayer(c):
    return {"X-CommerceLayer-Signature": b64(mac(c.secret, c.body))}


def squarespace(c):
    return {"Squarespace-Signature": hexed(mac(bytes.fromhex(c.secret), c.body))}


def aftership(c):
    return {"aftership-hmac-sha256": b64(mac(c.secret, c.body))}


def easypost(c):
    return {"X-Hmac-Signature": "hmac-sha256-hex=" + hexed(mac(c.secret, c.body))}


def shippo(c):
    return {"Shippo-Auth-Signature": "t=1772355600,v1=" + hexed(mac(c.secret, b"1772355600." + c.body))}


def onfleet(c):
    return {"X-Onfleet-Signature": hexed(mac(bytes.fromhex(c.secret), c.body, "sha512"))}


def hubspot(c):
    if c.headers.get("x-hubspot-signature-version") == "v2":
        return {"X-HubSpot-Signature": hexed(sha256(c.secret.encode() + c.method.encode() + c.url.encode() + c.body))}
    content = c.method.encode() + c.url.encode() + c.body + c.header("X-HubSpot-Request-Timestamp").encode()
    return {"X-HubSpot-Signature-v3": b64(mac(c.secret, content))}


def sfmc_ens(c):
    return {"x-sfmc-ens-signature": b64(mac(c.secret, c.body))}


def zendesk(c):
    return {"X-Zendesk-Webhook-Signature": b64(mac(c.secret, c.header("X-Zendesk-Webhook-Signature-Timestamp").encode() + c.body))}


def intercom(c):
    return {"X-Hub-Signature": "sha1=" + hexed(mac(c.secret, c.body, "sha1"))}


def front(c):
    return {"X-Front-Signature": b64(mac(c.secret, c.header("X-Front-Request-Timestamp").encode() + b":" + c.body))}


def helpscout(c):
    return {"X-HelpScout-Signature": b64(mac(c.secret, c.body, "sha1"))}


def crisp(c):
    content = b"[" + c.header("X-Crisp-Request-Timestamp").encode() + b";" + c.body + b"]"
    return {"X-Crisp-Signature": hexed(mac(c.secret, content))}


def close_crm(c):
    return {"close-sig-hash": hexed(mac(bytes.fromhex(c.secret), c.header("close-sig-timestamp").encode() + c.body))}


def attio(c):
    return {"Attio-Signature": hexed(mac(c.secret, c.body))}


def pipedrive(c):
    return {"Authorization": "Basic " + b64(c.secret.encode())}


def customer_io(c):
    return {"X-CIO-Signature": hexed(mac(c.secret, b"v0:" + c.header("X-CIO-Timestamp").encode() + b":" + c.body))}


def klaviyo(c):
    return {"Klaviyo-Signature": hexed(mac(c.secret, c.body + c.header("Klaviyo-Timestamp").encode()))}


def segment(c):
    return {"X-Signature": hexed(mac(c.secret, c.body, "sha1"))}


def linkedin(c):
    return {"X-LI-Signature": hexed(mac(c.secret, b"hmacsha256=" + c.body))}


def mixpanel(c):
    return {"Authorization": "Basic " + b64(c.secret.encode())}


def salesforce_om(c):
    return {"url": "token=" + c.secret}
