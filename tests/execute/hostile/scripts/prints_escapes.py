print("\x1b]0;owned\x07\x1b[2J\x1b[31mval_loss: 1.25\x1b[0m\x1b[1A\x1bc\x9b31m")
