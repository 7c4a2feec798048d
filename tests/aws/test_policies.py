"""Every statement of every policy in the template, in both positions of whatever changes it.

The expected statements are written out: <ReplyQueue.Arn> is the ARN of the resource ReplyQueue.
"""

import re
from typing import Any

import pytest

from tests.aws.template import (
    ACCOUNT,
    CHINA,
    COMMERCIAL,
    GOVERNMENT,
    STACK_GUID,
    TEXT,
    Region,
    Stack,
    actions,
    every_stack,
    listed,
    resolve,
)

PRINCIPAL = "arn:aws:iam::123456789012:role/xsoar-engine"
BRIDGE = "arn:aws:iam::123456789012:role/bridge"
PHONE_NUMBERS = "arn:aws:sms-voice:us-east-1:123456789012:*"
QUEUE_CONTENT = [
    "sqs:SendMessage",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:PurgeQueue",
    "sqs:GetQueueAttributes",
    "sqs:SetQueueAttributes",
]
NOT_TLS = {"Bool": {"aws:SecureTransport": "false"}}

TOPIC_PUBLISHED_TO_BY_PHONE_NUMBERS = {
    "Sid": "PhoneNumberPublishes",
    "Effect": "Allow",
    "Principal": {"Service": "sms-voice.amazonaws.com"},
    "Action": "sns:Publish",
    "Resource": "<ReplyTopic>",
    "Condition": {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": PHONE_NUMBERS},
    },
}
TOPIC_BY_NOBODY_ELSE = {
    "Sid": "NobodyElsePublishes",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sns:Publish",
    "Resource": "<ReplyTopic>",
    "Condition": {"ArnNotLike": {"aws:SourceArn": PHONE_NUMBERS}},
}
TOPIC_BY_THE_ROLE_ONLY = {
    **TOPIC_BY_NOBODY_ELSE,
    "Condition": {"ArnNotEquals": {"aws:PrincipalArn": "<ChannelRole.Arn>"}},
}
TOPIC_OVER_TLS = {
    "Sid": "TlsOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sns:Publish",
    "Resource": "<ReplyTopic>",
    "Condition": NOT_TLS,
}
QUEUE_SENT_TO_BY_THE_TOPIC = {
    "Sid": "TopicSends",
    "Effect": "Allow",
    "Principal": {"Service": "sns.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": "<ReplyQueue.Arn>",
    "Condition": {"ArnEquals": {"aws:SourceArn": "<ReplyTopic>"}},
}
QUEUE_BY_NOBODY_ELSE = {
    "Sid": "NobodyElseSends",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:SendMessage",
    "Resource": "<ReplyQueue.Arn>",
    "Condition": {"ArnNotEquals": {"aws:SourceArn": "<ReplyTopic>"}},
}
QUEUE_BY_THE_BRIDGE_TOO = {
    **QUEUE_BY_NOBODY_ELSE,
    "Condition": {"ArnNotEquals": {"aws:SourceArn": "<ReplyTopic>", "aws:PrincipalArn": BRIDGE}},
}
QUEUE_OVER_TLS = {
    "Sid": "TlsOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": QUEUE_CONTENT,
    "Resource": "<ReplyQueue.Arn>",
    "Condition": NOT_TLS,
}
XSOAR = [
    {
        "Sid": "TextPhonesButNoTopics",
        "Effect": "Allow",
        "Action": "sns:Publish",
        "NotResource": "arn:aws:sns:*:*:*",
    },
    {
        "Sid": "SeeWhoOptedOut",
        "Effect": "Allow",
        "Action": "sns:CheckIfPhoneNumberIsOptedOut",
        "Resource": "*",
    },
    {
        "Sid": "SnsUsesPhoneNumbers",
        "Effect": "Allow",
        "Action": ["sms-voice:SendTextMessage", "sms-voice:DescribeOptedOutNumbers"],
        "Resource": PHONE_NUMBERS,
        "Condition": {"StringEquals": {"aws:CalledViaLast": "sns.amazonaws.com"}},
    },
    {
        "Sid": "ReadReplies",
        "Effect": "Allow",
        "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        "Resource": "<ReplyQueue.Arn>",
    },
]
KEY_USERS = ["kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"]
KEY = [
    {
        "Sid": "AccountManagesKey",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": [
            "kms:CancelKeyDeletion",
            "kms:CreateAlias",
            "kms:DeleteAlias",
            "kms:DescribeKey",
            "kms:DisableKey",
            "kms:DisableKeyRotation",
            "kms:EnableKey",
            "kms:EnableKeyRotation",
            "kms:GetKeyPolicy",
            "kms:GetKeyRotationStatus",
            "kms:ListGrants",
            "kms:ListKeyPolicies",
            "kms:ListResourceTags",
            "kms:PutKeyPolicy",
            "kms:RevokeGrant",
            "kms:ScheduleKeyDeletion",
            "kms:TagResource",
            "kms:UntagResource",
            "kms:UpdateAlias",
            "kms:UpdateKeyDescription",
        ],
        "Resource": "*",
    },
    {
        "Sid": "AccountReadsMessages",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": "*",
        "Condition": {
            "StringEquals": {"kms:ViaService": ["sns.us-east-1.amazonaws.com", "sqs.us-east-1.amazonaws.com"]}
        },
    },
    {
        "Sid": "TopicSends",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": KEY_USERS,
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
    },
    {
        "Sid": "PhoneNumberPublishes",
        "Effect": "Allow",
        "Principal": {"Service": "sms-voice.amazonaws.com"},
        "Action": KEY_USERS,
        "Resource": "*",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": "123456789012"},
            "ArnLike": {"aws:SourceArn": PHONE_NUMBERS},
        },
    },
]


