"""Reads what `portreeve check --json` printed, strictly: verdict.py FILE EXIT_STATUS

Prints "allowed DIGEST" or "denied CODE CLASS", then one line for each role, dropped role and warning.
Anything that is not the object the interface promises is "unclear".
"""

import json
import pathlib
import sys

MEMBERS = [
    "allowed", "image", "digest", "code", "class", "explanation", "warnings", "evidence",
    "dropped_roles",
]  # fmt: skip
CLASSES = {"policy", "trust", "unavailable", "internal"}


def unclear(why):
    raise SystemExit(print("unclear", why))


def told(text):
    """The one object of the text, without members twice."""

    def members(pairs):
        if len({name for name, _ in pairs}) != len(pairs):
            unclear("a member stands twice")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=members)
    except ValueError as error:
        unclear(f"no single JSON object: {error}")


def main(path, status):
    answer = told(pathlib.Path(path).read_text() if status in ("0", "1") else unclear(status))
    if list(answer) not in (MEMBERS, [*MEMBERS, "bundle"]):
        unclear(f"members {list(answer)}")
    if answer["allowed"] is not (status == "0"):
        unclear(f"allowed {answer['allowed']} with exit status {status}")
    if not answer["explanation"]:
        unclear("no explanation")
    if answer["allowed"]:
        if answer["code"] is not None or answer["class"] is not None:
            unclear("an allow with a code")
        print("allowed", answer["digest"])
    else:
        if answer["digest"] is not None or answer["class"] not in CLASSES:
            unclear("a denial with a digest, or of no class")
        print("denied", answer["code"], answer["class"])
    print("explanation", answer["explanation"])
    for name, role in ((answer["evidence"] or {}).get("roles") or {}).items():
        print("role", name, role["version"], *role["keyids"])
    for name in answer["dropped_roles"]:
        print("dropped", name)
    for warning in answer["warnings"]:
        print("warning", warning)


main(*sys.argv[1:])
