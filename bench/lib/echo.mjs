// Lower bounds for the bridge: servers that answer at once, with the requested number of bytes.
import { once } from "node:events";
import { createServer } from "node:net";
import { Router } from "zeromq";

/**
 * A ZeroMQ echo on a free local port. The request is [u32 length of the answer, payload]; the answer is the
 * beginning of the payload.
 *
 * @returns {Promise<{endpoint: string, close: () => Promise<void>}>}
 */
export async function startZeroMqEcho() {
  const router = new Router({ linger: 0 });
  await router.bind("tcp://127.0.0.1:*");
  const serve = async () => {
    for await (const [client, length, payload] of router) {
      await router.send([client, payload.subarray(0, length.readUInt32LE())]);
    }
  };
  const served = serve();
  return {
    endpoint: router.lastEndpoint,
    async close() {
      router.close();
      await served;
    },
  };
}

/**
 * An echo on a Unix socket. The request is [u32 bytes of the payload, u32 bytes of the answer, payload].
 *
 * @returns {Promise<{close: () => Promise<void>}>}
 */
export async function startSocketEcho(path) {
  const headerBytes = 8;
  const server = createServer((socket) => {
    let missing = 0;
    let answer = 0;
    socket.on("data", (chunk) => {
      // There is one request at a time. Its header arrives in one piece, since it is sent separately.
      if (missing === 0) {
        missing = headerBytes + chunk.readUInt32LE();
        answer = chunk.readUInt32LE(4);
      }
      missing -= chunk.length;
      if (missing === 0) socket.write(Buffer.alloc(answer));
    });
  });
  server.listen(path);
  await once(server, "listening");
  return {
    async close() {
      server.close();
      await once(server, "close");
    },
  };
}