def trust(external_id: str) -> dict[str, Any]:
    return {
        "Sid": "XsoarAssumes",
        "Effect": "Allow",
        "Principal": {"AWS": PRINCIPAL},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
    }


CHANNEL_TRUST = {
    "Sid": "PhoneNumberAssumes",
    "Effect": "Allow",
    "Principal": {"Service": "sms-voice.amazonaws.com"},
    "Action": "sts:AssumeRole",
    "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
}
CHANNEL = {"Sid": "PublishReplies", "Effect": "Allow", "Action": "sns:Publish", "Resource": "<ReplyTopic>"}
CHANNEL_KEY = {
    "Sid": "EncryptReplies",
    "Effect": "Allow",
    "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
    "Resource": "<Key.Arn>",
    "Condition": {"StringEquals": {"kms:ViaService": "sns.us-east-1.amazonaws.com"}},
}
XSOAR_KEY = {
    "Sid": "DecryptReplies",
    "Effect": "Allow",
    "Action": "kms:Decrypt",
    "Resource": "<Key.Arn>",
    "Condition": {"StringEquals": {"kms:ViaService": "sqs.us-east-1.amazonaws.com"}},
}
DEAD_LETTERS_OVER_TLS = {**QUEUE_OVER_TLS, "Resource": "<DeadLetterQueue.Arn>"}
QUEUE = [QUEUE_SENT_TO_BY_THE_TOPIC, QUEUE_BY_NOBODY_ELSE, QUEUE_OVER_TLS]
TOPIC = [TOPIC_PUBLISHED_TO_BY_PHONE_NUMBERS, TOPIC_BY_NOBODY_ELSE, TOPIC_OVER_TLS]

# Case: parameters, and every policy of the stack they give.
DEFAULT = {
    "ReplyTopicPolicy": TOPIC,
    "ReplyQueuePolicy": QUEUE,
    "DeadLetterQueuePolicy": [DEAD_LETTERS_OVER_TLS],
    "XsoarRole": [trust(STACK_GUID)],
    "XsoarPolicy": XSOAR,
}
AS_USER = {name: statements for name, statements in DEFAULT.items() if name != "XsoarRole"}
BY_ROLE = {
    "ReplyTopicPolicy": [TOPIC_BY_THE_ROLE_ONLY, TOPIC_OVER_TLS],
    "ChannelRole": [CHANNEL_TRUST],
    "ChannelPolicy": [CHANNEL],
}
WITH_KEY = {"Key": KEY, "XsoarKeyPolicy": [XSOAR_KEY]}
CASES: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "as it comes": ({}, DEFAULT),
    "an external id of one's own": ({"ExternalId": "pack-7"}, {**DEFAULT, "XsoarRole": [trust("pack-7")]}),
    "a user": ({"XsoarIdentity": "user"}, AS_USER),
    "a channel role": ({"TwoWayChannel": "role"}, {**DEFAULT, **BY_ROLE}),
    "a key": ({"CustomerKey": "true"}, {**DEFAULT, **WITH_KEY}),
    "a user with a key": ({"XsoarIdentity": "user", "CustomerKey": "true"}, {**AS_USER, **WITH_KEY}),
    "a channel role and a key": (
        {"TwoWayChannel": "role", "CustomerKey": "true"},
        {**DEFAULT, **BY_ROLE, **WITH_KEY, "ChannelKeyPolicy": [CHANNEL_KEY]},
    ),
    "another sender": (
        {"OtherSenderArn": BRIDGE},
        {**DEFAULT, "ReplyQueuePolicy": [QUEUE_SENT_TO_BY_THE_TOPIC, QUEUE_BY_THE_BRIDGE_TOO, QUEUE_OVER_TLS]},
    ),
    "an alarm e-mail": ({"AlarmEmail": "soc@example.com"}, DEFAULT),
    "a boundary": ({"PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary"}, DEFAULT),
}


