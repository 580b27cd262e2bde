"""Where settings come from: the file, credential files and the environment, each over the one before.

Owns which file is read, and settings in the making that `init` tries out. Reads the environment only through the
mapping it is given.
"""

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from bcpoll.config.remarks import (
    doubtful_methods,
    doubtful_variables,
    exposed,
    same_token,
    takes_variables,
    two_ways_in,
)
from bcpoll.config.sections import PREFIX, Settings
from bcpoll.config.values import Table
from bcpoll.config.wording import problem_of, unknown_section
from bcpoll.errors import Problem, SettingsError

LOCAL_FILE = Path("config.toml")
SYSTEM_FILE = Path("/etc/bcpoll/config.toml")
"""Where the settings are looked for when neither --config nor BCPOLL_CONFIG names a file: here, in this order."""

_CREDENTIAL_FILES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "bigcommerce_access_token": ("bigcommerce", "access_token"),
        "pos_access_token": ("pos", "access_token"),
        "pos_client_secret": ("pos", "client_secret"),
        "alerts_webhook": ("alerts", "webhook"),
        "alerts_ping": ("alerts", "ping"),
        "alerts_smtp_password": ("alerts", "smtp_password"),
    }
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Valid settings, the file they came from, and remarks that do not stop the program."""

    settings: Settings
    path: Path
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Layer:
    """Settings from one place as section -> key -> value, and how a key of it is written there."""

    table: Table
    names: Mapping[tuple[str, str], str] = field(default_factory=dict)


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Read the settings; raises one `SettingsError` with every problem.

    `path` None: the file that BCPOLL_CONFIG names, else ./config.toml, else /etc/bcpoll/config.toml. Credential files
    win over the file, the environment over both. A relative checkpoint path starts at the settings file's folder.
    """
    source = _find(path, environ)
    table = _read_toml(source)
    settings = _settled(table, source, environ)
    warnings = (
        *exposed(source, table),
        *doubtful_variables(environ),
        *doubtful_methods(settings.payments),
        *two_ways_in(settings.pos),
        *same_token(settings),
    )
    return Loaded(settings, source, warnings)


def _settled(table: Table, source: Path, environ: Mapping[str, str]) -> Settings:
    layers = (_Layer(table), _credentials(environ, source), _environment(environ))
    settings = _validated(layers, source)
    place = _expanded(settings.checkpoint.path, environ, _folder_of(source))
    checkpoint = settings.checkpoint.model_copy(update={"path": place})
    file = settings.metrics.file
    measured = _expanded(file, environ, _folder_of(source)) if file is not None else None
    metrics = settings.metrics.model_copy(update={"file": measured})
    return settings.model_copy(update={"checkpoint": checkpoint, "metrics": metrics})


# --- settings in the making ---

_REQUIRED: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("bigcommerce", "store_hash"): "unanswered",
        ("bigcommerce", "access_token"): "unanswered",
        ("pos", "domain_prefix"): "unanswered",
        ("pos", "access_token"): "unanswered",
        ("pos", "register"): "?",
        ("pos", "user"): "?",
        ("payments", "default"): "?",
    }
)


def draft(answers: Mapping[tuple[str, str], str | None], source: Path, environ: Mapping[str, str]) -> Settings:
    """Settings as far as there are answers, by section and key, for the file at `source`.

    What is required and not answered yet has a value that stands for nothing, so that what is answered can be tried.
    """
    table: Table = {}
    for (section, key), value in {**_REQUIRED, **answers}.items():
        if value is not None:
            table.setdefault(section, {})[key] = value
    return _settled(table, source, environ)


def problem_with(section: str, key: str, value: str) -> Problem | None:
    """What is wrong with a value by itself, if anything."""
    table: Table = {section: {key: value}}
    try:
        Settings(**table)
    except ValidationError as error:
        ours = [one for one in error.errors(include_url=False) if one["loc"][:2] == (section, key)]
        return next((problem_of(one, {}) for one in ours), None)
    return None


def named_outside(section: str, key: str, environ: Mapping[str, str]) -> str:
    """The variable, or the credential file, that a key is set by in place of the settings file; empty where none is."""
    for layer in (_environment(environ), _credentials(environ, LOCAL_FILE)):
        if (section, key) in layer.names:
            return layer.names[section, key]
    return ""


