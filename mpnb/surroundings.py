"""State of a process that is not a name in the notebook: read, carried to a worker, compared; and the audit net.

`capture()` gives what differs from a fresh interpreter as plain data, `apply()` makes a worker alike. A library is
touched only where it is loaded, or where its state differs from its defaults. `watch(True)` arms the audit hook: from
then on whatever would be seen outside the process (a file written, a process started, a connection made) raises
`Tripped` instead of happening. Never decides what becomes of a run.
"""

from __future__ import annotations

import functools
import importlib
import locale
import logging
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mpnb import ordering
from mpnb.errors import CodecError

State = dict[str, Any]


class Tripped(BaseException):
    """A task was about to do something outside its process; it did not happen.

    A BaseException, so that a task's `except Exception` does not take it for a failure of its own.
    """


# --- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """One piece of process state.

    Parameters
    ----------
    words
        What it is, in a report.
    library
        Module it belongs to: not read unless it is loaded. "" for Python itself.
    read
        Gives plain data that compares with `==`; {} or None for "as in a fresh interpreter" where that can be known.
    write
        Makes it so.
    early
        Needed before modules are imported.
    grows
        Importing a library may change it by right.
    """

    words: str
    library: str
    read: Callable[[], Any]
    write: Callable[[Any], None]
    early: bool = False
    grows: bool = False


# Threads of a worker's linear algebra are the pool's business; MPNB_* speak to mpnb itself.
_OWN_VARIABLES: Final = re.compile(
    r"(\w+_NUM_THREADS|OMP_\w+|KMP_\w+|OPENBLAS_\w+|MKL_\w+|MPNB_\w+|VECLIB_MAXIMUM_THREADS)\Z"
)


def is_own_variable(name: str) -> bool:
    """Tell whether an environment variable is the pool's business, and does not travel."""
    return _OWN_VARIABLES.match(name) is not None


_environ_read: tuple[dict[Any, Any], dict[str, str]] = ({}, {})  # os.environ as last seen, and what was made of it


def _read_environ() -> dict[str, str]:
    global _environ_read
    raw: dict[Any, Any] = os.environ._data  # type: ignore[attr-defined]  # decoding it costs 50 µs
    if raw != _environ_read[0]:
        plain = {key: value for key, value in os.environ.items() if not is_own_variable(key)}
        _environ_read = (dict(raw), plain)
    return _environ_read[1]


def _write_environ(state: dict[str, str]) -> None:
    for key in set(_read_environ()) - set(state):
        del os.environ[key]
    for key, value in state.items():
        if os.environ.get(key) != value:
            os.environ[key] = value


def _read_zone() -> tuple[Any, ...]:
    return (time.timezone, time.altzone, time.tzname)


def _write_zone(state: tuple[Any, ...]) -> None:
    if _read_zone() != state and hasattr(time, "tzset"):
        time.tzset()
    if _read_zone() != state:
        msg = "TZ was set and has not taken effect: time.tzset() does that"
        raise ValueError(msg)


def _read_cwd() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:  # the folder was removed under the process; a worker can't be there either
        return None


def _write_cwd(state: str | None) -> None:
    if state is not None and state != _read_cwd():
        os.chdir(state)


def _write_argv(state: list[str]) -> None:
    sys.argv[:] = state


def _write_path(state: list[str]) -> None:
    if sys.path != state:
        sys.path[:] = state
        importlib.invalidate_caches()


_filters_read: tuple[list[Any], list[Any]] = ([], [])  # the filters as last seen, and what was made of them


def _read_warnings() -> list[Any]:
    global _filters_read
    filters: list[Any] = list(warnings.filters)
    if filters == _filters_read[0]:
        return _filters_read[1]
    plain = [
        (action, _pattern(message), f"{category.__module__}:{category.__qualname__}", _pattern(module), line)
        for action, message, category, module, line in filters
    ]
    _filters_read = (filters, plain)
    return plain


def _pattern(rule: Any) -> Any:
    return rule if rule is None or isinstance(rule, str) else (rule.pattern, rule.flags)


def _write_warnings(state: list[Any]) -> None:
    if _read_warnings() == state:
        return
    filters: list[Any] = []
    for action, message, category, module, line in state:
        kind = _category(category)
        # A category of a library that is not loaded here can't be warned of.
        if kind is not None:
            compiled = [None if r is None else r if isinstance(r, str) else re.compile(*r) for r in (message, module)]
            filters.append((action, compiled[0], kind, compiled[1], line))
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _category(name: str) -> Any:
    module, _, qualname = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


