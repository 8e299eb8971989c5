"""Creates Deployments while everything around is disturbed.

    chaos.py API_FILE NAMESPACE LEAVE PROGRESS SIGNED UNSIGNED PINNED

Two hundred of them, twenty at a time; every fourth has the UNSIGNED image, the others the SIGNED one,
which is to be stored as PINNED. Like any client it tries again when the API server or the webhook
cannot be reached. LEAVE is a file that says how many may be begun so far; PROGRESS is one line: how
many are settled, and how often it had to try again. It prints what was wrong, one a line, and at last how many were right and why it tried again.
"""

import collections
import concurrent.futures
import http.client
import json
import pathlib
import subprocess
import sys
import threading
import time

from api import Api

COUNT, AT_ONCE, PAUSE, PATIENCE = 200, 20, 1.5, 90
LEAVE_WAIT = 300
HERE = pathlib.Path(__file__).parent
# What a replica says that cannot decide just now; whoever asks again gets an answer.
PASSING = ("(draining)", "(deadline)", "(overloaded)", "(policies-not-loaded)", "(internal)")


class Chaos:
    def __init__(self, api, namespace, leave, progress, signed, unsigned, pinned):
        self.api, self.namespace = Api(api), namespace
        self.leave, self.progress = pathlib.Path(leave), pathlib.Path(progress)
        self.images = {True: signed, False: unsigned}
        self.pinned = pinned
        self.path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self.lock = threading.Lock()
        self.done = self.again = self.right = 0
        self.causes = collections.Counter()

    def tell(self, done=0, cause=None, right=0):
        with self.lock:
            self.done, self.right = self.done + done, self.right + right
            if cause:
                self.again += 1
                self.causes[cause] += 1
            fresh = self.progress.with_suffix(".new")
            fresh.write_text(f"{self.done} {self.again}\n")
            fresh.rename(self.progress)

    def manifest(self, number):
        words = ["Deployment", self.namespace, f"chaos-{number}", self.images[number % 4 != 3]]
        made = subprocess.run([sys.executable, HERE / "workload.py", *words], capture_output=True)
        return json.loads(made.stdout)

    def settle(self, number):
        """The status and object of the first answer that settles it."""
        body, until = self.manifest(number), time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                status, told = self.api.ask("POST", self.path, body, timeout=20)
                if status == 409:
                    # It was stored, and the answer was lost.
                    status, told = self.api.ask("GET", f"{self.path}/chaos-{number}", timeout=20)
                said = told.get("message", "")
                refused = status == 403 and "denied the request" in said
                if status in (200, 201) or (refused and not any(word in said for word in PASSING)):
                    return status, told
                why = f"{status} {said}"
                away = "failed calling webhook" in said
                cause = "webhook away" if away else next((w for w in PASSING if w in said), "other")
            except (OSError, http.client.HTTPException) as error:
                why, cause = f"{type(error).__name__} {error}", "API server away"
            print(f"again {time.time():.3f} chaos-{number}: {why}"[:300], file=sys.stderr, flush=True)
            self.tell(cause=cause)
            time.sleep(0.2)
        return 0, {"message": "no answer in time"}

    def one(self, number):
        status, told = self.settle(number)
        said = told.get("message", "")
        if number % 4 == 3:
            right = status == 403 and "(tag-not-signed)" in said
        else:
            right = status in (200, 201) and self.image(told) == self.pinned
        if not right:
            print(f"wrong: chaos-{number}: {status} {said or self.image(told)}"[:600], flush=True)
        self.tell(done=1, right=int(right))

    def image(self, told):
        return told["spec"]["template"]["spec"]["containers"][0]["image"]

    def await_leave(self, count):
        until = time.monotonic() + LEAVE_WAIT
        while int(self.leave.read_text() or 0) < count:
            if time.monotonic() > until:
                raise SystemExit("wrong: nobody gave leave to go on")
            time.sleep(0.02)

    def run(self):
        self.tell()
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for begin in range(0, COUNT, AT_ONCE):
                self.await_leave(begin + AT_ONCE)
                list(pool.map(self.one, range(begin, begin + AT_ONCE)))
                time.sleep(PAUSE)
        why = ", ".join(f"{cause}: {count}" for cause, count in self.causes.most_common())
        print(f"right {self.right}, tried again {self.again} ({why or 'never'})")


Chaos(*sys.argv[1:]).run()
