import { useState } from "preact/hooks";
import { answered, api } from "../api/client";
import type { components } from "../api/schema";
import { me } from "../login";
import { problemOf } from "../words";
import { namesIn, type User } from "./words";

type Scope = NonNullable<components["schemas"]["NewToken"]["scopes"]>[number];

const SCOPES: readonly [Scope, string][] = [
  ["read", "see what is theirs"],
  ["write", "change what is theirs"],
  ["ingest", "add files"],
  ["admin", "look after the system"],
];
const DAY_S = 86_400;

interface PanelProps {
  user: User;
  /** The user as they are now. */
  changed: (user: User) => void;
  /** A token that is shown this once. */
  given: (token: string) => void;
}

/** What superusers change of a user: what they may do, and a token for a program of theirs. */
export function UserPanel({ user, changed, given }: PanelProps) {
  return (
    <div class="panel">
      <Rights user={user} changed={changed} />
      <NewToken user={user} given={given} />
    </div>
  );
}

function Rights({ user, changed }: Pick<PanelProps, "user" | "changed">) {
  const { username } = user;
  const [superuser, setSuperuser] = useState(user.superuser);
  const [operator, setOperator] = useState(user.operator);
  const [proposals, setProposals] = useState(user.proposals.join(", "));
  const [ingests, setIngests] = useState(user.ingests.join(", "));
  const [observatories, setObservatories] = useState(user.observatories.join(", "));
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);

  async function save(event: SubmitEvent) {
    event.preventDefault();
    setBusy(true);
    try {
      const said = { superuser, operator, proposals: namesIn(proposals), ingests: namesIn(ingests), observatories: namesIn(observatories) };
      // What was left as it is may be somebody else's to change at the same time.
      const body = Object.fromEntries(Object.entries(said).filter(([name, value]) => String(value) !== String(user[name as keyof User])));
      changed(await answered(api.PATCH("/api/users/{username}", { params: { path: { username } }, body })));
    } catch (error) {
      setProblem(problemOf(error));
      setBusy(false);
    }
  }

  return (
    <form class="choice" noValidate onSubmit={(event) => void save(event)} aria-label={`What ${username} may do`}>
      <label>Proposals <input value={proposals} autocomplete="off" placeholder="none" onInput={(event) => setProposals(event.currentTarget.value)} /></label>
      <label>Adds files of sites <input value={ingests} autocomplete="off" placeholder="none; * is every site" onInput={(event) => setIngests(event.currentTarget.value)} /></label>
      <label>Speaks for sites <input value={observatories} autocomplete="off" placeholder="none; * is every site" onInput={(event) => setObservatories(event.currentTarget.value)} /></label>
      <label><input type="checkbox" checked={operator} onChange={(event) => setOperator(event.currentTarget.checked)} /> operator</label>
      {/* Who takes it from themselves could not give it back. */}
      <label><input type="checkbox" checked={superuser} disabled={username === me.value?.username} onChange={(event) => setSuperuser(event.currentTarget.checked)} /> superuser</label>
      <button type="submit" disabled={busy}>Save</button>
      <span class="problem" role="alert">{problem}</span>
    </form>
  );
}

function NewToken({ user: { username }, given }: Pick<PanelProps, "user" | "given">) {
  const [scopes, setScopes] = useState<readonly Scope[]>(["read", "write"]);
  const [days, setDays] = useState("30");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);

  async function make(event: SubmitEvent) {
    event.preventDefault();
    const lifetime = Number(days);
    if (days.trim() === "" || !(lifetime > 0)) {
      setProblem("Say for how many days it is to be good.");
      return;
    }
    if (scopes.length === 0) {
      setProblem("Say what it is to be good for.");
      return;
    }
    setBusy(true);
    try {
      const body = { scopes: [...scopes], lifetime_s: lifetime * DAY_S };
      const made = await answered(api.POST("/api/users/{username}/tokens", { params: { path: { username } }, body: body as never }));
      given(made.token);
      setProblem("");
    } catch (error) {
      setProblem(problemOf(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <form class="choice" noValidate onSubmit={(event) => void make(event)} aria-label={`A token for ${username}`}>
      {SCOPES.map(([scope, words]) => (
        <label key={scope}>
          <input
            type="checkbox"
            checked={scopes.includes(scope)}
            onChange={({ currentTarget: { checked } }) => setScopes(checked ? [...scopes, scope] : scopes.filter((each) => each !== scope))}
          />{" "}
          {words}
        </label>
      ))}
      <label>Days <input value={days} inputMode="numeric" size={4} onInput={(event) => setDays(event.currentTarget.value)} /></label>
      <button type="submit" disabled={busy}>Give a token</button>
      <span class="problem" role="alert">{problem}</span>
    </form>
  );
}
