# SPDX-License-Identifier: MIT
"""The programs that leat is tried with: what each needs, how it is built, started, and asked for
its version.

Happy path: PEERS has each of them once. Peer.client(...) and Peer.server(...) give the words that
start it; it was built before, if it is one of peers/.
Fails:      a peer that is not here raises Skip with the package that brings it; one that is here
and cannot be built fails the test.
"""
import os
import re
import shutil
import subprocess
import sys

from support import Skip, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD_SECONDS = 300
WARNINGS = ["-O2", "-Wall", "-Wextra", "-Wshadow", "-Werror"]

# Reads the whole question, answers with that, reversed: for programs that run a command.
REVERSE = ("#!%s\nimport sys\nq = sys.stdin.buffer.read()\nsys.stdout.buffer.write(q[::-1])\n" %
           sys.executable)

# Answers a POST with its body, reversed. (The body's end is told by HTTP, not by a half-close.)
HTTP = """#!%s
import sys
question, answer = sys.stdin.buffer, sys.stdout.buffer
question.readline()
fields = {}
while row := question.readline().strip().decode():
    key, value = row.split(":", 1)
    fields[key.lower()] = value.strip()
if "expect" in fields:
    answer.write(b"HTTP/1.1 100 Continue\\r\\n\\r\\n")
    answer.flush()
size = int(fields["content-length"])
answer.write(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %%d\\r\\n\\r\\n" %% size)
answer.write(question.read(size)[::-1])
""" % sys.executable


