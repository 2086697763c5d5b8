#!/bin/sh
# Makes the bucket, the services' own user, the notification of new files, and a user for each site. Safe to repeat.
# MC_HOST_datalab names the server and the root user; /access is written by `datalab sites`.
set -eu
mc mb --ignore-existing "datalab/$S3_BUCKET"
mc admin user add datalab "$S3_ACCESS_KEY" "$S3_SECRET_KEY"
case "$(mc admin policy entities datalab --user "$S3_ACCESS_KEY")" in
  *readwrite*) ;;
  *) mc admin policy attach datalab readwrite --user "$S3_ACCESS_KEY" ;;
esac
for prefix in data/ info-images/ allsky/; do
  mc event add --ignore-existing "datalab/$S3_BUCKET" arn:minio:sqs::DATALAB:nats --event put --prefix "$prefix"
done

# A site may store and read the files whose names are its own, and nothing else.
known=" "
while read -r site key secret; do
  known="$known$key "
  mc admin user add datalab "$key" "$secret"
  mc admin policy create datalab "$key" "${ACCESS_DIR:-/access}/s3-policies/$site.json"
  case "$(mc admin policy entities datalab --user "$key")" in
    *"$key"*"$key"*) ;;
    *) mc admin policy attach datalab "$key" --user "$key" ;;
  esac
done < "${ACCESS_DIR:-/access}/s3-users"

# Those that were removed.
mc admin user list datalab | while read -r _ key _; do
  case "$key" in
    site-*)
      case "$known" in
        *" $key "*) ;;
        *) mc admin user remove datalab "$key" ;;
      esac
      ;;
  esac
done
