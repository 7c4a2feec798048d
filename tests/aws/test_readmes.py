"""Every command of the READMEs in aws/ is run, by the AWS CLI against the emulated AWS, and does what is said there."""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import bridge
import pytest
from botocore.exceptions import ClientError

from emulator.cloud import Cloud
from emulator.world import World
from tests.aws import moto_gaps, shell
from tests.aws.shell import ROOT, SmsVoice, sections
from tests.aws.template import resolve
from tests.aws.twilio import Twilio, start_bridge
from tests.stage import ask

README = ROOT / "aws" / "README.md"
BRIDGE_README = ROOT / "aws" / "twilio-bridge" / "README.md"
NUMBER_ID = "phone-1a2b3c4d5e6f47a8b9c0d1e2f3a4b5c6"
TOKEN = "fedcba9876543210fedcba9876543210"
NewWorld = Callable[..., World]

pytestmark = [
    # moto takes no notice of what it does not know in a template.
    pytest.mark.filterwarnings("ignore:Tried to parse AWS"),
    # Each command is a process, which takes a third of a second on an idle machine.
    pytest.mark.timeout(300),
]


class Reader:
    """Somebody who types the commands of a README into one shell, section by section."""

    def __init__(self, cloud: Cloud, folder: Path, voice: SmsVoice) -> None:
        self.folder = folder
        self._environment = shell.environment(cloud, voice)
        shutil.copytree(ROOT / "aws", folder / "aws", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / ".variables").touch()

    def types(self, readme: Path, *titles: str) -> str:
        """Type what stands below the headings; what was printed."""
        commands = "".join(sections(readme)[title] for title in titles)
        script = f"set -a; . ./.variables\n{commands}\ndeclare -x > .variables"
        return shell.run(script, self.folder, self._environment)

    def variable(self, name: str) -> str:
        return shell.run(f'. ./.variables; printf %s "${name}"', self.folder, {})


@pytest.fixture(autouse=True)
def without_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    moto_gaps.fill(monkeypatch)


@pytest.fixture
def voice() -> Iterator[SmsVoice]:
    with SmsVoice(NUMBER_ID).listening() as voice:
        yield voice


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


@pytest.fixture
def reader(cloud: Cloud, tmp_path: Path, voice: SmsVoice) -> Reader:
    return Reader(cloud, tmp_path, voice)


def outputs(cloud: Cloud, stack: str) -> dict[str, str]:
    """The outputs of a stack by name."""
    (found,) = cloud.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def stacks(cloud: Cloud) -> set[str]:
    return {stack["StackName"] for stack in cloud.client("cloudformation").describe_stacks()["Stacks"]}


def test_every_block_of_commands_is_run_by_a_test_below() -> None:
    """
    Given the READMEs.
    When the headings with commands are listed.
    Then there are those that the tests below type, no others.
    """
    assert list(sections(README)) == [
        "Deploy",
        "Two-way SMS for the number",
        "The instance",
        "What went wrong",
        "Delete it",
        "By hand",
        "Delete what was made by hand",
    ]
    assert list(sections(BRIDGE_README)) == ["Deploy it", "Check it", "Change the token", "Delete it"]


def test_stack_is_deployed_connected_looked_into_and_deleted(cloud: Cloud, reader: Reader, voice: SmsVoice) -> None:
    """
    Given an account with a phone number.
    When the stack is deployed, the number connected, and what can go wrong is looked at.
    Then the outputs of the table are there, and the number sends what it receives to the stack's topic.
    When all is deleted.
    Then the number is one-way, and the stack is gone.
    """
    printed = reader.types(README, "Deploy", "Two-way SMS for the number")
    made = outputs(cloud, "two-way-sms")
    table = re.findall(r"^\| `(\w+)` \|", README.read_text("utf-8"), re.MULTILINE)
    assert [name for name in table if name not in made or made[name] not in printed] == []
    assert (voice.number["TwoWayEnabled"], voice.number["TwoWayChannelArn"]) == (True, made["TopicArn"])
    printed = reader.types(README, "What went wrong")
    assert '"ApproximateNumberOfMessages": "0"' in printed
    assert '"isOptedOut": false' in printed
    assert "SANDBOX" in printed
    moto_gaps.detach_policies(cloud)
    reader.types(README, "Delete it")
    assert voice.number["TwoWayEnabled"] is False
    assert "two-way-sms" not in stacks(cloud)
    assert made["TopicArn"] not in str(cloud.client("sns").list_topics()["Topics"])


