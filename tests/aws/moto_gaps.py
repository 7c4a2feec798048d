"""What CloudFormation does and moto does not, as far as the READMEs in aws/ need it."""

from collections.abc import Callable
from typing import Any

import pytest
from moto.awslambda.models import lambda_backends
from moto.cloudformation import parsing
from moto.cloudformation.models import ChangeSet
from moto.core.common_models import CloudFormationModel

from emulator.cloud import Cloud


class FunctionUrl(CloudFormationModel):
    """AWS::Lambda::Url, made by moto's own CreateFunctionUrlConfig."""

    def __init__(self, url: str) -> None:
        self.physical_resource_id = url

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Lambda::Url"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "FunctionUrl"

    def get_cfn_attribute(self, _attribute: str) -> str:
        return self.physical_resource_id

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,  # noqa: ARG003 - moto gives it by name
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> "FunctionUrl":
        properties = cloudformation_json["Properties"]
        function = lambda_backends[account_id][region_name].get_function(properties["TargetFunctionArn"])
        return cls(function.create_url_config(properties).url)

    def delete(self, _account: str, _region: str) -> None:
        """It goes with the function."""


def fill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Function URLs, updates of what moto can only make, and the outputs of what `aws cloudformation deploy` made."""
    models: Callable[[], dict[str, Any]] = parsing.get_model_map
    monkeypatch.setattr(parsing, "get_model_map", lambda: {**models(), "AWS::Lambda::Url": FunctionUrl})
    apply, update = ChangeSet.apply, parsing.parse_and_update_resource

    def apply_and_tell(change_set: Any) -> None:
        apply(change_set)
        change_set.stack.template_dict = change_set.template_dict
        change_set.stack.parameters = change_set.parameters
        change_set.stack.output_map = change_set.stack._create_output_map()

    def update_or_keep(logical_id: str, resource: Any, resources: Any, **settings: Any) -> Any:
        try:
            return update(logical_id, resource, resources, **settings)
        except AttributeError:
            return resources[logical_id]

    monkeypatch.setattr(ChangeSet, "apply", apply_and_tell)
    monkeypatch.setattr(parsing, "parse_and_update_resource", update_or_keep)


def detach_policies(cloud: Cloud) -> None:
    """moto deletes a stack in another order than CloudFormation, and stops at a role that still has policies."""
    iam: Any = cloud.client("iam")
    for policy in iam.list_policies(Scope="Local", OnlyAttached=True)["Policies"]:
        for role in iam.list_entities_for_policy(PolicyArn=policy["Arn"])["PolicyRoles"]:
            iam.detach_role_policy(RoleName=role["RoleName"], PolicyArn=policy["Arn"])
