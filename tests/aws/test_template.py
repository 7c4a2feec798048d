"""What the template is made of: what CloudFormation's linter says of it, and what moto does not create."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator.stack import TEMPLATE
from emulator.world import PACK
from tests.aws.template import BOUNDARY, SWITCHES, Stack, every_stack, resolve

EMAIL = "soc@example.com"


@pytest.fixture(scope="module")
def stacks() -> list[Stack]:
    return every_stack()


def test_linter_finds_nothing_in_any_partition() -> None:
    """
    Given the template.
    When cfn-lint looks at it for a Region of each partition.
    Then it finds nothing.
    """
    regions = ["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1"]
    linter = Path(sys.executable).with_name("cfn-lint")
    command = [str(linter), "--regions", *regions, "--", str(TEMPLATE)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=100
    )
    assert (done.stdout, done.returncode) == ("", 0)


def test_everything_is_created_once_and_nothing_without_its_switch() -> None:
    """
    Given a stack with every switch in its default position, and one with every switch in the other.
    When their resources are listed.
    Then they are these.
    """
    always = {
        "ReplyTopic": "AWS::SNS::Topic",
        "ReplyTopicPolicy": "AWS::SNS::TopicPolicy",
        "ReplyQueue": "AWS::SQS::Queue",
        "ReplyQueuePolicy": "AWS::SQS::QueuePolicy",
        "DeadLetterQueue": "AWS::SQS::Queue",
        "DeadLetterQueuePolicy": "AWS::SQS::QueuePolicy",
        "XsoarPolicy": "AWS::IAM::ManagedPolicy",
        "DeadLetterAlarm": "AWS::CloudWatch::Alarm",
        "OldestReplyAlarm": "AWS::CloudWatch::Alarm",
    }
    assert types(resolve()) == {**always, "XsoarRole": "AWS::IAM::Role"}
    assert types(resolve(**{name: other for name, (_, other) in SWITCHES.items()})) == {
        **always,
        "XsoarUser": "AWS::IAM::User",
        "XsoarKeyPolicy": "AWS::IAM::ManagedPolicy",
        "ChannelRole": "AWS::IAM::Role",
        "ChannelPolicy": "AWS::IAM::ManagedPolicy",
        "ChannelKeyPolicy": "AWS::IAM::ManagedPolicy",
        "AlarmTopic": "AWS::SNS::Topic",
        "Key": "AWS::KMS::Key",
    }


def types(stack: Stack) -> dict[str, str]:
    return {name: resource["Type"] for name, resource in stack.resources.items()}


def test_no_stack_points_to_what_it_does_not_create(stacks: list[Stack]) -> None:
    """
    Given the stacks of all combinations of the switches.
    When the resources that their properties and outputs name are listed.
    Then each of them is created.
    """
    for stack in stacks:
        named = set(names_in([stack.resources, stack.outputs]))
        assert named - set(stack.resources) == set()
        assert named


def names_in(value: Any) -> list[str]:
    """The resources that stand as <Name> or <Name.Attribute> in a value."""
    if isinstance(value, dict):
        return [name for item in value.values() for name in names_in(item)]
    if isinstance(value, list):
        return [name for item in value for name in names_in(item)]
    text = str(value)
    return [text[1:-1].partition(".")[0]] if text.startswith("<") else []


def test_role_or_user_has_the_policies() -> None:
    """
    Given a stack with a role and one with a user, both with a key.
    When the policies are looked at.
    Then they are attached to that one, and to nobody else.
    """
    for identity, kind, other in [("role", "Roles", "Users"), ("user", "Users", "Roles")]:
        stack = resolve(XsoarIdentity=identity, CustomerKey="true")
        for policy in ("XsoarPolicy", "XsoarKeyPolicy"):
            properties = stack.properties(policy)
            assert properties[kind] == [f"<Xsoar{identity.capitalize()}>"]
            assert other not in properties


def test_boundary_bounds_every_role_and_user(stacks: list[Stack]) -> None:
    """
    Given the stacks of all combinations of the switches.
    When the roles and users are looked at.
    Then all have the boundary, or none has one.
    """
    bounded = {
        tuple(item["Properties"].get("PermissionsBoundary") for item in stack.resources.values() if is_identity(item))
        for stack in stacks
    }
    assert bounded == {(None,), (None, None), (BOUNDARY,), (BOUNDARY, BOUNDARY)}


def is_identity(resource: dict[str, Any]) -> bool:
    return resource["Type"] in ("AWS::IAM::Role", "AWS::IAM::User")


@pytest.mark.parametrize(
    ("given", "expected"),
    [("false", {"SqsManagedSseEnabled": True}), ("true", {"KmsMasterKeyId": "<Key.Arn>"})],
    ids=["SQS's key", "a key of one's own"],
)
def test_what_holds_replies_is_encrypted(given: str, expected: dict[str, Any]) -> None:
    """
    Given a stack without a key of one's own, or with one.
    When the encryption of queues and topic is looked at.
    Then the queues have SQS's or that key, the topic none or that key.
    """
    stack = resolve(CustomerKey=given)
    for queue in ("ReplyQueue", "DeadLetterQueue"):
        properties = stack.properties(queue)
        assert {name: properties[name] for name in properties if name.startswith(("Sqs", "Kms"))} == expected
    assert stack.properties("ReplyTopic").get("KmsMasterKeyId") == expected.get("KmsMasterKeyId")


def test_key_is_rotated() -> None:
    """
    Given a stack with a key of one's own.
    When the key is looked at.
    Then AWS rotates it.
    """
    assert resolve(CustomerKey="true").properties("Key")["EnableKeyRotation"] is True


@pytest.mark.parametrize(
    ("alarm", "metric", "queue", "threshold"),
    [
        ("DeadLetterAlarm", "ApproximateNumberOfMessagesVisible", "DeadLetterQueue", 0),
        ("OldestReplyAlarm", "ApproximateAgeOfOldestMessage", "ReplyQueue", 300),
    ],
    ids=["a dead letter", "a reply of five minutes"],
)
@pytest.mark.parametrize(
    ("email", "told"),
    [("", {}), (EMAIL, {"AlarmActions": ["<AlarmTopic>"]})],
    ids=["telling nobody", "telling an address"],
)
def test_alarm(alarm: str, metric: str, queue: str, threshold: int, email: str, told: dict[str, Any]) -> None:
    """
    Given a stack without an address for alarms, or with one.
    When an alarm is looked at.
    Then it watches that number of that queue, and tells that address or nobody.
    """
    properties = dict(resolve(AlarmEmail=email).properties(alarm))
    assert len(properties.pop("AlarmDescription")) > 40
    assert properties == {
        "Namespace": "AWS/SQS",
        "MetricName": metric,
        "Dimensions": [{"Name": "QueueName", "Value": f"<{queue}.QueueName>"}],
        "Statistic": "Maximum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": threshold,
        "TreatMissingData": "notBreaching",
        **told,
    }


def test_alarms_go_to_the_address() -> None:
    """
    Given a stack with an address for alarms.
    When its topic is looked at.
    Then it mails that address.
    """
    assert resolve(AlarmEmail=EMAIL).properties("AlarmTopic") == {
        "Subscription": [{"Protocol": "email", "Endpoint": "soc@example.com"}]
    }


def test_outputs_are_named_like_the_parameters_they_are_copied_into() -> None:
    """
    Given the outputs of the template and the parameters of the integration.
    When the outputs that say they are for a parameter are listed.
    Then there is such a parameter, and its name is the output's.
    """
    outputs = yaml.safe_load(
        "\n".join(
            line for line in TEMPLATE.read_text().partition("\nOutputs:\n")[2].splitlines() if "Value" not in line
        )
    )
    sentence = "For the instance's "
    copied = {
        name: item["Description"].removeprefix(sentence).rstrip(".")
        for name, item in outputs.items()
        if item["Description"].startswith(sentence)
    }
    assert copied == {
        "AWSDefaultRegion": "AWS Default Region",
        "SQSQueueURL": "SQS Queue URL",
        "RoleArn": "Role Arn",
        "ExternalId": "Role External ID",
    }
    (path,) = PACK.glob("Integrations/*/*.yml")
    displayed = {item["display"] for item in yaml.safe_load(path.read_text(encoding="utf-8"))["configuration"]}
    assert set(copied.values()) <= displayed


def test_help_of_the_integration_shows_the_policy_of_the_template() -> None:
    """
    Given the help beside the parameters of the integration.
    When the policy in it is read.
    Then it is the template's without its statement ids, for a queue called sms-replies.
    """
    (path,) = PACK.glob("Integrations/*/*_description.md")
    shown = path.read_text(encoding="utf-8").partition("```json\n")[2].partition("```")[0]
    policy = json.loads(shown.replace("arn:aws:sqs:us-east-1:123456789012:sms-replies", "<ReplyQueue.Arn>"))
    deployed = resolve().document("XsoarPolicy")
    assert policy["Statement"] == [{k: v for k, v in item.items() if k != "Sid"} for item in deployed]
