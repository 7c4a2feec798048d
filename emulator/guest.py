"""The inside of a container: runs one script or command with a `demisto` object that talks to the server.

Started by container.py as a file with three descriptors as arguments (calls out, replies in, lifeline) and without
anything of this repository on its path. Imports stay few: every command pays for them.
"""
# The names and signatures are the server's.
# ruff: noqa: N802, N803, FBT001, FBT002

import builtins
import json
import marshal
import os
import sys
import threading
import traceback
from types import TracebackType
from typing import IO, Any, NoReturn


class ServerGone(BaseException):
    """The server no longer answers: nothing the running code may catch as an error of its own."""


class Pipe:
    """One JSON line out, one JSON line back. ASCII only, so that lone surrogates and NUL survive."""

    def __init__(self, calls: int, replies: int) -> None:
        self._calls = os.fdopen(calls, "wb", buffering=0)
        self._replies = os.fdopen(replies, "rb", buffering=1 << 20)

    def start(self) -> tuple[dict[str, Any], list[bytes]]:
        header = json.loads(self._replies.readline())
        return header, [self._replies.read(size) for size in header["sizes"]]

    def send(self, message: dict[str, Any]) -> None:
        line = memoryview(json.dumps(message).encode("ascii") + b"\n")
        while line:
            line = line[self._write(line) :]

    def _write(self, line: memoryview) -> int:
        try:
            return self._calls.write(line) or 0
        except BrokenPipeError:
            raise ServerGone from None

    def receive(self) -> dict[str, Any]:
        line = self._replies.readline()
        if not line.endswith(b"\n"):
            raise ServerGone
        reply: dict[str, Any] = json.loads(line)
        return reply


class Demisto:
    """The `demisto` object: methods and names are the server's, in its camelCase.

    As on the server it is one pipe: a second thread may only log, until CommonServerPython's `support_multithreading`
    put a lock around `__do`. Anything else from a second thread raises RuntimeError and stands in the log as an error.
    """

    def __init__(self, pipe: Pipe, calling_context: dict[str, Any]) -> None:
        self._pipe = pipe
        self._turn = threading.Lock()
        self._owner = threading.get_ident()
        self._offences = 0
        self._args = calling_context.get("args", {})
        self.callingContext = calling_context
        self.is_debug = False

    # CommonServerPython wraps this very method, under its mangled name, to make calls of several threads safe.
    def __do(self, cmd: dict[str, Any]) -> Any:
        self._refuse_other_threads(cmd["type"])
        message = {"call": cmd["type"], "args": {key: value for key, value in cmd.items() if key != "type"}}
        with self._turn:
            if self._offences:
                message["offences"], self._offences = self._offences, 0
            self._pipe.send(message)
            reply = self._pipe.receive()
        if "error" in reply:
            raise_error(reply["error"])
        return reply.get("value")

    def _refuse_other_threads(self, name: str) -> None:
        if threading.get_ident() == self._owner or hasattr(self, "lock") or name in ("debug", "info", "error"):
            return
        self._offences += 1
        raise RuntimeError(f"demisto.{name} was called in a second thread: only one thread may talk to the server.")

    def params(self) -> dict[str, Any]:
        params: dict[str, Any] = self.callingContext.get("params", {})
        return params

    def args(self) -> dict[str, Any]:
        args: dict[str, Any] = self._args
        return args

    def command(self) -> str:
        return str(self.callingContext.get("command", ""))

    def getArg(self, name: str) -> Any:
        return self.args().get(name)

    def investigation(self) -> Any:
        return self.callingContext["context"]["Inv"]

    def incidents(self) -> Any:
        return self.callingContext["context"]["Incidents"]

    def incident(self) -> Any:
        return self.incidents()[0]

    def context(self) -> Any:
        return self.callingContext["context"]["ExecutionContext"]

    def integrationInstance(self) -> str:
        return str(self.callingContext["context"].get("IntegrationInstance", ""))

    def demistoVersion(self) -> dict[str, Any]:
        return dict(self.callingContext["context"]["DemistoVersion"])

    def demistoUrls(self) -> dict[str, str]:
        return {"server": "https://127.0.0.1"}

    def getLicenseID(self) -> str:
        return "00000000-0000-0000-0000-000000000000"

    def isTimeSensitive(self) -> bool:
        return False

    def get(self, obj: Any, field: str) -> Any:
        for part in field.split("."):
            obj = obj.get(part) if isinstance(obj, dict) else None
        return obj

    def executeCommand(self, command: str, args: dict[str, Any]) -> Any:
        return self.__do({"type": "executeCommand", "command": command, "args": args})

    def results(self, results: Any) -> None:
        self.__do({"type": "results", "entries": to_entries(results)})

    def getIntegrationContext(self) -> Any:
        return self.__do({"type": "getIntegrationContext", "refresh": False})

    def setIntegrationContext(self, context: Any) -> Any:
        return self.__do({"type": "setIntegrationContext", "context": context})

    def getIntegrationContextVersioned(self, refresh: bool = False) -> Any:
        return self.__do({"type": "getIntegrationContextVersioned", "refresh": refresh})

    def setIntegrationContextVersioned(self, context: Any, version: int = -1, sync: bool = False) -> Any:
        return self.__do(
            {"type": "setIntegrationContextVersioned", "context": context, "version": version, "sync": sync}
        )

    def handleEntitlementForUser(self, incidentID: Any, guid: Any, email: Any, content: Any, taskID: Any = "") -> Any:
        call = {"incidentID": incidentID, "guid": guid, "email": email, "content": content, "taskID": taskID}
        return self.__do({"type": "handleEntitlementForUser", **call})

    def updateModuleHealth(self, data: Any, is_error: bool = False) -> None:
        self.__do({"type": "updateModuleHealth", "data": data, "is_error": is_error})

    def debug(self, *args: Any) -> None:
        self.__do({"type": "debug", "text": " ".join(map(str, args))})

    def info(self, *args: Any) -> None:
        self.__do({"type": "info", "text": " ".join(map(str, args))})

    def error(self, *args: Any) -> None:
        self.__do({"type": "error", "text": " ".join(map(str, args))})

    def log(self, msg: Any) -> None:
        self.info(msg)


