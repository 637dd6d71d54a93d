/** Model files made for tests: valid ones with random weights, and every way to damage them. */
import { createHash } from "node:crypto";

/** Changes to a model file before it is hashed and packed. */
export interface ModelFileChanges {
  /** Fields of the description to replace; undefined removes one. */
  description?: Record<string, unknown>;
  /** Tensors to replace; undefined removes one. */
  tensors?: Record<string, { dtype?: string; shape: number[]; data: Float32Array } | undefined>;
  /** The metadata hash to write instead of the correct one, or null for none. */
  sha256?: string | null;
}

export const classNames = ["disordered", "fcc", "hcp", "bcc"];

/** The bytes of a model file with 4 classes and random weights. */
export function modelFile(changes: ModelFileChanges = {}): Uint8Array {
  const description: Record<string, unknown> = {
    format: "phasewire-model",
    version: 1,
    name: "random",
    classes: classNames.map((name) => ({
      name,
      aliases: name === "fcc" ? ["ccp"] : [],
      prototype: name,
      spaceGroup: null,
    })),
    cutoff: 2.3,
    basisCount: 10,
    basisFirst: 0.6,
    basisLast: 2.3,
    basisWidth: 0.2,
    epsilon: 0.001,
    logitLength: 0.06,
    idealLogits: classNames.map(() => 0),
    channels: 16,
    lmax: 6,
    training: { seed: 1 },
    ...changes.description,
  };
  const tensors = { ...randomTensors(), ...changes.tensors };
  const entries: Record<string, unknown> = {};
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (const [name, tensor] of Object.entries(tensors)) {
    if (tensor === undefined) continue;
    const bytes = new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
    entries[name] = {
      dtype: tensor.dtype ?? "F32",
      shape: tensor.shape,
      data_offsets: [offset, offset + bytes.length],
    };
    chunks.push(bytes);
    offset += bytes.length;
  }
  const text = JSON.stringify(description);
  const data = Buffer.concat(chunks);
  const sha256 = changes.sha256 ?? createHash("sha256").update(text).update(data).digest("hex");
  const metadata = changes.sha256 === null ? { phasewire: text } : { phasewire: text, sha256 };
  return pack({ __metadata__: metadata, ...entries }, data);
}

/**
 * The bytes of a model file with random weights, a last hidden layer of this width, and classes `disordered`,
 * `c1`, `c2` and so on.
 */
export function modelFileOf(classCount: number, outerWidth = 64): Uint8Array {
  const classes = Array.from({ length: classCount }, (_, index) => ({
    name: index ? `c${index}` : "disordered",
  }));
  const weights = numbers(outerWidth * classCount, 1);
  weights.fill(0, 0, outerWidth);
  return modelFile({
    description: { classes, idealLogits: classes.map(() => 0), outerWidth },
    tensors: {
      "network2.weight0": { shape: [outerWidth, 64], data: numbers(outerWidth * 64, 9, 0.2) },
      "network2.bias0": { shape: [outerWidth], data: numbers(outerWidth, 10, 0.1) },
      "network2.weight1": { shape: [classCount, outerWidth], data: weights },
      "network2.bias1": { shape: [classCount], data: numbers(classCount, 2) },
    },
  });
}

/** A safetensors file from any header, valid or not. */
export function pack(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

/** Reproducible numbers in -1..1 (a linear congruential generator is random enough for weights). */
export function numbers(count: number, seed: number, scale = 1): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return scale * (state / 2 ** 31 - 1);
  });
}

function randomTensors(): Record<
  string,
  { dtype?: string; shape: number[]; data: Float32Array } | undefined
> {
  const classCount = classNames.length;
  const weight1 = numbers(classCount * 64, 11, 0.5);
  weight1.fill(0, 0, 64);
  return {
    "radial.mix": { shape: [2, 17, 10], data: numbers(340, 1, 0.3) },
    "invariants.mix": { shape: [7, 16, 16], data: numbers(1792, 2, 0.3) },
    "standard.mean": { shape: [128], data: numbers(128, 3, 0.1) },
    "standard.scale": { shape: [128], data: numbers(128, 4, 0.1).map((value) => 1 + value) },
    "network1.weight0": { shape: [64, 128], data: numbers(64 * 128, 5, 0.1) },
    "network1.bias0": { shape: [64], data: numbers(64, 6, 0.1) },
    "network1.weight1": { shape: [32, 64], data: numbers(32 * 64, 7, 0.2) },
    "network1.bias1": { shape: [32], data: numbers(32, 8, 0.1) },
    "network2.weight0": { shape: [64, 64], data: numbers(64 * 64, 9, 0.2) },
    "network2.bias0": { shape: [64], data: numbers(64, 10, 0.1) },
    "network2.weight1": { shape: [classCount, 64], data: weight1 },
    "network2.bias1": { shape: [classCount], data: numbers(classCount, 12, 0.5) },
  };
}
