"""Incidents: war room, context, waiting tasks and entitlements."""

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Entry = dict[str, Any]
DEFAULT_BRANCH = "#default#"
NOTE, ERROR = 1, 4


class IncidentError(ValueError):
    """What the server refuses, in a sentence. Arrives in a container as ValueError."""


@dataclass(frozen=True)
class Answer:
    """One call of handleEntitlementForUser, as it came. `time` is monotonic; a repeated answer is not `effective`."""

    incident: str
    guid: str
    email: str
    content: str
    task: str
    time: float
    effective: bool


@dataclass
class Entitlement:
    guid: str
    persistent: bool = False
    reply_entries_tag: str = ""
    uses: int = 0


@dataclass
class Task:
    """A playbook task that waits for an answer. `completed_at` is monotonic seconds, `entry` the id of the answer's."""

    number: str
    name: str
    tag: str = ""
    branches: tuple[str, ...] = ()
    content: str | None = None
    branch: str | None = None
    completed_at: float | None = None
    entry: str = ""
    _completed: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def completed(self) -> bool:
        return self._completed.is_set()

    def complete(self, content: str, entry: str = "") -> None:
        self.content, self.entry = content, entry
        self.branch = next((label for label in self.branches if label.lower() == content.lower()), DEFAULT_BRANCH)
        self.completed_at = time.monotonic()
        self._completed.set()

    def wait(self, timeout: float = 10) -> str:
        """The branch taken, once it is. Raises TimeoutError after `timeout` seconds."""
        if not self._completed.wait(timeout):
            raise TimeoutError(f"Task #{self.number} ({self.name}) still waits for an answer after {timeout} seconds.")
        return self.branch or DEFAULT_BRANCH


class Incident:
    """Safe to use from several threads."""

    def __init__(self, number: str, name: str = "", *, is_playground: bool = False) -> None:
        self.id = number
        self.name = name or f"Incident {number}"
        self.is_playground = is_playground
        self.war_room: list[Entry] = []
        self.context: dict[str, Any] = {}
        self.tasks: list[Task] = []
        self.entitlements: dict[str, Entitlement] = {}
        self._lock = threading.RLock()

    def investigation(self) -> dict[str, Any]:
        """What `demisto.investigation()` returns in this incident."""
        return {"id": self.id, "name": self.name, "type": 9 if self.is_playground else 0, "status": 0, "users": []}

    def add_task(
        self, name: str = "Ask", number: str | None = None, tag: str = "", branches: Sequence[str] = ("Yes", "No")
    ) -> Task:
        """A task that waits from now on; its number is the next free one when none is given."""
        with self._lock:
            task = Task(number or str(len(self.tasks) + 1), name, tag, tuple(branches))
            self.tasks.append(task)
            return task

    def add_entry(self, entry: Entry) -> Entry:
        with self._lock:
            entry = {**entry, "ID": f"{len(self.war_room) + 1}@{self.id}"}
            self.war_room.append(entry)
            return entry

    def add_result(self, entry: Entry) -> Entry:
        """Add what a command returned: its entry to the war room, its outputs to the context."""
        with self._lock:
            merge(self.context, entry.get("EntryContext") or {})
            return self.add_entry(entry)

    def entry(self, number: str) -> Entry:
        """The war room entry with that id. Raises IncidentError when there is none."""
        with self._lock:
            found = next((entry for entry in self.war_room if entry["ID"] == number), None)
        if found is None:
            raise IncidentError(f"There is no entry {number} in incident {self.id}.")
        return found

    def register(self, entitlement: Entitlement) -> None:
        with self._lock:
            self.entitlements[entitlement.guid.lower()] = entitlement

    def answer(self, guid: str, email: str, content: str, task: str) -> tuple[bool, Task | None]:
        """Whether it had an effect, and the task it completed.

        A one-time entitlement answers once; a persistent one adds an entry each time. A task is completed once. Raises
        IncidentError when the GUID is not registered here.
        """
        with self._lock:
            entitlement = self.entitlements.get(guid.lower())
            if entitlement is None:
                raise IncidentError(f"Entitlement {guid} is not registered in incident {self.id}.")
            if entitlement.uses and not entitlement.persistent:
                return False, None
            entitlement.uses += 1
            entry = self.add_entry(_answer_entry(content, email, entitlement.reply_entries_tag))
            return True, self._complete(task, content, entry["ID"])

    def _complete(self, task: str, content: str, entry: str) -> Task | None:
        waiting = self._waiting(task)
        if waiting is not None:
            waiting.complete(content, entry)
        return waiting

    def _waiting(self, task: str) -> Task | None:
        named = (item for item in self.tasks if task and task in (item.number, item.tag))
        return next((item for item in named if not item.completed), None)


def _answer_entry(content: str, email: str, tag: str) -> Entry:
    tags = [tag] if tag else []
    return {"Type": NOTE, "ContentsFormat": "text", "Contents": content, "User": email, "Tags": tags}


def error_entry(text: str) -> Entry:
    return {"Type": ERROR, "ContentsFormat": "text", "Contents": text}


PATH = re.compile(r"([^()]+)(?:\((.*)\))?", re.DOTALL)
SAME = re.compile(r"val\.([\w.]+)\s*==\s*obj\.\1")


def merge(context: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Put a command's outputs into a context as the server does.

    `Prefix(val.Key && val.Key == obj.Key)` updates the object with that key or adds a new one; a path alone adds.
    """
    for expression, value in outputs.items():
        match = PATH.fullmatch(expression)
        path, condition = (match[1], match[2]) if match else (expression, None)
        *parents, last = path.split(".")
        parent = _descend(context, parents)
        parent[last] = _added(parent.get(last), value, SAME.findall(condition or ""))


def _descend(context: dict[str, Any], path: list[str]) -> dict[str, Any]:
    for part in path:
        child = context.setdefault(part, {})
        if isinstance(child, list) and isinstance(child[-1], dict):
            child = child[-1]
        if not isinstance(child, dict):
            child = context[part] = {}
        context = child
    return context


def _added(present: Any, new: Any, keys: list[str]) -> Any:
    if present is None:
        return new
    items = list(present) if isinstance(present, list) else [present]
    for item in new if isinstance(new, list) else [new]:
        _upsert(items, item, keys)
    return items[0] if len(items) == 1 and not isinstance(present, list) else items


def _upsert(items: list[Any], item: Any, keys: list[str]) -> None:
    same = next((index for index, old in enumerate(items) if _same(old, item, keys)), None)
    if same is None:
        items.append(item)
    else:
        items[same] = {**items[same], **item}


def _same(old: Any, new: Any, keys: list[str]) -> bool:
    if not (keys and isinstance(old, dict) and isinstance(new, dict)):
        return False
    return all(old.get(key) is not None and old.get(key) == new.get(key) for key in keys)