_DECIMAL: Final = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


def _read_decimal() -> dict[str, Any]:
    import decimal

    now = decimal.getcontext()
    fresh = decimal.Context(28, decimal.ROUND_HALF_EVEN, -999999, 999999, 1, 0, [])
    state = {key: getattr(now, key) for key in _DECIMAL if getattr(now, key) != getattr(fresh, key)}
    default = {
        key: getattr(decimal.DefaultContext, key)
        for key in _DECIMAL
        if getattr(decimal.DefaultContext, key) != getattr(fresh, key)
    }
    if default:
        state["default"] = default
    # The flags are left out: any inexact sum raises one, in serial as well.
    traps = sorted(signal.__name__ for signal, on in now.traps.items() if on)
    if traps != ["DivisionByZero", "InvalidOperation", "Overflow"]:
        state["traps"] = traps
    return state


def _write_decimal(state: dict[str, Any]) -> None:
    import decimal

    context = decimal.Context(28, decimal.ROUND_HALF_EVEN, -999999, 999999, 1, 0, [])
    for key in _DECIMAL:
        setattr(decimal.DefaultContext, key, state.get("default", {}).get(key, getattr(context, key)))
    traps = state.get("traps", ["DivisionByZero", "InvalidOperation", "Overflow"])
    for signal in context.traps:
        context.traps[signal] = signal.__name__ in traps
    for key, value in state.items():
        if key not in {"traps", "default"}:
            setattr(context, key, value)
    decimal.setcontext(context)


_NUMPY_ERRORS: Final = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
_NUMPY_PRINT: Final = {
    "edgeitems": 3,
    "threshold": 1000,
    "floatmode": "maxprec",
    "precision": 8,
    "suppress": False,
    "linewidth": 75,
    "nanstr": "nan",
    "infstr": "inf",
    "sign": "-",
    "formatter": None,
    "legacy": False,
    "override_repr": None,
}


def _read_numpy() -> dict[str, Any]:
    numpy: Any = sys.modules["numpy"]
    state: dict[str, Any] = {}
    errors = numpy.geterr()
    if errors != _NUMPY_ERRORS:
        state["errors"] = errors
    options = numpy.get_printoptions()
    # In serial, too, what is set to a default is left out, so that unknown options of another version are kept.
    options = {key: value for key, value in options.items() if key not in _NUMPY_PRINT or value != _NUMPY_PRINT[key]}
    if options:
        state["print"] = options
    return state


def _write_numpy(state: dict[str, Any]) -> None:
    numpy = importlib.import_module("numpy")
    numpy.seterr(**state.get("errors", _NUMPY_ERRORS))
    known = numpy.get_printoptions()
    wanted = {key: value for key, value in _NUMPY_PRINT.items() if key in known} | state.get("print", {})
    if known != wanted:
        numpy.set_printoptions(**wanted)


def _pandas_options() -> tuple[Any, Any]:
    config = sys.modules.get("pandas._config.config")
    return getattr(config, "_registered_options", {}), getattr(config, "_global_config", {})


@functools.cache
def _split(key: str) -> tuple[str, ...]:
    return tuple(key.split("."))


def _read_pandas() -> dict[str, Any]:
    registered, tree = _pandas_options()
    state = {}
    for key, option in registered.items():
        value: Any = tree
        for part in _split(key):
            value = value[part]
        default = option.defval
        if value is not default and value != default:
            state[key] = value
    return state


def _write_pandas(state: dict[str, Any]) -> None:
    pandas = importlib.import_module("pandas")

    registered, _ = _pandas_options()
    now = _read_pandas()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # options on their way out warn when they are set
        for key in now.keys() - state.keys():
            pandas.set_option(key, registered[key].defval)
        for key, value in state.items():
            if key not in now or now[key] != value:
                pandas.set_option(key, value)


# How figures reach the notebook is not a task's matter.
_BACKEND_PARAMS: Final = {"backend", "backend_fallback", "interactive", "figure.max_open_warning"}


