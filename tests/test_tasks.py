"""Which task an answer resumes, and which instance asks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.incidents import Incident
from emulator.world import BRAND, World
from tests.stage import SharedWorld, ask, error_of, only, outputs, texts_of

NewWorld = Callable[..., World]

SLACK_YAML = """
commonfields: {id: SlackV3, version: -1}
name: SlackV3
configuration: []
script:
  type: python
  script: ''
  commands:
  - name: send-notification
    arguments: [{name: to}, {name: message}]
"""
SLACK_SOURCE = """
import demistomock as demisto
from CommonServerPython import *

demisto.debug("Slack got: " + demisto.args()["message"])
return_results("Message sent to Slack.")
"""


@pytest.fixture
def slack(tmp_path: Path) -> Path:
    """A pack of another brand that has send-notification too."""
    (tmp_path / "SlackV3.yml").write_text(SLACK_YAML)
    (tmp_path / "SlackV3.py").write_text(SLACK_SOURCE)
    return tmp_path


@pytest.mark.parametrize(
    ("task", "ending"),
    [("2", "|2"), ("approval_task", "|approval_task"), ("Freigabe-Ä|2:b", "|Freigabe-Ä|2:b"), ("", "")],
    ids=["number", "tag", "tag of odd characters", "no task"],
)
@pytest.mark.parametrize("place", ["incident", "playground"])
def test_the_answer_reaches_the_task_that_was_named_and_no_other(
    random_world: SharedWorld, place: str, task: str, ending: str
) -> None:
    # Given an incident, or a playground, whose tasks have these numbers and tags
    incident = random_world.incident() if place == "incident" else random_world.server.playground
    other, named = incident.add_task("Other", number="1"), incident.add_task("Named", number="2", tag=task)
    # When a question for that task is answered
    phone = random_world.new_phone()
    entry = only(random_world.war_room(_line(phone.number, task), incident))
    codes = phone.codes(phone.expects("Go on?"))
    phone.replies(codes["No"])
    phone.expects("Thank you")
    # Then the server was told with that task, and its task alone is done
    answer = random_world.server.answers[-1]
    assert (answer.incident, answer.task, answer.content, answer.effective) == (incident.id, task, "No", True)
    assert outputs(entry, "AWS.SNS.SMS")["Entitlement"] == f"{answer.guid}@{incident.id}{ending}"
    assert (other.completed, named.completed) == (False, bool(task))
    assert _answers(incident)[-1] == "No"
    incident.tasks.clear()


def _line(phone: str, task: str) -> str:
    return f'!SMSAskUser phone={phone} message="Go on?" option1=Yes option2=No task="{task}"'


def _answers(incident: Incident) -> list[str]:
    return [entry["Contents"] for entry in incident.war_room if "User" in entry]


def test_the_phone_is_the_default_argument_and_yes_and_no_are_the_default_options(random_world: SharedWorld) -> None:
    # When the phone is typed without its name, with the punctuation people write, and without options
    phone = random_world.new_phone()
    spelled = f"{phone.number[:2]} ({phone.number[2:5]}) {phone.number[5:8]}-{phone.number[8:]}"
    only(random_world.war_room(f'!SMSAskUser "{spelled}" message="Go on?"', random_world.incident()))
    # Then the question goes to that number with the options yes and no
    codes = phone.codes(phone.expects("Go on?"))
    assert list(codes) == ["yes", "no"]
    phone.replies(codes["yes"])
    phone.expects("Thank you")


@pytest.mark.parametrize("persistent", ["true", "false"])
def test_persistent_and_the_tag_reach_the_entitlement_and_one_question_has_one_answer(
    random_world: SharedWorld, persistent: str
) -> None:
    # Given a question asked with both arguments
    phone = random_world.new_phone()
    asked = ask(random_world, phone, persistent=persistent, replyEntriesTag="sms_reply")
    (granted,) = asked.incident.entitlements.values()
    assert (granted.persistent, granted.reply_entries_tag) == (persistent == "true", "sms_reply")
    # When it is answered, and the code is sent once more
    phone.replies(asked.codes["Yes"])
    phone.expects("Thank you")
    phone.replies(asked.codes["Yes"])
    # Then the war room has one entry with the tag, and the phone is told what it answered
    assert phone.expects() == "You already answered: Yes."
    random_world.wait_until(lambda: random_world.cloud.queue_depth() == 0)
    entries = [entry for entry in asked.incident.war_room if "User" in entry]
    assert [(entry["Contents"], entry["Tags"]) for entry in entries] == [("Yes", ["sms_reply"])]


def test_the_instance_that_is_named_asks_alone_and_takes_the_reply(new_world: NewWorld) -> None:
    # Given two instances, each in its own mode, the second of which polls
    world = new_world()
    params = {**world.instance.params, "replyCodeMode": "sequential"}
    second = world.server.add_instance(BRAND, name="sms-second", params=params)
    world.server.start_poller(second)
    phone = world.phone("+14255550182")
    # When a question names the second
    asked = ask(world, phone, using="sms-second")
    # Then one text came, with the codes of the second, and the reply resumes the task
    assert asked.codes == {"Yes": "1", "No": "2"}
    assert asked.entry["ModuleName"] == "sms-second"
    phone.replies("1")
    assert asked.task.wait() == "Yes"
    phone.expects("1 - Thank you")
    assert (len(texts_of(world, phone)), world.instance.context.counters.writes) == (2, 0)


def test_slack_never_gets_the_question_though_it_has_the_same_command(new_world: NewWorld, slack: Path) -> None:
    # Given an enabled instance of another brand with send-notification, which gets what names no brand
    world = new_world()
    world.server.load(slack)
    other = world.server.add_instance("SlackV3")
    phone, incident = world.phone("+14255550182"), world.incident()
    entries = world.war_room('!send-notification to=+14255550182 message="To everybody"', incident)
    assert sorted(entry["Brand"] for entry in entries) == [BRAND, "SlackV3"]
    phone.expects("To everybody")
    # When SMSAskUser asks
    asked = ask(world, phone, "Only by SMS?")
    # Then Slack got nothing of it
    assert asked.entry["Brand"] == BRAND
    assert other.logs == [("debug", "Slack got: To everybody")]


def test_no_enabled_instance_is_a_sentence_that_says_which_to_enable(new_world: NewWorld, slack: Path) -> None:
    # Given a disabled instance, and Slack enabled
    world = new_world()
    world.server.load(slack)
    other = world.server.add_instance("SlackV3")
    world.instance.enabled = False
    # When SMSAskUser asks
    entries = world.war_room('!SMSAskUser phone=+14255550182 message="Anybody?"', world.incident())
    # Then a sentence names the integration, and Slack got nothing
    assert error_of(entries) == (
        "No instance of the integration AWS SNS SMS Communication is enabled, so the question was not sent. "
        "Enable one and run again."
    )
    assert (other.logs, world.cloud.texts) == ([], [])


def test_a_named_instance_that_is_not_there_is_a_sentence_that_names_it(random_world: SharedWorld) -> None:
    # When using names no instance
    entries = random_world.war_room('!SMSAskUser phone=+14255550182 message="Anybody?" using=sms-third')
    # Then a sentence says so
    assert error_of(entries) == (
        'using is "sms-third", which is no enabled instance. '
        "Give the name of an enabled instance of the integration AWS SNS SMS Communication."
    )


def test_what_the_command_refuses_stays_an_error_of_the_automation(random_world: SharedWorld) -> None:
    # When the integration cannot use the phone
    entries = random_world.war_room('!SMSAskUser phone=0123 message="Anybody?"', random_world.incident())
    # Then the entry is the integration's error
    assert error_of(entries) == (
        'to is "0123", but it must be a phone number in E.164: '
        "a plus sign and 7 to 15 digits, the first not 0, such as +14255550182."
    )
    assert entries[0]["Brand"] == BRAND
