"""What a generated module and production need; imports nothing of the compiler."""
