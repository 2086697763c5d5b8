"""How a browser says who calls: by a cookie that no script reads, set when its user logged in.

A browser sends its cookies with requests that other people's pages make it send, too. So a cookie counts only for what
comes from a page of ours, and changes something only with a header that no other page can send (RFC 6265, section 8.2;
the browser asks us first whether it may, and is told that it may not with cookies).
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response

from session_api.web.failures import AuthenticationError

#: Holds a token.
COOKIE: Final = "datalab_login"
#: To be sent with whatever changes something; what it says does not matter.
PAGE_HEADER: Final = "x-datalab-page"
#: What `Sec-Fetch-Site` says of pages of ours, and of addresses that people typed or opened.
_OURS: Final = frozenset({"same-origin", "none"})


def token_in_cookie(headers: Headers, *, changes: bool) -> str | None:
    """Return the token of whoever is logged in in a browser, None if nobody is, or a page of others has sent this.

    Args:
        headers: of the request.
        changes: whether the request is to change something.

    Raises:
        AuthenticationError: something is to be changed, and `PAGE_HEADER` is missing.
    """
    token = _cookie(headers)
    if token is None or headers.get("sec-fetch-site", "same-origin") not in _OURS:
        return None
    if changes and PAGE_HEADER not in headers:
        raise AuthenticationError("A login in a browser changes something only with the header X-Datalab-Page.")
    return token


def token_in_handshake(headers: Headers) -> str | None:
    """Return the token of whoever is logged in in the browser that opens a websocket from a page of ours, else None.

    Browsers let any page open one, with cookies, and say which in `Origin` (RFC 6455, section 10.2).
    """
    origin = urlsplit(headers.get("origin", ""))
    if not origin.netloc or origin.netloc.lower() != headers.get("host", "").lower():
        return None
    return _cookie(headers)


def keep_login(response: Response, token: str, *, lifetime_s: int | None, encrypted: bool) -> None:
    """Have the browser keep a token, as long as it lives or until the browser ends.

    `encrypted` is whether the request came by https: the cookie is sent by nothing else then.
    """
    response.set_cookie(COOKIE, token, max_age=lifetime_s, path="/", secure=encrypted, httponly=True, samesite="strict")


def forget_login(response: Response) -> None:
    """Have the browser forget its token."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


def _cookie(headers: Headers) -> str | None:
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        return None
    found = cookies.get(COOKIE)
    return found.value if found is not None and found.value else None