def test_stack_with_a_user_gives_the_instance_a_key(cloud: Cloud, reader: Reader) -> None:
    """
    Given an account.
    When the stack is deployed with a user in the place of the role.
    Then the access key is that user's.
    """
    key, _secret = reader.types(README, "The instance").split()[-2:]
    user = outputs(cloud, "two-way-sms")["UserName"]
    keys = cloud.client("iam").list_access_keys(UserName=user)["AccessKeyMetadata"]
    assert [found["AccessKeyId"] for found in keys] == [key]


class TestByHand:
    @pytest.fixture
    def world(self, new_world: NewWorld) -> World:
        return new_world()

    @pytest.fixture
    def cloud(self, world: World) -> Cloud:
        return world.cloud

    def test_what_is_made_by_hand_takes_a_reply_to_its_task_and_is_deleted(self, world: World, reader: Reader) -> None:
        """
        Given a queue, a topic and a user that were made by hand.
        When an instance with the key of that user asks, and the topic gets the reply.
        Then the task resumes; and policies, queues and alarms are those of the template.
        When all is deleted.
        Then no queue, topic, alarm, user, role or policy of it is left.
        """
        before = inventory(world.cloud)
        key, secret = re.findall(r"^(AKIA\w+)\t(\S+)$", reader.types(README, "By hand"), re.MULTILINE)[0]
        world.instance.params |= {
            "sqsQueueUrl": reader.variable("QUEUE_URL"),
            "credentials": {"identifier": key, "password": secret},
        }
        world.cloud.topic_arn = reader.variable("TOPIC_ARN")
        poller = world.start_poller()
        asked = ask(world, world.phone("+14255550182"))
        world.phone("+14255550182").replies(asked.codes["Yes"])
        assert asked.task.wait() == "Yes"
        world.phone("+14255550182").expects("Thank you")
        assert key in {request.access_key for request in world.cloud.requests("ReceiveMessage")}
        poller.kill()
        compare_with_the_template(world.cloud, reader)
        assert len(inventory(world.cloud) - before) == 9
        reader.types(README, "Delete what was made by hand")
        assert inventory(world.cloud) == before


# What makes an alarm ring.
ALARM = (
    "Namespace",
    "MetricName",
    "Statistic",
    "Period",
    "EvaluationPeriods",
    "ComparisonOperator",
    "Threshold",
    "TreatMissingData",
)


def compare_with_the_template(cloud: Cloud, reader: Reader) -> None:
    """AssertionError unless the policies, queues and alarms made by hand are those that the template makes."""
    stack = resolve(XsoarPrincipalArn=reader.variable("TRUSTED"), ExternalId=reader.variable("EXTERNAL_ID"))
    names = {
        "<ReplyTopic>": reader.variable("TOPIC_ARN"),
        "<ReplyQueue.Arn>": reader.variable("QUEUE_ARN"),
        "<DeadLetterQueue.Arn>": reader.variable("DEAD_LETTER_ARN"),
    }
    documents = policies(cloud, reader)
    assert documents == {name: renamed(stack.document(name), names) for name in documents}
    for variable, resource in (("QUEUE_URL", "ReplyQueue"), ("DEAD_LETTER_URL", "DeadLetterQueue")):
        made, wanted = attributes(cloud, reader.variable(variable)), renamed(stack.properties(resource), names)
        given = {name: value for name, value in wanted.items() if value is not None}
        assert {name: json.loads(made[name]) for name in given} == given
    alarms = {alarm["MetricName"]: alarm for alarm in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]}
    for wanted in (stack.properties("DeadLetterAlarm"), stack.properties("OldestReplyAlarm")):
        assert {name: alarms[wanted["MetricName"]][name] for name in ALARM} == {name: wanted[name] for name in ALARM}


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """What the template says, with the ARNs of what was made by hand."""
    text = json.dumps(value)
    for name, arn in names.items():
        text = text.replace(name, arn)
    return json.loads(text)


def attributes(cloud: Cloud, queue_url: str) -> dict[str, str]:
    answer = cloud.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])
    return dict(answer["Attributes"])