def file_to_write(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Where settings are to be written: the file that --config or BCPOLL_CONFIG names, else ./config.toml."""
    return _named(path, environ) or LOCAL_FILE


def _find(path: Path | None, environ: Mapping[str, str]) -> Path:
    named = _named(path, environ)
    if named is not None:
        return named
    found = next(filter(is_there, (LOCAL_FILE, SYSTEM_FILE)), None)
    if found is None:
        raise _unreadable(LOCAL_FILE, f"there is no such file, and no {SYSTEM_FILE} either", _HOW_TO_BEGIN)
    return found


def _named(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    named = path or (Path(environ["BCPOLL_CONFIG"]) if environ.get("BCPOLL_CONFIG") else None)
    return None if named is None else _expanded(named, environ, Path())


def is_there(file: Path) -> bool:
    """Whether there is such a file; also True where it may not be read, or where that cannot be told."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _folder_of(source: Path) -> Path:
    try:
        return source.absolute().parent
    except FileNotFoundError:
        remedy = "Start bcpoll from a folder that exists, or name the settings by their whole path."
        raise _unreadable(source, "the folder that bcpoll was started in is gone", remedy) from None


def _expanded(path: Path, environ: Mapping[str, str], folder: Path) -> Path:
    """Spell out a leading `~` by the given HOME, and start a relative path at `folder`."""
    home = environ.get("HOME", "")
    if path.parts[:1] != ("~",):
        return folder / path
    if not home:
        raise _unreadable(path, "it begins with ~, but HOME is not set", "Write the whole path, or set HOME.")
    return Path(home, *path.parts[1:])


_HOW_TO_BEGIN = "Make one with bcpoll init, or name your file with --config."


def _unreadable(source: Path, message: str, remedy: str) -> SettingsError:
    return SettingsError([Problem("file", message, remedy)], source=str(source))


def _read_toml(source: Path) -> Table:
    try:
        return tomllib.loads(source.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise _unreadable(source, "there is no such file", _HOW_TO_BEGIN) from None
    except IsADirectoryError:
        raise _unreadable(source, "this is a folder", "Name the file in it: .../config.toml.") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = f"See who may read it: ls -l {shlex.quote(str(source))}"
        raise _unreadable(source, f"it cannot be read: {reason}", remedy) from None
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1}"
        raise _unreadable(source, f"it is not UTF-8 text ({where})", "Save it again as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        remedy = 'Text stands in quotes (key = "value"), sections in brackets ([sync]), each on a line of its own.'
        raise _unreadable(source, f"it is not valid TOML: {error}", remedy) from None


def _credentials(environ: Mapping[str, str], source: Path) -> _Layer:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    table: Table = {}
    names = {}
    for name, (section, key) in _CREDENTIAL_FILES.items() if folder else ():
        file = Path(folder or "", name)
        try:
            table.setdefault(section, {})[key] = file.read_text("utf-8").strip()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            reason = (getattr(error, "strerror", None) or "it is not text").lower()
            problem = Problem(str(file), f"cannot be read: {reason}", "It must hold the token and nothing else.")
            raise SettingsError([problem], source=str(source)) from None
        names[section, key] = str(file)
    return _Layer(table, names)


def _environment(environ: Mapping[str, str]) -> _Layer:
    """Variables such as BCPOLL_SYNC__INTERVAL; empty ones count as not set."""
    reader = EnvSettingsSource(Settings)
    reader.env_vars = {name.lower(): value for name, value in environ.items() if value.strip()}
    table = {section: keys for section, keys in reader().items() if takes_variables(section) and isinstance(keys, dict)}
    names = {(section, key): f"{PREFIX}{section}__{key}".upper() for section, keys in table.items() for key in keys}
    return _Layer(table, names)


def _validated(layers: tuple[_Layer, ...], source: Path) -> Settings:
    sections = Settings.model_fields
    merged: Table = {name: {} for name, section in sections.items() if section.is_required()}
    names: dict[tuple[str, str], str] = {}
    for layer in layers:
        names |= layer.names
        for section, keys in layer.table.items():
            below = merged.get(section)
            if isinstance(below, dict) and isinstance(keys, dict):
                keys = below | keys
            merged[section] = keys
    problems = [unknown_section(name, value) for name, value in merged.items() if name not in sections]
    try:
        settings = Settings(**{name: value for name, value in merged.items() if name in sections})
    except ValidationError as error:
        problems += [problem_of(detail, names) for detail in error.errors(include_url=False)]
    if problems:
        raise SettingsError(problems, source=str(source))
    return settings
