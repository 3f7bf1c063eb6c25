// Command manxue has videos generated, and looks after their runs, through the Temporal Go SDK.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/temporal"
)

const usage = "generate ORDER PROMPT [SECONDS] | progress ORDER | poll-now ORDER | resolve ORDER ACTION [TASK_ID]"

// Result has what this program needs of schema/v1/result.json.
type Result struct {
	TaskID string `json:"task_id"`
	Video  struct {
		URI string `json:"uri"`
	} `json:"video"`
}

// FailureDetails is schema/v1/failure-details.json, the first detail of every failure.
type FailureDetails struct {
	Problems []struct {
		Field string `json:"field"`
		Rule  string `json:"rule"`
		Hint  string `json:"hint"`
	} `json:"problems"`
	TaskID string `json:"task_id"`
}

// generate is the result of the order's one render: started, joined or found, whichever it takes. It may be called again
// at any time, by any process. The error wraps a *temporal.ApplicationError when the run fails.
func generate(ctx context.Context, c client.Client, order string, input map[string]any) (*Result, error) {
	// Unless asked for an error, this SDK hands out the run that is there where the id is completed, too.
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       order,
		TaskQueue:                "manxue",
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
	}, "GenerateVideo", input)
	if err != nil {
		return nil, err
	}
	var result Result
	return &result, run.Get(ctx, &result)
}

func main() {
	if err := command(context.Background(), os.Args[1:]); err != nil {
		var failure *temporal.ApplicationError
		var details FailureDetails
		if !errors.As(err, &failure) || failure.Details(&details) != nil {
			fmt.Fprintln(os.Stderr, err) // canceled, terminated, no way to the server
			os.Exit(1)
		}
		fmt.Fprintf(os.Stderr, "%s: %s\n", failure.Type(), failure.Message())
		for _, problem := range details.Problems {
			fmt.Fprintf(os.Stderr, "  %s (%s): %s\n", problem.Field, problem.Rule, problem.Hint)
		}
		os.Exit(1)
	}
}

func command(ctx context.Context, words []string) error {
	if len(words) < 2 {
		return errors.New(usage)
	}
	c, err := client.Dial(envconfig.MustLoadDefaultClientOptions()) // TEMPORAL_ADDRESS, or the CLI's profile
	if err != nil {
		return err
	}
	defer c.Close()
	order, rest := words[1], append(words[2:], "", "")
	switch words[0] {
	case "generate":
		seconds, err := strconv.Atoi(rest[1])
		if err != nil {
			seconds = 4
		}
		result, err := generate(ctx, c, order, map[string]any{
			"request": map[string]any{"model": "sd2_manxue_720p", "prompt": rest[0], "duration": seconds},
			// Suits the quick emulator of `manxue local`; leave it out with the real provider.
			"poll": map[string]any{"first": "PT1S", "interval": "PT1S"},
		})
		if err != nil {
			return err
		}
		fmt.Println(result.Video.URI)
	case "progress":
		answer, err := c.QueryWorkflow(ctx, order, "", "progress")
		if err != nil {
			return err
		}
		return show(answer.Get)
	case "poll-now":
		return update(ctx, c, order, "poll_now", nil, show)
	case "resolve":
		resolution := map[string]string{"action": rest[0]}
		if rest[1] != "" {
			resolution["task_id"] = rest[1]
		}
		done := func(get func(any) error) error { return get(nil) }
		return update(ctx, c, order, "resolve_submission", []any{resolution}, done)
	}
	return nil
}

func update(
	ctx context.Context, c client.Client, order, name string, args []any, then func(func(any) error) error,
) error {
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID:   order,
		UpdateName:   name,
		Args:         args,
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return then(func(value any) error { return handle.Get(ctx, value) })
}

func show(get func(any) error) error {
	var progress map[string]any
	if err := get(&progress); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(progress)
}
