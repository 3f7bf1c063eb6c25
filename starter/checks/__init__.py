"""What `manxue doctor` looks at: one module per thing that can be wrong. None of them spends money."""
