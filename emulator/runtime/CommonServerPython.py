"""The part of XSOAR's CommonServerPython that this pack uses: same names, same semantics, our own code.

What it imports is hidden behind underscores: the real file leaks `json`, `re` and many more into every script, and a
script that forgets an import of its own would pass here. The functions are described at
https://xsoar.pan.dev/docs/reference/api/common-server-python.
"""

import demistomock as demisto

import json as _json
import os as _os
import re as _re
import sys as _sys
from collections.abc import Callable as _Callable
from inspect import currentframe as _currentframe
from threading import Lock as _Lock
from typing import Any as _Any

__all__ = [
    "CommandResults",
    "DemistoException",
    "EntryFormat",
    "EntryType",
    "argToBoolean",
    "argToList",
    "arg_to_number",
    "execute_command",
    "get_error",
    "get_integration_context",
    "get_integration_context_with_version",
    "handle_proxy",
    "isError",
    "is_error",
    "return_error",
    "return_results",
    "set_integration_context",
    "stringEscapeMD",
    "support_multithreading",
    "tableToMarkdown",
]

_LEFT_TO_THE_SERVER = (
    "fetch-incidents",
    "fetch-credentials",
    "fetch-indicators",
    "fetch-assets",
    "long-running-execution",
)
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
_CERTIFICATE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_NO_VALUE: tuple[_Any, ...] = ("", None, [], {})


class DemistoException(Exception):
    """An error of an integration; `res` is the response it comes from, if any."""

    def __init__(self, message: _Any, exception: Exception | None = None, res: _Any = None, *args: _Any) -> None:
        self.message, self.exception, self.res = message, exception, res
        super().__init__(message, exception, *args)

    def __str__(self) -> str:
        return str(self.message)


class EntryType:
    NOTE = 1
    DOWNLOAD_AGENT = 2
    FILE = 3
    ERROR = 4
    PINNED = 5
    USER_MANAGEMENT = 6
    IMAGE = 7
    PLAYGROUND_ERROR = 8
    ENTRY_INFO_FILE = 9
    WARNING = 11


class EntryFormat:
    HTML = "html"
    TABLE = "table"
    JSON = "json"
    TEXT = "text"
    DBOT_RESPONSE = "dbotCommandResponse"
    MARKDOWN = "markdown"


class CommandResults:
    """What a command returns; `raw_response` is `outputs` unless given."""

    def __init__(  # noqa: PLR0913, PLR0917 - the real signature
        self,
        outputs_prefix: str | None = None,
        outputs_key_field: str | list[str] | None = None,
        outputs: _Any = None,
        indicators: _Any = None,
        readable_output: str | None = None,
        raw_response: _Any = None,
        entry_type: int = EntryType.NOTE,
        tags: list[str] | None = None,
        mark_as_note: bool = False,
    ) -> None:
        self.outputs_prefix = outputs_prefix
        self.outputs_key_field = _key_fields(outputs_key_field)
        self.outputs = outputs
        self.indicators = indicators
        self.readable_output = readable_output
        self.raw_response = outputs if raw_response is None else raw_response
        self.entry_type = entry_type
        self.tags = tags
        self.mark_as_note = mark_as_note

    def to_context(self) -> dict[str, _Any]:
        readable = self.readable_output
        if self.outputs is not None and not readable:
            readable = tableToMarkdown("Results", self.outputs)
        entry = {
            "Type": self.entry_type,
            "ContentsFormat": EntryFormat.TEXT if isinstance(self.raw_response, str | int) else EntryFormat.JSON,
            "Contents": self.raw_response,
            "HumanReadable": readable,
            "EntryContext": self._entry_context(),
            "IndicatorTimeline": [],
            "IgnoreAutoExtract": False,
            "Note": self.mark_as_note,
            "Relationships": [],
        }
        return {**entry, "Tags": self.tags} if self.tags else entry

    def _entry_context(self) -> dict[str, _Any]:
        if self.outputs is None:
            return {}
        if not self.outputs_prefix:
            return dict(self.outputs)
        conditions = " && ".join(f"val.{key} && val.{key} == obj.{key}" for key in self.outputs_key_field)
        return {f"{self.outputs_prefix}({conditions})" if conditions else self.outputs_prefix: self.outputs}


