"""What is claimed of speed and cost, measured. `make bench` runs all, `make bench BENCH=noticing` one."""
