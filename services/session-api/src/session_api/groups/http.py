"""`/api/groups`: groups of users."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request
from pydantic import Field, StringConstraints
from starlette.responses import Response

from datalab.events.spelling import Spelled
from session_api.groups.model import MAX_NAME_CHARACTERS
from session_api.groups.service import GroupService
from session_api.groups.views import GroupView, group_view
from session_api.web.access import Access, access
from session_api.web.bodies import BAD_FIELDS, CONFLICT, FORBIDDEN, NOT_FOUND, Form, Page
from session_api.web.dependencies import Caller, RowId, provided
from session_api.web.paging import PageWindow, page_reply
from session_api.web.replies import JsonReply, empty_reply
from session_api.web.strict_json import json_router

Groups = Annotated[GroupService, provided(GroupService)]
GroupName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME_CHARACTERS),
    Spelled(r"[^\x00-\x1f\x7f]*", "a text without control characters"),
]
#: Who cannot be a user is told that there is no such one.
MemberName = Annotated[str, Path(min_length=1, max_length=200)]

router = json_router("/api/groups", tag="groups", errors=NOT_FOUND)


class GroupForm(Form):
    """POST and PATCH of a group."""

    name: GroupName


class NewOwner(Form):
    """Who is to own it."""

    user: Annotated[str, Field(min_length=1, max_length=200)]


@router.get("", response_model=Page[GroupView], responses=BAD_FIELDS, summary="List the groups you are in")
@access(Access.USER, personal=True)
async def list_groups(request: Request, caller: Caller, window: PageWindow, groups: Groups) -> Response:
    count, found = await groups.page(caller, window)
    return page_reply(request, window, count, list(map(group_view, found)))


@router.post(
    "", status_code=201, response_model=GroupView, responses={**BAD_FIELDS, **CONFLICT}, summary="Make a group"
)
@access(Access.USER)
async def create_group(caller: Caller, form: GroupForm, groups: Groups) -> Response:
    return JsonReply(group_view(await groups.create(caller, name=form.name)), 201)


@router.get("/{group_id}", response_model=GroupView, summary="Read a group")
@access(Access.USER, personal=True)
async def get_group(caller: Caller, group_id: RowId, groups: Groups) -> Response:
    return JsonReply(group_view(await groups.get(caller, group_id)))


@router.patch("/{group_id}", response_model=GroupView, responses={**BAD_FIELDS, **FORBIDDEN}, summary="Rename a group")
@access(Access.USER)
async def rename_group(caller: Caller, group_id: RowId, form: GroupForm, groups: Groups) -> Response:
    return JsonReply(group_view(await groups.rename(caller, group_id, form.name)))


@router.delete("/{group_id}", status_code=204, responses=FORBIDDEN, summary="Delete a group")
@access(Access.USER)
async def delete_group(caller: Caller, group_id: RowId, groups: Groups) -> Response:
    await groups.delete(caller, group_id)
    return empty_reply()


@router.put(
    "/{group_id}/owner",
    response_model=GroupView,
    responses={**BAD_FIELDS, **FORBIDDEN, **CONFLICT},
    summary="Give a group away",
)
@access(Access.USER)
async def give_group(caller: Caller, group_id: RowId, form: NewOwner, groups: Groups) -> Response:
    return JsonReply(group_view(await groups.give(caller, group_id, form.user)))


@router.put(
    "/{group_id}/members/{username}",
    response_model=GroupView,
    responses={**FORBIDDEN, **CONFLICT},
    summary="Add a user to a group",
)
@access(Access.USER)
async def add_member(caller: Caller, group_id: RowId, username: MemberName, groups: Groups) -> Response:
    return JsonReply(group_view(await groups.add_member(caller, group_id, username)))


@router.delete(
    "/{group_id}/members/{username}",
    status_code=204,
    responses={**FORBIDDEN, **CONFLICT},
    summary="Remove a member, or leave a group",
)
@access(Access.USER)
async def remove_member(caller: Caller, group_id: RowId, username: MemberName, groups: Groups) -> Response:
    await groups.remove_member(caller, group_id, username)
    return empty_reply()
