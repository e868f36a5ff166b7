print("val_loss: 1.25")
print("val_loss: 0.01")
