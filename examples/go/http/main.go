package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
)

const usage = "generate ORDER PROMPT [SECONDS] | progress ORDER | poll-now ORDER | resolve ORDER ACTION [TASK_ID]"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		var failure *Failure
		if errors.As(err, &failure) {
			for _, problem := range failure.Problems {
				fmt.Fprintf(os.Stderr, "  %s (%s): %s\n", problem.Field, problem.Rule, problem.Hint)
			}
		}
		os.Exit(1)
	}
}

func run(words []string) error {
	if len(words) < 2 {
		return errors.New(usage)
	}
	client := &Client{URL: fmt.Sprintf("%s/api/v1/namespaces/%s",
		setting("TEMPORAL_HTTP", "http://127.0.0.1:7243"), setting("TEMPORAL_NAMESPACE", "default"))}
	order, rest := words[1], append(words[2:], "", "")
	switch words[0] {
	case "generate":
		return generate(client, order, rest[0], rest[1])
	case "progress":
		return show(client.Progress(order))
	case "poll-now":
		return show(client.PollNow(order))
	case "resolve":
		return client.Resolve(order, Resolution{Action: rest[0], TaskID: rest[1]})
	}
	return errors.New(usage)
}

func generate(client *Client, order, prompt, seconds string) error {
	duration, err := strconv.Atoi(seconds)
	if err != nil {
		duration = 4
	}
	result, err := client.Generate(order, Input{
		Request: map[string]any{"model": "sd2_manxue_720p", "prompt": prompt, "duration": duration},
		// Suits the quick emulator of `manxue local`; leave it out with the real provider.
		Poll: &Poll{First: "PT1S", Interval: "PT1S"},
	})
	if err != nil {
		return err
	}
	fmt.Println(result.Video.URI)
	return nil
}

func show(progress *Progress, err error) error {
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(progress)
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
