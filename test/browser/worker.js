/** A worker thread of the core in a browser. The first message holds its start data. */
import { workOffJobs } from "/dist/src/core/worker-loop.js";

self.onmessage = ({ data }) => workOffJobs(data, (message) => self.postMessage(message));
