import { useEffect, useState } from "preact/hooks";
import { answered, api } from "../api/client";
import { me } from "../login";
import { problemOf } from "../words";
import { minutes, namesIn, rightsOf, type User } from "./words";

const PAGE = 100;

interface LoginLink {
  username: string;
  link: string;
  lifetime_s: number;
}

async function loginLink(username: string): Promise<LoginLink> {
  const made = await answered(api.POST("/api/users/{username}/login-code", { params: { path: { username } } }));
  return { username, link: `${location.origin}/#code=${encodeURIComponent(made.code)}`, lifetime_s: made.lifetime_s };
}

/** Who may log in; superusers change it. */
export function Users() {
  const [users, setUsers] = useState<readonly User[]>([]);
  const [count, setCount] = useState<number | null>(null);
  const [link, setLink] = useState<LoginLink | null>(null);
  const [said, setSaid] = useState("");
  const [wrong, setWrong] = useState<{ username: string; problem: string } | null>(null);
  const [problem, setProblem] = useState("");
  const mayChange = me.value?.is_superuser === true;

  async function read(offset = 0) {
    try {
      const page = await answered(api.GET("/api/users", { params: { query: { limit: String(PAGE), offset: String(offset) } } }));
      setUsers((known) => (offset === 0 ? page.results : [...known, ...page.results]));
      setCount(page.count);
      setProblem("");
    } catch (error) {
      setProblem(problemOf(error));
    }
  }
  useEffect(() => void read(), []);

  /** Does something to a user; what goes wrong is said beside them. */
  async function changed(username: string, change: () => Promise<string>) {
    setWrong(null);
    try {
      setSaid(await change());
    } catch (error) {
      setWrong({ username, problem: problemOf(error) });
    }
  }

  const setActive = ({ username }: User, active: boolean) =>
    changed(username, async () => {
      const user = await answered(api.PATCH("/api/users/{username}", { params: { path: { username } }, body: { active } }));
      setUsers((known) => known.map((each) => (each.username === username ? user : each)));
      return active ? `${username} may log in again.` : `${username} is let in no more.`;
    });

  const revoke = ({ username }: User) => {
    // What was revoked cannot be had back: here, asking is all there is.
    if (!confirm(`Revoke all tokens of ${username}? Browsers and programs that are logged in with them are no longer.`)) return;
    void changed(username, async () => {
      await answered(api.DELETE("/api/users/{username}/tokens", { params: { path: { username } } }));
      return `The tokens of ${username} are good no more.`;
    });
  };

  const giveLink = ({ username }: User) =>
    changed(username, async () => {
      setLink(await loginLink(username));
      return "";
    });

  return (
    <section aria-labelledby="users">
      <h2 id="users">Users</h2>
      {mayChange ? (
        <NewUser
          made={(made) => {
            setLink(made);
            setSaid("");
            void read();
          }}
        />
      ) : (
        <p class="hint">Superusers add and change users.</p>
      )}
      {link !== null && <LinkOnce key={link.link} link={link} done={() => setLink(null)} />}
      <p class="problem" role="alert">{problem}</p>
      <p role="status">{said}</p>
      {count === null && problem === "" && <p class="waiting" role="status">Reading …</p>}
      {count === 0 && <p>There are no users yet.</p>}
      {users.length > 0 && (
        <table class="list stacked">
          <thead>
            <tr><th scope="col">Name</th><th scope="col">May</th><th scope="col">Since</th>{mayChange && <th scope="col">Change</th>}</tr>
          </thead>
          <tbody>
            {users.map((user) => (
              <tr key={user.username}>
                <td data-title="Name">{user.username}{user.active ? "" : " (inactive)"}</td>
                <td data-title="May">{rightsOf(user) || "what is their own"}</td>
                <td data-title="Since">{user.created.slice(0, 10)}</td>
                {mayChange && (
                  <td>
                    <button type="button" aria-label={`Login link for ${user.username}`} disabled={!user.active} onClick={() => void giveLink(user)}>Login link</button>
                    {user.username !== me.value?.username && (
                      <button type="button" aria-label={`${user.active ? "Deactivate" : "Activate"} ${user.username}`} onClick={() => void setActive(user, !user.active)}>
                        {user.active ? "Deactivate" : "Activate"}
                      </button>
                    )}
                    <button type="button" aria-label={`Revoke the tokens of ${user.username}`} onClick={() => revoke(user)}>Revoke tokens</button>
                    {wrong?.username === user.username && <span class="problem" role="alert">{wrong.problem}</span>}
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {count !== null && users.length < count && <button type="button" onClick={() => void read(users.length)}>Show more</button>}
    </section>
  );
}

function NewUser({ made }: { made: (link: LoginLink) => void }) {
  const [name, setName] = useState("");
  const [proposals, setProposals] = useState("");
  const [operator, setOperator] = useState(false);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);

  async function add(event: SubmitEvent) {
    event.preventDefault();
    const username = name.trim();
    if (username === "") {
      setProblem("Say the name they are to log in with.");
      return;
    }
    setBusy(true);
    try {
      // The token that comes with a new user is shown nowhere: people log in by the link.
      await answered(api.POST("/api/users", { body: { username, proposals: namesIn(proposals), operator } as never }));
      setName("");
      setProposals("");
      setOperator(false);
      setProblem("");
      made(await loginLink(username));
    } catch (error) {
      setProblem(problemOf(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <form class="choice" noValidate onSubmit={(event) => void add(event)} aria-label="Somebody new">
      <label>
        New user
        <input value={name} autocomplete="off" placeholder="their name" aria-invalid={problem !== ""} aria-describedby="new-user-problem" onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <label>
        Proposals
        <input value={proposals} autocomplete="off" placeholder="none" onInput={(event) => setProposals(event.currentTarget.value)} />
      </label>
      <label><input type="checkbox" checked={operator} onChange={(event) => setOperator(event.currentTarget.checked)} /> operator</label>
      <button type="submit" disabled={busy}>Add</button>
      <small id="new-user-problem" class="problem" role="alert">{problem}</small>
    </form>
  );
}

/** A link that logs somebody in: it is good once, and not shown again. */
function LinkOnce({ link, done }: { link: LoginLink; done: () => void }) {
  const [copied, setCopied] = useState(false);
  return (
    <div class="once">
      <label>
        Link that logs {link.username} in, once, within {minutes(link.lifetime_s)}; it is not shown again
        <input readOnly value={link.link} onFocus={(event) => event.currentTarget.select()} />
      </label>
      <p>
        {/* Pages that come over plain HTTP may not write to the clipboard: there, the text is selected by a click. */}
        {isSecureContext && (
          <button type="button" onClick={() => void navigator.clipboard.writeText(link.link).then(() => setCopied(true), () => setCopied(false))}>{copied ? "Copied" : "Copy"}</button>
        )}{" "}
        <button type="button" onClick={done}>Done</button>
      </p>
    </div>
  );
}
