#!/bin/sh
# Makes the namespace with its search attributes, or gives an existing one its retention and what is missing.
# TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and RETENTION (how long closed runs can be looked at) stand in the environment.
set -eu
attempt=0
until temporal operator cluster health >/dev/null 2>&1; do
  attempt=$((attempt + 1))
  if [ "$attempt" -ge 60 ]; then
    echo "the Temporal server at $TEMPORAL_ADDRESS does not serve" >&2
    exit 1
  fi
  sleep 2
done
if temporal operator namespace describe >/dev/null 2>&1; then
  temporal operator namespace update --retention "$RETENTION"
else
  temporal operator namespace create --retention "$RETENTION"
fi
# A new namespace is known to the whole server after some seconds.
attempt=0
until temporal operator search-attribute create --type Keyword \
  --name ManxuePhase --name ManxueModel --name ManxueTaskId --name ManxueTenant; do
  attempt=$((attempt + 1))
  if [ "$attempt" -ge 30 ]; then exit 1; fi
  sleep 2
done
