import { useEffect } from "preact/hooks";
import { Link, Route, Router, Switch, useRoute } from "wouter-preact";
import { path, question, useAddress } from "./address";
import { connected } from "./feed/feed";
import { ended, loginProblem, logOut, me } from "./login";
import { later } from "./parts/later";
import { LoginScreen } from "./screens/LoginScreen";
import { NightScreen } from "./screens/NightScreen";
import { Deletions } from "./session/Deletions";
import { SessionsScreen } from "./session/SessionsScreen";
import { problemOf } from "./words";

const BlinkScreen = later(() => import("./screens/BlinkScreen").then((module) => module.BlinkScreen));
const BlinkChoice = later(() => import("./screens/BlinkScreen").then((module) => module.BlinkChoice));
const ImageScreen = later(() => import("./screens/ImageScreen").then((module) => module.ImageScreen));
const OperatorScreen = later(() => import("./screens/OperatorScreen").then((module) => module.OperatorScreen));
const SessionScreen = later(() => import("./session/SessionScreen").then((module) => module.SessionScreen));

const TITLES: Record<string, string> = { "": "Night", sessions: "Sessions", session: "Session", image: "Image", blink: "Blink", operator: "Operator" };

/** Every screen. What is open stays as it is, with what was typed, while its user logs in again. */
export function Console() {
  const somebody = me.value;
  if (somebody === undefined) return <p class="waiting" role="status">Asking who you are …</p>;
  if (somebody === null) return <LoginScreen />;
  return (
    <>
      <div key={somebody.username} class={ended.value ? "behind" : ""} inert={ended.value}>
        <Screens username={somebody.username} operates={somebody.is_operator} />
      </div>
      {ended.value && <LoginScreen username={somebody.username} />}
    </>
  );
}

/** The frame of every screen; addresses are after `#`, so that they meet none of the server's. */
function Screens({ username, operates }: { username: string; operates: boolean }) {
  const place = path.value;
  useEffect(() => {
    document.title = `${TITLES[place.split("/")[1] ?? ""] ?? "No such screen"} – Datalab`;
    if (place !== "/") scrollTo(0, 0);
  }, [place]);
  return (
    <Router hook={useAddress}>
      <header class="bar">
        <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>Skip to content</button>
        <strong class="name">Datalab</strong>
        <nav aria-label="Screens">
          <Tab href="/">Night</Tab>
          <Tab href="/sessions">Sessions</Tab>
          {operates && <Tab href="/operator">Operator</Tab>}
        </nav>
        <span class="grow" />
        <span role="status" class={connected.value ? "live" : "live away"}><span class="word">{connected.value ? "live" : "connecting …"}</span></span>
        <span class="who" title={username}>{username}</span>
        <button type="button" onClick={() => logOut().catch((error: unknown) => (loginProblem.value = problemOf(error)))}>Log out</button>
        {!ended.value && loginProblem.value !== "" && <span class="problem" role="alert">{loginProblem.value}</span>}
      </header>
      <main id="main" tabIndex={-1}>
        <Switch>
          <Route path="/" component={NightScreen} />
          <Route path="/sessions" component={SessionsScreen} />
          {operates && <Route path="/operator"><OperatorScreen /></Route>}
          <Route path="/session/:id">{({ id }) => <SessionScreen key={id} id={Number(id)} />}</Route>
          <Route path="/image/:source/:basename">
            {({ source, basename }) => <ImageScreen source={source} last={question.value.size > 0 ? `${basename}?${question.value}` : basename} />}
          </Route>
          <Route path="/blink/images/:names">{({ names }) => <BlinkScreen names={names} />}</Route>
          <Route path="/blink/session/:id">{({ id }) => <BlinkChoice session={Number(id)} />}</Route>
          <Route>
            <p>There is no such screen. <Link href="/">Go to the night.</Link></p>
          </Route>
        </Switch>
      </main>
      <Deletions />
    </Router>
  );
}

function Tab({ href, children }: { href: string; children: string }) {
  const [active] = useRoute(href);
  return <Link href={href} class={active ? "here" : ""} aria-current={active ? "page" : undefined}>{children}</Link>;
}
