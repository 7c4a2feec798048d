from typing import Any

import pytest

from emulator.incidents import Entitlement, Incident, IncidentError, merge

GUID = "11111111-2222-3333-4444-555555555555"


def incident_with(*, persistent: bool = False, tag: str = "") -> Incident:
    incident = Incident("7")
    incident.register(Entitlement(GUID, persistent, tag))
    return incident


@pytest.mark.parametrize("named", ["4", "approval_task"])
def test_an_answer_completes_the_task_named_by_number_or_tag(named: str) -> None:
    # Given two waiting tasks
    incident = incident_with()
    other = incident.add_task("Other", number="3")
    task = incident.add_task("Restart?", number="4", tag="approval_task", branches=("Yes", "No"))
    # When the answer names one
    incident.answer(GUID, "+14255550182", "yes", named)
    # Then that one follows its branch, whatever the case, and the other waits on
    assert (task.wait(0), task.content, other.completed) == ("Yes", "yes", False)


def test_an_answer_that_is_no_branch_takes_the_default_branch() -> None:
    # Given a task with the branches Yes and No
    incident = incident_with()
    task = incident.add_task()
    # When it is answered with Maybe / Then the default branch is taken
    incident.answer(GUID, "", "Maybe", task.number)
    assert task.branch == "#default#"


@pytest.mark.parametrize("named", ["", "99"])
def test_an_answer_to_no_waiting_task_is_an_entry_only(named: str) -> None:
    # Given a task without a tag
    incident = incident_with(tag="sms")
    task = incident.add_task()
    # When the answer names none that waits
    effective, completed = incident.answer(GUID, "+14255550182", "Yes", named)
    # Then it stands in the war room under its tag, and the task waits on
    assert (effective, completed, task.completed) == (True, None, False)
    assert [(entry["Contents"], entry["Tags"]) for entry in incident.war_room] == [("Yes", ["sms"])]


def test_a_one_time_entitlement_answers_once() -> None:
    # Given a one-time entitlement that was used
    incident = incident_with()
    task = incident.add_task()
    incident.answer(GUID, "", "Yes", "1")
    # When it is used again
    effective, _ = incident.answer(GUID, "", "No", "1")
    # Then nothing changes
    assert (effective, task.content, len(incident.war_room)) == (False, "Yes", 1)


def test_a_persistent_entitlement_adds_an_entry_each_time_and_completes_the_task_once() -> None:
    # Given a persistent entitlement that was used
    incident = incident_with(persistent=True)
    task = incident.add_task()
    incident.answer(GUID, "", "Yes", "1")
    # When it is used again / Then there is another entry, and the task keeps its answer
    incident.answer(GUID, "", "No", "1")
    assert ([entry["Contents"] for entry in incident.war_room], task.content) == (["Yes", "No"], "Yes")


def test_an_unregistered_guid_is_refused() -> None:
    # Given an incident without entitlements / When one answers / Then it is refused by name
    with pytest.raises(IncidentError, match=f"Entitlement {GUID} is not registered in incident 7."):
        Incident("7").answer(GUID, "", "Yes", "")


def test_a_task_that_nobody_answers_ends_the_wait_with_a_sentence() -> None:
    # Given a waiting task / When the wait is over / Then a sentence says which
    with pytest.raises(TimeoutError, match=r"Task #1 \(Ask\) still waits for an answer after 0 seconds."):
        Incident("7").add_task().wait(0)


KEYED = "A.B(val.ID && val.ID == obj.ID)"
KEYED_TWICE = "A.B(val.ID && val.ID == obj.ID && val.Phone && val.Phone == obj.Phone)"


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        pytest.param([{"A.B": {"x": 1}}], {"A": {"B": {"x": 1}}}, id="new path"),
        pytest.param([{"A.B": {"x": 1}}, {"A.B": {"x": 1}}], {"A": {"B": [{"x": 1}, {"x": 1}]}}, id="no key adds"),
        pytest.param(
            [{KEYED: [{"ID": 1, "x": 1}]}, {KEYED: [{"ID": 1, "y": 2}, {"ID": 2}]}],
            {"A": {"B": [{"ID": 1, "x": 1, "y": 2}, {"ID": 2}]}},
            id="same key updates, another adds",
        ),
        pytest.param(
            [{KEYED: {"ID": 1}}, {KEYED: {"ID": 1, "x": 2}}], {"A": {"B": {"ID": 1, "x": 2}}}, id="one stays one"
        ),
        pytest.param(
            [
                {KEYED_TWICE: [{"ID": 1, "Phone": "a", "x": 1}, {"ID": 1, "Phone": "b"}]},
                {KEYED_TWICE: [{"ID": 1, "Phone": "b", "x": 2}, {"ID": 2, "Phone": "a"}]},
            ],
            {
                "A": {
                    "B": [
                        {"ID": 1, "Phone": "a", "x": 1},
                        {"ID": 1, "Phone": "b", "x": 2},
                        {"ID": 2, "Phone": "a"},
                    ]
                }
            },
            id="two keys: the same in both updates, another in either adds",
        ),
        pytest.param(
            [{KEYED_TWICE: {"ID": 1}}, {KEYED_TWICE: {"ID": 1}}],
            {"A": {"B": [{"ID": 1}, {"ID": 1}]}},
            id="one of two keys missing",
        ),
        pytest.param([{KEYED: {"x": 1}}, {KEYED: {"x": 1}}], {"A": {"B": [{"x": 1}, {"x": 1}]}}, id="key missing"),
        pytest.param([{"A": [{"x": 1}]}, {"A.B": 2}], {"A": [{"x": 1, "B": 2}]}, id="below a list"),
    ],
)
def test_outputs_are_merged_into_the_context(outputs: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    # Given an empty context
    context: dict[str, Any] = {}
    # When commands return outputs one after the other / Then the context holds them as the server keeps them
    for output in outputs:
        merge(context, output)
    assert context == expected


def test_the_answer_of_a_task_is_the_entry_that_completed_it() -> None:
    # Given a task that an answer has completed
    incident = incident_with()
    task = incident.add_task()
    incident.answer(GUID, "+14255550182", "Yes", task.number)
    # When its entry is read / Then it is the answer, and an entry that is none is an error
    assert incident.entry(task.entry)["Contents"] == "Yes"
    with pytest.raises(IncidentError, match=r"There is no entry 9@7 in incident 7\."):
        incident.entry("9@7")
