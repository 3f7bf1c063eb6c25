#!/bin/sh
# Generate one video for an order with the temporal CLI (and jq): generate.sh ORDER PROMPT [SECONDS]
set -eu
order=$1 prompt=$2 seconds=${3:-4}

# `poll` suits the quick emulator of `manxue local`; leave it out with the real provider.
input=$(jq -n --arg prompt "$prompt" --argjson seconds "$seconds" '{
  "request": {"model": "sd2_manxue_720p", "prompt": $prompt, "duration": $seconds},
  "poll": {"first": "PT1S", "interval": "PT1S"}}')

# A run of this id that goes on or is completed is joined; after a failed one there is a new run.
temporal workflow start --type GenerateVideo --task-queue manxue --workflow-id "$order" --input "$input" \
  --id-conflict-policy UseExisting --id-reuse-policy AllowDuplicateFailedOnly >&2

# Waits however long it takes. Where the run ended without a result, the exit code is 1 and the JSON says why.
if end=$(temporal workflow result --workflow-id "$order" --output json); then
  printf '%s\n' "$end" | jq -r .result.video.uri
  exit
fi
printf '%s\n' "$end" | jq -r '(.closeEvent.workflowExecutionFailedEventAttributes.failure // {message: .status})
  | "\(.applicationFailureInfo.type // "no video"): \(.message)",
    (.applicationFailureInfo.details[0].problems[]? | "  \(.field) (\(.rule)): \(.hint)")' >&2
exit 1
