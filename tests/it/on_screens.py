"""Runs each command line of the JSON list on standard input twice, into pipes and on a terminal of its own, and prints for
each what it said there, as a list of [piped, shown] in JSON. Bytes are told as latin-1, so that each stays what it is."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios

LIMIT = 120


def piped(line):
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT)
    return done.stdout + b"\n" + done.stderr


def shown(line):
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 120, 0, 0))
        os.execvp(line[0], line)
    said = b""
    signal.alarm(LIMIT)
    try:
        while chunk := os.read(fd, 65536):
            said += chunk
    except OSError:
        pass  # the terminal is gone: the program has ended
    os.waitpid(pid, 0)
    signal.alarm(0)
    os.close(fd)
    return said


lines = json.load(sys.stdin)
print(json.dumps([[piped(line).decode("latin-1"), shown(line).decode("latin-1")] for line in lines]))
