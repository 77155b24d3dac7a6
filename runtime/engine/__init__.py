"""What a run is: the declarations, values, tasks, and the loop."""