def _read_matplotlib() -> dict[str, Any]:
    global _matplotlib_read
    matplotlib: Any = sys.modules["matplotlib"]
    params, default = getattr(matplotlib, "rcParams", None), getattr(matplotlib, "rcParamsDefault", None)
    if params is None or default is None:  # half imported
        return {}
    # Not rcParams.items(), which warns of deprecated entries. Lists are copied, for people insert into them.
    now = {key: value[:] if type(value) is list else value for key, value in dict.items(params)}
    if now != _matplotlib_read[0]:
        default = dict(dict.items(default))
        state = {k: v for k, v in now.items() if k not in _BACKEND_PARAMS and not (k in default and default[k] == v)}
        _matplotlib_read = (now, state)
    return _matplotlib_read[1]


_matplotlib_read: tuple[dict[str, Any], dict[str, Any]] = ({}, {})  # rcParams as last seen, and what was made of them


def _write_matplotlib(state: dict[str, Any]) -> None:
    matplotlib = importlib.import_module("matplotlib")
    params, default = matplotlib.rcParams, matplotlib.rcParamsDefault
    now = _read_matplotlib()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for key in now.keys() - state.keys():
            params[key] = default[key]
        params.update(state)


def _read_sklearn() -> dict[str, Any]:
    config = sys.modules.get("sklearn._config")
    if config is None:
        return {}
    default = config._global_config  # set_config changes a copy of it
    return {key: value for key, value in config.get_config().items() if value != default[key]}


def _write_sklearn(state: dict[str, Any]) -> None:
    sklearn = importlib.import_module("sklearn")
    sklearn.set_config(**(sys.modules["sklearn._config"]._global_config | state))


def _read_mpmath() -> dict[str, int]:
    context = getattr(sys.modules["mpmath"], "mp", None)
    return {} if context is None or context.prec == 53 else {"prec": context.prec}


def _write_mpmath(state: dict[str, int]) -> None:
    importlib.import_module("mpmath").mp.prec = state.get("prec", 53)


def _read_torch() -> dict[str, Any]:
    torch: Any = sys.modules["torch"]
    if not hasattr(torch, "is_grad_enabled"):  # half imported
        return {}
    state: dict[str, Any] = {}
    if str(torch.get_default_dtype()) != "torch.float32":
        state["dtype"] = str(torch.get_default_dtype()).removeprefix("torch.")
    if not torch.is_grad_enabled():
        state["grad"] = False
    if torch.are_deterministic_algorithms_enabled():
        state["deterministic"] = True
    return state


def _write_torch(state: dict[str, Any]) -> None:
    torch = importlib.import_module("torch")
    torch.set_default_dtype(getattr(torch, state.get("dtype", "float32")))
    torch.set_grad_enabled(state.get("grad", True))
    torch.use_deterministic_algorithms(state.get("deterministic", False))


def _read_locale() -> str:
    return locale.setlocale(locale.LC_ALL)


def _write_locale(state: str) -> None:
    if _read_locale() != state:
        locale.setlocale(locale.LC_ALL, state)


_DIALECT: Final = (
    "delimiter", "quotechar", "doublequote", "escapechar", "lineterminator", "quoting", "skipinitialspace", "strict",
)  # fmt: skip


_csv_read: tuple[list[Any], dict[str, Any]] = ([], {})  # the dialects as last seen, and what was made of them


def _read_csv() -> dict[str, Any]:
    global _csv_read
    csv: Any = sys.modules["csv"]
    names = csv.list_dialects()
    found = [csv.get_dialect(name) for name in names]  # the same objects until they are registered anew
    if [id(each) for each in found] != [id(each) for each in _csv_read[0]]:
        values = [tuple(getattr(dialect, key) for key in _DIALECT) for dialect in found]
        _csv_read = (found, dict(zip(names, values, strict=True)))
    return _csv_read[1]


def _write_csv(state: dict[str, Any]) -> None:
    csv = importlib.import_module("csv")
    for name in set(csv.list_dialects()) - state.keys():
        csv.unregister_dialect(name)
    for name, values in state.items():
        csv.register_dialect(name, **dict(zip(_DIALECT, values, strict=True)))


def _read_url_schemes() -> tuple[list[str], ...]:
    parse: Any = sys.modules["urllib.parse"]
    return (list(parse.uses_relative), list(parse.uses_netloc), list(parse.uses_params))


def _write_url_schemes(state: tuple[list[str], ...]) -> None:
    parse: Any = importlib.import_module("urllib.parse")
    parse.uses_relative[:], parse.uses_netloc[:], parse.uses_params[:] = state


