"""What services need from the world, as protocols."""
