/** Questions to the readers of both languages, and their answers: one line of JSON each. */

export interface Question {
  readonly kind: string;
  /** A file or folder to read. */
  readonly path?: string;
  /** JSON to read, in place of a file. */
  readonly text?: string;
}

export interface Refusal {
  readonly code: string;
  readonly field: string | null;
  readonly message: string;
  readonly remedy: string;
}

export type Verdict =
  /** A description of what was read, alike in both languages. */
  | { readonly result: readonly unknown[] }
  | { readonly refusal: Refusal }
  /** An exception that is not one of the documented errors. */
  | { readonly fault: string };
