"""The runner of playbooks, on a server without containers."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from emulator.incidents import Entitlement, Task
from emulator.playbooks import (
    Playbook,
    PlaybookError,
    Playing,
    Run,
    Stage,
    evaluate,
    lookup,
    read,
)
from emulator.server import Server

GUID = "11111111-2222-3333-4444-555555555555"
START = {"type": "start", "next": {"#none#": ["1"]}}


def node(key: str, *, type: str, next: Any = None, task: Any = None, **more: Any) -> dict[str, Any]:  # noqa: A002
    inner = {"id": key, "version": -1, "name": f"Task {key}", "description": "", "brand": "", **(task or {})}
    return {"id": key, "taskid": key, "type": type, "task": inner, "nexttasks": next or {}, "view": "{}", **more}


def playbook(*nodes: dict[str, Any], name: str = "Main", **more: Any) -> Playbook:
    """A playbook whose start leads to task 1; the nodes are numbered from there."""
    tasks = {str(key): node(str(key), **item) for key, item in enumerate([START, *nodes])}
    document = {"name": name, "starttaskid": "0", "tasks": tasks, **more}
    return read(yaml.safe_dump(document), "playbook-Main.yml")


def setter(key: str, value: Any, **branches: Any) -> dict[str, Any]:
    arguments = {"key": {"simple": key}, "value": value}
    return {"type": "regular", "task": {"scriptName": "Set"}, "scriptarguments": arguments, "next": branches}


def run(main: Playbook, *others: Playbook, inputs: Any = None, context: Any = None) -> Run:
    """The playbook, run as far as it goes by itself."""
    server = Server()
    with server:
        stage = Stage(server, server.new_incident(), {item.name: item for item in (main, *others)})
        started = Run(stage, main, inputs or {}, context if context is not None else {})
        while not started.ended:
            started.advance()
    return started


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ({"simple": "plain"}, "plain"),
        ({"simple": "${User.Name}"}, "Kim"),
        ({"simple": "Hello ${User.Name}, ${User.Nothing}!"}, "Hello Kim, !"),
        ({"simple": "${User.Phones}"}, ["1", "2"]),
        ({"simple": "to ${User.Phones}"}, "to 1,2"),
        ({"complex": {"root": "User"}}, {"Name": "Kim", "Phones": ["1", "2"]}),
        ({"complex": {"root": "User", "accessor": "Name"}}, "Kim"),
        ({"complex": {"root": "Rows", "accessor": "Id"}}, ["a", "b"]),
        ({"complex": {"root": "Nobody", "accessor": "Name"}}, None),
    ],
    ids=[
        "literal",
        "reference",
        "in a text",
        "list",
        "list in a text",
        "root",
        "accessor",
        "through a list",
        "nothing",
    ],
)
def test_values_are_looked_up(value: dict[str, Any], result: Any) -> None:
    # When a value of a task is evaluated / Then it is what stands in the context
    scope = {"User": {"Name": "Kim", "Phones": ["1", "2"]}, "Rows": [{"Id": "a"}, {"Id": "b"}]}
    assert evaluate(value, scope) == result


@pytest.mark.parametrize(("index", "result"), [("0", "a"), ("1", "b c"), ("2", None)])
def test_an_item_of_a_comma_separated_text_is_taken_by_its_index(index: str, result: str | None) -> None:
    # Given an input of two items
    split = {"operator": "splitAndTrim", "args": {"delimiter": {"value": {"simple": ","}}}}
    item = {"operator": "atIndex", "args": {"index": {"value": {"simple": index}}}}
    value = {"complex": {"root": "inputs.List", "transformers": [split, item]}}
    # When one is taken by its index / Then it is without the space around it, and nothing beyond the end
    assert evaluate(value, {"inputs": {"List": "a, b c"}}) == result


def test_tasks_run_in_order_and_outputs_are_what_is_declared() -> None:
    # Given a playbook with a default and a given input, of whose two values one is an output
    main = playbook(
        setter("Kept.Greeting", {"simple": "${inputs.Word} ${inputs.Name}"}, **{"#none#": ["2"]}),
        setter("Dropped", {"simple": "x"}, **{"#none#": ["3"]}),
        {"type": "title"},
        inputs=[{"key": "Word", "value": {"simple": "Hello"}}, {"key": "Name", "value": {}, "required": True}],
        outputs=[{"contextPath": "Kept.Greeting"}, {"contextPath": "Kept.Nothing"}],
    )
    # When it has run
    ended = run(main, inputs={"Name": "Kim"})
    # Then its outputs are those that it declares and has
    assert ended.outputs == {"Kept.Greeting": "Hello Kim"}
    assert ended.context["Dropped"] == "x"


@pytest.mark.parametrize(
    ("operator", "left", "right", "branch"),
    [
        ("isEqualString", "yes", "yes", "equal"),
        ("isEqualString", "yes", "Yes", "else"),
        ("isNotEmpty", "", None, "else"),
        ("isNotEmpty", "x", None, "equal"),
        ("isEmpty", "", None, "equal"),
    ],
)
def test_an_automatic_condition_takes_the_branch_that_holds(
    operator: str, left: str, right: str | None, branch: str
) -> None:
    # Given a condition with a branch and an else
    comparison = {"operator": operator, "left": {"value": {"simple": left}, "iscontext": True}}
    if right is not None:
        comparison["right"] = {"value": {"simple": right}}
    conditions = [{"label": "holds", "condition": [[comparison]]}]
    main = playbook(
        {"type": "condition", "conditions": conditions, "next": {"holds": ["2"], "#default#": ["3"]}},
        setter("Branch", {"simple": "equal"}),
        setter("Branch", {"simple": "else"}),
    )
    # When it has run / Then the branch is the one that holds
    assert run(main).context["Branch"] == branch


def test_a_sub_playbook_has_a_context_of_its_own_and_gives_its_outputs() -> None:
    # Given a sub-playbook with one output of two values, called with an input
    called = playbook(
        setter("Sub.Out", {"complex": {"root": "inputs.In"}}, **{"#none#": ["2"]}),
        setter("Sub.Own", {"complex": {"root": "Outer"}}),
        name="Sub",
        inputs=[{"key": "In", "value": {}}],
        outputs=[{"contextPath": "Sub.Out"}],
    )
    arguments = {"In": {"simple": "${Outer}"}}
    call = {"type": "playbook", "task": {"playbookName": "Sub"}, "separatecontext": True, "scriptarguments": arguments}
    main = playbook({**call, "next": {"#none#": ["2"]}}, setter("After", {"simple": "${Sub.Out}"}))
    # When it has run / Then the caller has the output, and went on after it
    assert run(main, called, context={"Outer": "x"}).context == {"Outer": "x", "Sub": {"Out": "x"}, "After": "x"}


Waiting = Callable[[Server, Task, Stage], None]


@pytest.mark.parametrize(
    ("answer", "branch"), [("yes", "Yes"), ("Perhaps", "else")], ids=["a branch, whatever the case", "no branch"]
)
def test_a_manual_condition_waits_for_the_answer_of_the_server(answer: str, branch: str) -> None:
    # Given a playbook that waits at a task with a tag
    waits = {"type": "condition", "task": {"tags": ["Reply"]}, "next": {"Yes": ["2"], "#default#": ["3"]}}
    main = playbook(waits, setter("Took", {"simple": "Yes"}), setter("Took", {"simple": "else"}))
    with Server() as server:
        incident = server.new_incident()
        incident.register(Entitlement(GUID))
        with Playing(Stage(server, incident, {"Main": main}), "Main", {}) as playing:
            task = playing.wait_for_task()
            assert (task.tag, task.branches) == ("Reply", ("Yes",))
            # When the entitlement is handled for the tag
            incident.answer(GUID, "+14255550182", answer, "Reply")
            # Then the playbook goes on by the answer's branch
            assert playing.outputs() == {}
    assert incident.context["Took"] == branch
    assert incident.entry(task.entry)["Contents"] == answer


def test_an_answer_without_a_branch_is_an_error_that_says_the_playbook_would_hang() -> None:
    # Given a manual condition without an else / When it gets another answer / Then the error says so
    main = playbook({"type": "condition", "task": {"tags": ["Reply"]}, "next": {"Yes": ["2"]}}, {"type": "title"})
    with Server() as server:
        incident = server.new_incident()
        with Playing(Stage(server, incident, {"Main": main}), "Main", {}) as playing:
            playing.wait_for_task().complete("NoResponse")
            with pytest.raises(PlaybookError, match=r"Task #1 “Task 1” of Main has no branch #default# .* would hang"):
                playing.outputs()


def test_a_failing_task_ends_the_playbook_unless_it_has_a_path_for_errors() -> None:
    # Given a command that no instance has
    command = {"type": "regular", "task": {"script": "|||send-fax", "iscommand": True}, "next": {"#none#": ["2"]}}
    # When it runs without a path for errors / Then the playbook ends with a sentence
    with pytest.raises(PlaybookError, match=r"Task #1 “Task 1” of Main failed: Unsupported Command : send-fax\."):
        run(playbook(command, {"type": "title"}))
    # When it runs with one / Then the playbook follows it
    caught = {**command, "continueonerror": True, "continueonerrortype": "errorPath"}
    caught["next"] = {"#none#": ["2"], "#error#": ["3"]}
    assert run(playbook(caught, {"type": "title"}, setter("Caught", {"simple": "x"}))).context == {"Caught": "x"}


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"type": "collection"}, r"task #1 is of type collection; the emulator runs start, title, regular"),
        ({"type": "title", "message": {}}, r"task #1 has message, which the emulator does not run"),
        ({"type": "title", "task": {"tags": ["A", "B"]}}, r"task #1 has the tags A, B; the emulator knows one"),
        (setter("Key", {"complex": {"root": "A", "filters": []}}), r"task #1 has filters, which the emulator does not"),
        (setter("Key", {"simple": "${A.[0]}"}), r"task #1 has the path A\.\[0\]; the emulator reads names with dots"),
        (
            setter("Key", {"complex": {"root": "A", "transformers": [{"operator": "uniq"}]}}),
            r"task #1 transforms with uniq; not in splitAndTrim, atIndex",
        ),
        (
            {"type": "condition", "conditions": [{"label": "a", "condition": [[{"operator": "inList"}]]}]},
            r"task #1 compares with inList; the emulator has isEqualString",
        ),
    ],
    ids=["type", "key", "tags", "filters", "path", "transformer", "operator"],
)
def test_what_the_runner_does_not_know_is_a_sentence(broken: dict[str, Any], sentence: str) -> None:
    # When the playbook is read / Then the error names the file and the task
    with pytest.raises(PlaybookError, match=rf"^playbook-Main\.yml: {sentence}"):
        playbook(broken)


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [({}, r"Main needs the input Phone\."), ({"Fax": "1"}, r"Main has no input Fax; it has Phone\.")],
    ids=["missing", "unknown"],
)
def test_inputs_that_do_not_fit_are_a_sentence(inputs: dict[str, str], sentence: str) -> None:
    # When the playbook starts / Then the error names the input
    main = playbook({"type": "title"}, inputs=[{"key": "Phone", "value": {}, "required": True}])
    with pytest.raises(PlaybookError, match=sentence):
        run(main, inputs=inputs)


def test_a_next_task_that_does_not_exist_is_a_sentence() -> None:
    # When the playbook gets there / Then the error names it
    with pytest.raises(PlaybookError, match=r"Main goes on to task #7, which it does not have\."):
        run(playbook({"type": "title", "next": {"#none#": ["7"]}}))


def test_a_file_that_is_no_playbook_is_a_sentence() -> None:
    # When something else is read / Then the error names the file
    with pytest.raises(PlaybookError, match=r"^x\.yml is no playbook: KeyError 'tasks'\."):
        read("name: x", "x.yml")


def test_nothing_stands_at_a_path_through_a_text() -> None:
    # When a path goes on below a text / Then nothing is found
    assert lookup({"A": "text"}, "A.B") is None
