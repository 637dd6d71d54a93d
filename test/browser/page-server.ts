/**
 * Serves the compiled library to a page on this machine. The two headers make the page cross-origin isolated.
 * Without that, a browser shares no memory between threads.
 */
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { packageRoot } from "../../src/package.js";

const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

const types: Readonly<Record<string, string>> = {
  html: "text/html",
  js: "text/javascript",
  wasm: "application/wasm",
};

/** Paths that may be requested: the compiled library and core, the loader, and the page's own files. */
const served =
  /^\/(dist\/src|build|node_modules\/@assemblyscript\/loader|test\/browser)\/[\w./-]+\.(html|js|wasm)$/;

/** Workers do not support import maps, so the loader is imported by its address. */
const loader = /(["'])@assemblyscript\/loader\1/g;
const loaderPath = '"/node_modules/@assemblyscript/loader/index.js"';

/** Starts the server. Its address ends with a slash. */
export async function servePages(): Promise<{ address: string; server: Server }> {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const extension = served.exec(path)?.[2];
    const content = extension === undefined || path.includes("..") ? null : await contentOf(path, extension);
    if (content === null) response.writeHead(404, headers).end();
    else response.writeHead(200, { ...headers, "Content-Type": types[extension!] }).end(content);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server };
}

async function contentOf(path: string, extension: string): Promise<string | Uint8Array | null> {
  try {
    const bytes = await readFile(join(packageRoot(), path));
    return extension === "js" ? bytes.toString("utf8").replace(loader, loaderPath) : bytes;
  } catch {
    return null;
  }
}
