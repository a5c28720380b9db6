"""Runs a program on a terminal of its own, of so many columns, and prints the lines that are on the screen at the end.

at_width.py COLUMNS PROGRAM ARGS…: colours are left out, and what a progress line drew over itself. What has not ended after
two minutes is killed, and the exit code is 124."""

import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios

columns, program = int(sys.argv[1]), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    # So high that no pager starts.
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 500, columns, 0, 0))
    os.execvp(program[0], program)


def give_up(*_):
    os.kill(pid, signal.SIGKILL)
    sys.exit(124)


signal.signal(signal.SIGALRM, give_up)
signal.alarm(120)
shown = b""
try:
    while piece := os.read(terminal, 65536):
        shown += piece
except OSError:
    pass  # no process has the terminal open any more
status = os.waitpid(pid, 0)[1]
for line in shown.decode(errors="replace").replace("\r\n", "\n").split("\n"):
    # What stands before the last return to the margin was drawn over.
    sys.stdout.write(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line.rsplit("\r", 1)[-1]) + "\n")
sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
