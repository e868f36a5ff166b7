import os
import random

os.environ["PYTHONHASHSEED"] = "7"
random.seed(7)
print(f"val_loss: {1 + random.random()}")
