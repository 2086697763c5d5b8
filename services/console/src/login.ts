/** Who is logged in in this browser. The token itself is in a cookie that no script can read. */
import { batch, signal } from "@preact/signals";
import { go } from "./address";
import { answered, api, onUnauthenticated, type Profile, RequestError } from "./api/client";
import { problemOf } from "./words";

/** `undefined` until the server has said it, `null` for nobody. */
export const me = signal<Profile | null | undefined>(undefined);
/** Whether the login has ended while the page was open: it stays as it is, out of sight, until its user is back. */
export const ended = signal(false);
/** Why somebody has to log in (again). */
export const loginProblem = signal("");

export type Credentials = { username: string; password: string } | { token: string } | { code: string };

export async function logIn(credentials: Credentials): Promise<void> {
  await answered(api.POST("/api/browser/login", { body: credentials }));
  await findOut();
}

/** Ends the login; who cannot be reached is said as an error. */
export async function logOut(): Promise<void> {
  await answered(api.DELETE("/api/browser/login"));
  become(null);
}

/** Asks who is logged in. */
export async function findOut(): Promise<void> {
  try {
    become(await answered(api.GET("/api/profile")));
  } catch (error) {
    if (!(error instanceof RequestError) || error.status !== 401) throw error;
    if (!ended.value) become(null);
  }
}

function become(somebody: Profile | null): void {
  batch(() => {
    me.value = somebody;
    ended.value = false;
    loginProblem.value = "";
  });
}

/** Takes note that the server does not know the login any more. */
export function loginEnded(): void {
  if (!me.value || ended.value) return;
  batch(() => {
    ended.value = true;
    loginProblem.value = "Your login has ended: log in again, and go on where you were.";
  });
}

/**
 * Logs in with the code of a link, `/#code=…`, if the address has one; it is good once, and goes from sight.
 *
 * A link that is good no more changes nothing for who is logged in.
 */
export async function begin(): Promise<void> {
  const code = codeInAddress();
  try {
    if (code === null) {
      await findOut();
      return;
    }
    go("/", { replace: true });
    await logIn({ code });
  } catch (error) {
    if (code !== null) await findOut().catch(() => undefined);
    if (!me.value) me.value = null;
    if (me.value === null || ended.value) loginProblem.value = problemOf(error);
  }
}

function codeInAddress(): string | null {
  const written = /^#code=(.+)$/.exec(location.hash)?.[1];
  if (written === undefined) return null;
  try {
    return decodeURIComponent(written);
  } catch {
    return written; // it is none of ours, which the server says
  }
}

/** Goes on noticing when logins end, also when another page of this browser logs in or out. */
export function watchLogin(): void {
  onUnauthenticated(loginEnded);
  addEventListener("hashchange", () => {
    if (codeInAddress() !== null) void begin();
  });
  // What everybody may read is answered without a login, too: who comes back to the page is asked for.
  const back = () => {
    if (me.value && document.visibilityState === "visible") void findOut().catch(() => undefined);
  };
  addEventListener("focus", back);
  document.addEventListener("visibilitychange", back);
}
