#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Python's socket module, which knows nothing of leat.

usage: socket_peer.py client|echo|reverse PATH
  client   sends standard input and half-closes; what comes goes to standard output
  echo     serves one client: gives back what comes, until the client ends
  reverse  serves one client: reads all until its half-close, and answers with that, reversed
"""
import socket
import sys
import threading

PART_BYTES = 65536


def send_input(sock):
    while part := sys.stdin.buffer.read1(PART_BYTES):
        sock.sendall(part)
    sock.shutdown(socket.SHUT_WR)


def client(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        sender = threading.Thread(target=send_input, args=(sock,))
        sender.start()
        while part := sock.recv(PART_BYTES):
            sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
        sender.join()


def serve(path, reverse):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        conn, _ = listener.accept()
    with conn:
        if reverse:
            with conn.makefile("rb") as file:
                conn.sendall(file.read()[::-1])
        else:
            while part := conn.recv(PART_BYTES):
                conn.sendall(part)


if __name__ == "__main__":
    if sys.argv[1] == "client":
        client(sys.argv[2])
    else:
        serve(sys.argv[2], sys.argv[1] == "reverse")
