"""HTTP itself: connections, what a request passes first, and the shape of what goes back."""
