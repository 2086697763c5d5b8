import { Fragment } from "preact";
import { useEffect, useState } from "preact/hooks";
import { answered, api } from "../api/client";
import { me } from "../login";
import { problemOf } from "../words";
import { Once } from "./Once";
import { UserPanel } from "./UserPanel";
import { minutes, namesIn, rightsOf, type User } from "./words";

const PAGE = 100;

/** What is shown this once, and what it is good for. */
interface Secret {
  label: string;
  text: string;
}

async function loginLink(username: string): Promise<Secret> {
  const made = await answered(api.POST("/api/users/{username}/login-code", { params: { path: { username } } }));
  return {
    label: `Link that logs ${username} in, once, within ${minutes(made.lifetime_s)}; it is not shown again`,
    text: `${location.origin}/#code=${encodeURIComponent(made.code)}`,
  };
}

/** Who may log in; superusers change it. */
export function Users() {
  const [users, setUsers] = useState<readonly User[]>([]);
  const [count, setCount] = useState<number | null>(null);
  const [secret, setSecret] = useState<Secret | null>(null);
  const [open, setOpen] = useState("");
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
      setSecret(await loginLink(username));
      return "";
    });

  return (
    <section aria-labelledby="users">
      <h2 id="users">Users</h2>
      {mayChange ? (
        <NewUser
          made={(made) => {
            setSecret(made);
            setSaid("");
            void read();
          }}
        />
      ) : (
        <p class="hint">Superusers add and change users.</p>
      )}
      {secret !== null && <Once key={secret.text} {...secret} done={() => setSecret(null)} />}
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
              <Fragment key={user.username}>
                <tr>
                  <td data-title="Name">{user.username}{user.active ? "" : " (inactive)"}</td>
                  <td data-title="May">{rightsOf(user) || "what is their own"}</td>
                  <td data-title="Since">{user.created.slice(0, 10)}</td>
                  {mayChange && (
                    <td>
                      <button type="button" aria-label={`Change ${user.username}`} aria-expanded={open === user.username} onClick={() => setOpen(open === user.username ? "" : user.username)}>Change</button>
                      <button type="button" aria-label={`Login link for ${user.username}`} disabled={!user.active} onClick={() => void giveLink(user)}>Login link</button>
                      {user.username !== me.value?.username && (
                        <button type="button" aria-label={`${user.active ? "Deactivate" : "Activate"} ${user.username}`} onClick={() => void setActive(user, !user.active)}>
                          {user.active ? "Deactivate" : "Activate"}
                        </button>
                      )}
                      <button type="button" aria-label={`Revoke tokens of ${user.username}`} onClick={() => revoke(user)}>Revoke tokens</button>
                      {wrong?.username === user.username && <span class="problem" role="alert">{wrong.problem}</span>}
                    </td>
                  )}
                </tr>
                {mayChange && open === user.username && (
                  <tr>
                    <td colSpan={4}>
                      <UserPanel
                        user={user}
                        changed={(now) => {
                          setUsers((known) => known.map((each) => (each.username === now.username ? now : each)));
                          setSaid(`${now.username} is changed.`);
                          setOpen("");
                        }}
                        given={(token) => setSecret({ label: `Token of ${user.username}; it is not shown again`, text: token })}
                      />
                    </td>
                  </tr>
                )}
              </Fragment>
            ))}
          </tbody>
        </table>
      )}
      {count !== null && users.length < count && <button type="button" onClick={() => void read(users.length)}>Show more</button>}
    </section>
  );
}

function NewUser({ made }: { made: (link: Secret) => void }) {
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
