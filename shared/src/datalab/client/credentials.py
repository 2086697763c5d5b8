"""How a client says who asks: with a token, a link to a session, or both."""

from __future__ import annotations


def credentials(token: str | None, link: str | None) -> dict[str, str]:
    """Return the headers of every request."""
    known = {"Authorization": f"Token {token}"} if token else {}
    return {**known, "X-Session-Link": link} if link else known
