/**
 * All errors of the software, with their meaning and remedy.
 *
 * The codes are part of the public interface: they are the same in TypeScript, in Python, in the
 * command line's JSON and on the wire (bridge/PROTOCOL.md). docs/errors.md shows the same table; a test keeps
 * the two equal.
 */

/** Meaning of a code, and the remedy for errors raised without a better one. */
export interface CatalogueEntry {
  readonly meaning: string;
  readonly remedy: string;
}

const catalogue = {
  NON_FINITE_POSITIONS: {
    meaning: "A coordinate is NaN or infinite.",
    remedy: "Check the run that wrote the frame: its time step, its potential, or a truncated file.",
  },
  SHAPE_MISMATCH: {
    meaning: "The arrays of a frame have different numbers of atoms, or an array has the wrong length.",
    remedy: "Give 3 coordinates and one species for each atom, and 9 numbers for a cell.",
  },
  SINGULAR_CELL: {
    meaning: "The vectors of the periodic axes span no volume.",
    remedy: "Give linearly independent vectors for the periodic axes, or make the missing axis non-periodic.",
  },
  NON_FINITE_CELL: {
    meaning: "A cell component is NaN or infinite.",
    remedy: "Check where the cell comes from; a barostat that blew up is the usual reason.",
  },
  MISSING_CELL: {
    meaning: "An axis is periodic, but the frame has no cell.",
    remedy: "Give the cell (Lattice in extended XYZ), or set every axis non-periodic.",
  },
  UNKNOWN_SPECIES: {
    meaning: "A species is missing or unusable, although the analysis distinguishes species.",
    remedy: "Name the species of every atom, or ignore species (--ignore-species, ignoreSpecies: true).",
  },
  BAD_LENGTH_SCALE: {
    meaning: "The length scale is zero, negative or not a finite number.",
    remedy:
      "Give (volume per atom)^(1/3) of the phase of interest, in the length unit of the positions, or omit it; it is then estimated.",
  },
  COINCIDENT_ATOMS: {
    meaning: "Two atoms are closer to each other than 0.05 length scales.",
    remedy:
      "Remove the duplicate atom, or check the cell and the length unit. The usual reason is an atom that was written twice, once at each side of the cell. A length scale that is too long has the same effect: give it (--length-scale, lengthScale).",
  },
  EMPTY_FRAME: {
    meaning: "The frame holds no atoms.",
    remedy: "Leave empty frames out.",
  },
  TOO_LARGE: {
    meaning: "The frame needs more memory than the core or the receiver may take.",
    remedy: "Analyse fewer atoms at once: part of the system, or one species.",
  },
  MODEL_NOT_FOUND: {
    meaning: "No model of that name ships, and no file is at that path.",
    remedy: "Run `phasewire models` for the names, or give the path of a .safetensors file.",
  },
  MODEL_FORMAT: {
    meaning: "The model file is not a readable safetensors file: it is truncated, or its header is damaged.",
    remedy: "Copy or download the file again; models/FORMAT.md describes its contents.",
  },
  MODEL_HASH: {
    meaning: "The SHA-256 of the model file is not the expected one.",
    remedy: "The file was changed or damaged: copy it again, or export it again from training/.",
  },
  MODEL_VERSION: {
    meaning: "The model file has a format or version that this release does not read.",
    remedy: "Use the release that the model was made for, or export the model again.",
  },
  MODEL_SHAPE: {
    meaning: "A tensor of the model is missing, or its shape or type differs from models/FORMAT.md.",
    remedy: "Export the model again with the training scripts of this release.",
  },
  MODEL_NON_FINITE: {
    meaning: "The model holds a number that is NaN or infinite.",
    remedy: "The training diverged: export an earlier checkpoint.",
  },
  FILE_FORMAT: {
    meaning: "A structure file could not be read; the message gives the line.",
    remedy: "Correct the line, or write the file again as extended XYZ.",
  },
  EMPTY_SELECTION: {
    meaning: "A selection holds no atom of the frame, or names a species or an id that no atom has.",
    remedy: "Select species or ids that the frame holds.",
  },
  MESSAGE_FORMAT: {
    meaning: "A message does not consist of the MessagePack header and the frames of the protocol.",
    remedy: "Encode messages as bridge/PROTOCOL.md says.",
  },
  MESSAGE_SHAPE: {
    meaning: "An array announced in a message has a shape or type that its field does not allow.",
    remedy: "Send arrays with the dtype and shape that bridge/PROTOCOL.md states for the field.",
  },
  MESSAGE_LENGTH: {
    meaning: "The number of bytes in a raw frame does not match its dtype and shape.",
    remedy: "Send each array whole, little-endian and row-major.",
  },
  SHARED_MEMORY: {
    meaning: "Arrays in shared memory are not available: the file was cut short or closed.",
    remedy: "Send the arrays in messages; clients switch to this by themselves until their next session.",
  },
  MESSAGE_TYPE: {
    meaning: "The message type is unknown.",
    remedy: "Use a message type of bridge/PROTOCOL.md that the server announced.",
  },
  PROTOCOL_VERSION: {
    meaning: "The two sides have no protocol version in common.",
    remedy: "Install the same release of phasewire on both sides.",
  },
  NO_SESSION: {
    meaning: "The connection has no session: it never sent hello, or the server restarted after it.",
    remedy: "Send hello first; clients do this again by themselves after a restart.",
  },
  QUEUE_FULL: {
    meaning: "The session already has as many unanswered requests as the server keeps.",
    remedy:
      "Wait for answers before sending more, or use monitor mode, which drops the oldest frame instead.",
  },
  ENDPOINT_IN_USE: {
    meaning: "Another process is listening at the address.",
    remedy: "Stop the other server, or give another --endpoint.",
  },
  ENDPOINT_INSECURE: {
    meaning: "The address can be reached from other machines, but no CURVE keys were given.",
    remedy: "Use ipc:// or tcp://127.0.0.1, or give CURVE keys.",
  },
  SERVER_UNREACHABLE: {
    meaning: "No server answers at the address.",
    remedy: "Start one with `phasewire serve`, and compare the addresses.",
  },
  TIMEOUT: {
    meaning: "An answer did not arrive within its deadline.",
    remedy: "Allow more time, send fewer frames, or give the server more threads.",
  },
  BAD_OPTION: {
    meaning: "An option has a value that it cannot take, or two options exclude each other.",
    remedy: "See `phasewire help` or the documentation of the function.",
  },
  FILE_ACCESS: {
    meaning: "A file could not be opened, read or written.",
    remedy: "Check the path, the permissions and the free space.",
  },
  INTERNAL: {
    meaning: "The software broke one of its own rules.",
    remedy: "Please report this with the input that shows it.",
  },
} as const satisfies Record<string, CatalogueEntry>;

/** The name of an error. */
export type ErrorCode = keyof typeof catalogue;

/** The table of all errors, by code. */
export const errorCatalogue: Readonly<Record<ErrorCode, CatalogueEntry>> = catalogue;