def _read_timeout() -> float | None:
    socket: Any = sys.modules["socket"]
    seconds: float | None = socket.getdefaulttimeout()
    return seconds


def _write_timeout(state: float | None) -> None:
    importlib.import_module("socket").setdefaulttimeout(state)


def _read_calendar() -> int:
    calendar: Any = sys.modules["calendar"]
    return int(calendar.firstweekday())


def _write_calendar(state: int) -> None:
    importlib.import_module("calendar").setfirstweekday(state)


def _read_xml() -> dict[str, str]:
    tree: Any = sys.modules["xml.etree.ElementTree"]
    return dict(tree._namespace_map)


def _write_xml(state: dict[str, str]) -> None:
    names: dict[str, str] = importlib.import_module("xml.etree.ElementTree")._namespace_map
    if names != state:
        names.clear()
        names.update(state)


# --- logging ---------------------------------------------------------------------------------------------------------


class _StreamHandler(logging.StreamHandler[Any]):
    """Writes to the worker's present sys.stdout or sys.stderr, which the worker captures per iteration."""

    def __init__(self, name: str, level: int) -> None:
        logging.Handler.__init__(self, level)
        self._name_of_stream = name

    @property
    def stream(self) -> Any:
        return getattr(sys, self._name_of_stream)


class _Unreachable(logging.Handler):
    """Stands for a handler that only the notebook has (a file, a socket): a record for it belongs in the kernel."""

    def emit(self, record: logging.LogRecord) -> None:
        trip(f"it logs to a handler that only the notebook has (logger {record.name!r})")


def _read_handler(handler: logging.Handler) -> tuple[Any, ...]:
    if isinstance(handler, _StreamHandler):
        name = handler._name_of_stream
    elif type(handler) is logging.StreamHandler:
        # IPython's streams are named "stdout", Python's own "<stdout>".
        name = str(getattr(handler.stream, "name", "")).strip("<>")
    else:
        return ("other", handler.level)
    form: Any = handler.formatter
    if (
        name not in {"stdout", "stderr"}
        or handler.filters
        or (form is not None and type(form) is not logging.Formatter)
    ):
        return ("other", handler.level)
    if form is None:
        return ("stream", handler.level, name, None)
    return ("stream", handler.level, name, (form._fmt, form.datefmt, _STYLES[type(form._style)]))


_STYLES: Final[dict[Any, str]] = {style[0]: key for key, style in logging._STYLES.items()}


def _make_handler(kind: str, level: int, name: str = "", form: tuple[Any, Any, Any] | None = None) -> logging.Handler:
    if kind == "other":
        return _Unreachable(level)
    handler = _StreamHandler(name, level)
    if form is not None:
        handler.setFormatter(logging.Formatter(form[0], form[1], form[2]))
    return handler


def _read_logger(logger: logging.Logger) -> tuple[Any, ...]:
    handlers = tuple(_read_handler(h) for h in logger.handlers if type(h) is not logging.NullHandler)
    return (logger.level, bool(logger.disabled), bool(logger.propagate), handlers)


_FRESH_LOGGER: Final = (logging.NOTSET, False, True, ())
_FRESH_ROOT: Final = (logging.WARNING, False, True, ())


