// SPDX-License-Identifier: MIT
//
// node's net module, which knows nothing of leat.
//
// usage: node node_peer.js client|echo|reverse PATH
//   client   sends standard input and half-closes; what comes goes to standard output
//   echo     serves one client: gives back what comes, until the client ends
//   reverse  serves one client: reads all until its half-close, and answers with that, reversed
'use strict';
const net = require('net');

const [mode, path] = process.argv.slice(2);

function client() {
  const socket = net.connect({path, allowHalfOpen: true});
  process.stdin.pipe(socket);
  socket.pipe(process.stdout);
}

function reverse(socket) {
  const parts = [];
  socket.on('data', (part) => parts.push(part));
  socket.on('end', () => socket.end(Buffer.concat(parts).reverse()));
}

function serve() {
  const server = net.createServer({allowHalfOpen: true}, (socket) => {
    server.close();
    if (mode === 'echo') socket.pipe(socket);
    else reverse(socket);
  });
  server.listen(path);
}

if (mode === 'client') client();
else serve();
