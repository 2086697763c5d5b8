/** What can be measured on an image, and how one asks for it. */
export interface Tool {
  name: ToolName;
  label: string;
  key: string;
  /** Whether it takes a stroke (or two places), and not one place. */
  draws: boolean;
  hint: string;
}

export type ToolName = "move" | "line" | "star" | "centroid" | "box" | "circle";

const MOVE: Tool = { name: "move", label: "Move", key: "v", draws: false, hint: "Drag the image to move it." };

export const TOOLS: readonly Tool[] = [
  MOVE,
  { name: "line", label: "Line profile", key: "l", draws: true, hint: "Drag a line across the image." },
  { name: "star", label: "Star", key: "r", draws: false, hint: "Click a star: its light by distance from its centre, and its width." },
  { name: "centroid", label: "Centroid", key: "c", draws: false, hint: "Click near a star: its centre, and the sky around it." },
  { name: "box", label: "Box", key: "b", draws: true, hint: "Drag from corner to corner." },
  { name: "circle", label: "Circle", key: "o", draws: true, hint: "Drag from the centre outwards." },
];

export const toolOf = (name: ToolName): Tool => TOOLS.find((each) => each.name === name) ?? MOVE;
