"""Five hundred questions end within seconds: each is told once and soon, whatever becomes of one of them."""

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from statistics import median
from typing import Any

from emulator.aws_protocol import Request
from emulator.cloud import Phase
from emulator.incidents import Entitlement, Task
from emulator.world import World
from tests.faults import TELL, Refusal, ask, listed, stage, wait_for_polls

QUESTIONS = 500
SECONDS = 3.0
SLACK = 0.3  # seconds, for a machine with much else to do
BUSY = RuntimeError("the server is busy")
SENTENCE = "XSOAR did not take the answer: RuntimeError: the server is busy."


class Polls:
    """When the only poller asks for replies, and how long it then works, in monotonic seconds."""

    def __init__(self, world: World) -> None:
        self.starts: list[float] = []
        self.work: list[float] = []
        self._returned = 0.0
        world.cloud.hooks.append(self._on_request)

    @property
    def longest(self) -> float:
        """From one request to the next: the wait for replies and the work."""
        return max(after - before for before, after in pairwise(self.starts))

    def _on_request(self, request: Request, phase: Phase) -> None:
        if request.operation != "ReceiveMessage":
            return
        now = time.monotonic()
        if phase == "after":
            self._returned = now
            return
        self.starts.append(now)
        if self._returned:
            self.work.append(now - self._returned)


def ask_all(world: World) -> dict[str, tuple[Task, float]]:
    """Put so many questions into the context as send-notification does, each with a phone, an incident and an end of
    its own; their tasks and ends (monotonic seconds), by GUID."""
    ask(world, lifetime="1 hour", defaultResponse="NoResponse")
    world.phone("+14255550182").expects("Deploy?")
    context, version = world.instance.context.read()
    (pattern,) = json.loads(context["entitlements"])
    first, now = time.time() + 1, time.monotonic() - time.time()
    questions, asked = [pattern], {}
    for number in range(QUESTIONS):
        expires, guid, incident = first + SECONDS * number / QUESTIONS, str(uuid.uuid4()), world.incident()
        asked[guid] = (incident.add_task(), expires + now)
        incident.register(Entitlement(guid))
        phone = f"+1425555{1000 + number}"
        questions.append({**pattern, "guid": guid, "incident": incident.id, "phone": phone, "expires": expires})
    world.instance.context.write({**context, "entitlements": json.dumps(questions)}, version)
    return asked


def only(guid: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda args: args["guid"] == guid


def test_all_are_told_once_within_a_poll_and_a_broken_one_holds_up_nobody(
    record_property: Callable[[str, object], None],
) -> None:
    """
    Given 500 open questions that end over three seconds, and XSOAR, which refuses one of the first for ever.
    When a poller runs.
    Then each other task has the default response, told once and within a poll of its end; the one shows its error.
    """
    with stage() as world:
        polls, asked = Polls(world), ask_all(world)
        broken = list(asked)[7]
        with Refusal(world, TELL, BUSY, only=only(broken)) as refusal:
            world.start_poller()
            world.wait_until(lambda: len(world.server.answers) >= QUESTIONS - 1, "all told", within=20)
            world.wait_until(lambda: refusal.count >= 3, "the one told again")
            wait_for_polls(world, 1)
        late = {
            answer.guid: answer.time - max(asked[answer.guid][1], polls.starts[0]) for answer in world.server.answers
        }
        assert (len(world.server.answers), len(late), broken in late) == (QUESTIONS - 1, QUESTIONS - 1, False)
        assert [task.content for task, _ in asked.values()].count("NoResponse") == QUESTIONS - 1
        # A question that ends right after a look at what time brings is told by the next look.
        assert max(late.values()) < polls.longest + max(polls.work) + SLACK
        rows = Counter((row["Status"], row["Error"]) for row in listed(world).values())
        assert rows == {("Expired", None): 499, ("Delivering the answer", SENTENCE): 1, ("Open", None): 1}
        world.expect_log_error(SENTENCE)
    record_property(
        "printed",
        f"{QUESTIONS} ends in {SECONDS:g} s: a poll took {1000 * median(polls.work):.0f} ms (median), "
        f"{1000 * max(polls.work):.0f} ms at most; told {median(late.values()):.1f} s (median) and "
        f"{max(late.values()):.1f} s at most after the end.",
    )
