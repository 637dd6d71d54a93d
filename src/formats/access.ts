/** Why a file could not be opened, read or written, in words instead of the names of system calls. */
import { PhasewireError } from "../errors/index.js";

interface Refusal {
  readonly reason: string;
  readonly remedy: string;
}

const refusedReading: Readonly<Record<string, Refusal>> = {
  ENOENT: {
    reason: "there is no such file",
    remedy: "Check the name, and the folder that the command runs in.",
  },
  EISDIR: {
    reason: "it is a folder",
    remedy: "Give files, such as FOLDER/*.extxyz.gz.",
  },
  EACCES: {
    reason: "permission to read it is missing",
    remedy: "Check the permissions of the file and of the folders above it.",
  },
};

const refusedWriting: Readonly<Record<string, Refusal>> = {
  ENOENT: {
    reason: "its folder does not exist",
    remedy: "Make the folder first, or write to another one.",
  },
  EISDIR: {
    reason: "it is a folder",
    remedy: "Give the name of a file, such as FOLDER/labelled.extxyz.gz.",
  },
  EACCES: {
    reason: "permission to write it is missing",
    remedy: "Check the permissions of the file and of its folder, or write to another one.",
  },
  ENOSPC: {
    reason: "no space is left on the device",
    remedy: "Free some space, or write to another device.",
  },
};

/** A `FILE_ACCESS` error for a file that could not be opened or read. */
export function readAccessError(path: string, thrown: unknown): PhasewireError {
  return accessError(path, "read", refusedReading, thrown);
}

/** A `FILE_ACCESS` error for a file that could not be opened or written. */
export function writeAccessError(path: string, thrown: unknown): PhasewireError {
  return accessError(path, "written", refusedWriting, thrown);
}

function accessError(
  path: string,
  done: "read" | "written",
  known: Readonly<Record<string, Refusal>>,
  thrown: unknown,
): PhasewireError {
  const code = (thrown as NodeJS.ErrnoException).code ?? "";
  const refusal = known[code];
  const reason = refusal?.reason ?? (thrown instanceof Error ? thrown.message : String(thrown));
  return new PhasewireError("FILE_ACCESS", {
    message: `${path} cannot be ${done}: ${reason}`,
    field: path,
    value: code,
    ...(refusal === undefined ? {} : { remedy: refusal.remedy }),
    cause: thrown,
  });
}
