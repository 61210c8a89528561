#!/usr/bin/env python3
"""nsfwd.py NETNS PORT [TARGET_PORT [TARGET_HOST]]: listens on 127.0.0.1:PORT here and connects each client to
TARGET_HOST (127.0.0.1):TARGET_PORT inside the network namespace /run/netns/NETNS."""
import asyncio, ctypes, os, socket, sys

ns, port = sys.argv[1], int(sys.argv[2])
target = int(sys.argv[3]) if len(sys.argv) > 3 else port
host = sys.argv[4] if len(sys.argv) > 4 else "127.0.0.1"
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", port)); s.listen(128)          # a socket stays in the namespace it was made in
fd = os.open("/run/netns/" + ns, os.O_RDONLY)
libc = ctypes.CDLL(None, use_errno=True)
if libc.setns(fd, 0x40000000) != 0:                  # CLONE_NEWNET; what is dialled from now on is inside
    sys.exit("setns: " + os.strerror(ctypes.get_errno()))


async def pump(r, w):
    try:
        while data := await r.read(65536):
            w.write(data); await w.drain()
        if w.can_write_eof(): w.write_eof()
    except OSError:
        w.close()


async def client(r, w):
    try:
        r2, w2 = await asyncio.open_connection(host, target)
        await asyncio.gather(pump(r, w2), pump(r2, w)); w2.close()
    except OSError:
        pass
    w.close()


async def main():
    async with await asyncio.start_server(client, sock=s) as srv:
        await srv.serve_forever()

asyncio.run(main())
