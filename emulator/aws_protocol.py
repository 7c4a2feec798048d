"""How AWS requests and errors look on the wire: the query protocol (SNS, STS) and JSON with X-Amz-Target (SQS)."""

import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

CREDENTIAL_SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
XML_NAMESPACES = {
    "sns": "http://sns.amazonaws.com/doc/2010-03-31/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}
# SQS kept the error codes of its query protocol, which botocore reads from x-amzn-query-error.
SQS_QUERY_CODES = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "ReceiptHandleIsInvalid": "ReceiptHandleIsInvalid",
    "OverLimit": "OverLimit",
}
SQS_SHAPES = {code: shape for shape, code in SQS_QUERY_CODES.items()}


@dataclass(frozen=True)
class Request:
    """One AWS request: `parameters` are named and nested as in boto3; `time` is the Unix time it arrived."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    region: str = ""
    access_key: str = ""
    time: float = field(default_factory=time.time)


def parse_request(authorization: str, target: str, body: bytes) -> Request | None:
    """Read a signed request; None when it is not one that names its operation (an unsigned call, another protocol)."""
    scope = CREDENTIAL_SCOPE.search(authorization)
    if not scope:
        return None
    parsed = _parse_json(target, body) if target else _parse_query(body)
    if not parsed:
        return None
    return Request(scope["service"], *parsed, region=scope["region"], access_key=scope["key"])


def _parse_json(target: str, body: bytes) -> tuple[str, dict[str, Any]] | None:
    try:
        parameters = json.loads(body or b"{}")
    except ValueError:
        return None
    return (target.rpartition(".")[2], parameters) if isinstance(parameters, dict) else None


def _parse_query(body: bytes) -> tuple[str, dict[str, Any]] | None:
    flat = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    operation = flat.pop("Action", "")
    flat.pop("Version", None)
    return (operation, _nest(flat)) if operation else None


def _nest(flat: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, leaf = path.split(".")
        node = tree
        for name in parents:
            node = node.setdefault(name, {})
        node[leaf] = value
    return {name: _fold(value) for name, value in tree.items()}


def _fold(node: Any) -> Any:
    """Turn the numbered children of `entry` and `member` into the map or list they stand for."""
    if not isinstance(node, dict):
        return node
    if set(node) == {"entry"}:
        return dict(_map_item(node["entry"][number]) for number in sorted(node["entry"], key=int))
    if set(node) == {"member"}:
        return [_fold(node["member"][number]) for number in sorted(node["member"], key=int)]
    return {name: _fold(value) for name, value in node.items()}


def _map_item(entry: Mapping[str, Any]) -> tuple[str, Any]:
    lowered = {name.lower(): value for name, value in entry.items()}
    return lowered["name"] if "name" in lowered else lowered["key"], _fold(lowered["value"])


def error_response(service: str, code: str, message: str, status: int) -> Response:
    """Answer with an error as the service itself words it."""
    build = _json_error if service == "sqs" else _query_error
    return build(service, code, message, status)


def _json_error(service: str, code: str, message: str, status: int) -> Response:
    shape = SQS_SHAPES.get(code, code)
    body = json.dumps({"__type": f"com.amazonaws.{service}#{shape}", "message": message})
    fault = "Receiver" if status >= 500 else "Sender"
    headers = {"x-amzn-query-error": f"{SQS_QUERY_CODES.get(shape, code)};{fault}", "x-amzn-RequestId": _request_id()}
    return Response(body, status, headers, content_type="application/x-amz-json-1.0")


def _query_error(service: str, code: str, message: str, status: int) -> Response:
    fault = "Receiver" if status >= 500 else "Sender"
    body = (
        f'<ErrorResponse xmlns="{XML_NAMESPACES.get(service, "")}">'
        f"<Error><Type>{fault}</Type><Code>{escape(code)}</Code>"
        f"<Message>{escape(message)}</Message></Error><RequestId>{_request_id()}</RequestId></ErrorResponse>"
    )
    return Response(body, status, content_type="text/xml")


def sns_response(operation: str, result: Mapping[str, str]) -> Response:
    """Answer an SNS operation with a flat result."""
    fields = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in result.items())
    body = (
        f'<{operation}Response xmlns="{XML_NAMESPACES["sns"]}"><{operation}Result>{fields}</{operation}Result>'
        f"<ResponseMetadata><RequestId>{_request_id()}</RequestId></ResponseMetadata></{operation}Response>"
    )
    return Response(body, content_type="text/xml")


def empty_receive() -> Response:
    """Answer ReceiveMessage as SQS does when nothing came: without a Messages key."""
    return Response("{}", content_type="application/x-amz-json-1.0")


def _request_id() -> str:
    return str(uuid.uuid4())