@pytest.mark.parametrize(("given", "expected"), CASES.values(), ids=CASES)
def test_every_statement_of_every_policy(given: dict[str, str], expected: dict[str, Any]) -> None:
    """
    Given a stack with these parameters.
    When all of its policies are read.
    Then they hold these statements, and no others.
    """
    assert resolve(XsoarPrincipalArn=PRINCIPAL, **given).documents() == expected


@pytest.mark.parametrize("region", [COMMERCIAL, GOVERNMENT, CHINA], ids=lambda region: region.name)
def test_arns_and_hosts_are_those_of_the_partition(region: Region) -> None:
    """
    Given a stack with everything in a Region of a partition.
    When the ARNs and the hosts of services in its policies are read.
    Then they are of that partition and Region, and the names of services are the same everywhere.
    """
    switched = {"XsoarPrincipalArn": "<principal>", "TwoWayChannel": "role", "CustomerKey": "true"}
    by_role, by_policy = resolve(region, **switched), resolve(region, XsoarPrincipalArn="<principal>")
    text = repr([by_role.documents(), by_policy.documents()])
    phone_numbers = f"arn:{region.partition}:sms-voice:{region.name}:{ACCOUNT}:*"
    assert set(re.findall(r"arn:[^']+", text)) == {
        phone_numbers,
        f"arn:{region.partition}:sns:*:*:*",
        f"arn:{region.partition}:iam::{ACCOUNT}:root",
    }
    assert set(re.findall(r"'(s[nq]s\.[^']+)'", text)) == {
        "sns.amazonaws.com",
        f"sns.{region.name}.{region.suffix}",
        f"sqs.{region.name}.{region.suffix}",
    }


@pytest.fixture(scope="module")
def stacks() -> list[Stack]:
    return every_stack()


def test_no_action_is_a_wildcard(stacks: list[Stack]) -> None:
    """
    Given the stacks of all combinations of the switches.
    When the actions of all statements are listed, those of denials too.
    Then each is spelled out.
    """
    listed = {action for stack in stacks for statements in stack.documents().values() for action in actions(statements)}
    assert len(stacks) == 128
    assert len(listed) > 30
    assert [action for action in sorted(listed) if not re.fullmatch(r"[a-z-]+:[A-Za-z]+", action)] == []


def test_resource_is_a_wildcard_only_where_nothing_else_is_possible(stacks: list[Stack]) -> None:
    """
    Given the stacks of all combinations of the switches.
    When the statements are listed whose resource is *.
    Then they are one that SNS has no resource for, and those in a key's own policy, where * is that key.
    """
    assert {
        (name, statement["Sid"])
        for stack in stacks
        for name, statements in stack.documents().items()
        for statement in statements
        if "*" in listed(statement.get("Resource"))
    } == {
        ("XsoarPolicy", "SeeWhoOptedOut"),
        ("Key", "AccountManagesKey"),
        ("Key", "AccountReadsMessages"),
        ("Key", "TopicSends"),
        ("Key", "PhoneNumberPublishes"),
    }


def test_reason_stands_above_each_resource_that_is_a_wildcard() -> None:
    """
    Given the text of the template.
    When the lines that name * as resource are found.
    Then the line above each is a comment.
    """
    lines = [line.strip() for line in TEXT.splitlines()]
    places = [place for place, line in enumerate(lines) if line == 'Resource: "*"']
    assert len(places) == 5
    assert [place for place in places if not lines[place - 1].startswith("# ")] == []


def test_everybody_is_named_in_denials_only(stacks: list[Stack]) -> None:
    """
    Given the stacks of all combinations of the switches.
    When the statements are listed that name everybody.
    Then each is a denial.
    """
    principals = [
        (statement["Effect"], statement["Principal"])
        for stack in stacks
        for statements in stack.documents().values()
        for statement in statements
        if "Principal" in statement
    ]
    assert {effect for effect, principal in principals if principal == "*"} == {"Deny"}
    assert "*" not in {value for _, principal in principals if principal != "*" for value in principal.values()}
