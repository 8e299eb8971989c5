"""Servers for static.sh: static.py ADDRESS WORK

A DNS server at ADDRESS:53 that knows notary.static.example as 127.0.0.1, and an HTTPS server on
127.0.0.1 that has no document. WORK holds its certificate; the port is written to WORK/port.
"""

import http.server
import socket
import ssl
import struct
import sys
import threading
from pathlib import Path

KNOWN = "notary.static.example"


def name_at(packet, at):
    """The name that begins there, and where it ends."""
    labels = []
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels), at + 1


def answer(packet):
    (number,) = struct.unpack_from(">H", packet)
    name, end = name_at(packet, 12)
    (kind,) = struct.unpack_from(">H", packet, end)
    print(f"asked for {name}, type {kind}", flush=True)
    known = name.lower() == KNOWN
    found = known and kind == 1
    # Authoritative; NXDOMAIN for other names, no record for other types.
    head = struct.pack(">HHHHHH", number, 0x8580 | (0 if known else 3), 1, found, 0, 0)
    record = struct.pack(">HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton("127.0.0.1")
    return head + packet[12 : end + 4] + (record if found else b"")


def resolve(listener):
    while True:
        packet, peer = listener.recvfrom(4096)
        listener.sendto(answer(packet), peer)


class Empty(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"errors":[{"code":"METADATA_NOT_FOUND"}]}'
        self.send_response(404 if self.path != "/v2/" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *words):
        print(f"served {form % words}", flush=True)


def main(address, work):
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((address, 53))
    threading.Thread(target=resolve, args=[listener], daemon=True).start()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{work}/tls.crt", f"{work}/tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Path(work, "port").write_text(str(server.server_port))
    server.serve_forever()


main(*sys.argv[1:])
