"""What moto creates of the template, in both positions of each switch."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from emulator.cloud import Cloud
from emulator.phone import Phone
from emulator.stack import STACK_NAME, XSOAR_PRINCIPAL
from tests.aws.template import BOUNDARY, SWITCHES

ALWAYS = ["AWS::IAM::ManagedPolicy", "AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::SQS::Queue"]
OUTPUTS = {"AWSDefaultRegion", "SQSQueueURL", "SQSQueueArn", "TopicArn", "DeadLetterQueueURL"}
OF_A_ROLE = {"RoleArn", "ExternalId"}


@contextmanager
def deployed(**parameters: str) -> Iterator[Cloud]:
    with Cloud(parameters=parameters) as cloud:
        yield cloud


def created(cloud: Cloud) -> list[str]:
    """The types of what moto created; of what it does not create it lists an empty entry."""
    listed = cloud.client("cloudformation").list_stack_resources(StackName=STACK_NAME)["StackResourceSummaries"]
    return sorted(item["ResourceType"] for item in listed if item.get("PhysicalResourceId"))


@pytest.mark.filterwarnings("ignore:Tried to parse AWS")
@pytest.mark.parametrize(
    ("given", "types", "outputs"),
    [
        ({}, ["AWS::IAM::Role"], OF_A_ROLE),
        ({"XsoarIdentity": "user"}, ["AWS::IAM::User"], {"UserName"}),
        ({"ExternalId": "pack-7"}, ["AWS::IAM::Role"], OF_A_ROLE),
        ({"PermissionsBoundaryArn": BOUNDARY}, ["AWS::IAM::Role"], OF_A_ROLE),
        (
            {"TwoWayChannel": "role"},
            ["AWS::IAM::Role", "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"],
            OF_A_ROLE | {"ChannelRoleArn"},
        ),
        ({"OtherSenderArn": "arn:aws:iam::123456789012:role/bridge"}, ["AWS::IAM::Role"], OF_A_ROLE),
        ({"AlarmEmail": "soc@example.com"}, ["AWS::IAM::Role", "AWS::SNS::Topic"], OF_A_ROLE),
        (
            {"CustomerKey": "true"},
            ["AWS::IAM::Role", "AWS::KMS::Key", "AWS::IAM::ManagedPolicy"],
            OF_A_ROLE | {"KeyArn"},
        ),
        (
            {name: other for name, (_, other) in SWITCHES.items()},
            [
                "AWS::IAM::User",
                "AWS::IAM::Role",
                "AWS::KMS::Key",
                "AWS::SNS::Topic",
                *["AWS::IAM::ManagedPolicy"] * 3,
            ],
            {"UserName", "ChannelRoleArn", "KeyArn"},
        ),
    ],
    ids=lambda value: "+".join(value) or "default" if isinstance(value, dict) else "",
)
def test_created_and_put_out(given: dict[str, str], types: list[str], outputs: set[str]) -> None:
    """
    Given these parameters.
    When the template is deployed.
    Then these resources and outputs are there besides those that always are.
    """
    with deployed(**given) as cloud:
        assert created(cloud) == sorted([*ALWAYS, *types])
        assert set(cloud.outputs) == OUTPUTS | outputs


def test_queues_are_as_the_pack_wants_them() -> None:
    """
    Given the template as it comes.
    When the queues are looked at.
    Then replies are hidden for 120 seconds, waited for 20, kept 4 days, and dead letters after 5 receives for 14.
    """
    with deployed() as cloud:
        replies, dead = attributes(cloud, cloud.queue_url), attributes(cloud, cloud.dead_letter_url)
        assert {name: replies[name] for name in ("VisibilityTimeout", "ReceiveMessageWaitTimeSeconds")} == {
            "VisibilityTimeout": "120",
            "ReceiveMessageWaitTimeSeconds": "20",
        }
        assert (replies["MessageRetentionPeriod"], dead["MessageRetentionPeriod"]) == ("345600", "1209600")
        assert json.loads(replies["RedrivePolicy"]) == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 5}
        assert replies["SqsManagedSseEnabled"] == dead["SqsManagedSseEnabled"] == "true"


def attributes(cloud: Cloud, url: str) -> dict[str, str]:
    found: dict[str, str] = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return found


def test_reply_to_the_topic_reaches_the_queue() -> None:
    """
    Given the template as it comes.
    When a phone replies.
    Then the reply is on the queue of the output SQSQueueURL.
    """
    with deployed() as cloud:
        Phone("+14255550182", cloud).replies("1234")
        (message,) = cloud.client("sqs").receive_message(QueueUrl=cloud.outputs["SQSQueueURL"])["Messages"]
        assert json.loads(json.loads(message["Body"])["Message"])["messageBody"] == "1234"


def test_outputs_name_what_was_created() -> None:
    """
    Given a stack with a key and a channel role.
    When its outputs are followed.
    Then each leads to that resource.
    """
    with deployed(CustomerKey="true", TwoWayChannel="role") as cloud:
        outputs, iam = cloud.outputs, cloud.client("iam")
        assert outputs["AWSDefaultRegion"] == "us-east-1"
        assert attributes(cloud, outputs["SQSQueueURL"])["QueueArn"] == outputs["SQSQueueArn"]
        topic = cloud.client("sns").get_topic_attributes(TopicArn=outputs["TopicArn"])["Attributes"]
        assert topic["KmsMasterKeyId"] == outputs["KeyArn"]
        assert attributes(cloud, outputs["DeadLetterQueueURL"])["KmsMasterKeyId"] == outputs["KeyArn"]
        roles = {role["Arn"] for role in iam.list_roles()["Roles"]}
        assert roles == {outputs["RoleArn"], outputs["ChannelRoleArn"]}


@pytest.mark.parametrize("given", ["", "pack-7"], ids=["of the stack", "of one's own"])
def test_role_trusts_who_was_named_with_the_external_id(given: str) -> None:
    """
    Given no external id, or one.
    When the template is deployed.
    Then the role trusts who was named with the external id of the outputs: the given one, or one of this stack alone.
    """
    with deployed(ExternalId=given) as cloud:
        role = cloud.client("iam").get_role(RoleName=cloud.outputs["RoleArn"].rpartition("/")[2])["Role"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        external_id = cloud.outputs["ExternalId"]
        assert (statement["Principal"], statement["Condition"]) == (
            {"AWS": XSOAR_PRINCIPAL},
            {"StringEquals": {"sts:ExternalId": external_id}},
        )
        assert external_id == given or (not given and external_id in stack_id(cloud))
        assert len(external_id) == (6 if given else 36)


def stack_id(cloud: Cloud) -> str:
    return str(cloud.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]["StackId"])


def test_role_has_the_boundary() -> None:
    """
    Given a permissions boundary.
    When the template is deployed.
    Then it bounds the role.
    """
    with deployed(PermissionsBoundaryArn=BOUNDARY) as cloud:
        role = cloud.client("iam").get_role(RoleName=cloud.outputs["RoleArn"].rpartition("/")[2])["Role"]
        assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY


def test_address_for_alarms_is_subscribed() -> None:
    """
    Given an address for alarms.
    When the template is deployed.
    Then it is subscribed to a topic that is not that of the replies.
    """
    with deployed(AlarmEmail="soc@example.com") as cloud:
        (mail,) = [item for item in subscriptions(cloud) if item["Protocol"] == "email"]
        assert mail["Endpoint"] == "soc@example.com"
        assert mail["TopicArn"] != cloud.topic_arn


def subscriptions(cloud: Cloud) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.client("sns").list_subscriptions()["Subscriptions"]
    return found


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1"])
def test_deployed_in_another_partition(region: str) -> None:
    """
    Given a Region of another partition.
    When the template is deployed there and a phone replies.
    Then the queue is in that Region, and the reply on it.
    """
    with Cloud(region=region) as cloud:
        assert cloud.outputs["AWSDefaultRegion"] == region
        Phone("+14255550182", cloud).replies("1234")
        assert cloud.queue_depth() == 1
