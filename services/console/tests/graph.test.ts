import { describe, expect, it } from "vitest";
import type { Operation, Session } from "../src/api/sessions";
import { graphOf, imageOf, titleOf } from "../src/graph/graph";
import { layoutOf, neighbourOf, NODE_HEIGHT, NODE_WIDTH } from "../src/graph/layout";

const frame = (basename: string) => ({ basename, source: "archive", filter: "rp" });
const output = (basename: string) => ({ id: 1, basename, source: "datalab", type: "fits", notes: [] });

function operation(id: number, name: string, inputs: object[], outputs: string[]): Operation {
  return {
    id,
    name,
    status: "COMPLETED",
    state: "COMPLETED",
    message: "",
    operation_progress: 1,
    created: "",
    input_data: { input_files: inputs },
    output: { output_files: outputs.map(output) },
  } as Operation;
}

function session(frames: string[], operations: Operation[]): Session {
  return { id: 1, name: "", user: "", created: "", accessed: "", modified: "", input_data: frames.map(frame), operations, operations_count: operations.length };
}

const chain = session(["a", "b", "c", "d"], [
  operation(2, "Stacking", [{ basename: "ma", source: "datalab", operation: 1 }, { basename: "c", source: "archive" }], ["s"]),
  operation(1, "Median", [frame("a"), frame("b")], ["ma"]),
]);

describe("the graph of a session", () => {
  it("leads from frames through operations and outputs to further ones", () => {
    const { nodes, edges, unused } = graphOf(chain);
    expect(nodes.map(titleOf)).toEqual(["2 frames", "c", "Median 1", "ma", "Stacking 2", "s"]);
    const named = new Map(nodes.map((node) => [node.id, titleOf(node)]));
    expect(edges.map(({ from, to }) => `${named.get(from)} > ${named.get(to)}`).sort()).toEqual([
      "2 frames > Median 1",
      "Median 1 > ma",
      "Stacking 2 > s",
      "c > Stacking 2",
      "ma > Stacking 2",
    ]);
    expect(unused).toBe(1);
  });

  it("shows what an operation waits for before it is there", () => {
    const waiting = session([], [operation(1, "Median", [frame("a")], []), operation(2, "Stacking", [{ source: "datalab", operation: 1 }], [])]);
    expect(graphOf(waiting).edges).toContainEqual({ from: "operation-1", to: "operation-2" });
  });

  it("opens images, and neither pictures nor several at once", () => {
    const { nodes } = graphOf(chain);
    expect(imageOf(nodes[1]!)).toEqual({ basename: "c", source: "archive" });
    expect(imageOf(nodes[0]!)).toBeNull();
    expect(imageOf(nodes[3]!)).toEqual({ basename: "ma", source: "datalab" });
  });

  it("puts fifty operations where none hides another, each right of what it comes from", () => {
    const operations = Array.from({ length: 50 }, (_, place) => {
      const id = place + 1;
      const from = place === 0 ? [frame("a")] : [{ basename: `out${Math.floor(place / 2) || 1}`, source: "datalab" }, frame(`f${place % 7}`)];
      return operation(id, "Median", from, [`out${id}`]);
    });
    const layout = layoutOf(graphOf(session([], operations)));
    expect(layout.nodes.filter(({ node }) => node.kind === "operation")).toHaveLength(50);
    for (const { from, to } of layout.edges) expect(to.x).toBeGreaterThanOrEqual(from.x + NODE_WIDTH);
    for (const one of layout.nodes) {
      expect(one.x + NODE_WIDTH).toBeLessThanOrEqual(layout.width);
      expect(one.y + NODE_HEIGHT).toBeLessThanOrEqual(layout.height);
      const hidden = layout.nodes.filter((other) => other !== one && other.x === one.x && Math.abs(other.y - one.y) < NODE_HEIGHT);
      expect(hidden).toEqual([]);
    }
  });

  it("is walked through with arrow keys", () => {
    const layout = layoutOf(graphOf(chain));
    const median = layout.nodes.find(({ node }) => titleOf(node) === "Median 1")!;
    expect(titleOf(neighbourOf(layout, median, "ArrowRight").node)).toBe("ma");
    expect(titleOf(neighbourOf(layout, median, "ArrowLeft").node)).toBe("2 frames");
    expect(neighbourOf(layout, median, "a")).toBe(median);
  });

  it("of nothing is nothing", () => {
    expect(layoutOf(graphOf(session([], []))).nodes).toEqual([]);
  });
});
