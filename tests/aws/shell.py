"""The commands of a README, run as a reader would: in order, in a shell, with the AWS CLI, on the emulated AWS."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from emulator.cloud import OPERATOR_KEY, Cloud

ROOT = Path(__file__).resolve().parent.parent.parent
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
MAX_SECONDS = 180
# Version 1 of the AWS CLI goes to an SQS endpoint of its own unless it is given another as an option.
CLI = """\
aws() {
    if [ "$1" = sqs ]; then command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; else command aws "$@"; fi
}
"""


def sections(readme: Path) -> dict[str, str]:
    """The commands of a README by the heading they stand below: all the text of its `sh` blocks there."""
    parts = re.split(r"^#+ (.+)$", readme.read_text("utf-8"), flags=re.MULTILINE)
    commands = {title: shell_text(text) for title, text in zip(parts[1::2], parts[2::2], strict=True)}
    return {title: text for title, text in commands.items() if text}


def shell_text(text: str) -> str:
    return "".join(block["text"] for block in BLOCK.finditer(text) if block["language"] == "sh")


def run(script: str, folder: Path, environment: Mapping[str, str]) -> str:
    """What the script prints; AssertionError with all of it when a command fails or a variable is not set."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", CLI + script],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "AWS_PAGER": "", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


class SmsVoice:
    """The few operations of AWS End User Messaging SMS (pinpoint-sms-voice-v2) that the READMEs use; moto has none.

    It has one phone number. `number` is that number as AWS describes it.
    """

    def __init__(self, number_id: str) -> None:
        self.number: dict[str, Any] = {
            "PhoneNumberId": number_id,
            "PhoneNumber": "+14255550100",
            "Status": "ACTIVE",
            "TwoWayEnabled": False,
        }
        self.url = ""
        self._described = {
            "DescribePhoneNumbers": {"PhoneNumbers": [self.number]},
            "DescribeAccountAttributes": {"AccountAttributes": [{"Name": "ACCOUNT_TIER", "Value": "SANDBOX"}]},
            "DescribeSpendLimits": {"SpendLimits": [{"Name": "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT", "MaxLimit": 1}]},
        }

    def answer(self, operation: str, parameters: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation in self._described:
            return 200, self._described[operation]
        if operation != "UpdatePhoneNumber" or parameters.get("PhoneNumberId") != self.number["PhoneNumberId"]:
            return 400, {"__type": "ResourceNotFoundException", "Message": f"{operation} of {parameters}"}
        self.number |= parameters
        return 200, self.number

    @contextmanager
    def listening(self) -> Iterator["SmsVoice"]:
        """Answer on a port of 127.0.0.1 while the block runs."""
        handler = type("Handler", (_Handler,), {"service": self})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            yield self
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    service: SmsVoice

    def do_POST(self) -> None:
        operation = self.headers["X-Amz-Target"].removeprefix("PinpointSMSVoiceV2.")
        parameters = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, body = self.service.answer(operation, parameters)
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        pass


def environment(cloud: Cloud, voice: SmsVoice | None = None) -> dict[str, str]:
    """The variables that lead the AWS CLI to the emulated AWS, as its operator."""
    voice_url = {"AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2": voice.url} if voice else {}
    reader = {"AWS_ACCESS_KEY_ID": OPERATOR_KEY, "AWS_DEFAULT_REGION": cloud.region}
    return {**cloud.environment(), **reader, **voice_url}
