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
if temporal operator namespace describe -n "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
  temporal operator namespace update -n "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
else
  temporal operator namespace create -n "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
fi
for name in ManxuePhase ManxueModel ManxueTaskId ManxueTenant ManxuePhaseSince; do
  attempt=0
  # The whole server knows a new namespace after some seconds. An attribute that is there already is no mistake.
  until temporal operator search-attribute create -n "$TEMPORAL_NAMESPACE" --name "$name" --type Keyword; do
    attempt=$((attempt + 1))
    if [ "$attempt" -ge 30 ]; then exit 1; fi
    sleep 2
  done
done