def policies(cloud: Cloud, reader: Reader) -> dict[str, Any]:
    """The statements of the policies that were made by hand, under the names they have in the template."""
    sns, iam = cloud.client("sns"), cloud.client("iam")
    topic = sns.get_topic_attributes(TopicArn=reader.variable("TOPIC_ARN"))["Attributes"]
    policy = iam.get_policy_version(PolicyArn=reader.variable("POLICY_ARN"), VersionId="v1")["PolicyVersion"]
    documents = {
        "ReplyTopicPolicy": json.loads(topic["Policy"]),
        "ReplyQueuePolicy": json.loads(attributes(cloud, reader.variable("QUEUE_URL"))["Policy"]),
        "XsoarPolicy": policy["Document"],
        "XsoarRole": iam.get_role(RoleName="xsoar-sms")["Role"]["AssumeRolePolicyDocument"],
    }
    return {name: document["Statement"] for name, document in documents.items()}


def inventory(cloud: Cloud) -> set[str]:
    """What the account has of what the README makes by hand."""
    sns, sqs, iam = cloud.client("sns"), cloud.client("sqs"), cloud.client("iam")
    return {
        *(topic["TopicArn"] for topic in sns.list_topics()["Topics"]),
        *sqs.list_queues()["QueueUrls"],
        *(alarm["AlarmArn"] for alarm in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]),
        *(user["Arn"] for user in iam.list_users()["Users"]),
        *(role["Arn"] for role in iam.list_roles()["Roles"]),
        *(policy["Arn"] for policy in iam.list_policies(Scope="Local")["Policies"]),
    }


class TestBridge:
    @pytest.fixture
    def cloud(self) -> Iterator[Cloud]:
        """An AWS that lets the function do what its role allows."""
        with Cloud(enforce_iam=True) as cloud:
            yield cloud

    def test_bridge_is_deployed_checked_given_a_new_token_and_deleted(
        self, cloud: Cloud, reader: Reader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Given the stack with the queue.
        When the bridge is deployed, and Twilio posts an SMS to it.
        Then the SMS is on the queue of that stack, whose policy lets the role of the bridge through.
        When the token is changed, and the bridge deleted.
        Then the function knew both tokens, and only the first stack is left, without the role in its policy.
        """
        reader.types(README, "Deploy")
        (reader.folder / "twilio-auth-token").write_text(f"{TOKEN}\n")
        printed = reader.types(BRIDGE_README, "Deploy it", "Check it")
        made, queue = outputs(cloud, "twilio-bridge"), outputs(cloud, "two-way-sms")["SQSQueueURL"]
        assert made["WebhookUrl"] in printed
        assert parameters(cloud, "two-way-sms")["OtherSenderArn"] == made["RoleArn"]
        become_the_function(cloud, monkeypatch)
        assert Twilio(TOKEN).receives("+14255550182", "1234") == 200
        (message,) = cloud.client("sqs").receive_message(QueueUrl=queue)["Messages"]
        assert '"messageBody\\": \\"1234' in message["Body"]
        with pytest.raises(ClientError, match="AccessDenied"):
            bridge.client("sqs").receive_message(QueueUrl=queue)
        (reader.folder / "twilio-auth-token").write_text(f"{TOKEN}\n{'0' * 32}\n")
        reader.types(BRIDGE_README, "Change the token")
        assert bridge.read_secret().split() == [TOKEN, "0" * 32]
        assert list(reader.folder.glob("twilio-auth-token")) == []
        moto_gaps.detach_policies(cloud)
        reader.types(BRIDGE_README, "Delete it")
        assert "twilio-bridge" not in stacks(cloud)
        assert parameters(cloud, "two-way-sms")["OtherSenderArn"] == ""
        assert cloud.client("s3").list_buckets()["Buckets"] == []


def parameters(cloud: Cloud, stack: str) -> dict[str, str]:
    """The parameters that a stack was deployed with last."""
    (found,) = cloud.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {given["ParameterKey"]: given["ParameterValue"] for given in found["Parameters"]}


def become_the_function(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has the environment that Lambda gives the deployed function, and the keys of its role."""
    (function,) = cloud.client("lambda").list_functions()["Functions"]
    assert function["Handler"] == "bridge.handler"
    role = cloud.client("sts").assume_role(RoleArn=function["Role"], RoleSessionName="function")["Credentials"]
    keys = {
        "AWS_ACCESS_KEY_ID": role["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": role["SecretAccessKey"],
        "AWS_SESSION_TOKEN": role["SessionToken"],
    }
    given = {"AWS_DEFAULT_REGION": cloud.region, **function["Environment"]["Variables"]}
    start_bridge(monkeypatch, {**cloud.environment(), **keys, **given})
