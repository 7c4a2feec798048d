"""Faults for the tests, and the rules of the pack that have to hold whatever fails.

The effects of asking and of answering stand here in their order; `gaps` makes a test's table of them. A `Killer` ends a
container's process in one gap, a `Hold` stops it there for a while, `Refusal` and `Interruption` disturb its calls on
the server.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest

from emulator.aws_protocol import Request
from emulator.cloud import Cloud
from emulator.container import Container
from emulator.incidents import ERROR, Entry, Incident, Task
from emulator.server import Call
from emulator.world import World

PHONE = "+14255550182"
POLLER = "long-running-execution"
SEND = "send-notification"
INJECT = "aws-sns-sms-inject-reply"
CANCEL = "aws-sns-sms-cancel-entitlement"
SCRIPT = "SMSAskUser"
READ = "getIntegrationContextVersioned"
WRITE = "setIntegrationContextVersioned"
TELL = "handleEntitlementForUser"
SERVER_CALLS = frozenset({READ, WRITE, TELL, "executeCommand", "results"})

Moment = Literal["before", "after"]


# The effects and the gaps between them


@dataclass(frozen=True)
class Effect:
    """A call that changes something outside its container; `name` in words, `nth` counts from 1 within a container."""

    name: str
    call: str
    nth: int = 1


@dataclass(frozen=True)
class Gap:
    """An instant: the effect will never happen, or it has happened and its container never learns of it."""

    effect: Effect
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment} {self.effect.name}"


RECEIVE = Effect("taking the replies", "ReceiveMessage")
CLAIM = Effect("the claim", WRITE)
TELL_FIRST = Effect("telling the first answer", TELL)
TELL_SECOND = Effect("telling the second answer", TELL, 2)
SETTLE = Effect("settling", WRITE, 2)
THANK = Effect("the first thank-you", "Publish")
THANK_SECOND = Effect("the second thank-you", "Publish", 2)
DELETE = Effect("deleting the replies", "DeleteMessageBatch")
# Two replies in one batch. The thank-yous go out in threads, beside each other and beside the deletion.
ANSWERING = (RECEIVE, CLAIM, TELL_FIRST, TELL_SECOND, SETTLE, THANK, THANK_SECOND, DELETE)

# A question that ends without a reply: by itself, or by an operator who gives a response. Nobody gets a text.
ENDING = (CLAIM, TELL_FIRST, SETTLE)

# One reply that answers nothing. What it counts for is written once; its text, if any, leaves after that.
RECORD = Effect("recording the reply", WRITE)
EXPLAIN = Effect("the text that explains", "Publish")
EXPLAINING = (RECEIVE, RECORD, EXPLAIN, DELETE)
RECORDING = (RECEIVE, RECORD, DELETE)

REGISTER = Effect("registering", WRITE)
PUBLISH = Effect("sending", "Publish")
NOTE = Effect("noting when it was sent", WRITE, 2)
WITHDRAW = Effect("taking out what was refused", WRITE, 2)
ASKING = (REGISTER, PUBLISH, NOTE)


def gaps(effects: Sequence[Effect]) -> list[Any]:
    """Every gap as a pytest parameter with its id in words: before the first effect and after each.

    `before` the others is the same gap as `after` the one in front, for a killed process knows no answer under way.
    """
    every = [Gap(effects[0], "before"), *(Gap(effect, "after") for effect in effects)]
    return [pytest.param(gap, id=str(gap)) for gap in every]


# The faults


class Killer:
    """SIGKILL to one container, once: the first one of `command` that does something from now on, in `gap`.

    AWS requests are taken to be that container's, so no other one may be busy meanwhile. A request killed `before` its
    effect never reaches AWS.
    """

    def __init__(self, world: World, command: str, gap: Gap) -> None:
        self.victim: Container | None = None
        self._world, self._command, self._gap = world, command, gap
        self._seen = 0
        self._struck = threading.Event()
        self._lock = threading.Lock()
        world.server.hooks.append(self._on_call)
        world.cloud.hooks.append(self._on_request)

    def wait(self, within: float = 10) -> None:
        """Wait until it has struck and the process is gone. AssertionError when the gap was never reached."""
        assert self._struck.wait(within), f"{self._command} was never {self._gap}."
        assert self.victim is not None
        self.victim.wait(within)

    def _on_call(self, call: Call) -> None:
        if call.container.command != self._command:
            return
        self.victim = self.victim or call.container
        if call.container is self.victim and self._is_the_instant(call.name, call.phase):
            self.victim.kill()

    def _on_request(self, request: Request, phase: Moment) -> None:
        if self.victim is None or not self._is_the_instant(request.operation, phase):
            return
        if phase == "before":
            self._world.cloud.fail(request.operation, "InternalError", status=500)
        self.victim.kill()

    def _is_the_instant(self, name: str, phase: Moment) -> bool:
        if (name, phase) != (self._gap.effect.call, self._gap.moment):
            return False
        with self._lock:
            self._seen += 1
            struck = self._seen == self._gap.effect.nth
        if struck:
            self._struck.set()
        return struck


@contextmanager
def hooked(world: World, hook: Callable[[Call], None]) -> Iterator[None]:
    """Call `hook` at every call of a container while the block runs."""
    world.server.hooks.append(hook)
    try:
        yield
    finally:
        world.server.hooks.remove(hook)


class Hold:
    """Stops one container of `command`, the first that does something from now on, right before its `effect`.

    A context manager: `wait` until it stands there, `release` lets it go on, at the latest when the block is left.
    """

    def __init__(self, world: World, command: str, effect: Effect) -> None:
        self._world, self._command, self._effect = world, command, effect
        self._container: Container | None = None
        self._seen = 0
        self._reached, self._released = threading.Event(), threading.Event()

    def __enter__(self) -> "Hold":
        self._world.server.hooks.append(self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._world.server.hooks.remove(self._stop)
        self.release()

    def wait(self, within: float = 10) -> None:
        """Wait until the container stands there. AssertionError when it never did."""
        assert self._reached.wait(within), f"{self._command} never came to {self._effect.name}."

    def release(self) -> None:
        self._released.set()

    def _stop(self, call: Call) -> None:
        if call.container.command != self._command or call.phase != "before":
            return
        self._container = self._container or call.container
        if call.container is not self._container or call.name != self._effect.call:
            return
        self._seen += 1
        if self._seen == self._effect.nth:
            self._reached.set()
            self._released.wait(30)


class Refusal:
    """Makes a call of the containers of `command` (None: all) raise `error`, `times` times (None: always).

    It does so at `moment`, before or after the effect. A context manager; `count` is how often it has raised, `only`
    picks the calls by their arguments.
    """

    def __init__(
        self,
        world: World,
        call: str,
        error: Exception,
        *,
        command: str | None = None,
        times: int | None = None,
        moment: Moment = "before",
        only: Callable[[Mapping[str, Any]], bool] = lambda _: True,
    ) -> None:
        self.count = 0
        self._world, self._call, self._error = world, call, error
        self._command, self._times, self._moment, self._only = command, times, moment, only

    def __enter__(self) -> "Refusal":
        self._world.server.hooks.append(self._refuse)
        return self

    def __exit__(self, *_: object) -> None:
        self._world.server.hooks.remove(self._refuse)

    def _refuse(self, call: Call) -> None:
        if (call.name, call.phase) != (self._call, self._moment) or not self._only(call.args):
            return
        if self._command in (None, call.container.command) and (self._times is None or self.count < self._times):
            self.count += 1
            raise self._error


class Interruption:
    """Runs `action` right before the `effect` of a container of `command`, for its first `times` calls of that kind."""

    def __init__(
        self, world: World, command: str, effect: Effect, action: Callable[[], object], times: int = 1
    ) -> None:
        self.count = 0
        self._command, self._effect, self._action, self._times = command, effect, action, times
        self._container: Container | None = None
        self._seen = 0
        world.server.hooks.append(self._interrupt)

    def _interrupt(self, call: Call) -> None:
        if (call.container.command, call.name, call.phase) != (self._command, self._effect.call, "before"):
            return
        # The action may run a container of the same command.
        self._container = self._container or call.container
        if call.container is not self._container:
            return
        self._seen += 1
        if self._seen >= self._effect.nth and self.count < self._times:
            self.count += 1
            self._action()


# The stage and its people


def stage(*, visibility: int = 1, cloud: Cloud | None = None, **params: Any) -> World:
    """A world whose queue gives a reply back after `visibility` seconds and whose poller waits a second for one."""
    return World({"pollInterval": "1", **params}, cloud=cloud or Cloud(visibility_timeout=visibility))


@dataclass(frozen=True)
class Asked:
    """A question that a phone got: its task, its entitlement and its codes by option."""

    incident: Incident
    task: Task
    phone: str
    entitlement: str
    codes: Mapping[str, str]

    @property
    def guid(self) -> str:
        return self.entitlement.partition("@")[0]

    def thanks(self, option: str) -> str:
        return f"{self.codes[option]} - Thank you for your response!"


def new_entitlement(world: World, incident: Incident, task: Task) -> str:
    """GUID@incident|task, registered on the server."""
    guid = world.server.execute("addEntitlement", {}, incident)[0]["Contents"]
    return f"{guid}@{incident.id}|{task.number}"


def send(world: World, entitlement: str, phone: str = PHONE, text: str = "Deploy?", **terms: str) -> Entry:
    """What send-notification returns for a question with the options Yes and No."""
    message = f"{text} - Reply Yes or No: {entitlement}"
    return world.server.execute(SEND, {"to": phone, "message": message, **terms})[0]


def ask(world: World, phone: str = PHONE, text: str = "Deploy?", **terms: str) -> Asked:
    """Ask by send-notification for a task of its own in an incident of its own; the text stays unread."""
    incident = world.incident()
    task = incident.add_task()
    entitlement = new_entitlement(world, incident, task)
    entry = send(world, entitlement, phone, text, **terms)
    assert entry["Type"] != ERROR, entry["Contents"]
    codes = entry["Contents"]["CodesToOptions"]
    return Asked(incident, task, phone, entitlement, {option: code for code, option in codes.items()})


def ask_too(world: World, asked: Asked, phone: str) -> Asked:
    """As if the question had been sent to another phone too, with the same codes and without a text."""

    def copied(stored: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [*stored, *({**item, "phone": phone} for item in stored if item["guid"] == asked.guid)]

    change_questions(world, copied)
    return replace(asked, phone=phone)


def ask_many(world: World, phones: Sequence[str], text: str = "Deploy?") -> list[Asked]:
    """Ask each phone once, as many at a time as there are cores; reads the texts of the questions."""
    with ThreadPoolExecutor(2) as pool:
        asked = list(pool.map(lambda phone: ask(world, phone, text), phones))
    for phone in phones:
        world.phone(phone).expects(text)
    return asked


MOMENTS = ("created", "expires", "published")


def let_pass(world: World, seconds: float) -> None:
    """As if so many seconds had passed: every question on the instance was asked, and ends, so much earlier."""

    def earlier(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, **{name: item[name] - seconds for name in MOMENTS if item[name] is not None}}

    change_questions(world, lambda stored: [earlier(item) for item in stored])


def let_end_in(world: World, seconds: float) -> float:
    """Let every question on the instance end so soon; when that is, in seconds since 1970."""
    end = time.time() + seconds
    change_questions(world, lambda stored: [{**item, "expires": end} for item in stored])
    return end


def change_questions(world: World, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Change what is stored of the questions, beside the containers that do."""
    while True:
        context, version = world.instance.context.read()
        questions = change(json.loads(context["entitlements"]))
        try:
            world.instance.context.write({**context, "entitlements": json.dumps(questions)}, version)
        except ValueError:  # a container was faster
            continue
        return


