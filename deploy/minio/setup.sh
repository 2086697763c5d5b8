#!/bin/sh
# Makes the bucket, the services' own user, and the notification of new files. Safe to repeat.
# MC_HOST_datalab names the server and the root user.
set -eu
mc mb --ignore-existing "datalab/$S3_BUCKET"
mc admin user add datalab "$S3_ACCESS_KEY" "$S3_SECRET_KEY"
case "$(mc admin policy entities datalab --user "$S3_ACCESS_KEY")" in
  *readwrite*) ;;
  *) mc admin policy attach datalab readwrite --user "$S3_ACCESS_KEY" ;;
esac
mc event add --ignore-existing "datalab/$S3_BUCKET" arn:minio:sqs::DATALAB:nats --event put --prefix data/
