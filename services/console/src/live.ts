/** The one connection to the feed that all screens share. */
import { computed, effect } from "@preact/signals";
import { Feed } from "./feed/feed";
import { ended, loginEnded, me } from "./login";

const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/feed`;

export const feed = new Feed(address, loginEnded);

const somebody = computed(() => Boolean(me.value) && !ended.value);
effect(() => (somebody.value ? feed.start() : feed.stop()));

// Timers stand still while a computer sleeps: who comes back shall not wait for them.
const back = () => document.visibilityState === "visible" && feed.wake();
document.addEventListener("visibilitychange", back);
addEventListener("online", back);
addEventListener("focus", back);
