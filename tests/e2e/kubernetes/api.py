"""The Kubernetes API as the administrator, one connection for each thread: used by the other programs.

`Api(path)` reads a JSON file with port, ca, cert and key.
"""

import http.client
import json
import pathlib
import ssl
import threading


class Api:
    def __init__(self, path):
        told = json.loads(pathlib.Path(path).read_text())
        self.port = told["port"]
        self.tls = ssl.create_default_context(cafile=told["ca"])
        self.tls.load_cert_chain(told["cert"], told["key"])
        self.held = threading.local()

    def connect(self, timeout):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=timeout)

    def ask(self, method, path, body=None, kind="application/json", timeout=40):
        """The status and the object of the answer; an OSError or HTTPException if there is none."""
        connection = getattr(self.held, "connection", None) or self.connect(timeout)
        self.held.connection = None
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": kind})
        answer = connection.getresponse()
        told = answer.read()
        self.held.connection = connection
        try:
            return answer.status, json.loads(told)
        except ValueError:
            return answer.status, {"message": told.decode(errors="replace")}

    def watch(self, path, timeout=20):
        """The events of a watch, until it ends."""
        connection = self.connect(timeout + 5)
        sign = "&" if "?" in path else "?"
        connection.request("GET", f"{path}{sign}watch=1&timeoutSeconds={timeout}")
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"watch answered {answer.status}")
        for line in answer:
            yield json.loads(line)
