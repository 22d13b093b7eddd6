#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""leat and programs that know nothing of leat, each as server and as client of the other: 100 bytes
and 16 MiB, with half-close and a late reply. Usage: interop_test.py [path of leat] [test names].

A program that is not installed is a failure, unless LEAT_ALLOW_MISSING=1 is set.
"""
import hashlib
import os
import shutil
import socket
import sys
import threading

from support import (DEADLINE, MIB, Background, Skip, accept, big, dial, listen, main, read_all,
                     same, sha, test)

SIZES = (100, 16 * MIB)
# Seconds between the end of the question and the answer. That the answerer is late is what it is
# there for; nothing here waits for this time to pass.
LATE = 0.3
HERE = os.path.dirname(os.path.abspath(__file__))


def need(program):
    path = shutil.which(program)
    if path is None:
        if os.environ.get("LEAT_ALLOW_MISSING") == "1":
            raise Skip(program + " is not installed")
        raise AssertionError(program + " is not installed (LEAT_ALLOW_MISSING=1 allows that)")
    return path


def answer_to(question):
    """What every server here answers: it needs the whole question, so it needs the half-close."""
    return (hashlib.sha256(question).hexdigest() + "\n").encode() + question[::-1]


def finish(process, wanted, input=None):
    out, err = process.communicate(input, DEADLINE)
    assert process.returncode == 0, (process.returncode, err[-500:])
    assert sha(out) == sha(wanted), "%d bytes, wanted %d; errors: %r" % (
        len(out), len(wanted), err[-500:])


# A server command: reads the whole question, is quiet for a while, answers.
EXEC = ("'%s' -c \"import sys,time,hashlib; q=sys.stdin.buffer.read(); time.sleep(%s); "
        "sys.stdout.buffer.write((hashlib.sha256(q).hexdigest()+chr(10)).encode()+q[::-1])\"" %
        (sys.executable, LATE))


def questions():
    return [big(size) for size in SIZES]


# ---- python ------------------------------------------------------------------------------------


@test
def python_client_of_leat(place):
    place.serve("late", "--exec", EXEC)
    place.serve("echo", "--echo")
    for question in questions():
        for name, wanted in (("late", answer_to(question)), ("echo", question)):
            conn = dial(place.address(name))
            sender = Background(lambda: (conn.sendall(question), conn.shutdown(socket.SHUT_WR)))
            answer = read_all(conn)
            sender.result()
            assert sha(answer) == sha(wanted), (name, len(answer), len(wanted))
            conn.close()


def python_server(server):
    conn = accept(server)
    question = read_all(conn)
    threading.Event().wait(LATE)
    conn.sendall(answer_to(question))
    conn.close()


@test
def python_server_of_leat(place):
    server = listen(place.file("python"))
    for question in questions():
        thread = Background(python_server, server)
        finish(place.leat_start("connect", place.file("python")), answer_to(question),
               input=question)
        thread.result()
    thread = Background(python_server, server)
    code, out, err = place.leat("send", place.file("python"), "q", "--expect", "1")
    thread.result()
    assert code == 0, err
    same(out, answer_to(b"q").split(b"\n")[0] + b"\n")
    server.close()


@test
def python_abstract_name(place):
    name = "leat-interop-%d" % os.getpid()
    place.serve("unix:@" + name, "--echo")
    conn = dial("\0" + name)
    conn.sendall(b"abstract")
    conn.shutdown(socket.SHUT_WR)
    same(read_all(conn), b"abstract")
    conn.close()


@test
def python_messages_client(place):
    """The client of the message protocol in examples/python, against leat's echo."""
    client = os.path.join(HERE, "..", "..", "examples", "python", "leat_client.py")
    place.serve("messages", "--messages", "--echo")
    finish(place.start([sys.executable, client, place.address("messages"), "one", "", "three"]),
           b"one\n\nthree\n")


# ---- socat -------------------------------------------------------------------------------------


@test
def socat_client_of_leat(place):
    socat = need("socat")
    place.serve("late", "--exec", EXEC)
    place.serve("echo", "--echo")
    for question in questions():
        for name, wanted in (("late", answer_to(question)), ("echo", question)):
            # -t: how long socat waits for the answer after its own end of input.
            finish(place.start([socat, "-t", "60", "-", "UNIX-CONNECT:" + place.address(name)]),
                   wanted, input=question)


