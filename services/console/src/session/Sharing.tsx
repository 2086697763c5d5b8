import { useEffect, useState } from "preact/hooks";
import { problemOf, utc } from "../words";
import { type GivenRole, nameOf, problemWith, refusalOf, ROLES, type Share, sharesOf, shareWith, withdrawFrom } from "./sharingForm";

/** With whom a session is shared, for its owner: to add somebody, to change a role, to withdraw. */
export function Sharing({ session, owner }: { session: number; owner: string }) {
  const [shares, setShares] = useState<readonly Share[] | null>(null);
  const [withdrawn, setWithdrawn] = useState<Share | null>(null);
  const [name, setName] = useState("");
  const [role, setRole] = useState<GivenRole>("viewer");
  const [wrong, setWrong] = useState("");
  const [problem, setProblem] = useState("");

  useEffect(() => {
    sharesOf(session).then(setShares, (error: unknown) => setProblem(problemOf(error)));
  }, [session]);

  async function share(event: SubmitEvent) {
    event.preventDefault();
    const who = name.trim();
    const said = problemWith(who, owner, shares ?? []);
    setWrong(said);
    if (said !== "") return;
    try {
      setShares(await shareWith(session, { user: who, role, since: "" }, role));
      setWithdrawn(null);
      setName("");
    } catch (error) {
      setWrong(refusalOf(error, who));
    }
  }

  async function change(whom: Share, given: GivenRole) {
    try {
      setShares(await shareWith(session, whom, given));
      setWithdrawn(null);
      setProblem("");
    } catch (error) {
      setProblem(problemOf(error));
    }
  }

  async function withdraw(whom: Share) {
    try {
      await withdrawFrom(session, whom);
      setShares((known) => (known ?? []).filter((each) => nameOf(each) !== nameOf(whom)));
      setWithdrawn(whom);
      setProblem("");
    } catch (error) {
      setProblem(problemOf(error));
    }
  }

  return (
    <details class="sharing">
      <summary>{shares === null || shares.length === 0 ? "Shared with nobody" : `Shared with ${shares.map(nameOf).join(", ")}`}</summary>
      <form class="choice" noValidate onSubmit={(event) => void share(event)} aria-label="Share the session">
        <label>
          Share with
          <input
            value={name}
            placeholder="a user's name"
            autocomplete="off"
            aria-invalid={wrong !== ""}
            aria-describedby="share-problem"
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <label>Role <RoleChoice role={role} choose={setRole} /></label>
        <button type="submit">Share</button>
        <small id="share-problem" class="problem" role="alert">{wrong}</small>
      </form>
      <p class="problem" role="alert">{problem}</p>
      <p role="status">
        {withdrawn !== null && (
          <>
            {nameOf(withdrawn)} sees the session no longer. <button type="button" onClick={() => void change(withdrawn, withdrawn.role)}>Undo</button>
          </>
        )}
      </p>
      {shares !== null && shares.length > 0 && (
        <table class="list stacked">
          <thead><tr><th scope="col">With</th><th scope="col">Role</th><th scope="col">Since</th><th scope="col"><span class="unseen">Withdraw</span></th></tr></thead>
          <tbody>
            {shares.map((each) => (
              <tr key={nameOf(each)}>
                <td data-title="With">{nameOf(each)}</td>
                <td data-title="Role"><RoleChoice role={each.role} choose={(given) => void change(each, given)} label={`Role of ${nameOf(each)}`} /></td>
                <td data-title="Since">{utc(each.since)}</td>
                <td><button type="button" aria-label={`Withdraw from ${nameOf(each)}`} onClick={() => void withdraw(each)}>Withdraw</button></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </details>
  );
}

function RoleChoice({ role, choose, label }: { role: GivenRole; choose: (role: GivenRole) => void; label?: string }) {
  return (
    <select value={role} aria-label={label} onChange={(event) => choose(event.currentTarget.value as GivenRole)}>
      {Object.entries(ROLES).map(([each, means]) => <option key={each} value={each}>{each}: {means}</option>)}
    </select>
  );
}
