"""Compares what the API server answered with what is in journals: compare.py AUDIT_LOG NAMESPACE JOURNAL...

Each answer that Portreeve gave has the hash of its record in an audit annotation; each workload that was
stored has two, of /admit and /validate. Prints what does not fit, then "answers N, records N", and one
review's uid with its journal that was allowed and one that was refused.
"""

import json
import pathlib
import re
import sys

RECORD = re.compile(r"^(admit|validate)\.[^/]*/record$")
CREATED = ("deployments", "replicasets", "pods")
# Refusals that nobody decided, which no record is owed for.
UNDECIDED = ("(draining)", "(overloaded)", "(deadline)", "(internal)", "(journal-unavailable)")


def records(journal):
    """The decisions of each record, by its hash."""
    for segment in sorted(pathlib.Path(journal, "segments").glob("*.ndjson")):
        for line in segment.read_text().splitlines():
            if '"decisions":[{' not in line:
                continue
            told = json.loads(line)
            delivered = told["record"]["entry"].get("Delivered")
            if delivered:
                yield told["hash"], delivered["decisions"]


def answers(log, namespace):
    for line in pathlib.Path(log).read_text().splitlines():
        event = json.loads(line)
        about = event.get("objectRef", {})
        if (event["verb"], about.get("namespace")) != ("create", namespace):
            continue
        if about["resource"] in CREATED and not about.get("subresource"):
            yield event


def main(log, namespace, *journals):
    held = {hash_: (decisions, journal) for journal in journals for hash_, decisions in records(journal)}
    count, found, samples = 0, 0, {}
    for event in answers(log, namespace):
        annotations = event.get("annotations", {})
        hashes = {match[1]: text for key, text in annotations.items() if (match := RECORD.match(key))}
        code = event.get("responseStatus", {}).get("code")
        name = f"{event['objectRef']['resource']}/{event['objectRef'].get('name')}"
        said = event.get("responseStatus", {}).get("message", "")
        undecided = any(word in said for word in UNDECIDED)
        count += 1
        if code == 201 and sorted(hashes) != ["admit", "validate"]:
            print(f"stored without being asked about: {name} {sorted(hashes)}")
        allowed = code != 403
        for path, text in hashes.items():
            if text not in held:
                print(f"answered and not in any journal: {name} {path} {text}")
                continue
            found += 1
            decisions, journal = held[text]
            decided = any(one["allowed"] for one in decisions)
            # What /admit allowed, /validate may have refused.
            last = path == max(hashes)
            if code in (201, 403) and last and decided is not allowed and not undecided:
                print(f"answered otherwise than decided: {name} {code} {path} {text}")
            samples.setdefault(decided, (decisions[0]["uid"], journal))
    print(f"answers {count}, records {found}")
    for allowed in (True, False):
        print("allowed" if allowed else "refused", *samples.get(allowed, ("none", "none")))


main(*sys.argv[1:])
