"""The pack as the role and as the user of the template, held against IAM: with all of their actions, and without each.

What a policy says beyond its actions and the queue's ARN, moto does not look at: test_policies.py does.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from emulator.cloud import Cloud
from emulator.incidents import ERROR
from emulator.stack import XSOAR_PRINCIPAL
from emulator.world import World
from tests.aws.template import actions, listed, resolve
from tests.stage import ask

PERSON, OPTED_OUT = "+14255550182", "+14255550183"
# What SNS does in its caller's name is nothing that the pack calls.
BY_SNS = {"sms-voice:SendTextMessage", "sms-voice:DescribeOptedOutNumbers"}


@contextmanager
def xsoar(identity: str = "role", without: str = "", **params: str) -> Iterator[World]:
    """A world whose instance was filled in from the stack's outputs, with IAM enforced."""
    cloud = Cloud(parameters={"XsoarIdentity": identity}, enforce_iam=True)
    with World(cloud=cloud, machine_role=False) as world:
        iam, outputs = cloud.client("iam"), cloud.outputs
        name = outputs["UserName"] if identity == "user" else make_principal(iam, outputs["RoleArn"])
        key = iam.create_access_key(UserName=name)["AccessKey"]
        filled_in = {
            "credentials": {"identifier": key["AccessKeyId"], "password": key["SecretAccessKey"]},
            "defaultRegion": outputs["AWSDefaultRegion"],
            "sqsQueueUrl": outputs["SQSQueueURL"],
            "roleArn": outputs.get("RoleArn", ""),
            "roleExternalId": outputs.get("ExternalId", ""),
        }
        world.instance.params.update({**filled_in, "retries": "0", "pollInterval": "1", **params})
        if without:
            take_away(iam, without)
        yield world


def make_principal(iam: Any, role: str) -> str:
    """The user that the role trusts, and nothing but allowed to assume it."""
    name = XSOAR_PRINCIPAL.rpartition("/")[2]
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="assume", PolicyDocument=document)
    return name


def take_away(iam: Any, action: str) -> None:
    """The policy of the template without that action."""
    (policy,) = iam.list_policies(Scope="Local")["Policies"]
    version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
    document = version["PolicyVersion"]["Document"]
    for statement in document["Statement"]:
        statement["Action"] = [item for item in listed(statement["Action"]) if item != action]
    left = {**document, "Statement": [statement for statement in document["Statement"] if statement["Action"]]}
    iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=json.dumps(left), SetAsDefault=True)


def presses_test(world: World) -> str:
    verdict = world.server.test(world.instance)
    return "" if verdict == "ok" else verdict


def sends_a_text(world: World) -> str:
    (entry,) = world.server.execute("send-notification", {"to": PERSON, "message": "Deployed."})
    if entry["Type"] == ERROR:
        return str(entry["Contents"])
    world.phone(PERSON).expects("Deployed.")
    return ""


def sees_who_opted_out(world: World) -> str:
    world.cloud.opt_out(OPTED_OUT)
    task = world.incident().add_task(branches=("Yes", "No"))
    given = {"phone": OPTED_OUT, "message": "Deploy?", "option1": "Yes", "option2": "No", "task": task.number}
    (entry,) = world.server.execute("SMSAskUser", given, world.incident())
    return "" if "has opted out of texts" in str(entry["Contents"]) else f"It was sent: {entry['Contents']}"


def takes_an_answer(world: World) -> str:
    """The answer of a person reaches its task, or what the instance's health says instead."""
    phone = world.phone(PERSON)
    asked = ask(world, phone, "Deploy?")
    world.start_poller()
    phone.replies(asked.codes["Yes"])
    world.wait_until(lambda: bool(asked.task.completed_at or world.instance.health), "an answer or bad health")
    if not asked.task.completed_at:
        return world.instance.health
    assert asked.task.wait() == "Yes"
    phone.expects("Thank you")
    return ""


def deletes_what_it_took(world: World) -> str:
    """A reply leaves the queue, or what the instance's health says instead."""
    assert takes_an_answer(world) == ""
    world.wait_until(lambda: not world.cloud.queue_depth() or bool(world.instance.health), "no reply or bad health")
    return world.instance.health


