import { answered, api } from "../api/client";
import { utc } from "../words";
import { usePolled } from "./polled";
import { Readiness } from "./Readiness";
import { faultsOf, missingIn, othersInHand, type Process, slotsOf } from "./words";

/** A process says what it does every five seconds. */
const AGAIN_MS = 5_000;

/** The processes of every service: whether they can work, and what they do at the moment. */
export function Services() {
  const { value: processes, problem } = usePolled(() => answered(api.GET("/api/system/processes")), AGAIN_MS);
  return (
    <section aria-labelledby="services">
      <h2 id="services">Services</h2>
      <p class="problem" role="alert">{problem}</p>
      {problem !== "" && <Readiness />}
      {processes === null && problem === "" && <p class="waiting" role="status">Asking …</p>}
      {processes !== null && (
        <>
          {missingIn(processes).map((sentence) => <p key={sentence} class="problem" role="status">{sentence}</p>)}
          <table class="list stacked">
            <thead>
              <tr><th scope="col">Service</th><th scope="col">Can work</th><th scope="col">Does now</th><th scope="col">Runs since</th></tr>
            </thead>
            <tbody>{processes.map((each) => <Row key={each.process_id} process={each} />)}</tbody>
          </table>
        </>
      )}
    </section>
  );
}

function Row({ process }: { process: Process }) {
  const faults = faultsOf(process);
  return (
    <tr>
      <td data-title="Service"><span>{process.service} <small class="hint">on {process.host}, {process.version}</small></span></td>
      <td data-title="Can work"><span class={faults === "" ? "well" : "bad"}>{faults || "yes"}</span></td>
      <td data-title="Does now"><Work process={process} /></td>
      <td data-title="Runs since"><time dateTime={process.started_at}>{utc(process.started_at)}</time></td>
    </tr>
  );
}

function Work({ process }: { process: Process }) {
  const named = process.in_hand.filter((work) => work.what !== "");
  const others = othersInHand(process);
  return (
    <div>
      {named.length > 0 && (
        <ul class="work">
          {named.map((work) => (
            <li key={work.consumer + work.what + work.since}>{work.what} <small class="hint">{work.consumer}, since {utc(work.since).slice(11)}</small></li>
          ))}
        </ul>
      )}
      {named.length === 0 && <span class="hint">{others || "nothing"}</span>}
      {slotsOf(process) !== "" && <div class="hint">{slotsOf(process)}</div>}
    </div>
  );
}