def stored(world: World, question: Asked) -> dict[str, Any]:
    """What is stored of the question to its phone."""
    questions = json.loads(world.instance.context.read()[0]["entitlements"])
    return next(item for item in questions if (item["guid"], item["phone"]) == (question.guid, question.phone))


def error_of(entry: Entry) -> str:
    """The sentence of an error entry; AssertionError when it is none."""
    assert entry["Type"] == ERROR, entry
    return str(entry["Contents"])


# The rules


def listed(world: World) -> dict[str, dict[str, Any]]:
    """What list-entitlements shows of every question kept, by entitlement."""
    return {row["EntitlementID"]: row for row in _rows(world)}


def statuses(world: World, question: Asked) -> dict[str, str]:
    """The status that list-entitlements shows of a question, by phone."""
    return {row["PhoneNumber"]: row["Status"] for row in _rows(world) if row["EntitlementID"] == question.entitlement}


def _rows(world: World) -> list[dict[str, Any]]:
    entry = world.server.execute("aws-sns-sms-list-entitlements", {"show_answered": "true"})[0]
    assert entry["Type"] != ERROR, entry["Contents"]
    return [row for rows in (entry.get("EntryContext") or {}).values() for row in rows]


def wait_until_settled(world: World, question: Asked) -> None:
    """Wait until what the question ended with, on this phone, is on record as told."""
    world.wait_until(lambda: bool(stored(world, question).get("claim", {}).get("told_at")), "a settled claim")