def said(*words):
    """What a program says when it is asked for its version."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.stdout.decode(errors="replace")


def number(text, before=""):
    found = re.search(before + r"(\d+(?:\.\d+)+)", text)
    return found.group(1) if found else "?"


class Peer:
    """One foreign program, in the roles that it has.

    package    what brings it on Debian
    needs      commands that must be there
    name       what it calls the place where the two meet; leat_name is what leat calls the same
    ends       its roles, and in each how it or leat tells that no more will come: a case of
               interop_test.py, or None when it does not by an end
    echo_bytes how much a server that echoes can have on its way; None when it reads on while it
               writes
    """

    ends = {"server": "half_close", "client": "half_close"}
    echo_bytes = None

    def __init__(self, key, title, package, *needs):
        self.key, self.title, self.package, self.needs = key, title, package, needs

    def missing(self):
        return not all(shutil.which(program) for program in self.needs)

    def need(self):
        if self.missing():
            raise Skip("needs the package " + self.package)

    def name(self, place):
        return place.socket

    def leat_name(self, place):
        return place.socket

    def listening(self, place, server):
        """Waits until it listens, without disturbing it."""
        place.listening(place.address(self.leat_name(place)), server)

    def make(self, folder):
        """Builds what is to be built, into that folder."""

    def client(self, place):
        raise NotImplementedError

    def server(self, place, mode):
        raise NotImplementedError

    def version(self):
        return number(said(self.needs[0], "--version"))


def stale(program, source):
    return not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source)


def build(words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=BUILD_SECONDS, check=False)
    assert done.returncode == 0, " ".join(words) + "\n" + done.stdout.decode(errors="replace")


class Script(Peer):
    """A script of peers/ and what runs it."""

    def __init__(self, key, title, package, interpreter, script):
        super().__init__(key, title, package, interpreter)
        self.words = [interpreter, os.path.join(HERE, "peers", script)]

    def client(self, place):
        return [*self.words, "client", self.name(place)]

    def server(self, place, mode):
        return [*self.words, mode, self.name(place)]

    def version(self):
        return number(said(self.needs[0], "--version"), "v?")


class Compiled(Script):
    """A program of peers/ that wants a library, as pkg-config knows it."""

    def __init__(self, key, title, package, source, library, *flags):
        Peer.__init__(self, key, title, package, "pkg-config")
        self.compiler = "c++" if source.endswith("pp") else "cc"
        self.source, self.library, self.flags = source, library, flags
        self.words = []

    def missing(self):
        return super().missing() or subprocess.call(["pkg-config", "--exists", self.library]) != 0

    def make(self, folder):
        source = os.path.join(HERE, "peers", self.source)
        program = os.path.join(folder, self.source.split(".", maxsplit=1)[0])
        if stale(program, source):
            flags = said("pkg-config", "--cflags", "--libs", self.library).split()
            build([self.compiler, *self.flags, *WARNINGS, source, "-o", program, *flags])
        self.words = [program]

    def version(self):
        return said("pkg-config", "--modversion", self.library).strip()


class Qt(Compiled):
    """A QLocalSocket has no half-close: its end is a close, and so it takes that of others."""

    ends = {"server": "close", "client": "close"}

    def __init__(self, key, title):
        super().__init__(key, title, "qt6-base-dev", "qt_peer.cpp", "Qt6Network", "-std=c++17",
                         "-fPIC")


class QtName(Qt):
    """A name that Qt and leat look up for themselves."""

    def name(self, place):
        return "Leat Peer"

    def leat_name(self, place):
        return "qt:Leat Peer"


class QtUser(Qt):
    """With an access option, QLocalServer listens elsewhere and then moves its socket."""

    ends = {"server": "close"}

    def server(self, place, mode):
        return [*super().server(place, mode), "--user"]

    def listening(self, place, server):
        wait_until(lambda: os.path.exists(place.socket) or server.poll() is not None,
                   "nothing is at " + place.socket)


class QtAbstract(Qt):
    """An abstract name: there is no file."""

    def name(self, place):
        return "leat-interop-%d" % os.getpid()

    def leat_name(self, place):
        return "unix:@" + self.name(place)

    def client(self, place):
        return [*super().client(place), "--abstract"]

    def server(self, place, mode):
        return [*super().server(place, mode), "--abstract"]


class Java(Peer):
    def make(self, folder):
        source = os.path.join(HERE, "peers", "JavaPeer.java")
        if stale(os.path.join(folder, "JavaPeer.class"), source):
            build(["javac", "-Xlint:all", "-Werror", "-d", folder, source])
        self.words = ["java", "-Xshare:auto", "-cp", folder, "JavaPeer"]

    def missing(self):
        return super().missing() or int(re.split(r"\D", self.version())[0] or "0") < 16

    def client(self, place):
        return [*self.words, "client", self.name(place)]

    def server(self, place, mode):
        return [*self.words, mode, self.name(place)]

    def version(self):
        found = re.search(r'version "(\d[.\d]*)', said("java", "-version"))
        return found.group(1) if found else "?"


PIPE_BYTES = 32768  # less than a pipe of the system holds


class Socat(Peer):
    """Its -t is how long it waits after the first of the two ends. As an echo it waits for itself
    when its pipe is full."""

    echo_bytes = PIPE_BYTES

    def client(self, place):
        return ["socat", "-t", "60", "-", "UNIX-CONNECT:" + self.name(place)]

    def server(self, place, mode):
        what = "PIPE" if mode == "echo" else "EXEC:" + place.script("reverse", REVERSE)
        return ["socat", "-t", "60", "UNIX-LISTEN:" + self.name(place), what]

    def version(self):
        return number(said("socat", "-V"), "socat version ")


class Ncat(Peer):
    """As a server with a command it waits for that while the command waits for it, and ends when
    the client half-closes. So the half-close is shown without a command, and is its own."""

    ends = {"server": "half_close_first", "client": "half_close"}
    echo_bytes = PIPE_BYTES

    def client(self, place):
        return ["ncat", "-U", self.name(place)]

    def server(self, place, mode):
        command = ["--exec", "/bin/cat"] if mode == "echo" else []
        return ["ncat", "-l", "-U", self.name(place), *command]


class Curl(Peer):
    """HTTP, to a command that leat serves. HTTP says how long a body is, so nothing half-closes."""

    ends = {"client": None}

    def client(self, place):
        return ["curl", "-sS", "--max-time", "60", "--data-binary", "@-", "--unix-socket",
                self.name(place), "http://localhost/"]


PEERS = (
    Qt("qt", "Qt: QLocalServer, QLocalSocket, by path"),
    QtName("qt_name", "Qt, by its name, which is `qt:NAME` to leat"),
    QtUser("qt_user", "Qt, UserAccessOption"),
    QtAbstract("qt_abstract", "Qt, AbstractNamespaceOption, which is `unix:@NAME` to leat"),
    Compiled("glib", "GLib: GSocketService, GSocketClient", "libglib2.0-dev", "glib_peer.c",
             "gio-unix-2.0", "-std=c11"),
    Compiled("libuv", "libuv: uv_pipe_t", "libuv1-dev", "uv_peer.c", "libuv", "-std=gnu11"),
    Script("node", "node: net", "nodejs", "node", "node_peer.js"),
    Script("python_socket", "Python: socket", "python3", "python3", "socket_peer.py"),
    Script("python_asyncio", "Python: asyncio", "python3", "python3", "asyncio_peer.py"),
    Java("java", "Java: SocketChannel", "default-jdk-headless", "java", "javac"),
    Script("perl", "Perl: IO::Socket::UNIX", "perl", "perl", "perl_peer.pl"),
    Socat("socat", "socat", "socat", "socat"),
    Ncat("ncat", "ncat", "ncat", "ncat"),
    Curl("curl", "curl: HTTP", "curl", "curl"),
)
