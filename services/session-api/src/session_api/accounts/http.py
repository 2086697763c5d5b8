"""`/api/users`: users and their tokens, for administrators and `datalab users`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from session_api.accounts.bodies import NewUser, TokenView, UserChange, UserView
from session_api.accounts.caller import Caller
from session_api.context import Context
from session_api.web.bodies import BAD_FIELDS, FORBIDDEN, NOT_FOUND, UNAUTHENTICATED, UNAVAILABLE, Page
from session_api.web.paging import LimitParameter, OffsetParameter, Paging, page_reply
from session_api.web.replies import JsonReply, empty_reply
from session_api.web.strict_json import StrictJsonRoute


def routes(context: Context) -> APIRouter:
    """Return the routes of users."""
    router = APIRouter(
        prefix="/api/users",
        tags=["users"],
        route_class=StrictJsonRoute,
        strict_content_type=False,
        responses={**UNAUTHENTICATED, **FORBIDDEN, **UNAVAILABLE},
    )
    users, presenter, paging = context.users, context.presenter, Paging.of(context.settings)

    @router.get("", response_model=Page[UserView], summary="List users")
    async def list_users(
        request: Request, caller: Caller, *, limit: LimitParameter = None, offset: OffsetParameter = None
    ) -> Response:
        window = paging.window(limit, offset)
        count, accounts = await users.page(caller, window)
        return page_reply(request, window, count, [presenter.account(account) for account in accounts])

    @router.post("", status_code=201, response_model=TokenView, responses=BAD_FIELDS, summary="Make a user")
    async def create_user(caller: Caller, form: NewUser) -> Response:
        token = await users.create(caller, username=form.username, proposals=form.proposals, superuser=form.superuser)
        return JsonReply({"username": form.username, "token": token}, 201)

    @router.patch(
        "/{username}", response_model=UserView, responses={**BAD_FIELDS, **NOT_FOUND}, summary="Change a user"
    )
    async def change_user(caller: Caller, username: str, form: UserChange) -> Response:
        account = await users.change(
            caller, username, active=form.active, superuser=form.superuser, proposals=form.proposals
        )
        return JsonReply(presenter.account(account))

    @router.post(
        "/{username}/tokens",
        status_code=201,
        response_model=TokenView,
        responses=NOT_FOUND,
        summary="Give a user another token",
    )
    async def add_token(caller: Caller, username: str) -> Response:
        return JsonReply({"username": username, "token": await users.add_token(caller, username)}, 201)

    @router.delete("/{username}/tokens", status_code=204, responses=NOT_FOUND, summary="Revoke a user's tokens")
    async def revoke_tokens(caller: Caller, username: str) -> Response:
        await users.revoke_tokens(caller, username)
        return empty_reply()

    return router