def wait_for_polls(world: World, count: int) -> None:
    """Wait until the queue has been polled so many times from now on."""
    polls = len(world.cloud.requests("ReceiveMessage"))
    world.wait_until(lambda: len(world.cloud.requests("ReceiveMessage")) >= polls + count, f"{count} polls")


def wait_until_idle(world: World) -> None:
    """Wait until the queue is empty and the poller, having handed over what it has to say, polls it again."""
    world.wait_until(lambda: world.cloud.queue_depth() == 0, "an empty queue")
    wait_for_polls(world, 1)


def assert_ended_once(world: World, question: Asked, response: str, ending: str) -> None:
    """XSOAR was told the response and nothing else, which completed the task once, and it is on record so.

    The question is the copy of it on the phone that answered, where there are several.
    """
    wait_until_settled(world, question)
    assert (question.task.content, told(world, question)) == (response, ({response}, 1))
    claim = stored(world, question)["claim"]
    assert (claim["option"], claim["ending"]) == (response, ending)


def assert_answered_once(
    world: World, chosen: Sequence[tuple[Asked, str]], *, explained: Sequence[str] = (), phone: str = PHONE
) -> None:
    """Each question was answered once with its option, which is on record, and thanked for at most once.

    Nothing else was texted to its phone but the texts that `explained` other replies of `phone`, each as often as it
    stands there, and nothing is left on the queue.
    """
    for question, option in chosen:
        assert question.task.wait(10) == option
    wait_until_idle(world)
    rows = listed(world)
    for question, option in chosen:
        assert told(world, question) == ({option}, 1)
        row = rows[question.entitlement]
        assert (row["Answered"], row["ChosenOption"]) == (True, option)
    assert_thanked_at_most_once(world, chosen, [(phone, text) for text in explained])


