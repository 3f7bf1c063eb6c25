#!/bin/sh
# Look at a run and steer it: steer.sh progress ORDER | poll-now ORDER | resolve ORDER ACTION [TASK_ID]
set -eu
command=$1 order=$2
run=${TEMPORAL_HTTP:-http://127.0.0.1:7243}/api/v1/namespaces/${TEMPORAL_NAMESPACE:-default}/workflows/$order

post() { # PATH BODY
  curl -sS --fail-with-body -H 'content-type: application/json' -d "$2" "$run/$1"
}

update() { # NAME ARGUMENTS, a JSON list. Without an outcome after 20 s: the same update id asks for the same update.
  meta='{}'
  outcome=
  while [ -z "$outcome" ]; do
    answer=$(post "update/$1" '{
      "waitPolicy": {"lifecycleStage": "UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED"},
      "request": {"meta": '"$meta"', "input": {"args": '"$2"'}}}')
    meta=$(printf '%s\n' "$answer" | jq -c '{updateId: .updateRef.updateId}')
    outcome=$(printf '%s\n' "$answer" | jq -c '.outcome // empty')
  done
  refused=$(printf '%s\n' "$outcome" | jq -r '.failure.message // empty') # the status is 200 all the same
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
  printf '%s\n' "$outcome" | jq -c '.success[0]'
  ;;
resolve)
  decision=$(jq -n --arg action "$3" --arg task_id "${4:-}" \
    '{action: $action} + if $task_id == "" then {} else {task_id: $task_id} end')
  update resolve_submission "[$decision]"
  ;;
esac
