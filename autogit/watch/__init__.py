"""The live page of a lab: a face like the command line, over HTTP."""
