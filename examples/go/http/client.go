// Package main has videos generated through the Temporal server's HTTP API, with nothing but the standard library.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The server answers within 30 s, whatever it waits for.
var transport = &http.Client{Timeout: time.Minute}

// Client speaks to one namespace. URL ends with /api/v1/namespaces/NAMESPACE.
type Client struct{ URL string }

// Input is the argument of GenerateVideo: schema/v1/input.json has all its fields.
type Input struct {
	Request map[string]any `json:"request"`
	Output  string         `json:"output,omitempty"`
	Poll    *Poll          `json:"poll,omitempty"`
}

// Poll says when to ask the provider, in ISO 8601: "PT30S".
type Poll struct {
	First    string `json:"first,omitempty"`
	Interval string `json:"interval,omitempty"`
}

// Result is what a completed run returns: schema/v1/result.json.
type Result struct {
	TaskID string `json:"task_id"`
	Video  struct {
		URI      string  `json:"uri"`
		Bytes    int64   `json:"bytes"`
		SHA256   string  `json:"sha256"`
		Duration float64 `json:"duration"` // seconds
	} `json:"video"`
	Warnings []Problem `json:"warnings"`
}

// Progress is the answer to the query: schema/v1/progress.json.
type Progress struct {
	Phase    string    `json:"phase"`
	Since    time.Time `json:"since"`
	TaskID   string    `json:"task_id"`
	Percent  *float64  `json:"percent"`
	Message  string    `json:"message"`
	Decision *Decision `json:"decision"`
}

// Decision is what a run in the phase needs_decision waits for.
type Decision struct {
	Why     string   `json:"why"`
	Actions []string `json:"actions"`
}

// Resolution decides what becomes of a held run: schema/v1/resolution.json.
type Resolution struct {
	Action string `json:"action"` // adopt, resubmit, abandon
	TaskID string `json:"task_id,omitempty"`
}

// Problem is one rule broken by one field.
type Problem struct {
	Field string `json:"field"`
	Rule  string `json:"rule"`
	Given any    `json:"given"`
	Hint  string `json:"hint"`
}

// Failure is why a run failed: branch on Type.
type Failure struct {
	Type     string
	Message  string
	TaskID   string
	Problems []Problem
}

func (f *Failure) Error() string { return f.Type + ": " + f.Message }

// StatusError is an answer of the server other than 200.
type StatusError struct {
	Status  int    `json:"-"`
	Message string `json:"message"`
}

func (e *StatusError) Error() string { return fmt.Sprintf("%d: %s", e.Status, e.Message) }

// failure is how Temporal writes one.
type failure struct {
	Message     string `json:"message"`
	Application struct {
		Type    string `json:"type"`
		Details []struct {
			TaskID   string    `json:"task_id"`
			Problems []Problem `json:"problems"`
		} `json:"details"`
	} `json:"applicationFailureInfo"`
}

func (f *failure) typed() error {
	typed := &Failure{Type: f.Application.Type, Message: f.Message}
	if len(f.Application.Details) > 0 {
		typed.TaskID, typed.Problems = f.Application.Details[0].TaskID, f.Application.Details[0].Problems
	}
	return typed
}

// Generate is the result of the order's one render: started, joined or found, whichever it takes. It may be called
// again at any time, by any process. The error is a *Failure when the run fails.
func (c *Client) Generate(order string, input Input) (*Result, error) {
	start := map[string]any{
		"workflowType":             map[string]string{"name": "GenerateVideo"},
		"taskQueue":                map[string]string{"name": "manxue"},
		"workflowIdConflictPolicy": "WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING",
		"workflowIdReusePolicy":    "WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY",
		"input":                    []any{input},
	}
	err := c.call(http.MethodPost, c.run(order), start, nil)
	var answer *StatusError
	if errors.As(err, &answer) && answer.Status == http.StatusConflict {
		err = nil // it is completed, and has its result
	}
	if err != nil {
		return nil, err
	}
	return c.result(order)
}

// result asks again where the server answers, after about 20 s, that nothing has happened yet, where a long run goes on
// under the same id, and where the server is away for a while.
func (c *Client) result(order string) (*Result, error) {
	const closeEvent = "?waitNewEvent=true&historyEventFilterType=HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT"
	for {
		var page struct {
			History struct {
				Events []struct {
					Type      string `json:"eventType"`
					Completed struct {
						Result []Result `json:"result"`
					} `json:"workflowExecutionCompletedEventAttributes"`
					Failed struct {
						Failure failure `json:"failure"`
					} `json:"workflowExecutionFailedEventAttributes"`
				} `json:"events"`
			} `json:"history"`
		}
		err := c.call(http.MethodGet, c.run(order)+"/history"+closeEvent, nil, &page)
		var refused *StatusError
		if errors.As(err, &refused) && refused.Status < 500 && refused.Status != http.StatusTooManyRequests {
			return nil, err
		}
		if err != nil || len(page.History.Events) == 0 {
			time.Sleep(time.Second)
			continue
		}
		switch end := page.History.Events[len(page.History.Events)-1]; end.Type {
		case "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW":
		case "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED":
			return &end.Completed.Result[0], nil
		case "EVENT_TYPE_WORKFLOW_EXECUTION_FAILED":
			return nil, end.Failed.Failure.typed()
		default:
			return nil, errors.New(end.Type) // canceled, terminated
		}
	}
}

// Progress says where the run is.
func (c *Client) Progress(order string) (*Progress, error) {
	var answer struct {
		Result []Progress `json:"queryResult"`
	}
	if err := c.call(http.MethodPost, c.run(order)+"/query/progress", struct{}{}, &answer); err != nil {
		return nil, err
	}
	return &answer.Result[0], nil
}

// PollNow has the provider asked now instead of at the next timer.
func (c *Client) PollNow(order string) (*Progress, error) {
	var progress []Progress
	if err := c.update(order, "poll_now", []any{}, &progress); err != nil {
		return nil, err
	}
	return &progress[0], nil
}

// Resolve decides what becomes of a run in the phase needs_decision.
func (c *Client) Resolve(order string, resolution Resolution) error {
	return c.update(order, "resolve_submission", []any{resolution}, nil)
}

// update asks again, with the same update id for the same update, where the server answers after about 20 s that it has
// no outcome yet.
func (c *Client) update(order, name string, args []any, result any) error {
	var answer struct {
		Ref struct {
			UpdateID string `json:"updateId"`
		} `json:"updateRef"`
		Outcome *struct {
			Success json.RawMessage `json:"success"`
			Failure *failure        `json:"failure"`
		} `json:"outcome"`
	}
	for answer.Outcome == nil {
		body := map[string]any{
			"waitPolicy": map[string]string{"lifecycleStage": "UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED"},
			"request": map[string]any{
				"meta":  map[string]string{"updateId": answer.Ref.UpdateID}, // the server makes one where there is none
				"input": map[string]any{"args": args},
			},
		}
		if err := c.call(http.MethodPost, c.run(order)+"/update/"+name, body, &answer); err != nil {
			return err
		}
	}
	if answer.Outcome.Failure != nil { // the status is 200 all the same
		return answer.Outcome.Failure.typed()
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Outcome.Success, result)
}

func (c *Client) run(order string) string {
	return c.URL + "/workflows/" + url.PathEscape(order)
}

func (c *Client) call(method, url string, body, answer any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(method, url, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := transport.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		refused := &StatusError{Status: response.StatusCode}
		if json.Unmarshal(text, refused) != nil {
			refused.Message = strings.TrimSpace(string(text))
		}
		return refused
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}
