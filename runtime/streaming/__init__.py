"""What a consumer sees of a run."""
