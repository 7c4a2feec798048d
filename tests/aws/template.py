"""The template as CloudFormation reads it: conditions decided, functions worked out, resources named <like this>."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from cfnlint.decode import cfn_yaml
from moto.cloudformation.parsing import clean_json, parse_condition

from emulator.stack import TEMPLATE

TEXT = TEMPLATE.read_text(encoding="utf-8")
RAW: Mapping[str, Any] = json.loads(json.dumps(cfn_yaml.load(str(TEMPLATE))))

ACCOUNT = "123456789012"
STACK_GUID = "8d1f6c3a-0000-4000-8000-000000000001"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
# The other position of every switch: together with the defaults, each position of each.
SWITCHES: Mapping[str, tuple[str, str]] = {
    "XsoarIdentity": ("role", "user"),
    "ExternalId": ("", "pack-7"),
    "PermissionsBoundaryArn": ("", BOUNDARY),
    "TwoWayChannel": ("topic-policy", "role"),
    "OtherSenderArn": ("", f"arn:aws:iam::{ACCOUNT}:role/bridge"),
    "AlarmEmail": ("", "soc@example.com"),
    "CustomerKey": ("false", "true"),
}


@dataclass(frozen=True)
class Placeholder:
    """Stands for a resource: its Ref is <Name>, its attributes are <Name.Attribute>."""

    name: str

    @property
    def physical_resource_id(self) -> str:
        return f"<{self.name}>"

    def get_cfn_attribute(self, attribute: str) -> str:
        return f"<{self.name}.{attribute}>"


class Names(dict[str, Any]):
    """What a Ref can name, and the conditions, in the form in which moto's functions ask for them."""

    lazy_condition_map: dict[str, bool]


@dataclass(frozen=True)
class Region:
    """A Region, its partition, and how the hosts of its services end."""

    name: str
    partition: str
    suffix: str


COMMERCIAL = Region("us-east-1", "aws", "amazonaws.com")
GOVERNMENT = Region("us-gov-west-1", "aws-us-gov", "amazonaws.com")
CHINA = Region("cn-north-1", "aws-cn", "amazonaws.com.cn")


@dataclass(frozen=True)
class Stack:
    """The resources that CloudFormation would create, and the outputs it would show, by name."""

    resources: Mapping[str, Any]
    outputs: Mapping[str, str]

    def properties(self, name: str) -> Any:
        return self.resources[name]["Properties"]

    def document(self, name: str) -> list[dict[str, Any]]:
        """The statements of a resource's policy; those of a role are its trust policy's."""
        kinds = ("PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy")
        (document,) = [self.properties(name)[kind] for kind in kinds if kind in self.properties(name)]
        assert document["Version"] == "2012-10-17"
        statements: list[dict[str, Any]] = document["Statement"]
        return statements

    def documents(self) -> dict[str, list[dict[str, Any]]]:
        """Every policy in the template, by resource."""
        return {name: self.document(name) for name in self.resources if '"Statement"' in self._text(name)}

    def _text(self, name: str) -> str:
        return json.dumps(self.resources[name])


def resolve(region: Region = COMMERCIAL, /, **parameters: str) -> Stack:
    """The stack that these parameters, over the defaults, give in a Region. moto works out the functions."""
    names: Any = _names(region, parameters)
    created = {name: item for name, item in RAW["Resources"].items() if _holds(item, names)}
    resources = {name: _without_no_value(clean_json(item, names)) for name, item in created.items()}
    shown = {name: item["Value"] for name, item in RAW["Outputs"].items() if _holds(item, names)}
    return Stack(resources, {name: clean_json(value, names) for name, value in shown.items()})


def decide(condition: Any, **parameters: str) -> bool:
    """Whether a condition of the template, or an assertion of its rules, holds."""
    names = _names(COMMERCIAL, parameters)
    return _decide(condition, names)


def _names(region: Region, parameters: Mapping[str, str]) -> Names:
    pseudo = {
        "AWS::Partition": region.partition,
        "AWS::Region": region.name,
        "AWS::URLSuffix": region.suffix,
        "AWS::AccountId": ACCOUNT,
        "AWS::StackId": f"arn:{region.partition}:cloudformation:{region.name}:{ACCOUNT}:stack/sms/{STACK_GUID}",
        "AWS::NoValue": None,
    }
    assert set(parameters) <= set(RAW["Parameters"])
    defaults = {name: item["Default"] for name, item in RAW["Parameters"].items()}
    names = Names({name: Placeholder(name) for name in RAW["Resources"]})
    names.update({**pseudo, **defaults, **parameters})
    names.lazy_condition_map = {}
    for name, condition in RAW["Conditions"].items():
        names.lazy_condition_map[name] = _decide(condition, names)
    return names


def _decide(condition: Any, names: Any) -> bool:
    return bool(parse_condition(condition, names, names.lazy_condition_map))


def _holds(item: Mapping[str, Any], names: Names) -> bool:
    return "Condition" not in item or names.lazy_condition_map[item["Condition"]]


def _without_no_value(value: Any) -> Any:
    """moto leaves AWS::NoValue in lists, CloudFormation does not."""
    if isinstance(value, dict):
        return {name: _without_no_value(item) for name, item in value.items()}
    return [_without_no_value(item) for item in value if item is not None] if isinstance(value, list) else value


def every_stack() -> list[Stack]:
    """A stack for each combination of the switches."""
    return [resolve(**dict(zip(SWITCHES, positions, strict=True))) for positions in product(*SWITCHES.values())]


def listed(value: Any) -> list[Any]:
    """A policy's value as a list: one may stand alone."""
    return value if isinstance(value, list) else [value]


def actions(statements: list[dict[str, Any]]) -> set[str]:
    """The actions of all statements."""
    return {action for statement in statements for action in listed(statement["Action"])}
