"""A storm over several replicas: what happens when, the load meanwhile, and the judgement afterwards.

    storm.py plan SEED SECONDS          one disturbance a line: when it is due, what, whom
    storm.py load DIRECTORY             sends reviews until DIRECTORY/over is there
    storm.py judge DIRECTORY NAME=JOURNAL...
                                        "pass<TAB>rule" or "fail<TAB>rule<TAB>what was found", one a line

DIRECTORY/storm.json says whom to ask and for what. DIRECTORY/away has a line for each time a replica was
away, "NAME killed|stopped FROM TO", and DIRECTORY/tags one for each change to a tag, "begun|done
sign|remove TAG AT"; times are those of the system's clock. DIRECTORY/answers is what `load` leaves: one
JSON object an answer.
"""

import base64
import collections
import http.client
import json
import pathlib
import random
import select
import ssl
import sys
import threading
import time

import review

# The API server's patience, and what is left to a client beyond it to see that there is no answer.
TIMEOUT, GRACE = 5.0, 1.0
WORKERS, PERIOD = 5, 0.25  # of each replica: some twenty reviews a second
KINDS = [
    "signed", "signed", "pinned", "unsigned", "nobody", "other-digest", "uncovered", "free", "tag",
    "tag",
]  # fmt: skip
# Why images of a kind are refused when nothing is the matter.
REASONS = {
    "unsigned": {"tag-not-signed"}, "nobody": {"not-signed"}, "uncovered": {"no-policy"},
    "other-digest": {"digest-mismatch"}, "tag": {"tag-not-signed"},
}  # fmt: skip
# Refusals that pass, of whatever image: they say that nothing could be decided, or be written down.
PASSING = {
    "deadline", "journal-unavailable", "policies-not-loaded", "trust-server-error",
    "trust-server-unreachable",
}  # fmt: skip


# --- what happens when ------------------------------------------------------------------------------
class Plan:
    """Tracks of disturbances; on one track, one ends before the next begins."""

    def __init__(self, seed, seconds):
        self.seed, self.seconds, self.lines = seed, seconds, []

    def track(self, name, kinds, pause):
        draw, at, deck = random.Random(f"{self.seed} {name}"), 0.0, []
        while True:
            # By decks, so that each kind comes about.
            deck = deck or draw.sample(kinds, len(kinds))
            at += draw.uniform(*pause)
            steps = list(deck.pop()(draw))
            if at + sum(wait for wait, _ in steps) > self.seconds:
                return
            for wait, what in steps:
                at += wait
                self.lines.append((at, f"{what} {name}"))

    def replica(self, name, has_small_disk):
        def kill(draw):
            return [(0, "kill"), (draw.uniform(0, 0.8), "restart")]

        def stop(draw):
            return [(0, "stop"), (draw.choice([0.3, 1.5, 5.5]), "go_on")]

        def kill_stopped(draw):
            return [(0, "stop"), (draw.uniform(0.2, 1), "kill"), (0.2, "restart")]

        def fill(draw):
            return [(0, "fill"), (draw.uniform(1, 2.5), "empty")]

        def kill_full(draw):
            return [(0, "fill"), (1, "kill"), (0.2, "empty"), (0.1, "restart")]

        disk = [fill, kill_full] if has_small_disk else []
        self.track(name, [kill, kill, stop, kill_stopped, *disk], (0.8, 2.5))

    def trust_server(self):
        def cut(_draw):
            return [(0, "cut"), (0.2, "cut")]

        def stall(draw):  # connections are taken, and nothing comes of them
            return [(0, "stall"), (draw.choice([0.5, 2, 5.2]), "flow")]

        def refuse(draw):  # for longer than what was verified is fresh, so that it is noticed
            return [(0, "refuse"), (draw.uniform(1.8, 2.5), "accept")]

        def freeze(draw):  # the server itself
            return [(0, "freeze"), (draw.uniform(0.5, 3), "thaw")]

        def sign(_draw):
            return [(0, "sign")]

        def remove(_draw):
            return [(0, "remove")]

        kinds = [cut, cut, stall, refuse, freeze, sign, sign, sign, remove, remove]
        self.track("trust-server", kinds, (0.4, 1.0))

    def tell(self):
        for at, line in sorted(self.lines):
            print(f"{at:.3f} {line}")


def plan(seed, seconds):
    made = Plan(seed, float(seconds))
    for name in ("storm_a", "storm_b", "storm_c"):
        made.replica(name, name == "storm_c")
    made.trust_server()
    made.tell()