def to_entries(results: Any) -> list[Any]:
    """What `demisto.results` takes, as a list of entries; None is no entry."""
    items = results if isinstance(results, list) else [results]
    return [to_entry(item) for item in items if item is not None]


def to_entry(result: Any) -> dict[str, Any]:
    if isinstance(result, dict) and "Contents" in result and "ContentsFormat" in result:
        return result
    if isinstance(result, dict):
        return {"Type": 1, "ContentsFormat": "json", "Contents": json.dumps(result)}
    return {"Type": 1, "ContentsFormat": "text", "Contents": str(result)}


def raise_error(error: dict[str, str]) -> NoReturn:
    """Raise what the server answered: a built-in exception by its name."""
    raise getattr(builtins, error["type"])(error["message"])


def end_with_the_server(lifeline: int) -> None:
    """End this process, whatever it is doing, the moment the server's end of `lifeline` is closed."""

    def watch() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run(sources: list[bytes], module_name: str, demisto: Demisto) -> dict[str, Any]:
    """Run the sources one after the other in one namespace; how it ended, as a message."""
    # The module name is in no sys.modules, as on the server: string annotations of dataclasses cannot be looked up.
    namespace = {"__name__": module_name, "__builtins__": builtins, "demisto": demisto}
    try:
        for source in sources:
            exec(marshal.loads(source), namespace)  # noqa: S102, S302 - running the pack's code is the job
    except SystemExit as end:
        return {"end": "error", "message": f"The code ended with {end}."} if end.code else {"end": "ok"}
    except ServerGone:
        os._exit(1)
    except BaseException as error:  # noqa: BLE001 - told to the server, which decides
        return {"end": "error", "message": describe(error), "traceback": trace(error)}
    return {"end": "ok"}


def describe(error: BaseException) -> str:
    return f"{error}" if type(error) is Exception else f"{type(error).__name__}: {error}"


def trace(error: BaseException) -> str:
    """The traceback without the frames of this file."""
    frames: TracebackType | None = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def flush(stream: IO[str] | None) -> None:
    if stream is not None:
        stream.flush()


def main() -> None:
    calls, replies, lifeline = map(int, sys.argv[1:4])
    sys.argv = [""]
    end_with_the_server(lifeline)
    pipe = Pipe(calls, replies)
    start, sources = pipe.start()
    end = run(sources, start["module_name"], Demisto(pipe, start["calling_context"]))
    flush(sys.stdout)
    flush(sys.stderr)
    try:
        pipe.send(end)
    except ServerGone:
        os._exit(1)


if __name__ == "__main__":
    main()
