"""What the template's parameters accept, refuse and say, which moto does not look at.

Patterns are Java's in CloudFormation and Python's here; the template uses what is the same in both.
"""

import re
from typing import Any

import pytest

from tests.aws.template import RAW, SWITCHES, decide

PARAMETERS: dict[str, Any] = RAW["Parameters"]
ROLE = "arn:aws:iam::123456789012:role/xsoar"

ACCEPTED: dict[str, list[str]] = {
    "XsoarIdentity": ["role", "user"],
    "XsoarPrincipalArn": [
        "",
        "arn:aws:iam::123456789012:role/xsoar",
        "arn:aws:iam::123456789012:role/engines/eu/xsoar-1_a+b=c,d.e@f",
        "arn:aws:iam::123456789012:user/xsoar",
        "arn:aws:iam::123456789012:root",
        "arn:aws-us-gov:iam::123456789012:role/xsoar",
        "arn:aws-cn:iam::123456789012:role/xsoar",
    ],
    "ExternalId": ["", "ab", "pack-7", "a+b=c,d.e@f:g/h-1_2", "x" * 1224],
    "PermissionsBoundaryArn": [
        "",
        "arn:aws:iam::123456789012:policy/boundary",
        "arn:aws:iam::aws:policy/PowerUserAccess",
        "arn:aws-us-gov:iam::123456789012:policy/teams/boundary",
        "arn:aws-cn:iam::aws:policy/PowerUserAccess",
    ],
    "TwoWayChannel": ["topic-policy", "role"],
    "OtherSenderArn": [
        "",
        "arn:aws:iam::123456789012:role/bridge",
        "arn:aws-us-gov:iam::123456789012:user/operator",
        "arn:aws-cn:iam::123456789012:role/teams/bridge",
    ],
    "AlarmEmail": ["", "soc@example.com", "first.last+sms@soc.example.co.uk"],
    "CustomerKey": ["true", "false"],
}
REFUSED: dict[str, list[str]] = {
    "XsoarIdentity": ["", "Role", "group"],
    "XsoarPrincipalArn": [
        "xsoar",
        "*",
        "123456789012",
        "arn:aws:iam::123456789012:*",
        "arn:aws:iam::123456789012:role/*",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::12345678901:role/xsoar",
        "arn:aws:iam::123456789012:group/xsoar",
        "arn:aws:iam::123456789012:role/xsoar\n",
        "arn:aws:sts::123456789012:assumed-role/xsoar/i-0123456789abcdef0",
        "arn:aws-iso:iam::123456789012:role/xsoar",
        "arn:aws:iam::123456789012:root/xsoar",
        " arn:aws:iam::123456789012:role/xsoar",
    ],
    "ExternalId": ["a", "two words", "semi;colon", "x" * 1225, "é" * 3],
    "PermissionsBoundaryArn": [
        "boundary",
        "arn:aws:iam::123456789012:role/boundary",
        "arn:aws:iam::123456789012:policy/*",
        "arn:aws:iam:::policy/boundary",
    ],
    "TwoWayChannel": ["", "policy", "Role"],
    "OtherSenderArn": [
        "*",
        "bridge",
        "arn:aws:iam::123456789012:root",
        "arn:aws:iam::123456789012:role/*",
        "arn:aws:lambda:us-east-1:123456789012:function:bridge",
    ],
    "AlarmEmail": [
        "soc",
        "soc@example",
        "soc@example.com, duty@example.com",
        "@example.com",
        "soc@exam ple.com",
        "a@b@c.com",
    ],
    "CustomerKey": ["", "yes", "True"],
}
# What CloudFormation says after "Parameter NAME".
SAID = {
    "XsoarIdentity": "must be role or user.",
    "XsoarPrincipalArn": (
        "must be the ARN of an IAM role or user, such as arn:aws:iam::123456789012:role/xsoar. The ARN of a session "
        "(arn:aws:sts::123456789012:assumed-role/xsoar/...) is not accepted, give that of its role."
    ),
    "ExternalId": "must be 2 to 1224 letters, digits or characters of _+=,.@:/- without spaces, or empty.",
    "PermissionsBoundaryArn": (
        "must be the ARN of an IAM policy, such as arn:aws:iam::123456789012:policy/boundary, or empty."
    ),
    "TwoWayChannel": "must be topic-policy or role.",
    "OtherSenderArn": (
        "must be the ARN of an IAM role or user, such as arn:aws:iam::123456789012:role/bridge, or empty."
    ),
    "AlarmEmail": "must be one e-mail address, such as soc@example.com, or empty.",
    "CustomerKey": "must be true or false.",
}


