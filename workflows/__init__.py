"""What happens, in order. One file per workflow; `contract` is all that a caller needs."""
