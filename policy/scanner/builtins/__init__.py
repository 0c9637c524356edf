"""What the runtime itself brings: host objects, functions and methods."""
