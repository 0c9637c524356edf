"""Every change of state in the policy app, one function each."""
