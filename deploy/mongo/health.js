// Health check: makes the replica set of one when there is none yet, and fails until this member takes writes.
db.getSiblingDB("admin").auth(process.env.MONGO_INITDB_ROOT_USERNAME, process.env.MONGO_INITDB_ROOT_PASSWORD);
if (!db.hello().setName) {
  rs.initiate({ _id: "datalab", members: [{ _id: 0, host: "mongo:27017" }] });
}
if (!db.hello().isWritablePrimary) {
  quit(1);
}
