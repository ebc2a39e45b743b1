"""Paths as people type them."""

from pathlib import Path

from search.config import ConfigError


def settled(setting: str, path: str | Path) -> Path:
    """The typed path as one that holds from anywhere, `~` being a home; there need not be anything yet.

    Raises
    ------
    ConfigError
        Nothing can be looked up there, such as behind a folder that may not be entered, or with too long a name.
    """
    try:
        found = Path(path).expanduser().absolute()
        is_dangling = not found.exists() and found.is_symlink()
    except RuntimeError:
        raise ConfigError(
            f"{setting} is {path}, but there is no user of that name: write the path out."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{setting} is {path}, which cannot be looked up ({reason}): name another path."
        ) from None
    if is_dangling:
        raise ConfigError(f"{setting} is {path}, a link to {found.readlink()}, where nothing is: mend it.")
    return found
