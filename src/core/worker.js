// @ts-check
/** The entry of a worker thread of Node. */
import { parentPort, workerData } from "node:worker_threads";
import { workOffJobs } from "./worker-loop.js";

workOffJobs(workerData, (message) => parentPort?.postMessage(message));
