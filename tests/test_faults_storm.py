"""Thirty containers write the integration context at once: no update is lost."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from emulator.incidents import ERROR
from emulator.server import Call
from tests.faults import PHONE, WRITE, hooked, listed, new_entitlement, send, stage

WRITERS = 30


def test_thirty_asks_to_one_phone_at_once_are_all_kept(record_property: Callable[[str, object], None]) -> None:
    # Given thirty containers of send-notification that have all read the empty context
    barrier = threading.Barrier(WRITERS, timeout=90)
    met: set[int] = set()

    def meet(call: Call) -> None:
        """Let all of them read before any of them writes."""
        if (call.name, call.phase) == (WRITE, "before") and call.container.pid not in met:
            met.add(call.container.pid)
            barrier.wait()

    with stage(replyCodeMode="sequential") as world:
        world.server.timeout = 100
        incidents = [world.incident() for _ in range(WRITERS)]
        entitlements = [new_entitlement(world, incident, incident.add_task()) for incident in incidents]
        # When they write
        with hooked(world, meet), ThreadPoolExecutor(WRITERS) as pool:
            entries = list(pool.map(lambda entitlement: send(world, entitlement), entitlements))
        # Then each question is kept with codes of its own, was sent with them, and has its time noted
        assert [entry["Contents"] for entry in entries if entry["Type"] == ERROR] == []
        assert sorted(listed(world)) == sorted(entitlements)
        codes = [int(code) for entry in entries for code in entry["Contents"]["CodesToOptions"]]
        assert sorted(codes) == list(range(1, 2 * WRITERS + 1))
        offered = [world.phone(PHONE).codes(world.phone(PHONE).expects("Deploy?"))["Yes"] for _ in entries]
        assert sorted(map(int, offered)) == list(range(1, 2 * WRITERS + 1, 2))
        context, version = world.instance.context.read()
        questions = json.loads(context["entitlements"])
        assert [question["guid"] for question in questions if "published" not in question] == []
        # And every write counted once: each container registered, and noted when it was sent
        conflicts = world.instance.context.counters.conflicts
        assert (version, conflicts >= WRITERS - 1) == (2 * WRITERS, True)
    record_property("printed", f"Storm: {WRITERS} writers at once, 0 updates lost, {conflicts} conflicts survived.")
