"""How a command reaches the system: by options, environment, or what a running `datalab up` left in its data folder."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar

import httpx
import typer

from datalab.cli.exit_codes import ExitCode
from datalab.cli.output import printable
from datalab.client.rest import ApiRefusedError, Datalab, DatalabApiError, UnsendableError
from datalab.local.connection import read_connection

DATA_DIR = Path(".datalab")

#: Who asks. Two variables, so that nobody acts as the administrator who has not said so.
USER_TOKEN: Final = "DATALAB_TOKEN"  # noqa: S105 - the name of a variable
ADMIN_TOKEN: Final = "DATALAB_ADMIN_TOKEN"  # noqa: S105 - the name of a variable

_CODE_BY_STATUS: Final[Mapping[int, ExitCode]] = {
    401: ExitCode.NOT_ALLOWED,
    403: ExitCode.NOT_ALLOWED,
    404: ExitCode.NOT_FOUND,
    429: ExitCode.UNREACHABLE,
    502: ExitCode.UNREACHABLE,
    503: ExitCode.UNREACHABLE,
    504: ExitCode.UNREACHABLE,
}

T = TypeVar("T")


class CommandError(typer.Exit):
    """Ends the command with a message and an exit code."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        typer.secho(f"datalab: {message}", fg=typer.colors.RED, err=True)
        super().__init__(code)


# --- which system ---------------------------------------------------------------------------------------------------

DataDirOption = Annotated[
    Path | None,
    typer.Option(help="data folder of the `datalab up` to use; by default the one in .datalab, if it runs"),
]


def with_data_dir(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with the option `--data-dir`, which it obeys before it does anything else."""
    signature = inspect.signature(command, eval_str=True)
    option = inspect.Parameter("data_dir", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=DataDirOption)

    @wraps(command)
    def on_system(*, data_dir: Path | None, **options: Any) -> Any:
        use_system(data_dir)
        return command(**options)

    own = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in signature.parameters.values()]
    vars(on_system)["__signature__"] = signature.replace(parameters=[*own, option])
    on_system.__annotations__ = {each.name: each.annotation for each in (*own, option)}
    return on_system


def use_system(data_dir: Path | None) -> None:
    """Take from a running `datalab up` how it is reached: of a folder that is named, else of the usual one.

    A folder that is named decides everything. The usual one fills in what the environment does not say, unless that
    names another system: nothing of this one, its administrator's token least of all, may be sent there.

    Raises `CommandError` when none runs on the folder that was named.
    """
    try:
        connection = read_connection(data_dir or DATA_DIR)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        if data_dir is None:
            return
        hint = f"start `datalab up --data-dir {data_dir}`"
        if isinstance(error, PermissionError):
            hint = "it belongs to somebody else"
        raise CommandError(f"no running system found in {data_dir}: {hint}", ExitCode.UNREACHABLE) from error
    connection["DATALAB_API_URL"] = connection.pop("api_url")
    connection[ADMIN_TOKEN] = connection.pop("admin_token")
    if data_dir is not None:
        os.environ.update(connection)
    elif _same_address(os.environ.get("DATALAB_API_URL"), connection["DATALAB_API_URL"]):
        for name, value in connection.items():
            if not os.environ.get(name):
                os.environ[name] = value


def _same_address(named: str | None, local: str) -> bool:
    """Tell whether an address, if one is named at all, is that of the local system."""
    return not named or named.rstrip("/").removesuffix("/api").replace("//localhost:", "//127.0.0.1:") == local


def demand_servers(*variables: str) -> None:
    """Raise `CommandError` unless there is a system of which the variables say how its servers are reached."""
    missing = [name for name in variables if not os.environ.get(name)]
    if missing:
        no_system(" and ".join(missing))


def no_system(missing: str) -> NoReturn:
    """End the command: nothing says where the system is."""
    raise CommandError(f"no running system found: start `datalab up`, or set {missing}", ExitCode.UNREACHABLE)


# --- asking it ------------------------------------------------------------------------------------------------------


def api_address() -> str:
    """Return where the API is. Raises `CommandError` when nothing says so, or what does is no address."""
    url = os.environ.get("DATALAB_API_URL")
    if not url:
        no_system("DATALAB_API_URL")
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"DATALAB_API_URL is {url!r}, which does not begin with http:// or https://", ExitCode.USAGE)
    try:
        httpx.URL(url)
    except httpx.InvalidURL as error:
        raise CommandError(f"DATALAB_API_URL is {url!r}, which is no address: {error}", ExitCode.USAGE) from error
    return url


def api_access(variable: str = USER_TOKEN) -> tuple[str, str]:
    """Return address and token of the API. Raises `CommandError` when one is missing, or cannot be one."""
    url, token = open_access(variable)
    if token is None:
        hint = " to a token: `datalab users token NAME` makes one" if variable == USER_TOKEN else ""
        raise CommandError(f"set {variable}{hint}", ExitCode.NOT_ALLOWED)
    return url, token


def open_access(variable: str = USER_TOKEN) -> tuple[str, str | None]:
    """Return address of the API and a token, None without one. Raises `CommandError` for what cannot be one."""
    url, token = api_address(), os.environ.get(variable, "")
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise CommandError(f"{variable} has characters that no token has", ExitCode.NOT_ALLOWED)
    return url, token or None


def ask_openly(question: Callable[[Datalab], Awaitable[T]]) -> T:
    """Ask the REST API something that it tells anybody, and more to a user. Raises `CommandError`."""
    return asked(question, *open_access())


def ask(question: Callable[[Datalab], Awaitable[T]], *, as_admin: bool = False) -> T:
    """Ask the REST API something as the user; as the administrator only where a command says so.

    Raises `CommandError` when there is no answer, or an error.
    """
    variable = ADMIN_TOKEN if as_admin else USER_TOKEN
    return asked(question, *api_access(variable), variable=variable)


def asked(question: Callable[[Datalab], Awaitable[T]], url: str, token: str | None, *, variable: str = USER_TOKEN) -> T:
    """Ask the API at `url` something with a token; `variable` is where the token was read. Raises `CommandError`."""

    async def answer() -> T:
        async with Datalab(url, token) as api:
            return await question(api)

    try:
        return asyncio.run(answer())
    except DatalabApiError as error:
        raise api_error(error, variable) from error


def api_error(error: DatalabApiError, variable: str = USER_TOKEN) -> CommandError:
    """Return the end of a command for what the API did not do, in words."""
    if isinstance(error, ApiRefusedError):
        code = _CODE_BY_STATUS.get(error.status, ExitCode.FAILED)
        valid = f" {variable} has to be a valid one: `datalab users token NAME` makes one"
        return CommandError(error.reason + (valid if error.status == HTTPStatus.UNAUTHORIZED else ""), code)
    code = ExitCode.USAGE if isinstance(error, UnsendableError) else ExitCode.UNREACHABLE
    return CommandError(printable(str(error)), code)
