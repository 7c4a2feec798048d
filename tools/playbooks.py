"""Finds in playbooks what demisto-sdk validate lets through and what would make a playbook wait for ever.

python tools/playbooks.py FILE...   exit code 1, and a sentence for each, when there are any
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DEFAULT = "#default#"
ASKS = "SMSAskUser"
OPTION = re.compile(r"option[1-4]|additionalOptions|defaultResponse")

Document = dict[str, Any]


def problems(document: Document) -> list[str]:
    """What is wrong with a parsed playbook, a sentence each."""
    return [*ids(document), *nexts(document), *questions(document)]


def ids(document: Document) -> Iterator[str]:
    if document["starttaskid"] not in document["tasks"]:
        yield f"starttaskid is {document['starttaskid']!r}, but no task has this key."
    for key, node in document["tasks"].items():
        if node["id"] != key:
            yield f"Task {key!r} has the id {node['id']!r}: both must be the same text."


def nexts(document: Document) -> Iterator[str]:
    for key, node in document["tasks"].items():
        for label, targets in (node.get("nexttasks") or {}).items():
            if not isinstance(label, str):
                yield f"Task {key} has the branch {label!r}, which is no text: put it in quotes."
            for target in targets:
                if target not in document["tasks"]:
                    yield f"Task {key} goes on to task {target!r}, which does not exist."


def questions(document: Document) -> Iterator[str]:
    """What is wrong with the tasks that ask: the one that each names has to wait for all answers, directly after it."""
    asking = {key: node for key, node in document["tasks"].items() if node["task"].get("scriptName") == ASKS}
    for key, node in asking.items():
        named = literal(node, "task")
        waiting = [other for other, task in document["tasks"].items() if waits(task) and named in names(other, task)]
        if len(waiting) != 1:
            count = len(waiting)
            yield f"Task {key} asks for {named!r}, which is the number or tag of {count} manual conditions, not 1."
            continue
        if waiting != (node.get("nexttasks") or {}).get("#none#"):
            yield f"Task {key} asks for {named!r}, which does not follow at once: a fast reply may come too early."
        yield from unhandled(key, node, document["tasks"][waiting[0]])
    counts = Counter(literal(node, "task") for node in asking.values())
    yield from (
        f"{count} tasks ask for {named!r}: give each a tag of its own." for named, count in counts.items() if count > 1
    )


def literal(node: Document, argument: str) -> str:
    """The argument as a text of the YAML, '' when it is none."""
    value = (node.get("scriptarguments") or {}).get(argument) or {}
    return str(value.get("simple", ""))


def waits(node: Document) -> bool:
    """Whether the node is a manual condition."""
    task = node["task"]
    runs = task.get("scriptName") or task.get("script")
    return node["type"] == "condition" and not (runs or node.get("conditions") or node.get("message"))


def names(key: str, node: Document) -> list[str]:
    return [key, *(node["task"].get("tags") or ())]


def unhandled(key: str, asking: Document, waiting: Document) -> Iterator[str]:
    """The answers of a question for which the waiting task has no branch."""
    labels = {str(label).casefold() for label in waiting.get("nexttasks") or {}}
    if DEFAULT in labels:
        return
    for argument, value in (asking.get("scriptarguments") or {}).items():
        for option in str(value.get("simple", "${}")).split(",") if OPTION.fullmatch(argument) else ():
            if option.strip().casefold() not in labels:
                given = f"Task {key} has the {argument} {shown(option)}"
                yield f"{given}, but its waiting task has no such branch and no {DEFAULT}."


def shown(option: str) -> str:
    return "that only a run knows" if "${" in option else repr(option.strip())


def main(files: list[str]) -> int:
    """Prints what is wrong with the files; the exit code."""
    found = [
        f"{file}: {problem}\n" for file in files for problem in problems(yaml.safe_load(Path(file).read_text("utf-8")))
    ]
    sys.stdout.write("".join(found) or f"no findings in {len(files)} playbooks\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
