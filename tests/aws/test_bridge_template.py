"""The bridge's template: what it lets whom do, and which parameters it takes."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

TEMPLATE = Path(__file__).resolve().parent.parent.parent / "aws" / "twilio-bridge" / "template.yaml"
RAW: Mapping[str, Any] = json.loads(json.dumps(cfn_yaml.load(str(TEMPLATE))))
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/sms-replies"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:twilio-auth-token-a1B2c3"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def properties(resource: str) -> Any:
    return RAW["Resources"][resource]["Properties"]


def statements(policy: str) -> Any:
    assert properties(policy)["Roles"] == [{"Ref": "Role"}]
    return properties(policy)["PolicyDocument"]["Statement"]


def test_template_has_no_findings_of_cfn_lint() -> None:
    """
    Given the template.
    When cfn-lint looks at it.
    Then it finds nothing.
    """
    command = [str(Path(sys.executable).with_name("cfn-lint")), str(TEMPLATE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_role_may_put_replies_on_the_queue_read_the_token_and_log() -> None:
    """
    Given the role of the function.
    When its policy is read.
    Then it has these actions on these resources, and nobody but Lambda assumes the role.
    """
    by_url = {
        "Account": {"Fn::Select": [3, {"Fn::Split": ["/", {"Ref": "QueueUrl"}]}]},
        "Name": {"Fn::Select": [4, {"Fn::Split": ["/", {"Ref": "QueueUrl"}]}]},
    }
    queue = {"Fn::Sub": ["arn:${AWS::Partition}:sqs:${AWS::Region}:${Account}:${Name}", by_url]}
    assert statements("Policy") == [
        {"Sid": "PutReplies", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue},
        {
            "Sid": "ReadToken",
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": {"Ref": "TokenSecretArn"},
        },
        {
            "Sid": "Log",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": {"Fn::GetAtt": ["LogGroup", "Arn"]},
        },
    ]
    (trust,) = properties("Role")["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }


@pytest.mark.parametrize(
    ("policy", "condition", "actions", "key", "service"),
    [
        ("QueueKeyPolicy", "HasQueueKey", ["kms:Decrypt", "kms:GenerateDataKey"], "QueueKeyArn", "sqs"),
        ("SecretKeyPolicy", "HasSecretKey", "kms:Decrypt", "SecretKeyArn", "secretsmanager"),
    ],
)
def test_role_may_use_a_key_only_when_it_is_given_and_by_way_of_its_service(
    policy: str, condition: str, actions: Any, key: str, service: str
) -> None:
    """
    Given a queue or a secret with a key.
    When the policy for it is read.
    Then the role may use that key, through that service, and only when the parameter is not empty.
    """
    (statement,) = statements(policy)
    statement.pop("Sid")
    assert statement == {
        "Effect": "Allow",
        "Action": actions,
        "Resource": {"Ref": key},
        "Condition": {
            "StringEquals": {"kms:ViaService": {"Fn::Sub": f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}"}}
        },
    }
    assert RAW["Resources"][policy]["Condition"] == condition
    assert RAW["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": key}, ""]}]}


def test_anyone_may_call_the_function_by_its_url_and_no_other_way() -> None:
    """
    Given the permissions of the function.
    When they are read.
    Then both that a public URL needs are there, each bound to the URL, and no third.
    """
    given = [item["Properties"] for item in RAW["Resources"].values() if item["Type"] == "AWS::Lambda::Permission"]
    function = {"FunctionName": {"Fn::GetAtt": ["Function", "Arn"]}, "Principal": "*"}
    assert given == [
        {**function, "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
        {**function, "Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
    ]
    assert properties("Url") == {"TargetFunctionArn": {"Fn::GetAtt": ["Function", "Arn"]}, "AuthType": "NONE"}


def test_function_is_bounded_in_time_number_and_logs() -> None:
    """
    Given the function.
    When its settings are read.
    Then it ends before Twilio's 15 seconds, few run at once, and its logs go to the group that forgets.
    """
    function = properties("Function")
    assert (function["Handler"], function["Runtime"], function["Architectures"]) == (
        "bridge.handler",
        "python3.13",
        ["arm64"],
    )
    assert function["Timeout"] < 15
    assert function["ReservedConcurrentExecutions"]["Fn::If"][1] == {"Ref": "ReservedConcurrency"}
    assert function["LoggingConfig"] == {"LogGroup": {"Ref": "LogGroup"}}
    assert properties("LogGroup")["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("QueueUrl", [QUEUE_URL], ["", f"{QUEUE_URL}.fifo", QUEUE_URL.replace("https", "http"), f"{QUEUE_URL} "]),
        ("TokenSecretArn", [SECRET, SECRET.replace("arn:aws", "arn:aws-cn")], ["", SECRET[:-7], "twilio-auth-token"]),
        ("QueueKeyArn", ["", KEY], ["alias/sms", KEY.replace("key/", "alias/")]),
        ("SecretKeyArn", ["", KEY], ["alias/sms", f"{KEY}x y"]),
        ("AlarmTopicArn", ["", "arn:aws:sns:eu-west-1:123456789012:operations"], ["operations@example.com"]),
        ("PermissionsBoundaryArn", ["", "arn:aws-us-gov:iam::123456789012:policy/a/b"], ["boundary"]),
        ("ReservedConcurrency", ["1", "5", "999", "none"], ["", "0", "-1", "1000", "all"]),
    ],
)
def test_parameter_takes_and_refuses(name: str, taken: list[str], refused: list[str]) -> None:
    """
    Given values for a parameter.
    When they are held against its pattern.
    Then those that can work are taken, the others refused with a sentence that says what is expected.
    """
    parameter = RAW["Parameters"][name]
    pattern = re.compile(parameter["AllowedPattern"])
    assert [value for value in taken if not pattern.search(value)] == []
    assert [value for value in refused if pattern.search(value)] == []
    assert parameter["ConstraintDescription"].startswith("must be ")


def test_every_parameter_is_described() -> None:
    """
    Given the parameters.
    When their descriptions are read.
    Then each has one, and says what it takes.
    """
    lacking = [
        name for name, item in RAW["Parameters"].items() if not {"Description", "ConstraintDescription"} <= set(item)
    ]
    assert lacking == []
