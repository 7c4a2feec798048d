from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.world import World

NUMBER = "+14255550182"
YAML = """
commonfields: {id: AWS SNS SMS Communication, version: -1}
name: AWS SNS SMS Communication
configuration:
- {name: defaultRegion, display: Region, type: 0}
- {name: sqsQueueUrl, display: Queue, type: 0}
- {name: greeting, display: Greeting, type: 0, defaultvalue: Hello}
script:
  type: python
  script: ''
  longRunning: true
  commands: [{name: greet}, {name: grumble}]
"""
SOURCE = """
import boto3
import demistomock as demisto
from CommonServerPython import *

region, queue = demisto.params()["defaultRegion"], demisto.params()["sqsQueueUrl"]

def greet():
    text = demisto.params()["greeting"]
    boto3.client("sns", region_name=region).publish(PhoneNumber="+14255550182", Message=text)
    return_results("greeted")

def poll():
    sqs = boto3.client("sqs", region_name=region)
    while True:
        for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20).get("Messages", []):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

def grumble():
    demisto.error("I am not well.")
    return_results("grumbled")

{"greet": greet, "grumble": grumble, "long-running-execution": poll}[demisto.command()]()
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    (tmp_path / "I.yml").write_text(YAML)
    (tmp_path / "I.py").write_text(SOURCE)
    return tmp_path


def test_a_world_in_which_all_was_expected_ends_in_peace(pack: Path) -> None:
    # Given a world with a parameter of its own and a poller
    with World({"greeting": "Good day"}, pack=pack) as world:
        world.start_poller()
        # When a text is sent and read, and a reply is taken from the queue / Then nobody complains
        assert [entry["Contents"] for entry in world.war_room("!greet", world.incident())] == ["greeted"]
        assert world.phone(NUMBER).expects("Good") == "Good day"
        world.phone(NUMBER).replies("hi")
        poller = world.server.containers()[0]
    assert not poller.alive()


def reply(world: World) -> None:
    world.phone(NUMBER).replies("hi")


def greet(world: World) -> None:
    world.war_room("!greet")


def grumble(world: World) -> None:
    world.war_room("!grumble")


COMPLAINTS = [
    (greet, World.allow_unread_texts, "+14255550182 got a text that nothing expected: 'Hello'"),
    (reply, World.allow_messages_on_queue, "1 message(s) left on the queue"),
    (
        grumble,
        lambda world: world.expect_log_error("not well"),
        "an error stood in the log of AWS SNS SMS Communication_instance_1: I am not well.",
    ),
]


@pytest.mark.parametrize(("act", "excuse", "complaint"), COMPLAINTS)
def test_what_nobody_expected_is_an_error_at_the_end(
    act: Callable[[World], None], excuse: Callable[[World], None], complaint: str, pack: Path
) -> None:
    # Given a world / When something is left behind / Then leaving it says what
    with pytest.raises(AssertionError) as error, World(pack=pack) as world:
        act(world)
    assert str(error.value) == complaint
    # And when it is excused / Then nobody complains
    with World(pack=pack) as world:
        excuse(world)
        act(world)


def test_an_expected_error_that_never_came_is_an_error(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a world that expects an error in a log / When none comes / Then leaving it says so
    monkeypatch.setattr("emulator.world.SETTLE_TIMEOUT", 0.1)
    with pytest.raises(AssertionError, match="no error in a log holds 'not well'"), World(pack=pack) as world:
        world.expect_log_error("not well")


def fail_inside(world: World) -> None:
    with world:
        greet(world)
        world.start_poller()
        raise KeyError(world.server.start_poller(world.instance).container)


def test_an_exception_inside_is_not_hidden_and_ends_everything(pack: Path) -> None:
    # Given a world with two pollers and an unread text / When a test fails inside
    with pytest.raises(KeyError) as error:
        fail_inside(World(pack=pack))
    # Then its own error arrives, and nothing runs on: another world can start
    assert not error.value.args[0].alive()
    with World(pack=pack) as world:
        assert world.server.containers() == []


def test_a_wait_ends_with_what_was_waited_for(pack: Path) -> None:
    # Given a world / When something never happens / Then the sentence says what
    with World(pack=pack) as world, pytest.raises(AssertionError, match=r"Not within 0 seconds: the task resumes\."):
        world.wait_until(lambda: False, "the task resumes", within=0)
