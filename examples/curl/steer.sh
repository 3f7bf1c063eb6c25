#!/bin/sh
# Look at a run and steer it: steer.sh progress ORDER | poll-now ORDER | resolve ORDER ACTION [TASK_ID]
set -eu
command=$1 order=$2
run=${TEMPORAL_HTTP:-http://127.0.0.1:7243}/api/v1/namespaces/${TEMPORAL_NAMESPACE:-default}/workflows/$order

post() { # PATH BODY
  curl -sS --fail-with-body -H 'content-type: application/json' -d "$2" "$run/$1"
}

update() { # NAME ARGUMENTS, a JSON list. `meta` must be there; where it names no updateId, the server makes one.
  answer=$(post "update/$1" '{
    "waitPolicy": {"lifecycleStage": "UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED"},
    "request": {"meta": {}, "input": {"args": '"$2"'}}}')
  refused=$(printf '%s\n' "$answer" | jq -r '.outcome.failure.message // empty') # the status is 200 all the same
  if [ -n "$refused" ]; then
    printf '%s\n' "$refused" >&2
    exit 1
  fi
}

case $command in
progress)
  answer=$(post query/progress '{}')
  printf '%s\n' "$answer" | jq -c '.queryResult[0]'
  ;;
poll-now)
  update poll_now '[]'
  printf '%s\n' "$answer" | jq -c '.outcome.success[0]'
  ;;
resolve)
  decision=$(jq -n --arg action "$3" --arg task_id "${4:-}" \
    '{action: $action} + if $task_id == "" then {} else {task_id: $task_id} end')
  update resolve_submission "[$decision]"
  ;;
esac
