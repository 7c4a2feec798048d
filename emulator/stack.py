"""Deploys aws/two-way-sms.yaml to the emulated AWS, so that the template people deploy is the one that is tested."""

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).resolve().parent.parent / "aws" / "two-way-sms.yaml"
STACK_NAME = "sms-replies"
# Whom the role of XSOAR trusts unless a parameter says otherwise.
XSOAR_PRINCIPAL = "arn:aws:iam::123456789012:user/xsoar"
# moto warns of each resource that it does not create: policies of queues and topics, and alarms.
NOT_CREATED = "Tried to parse AWS::"
logging.getLogger("moto").setLevel(logging.ERROR)


def deploy(cloudformation: Any, parameters: Mapping[str, str]) -> dict[str, str]:
    """Create the stack with these parameters over the template's defaults, and return its outputs by name.

    moto takes any value, and neither rules nor patterns are checked: tests/test_aws_parameters.py looks at those. What
    moto does not create has no effect: nobody is kept from sending to the queue.
    """
    given = {"XsoarPrincipalArn": XSOAR_PRINCIPAL, **parameters}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", NOT_CREATED)
        cloudformation.create_stack(
            StackName=STACK_NAME,
            TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
    (stack,) = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
