"""Runs a command on a terminal of its own, as a person does, and prints what the screen showed.

on_terminal.py LIMIT QUESTION ANSWER PROGRAM ARGS…: each time the screen asks QUESTION in secret, ANSWER is typed; with an empty one
nobody answers. A QUESTION after `~` is one that is answered in the open. What has not ended after LIMIT seconds is killed, and the exit code is 124. The terminal stops what writes to
it from the background (`stty tostop`), as some people have it.
"""

import os
import pty
import select
import signal
import sys
import termios
import time

limit, question, answer = float(sys.argv[1]), sys.argv[2].encode(), sys.argv[3].encode()
is_open, question = question.startswith(b"~"), question.removeprefix(b"~")
pid, terminal = pty.fork()
if pid == 0:
    modes = termios.tcgetattr(0)
    modes[3] |= termios.TOSTOP
    termios.tcsetattr(0, termios.TCSANOW, modes)
    os.execvp(sys.argv[4], sys.argv[4:])
screen, answered, end, status = b"", 0, time.monotonic() + limit, None
while status is None or select.select([terminal], [], [], 0)[0]:
    if select.select([terminal], [], [], 0.1)[0]:
        try:
            screen += os.read(terminal, 4096)
        except OSError:
            # Nobody has the terminal open any more.
            status = status if status is not None else os.waitpid(pid, 0)[1]
            break
    # Who asks for a secret turns the echo off behind the question, and drops what was typed before.
    hidden = not termios.tcgetattr(terminal)[3] & termios.ECHO
    if answer and (hidden or is_open) and screen.count(question) > answered:
        answered += 1
        os.write(terminal, answer + b"\n")
    if status is None:
        ended, code = os.waitpid(pid, os.WNOHANG)
        status = code if ended else None
    if status is None and time.monotonic() > end:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        print(screen.decode(errors="replace"))
        sys.exit(124)
print(screen.decode(errors="replace").replace("\r\n", "\n"))
sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
