import { answered, api } from "../api/client";
import { usePolled } from "./polled";

const AGAIN_MS = 5_000;

/** What waits on the bus, and for whom. */
export function Queues() {
  const { value: queues, problem } = usePolled(() => answered(api.GET("/api/system/queues")), AGAIN_MS);
  return (
    <section aria-labelledby="queues">
      <h2 id="queues">Queues</h2>
      <p class="problem" role="alert">{problem}</p>
      {queues === null && problem === "" && <p class="waiting" role="status">Asking …</p>}
      {queues !== null && (
        <table class="list">
          <thead>
            <tr><th scope="col">Queue</th><th scope="col">Wait</th><th scope="col">In hand</th><th scope="col">Tried before</th></tr>
          </thead>
          <tbody>
            {queues.map((queue) => (
              <tr key={queue.consumer}>
                <td><span>{queue.consumer} <small class="hint">{queue.description}</small></span></td>
                <td class="number">{queue.waiting}</td>
                <td class="number">{queue.in_hand}</td>
                <td class="number">{queue.redelivered}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
