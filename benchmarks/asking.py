"""Asking: what a question costs in a warm process, and what the start of a command container does."""

import base64
import json
import time
import uuid
from collections.abc import Mapping
from statistics import median
from typing import Any

from benchmarks.plan import Plan
from benchmarks.stage import BenchmarkError, open_questions, program, stage
from emulator.aws_protocol import Request
from emulator.incidents import ERROR, Entitlement, Entry
from emulator.instances import Counters, Instance
from emulator.packs import compiled
from emulator.server import Call
from emulator.world import World

SEND = "send-notification"
BEGUN = 'demisto.debug("begun")\n'


def asking(plan: Plan, count: int) -> dict[str, float]:
    """The costs of a question in a warm process while `count` others are open."""
    with stage() as world:
        instance = _warm(world, plan)
        open_questions(world, count)
        instance.context.write(world.instance.context.read()[0])
        before = Counters(**vars(instance.context.counters))
        entries = _send(world, instance, {"to": "+14255550182", "message": "warm"})
        times = json.loads(entries[-1]["Contents"])["milliseconds"]
    after = instance.context.counters
    return {
        f"asking.ms@{count}": median(times),
        f"asking.reads@{count}": (after.reads - before.reads) / plan.asks,
        f"asking.writes@{count}": (after.writes - before.writes) / plan.asks,
        f"asking.moved@{count}": (_moved(after) - _moved(before)) / plan.asks / 1024,
    }


def _moved(counters: Counters) -> int:
    return counters.bytes_read + counters.bytes_written


def _warm(world: World, plan: Plan) -> Instance:
    """An instance whose container asks `plan.asks` questions, each of another phone; the first makes it warm."""
    code = compiled(world.instance.integration.source, world.instance.integration.filename)
    calls = [{"to": f"+1425556{number:04}", "message": _question(world)} for number in range(plan.asks)]
    return program(world, "warm", program=base64.b64encode(code).decode("ascii"), command=SEND, calls=calls)


def _question(world: World) -> str:
    incident, guid = world.incident(), str(uuid.uuid4())
    incident.register(Entitlement(guid))
    token = f"{guid}@{incident.id}|{incident.add_task().number}"
    return f"Server web-01 has not answered for five minutes. Restart it? - Reply Yes or No: {token}"


def _send(world: World, instance: Instance, args: Mapping[str, str]) -> list[Entry]:
    """The entries of send-notification on the instance. BenchmarkError when one is an error."""
    entries = world.server.execute(SEND, {**args, "using": instance.name})
    errors = [entry["Contents"] for entry in entries if entry["Type"] == ERROR]
    if errors:
        raise BenchmarkError(f"{SEND} of {instance.name} failed: {errors[0]}")
    return entries


def starting(plan: Plan) -> dict[str, float]:
    """Milliseconds from the first line of a command's code to its first call of AWS, and the same of boto3 alone."""
    with stage() as world:
        source = BEGUN + world.instance.integration.source
        ours, alone = program(world, "pack", source), program(world, "boto_alone")
        moments = _Moments(world)
        starts = [(moments.of(ours), moments.of(alone)) for _ in range(plan.starts)]
    return {
        "start.pack": median(pack["request"] for pack, _ in starts),
        "start.boto": median(boto["request"] for _, boto in starts),
        "start.import": median(boto["imported"] for _, boto in starts),
    }


class _Moments:
    """Notes when a container says something in its debug log, and when its first request reaches AWS."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._noted: dict[str, float] = {}
        world.server.hooks.append(self._on_call)
        world.cloud.hooks.append(self._on_request)

    def of(self, instance: Instance) -> dict[str, float]:
        """Milliseconds since it said `begun`, while it sends a plain text."""
        self._noted.clear()
        _send(self._world, instance, {"to": "+14255550182", "message": "Hello"})
        return {name: 1000 * (at - self._noted["begun"]) for name, at in self._noted.items()}

    def _on_call(self, call: Call) -> None:
        if call.name == "debug" and call.phase == "before":
            self._note(call.args["text"])

    def _on_request(self, _request: Request, _phase: Any) -> None:
        self._note("request")

    def _note(self, name: str) -> None:
        self._noted.setdefault(name, time.perf_counter())
