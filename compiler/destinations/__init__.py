"""Where the Commands and Sends that a node may return lead, read from the code of its function.

A function is followed through what it returns: the helpers, methods of `self`, partials and
nested functions that it calls, the variables that it assigns. What cannot be followed (a call of
an unknown object, code without source) may lead anywhere: lint says that a node is not reached
only where that is certain. Classes are told by name, so this package knows nothing of langgraph.
"""
