import { AuditLog } from "../operator/AuditLog";
import { DeadLetters } from "../operator/DeadLetters";
import { Health } from "../operator/Health";
import { Users } from "../operator/Users";

/** How the system is and who may use it, for operators; nothing that is private to others. */
export function OperatorScreen() {
  return (
    <>
      <h1>Operator</h1>
      <Health />
      <DeadLetters />
      <Users />
      <AuditLog />
    </>
  );
}
