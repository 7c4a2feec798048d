"""SMSAskUserResponse: from the entries of a completed task to the answer in the context."""

from collections.abc import Callable
from typing import Any

import pytest
import SMSAskUserResponse

Execute = Callable[[str, dict[str, Any]], Any]


def war_room(**contents: tuple[int, str]) -> Execute:
    """Stands for demisto.executeCommand: entries by ID, as (type, contents)."""

    def execute(command: str, args: dict[str, Any]) -> Any:
        assert command == "getEntry"
        kind, text = contents[args["id"]]
        return [{"Type": kind, "ContentsFormat": "text", "Contents": text}]

    return execute


@pytest.mark.parametrize(
    ("text", "answer"),
    [("Yes", "Yes"), ("  In an hour \nsent from a phone", "In an hour"), ("Restart <now>", "Restart <now>")],
    ids=["an option", "its first line, trimmed", "angle brackets"],
)
def test_the_answer_is_the_first_line_of_the_entry(text: str, answer: str) -> None:
    # When the entry is read / Then its option comes under the default key, as no decline
    result = SMSAskUserResponse.read_response({"responseEntryId": "a"}, war_room(a=(1, text)))
    assert list(result.to_context()["EntryContext"]) == ["SMSAskUserResponse(val.Key && val.Key == obj.Key)"]
    assert result.outputs == {"Key": "SMSAskUserResponse", "Answer": answer, "Declined": "no"}


def test_the_last_note_counts_when_a_task_has_several_entries() -> None:
    # Given a note, the answer, and an error after it / Then the answer is taken
    execute = war_room(a=(1, "The task was assigned."), b=(1, "No"), c=(4, "A failure"))
    assert SMSAskUserResponse.read_answer(["a", "b", "c"], execute) == "No"


@pytest.mark.parametrize(
    ("answer", "declined"), [("no", "yes"), ("NoResponse", "yes"), ("Yes", "no"), ("Not now", "no")]
)
def test_a_decline_is_one_of_the_list_whatever_the_case(answer: str, declined: str) -> None:
    # When No and NoResponse are declines, under a key of the playbook's own
    args = {"responseEntryId": "a", "declines": "No, NoResponse", "key": "SMSContact1"}
    result = SMSAskUserResponse.read_response(args, war_room(a=(1, answer)))
    # Then the answer says which it is
    assert (result.outputs_prefix, result.outputs["Declined"]) == ("SMSContact1", declined)


@pytest.mark.parametrize("kind", [4, 1], ids=["an error", "an empty note"])
def test_no_answer_is_an_error_that_says_where_to_run_it(kind: int) -> None:
    # When the entry holds no answer / Then the error says what to do
    with pytest.raises(ValueError, match=r'responseEntryId is "a", which holds no answer\. Run .* directly after'):
        SMSAskUserResponse.read_answer(["a"], war_room(a=(kind, "x" if kind == 4 else "")))