def _key_fields(given: _Any) -> list[str]:
    if given and not isinstance(given, str | list):
        raise TypeError("outputs_key_field must be of type str or list")
    return [given] if given and isinstance(given, str) else list(given or ())


def return_results(results: _Any) -> None:
    """Write CommandResults, entries, strings or a list of them to the war room."""
    if not (results and isinstance(results, list)):
        results = [results]
    for result in results:
        demisto.results(result.to_context() if isinstance(result, CommandResults) else result)


def return_error(message: _Any, error: _Any = "", outputs: _Any = None) -> None:
    """Write an error entry and end the process; raise Exception where the server handles the error itself."""
    if error:
        demisto.error(str(error))
    if hasattr(demisto, "command") and demisto.command() in _LEFT_TO_THE_SERVER:
        raise Exception(message)  # noqa: TRY002 - the type that the server's own raises
    entry = {
        "Type": EntryType.ERROR,
        "ContentsFormat": EntryFormat.TEXT,
        "Contents": str(message),
        "EntryContext": outputs,
    }
    demisto.results(entry)
    _sys.exit(0)


def is_error(execute_command_result: _Any) -> bool:
    entries = execute_command_result if isinstance(execute_command_result, list) else [execute_command_result]
    return any(isinstance(entry, dict) and entry.get("Type") == EntryType.ERROR for entry in entries)


isError = is_error


def get_error(execute_command_result: _Any) -> str:
    """The texts of all error entries, a line each. Raises ValueError when there is none."""
    if not is_error(execute_command_result):
        raise ValueError("execute_command_result has no error entry. before using get_error use is_error")
    if isinstance(execute_command_result, dict):
        return str(execute_command_result["Contents"])
    return "\n".join(str(entry["Contents"]) for entry in execute_command_result if is_error(entry))


def execute_command(
    command: str, args: dict[str, _Any], extract_contents: bool = True, fail_on_error: bool = True
) -> _Any:
    """Run a command from a script: its contents, or with `fail_on_error` False (succeeded, contents or error text)."""
    if not hasattr(demisto, "executeCommand"):
        raise DemistoException("Cannot run demisto.executeCommand() from integrations.")
    entries = demisto.executeCommand(command, args)
    if is_error(entries):
        if fail_on_error:
            return_error(f"Failed to execute {command}. Error details:\n{get_error(entries)}")
        return False, get_error(entries)
    contents = _contents(entries) if extract_contents else entries
    return contents if fail_on_error else (True, contents)


def _contents(entries: list[dict[str, _Any]]) -> _Any:
    contents = [entry.get("Contents", {}) for entry in entries]
    return contents[0] if len(contents) == 1 else contents


