import { AuditLog } from "../operator/AuditLog";
import { DeadLetters } from "../operator/DeadLetters";
import { Queues } from "../operator/Queues";
import { Services } from "../operator/Services";
import { Uploads } from "../operator/Uploads";
import { Users } from "../operator/Users";

/** How the system is and who may use it, for operators. */
export function OperatorScreen() {
  return (
    <>
      <h1>Operator</h1>
      <Services />
      <DeadLetters />
      <Queues />
      <Uploads />
      <Users />
      <AuditLog />
    </>
  );
}
