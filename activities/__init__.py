"""One file per verb of the story. Each activity makes one attempt at one thing; repeating is Temporal's work."""
