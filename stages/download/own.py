"""Check the folder of your own reviews. It is a dependency of `download` whichever source is used."""

import os
from pathlib import Path

from stages.console import UserError, say
from stages.params import Data

_STARTS = (".", "~", "#", "README")
_ENDS = ("~", ".dvc", ".bak", ".orig", ".tmp", ".db", ".ini")
"""How the names begin and end that editors, desktops and this project put into a folder."""


def refuse_links(folder: Path) -> None:
    """Refuse links that DVC cannot follow.

    Raises:
        UserError: A link in the folder points to a folder, or to nothing. DVC does not notice a change in a linked
            folder, and `dvc status` fails at a link to nothing.
    """
    for path in filter(Path.is_symlink, _contents(folder)):
        if not path.exists():
            raise UserError(f"{path} is a link to {path.readlink()}, which does not exist: remove the link")
        if path.is_dir():
            raise UserError(
                f"{path} is a link to a folder, in which DVC does not notice changes: "
                f"copy the files into {folder}, or set data.files.folder in params.yaml to {path.resolve()}"
            )


def warn_of_unused(settings: Data) -> None:
    """Print a warning when there are reviews and no source reads them."""
    paths = _contents(Path(settings.files.folder))
    if "files" not in settings.sources and paths:
        more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
        say(f"warning: {paths[0]}{more} not used: data.sources in params.yaml does not name files")


def is_other(name: str) -> bool:
    """Return whether a file is by its name none of yours: .dvcignore names such files."""
    return name.startswith(_STARTS) or name.endswith(_ENDS)


def _contents(folder: Path) -> list[Path]:
    """Return the files and links below a folder, without those that .dvcignore names (Emacs's locks are links).

    None of a folder that is an address, such as s3://: it is no path, and there are no links.
    """
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(_STARTS)]
        links = [name for name in folders if Path(parent, name).is_symlink()]
        reviews = [name for name in names if not is_other(name)]
        found += [Path(parent, name) for name in links + reviews]
    return sorted(found)
