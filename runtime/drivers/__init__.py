"""What performs a run: threads, the fast path, generators."""