# What the pack cannot do without an action, and what it then says or does.
NEEDED_FOR: Mapping[str, tuple[Callable[[World], str], str]] = {
    "sns:Publish": (sends_a_text, "AWS refused Publish with AuthorizationError: "),
    "sns:CheckIfPhoneNumberIsOptedOut": (sees_who_opted_out, "It was sent: "),
    "sqs:ReceiveMessage": (takes_an_answer, "AWS refused ReceiveMessage with AccessDenied: "),
    "sqs:DeleteMessage": (
        deletes_what_it_took,
        "Replies stay on the queue, their answers stand: AWS refused DeleteMessageBatch with AccessDenied: ",
    ),
    "sqs:GetQueueAttributes": (presses_test, "AWS refused GetQueueAttributes with AccessDenied: "),
}


class Excused(Exception):
    """Leaves a world without its complaints: what was to be seen was seen."""


@pytest.mark.parametrize("identity", ["role", "user"])
def test_pack_does_everything_with_the_actions_of_the_template(identity: str) -> None:
    """
    Given an instance filled in from the outputs of a stack with a role, or a user, and IAM enforced.
    When it is tested, sends a text, meets a phone that opted out, asks and is answered.
    Then all of it works.
    """
    with xsoar(identity) as world:
        for does in (presses_test, sends_a_text, sees_who_opted_out, deletes_what_it_took):
            assert does(world) == ""
        signers = {request.access_key[:4] for request in world.cloud.requests() if request.service != "sts"}
        assert signers == {"role": {"ASIA"}, "user": {"AKIA"}}[identity]


def test_each_action_of_the_template_is_taken_away_below() -> None:
    """
    Given the policy of the template.
    When its actions are listed.
    Then they are those that the tests below take away, and what SNS does in the pack's name.
    """
    policy = resolve(XsoarPrincipalArn=XSOAR_PRINCIPAL).document("XsoarPolicy")
    assert actions(policy) == set(NEEDED_FOR) | BY_SNS


@pytest.mark.parametrize("action", NEEDED_FOR)
def test_pack_fails_without(action: str) -> None:
    """
    Given a role without one of the template's actions.
    When the pack does what it needs the action for.
    Then it says that it may not, or does not see what it should.
    """
    does, said = NEEDED_FOR[action]
    verdict = ""
    with suppress(Excused), xsoar(without=action) as world:
        verdict = does(world)
        raise Excused
    assert verdict.startswith(said)


@pytest.mark.parametrize("external_id", ["", "of-another-stack"], ids=["no", "a wrong"])
def test_role_is_not_assumed_with_external_id(external_id: str) -> None:
    """
    Given an instance with no external id, or not that of the stack.
    When Test is pressed.
    Then the role does not trust it.
    """
    with xsoar(roleExternalId=external_id) as world:
        assert presses_test(world).startswith("AWS refused AssumeRole with AccessDenied: ")


def test_role_is_not_assumed_by_somebody_else() -> None:
    """
    Given a role that trusts another user than the one whose key the instance has.
    When Test is pressed.
    Then the role does not trust it.
    """
    with xsoar() as world:
        iam = world.cloud.client("iam")
        name = world.cloud.outputs["RoleArn"].rpartition("/")[2]
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        trust["Statement"][0]["Principal"]["AWS"] = "arn:aws:iam::123456789012:user/somebody-else"
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
        assert presses_test(world).startswith("AWS refused AssumeRole with AccessDenied: ")


def test_wrong_secret_key_is_refused() -> None:
    """
    Given a user's key with another secret.
    When Test is pressed.
    Then the sentence says what to check.
    """
    with xsoar("user") as world:
        world.instance.params["credentials"]["password"] = "another"
        assert presses_test(world).startswith(
            "AWS refused GetQueueAttributes with SignatureDoesNotMatch: check the AWS Secret Access Key"
        )


def test_queue_of_another_stack_is_refused() -> None:
    """
    Given a queue in the account that is not the stack's.
    When an instance with the stack's role is pointed at it.
    Then the role may not even look at it.
    """
    with xsoar() as world:
        other = world.cloud.client("sqs").create_queue(QueueName="other")["QueueUrl"]
        world.instance.params["sqsQueueUrl"] = other
        assert presses_test(world).startswith("AWS refused GetQueueAttributes with AccessDenied: ")
