"""What JavaScript values are, and what its operators make of them."""
