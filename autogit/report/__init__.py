"""What a lab has found: a page to read in the morning, pictures, texts, and the way into other tools."""
