"""A container: one script or integration command in a process of its own, joined to the server by pipes.

The process gets only the environment it is given. It ends when it is killed, when its code ends, and when the server's
process vanishes, whatever it is doing at that moment.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GUEST = Path(__file__).with_name("guest.py")
PIPE_SIZE = 1 << 20
F_SETPIPE_SZ = 1031  # Linux only: a context of megabytes crosses in few switches between the two processes.
OUTPUT_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Job:
    """What a container runs: marshalled code objects, in one namespace, in this order."""

    command: str
    instance: str
    calling_context: Mapping[str, Any] = field(repr=False)
    sources: tuple[bytes, ...] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    module_name: str = "__builtin__"


class Container:
    """A running container. `command` and `instance` (empty for a script) say what it was started for.

    Once it is closed, `printed` is the end of what it wrote to stdout and stderr, at most 64 kB.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.command, self.instance = job.command, job.instance
        self.killed = False
        self.printed = ""
        self._output = tempfile.TemporaryFile(dir=job.folder)  # noqa: SIM115 - closed by close()
        guest_ends, (calls, replies, lifeline) = _pipes()
        try:
            self._process = self._start(guest_ends)
        finally:
            for end in guest_ends:
                os.close(end)
        self._calls = os.fdopen(calls, "rb", buffering=PIPE_SIZE)
        self._replies = os.fdopen(replies, "wb", buffering=0)
        self._lifeline = os.fdopen(lifeline, "wb", buffering=0)

    def _start(self, guest_ends: tuple[int, int, int]) -> subprocess.Popen[bytes]:
        # -I: nothing of the developer's Python settings or working folder reaches the container.
        # A session of its own: Ctrl-C in a terminal reaches the server alone, which then ends its containers.
        return subprocess.Popen(
            [sys.executable, "-I", "-X", "faulthandler", str(GUEST), *map(str, guest_ends)],
            env=dict(self.job.environment),
            cwd=self.job.folder,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            pass_fds=guest_ends,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def send_job(self) -> None:
        """Hand the code over. A container that was killed meanwhile is no error here: `messages` then ends at once."""
        header = {
            "module_name": self.job.module_name,
            "calling_context": self.job.calling_context,
            "sizes": [len(source) for source in self.job.sources],
        }
        self._write(json.dumps(header).encode("ascii") + b"\n" + b"".join(self.job.sources))

    def messages(self) -> Iterator[dict[str, Any]]:
        """Calls, and last how the code ended. Ends without that when the process died."""
        while (line := self._calls.readline()).endswith(b"\n"):
            yield json.loads(line)

    def reply(self, message: dict[str, Any]) -> None:
        self._write(json.dumps(message).encode("ascii") + b"\n")

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._replies.write(rest) :]
        except BrokenPipeError:
            return

    def kill(self) -> None:
        """SIGKILL, from any thread. What the server has done for it stays done; it never sees a reply under way."""
        self.killed = True
        self._process.kill()

    def alive(self) -> bool:
        return self._process.poll() is None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code (negative: the signal). Raises subprocess.TimeoutExpired."""
        return self._process.wait(timeout)

    def close(self) -> int:
        """Kill it if it still runs, reap it and close the pipes; the exit code (negative: the signal)."""
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._calls, self._replies, self._lifeline):
            pipe.close()
        if not self._output.closed:
            self.printed = self._read_output()
        return code

    def _read_output(self) -> str:
        with self._output as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - OUTPUT_LIMIT))
            return file.read().decode("utf-8", "replace")


def _pipes() -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """The guest's and the server's ends of calls, replies and lifeline. None is inherited unless passed on."""
    calls_out, calls_in = os.pipe()
    replies_out, replies_in = os.pipe()
    lifeline_out, lifeline_in = os.pipe()
    for pipe in (calls_in, replies_in):
        _enlarge(pipe)
    return (calls_in, replies_out, lifeline_out), (calls_out, replies_in, lifeline_in)


def _enlarge(pipe: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    import fcntl

    try:
        fcntl.fcntl(pipe, F_SETPIPE_SZ, PIPE_SIZE)
    except OSError:  # Above the user's share of pipe memory: slower, not wrong.
        return
