"""What the code interpreter adds to ipykernel."""
