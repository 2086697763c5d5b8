import { Link, Route, Router, Switch, useRoute } from "wouter-preact";
import { useHashLocation } from "wouter-preact/use-hash-location";
import { connected } from "./feed/feed";
import { logOut, me } from "./login";
import { later } from "./parts/later";
import { ImageScreen } from "./screens/ImageScreen";
import { LoginScreen } from "./screens/LoginScreen";
import { NightScreen } from "./screens/NightScreen";
import { OperatorScreen } from "./screens/OperatorScreen";
import { SessionScreen } from "./session/SessionScreen";
import { Deletions } from "./session/Deletions";
import { SessionsScreen } from "./session/SessionsScreen";

const BlinkScreen = later(() => import("./screens/BlinkScreen").then((module) => module.BlinkScreen));
const BlinkChoice = later(() => import("./screens/BlinkScreen").then((module) => module.BlinkChoice));

/** The frame of every screen; addresses are after `#`, so that they meet none of the server's. */
export function Console() {
  const somebody = me.value;
  if (somebody === undefined) return <p class="waiting" role="status">Asking who you are …</p>;
  if (somebody === null) return <LoginScreen />;
  return (
    <Router hook={useHashLocation}>
      <header class="bar">
        <a class="skip" href="#main">Skip to content</a>
        <strong class="name">Datalab</strong>
        <nav aria-label="Screens">
          <Tab href="/">Night</Tab>
          <Tab href="/sessions">Sessions</Tab>
          {somebody.is_operator && <Tab href="/operator">Operator</Tab>}
        </nav>
        <span class="grow" />
        <span role="status" class={connected.value ? "live" : "live away"}>{connected.value ? "live" : "connecting …"}</span>
        <span>{somebody.username}</span>
        <button type="button" onClick={() => void logOut()}>Log out</button>
      </header>
      <main id="main" tabIndex={-1}>
        <Switch>
          <Route path="/" component={NightScreen} />
          <Route path="/sessions" component={SessionsScreen} />
          {somebody.is_operator && <Route path="/operator" component={OperatorScreen} />}
          <Route path="/session/:id">{({ id }) => <SessionScreen key={id} id={Number(id)} />}</Route>
          <Route path="/image/:source/:basename">
            {({ source, basename }) => <ImageScreen source={source} last={basename} />}
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
