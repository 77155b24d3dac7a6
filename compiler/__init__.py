"""The compiler: frontend -> IR -> passes -> emit -> native (design §1)."""
