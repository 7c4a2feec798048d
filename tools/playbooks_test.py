"""The check of playbooks: what it finds when one of the pack's is broken in one place."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.playbooks import main, problems

PACK = Path(__file__).resolve().parent.parent / "Packs" / "AWSSNSSMSCommunication"
FILES = sorted(PACK.rglob("playbook-*.yml"))
ASK = yaml.safe_load((PACK / "Playbooks" / "playbook-Ask_by_SMS.yml").read_text("utf-8"))
ESCALATE = yaml.safe_load((PACK / "Playbooks" / "playbook-Ask_by_SMS_and_escalate.yml").read_text("utf-8"))


def broken(*path: str, to: Any, of: dict[str, Any] = ASK) -> list[str]:
    """What is found when the value at the path is replaced, or taken out with None."""
    document = deepcopy(of)
    place = document
    for part in path[:-1]:
        place = place[part]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return problems(document)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_is_wrong_with_the_playbooks_of_the_pack(file: Path) -> None:
    # When a playbook of the pack is checked / Then nothing is found
    assert problems(yaml.safe_load(file.read_text("utf-8"))) == []


def test_the_pack_has_two_playbooks_and_one_that_tests() -> None:
    # When the playbooks are looked for / Then they are found
    assert [file.parent.name for file in FILES] == ["Playbooks", "Playbooks", "TestPlaybooks"]


@pytest.mark.parametrize(
    ("path", "to", "problem"),
    [
        (("starttaskid",), 0, "starttaskid is 0, but no task has this key."),
        (("tasks", "2", "id"), "3", "Task '2' has the id '3': both must be the same text."),
        (("tasks", "3", "nexttasks", "#none#"), ["9"], "Task 3 goes on to task '9', which does not exist."),
        (
            ("tasks", "2", "task", "tags"),
            ["SMSAnswers"],
            "Task 1 asks for 'SMSAnswer', which is the number or tag of 0 manual conditions, not 1.",
        ),
        (
            ("tasks", "2", "task", "scriptName"),
            "AreValuesEqual",
            "Task 1 asks for 'SMSAnswer', which is the number or tag of 0 manual conditions, not 1.",
        ),
        (
            ("tasks", "1", "nexttasks", "#none#"),
            ["3"],
            "Task 1 asks for 'SMSAnswer', which does not follow at once: a fast reply may come too early.",
        ),
    ],
    ids=["start", "id", "next task", "tag", "no manual condition", "a task between"],
)
def test_a_broken_playbook_is_found(path: tuple[str, ...], to: Any, problem: str) -> None:
    # When the playbook is broken in one place / Then the one sentence says where
    assert broken(*path, to=to) == [problem]


def test_an_unquoted_yes_is_found() -> None:
    # Given a branch that YAML 1.1 reads as true / Then it is to be quoted
    assert broken("tasks", "2", "nexttasks", to={True: ["3"], "#default#": ["3"]}) == [
        "Task 2 has the branch True, which is no text: put it in quotes."
    ]


def test_every_option_without_a_branch_is_found_when_there_is_no_default() -> None:
    # Given options of the YAML and of inputs, and a waiting task with one branch / Then all but that one are found
    document = deepcopy(ASK)
    arguments = document["tasks"]["1"]["scriptarguments"]
    arguments |= {"option1": {"simple": "yes"}, "option2": {"simple": "No"}, "additionalOptions": {"simple": "A, Yes"}}
    document["tasks"]["2"]["nexttasks"] = {"Yes": ["3"]}
    ending = "but its waiting task has no such branch and no #default#."
    assert problems(document) == [
        f"Task 1 has the option2 'No', {ending}",
        f"Task 1 has the additionalOptions 'A', {ending}",
        f"Task 1 has the defaultResponse that only a run knows, {ending}",
    ]


def test_two_questions_for_one_tag_are_found() -> None:
    # Given a second question for the tag of the first
    found = broken("tasks", "8", "scriptarguments", "task", to={"simple": "SMSContact1"}, of=ESCALATE)
    # Then both what it asks for and the tag are found
    assert found == [
        "Task 8 asks for 'SMSContact1', which does not follow at once: a fast reply may come too early.",
        "2 tasks ask for 'SMSContact1': give each a tag of its own.",
    ]


def test_the_files_with_findings_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Given a file with a finding and one without
    bad = tmp_path / "playbook-Bad.yml"
    bad.write_text(yaml.safe_dump({**ASK, "starttaskid": "9"}))
    # When both are checked / Then the exit code and the output say so
    assert main([str(FILES[0]), str(bad)]) == 1
    assert capsys.readouterr().out == f"{bad}: starttaskid is '9', but no task has this key.\n"
    assert main([str(FILES[0])]) == 0
