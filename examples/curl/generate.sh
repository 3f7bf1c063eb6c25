#!/bin/sh
# Generate one video for an order through the Temporal server's HTTP API, with curl (and jq):
#   generate.sh ORDER PROMPT [SECONDS]
set -eu
order=$1 prompt=$2 seconds=${3:-4}
runs=${TEMPORAL_HTTP:-http://127.0.0.1:7243}/api/v1/namespaces/${TEMPORAL_NAMESPACE:-default}/workflows

# `poll` suits the quick emulator of `manxue local`; leave it out with the real provider.
start=$(jq -n --arg prompt "$prompt" --argjson seconds "$seconds" '{
  "workflowType": {"name": "GenerateVideo"}, "taskQueue": {"name": "manxue"},
  "workflowIdConflictPolicy": "WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING",
  "workflowIdReusePolicy": "WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY",
  "input": [{"request": {"model": "sd2_manxue_720p", "prompt": $prompt, "duration": $seconds},
             "poll": {"first": "PT1S", "interval": "PT1S"}}]}')

# 200: the run has started, or goes on. 409: it is completed. After a lost answer the same may be sent again.
answer=$(curl -sS --retry 5 --retry-connrefused -w '\n%{http_code}' \
  -H 'content-type: application/json' -d "$start" "$runs/$order")
case $answer in
*200 | *409) ;;
*) printf '%s\n' "$answer" >&2 && exit 2 ;;
esac

# The server answers when the run closes, or without an event after about 20 s: ask again. A long run goes on under the
# same id (CONTINUED_AS_NEW): ask again. The server or the network is away for a while: ask again.
close_event='waitNewEvent=true&historyEventFilterType=HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT'
while :; do
  end=$(curl -sS --fail "$runs/$order/history?$close_event" | jq -c '.history.events[-1] // empty')
  case $end in
  '') sleep 1 ;;
  *EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW*) ;;
  *) break ;;
  esac
done

printf '%s\n' "$end" | jq -er '.workflowExecutionCompletedEventAttributes.result[0].video.uri // empty' && exit
printf '%s\n' "$end" | jq -r '(.workflowExecutionFailedEventAttributes.failure // {message: .eventType})
  | "\(.applicationFailureInfo.type // "no video"): \(.message)",
    (.applicationFailureInfo.details[0].problems[]? | "  \(.field) (\(.rule)): \(.hint)")' >&2
exit 1
