import { useMemo, useRef, useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import type { Operation, Session } from "../api/sessions";
import { STATES } from "../session/states";
import { graphOf, imageOf, type Node, pictureOf, titleOf } from "./graph";
import { type Layout, layoutOf, neighbourOf, NODE_HEIGHT, NODE_WIDTH, type Placed } from "./layout";
import "./graph.css";

interface SessionGraphProps {
  session: Session;
  /** Goes to an operation's card. */
  open: (operation: number) => void;
}

/** Where a graph that fits to the page can still be read. */
const WIDE = "(min-width: 50rem)";

/** All of a session as a graph: frames, operations, what they made, and what that went into. Arrow keys follow its lines. */
export function SessionGraph({ session, open }: SessionGraphProps) {
  const graph = useMemo(() => graphOf(session), [session]);
  const layout = useMemo(() => layoutOf(graph), [graph]);
  const [whole, setWhole] = useState(() => matchMedia(WIDE).matches);
  const [, go] = useLocation();

  function opened(node: Node) {
    const image = imageOf(node);
    if (image !== null) go(`/image/${image.source}/${encodeURIComponent(image.basename)}`);
    else if (node.kind !== "frames") open(node.operation.id);
  }

  return (
    <section class="graph" aria-label="Graph of the session">
      <div class="heading">
        <button type="button" aria-pressed={whole} onClick={() => setWhole(!whole)}>Fit to the page</button>
        <span class="detail">{graph.unused > 0 ? `${graph.unused} images are not used yet.` : ""}</span>
      </div>
      {layout.nodes.length === 0 ? <p>Nothing was computed yet.</p> : <Drawing layout={layout} whole={whole} opened={opened} />}
      <details>
        <summary>The same as a list</summary>
        <ul class="as-list">
          {layout.nodes.filter(({ node }) => node.kind === "operation").map((place) => <Line key={place.node.id} layout={layout} place={place} opened={opened} />)}
        </ul>
      </details>
    </section>
  );
}

function Drawing({ layout, whole, opened }: { layout: Layout; whole: boolean; opened: (node: Node) => void }) {
  const drawing = useRef<SVGSVGElement>(null);
  const [current, setCurrent] = useState("");
  const reached = layout.nodes.some(({ node }) => node.id === current) ? current : layout.nodes[0]?.node.id;

  function pressed(event: KeyboardEvent, place: Placed) {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      opened(place.node);
      return;
    }
    const next = neighbourOf(layout, place, event.key);
    if (next === place) return;
    event.preventDefault();
    setCurrent(next.node.id);
    drawing.current?.querySelector<SVGElement>(`[data-node="${next.node.id}"]`)?.focus();
  }

  return (
    <div class={whole ? "canvas whole" : "canvas"}>
      <svg ref={drawing} viewBox={`0 0 ${layout.width} ${layout.height}`} width={layout.width} height={layout.height} role="group" aria-label={`${layout.nodes.length} nodes; arrow keys follow the lines, Enter opens`}>
        {layout.edges.map(({ from, to }) => <path key={`${from.node.id} ${to.node.id}`} class="edge" d={curve(from, to)} aria-hidden="true" />)}
        {layout.nodes.map((place) => (
          <g
            key={place.node.id}
            data-node={place.node.id}
            class={classOf(place.node)}
            transform={`translate(${place.x} ${place.y})`}
            role="button"
            tabIndex={place.node.id === reached ? 0 : -1}
            aria-label={spoken(layout, place)}
            onClick={() => opened(place.node)}
            onFocus={() => setCurrent(place.node.id)}
            onKeyDown={(event) => pressed(event, place)}
          >
            <Shape node={place.node} />
          </g>
        ))}
      </svg>
    </div>
  );
}

/** Beside a picture there is less room for words. */
const SHOWN_CHARACTERS = 24;
const SHOWN_BESIDE_PICTURE = 17;

function Shape({ node }: { node: Node }) {
  const picture = pictureOf(node);
  const side = NODE_HEIGHT - 8;
  const middle = picture === null ? NODE_WIDTH / 2 : (NODE_WIDTH + side) / 2;
  const most = picture === null ? SHOWN_CHARACTERS : SHOWN_BESIDE_PICTURE;
  return (
    <>
      <title>{titleOf(node)}</title>
      <rect width={NODE_WIDTH} height={NODE_HEIGHT} rx={node.kind === "frames" ? NODE_HEIGHT / 2 : 8} />
      {picture !== null && <image href={picture} x={4} y={4} width={side} height={side} preserveAspectRatio="xMidYMid slice" />}
      <text class="title" x={middle} y={19}>{shortened(titleOf(node), most)}</text>
      <text class="about" x={middle} y={35}>{shortened(aboutOf(node), most)}</text>
    </>
  );
}

function Line({ layout, place, opened }: { layout: Layout; place: Placed; opened: (node: Node) => void }) {
  const from = layout.edges.filter((edge) => edge.to === place).map((edge) => titleOf(edge.from.node));
  const made = layout.edges.filter((edge) => edge.from === place).map((edge) => edge.to);
  const into = layout.edges.filter((edge) => made.includes(edge.from)).map((edge) => titleOf(edge.to.node));
  return (
    <li>
      <button type="button" class="quiet" onClick={() => opened(place.node)}>{titleOf(place.node)}</button>: {aboutOf(place.node)}
      {from.length > 0 && `; from ${from.join(", ")}`}
      {made.length > 0 && `; made ${made.map((each) => titleOf(each.node)).join(", ")}`}
      {into.length > 0 && `; used by ${[...new Set(into)].join(", ")}`}.
    </li>
  );
}

/** Names differ at their ends. */
function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  const kept = most - 1;
  return `${text.slice(0, Math.ceil(kept / 2))}…${text.slice(-Math.floor(kept / 2))}`;
}

function aboutOf(node: Node): string {
  if (node.kind === "frames") return node.filters.length > 0 ? node.filters.join(", ") : node.basenames.length === 1 ? "frame" : "frames";
  if (node.kind === "operation") return stateOf(node.operation);
  return node.basenames.length === 1 ? (imageOf(node) === null ? "picture" : "image") : "images";
}

function stateOf(operation: Operation): string {
  const part = operation.state === "IN_PROGRESS" ? ` ${Math.round(100 * operation.operation_progress)} %` : "";
  return `${STATES[operation.state]}${part}`;
}

const classOf = (node: Node) => (node.kind === "operation" ? `node operation-node ${node.operation.state.toLowerCase()}` : `node ${node.kind}`);

function spoken(layout: Layout, place: Placed): string {
  const count = (edges: Layout["edges"]) => (edges.length === 0 ? "none" : String(edges.length));
  const before = count(layout.edges.filter((edge) => edge.to === place));
  const after = count(layout.edges.filter((edge) => edge.from === place));
  return `${titleOf(place.node)}, ${aboutOf(place.node)}; before it ${before}, after it ${after}`;
}

function curve(from: Placed, to: Placed): string {
  const [x1, y1, x2, y2] = [from.x + NODE_WIDTH, from.y + NODE_HEIGHT / 2, to.x, to.y + NODE_HEIGHT / 2];
  const middle = (x1 + x2) / 2;
  return `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
}
