"""Runs playbooks from their YAML on the emulated server: what the playbooks of this pack are made of, and no more.

Start, title, automation and command tasks, conditions (manual, or with isEqualString, isNotEmpty and isEmpty),
sub-playbooks, Set, Sleep and PrintErrorEntry; arguments with `simple`, or `complex` of root, accessor and the
transformers splitAndTrim and atIndex. Anything else is a PlaybookError when the file is read. A manual condition is a
waiting task of the incident, so an answer that reaches the server completes it.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from emulator.incidents import DEFAULT_BRANCH, ERROR, Entry, Incident, Task, error_entry, merge
from emulator.server import Server

NEXT, ON_ERROR = "#none#", "#error#"
PAUSE, JOIN_SECONDS = 0.01, 10.0
REFERENCE = re.compile(r"\$\{([^}]*)\}")
PATH = re.compile(r"[\w.\- ]+")
NODE_KEYS = {"id", "taskid", "type", "task", "nexttasks", "scriptarguments", "conditions", "separatecontext", "loop"}
NODE_KEYS |= {"continueonerror", "continueonerrortype", "view"}
# What exports carry and what has no effect here.
NO_EFFECT = {"note", "timertriggers", "ignoreworker", "skipunavailable", "quietmode", "isoversize"}
NO_EFFECT |= {"isautoswitchedtoquietmode"}
INNER_KEYS = {"id", "version", "name", "description", "type", "iscommand", "brand", "tags"}
INNER_KEYS |= {"scriptName", "script", "playbookName"}
KINDS = ("start", "title", "regular", "condition", "playbook")

Scope = Mapping[str, Any]
Values = dict[str, Any]


class PlaybookError(Exception):
    """A playbook that cannot be read, or that cannot go on, in a sentence."""


# ---- From YAML


@dataclass(frozen=True)
class Node:
    """One task of a playbook. `next` has the ids of what follows by branch, `test` the conditions by label."""

    id: str
    name: str
    kind: str
    tag: str
    script: str
    playbook: str
    next: Mapping[str, tuple[str, ...]]
    arguments: Mapping[str, Any]
    test: tuple[tuple[str, Any], ...]
    own_context: bool
    survives_errors: bool

    @property
    def is_manual(self) -> bool:
        return self.kind == "condition" and not self.test

    @property
    def branches(self) -> list[str]:
        return [label for label in self.next if label != DEFAULT_BRANCH]


@dataclass(frozen=True)
class Playbook:
    """`inputs` has the value of each as the YAML gives it; `outputs` are paths."""

    name: str
    start: str
    nodes: Mapping[str, Node]
    inputs: Mapping[str, Any]
    required: frozenset[str]
    outputs: tuple[str, ...]


def load(folder: Path) -> dict[str, Playbook]:
    """The playbooks in a folder and below, by name. Raises PlaybookError."""
    found = (read(path.read_text("utf-8"), str(path)) for path in sorted(folder.rglob("playbook-*.yml")))
    return {playbook.name: playbook for playbook in found}


def read(text: str, source: str) -> Playbook:
    """The playbook that the YAML describes. Raises PlaybookError, which names the source and what is wrong with it."""
    try:
        document = yaml.safe_load(text)
        return _playbook(document)
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise PlaybookError(f"{source} is no playbook: {type(error).__name__} {error}.") from error
    except PlaybookError as error:
        raise PlaybookError(f"{source}: {error}") from error


def _playbook(document: dict[str, Any]) -> Playbook:
    nodes = {key: _node(node) for key, node in document["tasks"].items()}
    inputs = document.get("inputs") or []
    return Playbook(
        name=document["name"],
        start=document["starttaskid"],
        nodes=nodes,
        inputs={item["key"]: item.get("value") or {} for item in inputs},
        required=frozenset(item["key"] for item in inputs if item.get("required")),
        outputs=tuple(item["contextPath"] for item in document.get("outputs") or []),
    )


def _node(node: dict[str, Any]) -> Node:
    task = node["task"]
    where = f"task #{node['id']}"
    _refuse_unknown(where, node, NODE_KEYS | NO_EFFECT)
    _refuse_unknown(where, task, INNER_KEYS)
    if node["type"] not in KINDS:
        raise PlaybookError(f"{where} is of type {node['type']}; the emulator runs {', '.join(KINDS)}.")
    arguments = node.get("scriptarguments") or {}
    test = tuple((item["label"], item["condition"]) for item in node.get("conditions") or ())
    for value in [*arguments.values(), *_sides(where, test)]:
        _check_value(where, value)
    return Node(
        id=node["id"],
        name=task["name"],
        kind=node["type"],
        tag=_tag(where, task.get("tags") or []),
        script=task.get("scriptName") or task.get("script") or "",
        playbook=task.get("playbookName", ""),
        next={label: tuple(ids) for label, ids in (node.get("nexttasks") or {}).items()},
        arguments=arguments,
        test=test,
        own_context=bool(node.get("separatecontext")),
        survives_errors=bool(node.get("continueonerror")) and node.get("continueonerrortype") == "errorPath",
    )


def _refuse_unknown(where: str, given: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise PlaybookError(f"{where} has {', '.join(unknown)}, which the emulator does not run.")


def _tag(where: str, tags: list[str]) -> str:
    if len(tags) > 1:
        raise PlaybookError(f"{where} has the tags {', '.join(tags)}; the emulator knows one tag of a task.")
    return tags[0] if tags else ""


def _sides(where: str, test: tuple[tuple[str, Any], ...]) -> Iterator[Any]:
    for _, condition in test:
        for item in (item for either in condition for item in either):
            if item["operator"] not in OPERATORS:
                raise PlaybookError(
                    f"{where} compares with {item['operator']}; the emulator has {', '.join(OPERATORS)}."
                )
            yield from (item[side]["value"] for side in ("left", "right") if side in item)


def _check_value(where: str, value: Mapping[str, Any]) -> None:
    _refuse_unknown(where, value, {"simple", "complex"})
    spec = value.get("complex") or {}
    _refuse_unknown(where, spec, {"root", "accessor", "transformers"})
    for transformer in spec.get("transformers") or ():
        if transformer["operator"] not in TRANSFORMERS:
            raise PlaybookError(f"{where} transforms with {transformer['operator']}; not in {', '.join(TRANSFORMERS)}.")
    for path in [spec.get("root", ""), *REFERENCE.findall(str(value.get("simple", "")))]:
        if path and not PATH.fullmatch(path):
            raise PlaybookError(f"{where} has the path {path}; the emulator reads names with dots between them.")


# ---- Values


def lookup(scope: Any, path: str) -> Any:
    """What stands at the path, None for nothing; through a list, the values of its items."""
    for part in path.split("."):
        if isinstance(scope, list):
            found = [item[part] for item in scope if isinstance(item, Mapping) and part in item]
            scope = found or None
        else:
            scope = scope.get(part) if isinstance(scope, Mapping) else None
    return scope


def evaluate(value: Mapping[str, Any], scope: Scope) -> Any:
    """The value of an argument, an input or a side of a comparison."""
    if "complex" in value:
        spec = value["complex"]
        found = lookup(scope, ".".join(filter(None, (spec["root"], spec.get("accessor")))))
        for transformer in spec.get("transformers") or ():
            args = {name: evaluate(item["value"], scope) for name, item in transformer["args"].items()}
            found = TRANSFORMERS[transformer["operator"]](found, args)
        return found
    text = str(value.get("simple", ""))
    whole = REFERENCE.fullmatch(text)
    return lookup(scope, whole[1]) if whole else REFERENCE.sub(lambda found: as_text(lookup(scope, found[1])), text)


def as_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(as_text, value))
    return "" if value is None else str(value)


def _split(value: Any, args: Values) -> list[str]:
    return [part.strip() for part in as_text(value).split(args["delimiter"])] if value else []


def _at_index(value: Any, args: Values) -> Any:
    items, index = value if isinstance(value, list) else [value], int(args["index"])
    return items[index] if index < len(items) else None


TRANSFORMERS: dict[str, Callable[[Any, Values], Any]] = {"splitAndTrim": _split, "atIndex": _at_index}
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "isEqualString": lambda left, right: as_text(left) == as_text(right),
    "isNotEmpty": lambda left, _right: left not in (None, "", [], {}),
    "isEmpty": lambda left, _right: left in (None, "", [], {}),
}


def holds(condition: list[list[Mapping[str, Any]]], scope: Scope) -> bool:
    """All of the groups hold; a group holds when one of its comparisons does."""
    return all(any(_compare(item, scope) for item in either) for either in condition)


def _compare(item: Mapping[str, Any], scope: Scope) -> bool:
    left, right = (evaluate(item[side]["value"], scope) if side in item else None for side in ("left", "right"))
    return OPERATORS[item["operator"]](left, right)


# ---- Running


@dataclass(frozen=True)
class Stage:
    """Where playbooks run. `second` is how long a second of a Sleep task lasts."""

    server: Server
    incident: Incident
    playbooks: Mapping[str, Playbook]
    second: float = 1.0
    on_wait: Callable[[Task], None] = field(default=lambda _task: None)


class Run:
    """One run of a playbook; it goes on whenever `advance` is called, and blocks only while containers run.

    A task that several paths reach runs for the first of them.
    """

    def __init__(self, stage: Stage, playbook: Playbook, inputs: Values, context: Values) -> None:
        self.context = context
        self._stage, self._playbook = stage, playbook
        self._last_entries: list[str] = []
        self._ready = deque([playbook.start])
        self._seen = {playbook.start}
        self._waiting: dict[str, Callable[[], str | None]] = {}
        self._inputs = _inputs(playbook, inputs, {**context, "incident": {"id": stage.incident.id}})

    @property
    def ended(self) -> bool:
        return not self._ready and not self._waiting

    @property
    def outputs(self) -> Values:
        """What the playbook declares as outputs and has put into its context, by path."""
        found = {path: lookup(self.context, path) for path in self._playbook.outputs}
        return {path: value for path, value in found.items() if value is not None}

    def advance(self) -> None:
        """Run everything that can run now. Raises PlaybookError when a task fails or an answer has no branch."""
        self._wake()
        while self._ready:
            node = self._node(self._ready.popleft())
            branch = KINDS_RUN[node.kind](self, node)
            if branch is not None:
                self._follow(node, branch)

    def _wake(self) -> None:
        for identifier, poll in list(self._waiting.items()):
            branch = poll()
            if branch is not None:
                del self._waiting[identifier]
                self._follow(self._node(identifier), branch)

    def _follow(self, node: Node, branch: str) -> None:
        label = branch if branch in node.next else DEFAULT_BRANCH
        if node.kind == "condition" and label not in node.next:
            raise self._failure(node, f"has no branch {branch} and no {DEFAULT_BRANCH}, so the playbook would hang")
        for identifier in node.next.get(label, ()):
            if identifier not in self._seen:
                self._seen.add(identifier)
                self._ready.append(identifier)

    def _node(self, identifier: str) -> Node:
        if identifier not in self._playbook.nodes:
            raise PlaybookError(f"{self._playbook.name} goes on to task #{identifier}, which it does not have.")
        return self._playbook.nodes[identifier]

    def _failure(self, node: Node, what: str) -> PlaybookError:
        return PlaybookError(f"Task #{node.id} “{node.name}” of {self._playbook.name} {what}.")

    @property
    def _scope(self) -> Values:
        own = {"inputs": self._inputs, "lastCompletedTaskEntries": self._last_entries}
        return {**self.context, **own, "incident": {"id": self._stage.incident.id}}

    def _arguments(self, node: Node) -> Values:
        return {name: evaluate(value, self._scope) for name, value in node.arguments.items()}

    # Each kind of task: the branch it takes, or None while it waits

    def _pass(self, _node: Node) -> str:
        return NEXT

    def _regular(self, node: Node) -> str | None:
        if node.script in BUILT_IN:
            return BUILT_IN[node.script](self, node, self._arguments(node))
        entries = [self._stage.incident.add_entry(entry) for entry in self._execute(node)]
        failures = [as_text(entry["Contents"]) for entry in entries if entry["Type"] == ERROR]
        if failures and not (node.survives_errors and ON_ERROR in node.next):
            raise self._failure(node, f"failed: {' '.join(failures)}".rstrip("."))
        for entry in entries:
            merge(self.context, entry.get("EntryContext") or {})
        self._last_entries = [entry["ID"] for entry in entries]
        return ON_ERROR if failures else NEXT

    def _execute(self, node: Node) -> list[Entry]:
        brand, _, command = node.script.rpartition("|||")
        target = {"using-brand": brand} if brand else {}
        arguments = {name: value for name, value in self._arguments(node).items() if value not in (None, "")}
        try:
            return self._stage.server.execute(command, arguments | target, self._stage.incident)
        except ValueError as error:
            return [error_entry(str(error))]

    def _condition(self, node: Node) -> str | None:
        if not node.is_manual:
            labels = (label for label, condition in node.test if holds(condition, self._scope))
            return next(labels, DEFAULT_BRANCH)
        task = self._stage.incident.add_task(node.name, tag=node.tag, branches=node.branches)
        self._waiting[node.id] = lambda: self._answered(task)
        self._stage.on_wait(task)
        return None

    def _answered(self, task: Task) -> str | None:
        if not task.completed:
            return None
        self._last_entries = [task.entry] if task.entry else []
        return task.branch

    def _sub_playbook(self, node: Node) -> None:
        playbook = self._stage.playbooks.get(node.playbook)
        if playbook is None:
            raise self._failure(node, f"calls the playbook {node.playbook}, which there is not")
        run = Run(self._stage, playbook, self._arguments(node), {} if node.own_context else self.context)
        self._waiting[node.id] = lambda: self._sub_ended(run, node)

    def _sub_ended(self, run: "Run", node: Node) -> str | None:
        run.advance()
        if run.ended and node.own_context:
            merge(self.context, run.outputs)
        return NEXT if run.ended else None

    # Built-in automations

    def _set(self, _node: Node, args: Values) -> str:
        parent, _, last = args["key"].rpartition(".")
        container = self.context
        for part in filter(None, parent.split(".")):
            container = container.setdefault(part, {})
        container[last] = args["value"]
        return NEXT

    def _sleep(self, node: Node, args: Values) -> None:
        end = time.monotonic() + float(args["seconds"]) * self._stage.second
        self._waiting[node.id] = lambda: NEXT if time.monotonic() >= end else None

    def _print_error(self, node: Node, args: Values) -> str:
        raise self._failure(node, f"says: {as_text(args['message'])}".rstrip("."))


KINDS_RUN: dict[str, Callable[[Run, Node], str | None]] = {
    "start": Run._pass,
    "title": Run._pass,
    "regular": Run._regular,
    "condition": Run._condition,
    "playbook": Run._sub_playbook,
}
BUILT_IN: dict[str, Callable[[Run, Node, Values], str | None]] = {
    "Set": Run._set,
    "Sleep": Run._sleep,
    "PrintErrorEntry": Run._print_error,
}


def _inputs(playbook: Playbook, given: Values, scope: Values) -> Values:
    unknown = sorted(set(given) - set(playbook.inputs))
    if unknown:
        raise PlaybookError(f"{playbook.name} has no input {', '.join(unknown)}; it has {', '.join(playbook.inputs)}.")
    values = {name: evaluate(value, scope) for name, value in playbook.inputs.items()}
    values |= {name: value for name, value in given.items() if value is not None}
    missing = sorted(name for name in playbook.required if values[name] in (None, ""))
    if missing:
        raise PlaybookError(f"{playbook.name} needs the input {', '.join(missing)}.")
    return values


class Playing:
    """A playbook that runs in a thread beside its caller, at most until it is left."""

    def __init__(self, stage: Stage, name: str, inputs: Values) -> None:
        if name not in stage.playbooks:
            raise PlaybookError(f"There is no playbook {name}; there are {', '.join(stage.playbooks)}.")
        self._name, self._incident = name, stage.incident
        self._failure: Exception | None = None
        self._left = threading.Event()
        self._run = Run(stage, stage.playbooks[name], inputs, stage.incident.context)
        self._thread = threading.Thread(target=self._play, name=f"playbook {name}", daemon=True)

    def __enter__(self) -> "Playing":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._left.set()
        self._thread.join(JOIN_SECONDS)

    def _play(self) -> None:
        try:
            while not (self._run.ended or self._left.wait(PAUSE)):
                self._run.advance()
        except Exception as error:  # noqa: BLE001 - it is raised where the outputs are asked for
            self._failure = error

    def wait_for_task(self, within: float = 10) -> Task:
        """The task that waits for an answer now, once one does. Raises TimeoutError after `within` seconds.

        An answer that comes before the playbook has reached its task completes none.
        """
        end = time.monotonic() + within
        while time.monotonic() < end:
            waiting = [task for task in self._incident.tasks if not task.completed]
            if waiting:
                return waiting[-1]
            time.sleep(PAUSE)
        raise TimeoutError(f"No task of {self._name} waits for an answer after {within:g} seconds.")

    def outputs(self, within: float = 10) -> Values:
        """The outputs by path, once the playbook has ended. Raises PlaybookError, or TimeoutError after `within` s."""
        self._thread.join(within)
        if self._thread.is_alive():
            raise TimeoutError(f"{self._name} has not ended after {within:g} seconds.")
        if self._failure:
            raise self._failure
        return self._run.outputs
