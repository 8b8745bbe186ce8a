"""Code hosts and developer tools."""
import base64
from urllib.parse import parse_qs, urlsplit

from kit import b64, hexed, mac

AT = 1772355600  # the fixtures' clock, in seconds


def _hex(c, header, prefix="", algorithm="sha256"):
    return {header: prefix + hexed(mac(c.secret, c.body, algorithm))}


def _basic(c):
    return {"Authorization": "Basic " + base64.b64encode(c.secret.encode()).decode()}


def _in_query(c, name):
    """Nothing is signed; the URL that the operator entered has the secret."""
    if parse_qs(urlsplit(c.url).query).get(name) != [c.secret]:
        raise ValueError("the URL doesn't have the secret")
    return {}


def _timed(c, separator="."):
    return hexed(mac(c.secret, f"{AT}{separator}".encode() + c.body))


def github(c):
    return _hex(c, "X-Hub-Signature-256", "sha256=")


def bitbucket(c):
    return _hex(c, "X-Hub-Signature", "sha256=")


def bitbucket_dc(c):
    return _hex(c, "X-Hub-Signature", "sha256=")


def gitea(c):
    """Of a form the value of its field is signed."""
    body = c.body
    if c.headers.get("content-type") == "application/x-www-form-urlencoded":
        body = parse_qs(body.decode())["payload"][0]
    digest = hexed(mac(c.secret, body))
    forms = {"X-Gitea-Signature": "", "X-Forgejo-Signature": "", "X-Hub-Signature-256": "sha256="}
    return {header: prefix + digest for header, prefix in forms.items() if header.lower() in c.headers}


def azure_devops(c):
    return _basic(c)


def dockerhub(c):
    return _in_query(c, "token")


def npm(c):
    return _hex(c, "x-npm-signature", "sha256=")


def circleci(c):
    return _hex(c, "circleci-signature", "v1=")


def buildkite(c):
    if "x-buildkite-token" in c.headers:
        return {"X-Buildkite-Token": c.secret}
    return {"X-Buildkite-Signature": f"timestamp={AT},signature={_timed(c)}"}


def vercel(c):
    return _hex(c, "x-vercel-signature", algorithm="sha1")


def heroku(c):
    return {"Heroku-Webhook-Hmac-SHA256": b64(mac(c.secret, c.body))}


def launchdarkly(c):
    return _hex(c, "X-LD-Signature")


def sentry(c):
    return _hex(c, "Sentry-Hook-Signature")


def datadog(c):
    return {c.settings.get("header", "X-Webhook-Token"): c.secret}


def pagerduty(c):
    """While a secret is rotated there is a signature of the new one, too."""
    signatures = [mac("a newer secret", c.body), mac(c.secret, c.body)]
    return {"X-PagerDuty-Signature": ",".join("v1=" + hexed(s) for s in signatures)}


def grafana(c):
    timestamp = c.headers.get(c.settings.get("timestamp_header", "X-Grafana-Alerting-Timestamp").lower())
    message = c.body if timestamp is None else f"{timestamp}:".encode() + c.body
    return {c.settings.get("header", "X-Grafana-Alerting-Signature"): hexed(mac(c.secret, message))}


def alertmanager(c):
    # Either is configured; which one it is, is told by what is there.
    if c.header("Authorization").startswith("Basic "):
        return _basic(c)
    return {"Authorization": "Bearer " + c.secret}


def mongodb_atlas(c):
    return {"X-MMS-Signature": b64(mac(c.secret, c.body, "sha1"))}


def autodesk_aps(c):
    return _hex(c, "x-adsk-signature", "sha1hash=", "sha1")


def tailscale(c):
    return {"Tailscale-Webhook-Signature": f"t={AT},v1={_timed(c)}"}


def cloudflare_notifications(c):
    return {"cf-webhook-auth": c.secret}


def cloudflare_stream(c):
    return {"Webhook-Signature": f"time={AT},sig1={_timed(c)}"}


def doppler(c):
    return _hex(c, "X-Doppler-Signature", "sha256=")


def huggingface(c):
    return {"X-Webhook-Secret": c.secret}


def cursor(c):
    return _hex(c, "X-Webhook-Signature", "sha256=")