def told(world: World, question: Asked) -> tuple[set[str], int]:
    """The options that XSOAR was told for a question, and how many of these calls had an effect."""
    answers = [answer for answer in world.server.answers if answer.guid == question.guid]
    return {answer.content for answer in answers}, sum(answer.effective for answer in answers)


def assert_thanked_at_most_once(
    world: World, chosen: Sequence[tuple[Asked, str]], explained: Sequence[tuple[str, str]] = ()
) -> None:
    """Each question got at most one thank-you so far. Unread texts are thank-yous too, and count as read then.

    So do the texts that `explained` other replies, by phone; it waits for these.
    """
    due = [(question.phone, question.thanks(option)) for question, option in chosen]
    got = [(text.phone, text.text) for text in world.cloud.texts]
    assert [thanks for thanks in due if got.count(thanks) > 1] == []
    for phone, text in explained:
        world.wait_until(lambda phone=phone, text=text: text in world.phone(phone).unexpected(), text)  # type: ignore[misc]
    phones = {phone for phone, _ in [*due, *explained]}
    unread = [(phone, text) for phone in phones for text in read_all(world, phone)]
    assert sorted(text for text in unread if text not in due) == sorted(explained)


def read(world: World, count: int, phone: str = PHONE) -> list[str]:
    """Wait for so many unread texts of a phone and read them: thank-yous come in no order."""
    return [world.phone(phone).expects() for _ in range(count)]


def read_all(world: World, phone: str = PHONE) -> list[str]:
    """Read every text of a phone that is there unread."""
    return [world.phone(phone).expects() for _ in world.phone(phone).unexpected()]
