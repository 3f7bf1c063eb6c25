#!/bin/sh
# Makes the two databases of Temporal and brings them to the schema of this image. What is done already stays as it is.
# Where the database is stands in the environment: SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER, SQL_PASSWORD.
set -eu
for schema in temporal visibility; do
  database=temporal
  if [ "$schema" = visibility ]; then database=temporal_visibility; fi
  temporal-sql-tool --db "$database" create
  temporal-sql-tool --db "$database" setup-schema -v 0.0
  temporal-sql-tool --db "$database" update-schema -d "/etc/temporal/schema/postgresql/v12/$schema/versioned"
done
