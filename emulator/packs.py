"""Loads integrations and scripts from a pack's folder (YAML beside the Python file), a unified YAML or a pack's zip."""

import io
import marshal
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

CHECKBOX, CREDENTIALS = 8, 9
PROVIDED_IMPORT = re.compile(
    r"^([ \t]*)(?:import demistomock as demisto|from Common(?:Server|ServerUser)Python import \*)[ \t]*(?:#.*)?$",
    re.MULTILINE,
)


class PackError(Exception):
    """A pack that cannot be loaded."""


class ArgumentError(ValueError):
    """Arguments that a command does not take."""


@dataclass(frozen=True)
class Argument:
    name: str
    required: bool = False
    is_default: bool = False
    default_value: str | None = None


@dataclass(frozen=True)
class Command:
    """A command or script as far as its caller sees it."""

    name: str
    arguments: tuple[Argument, ...] = ()

    def resolve(self, given: Mapping[str, str]) -> dict[str, str]:
        """The arguments as the container gets them, defaults filled in. Raises ArgumentError with a sentence."""
        known = {argument.name for argument in self.arguments}
        for name in given:
            if name not in known:
                accepted = ", ".join(sorted(known)) or "no argument"
                raise ArgumentError(f"{self.name} has no argument '{name}'. It accepts: {accepted}.")
        defaults = {item.name: item.default_value for item in self.arguments if item.default_value is not None}
        resolved = {**defaults, **given}
        for argument in self.arguments:
            if argument.required and not resolved.get(argument.name):
                raise ArgumentError(f"{self.name} needs the argument '{argument.name}'.")
        return resolved

    def default_argument(self) -> str | None:
        return next((argument.name for argument in self.arguments if argument.is_default), None)


@dataclass(frozen=True)
class Parameter:
    name: str
    display: str
    type: int
    default_value: Any = ""
    required: bool = False

    def default(self) -> Any:
        """What an instance has when nothing was entered, in the type the server passes."""
        if self.type == CHECKBOX:
            return str(self.default_value).lower() == "true"
        if self.type == CREDENTIALS:
            return {"identifier": "", "password": ""}
        return str(self.default_value)


@dataclass(frozen=True)
class Script:
    command: Command
    source: str = field(repr=False)
    filename: str

    @property
    def name(self) -> str:
        return self.command.name

    def own(self, given: Mapping[str, str]) -> dict[str, str]:
        """Those of the arguments given that the script has."""
        known = {argument.name for argument in self.command.arguments}
        return {name: value for name, value in given.items() if name in known}


@dataclass(frozen=True)
class Integration:
    """`id` is the brand that `using-brand` names."""

    id: str
    parameters: tuple[Parameter, ...]
    commands: Mapping[str, Command]
    long_running: bool
    source: str = field(repr=False)
    filename: str

    def defaults(self) -> dict[str, Any]:
        return {parameter.name: parameter.default() for parameter in self.parameters}


@dataclass(frozen=True)
class Pack:
    integrations: tuple[Integration, ...] = ()
    scripts: tuple[Script, ...] = ()


def load(path: Path) -> Pack:
    """Everything below a folder, in a zip (zips in it too) or in one YAML file. Raises PackError."""
    items = [item for name, text, sibling in _documents(path) if (item := _item(name, text, sibling)) is not None]
    if not items:
        raise PackError(f"{path} holds no integration and no script (a YAML with its Python source).")
    return Pack(
        integrations=tuple(item for item in items if isinstance(item, Integration)),
        scripts=tuple(item for item in items if isinstance(item, Script)),
    )


@cache
def compiled(source: str, filename: str) -> bytes:
    """The marshalled code of a source as the server runs it: the imports of what it provides dropped, lines kept.

    Compiled here once and not in every container: a real CommonServerPython is 12,000 lines. Raises SyntaxError.
    """
    code = compile(PROVIDED_IMPORT.sub(r"\1pass", source), filename, "exec", dont_inherit=True)
    return marshal.dumps(code)


Documents = Iterator[tuple[str, str, Path | None]]


def _documents(path: Path) -> Documents:
    """(name, YAML text, Python file beside it or None)"""
    if path.is_dir():
        for file in sorted(path.rglob("*.yml")):
            yield str(file), file.read_text("utf-8"), file.with_suffix(".py")
    elif path.suffix == ".zip" and path.is_file():
        yield from _zipped(str(path), path.read_bytes())
    elif path.is_file():
        yield str(path), path.read_text("utf-8"), path.with_suffix(".py")
    else:
        raise PackError(f"{path} does not exist. Give a pack's folder, its zip or a unified YAML file.")


def _zipped(name: str, data: bytes) -> Documents:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.namelist():
            suffix = PurePosixPath(member).suffix
            if suffix == ".zip":
                yield from _zipped(f"{name}/{member}", archive.read(member))
            elif suffix == ".yml":
                yield f"{name}/{member}", archive.read(member).decode("utf-8"), None


def _item(name: str, text: str, sibling: Path | None) -> Integration | Script | None:
    document = _parsed(text)
    if not isinstance(document, dict) or "commonfields" not in document or "script" not in document:
        return None
    script = document["script"]
    unified = script.get("script", "") if isinstance(script, dict) else script
    source, filename = _source(name, unified, sibling)
    _require_python(source, filename)
    if isinstance(script, dict):
        return _integration(document, source, filename)
    return Script(_command(document["name"], document.get("args")), source, filename)


@cache
def _parsed(text: str) -> Any:
    return yaml.safe_load(text)


def _source(name: str, unified: str | None, sibling: Path | None) -> tuple[str, str]:
    if unified and unified != "-":
        return unified, name
    if sibling is None or not sibling.is_file():
        raise PackError(f"{name} holds no script, and no Python file of the same name stands beside it.")
    return sibling.read_text("utf-8"), str(sibling)


def _require_python(source: str, filename: str) -> None:
    try:
        compiled(source, filename)
    except (SyntaxError, ValueError) as error:
        raise PackError(f"{filename} is not valid Python: {error}.") from error


def _integration(document: dict[str, Any], source: str, filename: str) -> Integration:
    script = document["script"]
    return Integration(
        id=document["commonfields"]["id"],
        parameters=tuple(map(_parameter, document.get("configuration") or ())),
        commands={item["name"]: _command(item["name"], item.get("arguments")) for item in script.get("commands") or ()},
        long_running=bool(script.get("longRunning")),
        source=source,
        filename=filename,
    )


def _command(name: str, arguments: list[dict[str, Any]] | None) -> Command:
    return Command(name, tuple(map(_argument, arguments or ())))


def _argument(item: dict[str, Any]) -> Argument:
    default = item.get("defaultValue", item.get("defaultvalue"))
    return Argument(
        name=item["name"],
        required=bool(item.get("required")),
        is_default=bool(item.get("default")),
        default_value=None if default is None else _text(default),
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parameter(item: dict[str, Any]) -> Parameter:
    return Parameter(
        name=item["name"],
        display=item.get("display") or item["name"],
        type=int(item.get("type", 0)),
        default_value=item.get("defaultvalue", ""),
        required=bool(item.get("required")),
    )
