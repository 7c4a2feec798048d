"""Stands for the server's `demisto` object in unit tests; tests replace what they need with their own values.

A container never sees this file: there `demisto` is the object of guest.py.
"""

from typing import Any

# The signatures are the server's.
# ruff: noqa: ARG001, PLW0603

callingContext: dict[str, Any] = {}
integrationContext: dict[str, str] = {}
is_debug = False


def params() -> dict[str, Any]:
    return {}


def args() -> dict[str, Any]:
    return {}


def command() -> str:
    return ""


def getArg(name: str) -> Any:
    return args().get(name)


def get(obj: Any, field: str) -> Any:
    for part in field.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def results(results: Any) -> None:
    return


def executeCommand(command: str, args: dict[str, Any]) -> list[dict[str, Any]]:
    return []


def investigation() -> dict[str, Any]:
    return {"id": "1"}


def incidents() -> list[dict[str, Any]]:
    return [incident()]


def incident() -> dict[str, Any]:
    return {"id": "1", "name": "Incident 1", "CustomFields": {}}


def context() -> dict[str, Any]:
    return {}


def integrationInstance() -> str:
    return ""


def demistoVersion() -> dict[str, Any]:
    return {"version": "6.10.0", "buildNumber": "1000000"}


def demistoUrls() -> dict[str, str]:
    return {"server": "https://127.0.0.1"}


def getLicenseID() -> str:
    return "00000000-0000-0000-0000-000000000000"


def getIntegrationContext() -> dict[str, str]:
    return integrationContext


def setIntegrationContext(context: dict[str, str]) -> None:
    global integrationContext
    integrationContext = context


def getIntegrationContextVersioned(refresh: bool = False) -> dict[str, Any]:
    return {"context": integrationContext, "version": -1}


def setIntegrationContextVersioned(context: dict[str, str], version: int = -1, sync: bool = False) -> None:
    setIntegrationContext(context)


def handleEntitlementForUser(incidentID: str, guid: str, email: str, content: str, taskID: str = "") -> None:
    return


def updateModuleHealth(data: Any, is_error: bool = False) -> None:
    return


def debug(*args: Any) -> None:
    return


def info(*args: Any) -> None:
    return


def error(*args: Any) -> None:
    return


def log(msg: Any) -> None:
    return
