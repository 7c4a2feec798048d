"""Which CommonServerPython containers and unit tests run: our own small one or, with `XSOAR_CONTENT`, a real one."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "XSOAR_CONTENT"
OWN = Path(__file__).with_name("runtime")
PLACES = {
    "CommonServerPython.py": "Packs/Base/Scripts/CommonServerPython",
    "CommonServerUserPython.py": "Packs/Base/Scripts/CommonServerUserPython",
    "demistomock.py": "Tests/demistomock",
}
API_MODULES = "Packs/ApiModules/Scripts"
API_MODULE_IMPORT = re.compile(r"^from (\w+ApiModule) import \*.*$", re.MULTILINE)


class ContentError(Exception):
    """`XSOAR_CONTENT` names something that cannot be used."""


@dataclass(frozen=True)
class Runtime:
    """The files that stand for what the server provides."""

    common: Path
    user: Path
    mock: Path
    api_modules: Mapping[str, Path]

    def import_folders(self) -> list[str]:
        """Folders for `sys.path`, the first to win: a real file goes before our own of the same name."""
        files = (self.common, self.user, self.mock, *self.api_modules.values())
        return list(dict.fromkeys(str(path.parent) for path in files))

    def common_source(self) -> str:
        """CommonServerPython as a server has it: with the API modules that it imports in a checkout written into it."""

        def written_in(line: re.Match[str]) -> str:
            module = self.api_modules.get(line[1])
            return module.read_text("utf-8") if module else "pass"

        return API_MODULE_IMPORT.sub(written_in, self.common.read_text("utf-8"))


def runtime(environment: Mapping[str, str] = os.environ) -> Runtime:
    """The runtime that `XSOAR_CONTENT` asks for: a folder with CommonServerPython.py, or a checkout of the content.

    CommonServerUserPython.py and demistomock.py are optional there; ours stand in. Raises ContentError.
    """
    folder = environment.get(VARIABLE, "")
    if not folder:
        common, user, mock = (OWN / name for name in PLACES)
        return Runtime(common, user, mock, {})
    real, real_user, real_mock = (_find(Path(folder), name) for name in PLACES)
    if real is None:
        raise ContentError(
            f"{VARIABLE} is {folder}, which holds neither CommonServerPython.py nor "
            f"{PLACES['CommonServerPython.py']}/CommonServerPython.py. Name a folder with that file, or a checkout "
            "of the content repository."
        )
    return Runtime(
        real,
        real_user or OWN / "CommonServerUserPython.py",
        real_mock or OWN / "demistomock.py",
        _api_modules(real, Path(folder)),
    )


def _api_modules(common: Path, folder: Path) -> dict[str, Path]:
    names = API_MODULE_IMPORT.findall(common.read_text("utf-8"))
    places = {name: (folder / API_MODULES / name / f"{name}.py").resolve() for name in names}
    return {name: place for name, place in places.items() if place.is_file()}


def _find(folder: Path, name: str) -> Path | None:
    places = (folder / name, folder / PLACES[name] / name)
    return next((place.resolve() for place in places if place.is_file()), None)
