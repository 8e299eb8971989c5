"""Changes one byte in the middle of a journal: edit.py DIRECTORY prints which line that was.

The byte is a digit of a clock, so that the line stays well-formed JSON and only its hash tells.
"""

import pathlib
import re
import sys


def main(directory):
    segments = [path for path in pathlib.Path(directory).rglob("*") if path.is_file()]
    # The segments are those of the files that hold journal lines; blobs lie beside them.
    segments = sorted(path for path in segments if path.read_bytes().startswith(b'{"hash":'))
    segment = segments[-1]
    lines = segment.read_bytes().splitlines(keepends=True)
    number = len(lines) // 2
    while not (found := re.search(rb'"wall":\d*(\d)', lines[number])):
        number += 1
    at = found.start(1)
    digit = b"1" if lines[number][at : at + 1] != b"1" else b"2"
    lines[number] = lines[number][:at] + digit + lines[number][at + 1 :]
    segment.write_bytes(b"".join(lines))
    print(f"line {number + 1}")


main(*sys.argv[1:])
