/** The one connection to the feed that all screens share. */
import { Feed } from "./feed/feed";
import { loginProblem, me } from "./login";

const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/feed`;

export const feed = new Feed(address, () => {
  loginProblem.value = "Your login has ended: log in again.";
  me.value = null;
});

me.subscribe((somebody) => (somebody ? feed.start() : feed.stop()));