def _read_logging() -> dict[str, Any]:
    state: dict[str, Any] = {}
    root = logging.root
    if (found := _read_logger(root)) != _FRESH_ROOT:
        state[""] = found
    for name, logger in list(root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and (
            logger.level or logger.handlers or logger.disabled or not logger.propagate
        ):
            found = _read_logger(logger)
            if found != _FRESH_LOGGER:
                state[name] = found
    if root.manager.disable:
        state[" disable"] = root.manager.disable
    return state


def _write_logging(state: dict[str, Any]) -> None:
    now = _read_logging()
    for name in now.keys() | state.keys():
        if name == " disable":
            continue
        wanted = state.get(name, _FRESH_LOGGER if name else _FRESH_ROOT)
        if now.get(name) == wanted:
            continue
        logger = logging.getLogger(name or None)
        logger.setLevel(wanted[0])
        logger.disabled, logger.propagate = wanted[1], wanted[2]
        kept: list[logging.Handler] = [h for h in logger.handlers if type(h) is logging.NullHandler]
        logger.handlers[:] = kept + [_make_handler(*each) for each in wanted[3]]
    logging.disable(state.get(" disable", 0))


SETTINGS: Final[Mapping[str, Setting]] = {
    "cwd": Setting("the working directory", "", _read_cwd, _write_cwd, early=True),
    "environ": Setting("os.environ", "", _read_environ, _write_environ, early=True),
    "hashes": Setting("the hashes of text", "", ordering.hashes, ordering.agree_on),
    "zone": Setting("the time zone", "", _read_zone, _write_zone),
    "argv": Setting("sys.argv", "", lambda: list(sys.argv), _write_argv),
    "path": Setting("sys.path", "", lambda: list(sys.path), _write_path, early=True),
    "recursion": Setting("the recursion limit", "", sys.getrecursionlimit, sys.setrecursionlimit),
    "digits": Setting("the limit of int digits", "", sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    "locale": Setting("the locale", "", _read_locale, _write_locale),
    "warnings": Setting("the warning filters", "", _read_warnings, _write_warnings, grows=True),
    "logging": Setting("logging", "", _read_logging, _write_logging, grows=True),
    "timeout": Setting("the default timeout of sockets", "socket", _read_timeout, _write_timeout),
    "calendar": Setting("the calendar's first day of the week", "calendar", _read_calendar, _write_calendar),
    "csv": Setting("the csv dialects", "csv", _read_csv, _write_csv),
    "schemes": Setting("the schemes of urllib.parse", "urllib.parse", _read_url_schemes, _write_url_schemes),
    "xml": Setting("the namespaces of ElementTree", "xml.etree.ElementTree", _read_xml, _write_xml),
    "decimal": Setting("the decimal context", "decimal", _read_decimal, _write_decimal),
    "numpy": Setting("numpy's error or print options", "numpy", _read_numpy, _write_numpy),
    "pandas": Setting("pandas options", "pandas", _read_pandas, _write_pandas),
    "matplotlib": Setting("matplotlib's rcParams", "matplotlib", _read_matplotlib, _write_matplotlib, grows=True),
    "sklearn": Setting("scikit-learn's configuration", "sklearn", _read_sklearn, _write_sklearn),
    "mpmath": Setting("mpmath's precision", "mpmath", _read_mpmath, _write_mpmath),
    "torch": Setting("torch's defaults", "torch", _read_torch, _write_torch),
}


def capture() -> State:
    """Read everything in the table that is loaded in this process."""
    modules = sys.modules
    return {key: s.read() for key, s in SETTINGS.items() if not s.library or s.library in modules}


def apply(state: State, *, early: bool = False) -> None:
    """Make this process like the captured one.

    Parameters
    ----------
    state
        What `capture()` gave in the notebook.
    early
        Only what must be there before modules are imported (cwd, environ, sys.path).

    A library that is not loaded here is imported only where the notebook changed its defaults.
    """
    for key, value in state.items():
        setting = SETTINGS[key]
        if early and not setting.early:
            continue
        if setting.library and setting.library not in sys.modules and not value:
            continue
        try:
            setting.write(value)
        except Exception as error:
            raise CodecError(
                setting.words, f"could not be set in the worker ({type(error).__name__}: {error})"
            ) from error


def changed(before: State, after: State, *, imported: bool = False) -> str | None:
    """Say in words what differs, or None.

    `imported`: modules were imported meanwhile, which by right adds warning filters and loggers.
    """
    for key, value in after.items():
        if key not in before:
            continue  # its library was imported meanwhile
        if value != before[key] and not (imported and SETTINGS[key].grows):
            return SETTINGS[key].words
    return None


# --- the audit net ---------------------------------------------------------------------------------------------------

# event -> what it is. "open" is looked into: reading is allowed.
_EVENTS: Final[Mapping[str, str]] = {
    "open": "opens {0!r} for writing",
    "os.rename": "renames {0!r}",
    "os.remove": "removes {0!r}",
    "os.mkdir": "makes the folder {0!r}",
    "os.rmdir": "removes the folder {0!r}",
    "os.link": "makes the link {1!r}",
    "os.symlink": "makes the link {1!r}",
    "os.truncate": "truncates {0!r}",
    "os.chmod": "changes the mode of {0!r}",
    "os.chown": "changes the owner of {0!r}",
    "os.chflags": "changes the flags of {0!r}",
    "os.utime": "changes the times of {0!r}",
    "os.setxattr": "sets an attribute of {0!r}",
    "os.removexattr": "removes an attribute of {0!r}",
    "os.lockf": "locks a file",
    "fcntl.flock": "locks a file",
    "fcntl.lockf": "locks a file",
    "os.chdir": "changes the working directory",
    "os.putenv": "sets the environment variable {0!r}",
    "os.unsetenv": "removes the environment variable {0!r}",
    "os.fork": "forks",
    "os.forkpty": "forks",
    "os.exec": "runs {0!r}",
    "os.posix_spawn": "runs {0!r}",
    "os.spawn": "runs {1!r}",
    "os.startfile": "opens {0!r}",
    "os.system": "runs {0!r}",
    "os.kill": "sends a signal",
    "os.killpg": "sends a signal",
    "signal.pthread_kill": "sends a signal",
    "pty.spawn": "runs {0!r}",
    "subprocess.Popen": "runs {0!r}",
    "socket.connect": "connects to {1!r}",
    "socket.bind": "listens on {1!r}",
    "socket.sendto": "sends to {1!r}",
    "urllib.Request": "requests {0!r}",
    "http.client.connect": "connects to {1!r}",
    "ftplib.connect": "connects to {1!r}",
    "imaplib.open": "connects to {1!r}",
    "poplib.connect": "connects to {1!r}",
    "smtplib.connect": "connects to {1!r}",
    "telnetlib.Telnet.open": "connects to {1!r}",
    "nntplib.connect": "connects to {1!r}",
    "sqlite3.connect": "opens the database {0!r}",
    "webbrowser.open": "opens {0!r}",
    "builtins.input": "asks for input",
    "resource.setrlimit": "sets a resource limit",
    "resource.prlimit": "sets a resource limit",
    "syslog.syslog": "writes to the system log",
    "shutil.copyfile": "copies to {1!r}",
    "shutil.copymode": "copies to {1!r}",
    "shutil.copystat": "copies to {1!r}",
    "shutil.copytree": "copies to {1!r}",
    "shutil.chown": "changes the owner of {0!r}",
    "shutil.move": "moves {0!r}",
    "shutil.rmtree": "removes {0!r}",
    "shutil.make_archive": "makes the archive {0!r}",
    "shutil.unpack_archive": "unpacks {0!r}",
    "tempfile.mkstemp": "makes the temporary file {0!r}",
    "tempfile.mkdtemp": "makes the temporary folder {0!r}",
}
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ENVIRONMENT: Final = {"os.putenv", "os.unsetenv"}
_HARMLESS: Final = {os.devnull, b"/dev/null", "/dev/tty"}

_watching = False
_listener: Callable[[str, tuple[Any, ...]], bool] | None = None
_installed = False
_tripped: str | None = None


def install() -> None:
    """Put the audit hook into this process, once and for good; it sleeps until `watch(True)`."""
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_hook)


def watch(on: bool) -> None:
    """Wake the hook, or let it sleep: a flag, so it may be called around every iteration."""
    global _watching
    _watching = on


def listen(listener: Callable[[str, tuple[Any, ...]], bool] | None) -> None:
    """Have every event shown to a listener first, while the hook is awake; what it takes (True) is let pass."""
    global _listener
    _listener = listener


def tripped() -> str | None:
    """What a task was about to do since `forget()`, in words; also where the task swallowed `Tripped`."""
    return _tripped


def forget() -> None:
    """Begin anew with what `tripped()` tells."""
    global _tripped
    _tripped = None


def trip(words: str) -> None:
    """Note that a task does what a worker must not, and stop it."""
    global _tripped
    if _tripped is None:
        _tripped = words
    raise Tripped(words)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching or (_listener is not None and _listener(event, arguments)) or event not in _EVENTS:
        return
    if event == "open":
        path, _, flags = arguments
        # A descriptor was opened, and seen, before.
        if not (flags & WRITING) or isinstance(path, int) or path in _HARMLESS:
            return
    elif event == "sqlite3.connect" and arguments[0] == ":memory:":
        return
    elif event in _ENVIRONMENT and _OWN_VARIABLES.match(os.fsdecode(arguments[0])):
        return  # numpy and scipy do so while they are imported
    elif event == "os.mkdir" and _exists(arguments[0]):
        return  # fails by itself, as os.makedirs(exist_ok=True) expects
    trip(f"it {_EVENTS[event].format(*arguments)}")


def _exists(path: Any) -> bool:
    try:
        return os.path.lexists(path)
    except (TypeError, ValueError):
        return False
