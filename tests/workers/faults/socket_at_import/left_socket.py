import os
import socket

pid = os.getpid()
near, far = socket.socketpair()
