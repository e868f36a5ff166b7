"""What `autogit doctor` looks at, one file for each kind of thing."""
