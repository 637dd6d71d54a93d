// Progress on standard error: a line that changes in a terminal, one line per section elsewhere.

const live = process.stderr.isTTY;

/** Announces a section. Returns functions that show its progress and its end. */
export function section(name, about) {
  const begin = performance.now();
  process.stderr.write(`bench: ${name}: ${about}\n`);
  const clear = () => live && process.stderr.write("\r\x1b[K");
  return {
    say(text) {
      if (!live) return;
      clear();
      process.stderr.write(`  ${text}`.slice(0, (process.stderr.columns ?? 80) - 1));
    },
    done() {
      clear();
      process.stderr.write(`bench: ${name}: ${((performance.now() - begin) / 1000).toFixed(1)} s\n`);
    },
  };
}
