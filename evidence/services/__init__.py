"""Every change of state in the evidence app, one function each."""
