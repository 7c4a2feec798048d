"""The least that a command which sends a text has to load: boto3 and one client."""

import demistomock as demisto

demisto.debug("begun")

import boto3  # noqa: E402 - what is measured

demisto.debug("imported")
boto3.client("sns", region_name=demisto.params()["defaultRegion"]).publish(PhoneNumber="+14255550182", Message="Hello")
demisto.results("sent")
