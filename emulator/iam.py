"""Whether IAM lets the sender of a request do what it asks: moto's policies, and what moto does not know of them."""

from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import IAMRequest
from moto.sqs.models import sqs_backends
from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from emulator.aws_protocol import Request, error_response

# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html: batches have no action.
BATCH = "Batch"
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html#API_Publish_Errors
CODES = {("sns", "AccessDenied"): "AuthorizationError"}


def refusal(request: Request, environ: dict[str, Any]) -> Response | None:
    """The answer to a request that is badly signed or not allowed; None when it is neither.

    moto looks at identity policies (actions, and resources of queues and roles) and at the trust policy of a role;
    not at policies of queues, topics and keys, at permissions boundaries, conditions of other policies or NotResource.
    """
    try:
        asked = _asked(request, environ)
        asked.check_signature()
        asked.check_action_permitted(_resource(request))
    except HTTPException as error:
        code, said = getattr(error, "error_type", ""), getattr(error, "message", "")
        return error_response(request.service, CODES.get((request.service, code), code), said, error.code or 403)
    return None


def _asked(request: Request, environ: dict[str, Any]) -> IAMRequest:
    # moto skips a condition whose value is missing, where AWS refuses.
    parsed: Any = {"ExternalId": [request.parameters.get("ExternalId", "")]}
    headers: Any = EnvironHeaders(environ)
    return IAMRequest(
        account_id=DEFAULT_ACCOUNT_ID,
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        data=parsed,
        body=environ["wsgi.input"].getvalue(),
        headers=headers,
        action=request.operation.removesuffix(BATCH),
    )


def _resource(request: Request) -> str:
    """The ARN that policies name: of the queue, role or secret, and * for an SMS, which has none."""
    queues = sqs_backends[DEFAULT_ACCOUNT_ID][request.region].queues
    queue = queues.get(str(request.parameters.get("QueueUrl", "")).rpartition("/")[2])
    named = (request.parameters[name] for name in ("RoleArn", "SecretId") if name in request.parameters)
    return queue.queue_arn if queue else str(next(named, "*"))
