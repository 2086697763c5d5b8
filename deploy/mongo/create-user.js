// Runs once, on an empty data volume, before mongod listens to others: the services are not root.
db.getSiblingDB("admin").createUser({
  user: "datalab",
  pwd: process.env.MONGO_PASSWORD,
  roles: [{ role: "readWrite", db: "datalab" }],
});
