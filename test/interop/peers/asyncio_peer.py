#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Python's asyncio streams, which know nothing of leat.

usage: asyncio_peer.py client|echo|reverse PATH
  client   sends standard input and half-closes; what comes goes to standard output
  echo     serves one client: gives back what comes, until the client ends
  reverse  serves one client: reads all until its half-close, and answers with that, reversed
"""
import asyncio
import sys

PART_BYTES = 65536


async def send_input(writer):
    while part := await asyncio.to_thread(sys.stdin.buffer.read1, PART_BYTES):
        writer.write(part)
        await writer.drain()
    writer.write_eof()


async def show_output(reader):
    while part := await reader.read(PART_BYTES):
        sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()


async def client(path):
    reader, writer = await asyncio.open_unix_connection(path)
    await asyncio.gather(send_input(writer), show_output(reader))
    writer.close()
    await writer.wait_closed()


async def serve(path, reverse):
    over = asyncio.get_running_loop().create_future()

    async def talk(reader, writer):
        try:
            if reverse:
                writer.write((await reader.read())[::-1])
            else:
                while part := await reader.read(PART_BYTES):
                    writer.write(part)
                    await writer.drain()
            writer.close()
            await writer.wait_closed()
            over.set_result(None)
        except OSError as error:
            over.set_exception(error)

    async with await asyncio.start_unix_server(talk, path):
        await over


if __name__ == "__main__":
    if sys.argv[1] == "client":
        asyncio.run(client(sys.argv[2]))
    else:
        asyncio.run(serve(sys.argv[2], sys.argv[1] == "reverse"))
