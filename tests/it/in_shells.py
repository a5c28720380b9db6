"""Types lines into an interactive shell on a terminal of its own, each once the one before it has been run, and prints all
that the terminal showed: in_shells.py SHELL LINE…; a tab in a line asks for completion, and ENTER ends each."""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

STARTS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}

shell, lines = sys.argv[1], sys.argv[2:]
# A shell that hangs ends the test.
signal.alarm(300)
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    os.environ.update(PS1="> ", PROMPT="> ", TERM="xterm")
    os.execvp(STARTS[shell][0], STARTS[shell])

said = b""


def read():
    """What the shell shows within a tenth of a second; None where it has ended."""
    global said
    if not select.select([fd], [], [], 0.1)[0]:
        return b""
    try:
        chunk = os.read(fd, 65536)
    except OSError:
        return None
    # fish asks the terminal who it is, and waits for the answer.
    if b"\x1b[c" in chunk or b"\x1b[0c" in chunk:
        os.write(fd, b"\x1b[?62;c")
    said += chunk
    return chunk or None


def until_quiet():
    """Reads until the shell has shown nothing for half a second: it waits for more to be typed."""
    quiet = 0
    while quiet < 5:
        chunk = read()
        if chunk is None:
            return
        quiet = 0 if chunk else quiet + 1


def until_run():
    """Reads until the shell has run what was typed: it then says a word that stands nowhere in what is typed."""
    word = f"END{len(said)}".encode()
    os.write(fd, b"echo END''" + word[3:] + b"\r")
    while word not in said and read() is not None:
        pass


until_quiet()
until_run()
for line in lines:
    for part in line.replace("\t", "\t\0").split("\0"):
        os.write(fd, part.encode())
        until_quiet()
    os.write(fd, b"\r")
    until_quiet()
    until_run()
os.write(fd, b"exit\r")
while read() is not None:
    pass
os.waitpid(pid, 0)
sys.stdout.buffer.write(said)
