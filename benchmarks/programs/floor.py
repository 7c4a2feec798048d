"""The floor of the queue: receives messages and deletes them, ten at a time, and does nothing else.

With `texts` in its params it also sends a text for each, from ten threads, as long as the queue holds anything.
"""

import demistomock as demisto

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

THREADS = 10


def empty_the_queue(sqs: Any, sns: Any, queue: str, pool: ThreadPoolExecutor) -> None:
    while True:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=10)
        messages = answer.get("Messages", [])
        if not messages:
            continue
        entries = [{"Id": str(place), "ReceiptHandle": item["ReceiptHandle"]} for place, item in enumerate(messages)]
        sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
        for _ in messages if sns else ():
            pool.submit(sns.publish, PhoneNumber="+14255550182", Message="Thank you!")


def main(params: dict[str, Any]) -> None:
    config = Config(retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=20, proxies={})
    session = boto3.Session(region_name=params["defaultRegion"])
    sqs = session.client("sqs", config=config)
    sns = session.client("sns", config=config) if params.get("texts") else None
    empty_the_queue(sqs, sns, params["sqsQueueUrl"], ThreadPoolExecutor(THREADS))


main(demisto.params())
