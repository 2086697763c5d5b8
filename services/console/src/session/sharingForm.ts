/** With whom a session is shared, and what is asked of the server to change it. */
import { answered, api, RequestError } from "../api/client";
import type { components } from "../api/schema";
import { problemOf } from "../words";

export type Share = components["schemas"]["ShareView"];
export type GivenRole = Share["role"];

export const ROLES: Record<GivenRole, string> = {
  viewer: "may look",
  editor: "may look and compute",
};

/** Returns what people call whom a session is shared with. */
export const nameOf = (share: Share): string =>
  share.user ?? (share.group_name === undefined ? `group ${share.group}` : `the group ${share.group_name}`);

/** Returns what is wrong with a name that is to be shared with; empty if nothing is. */
export function problemWith(name: string, owner: string, shares: readonly Share[]): string {
  if (name === "") return "Say who: the name they log in with.";
  if (name === owner) return "The session is yours already.";
  if (shares.some((share) => share.user === name)) return `It is shared with ${name} already: change the role below.`;
  return "";
}

/** Returns why a session was not shared with somebody. */
export function refusalOf(error: unknown, name: string): string {
  const unknown = error instanceof RequestError && error.status === 404 && error.message.includes("User");
  return unknown ? `There is no user ${name}: names are written as they log in, capitals included.` : problemOf(error);
}

export async function sharesOf(session: number): Promise<readonly Share[]> {
  return (await answered(api.GET("/api/datasessions/{session_id}/shares", { params: { path: { session_id: session } } }))).shares;
}

/** Shares a session, or changes a role; returns with whom it is shared now. */
export async function shareWith(session: number, whom: Share, role: GivenRole): Promise<readonly Share[]> {
  const body = { role };
  const sharing = await (whom.user === undefined
    ? answered(api.PUT("/api/datasessions/{session_id}/shares/groups/{group_id}", { params: { path: { session_id: session, group_id: whom.group ?? 0 } }, body }))
    : answered(api.PUT("/api/datasessions/{session_id}/shares/users/{username}", { params: { path: { session_id: session, username: whom.user } }, body })));
  return sharing.shares;
}

export async function withdrawFrom(session: number, whom: Share): Promise<void> {
  await (whom.user === undefined
    ? answered(api.DELETE("/api/datasessions/{session_id}/shares/groups/{group_id}", { params: { path: { session_id: session, group_id: whom.group ?? 0 } } }))
    : answered(api.DELETE("/api/datasessions/{session_id}/shares/users/{username}", { params: { path: { session_id: session, username: whom.user } } })));
}
