/**
 * Where the console is: a path and a question after `#`, so that they meet none of the server's.
 *
 * `#/blink?frames=a,b` has the path `/blink` and the question `frames=a,b`.
 */
import { computed, signal } from "@preact/signals";

const written = () => location.hash.replace(/^#?\/?/, "/");
const here = signal(written());
addEventListener("hashchange", () => (here.value = written()));

export const path = computed(() => here.value.split("?")[0] ?? "/");
export const question = computed(() => new URLSearchParams(here.value.split("?").slice(1).join("?")));

/** Goes to a path, with its question; with `replace`, going back leads to where one was before this place. */
export function go(to: string, { replace = false }: { replace?: boolean } = {}): void {
  history[replace ? "replaceState" : "pushState"](null, "", `#${to}`);
  here.value = written();
}

/** What `wouter` asks for the path. */
export const useAddress = Object.assign((): [string, typeof go] => [path.value, go], {
  hrefs: (href: string) => `#${href}`,
});
