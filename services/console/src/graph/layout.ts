/** Where the nodes of a graph are drawn: columns from left to right, each node to the right of all it comes from. */
import type { Edge, Graph, Node } from "./graph";

export interface Placed {
  node: Node;
  column: number;
  row: number;
  x: number;
  y: number;
}

export interface Layout {
  nodes: readonly Placed[];
  edges: readonly { from: Placed; to: Placed }[];
  width: number;
  height: number;
}

export const NODE_WIDTH = 172;
export const NODE_HEIGHT = 46;
const GAP_X = 56;
const GAP_Y = 14;
const MARGIN = 8;
/** Each column is ordered by its neighbours, from left and from right: after some rounds little changes. */
const ROUNDS = 8;

/** Returns a drawing of a graph with few crossings (Sugiyama's layers, ordered by the means of their neighbours). */
export function layoutOf({ nodes, edges }: Graph): Layout {
  const columns = layered(nodes, edges);
  order(columns, edges);
  const highest = Math.max(1, ...columns.map((column) => column.length));
  const placed = new Map<string, Placed>();
  columns.forEach((column, place) => {
    const top = ((highest - column.length) * (NODE_HEIGHT + GAP_Y)) / 2;
    column.forEach((node, row) => {
      placed.set(node.id, {
        node,
        column: place,
        row,
        x: MARGIN + place * (NODE_WIDTH + GAP_X),
        y: MARGIN + top + row * (NODE_HEIGHT + GAP_Y),
      });
    });
  });
  return {
    nodes: [...placed.values()],
    edges: edges.flatMap((edge) => {
      const from = placed.get(edge.from);
      const to = placed.get(edge.to);
      return from !== undefined && to !== undefined ? [{ from, to }] : [];
    }),
    width: 2 * MARGIN + columns.length * (NODE_WIDTH + GAP_X) - GAP_X,
    height: 2 * MARGIN + highest * (NODE_HEIGHT + GAP_Y) - GAP_Y,
  };
}

/** Returns the nodes by column: one further than the furthest of those each comes from. */
function layered(nodes: readonly Node[], edges: readonly Edge[]): Node[][] {
  const before = neighbours(edges, "to", "from");
  const column = new Map<string, number>();
  for (const { id } of nodes) {
    // Whatever a node comes from stands before it.
    column.set(id, Math.max(-1, ...(before.get(id) ?? []).map((each) => column.get(each) ?? -1)) + 1);
  }
  // Frames stand just before what uses them first, so that no lines go past everything.
  const after = neighbours(edges, "from", "to");
  for (const { id, kind } of nodes) {
    const users = (after.get(id) ?? []).map((each) => column.get(each) ?? 1);
    if (kind === "frames" && users.length > 0) column.set(id, Math.max(0, Math.min(...users) - 1));
  }
  const columns: Node[][] = [];
  for (const node of nodes) (columns[column.get(node.id) ?? 0] ??= []).push(node);
  return Array.from(columns, (each) => each ?? []);
}

function order(columns: Node[][], edges: readonly Edge[]): void {
  const before = neighbours(edges, "to", "from");
  const after = neighbours(edges, "from", "to");
  for (let round = 0; round < ROUNDS; round++) {
    const rows = new Map(columns.flatMap((column) => column.map((node, row) => [node.id, row - column.length / 2] as const)));
    const beside = round % 2 === 0 ? before : after;
    for (const column of columns) {
      const means = new Map(column.map((node) => [node.id, mean((beside.get(node.id) ?? []).map((id) => rows.get(id) ?? 0)) ?? rows.get(node.id) ?? 0]));
      column.sort((one, other) => (means.get(one.id) ?? 0) - (means.get(other.id) ?? 0));
      column.forEach((node, row) => rows.set(node.id, row - column.length / 2));
    }
  }
}

const mean = (values: readonly number[]) => (values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length);

function neighbours(edges: readonly Edge[], of: "from" | "to", what: "from" | "to"): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const edge of edges) found.set(edge[of], [...(found.get(edge[of]) ?? []), edge[what]]);
  return found;
}

/** Returns the node an arrow key leads to: along a line, or up and down in a column; itself if there is none. */
export function neighbourOf(layout: Layout, from: Placed, key: string): Placed {
  const nearest = (places: readonly Placed[]) => [...places].sort((one, other) => Math.abs(one.y - from.y) - Math.abs(other.y - from.y))[0] ?? from;
  switch (key) {
    case "ArrowLeft":
      return nearest(layout.edges.filter((edge) => edge.to === from).map((edge) => edge.from));
    case "ArrowRight":
      return nearest(layout.edges.filter((edge) => edge.from === from).map((edge) => edge.to));
    case "ArrowUp":
      return layout.nodes.find((each) => each.column === from.column && each.row === from.row - 1) ?? from;
    case "ArrowDown":
      return layout.nodes.find((each) => each.column === from.column && each.row === from.row + 1) ?? from;
    default:
      return from;
  }
}
