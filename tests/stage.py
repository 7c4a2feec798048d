"""What the end-to-end tests have in common: worlds that tests share, and asking a question in one line."""

import itertools
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from emulator.cloud import Text
from emulator.incidents import ERROR, Entitlement, Entry, Incident, Task
from emulator.phone import Phone
from emulator.world import World

FAILURE = "We couldn't process your response. Please respond with one of the available reply codes: "
CLOSED = "This question is closed, your reply came too late."
SOMEONE_ELSE = "This question was answered by someone else."

Made = TypeVar("Made")

# AWS's emulation takes numbers that end in 99 for opted out.
_lines = (number for number in itertools.count(1000) if number % 100 != 99)


class SharedWorld(World):
    """A world of several tests, whose poller runs. `check` complains of what the last one left."""

    _excused = 0

    def __init__(self, params: Mapping[str, Any] | None = None, **settings: Any) -> None:
        super().__init__(params, **settings)
        self._remembered: dict[str, Any] = {}

    def __enter__(self) -> "SharedWorld":
        super().__enter__()
        self.poller = self.start_poller()
        return self

    def errors(self) -> list[str]:
        """The errors in logs since the last check."""
        return super().errors()[self._excused :]

    def check(self) -> None:
        """AssertionError as when a world is left; what was complained of or expected counts once."""
        self._settle()
        self._complain()
        assert indiscretions(self) == []
        self._excused += len(self.errors())
        self._expected_errors.clear()

    def new_phone(self) -> Phone:
        """A phone that no test had before."""
        return self.phone(f"+1425555{next(_lines)}")

    def remember(self, name: str, make: Callable[[], Made]) -> Made:
        """What `make` made when it was first asked for in this world."""
        if name not in self._remembered:
            self._remembered[name] = make()
        made: Made = self._remembered[name]
        return made


def indiscretions(world: World) -> list[str]:
    """Lines above debug level that hold a whole phone number or the first line of a text that was sent."""
    sent = {text.phone.lstrip("+") for text in world.cloud.texts} | {
        text.text.split("\n")[0] for text in world.cloud.texts
    }
    secrets = [secret for secret in sent if len(secret) > 8]
    lines = [line.text for line in world.server.log if line.level != "debug"]
    return [line for line in lines if any(secret in line for secret in secrets)]


@dataclass(frozen=True)
class Asked:
    """A question as the phone got it: `codes` by option."""

    to: str
    entry: Entry
    incident: Incident
    task: Task
    text: str
    codes: Mapping[str, str]


def ask(
    world: World,
    phone: Phone,
    message: str = "Restart the server?",
    options: Sequence[str] = ("Yes", "No"),
    incident: Incident | None = None,
    **arguments: str,
) -> Asked:
    """Ask with SMSAskUser for a new task of the incident (a new one unless told); the phone reads the text."""
    incident = incident or world.incident()
    task = incident.add_task(branches=options)
    named = {f"option{place}": option for place, option in enumerate(options, 1)}
    given = {"phone": phone.number, "message": message, "task": task.number, **named, **arguments}
    entry = only(world.server.execute("SMSAskUser", given, incident))
    return _read(phone, entry, incident, task)


def ask_directly(
    world: World, phone: Phone, options: Sequence[str] = ("Yes", "No"), message: str = "Restart the server?"
) -> Asked:
    """The same without the automation, which saves its container, and with up to ten options."""
    incident = world.incident()
    task = incident.add_task(branches=options)
    entry = send(world, phone.number, question(message, options, entitlement(incident, task.number)))
    return _read(phone, entry, incident, task)


def _read(phone: Phone, entry: Entry, incident: Incident, task: Task) -> Asked:
    assert entry["Type"] != ERROR, entry["Contents"]
    text = phone.expects()
    return Asked(phone.number, entry, incident, task, text, phone.codes(text))


def ask_also(world: World, asked: Asked, phone: Phone) -> None:
    """As if the question had been sent to this phone too, with the same codes: a question it has open, at no cost."""
    context, version = world.instance.context.read()
    questions = json.loads(context["entitlements"])
    original = next(item for item in questions if item["incident"] == asked.incident.id)
    questions.append({**original, "phone": phone.number})
    world.instance.context.write({**context, "entitlements": json.dumps(questions)}, version)


def send(world: World, to: str, message: str, **arguments: str) -> Entry:
    """What send-notification returned."""
    return only(world.server.execute("send-notification", {"to": to, "message": message, **arguments}))


def entitlement(incident: Incident, task: str = "") -> str:
    """A new entitlement of the incident, as it travels in a message."""
    guid = str(uuid.uuid4())
    incident.register(Entitlement(guid))
    return f"{guid}@{incident.id}|{task}" if task else f"{guid}@{incident.id}"


def question(message: str, options: Iterable[str], token: str) -> str:
    """The text that SMSAskUser makes."""
    return f"{message} - Reply {' or '.join(options)}: {token}"


def only(entries: Sequence[Entry]) -> Entry:
    """The one entry that a command is to return."""
    assert len(entries) == 1, entries
    return entries[0]


def error_of(entries: Sequence[Entry]) -> str:
    """The sentence of the one entry, which is an error and no traceback."""
    entry = only(entries)
    assert entry["Type"] == ERROR, entry
    assert "Traceback" not in str(entry)
    return str(entry["Contents"])


def readable(entry: Entry) -> str:
    """What an analyst reads in the war room."""
    return str(entry.get("HumanReadable") or entry["Contents"])


def outputs(entry: Entry, path: str) -> Any:
    """What the entry puts into the context at the path, whatever its key."""
    (value,) = (value for key, value in entry["EntryContext"].items() if key.partition("(")[0] == path)
    return value


def texts_of(world: World, phone: Phone) -> list[Text]:
    """Everything that was sent to the phone."""
    return [text for text in world.cloud.texts if text.phone == phone.number]
