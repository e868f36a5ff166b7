import errno
import socket
import sys

for family, address in ((socket.AF_INET, ("192.0.2.1", 9)), (socket.AF_INET6, ("2001:db8::1", 9))):
    try:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        result = connection.connect_ex(address)
    except OSError as error:
        result = error.errno
    print("REACHED" if result in (0, errno.EINPROGRESS) else errno.errorcode[result])
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[2])), 1)
    print("REACHED the machine's own port")
except OSError as error:
    print(type(error).__name__)
