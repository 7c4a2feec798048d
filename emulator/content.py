"""Which CommonServerPython containers and unit tests run: our own small one or, with `XSOAR_CONTENT`, a real one."""

import os
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


class ContentError(Exception):
    """`XSOAR_CONTENT` names something that cannot be used."""


@dataclass(frozen=True)
class Runtime:
    """The files that stand for what the server provides."""

    common: Path
    user: Path
    mock: Path

    def import_folders(self) -> list[str]:
        """Folders for `sys.path`, the first to win: a real file goes before our own of the same name."""
        return list(dict.fromkeys(str(path.parent) for path in (self.common, self.user, self.mock)))


def runtime(environment: Mapping[str, str] = os.environ) -> Runtime:
    """The runtime that `XSOAR_CONTENT` asks for: a folder with CommonServerPython.py, or a checkout of the content.

    CommonServerUserPython.py and demistomock.py are optional there; ours stand in. Raises ContentError.
    """
    folder = environment.get(VARIABLE, "")
    if not folder:
        return Runtime(*(OWN / name for name in PLACES))
    common, user, mock = (_find(Path(folder), name) for name in PLACES)
    if common is None:
        raise ContentError(
            f"{VARIABLE} is {folder}, which holds neither CommonServerPython.py nor "
            f"{PLACES['CommonServerPython.py']}/CommonServerPython.py. Name a folder with that file, or a checkout "
            "of the content repository."
        )
    return Runtime(common, user or OWN / "CommonServerUserPython.py", mock or OWN / "demistomock.py")


def _find(folder: Path, name: str) -> Path | None:
    places = (folder / name, folder / PLACES[name] / name)
    return next((place.resolve() for place in places if place.is_file()), None)
