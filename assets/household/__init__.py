"""The drawings of the household: icons of all types, and furniture as one stands before it."""
