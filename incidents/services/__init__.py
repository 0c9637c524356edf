"""Every change of state of a case, one function each."""
