#!/bin/sh
# Look at a run and steer it: steer.sh progress ORDER | poll-now ORDER | resolve ORDER ACTION [TASK_ID]
set -eu
command=$1 order=$2
case $command in
progress)
  answer=$(temporal workflow query --workflow-id "$order" --type progress --output json)
  printf '%s\n' "$answer" | jq -c '.queryResult[0]'
  ;;
poll-now)
  answer=$(temporal workflow update execute --workflow-id "$order" --name poll_now --output json)
  printf '%s\n' "$answer" | jq -c .result
  ;;
resolve)
  decision=$(jq -n --arg action "$3" --arg task_id "${4:-}" \
    '{action: $action} + if $task_id == "" then {} else {task_id: $task_id} end')
  temporal workflow update execute --workflow-id "$order" --name resolve_submission --input "$decision" >&2
  ;;
esac
