#!/usr/bin/env python3
"""Signs the fixtures' cases of origin "signer", by the providers' documentation and with nothing of the bridge.

    signer.py --write [KEY...]   writes the signatures (and whatever else the provider sends with them) into the fixtures
    signer.py                    exits with 1 when a fixture has another signature than this makes

Each provider is one function in one of the modules beside this one, named after its key and written from its documentation: it gets
a Case and returns the headers that the provider would send, or a part of the "body" or "url" where the signature is there. A header whose text is SIGN in the fixture is filled in. Needs PyYAML, and cryptography for public keys.
"""
import importlib
import pathlib
import re
import sys

import yaml
from kit import Case

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"


def providers():
    """Every public function of every module beside this one, by its name: the provider's key."""
    found = {}
    for path in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        if path.stem in ("signer", "kit"):
            continue
        module = importlib.import_module(path.stem)
        for name, value in vars(module).items():
            if callable(value) and getattr(value, "__module__", "") == path.stem and not name.startswith("_"):
                found[name] = value
    return found


PROVIDERS = providers()


def signed(path):
    """Yields the name, the place and the right value of every signature in a fixture."""
    fixture = yaml.load(path.read_text(), Loader=yaml.BaseLoader)
    sign = PROVIDERS.get(fixture["key"])
    for case in fixture["cases"]:
        if case.get("origin") != "signer" and not (sign and case.get("origin") == "sdk"):
            continue
        for place, value in sign(Case(case)).items():
            if place in ("body", "url"):
                # What is not in a header is written by hand, and has to have this in it.
                yield case["name"], place, value if value in case[place] else None, value
                continue
            yield case["name"], place, {k.lower(): v for k, v in case["headers"].items()}.get(place.lower()), value


def main():
    write, keys = "--write" in sys.argv, [a for a in sys.argv[1:] if not a.startswith("-")]
    wrong = 0
    for path in sorted(FIXTURES.glob("*.yaml")):
        if keys and path.stem not in keys:
            continue
        text = path.read_text()
        for name, header, found, value in signed(path):
            if found == value:
                continue
            if write and found is not None:
                # Only in its own case: the first one after the case's name.
                start = text.index("name: " + name)
                field = re.compile(r"(?<![\w-])(" + re.escape(header) + r":\s*)(\"[^\"]*\"|[^,}\n]+)", re.IGNORECASE).search(text, start)
                text = text[: field.start()] + field.group(1) + '"' + value + '"' + text[field.end() :]
                continue
            wrong += 1
            print(f"{path.name}: {name}: {header}: {found}, want {value}", file=sys.stderr)
        if write:
            path.write_text(text)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
