/** A session as a graph: what was put in, the operations, what they made, and what that went into. */
import { framesOf, type InputImage, type Operation, type Session } from "../api/sessions";
import { type GivenFile, givenInputs } from "../session/givenInputs";

export type Node =
  | { kind: "frames"; id: string; basenames: readonly string[]; filters: readonly string[] }
  | { kind: "operation"; id: string; operation: Operation }
  | { kind: "outputs"; id: string; operation: Operation; basenames: readonly string[] };

export interface Edge {
  from: string;
  to: string;
}

export interface Graph {
  /** In the order of time: what comes from a node comes after it. */
  nodes: readonly Node[];
  edges: readonly Edge[];
  /** Frames of the session that nothing has used yet. */
  unused: number;
}

/** So many outputs are shown one by one; more are one node. */
const MOST_APART = 4;

/** Returns the graph of a session. Frames that go the same ways are one node. */
export function graphOf(session: Session): Graph {
  const operations = [...session.operations].sort((one, other) => one.id - other.id);
  const outputs = operations.flatMap(outputNodes);
  const maker = new Map(outputs.flatMap((node) => node.basenames.map((basename) => [basename, node.id] as const)));
  const known = new Set(operations.map((operation) => operation.id));
  const edges: Edge[] = outputs.map((node) => ({ from: operationId(node.operation.id), to: node.id }));
  const users = new Map<string, { file: GivenFile; by: Set<number> }>();
  for (const operation of operations) {
    for (const file of Object.values(givenInputs(operation).files).flat()) {
      const from = sourceOf(file, maker, known);
      if (from === null) {
        const name = file.basename ?? `outputs of operation ${file.operation}`;
        const user = users.get(name) ?? { file, by: new Set() };
        users.set(name, { ...user, by: user.by.add(operation.id) });
      } else {
        edges.push(...from.map((each) => ({ from: each, to: operationId(operation.id) })));
      }
    }
  }
  const filters = new Map(framesOf(session).map((frame) => [frame.basename, frame.filter]));
  const frames = frameNodes(users, filters);
  for (const [node, by] of frames) edges.push(...by.map((operation) => ({ from: node.id, to: operationId(operation) })));
  const nodes: Node[] = [
    ...frames.map(([node]) => node),
    ...operations.flatMap((operation): Node[] => [
      { kind: "operation", id: operationId(operation.id), operation },
      ...outputs.filter((node) => node.operation === operation),
    ]),
  ];
  const unused = framesOf(session).filter((frame) => !users.has(frame.basename)).length;
  return { nodes, edges: once(edges), unused };

  /** Returns the nodes a file comes from; null for what no operation here has made. */
  function sourceOf(file: GivenFile, makers: ReadonlyMap<string, string>, here: ReadonlySet<number>): string[] | null {
    const made = file.basename === null ? undefined : makers.get(file.basename);
    if (made !== undefined) return [made];
    return file.operation !== null && here.has(file.operation) ? [operationId(file.operation)] : null;
  }
}

export const operationId = (id: number) => `operation-${id}`;

function outputNodes(operation: Operation): Extract<Node, { kind: "outputs" }>[] {
  const basenames = (operation.output?.output_files ?? []).map((file) => file.basename);
  if (basenames.length === 0) return [];
  const parts = basenames.length > MOST_APART ? [basenames] : basenames.map((basename) => [basename]);
  return parts.map((names, place) => ({ kind: "outputs", id: `outputs-${operation.id}-${place}`, operation, basenames: names }));
}

/** Returns nodes of files that the same operations use, and those operations. */
function frameNodes(
  users: ReadonlyMap<string, { file: GivenFile; by: ReadonlySet<number> }>,
  known: ReadonlyMap<string, string | null>,
): [Extract<Node, { kind: "frames" }>, number[]][] {
  const groups = new Map<string, { names: string[]; filters: Set<string>; by: number[] }>();
  for (const [name, { file, by }] of users) {
    const way = [...by].join(" ");
    const group = groups.get(way) ?? { names: [], filters: new Set(), by: [...by] };
    group.names.push(name);
    const filter = file.filter ?? known.get(name) ?? null;
    if (filter !== null) group.filters.add(filter);
    groups.set(way, group);
  }
  return [...groups.values()].map(({ names, filters, by }, place) => [
    { kind: "frames", id: `frames-${place}`, basenames: names, filters: [...filters] },
    by,
  ]);
}

function once(edges: readonly Edge[]): Edge[] {
  return [...new Map(edges.map((edge) => [`${edge.from} ${edge.to}`, edge])).values()];
}

/** Returns what a node is called, in a few words. */
export function titleOf(node: Node): string {
  if (node.kind === "operation") return `${node.operation.name} ${node.operation.id}`;
  const [name = ""] = node.basenames;
  const kinds = node.kind === "frames" ? "frames" : "outputs";
  return node.basenames.length === 1 ? name : `${node.basenames.length} ${kinds}`;
}

/** Returns the link to the picture of a node that is one output, null if there is none. */
export function pictureOf(node: Node): string | null {
  if (node.kind !== "outputs" || node.basenames.length !== 1) return null;
  return node.operation.output?.output_files.find((file) => file.basename === node.basenames[0])?.small_url ?? null;
}

/** Returns the image that a node is, if it is one that can be opened. */
export function imageOf(node: Node): Pick<InputImage, "basename" | "source"> | null {
  const [basename] = node.kind === "operation" ? [] : node.basenames;
  if (basename === undefined || (node.kind !== "operation" && node.basenames.length > 1)) return null;
  if (node.kind === "frames") return { basename, source: "archive" };
  if (node.kind === "operation") return null;
  const file = node.operation.output?.output_files.find((each) => each.basename === basename);
  return file?.type === "fits" ? { basename, source: "datalab" } : null;
}
