import { useState } from "preact/hooks";
import { type Credentials, logIn, loginProblem } from "../login";
import { problemOf } from "../words";

/** Name and password, or a token, over the page of `username` if that has one open; who opens a link with a code does not come here. */
export function LoginScreen({ username = "" }: { username?: string }) {
  const [withToken, setWithToken] = useState(false);
  const [busy, setBusy] = useState(false);

  async function submit(event: SubmitEvent) {
    event.preventDefault();
    if (busy) return;
    const said = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(said.get(name) ?? "").trim();
    const credentials: Credentials = withToken
      ? { token: text("token") }
      : { username: text("username"), password: String(said.get("password") ?? "") };
    setBusy(true);
    loginProblem.value = "";
    try {
      await logIn(credentials);
    } catch (error) {
      loginProblem.value = problemOf(error);
    } finally {
      setBusy(false);
    }
  }

  return (
    <main class="login">
      <h1>Datalab</h1>
      <form onSubmit={(event) => void submit(event)}>
        {withToken ? (
          <label>
            Token
            <input name="token" type="password" autocomplete="off" required autofocus />
          </label>
        ) : (
          <>
            <label>
              Name
              <input name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required autofocus={username === ""} defaultValue={username} />
            </label>
            <label>
              Password
              <input name="password" type="password" autocomplete="current-password" required autofocus={username !== ""} />
            </label>
          </>
        )}
        <p class="problem" role="alert">{loginProblem.value}</p>
        <button type="submit" class="first" disabled={busy}>{busy ? "Logging in …" : "Log in"}</button>
        <button type="button" class="quiet" onClick={() => setWithToken(!withToken)}>
          {withToken ? "Use name and password" : "Use a token"}
        </button>
      </form>
      <p class="hint">
        On your own machine, <code>datalab up</code> prints a link that logs you in.
      </p>
    </main>
  );
}
