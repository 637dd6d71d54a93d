/** Random choices that a seed repeats. */

/** A generator of random numbers (mulberry32), with the choices that attackers make. */
export class Random {
  private state: number;

  /** @param parts numbers that together select the sequence, such as seed and number of a case */
  constructor(...parts: readonly number[]) {
    this.state = parts.reduce((hash, part) => mixed((hash ^ part) >>> 0), 0x9e3779b9);
  }

  /** A number from 0, below 1. */
  unit(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    return mixed(this.state) / 2 ** 32;
  }

  /** A whole number from 0, below `end`. */
  below(end: number): number {
    return Math.floor(this.unit() * end);
  }

  /** A whole number between two others, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** Whether an event of this probability happens. */
  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  /** One of several actions, with weights. */
  choose<Result>(choices: readonly (readonly [weight: number, act: () => Result])[]): Result {
    let left = this.unit() * choices.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, act] of choices) {
      left -= weight;
      if (left < 0) return act();
    }
    return choices.at(-1)![1]();
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 15), hash | 1);
  hash ^= hash + Math.imul(hash ^ (hash >>> 7), hash | 61);
  return (hash ^ (hash >>> 14)) >>> 0;
}