def accepts(name: str, value: str) -> bool:
    parameter = PARAMETERS[name]
    if "AllowedValues" in parameter:
        return value in parameter["AllowedValues"]
    return bool(re.fullmatch(parameter["AllowedPattern"], value))


def pairs(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, values in table.items() for value in values]


@pytest.mark.parametrize(("name", "value"), pairs(ACCEPTED))
def test_accepted(name: str, value: str) -> None:
    """
    Given a value that somebody may well have.
    When it is held against the parameter's pattern or values.
    Then it is accepted.
    """
    assert accepts(name, value)


@pytest.mark.parametrize(("name", "value"), pairs(REFUSED))
def test_refused(name: str, value: str) -> None:
    """
    Given a value that would not work, or would open a door.
    When it is held against the parameter's pattern or values.
    Then it is refused.
    """
    assert not accepts(name, value)


def test_every_parameter_says_what_it_is_and_what_it_expects() -> None:
    """
    Given the parameters of the template.
    When their descriptions and constraints are read.
    Then each is described, has a default that it accepts, and either a pattern or values, and says which it expects.
    """
    assert set(PARAMETERS) == set(ACCEPTED) == set(REFUSED) == set(SAID)
    assert {name: item["ConstraintDescription"] for name, item in PARAMETERS.items()} == SAID
    for name, item in PARAMETERS.items():
        assert item["Type"] == "String"
        assert len(item["Description"]) > 40
        assert len({"AllowedPattern", "AllowedValues"} & set(item)) == 1
        assert accepts(name, item["Default"])


@pytest.mark.parametrize("name", [name for name, item in PARAMETERS.items() if "AllowedPattern" in item])
def test_pattern_is_anchored(name: str) -> None:
    """
    Given a parameter's pattern, which might be looked for anywhere in the value.
    When accepted values stand between spaces.
    Then it is not found.
    """
    pattern = PARAMETERS[name]["AllowedPattern"]
    assert [value for value in ACCEPTED[name] if re.search(pattern, f" {value} ")] == []


def test_every_switch_is_known_to_the_tests() -> None:
    """
    Given the parameters of the template.
    When they are held against the switches of these tests.
    Then only who may assume the role is none, and each switch's values are accepted.
    """
    assert set(PARAMETERS) - set(SWITCHES) == {"XsoarPrincipalArn"}
    assert all(accepts(name, value) for name, values in SWITCHES.items() for value in values)
    assert {name: values[0] for name, values in SWITCHES.items()} == {
        name: item["Default"] for name, item in PARAMETERS.items() if name in SWITCHES
    }


@pytest.mark.parametrize(
    ("given", "created"),
    [
        ({}, False),
        ({"XsoarPrincipalArn": ROLE}, True),
        ({"XsoarIdentity": "user"}, True),
        ({"XsoarIdentity": "user", "XsoarPrincipalArn": ROLE}, True),
    ],
    ids=["a role that trusts nobody", "a role that trusts somebody", "a user", "a user, and somebody to trust"],
)
def test_role_needs_somebody_to_trust(given: dict[str, str], created: bool) -> None:
    """
    Given these parameters.
    When the rules of the template are held against them.
    Then a role without anybody to trust is refused, and said what to do.
    """
    (rule,) = RAW["Rules"].values()
    (assertion,) = rule["Assertions"]
    assert (not decide(rule["RuleCondition"], **given) or decide(assertion["Assert"], **given)) is created
    assert assertion["AssertDescription"] == (
        "XsoarPrincipalArn is empty: give the ARN of the role or user that assumes the role of XSOAR, or set "
        "XsoarIdentity to user."
    )
