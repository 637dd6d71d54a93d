/** A worker thread of the core in a browser: the first message is what it starts with. */
import { workOffJobs } from "/dist/src/core/worker-loop.js";

self.onmessage = ({ data }) => workOffJobs(data, (message) => self.postMessage(message));
