"""The compiler: frontend -> IR -> passes -> emit -> native."""
