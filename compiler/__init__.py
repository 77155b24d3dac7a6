"""The compiler: frontend -> IR -> passes -> emit -> native (architecture §2)."""
