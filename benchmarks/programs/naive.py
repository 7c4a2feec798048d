"""A naive poller, to compare with: one message at a time, a client for each call, a sleep after every batch.

It is what a first version looks like, written for the benchmark. It answers and thanks; it knows no claims, copies,
outages or expiry, so it does less than the pack for each reply. Its questions stand in the integration context as
{phone: {code: [incident, guid, task, option]}}.
"""

import demistomock as demisto

import json
import time
from typing import Any

import boto3


def client(service: str, params: dict[str, Any]) -> Any:
    connect: Any = boto3.client
    return connect(service, region_name=params["defaultRegion"])


def handle(message: dict[str, Any], params: dict[str, Any]) -> None:
    payload = json.loads(json.loads(message["Body"])["Message"])
    phone, code = payload["originationNumber"], payload["messageBody"].strip()
    context = demisto.getIntegrationContext()
    questions = json.loads(context["questions"])
    incident, guid, task, option = questions[phone].pop(code)
    demisto.handleEntitlementForUser(incident, guid, phone, option, task)
    demisto.setIntegrationContext({**context, "questions": json.dumps(questions)})
    client("sns", params).publish(PhoneNumber=phone, Message=f"{code} - Thank you for your response!")
    client("sqs", params).delete_message(QueueUrl=params["sqsQueueUrl"], ReceiptHandle=message["ReceiptHandle"])


def main(params: dict[str, Any]) -> None:
    while True:
        answer = client("sqs", params).receive_message(QueueUrl=params["sqsQueueUrl"], MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            handle(message, params)
        time.sleep(int(params["pollInterval"]))


main(demisto.params())
