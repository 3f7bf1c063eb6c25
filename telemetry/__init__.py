"""Seeing inside a worker: metrics, health, traces. Nothing here is loaded or costs anything unless it is asked for."""
