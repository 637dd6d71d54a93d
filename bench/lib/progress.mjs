// What is going on, to standard error: a line that changes in a terminal, one line for each section elsewhere.

const live = process.stderr.isTTY;

/** Announces a section; returns a way to say what it is at. */
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