@test
def socat_server_of_leat(place):
    socat = need("socat")
    path = place.file("socat")
    script = place.file("answer.sh")
    with open(script, "w") as file:
        file.write("#!/bin/sh\n" + EXEC + "\n")
    os.chmod(script, 0o755)
    server = place.start([socat, "-t", "60", "UNIX-LISTEN:%s,fork" % path, "EXEC:" + script])
    place.listening(path, server)
    for question in questions():
        finish(place.leat_start("connect", path), answer_to(question), input=question)
    server = place.start([socat, "-t", "60", "UNIX-LISTEN:%s-echo,fork" % path, "PIPE"])
    place.listening(path + "-echo", server)
    code, out, err = place.leat("send", path + "-echo", "hello socat", "--expect", "1", "--line")
    assert code == 0 and out == b"hello socat\n", (code, out, err)


# ---- node --------------------------------------------------------------------------------------

NODE_CLIENT = """
const net = require('net');
const socket = net.connect({path: process.argv[1], allowHalfOpen: true});
process.stdin.pipe(socket);
socket.pipe(process.stdout);
socket.on('error', (error) => { console.error(error); process.exit(1); });
"""

NODE_SERVER = """
const net = require('net'), crypto = require('crypto');
net.createServer({allowHalfOpen: true}, (socket) => {
  const parts = [];
  socket.on('data', (part) => parts.push(part));
  socket.on('end', () => {
    const question = Buffer.concat(parts);
    const head = crypto.createHash('sha256').update(question).digest('hex') + '\\n';
    setTimeout(() => socket.end(Buffer.concat([Buffer.from(head), question.reverse()])), %d);
  });
}).listen(process.argv[1]);
""" % int(LATE * 1000)


@test
def node_client_of_leat(place):
    node = need("node")
    place.serve("late", "--exec", EXEC)
    place.serve("echo", "--echo")
    for question in questions():
        for name, wanted in (("late", answer_to(question)), ("echo", question)):
            finish(place.start([node, "-e", NODE_CLIENT, place.address(name)]), wanted,
                   input=question)


@test
def node_server_of_leat(place):
    node = need("node")
    path = place.file("node")
    server = place.start([node, "-e", NODE_SERVER, path])
    place.listening(path, server)
    for question in questions():
        finish(place.leat_start("connect", path), answer_to(question), input=question)


# ---- curl --------------------------------------------------------------------------------------

HTTP = ("'%s' -c \"import sys,time; i=sys.stdin.buffer; h=dict(); i.readline()\n"
        "while True:\n"
        " row=i.readline().strip().decode()\n"
        " if not row: break\n"
        " k,v=row.split(':',1); h[k.lower()]=v.strip()\n"
        "o=sys.stdout.buffer\n"
        "if h.get('expect'): o.write(b'HTTP/1.1 100 Continue\\r\\n\\r\\n'); o.flush()\n"
        "q=i.read(int(h.get('content-length',0))); time.sleep(%s)\n"
        "o.write(b'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n')\n"
        "o.write(b'Content-Length: %%d\\r\\n\\r\\n'%%len(q)+q[::-1])\"" % (sys.executable, LATE))


@test
def curl_client_of_leat(place):
    """curl speaks HTTP to a command that leat serves."""
    curl = need("curl")
    place.serve("web", "--exec", HTTP)
    for question in questions():
        finish(place.start([curl, "-sS", "--max-time", "60", "--data-binary", "@-", "--unix-socket",
                            place.address("web"), "http://localhost/"]), question[::-1],
               input=question)


@test
def curl_abstract_client_of_leat(place):
    curl = need("curl")
    name = "leat-interop-web-%d" % os.getpid()
    place.serve("unix:@" + name, "--exec", HTTP)
    finish(place.start([curl, "-sS", "--max-time", "60", "-d", "abc", "--abstract-unix-socket",
                        name, "http://localhost/"]), b"cba")


if __name__ == "__main__":
    main("interop tests")
