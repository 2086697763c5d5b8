/** What is said of an operation by its state, and of one that failed by who has to act. */
import type { Operation } from "../api/sessions";

export const STATES: Record<Operation["state"], string> = {
  PENDING: "waits",
  IN_PROGRESS: "computes",
  COMPLETED: "done",
  FAILED: "failed",
  CANCELLED: "cancelled",
};

/** Returns what to do about an operation that failed; empty if there is nothing. */
export function adviceOn(operation: Operation): string {
  if (operation.state !== "FAILED") return "";
  switch (operation.failure_kind) {
    case "usage":
      return "Change what is wrong with its inputs, and start it anew.";
    case "transient":
      return "Nothing is wrong with its inputs: try it again in a while.";
    case "limit":
      return "It needs more memory or time than there is: fewer or smaller images help.";
    default:
      return `This is a fault of Datalab. Its operator finds more in the log, under operation ${operation.id}.`;
  }
}
