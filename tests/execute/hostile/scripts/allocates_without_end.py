import time

held = []
while True:
    held.append(bytearray(b"x") * (16 << 20))
    time.sleep(0.01)
