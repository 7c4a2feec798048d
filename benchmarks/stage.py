"""What the measurements have in common: a world with open questions, and watching a container drain the queue.

The poller is the container that the emulated server starts, reached over 127.0.0.1 and a pipe alone.
"""

import importlib
import json
import platform
import random
import re
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from emulator.aws_protocol import Request
from emulator.content import runtime
from emulator.incidents import Entitlement, Task
from emulator.instances import Instance
from emulator.world import PACK, World

PROGRAMS = Path(__file__).with_name("programs")
MODULE = "AWSSNSSMSCommunication"
DRAIN_TIMEOUT = 600.0  # seconds
LIFETIME = 86400.0  # seconds
ASKED_AGO = 60.0  # seconds
CODES = range(1000, 10_000)
NO_FEEDBACK = {"replyFeedbackEnabled": False}
PEAK_MEMORY = re.compile(r"VmHWM:\s+(\d+) kB")


class BenchmarkError(Exception):
    """A measurement that could not be made; the text says why."""


@dataclass(frozen=True)
class Waiting:
    """An open question as its person sees it: replying with `code` resumes `task` with `option`."""

    phone: str
    code: str
    option: str
    incident: str
    guid: str
    task: Task


@contextmanager
def stage(params: Mapping[str, Any] | None = None) -> Iterator[World]:
    """A world from empty. Left without an exception it raises AssertionError when a message is left on the queue or an
    error stands in a log: a run that failed says nothing about speed."""
    with World(params) as world:
        world.allow_unread_texts()
        yield world


def pack_module() -> Any:
    """The integration as a module of this process, for its own way to write questions down."""
    folders = [*runtime().import_folders(), str(PACK / "Integrations" / MODULE)]
    sys.path += [folder for folder in folders if folder not in sys.path]
    return importlib.import_module(MODULE)


def open_questions(world: World, count: int) -> list[Waiting]:
    """So many open questions, one for each phone from +14255550000 on and each in an incident of its own.

    They take the place of what the instance's context held. At most 10,000.
    """
    chance = random.Random(count)  # noqa: S311 - the same questions every time
    waiting = [_wait_for_answer(world, number, chance) for number in range(count)]
    context, version = world.instance.context.read()
    world.instance.context.write({**context, **_written(waiting)}, version)
    return waiting


def _wait_for_answer(world: World, number: int, chance: random.Random) -> Waiting:
    incident, guid = world.incident(), str(uuid.UUID(int=chance.getrandbits(128), version=4))
    incident.register(Entitlement(guid))
    return Waiting(f"+1425555{number:04}", str(chance.choice(CODES)), "Yes", incident.id, guid, incident.add_task())


def _written(waiting: Sequence[Waiting]) -> dict[str, str]:
    sms, asked = pack_module(), time.time() - ASKED_AGO
    questions = {
        item.phone: (
            sms.Question(
                sms.Entitlement(item.guid, item.incident, item.task.number),
                item.phone,
                f"Server web-{place:04} has not answered for five minutes. Restart it?",
                {item.code: "Yes", _other(item.code): "No"},
                asked,
                asked + LIFETIME,
                published=asked,
                terms=sms.Terms(LIFETIME),
            ),
        )
        for place, item in enumerate(waiting)
    }
    written: dict[str, str] = sms.write_state(sms.State(questions))
    return written


def _other(code: str) -> str:
    return str(CODES[(int(code) - CODES[0] + 1) % len(CODES)])


def reply_to(world: World, waiting: Sequence[Waiting]) -> None:
    """Each phone texts its code back: published to the topic, which feeds the queue."""
    for question in waiting:
        world.phone(question.phone).replies(question.code)


def program(world: World, name: str, source: str | None = None, **params: Any) -> Instance:
    """An instance, with the params of the pack's own, whose containers run a file of `programs` or the source given."""
    path = PROGRAMS / f"{name}.py"
    text = path.read_text("utf-8") if source is None else source
    world.server.integrations[name] = replace(world.instance.integration, id=name, source=text, filename=str(path))
    return world.server.add_instance(name, params={**world.instance.params, **params})


@dataclass(frozen=True)
class Drained:
    """What it took to empty the queue. Times are seconds, `cpu` the container's own; `memory` is its peak in bytes."""

    seconds: float
    cpu: float
    reads: int
    writes: int
    moved: int
    memory: int

    def __add__(self, other: "Drained") -> "Drained":
        return Drained(
            self.seconds + other.seconds,
            self.cpu + other.cpu,
            self.reads + other.reads,
            self.writes + other.writes,
            self.moved + other.moved,
            max(self.memory, other.memory),
        )


def drain(world: World, instance: Instance, texts: int = 0) -> Drained:
    """Start a container that empties the queue, and end it once it has and `texts` texts were taken for phones.

    Measured from its first receive on, so that its start does not count. BenchmarkError when it takes ten minutes.
    """
    watch = _Watch(world, instance, texts)
    poller = world.server.start_poller(instance)
    if not watch.ended.wait(DRAIN_TIMEOUT):
        raise BenchmarkError(
            f"{instance.name} left {world.cloud.queue_depth()} messages on the queue after {DRAIN_TIMEOUT:g} seconds. "
            f"Its health: {instance.health or 'well'}. Its log: {json.dumps(instance.logs[-3:])}"
        )
    poller.stop()
    return watch.drained()


class _Watch:
    """Notes what a container has used, at its first receive and once the queue is empty."""

    def __init__(self, world: World, instance: Instance, texts: int) -> None:
        self.ended = threading.Event()
        self._world, self._instance, self._texts_due = world, instance, texts
        self._notes: list[Drained] = []
        self._lock = threading.Lock()
        world.cloud.hooks.append(self._on_request)

    def drained(self) -> Drained:
        begin, end = self._notes
        return Drained(
            end.seconds - begin.seconds,
            end.cpu - begin.cpu,
            end.reads - begin.reads,
            end.writes - begin.writes,
            end.moved - begin.moved,
            end.memory,
        )

    def _on_request(self, request: Request, phase: str) -> None:
        with self._lock:
            if phase == "before" and request.operation == "ReceiveMessage" and not self._notes:
                self._note()
            if phase == "after" and self._notes and not self.ended.is_set() and self._is_over(request):
                self._note()
                self.ended.set()

    def _is_over(self, request: Request) -> bool:
        self._texts_due -= request.operation == "Publish"
        return self._texts_due <= 0 and self._world.cloud.queue_depth() == 0

    def _note(self) -> None:
        (container,) = self._world.server.containers()
        process, counters = psutil.Process(container.pid), self._instance.context.counters
        self._notes.append(
            Drained(
                time.perf_counter(),
                _cpu_seconds(process),
                counters.reads,
                counters.writes,
                counters.bytes_read + counters.bytes_written,
                _peak_memory(process),
            )
        )


def _cpu_seconds(process: psutil.Process) -> float:
    """All its threads, also those that ended: to the nanosecond on Linux, elsewhere to the system's tick."""
    if platform.system() == "Linux":
        # The clock that clock_getcpuclockid(3) gives for a process.
        return time.clock_gettime(~process.pid << 3 | 2)
    used = process.cpu_times()
    return used.user + used.system


def _peak_memory(process: psutil.Process) -> int:
    """Bytes: the peak on Linux, elsewhere what it holds now."""
    status = Path(f"/proc/{process.pid}/status")
    found = PEAK_MEMORY.search(status.read_text("ascii")) if status.exists() else None
    return int(found[1]) * 1024 if found else int(process.memory_info().rss)
