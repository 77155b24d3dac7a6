"""A service that streams a compiled async graph; see README.md of this folder's parent."""
