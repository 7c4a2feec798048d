"""Runs `python -m emulator ...` as a person or a pipe does, and sees what is left of it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 60.0
ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_=>])")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what would turn colours on or off."""
    unwanted = ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES", "PYTHONWARNINGS")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    # A real terminal answers where its cursor is; this one does not.
    settings = {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", "PROMPT_TOOLKIT_NO_CPR": "1"}
    return {**kept, **settings, **(extra or {})}


def piped(*arguments: str, typed: str = "", extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a programme between pipes to its end."""
    return subprocess.run(
        [sys.executable, "-m", "emulator", *arguments],
        input=typed,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        env=environment(extra),
        timeout=DEADLINE,
        check=False,
    )


class Terminal:
    """A programme on a terminal of 84 columns; `shown` is all it has printed so far, without escape sequences."""

    def __init__(self, *arguments: str) -> None:
        self.raw = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 84, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "emulator", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env=environment(),
            start_new_session=True,
            preexec_fn=_control_terminal,  # noqa: PLW1509 - one system call, no lock
        )
        os.close(slave)

    @property
    def shown(self) -> str:
        return ESCAPE.sub("", self.raw.decode("utf-8", "replace")).replace("\r", "")

    def types(self, text: str) -> None:
        """Type keys; a line break is Enter, \\x03 Ctrl-C, \\x04 Ctrl-D."""
        os.write(self._master, text.replace("\n", "\r").encode())

    def expects(self, text: str, after: int = 0, within: float = DEADLINE) -> int:
        """Wait until `text` is shown beyond position `after`; where it ends. AssertionError with all that was shown."""
        deadline = time.monotonic() + within
        while text not in self.shown[after:]:
            if time.monotonic() > deadline or not self._read():
                raise AssertionError(f"{text!r} was not shown after position {after}:\n{self.shown}")
        return self.shown.index(text, after) + len(text)

    def ends(self) -> int:
        """Wait until it ends and return its exit code."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline and self._read():
            pass
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def _read(self) -> bool:
        """Read what comes within a tenth of a second; False once nothing can come any more."""
        if not select.select([self._master], [], [], 0.1)[0]:
            return True
        try:
            self.raw += os.read(self._master, 65536)
        except OSError:
            return False
        return True


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    """A programme on a terminal, killed at the end of the block if it has not ended."""
    shown = Terminal(*arguments)
    try:
        yield shown
    finally:
        shown.close()


def containers_of(pid: int) -> set[int]:
    """The processes that the programme `pid` started and that run now."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = (map(int, line.split()) for line in listed.splitlines())
    return {child for child, parent in pairs if parent == pid}


def alive(pids: set[int]) -> set[int]:
    """Those of `pids` that still run."""
    return {pid for pid in pids if _runs(pid)}


def _control_terminal() -> None:
    """Make standard input the terminal whose Ctrl-C this process gets."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for `condition`; AssertionError, which says `what`, when it never held."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"Never happened: {what}.")
        time.sleep(0.01)
