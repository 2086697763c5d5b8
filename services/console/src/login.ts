/** Who is logged in in this browser. The token itself is in a cookie that no script can read. */
import { signal } from "@preact/signals";
import { answered, api, type Profile, RequestError } from "./api/client";
import { problemOf } from "./words";

/** `undefined` until the server has said it, `null` for nobody. */
export const me = signal<Profile | null | undefined>(undefined);
/** Why somebody has to log in (again). */
export const loginProblem = signal("");

export type Credentials = { username: string; password: string } | { token: string } | { code: string };

export async function logIn(credentials: Credentials): Promise<void> {
  await answered(api.POST("/api/browser/login", { body: credentials }));
  await findOut();
}

export async function logOut(): Promise<void> {
  await answered(api.DELETE("/api/browser/login"));
  me.value = null;
}

/** Asks who is logged in. */
export async function findOut(): Promise<void> {
  try {
    me.value = await answered(api.GET("/api/profile"));
    loginProblem.value = "";
  } catch (error) {
    if (!(error instanceof RequestError) || error.status !== 401) throw error;
    me.value = null;
  }
}

/** Logs in with the code of a link, `/#code=…`, if the page was opened with one; it is good once, and goes from sight. */
export async function begin(): Promise<void> {
  const code = /^#code=(.+)$/.exec(location.hash)?.[1];
  try {
    if (code === undefined) {
      await findOut();
      return;
    }
    history.replaceState(null, "", location.pathname);
    await logIn({ code: decodeURIComponent(code) });
  } catch (error) {
    loginProblem.value = problemOf(error);
    if (code === undefined) me.value = null;
    else await findOut().catch(() => (me.value = null));
  }
}
