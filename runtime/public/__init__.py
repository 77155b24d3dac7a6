"""What users import: types, errors, messages, and the functions for nodes."""
