module example.com/manxue-sdk

go 1.25.4

// `go mod tidy` fills in the rest.
require go.temporal.io/sdk v1.50.0
