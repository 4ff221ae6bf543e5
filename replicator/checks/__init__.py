"""What `replicator check` looks at: facts are asked for at the edges, judged by pure functions."""