def argToBoolean(value: _Any) -> bool:
    words = {"true": True, "yes": True, "false": False, "no": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("Argument does not contain a valid boolean-like value")


def argToList(arg: _Any, separator: str = ",", transform: _Callable[[_Any], _Any] | None = None) -> list[_Any]:
    """A list as it is, JSON text of a list, or text split at `separator`."""
    if not arg:
        return []
    if isinstance(arg, str):
        is_json = arg[0] == "[" and arg[-1] == "]"
        arg = _json.loads(arg) if is_json else [item.strip() for item in arg.split(separator)]
    items = arg if isinstance(arg, list) else [arg]
    return [transform(item) for item in items] if transform else items


def arg_to_number(arg: _Any, arg_name: str | None = None, required: bool = False) -> int | None:
    """A whole number (decimals are cut off), None when empty. Raises ValueError for anything else."""
    if arg is None or arg == "":
        if required:
            raise ValueError(f'Missing "{arg_name}"' if arg_name else "Missing required argument")
        return None
    try:
        return int(arg) if isinstance(arg, int) or str(arg).isdigit() else int(float(arg))
    except (TypeError, ValueError):
        raise ValueError(
            f'Invalid number: "{arg_name}"="{arg}"' if arg_name else f'"{arg}" is not a valid number'
        ) from None


def tableToMarkdown(
    name: str,
    t: _Any,
    headers: list[str] | str | None = None,
    headerTransform: _Callable[[str], str] | None = None,
    removeNull: bool = False,
    metadata: str | None = None,
    sort_headers: bool = True,
) -> str:
    """A markdown table with a row for each dict of `t`; cells have `|` and line breaks escaped."""
    title = f"### {name}\n" if name else ""
    title += f"{metadata}\n" if metadata else ""
    rows = _rows(t, headers)
    columns = [headers] if isinstance(headers, str) else list(headers or ())
    if rows and not columns:
        columns = sorted(rows[0]) if sort_headers else list(rows[0])
    if removeNull:
        columns = [column for column in columns if any(row.get(column) not in _NO_VALUE for row in rows)]
    if not (rows and columns):
        return f"{title}**No entries.**\n"
    lines = [_header(columns, headerTransform), "|" + "|".join(["---"] * len(columns)) + "|"]
    lines += ["| " + " | ".join(_cell(row.get(column)) for column in columns) + " |" for row in rows]
    return title + "\n".join(lines) + "\n"


def _rows(t: _Any, headers: list[str] | str | None) -> list[dict[str, _Any]]:
    items = t if isinstance(t, list) else [t] if t else []
    if items and not isinstance(items[0], dict):
        column = headers if isinstance(headers, str) else (headers or [""])[0]
        return [{column: item} for item in items]
    return items


def _header(columns: list[str], transform: _Callable[[str], str] | None) -> str:
    return "|" + "|".join(transform(column) if transform else column for column in columns) + "|"


def _cell(value: _Any) -> str:
    return "" if value is None else stringEscapeMD(_text(value), minimal_escaping=True, escape_multiline=True)


def _text(value: _Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ",\n".join(map(_text, value))
    return str(value)


def stringEscapeMD(st: str, minimal_escaping: bool = False, escape_multiline: bool = False) -> str:
    if escape_multiline:
        st = _re.sub(r"\r\n|\r|\n", "<br>", st)
    special = r"([|])" if minimal_escaping else r"([\\`*_{}\[\]()#+\-|!])"
    return _re.sub(special, r"\\\1", st)


def handle_proxy(
    proxy_param_name: str = "proxy",
    checkbox_default_value: bool = False,
    handle_insecure: bool = True,
    insecure_param_name: str | None = None,
) -> dict[str, str]:
    """The proxies of the environment; none, and its proxy variables removed, when the parameter is off."""
    if handle_insecure:
        _skip_certificates(insecure_param_name)
    if not demisto.params().get(proxy_param_name, checkbox_default_value):
        _remove(_PROXY_VARIABLES)
        return {}
    http, https = (_os.environ.get(name.upper()) or _os.environ.get(name, "") for name in ("http_proxy", "https_proxy"))
    return {"http": _with_scheme(http), "https": _with_scheme(https)}


def _skip_certificates(insecure_param_name: str | None) -> None:
    names = [insecure_param_name] if insecure_param_name else ["insecure", "unsecure"]
    if any(demisto.params().get(name) for name in names):
        _remove(_CERTIFICATE_VARIABLES)


def _remove(variables: tuple[str, ...]) -> None:
    for variable in variables:
        _os.environ.pop(variable, None)


def _with_scheme(proxy: str) -> str:
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def get_integration_context(sync: bool = True, with_version: bool = False) -> _Any:
    versioned = demisto.getIntegrationContextVersioned(sync)
    return versioned if with_version else versioned.get("context", {})


def get_integration_context_with_version(sync: bool = True) -> tuple[dict[str, str], int]:
    versioned = demisto.getIntegrationContextVersioned(sync)
    return versioned.get("context", {}), versioned.get("version", -1)


def set_integration_context(context: dict[str, str], sync: bool = True, version: int = -1) -> _Any:
    return demisto.setIntegrationContextVersioned(context, version, sync)


def support_multithreading() -> None:
    """Put a lock around the calls to the server, so that several threads may make them."""
    server: _Any = demisto
    call = server._Demisto__do
    lock = server.lock = _Lock()

    def locked(cmd: _Any) -> _Any:
        with lock:
            return call(cmd)

    server._Demisto__do = locked


def __line__() -> int:
    """The caller's line number; the code that demisto-sdk adds to a unified YAML calls it."""
    frame = _currentframe()
    return frame.f_back.f_lineno if frame and frame.f_back else 0


def register_module_line(module_name: str, start_end: str, line: int, wrapper: int = 0) -> None:
    """The real one corrects the line numbers of tracebacks; here every source is compiled under its own name."""
