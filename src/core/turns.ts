/**
 * Cores that compute on the same thread at the same time, such as two of a server: each gets the same time.
 */
export class Turns {
  /** Time that each has had, in milliseconds. */
  private readonly had = new Map<object, number>();

  /** Whether several cores compute. */
  get areShared(): boolean {
    return this.had.size > 1;
  }

  /** A core begins to compute: what others had before does not count. */
  begin(core: object): void {
    this.had.set(core, this.had.size === 0 ? 0 : Math.min(...this.had.values()));
  }

  /** A core has computed for some time. */
  add(core: object, milliseconds: number): void {
    this.had.set(core, this.had.get(core)! + milliseconds);
  }

  /** Whether no other core has had less time. */
  isNext(core: object): boolean {
    if (!this.areShared) return true;
    const own = this.had.get(core) ?? 0;
    for (const other of this.had.values()) if (other < own) return false;
    return true;
  }

  end(core: object): void {
    this.had.delete(core);
  }
}
