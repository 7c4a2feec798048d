"""Reads the answer that has just completed a waiting task, for the playbook to go on with.

A manual condition tells its answer only by the branch it takes, and the names of branches are fixed. The options of a
question need not be: the answer itself is the text of the war room entry that completed the task.
"""

import demistomock as demisto
from CommonServerPython import *

from collections.abc import Callable
from typing import Any

DEFAULT_KEY = "SMSAskUserResponse"
READABLE = "The answer is: {answer}"

Execute = Callable[[str, dict[str, Any]], Any]


def read_answer(entry_ids: list[str], execute: Execute) -> str:
    """The first line of the last of the entries that is a note; ValueError when none of them is."""
    for entry_id in reversed(entry_ids):
        for entry in execute("getEntry", {"id": entry_id}) or []:
            lines = str(entry.get("Contents") or "").split("\n")
            if entry.get("Type") == EntryType.NOTE and lines[0].strip():
                return lines[0].strip()
    raise ValueError(
        f'responseEntryId is "{", ".join(entry_ids)}", which holds no answer. Run this automation directly after the '
        "task that waits for the answer, with ${lastCompletedTaskEntries}."
    )


def is_declined(answer: str, declines: list[str]) -> bool:
    """Whether the answer is one of the declines, whatever the case."""
    return answer.casefold() in [decline.strip().casefold() for decline in declines]


def read_response(args: dict[str, Any], execute: Execute) -> CommandResults:
    """The answer and whether it counts as a decline, in place of what the key held; ValueError when there is none."""
    answer = read_answer([str(entry_id) for entry_id in argToList(args.get("responseEntryId"))], execute)
    declined = is_declined(answer, argToList(args.get("declines")))
    key = str(args.get("key") or DEFAULT_KEY).strip()
    return CommandResults(
        outputs_prefix=key,
        outputs_key_field="Key",
        outputs={"Key": key, "Answer": answer, "Declined": "yes" if declined else "no"},
        readable_output=READABLE.format(answer=answer),
    )


def main() -> None:
    try:
        return_results(read_response(demisto.args(), demisto.executeCommand))
    except Exception as error:
        return_error(str(error))


if __name__ in ("__builtin__", "builtins", "__main__"):
    main()