# --- the load ---------------------------------------------------------------------------------------
class Load:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.told = json.loads((self.directory / "storm.json").read_text())
        self.trusted = ssl.create_default_context(cafile=self.told["ca"])
        self.lock = threading.Lock()
        self.answers = (self.directory / "answers").open("w")

    def over(self):
        return (self.directory / "over").exists()

    def tags(self):
        """The tags that were begun to be signed, newest last."""
        try:
            lines = (self.directory / "tags").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line.split()[2] for line in lines if line.startswith("begun sign ")]

    def image(self, draw):
        """What is asked for: its kind, and the reference."""
        kind = draw.choice(KINDS)
        if kind == "tag":
            # One of the newest, or the one that comes next.
            tags = self.tags()
            tag = draw.choice([*tags[-3:], f"s{len(tags) + 1}"])
            return kind, f"{self.told['gun']}:{tag}"
        return kind, self.told["images"][kind]

    def worker(self, name, port, number):
        draw = random.Random(f"{self.told['seed']} {name} {number}")
        connection, count = None, 0
        while not self.over():
            count += 1
            kind, image = self.image(draw)
            connection = self.ask(connection, name, port, f"{name}-{number}-{count}", kind, image)
            time.sleep(draw.uniform(0.5, 1.5) * PERIOD)

    def ask(self, connection, name, port, uid, kind, image):
        """Asks once, and notes what came of it; gives the connection if it can be used again."""
        thing, spec = review.workload("Pod", "default", [image])
        sent = review.question("Pod", "default", thing)
        sent["request"]["uid"] = f"{self.told['seed']}-{uid}"
        body = json.dumps(sent)
        note = {"uid": sent["request"]["uid"], "replica": name, "kind": kind, "asked": image}
        note["sent"] = time.time()
        try:
            if connection is None or select.select([connection.sock], [], [], 0)[0]:
                # What can be read on an idle connection is its end.
                connection = http.client.HTTPSConnection(
                    "localhost", port, timeout=TIMEOUT + GRACE, context=self.trusted
                )
            headers = {"Content-Type": "application/json"}
            connection.request("POST", f"/admit?timeout={TIMEOUT:.0f}s", body, headers)
            got = connection.getresponse()
            text = got.read()
            note["status"] = got.status
            if got.status == 200:
                self.read(note, json.loads(text)["response"], thing, spec)
            if got.will_close:
                connection = None
        except (OSError, http.client.HTTPException) as error:
            note["failed"] = f"{type(error).__name__} {error}"
            connection = None
        note["until"] = time.time()
        with self.lock:
            self.answers.write(json.dumps(note) + "\n")
            self.answers.flush()
        return connection

    def read(self, note, answer, thing, spec):
        audit = answer.get("auditAnnotations") or {}
        note["answered"], note["allowed"] = answer["uid"], answer["allowed"]
        note["record"] = audit.get("record")
        if answer["allowed"]:
            if "patch" in answer:
                review.apply(thing, json.loads(base64.b64decode(answer["patch"])))
            note["image"] = spec["containers"][0]["image"]
        else:
            codes = audit.get("codes") or audit.get("code") or "?"
            note["code"] = codes.split(", ")[0].split("=")[-1]
            note["message"] = (answer.get("status") or {}).get("message", "")[:300]

    def run(self):
        threads = [
            threading.Thread(target=self.worker, args=(name, port, number))
            for name, port in self.told["replicas"].items()
            for number in range(WORKERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


# --- the judgement ----------------------------------------------------------------------------------
def records(journal):
    """The decisions of each record, by its hash."""
    for segment in sorted(pathlib.Path(journal).glob("**/segments/*.ndjson")):
        for line in segment.read_bytes().splitlines():
            if b'"decisions":[{' in line:
                told = json.loads(line)
                delivered = told["record"]["entry"].get("Delivered")
                if delivered:
                    yield told["hash"], delivered["decisions"]


class Judge:
    def __init__(self, directory, journals):
        directory = pathlib.Path(directory)
        self.told = json.loads((directory / "storm.json").read_text())
        self.notes = [json.loads(line) for line in (directory / "answers").read_text().splitlines()]
        self.answers = [note for note in self.notes if "answered" in note]
        self.allowed = [note for note in self.answers if note["allowed"]]
        self.away = collections.defaultdict(list)
        for line in (directory / "away").read_text().splitlines():
            name, how, begin, end = line.split()
            self.away[name, how].append((float(begin), float(end)))
        self.tags = collections.defaultdict(dict)
        for line in (directory / "tags").read_text().splitlines():
            stage, what, tag, at = line.split()
            self.tags[tag][f"{stage} {what}"] = float(at)
        self.held = {name: dict(records(journal)) for name, journal in journals.items()}

    def rule(self, rule, found):
        found = list(found)
        if found:
            several = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            print("fail", rule, f"{found[0]}{several}", sep="\t")
        else:
            print("pass", rule, sep="\t")

    def may_run(self, note):
        """The references that may come of an allow."""
        gun, signed = self.told["gun"], self.told["digest"]
        tagged = note["asked"].split("@")[0]
        if note["kind"] == "free":
            return {note["asked"]}
        if note["kind"] in ("signed", "pinned", "tag") and tagged.startswith(f"{gun}:"):
            return {f"{tagged}@{signed}"}
        return set()

    def untimely(self, note):
        """Whether a tag was allowed before it was signed, or after it was removed."""
        tag = self.tags.get(note["asked"].split(":")[-1], {})
        before = note["until"] < tag.get("begun sign", float("inf"))
        after = note["sent"] > tag.get("done remove", float("inf")) + self.told["freshness"]
        return before or after

    def overlap(self, note, how):
        """How long the replica was away during the review, span by span."""
        for begin, end in self.away[note["replica"], how]:
            if begin <= note["until"] and note["sent"] <= end:
                yield min(end, note["until"]) - max(begin, note["sent"])

    def excused(self, note):
        """Whether nothing else could be expected than no answer, or a late one."""
        if "answered" not in note and any(True for _ in self.overlap(note, "killed")):
            return True
        timed_out = note["until"] - note["sent"] > TIMEOUT
        stopped = sum(self.overlap(note, "stopped"))
        return timed_out and note["until"] - note["sent"] - stopped <= TIMEOUT

    def decided(self, note):
        """Whether the record that the answer names holds the decision."""
        decisions = self.held[note["replica"]].get(note["record"], [])
        return any(
            one["uid"] == note["uid"] and one["allowed"] is note["allowed"] for one in decisions
        )

    def expected(self, note):
        return REASONS.get(note["kind"], set()) | PASSING

    def run(self):
        refused = [note for note in self.answers if not note["allowed"]]
        late = [note for note in self.answers if note["until"] - note["sent"] > TIMEOUT]
        lost = [note for note in self.notes if "answered" not in note]
        uid_to_kind = {note["uid"]: note["kind"] for note in self.notes}
        never = {"unsigned", "nobody", "other-digest", "uncovered"}
        self.rule(
            "no image that nobody signed, and no other digest, is ever allowed",
            (note for note in self.allowed if note["kind"] in never),
        )
        self.rule(
            "nor does any journal hold such an allow that nobody heard of",
            (one for held in self.held.values() for decisions in held.values() for one in decisions
             if one["allowed"] and uid_to_kind.get(one["uid"]) in never),
        )  # fmt: skip
        self.rule(
            "what is allowed is pinned to the digest that was signed",
            (note for note in self.allowed if note["image"] not in self.may_run(note)),
        )
        self.rule(
            "a tag is allowed from when it is signed until it is removed",
            (note for note in self.allowed if note["kind"] == "tag" and self.untimely(note)),
        )
        self.rule(
            "every allow is in the journal of the replica that gave it",
            (note for note in self.allowed if not self.decided(note)),
        )
        self.rule(
            "so is every refusal that names a record",
            (note for note in refused if note["record"] and not self.decided(note)),
        )
        self.rule(
            "every refusal says what was the matter",
            (note for note in refused if note["code"] not in self.expected(note)),
        )
        self.rule(
            "every answer is to the review that was sent",
            (note for note in self.answers if note["answered"] != note["uid"]),
        )
        self.rule(
            "every review is answered in its time, unless its replica was killed or stopped meanwhile",
            (note for note in [*late, *lost] if not self.excused(note)),
        )
        self.tell(refused, lost)

    def tell(self, refused, lost):
        codes = collections.Counter(note["code"] for note in refused)
        kinds = collections.Counter(note["kind"] for note in self.allowed)
        by = collections.Counter(note["replica"] for note in self.allowed)
        small = {note["replica"] for note in refused if note["code"] == "journal-unavailable"}
        needed = set().union(*REASONS.values(), {"journal-unavailable"})
        self.rule("reviews were refused for every reason there was", sorted(needed - codes.keys()))
        self.rule(
            "and for what the trust server was put through",
            [] if codes.keys() & {"deadline", "trust-server-unreachable"} else [dict(codes)],
        )
        self.rule(
            "images of every kind that may be allowed were, by every replica",
            sorted({"signed", "pinned", "tag", "free"} - kinds.keys())
            + sorted(self.told["replicas"].keys() - by.keys()),
        )
        self.rule("the replica on the small disk ran out of it", [] if "storm_c" in small else [small])
        refusals = ", ".join(f"{code} {count}" for code, count in codes.most_common())
        allowed = f"{len(self.notes)} reviews: {len(self.allowed)} allowed"
        print(f"say\t{allowed}, refused: {refusals}; {len(lost)} lost")


def main(what, *arguments):
    if what == "plan":
        plan(*arguments)
    elif what == "load":
        Load(*arguments).run()
    else:
        directory, *journals = arguments
        Judge(directory, dict(pair.split("=", 1) for pair in journals)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
