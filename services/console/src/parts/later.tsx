import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

/** Returns a component whose script is loaded when it is first shown, so that the first page waits for little. */
export function later<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  let loaded: ComponentType<Props> | null = null;
  return function Later(props: Props) {
    const [, setCount] = useState(0);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (loaded !== null) return;
      load().then(
        (found) => {
          loaded = found;
          setCount((count) => count + 1);
        },
        () => setFailed(true),
      );
    }, []);
    if (loaded !== null) {
      const Loaded = loaded;
      return <Loaded {...props} />;
    }
    if (!failed) return <p class="waiting" role="status">Opening …</p>;
    return (
      <p class="problem" role="alert">
        This screen could not be loaded: the server does not answer, or has a newer console.{" "}
        <button type="button" onClick={() => location.reload()}>Load the page again</button>
      </p>
    );
  };
}
